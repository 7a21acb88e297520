# SPDX-License-Identifier: MIT
"""S3 over REST, path style: which operation a request is, and buckets and objects. Uploads in parts
are in multipart.py, listings in listing.py."""
import contextlib
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from email.utils import formatdate, parsedate_to_datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

import listing
import multipart
from errors import ACCOUNT, Fault
from httpd import Response
from objects import NAME, Objects

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
CHECKSUMS = ("crc32", "crc32c", "sha1", "sha256", "crc64nvme")
KEPT_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language",
                "expires", "x-amz-server-side-encryption",
                "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-storage-class")
DELETE_MAX = 1000
KEY_BYTES_MAX = 1024


def xml(body):
    return Response(200, '<?xml version="1.0" encoding="UTF-8"?>\n' + body,
                    content_type="application/xml")


def stamp(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"


class S3(Objects):
    def __init__(self, app):
        super().__init__(app.state)
        self.app = app

    def parse(self, request):
        path = request.path.lstrip("/")
        bucket, _, key = path.partition("/")
        request.bucket, request.key = unquote(bucket), unquote(key, errors="surrogateescape")
        p, method = request.params, request.method
        if not request.bucket:
            table = {"GET": "ListBuckets"}
        elif not request.key:
            table = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket",
                     "GET": "ListMultipartUploads" if "uploads" in p else "GetBucketLocation"
                     if "location" in p else "ListObjectsV2",
                     "POST": "DeleteObjects" if "delete" in p else ""}
        else:
            part = "uploadId" in p
            table = {"HEAD": "HeadObject", "GET": "ListParts" if part else "GetObject",
                     "PUT": "UploadPart" if part else "CopyObject"
                     if request.header("x-amz-copy-source") else "PutObject",
                     "POST": "CreateMultipartUpload" if "uploads" in p else
                     "CompleteMultipartUpload" if part else "",
                     "DELETE": "AbortMultipartUpload" if part else "DeleteObject"}
        operation = table.get(method) or "Unknown"
        name = request.bucket + ("/" + request.key if request.key else "")
        return operation, name, None

    def call(self, context, _):
        function = TABLE.get(context.operation)
        if not function:
            raise Fault("MethodNotAllowed", "The specified method is not allowed against this "
                        "resource.", 405)
        if context.operation not in ("ListBuckets", "CreateBucket"):
            self.check_bucket(context)
        if len(context.request.key.encode("utf-8", "surrogateescape")) > KEY_BYTES_MAX:
            raise Fault("KeyTooLongError", "Your key is too long")
        return function(self, context)

    def check_bucket(self, context):
        request = context.request
        bucket = self.bucket_record(request.bucket)
        if not bucket:
            raise Fault("NoSuchBucket" if NAME.match(request.bucket) else "InvalidBucketName",
                        "The specified bucket does not exist" if NAME.match(request.bucket)
                        else "The specified bucket is not valid.",
                        404 if NAME.match(request.bucket) else 400, BucketName=request.bucket)
        if bucket["region"] != context.region and context.operation != "GetBucketLocation":
            raise Fault("PermanentRedirect", "The bucket you are attempting to access must be "
                        "addressed using the specified endpoint. Please send all future requests "
                        "to this endpoint.", 301, Bucket=request.bucket,
                        Endpoint=f"s3.{bucket['region']}.amazonaws.com", region=bucket["region"])
        owner = request.header("x-amz-expected-bucket-owner")
        if bucket["owner"] != ACCOUNT or (owner and owner != bucket["owner"]):
            raise Fault("AccessDenied", "Access Denied", 403)

    def fault(self, f, context):
        extra = dict(f.extra)
        region = extra.pop("region", None)
        headers = [("x-amz-bucket-region", region)] if region else []
        if f.code == "NoSuchKey":
            extra["Key"] = context.request.key
        body = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in extra.items())
        text = (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{f.code}</Code><Message>'
                f"{escape(f.message)}</Message>{body}<RequestId>{context.request.id[:16].upper()}"
                f"</RequestId><HostId>{context.request.id}</HostId></Error>")
        response = Response(f.status, text, headers, "application/xml")
        if context.request.method == "HEAD":
            response.length = 0
        return response


def check_checksums(request):
    """The checksums that the request has, each compared with what came."""
    sums = {}
    for name in CHECKSUMS:
        said = request.header(f"x-amz-checksum-{name}") or \
            request.body.trailer.get(f"x-amz-checksum-{name}")
        if said is None:
            continue
        have = request.body.checksum(name)
        if have is None:
            raise Fault("NotImplemented", f"The fake cannot compute {name}.", 501)
        if have != said:
            raise Fault("BadDigest", f"The {name.upper()} you specified did not match the "
                        "calculated checksum.")
        sums[name] = said
    if request.header("content-md5"):
        if b64encode(request.body.hashes["md5"].digest()).decode() != request.header("content-md5"):
            raise Fault("BadDigest", "The Content-MD5 you specified did not match what we "
                        "received.")
        sums["md5"] = request.header("content-md5")
    return sums


def object_fields(request):
    """What of a PUT's headers stays with the object."""
    kept = {h: request.header(h) for h in KEPT_HEADERS if request.header(h)}
    if kept.get("content-encoding", "").startswith("aws-chunked"):
        kept["content-encoding"] = kept["content-encoding"][len("aws-chunked"):].strip(", ")
        if not kept["content-encoding"]:
            del kept["content-encoding"]
    kept.update({h: v for h, v in request.headers.items() if h.startswith("x-amz-meta-")})
    kept.setdefault("x-amz-server-side-encryption", "AES256")
    return {"content_type": request.header("content-type", "binary/octet-stream"), "headers": kept}


def check_conditions(store, request):
    """If-None-Match: * makes only, If-Match replaces only that."""
    meta = store.meta(request.bucket, request.key)
    if request.header("if-none-match") == "*" and meta:
        raise Fault("PreconditionFailed", "At least one of the pre-conditions you specified did "
                    "not hold", 412, Condition="If-None-Match")
    if request.header("if-match"):
        if not meta:
            raise Fault("NoSuchKey", "The specified key does not exist.", 404)
        if meta["etag"] != request.header("if-match").strip('"'):
            raise Fault("PreconditionFailed", "At least one of the pre-conditions you specified "
                        "did not hold", 412, Condition="If-Match")


def meta_headers(meta):
    out = [("ETag", f'"{meta["etag"]}"'), ("Last-Modified", formatdate(meta["modified"],
                                                                       usegmt=True)),
           ("Content-Type", meta["content_type"]), ("Accept-Ranges", "bytes")]
    return out + [(k, v) for k, v in meta["headers"].items()]


def checksum_headers(sums):
    return [(f"x-amz-checksum-{k}", v) for k, v in sums.items() if k in CHECKSUMS]


def put_object(store, context):
    request = context.request
    sums = check_checksums(request)
    file = store.new_file()
    fields, size = object_fields(request), request.body.size
    etag = store.etag(request.body.hex("md5"), fields["headers"])
    with store.state.lock:
        check_conditions(store, request)
        request.body.move(os.path.join(store.folder, file))
        store.keep(request.bucket, request.key, {
            "file": file, "size": size, "etag": etag, "modified": store.state.now(),
            "checksums": sums, **fields})
    sse = request.header("x-amz-server-side-encryption", "AES256")
    return Response(200, b"", [("ETag", f'"{etag}"'), ("x-amz-server-side-encryption", sse),
                               *checksum_headers(sums)])


def copy_object(store, context):
    request = context.request
    bucket, _, key = unquote(request.header("x-amz-copy-source")).lstrip("/").partition("/")
    with store.state.lock:
        data, meta = store.get_bytes(bucket, key), store.meta(bucket, key)
        if data is None:
            raise Fault("NoSuchKey", "The specified key does not exist.", 404)
        store.put_bytes(request.bucket, request.key, data, meta["content_type"])
        meta = store.meta(request.bucket, request.key)
    return xml(f"<CopyObjectResult><ETag>&quot;{meta['etag']}&quot;</ETag><LastModified>"
               f"{stamp(meta['modified'])}</LastModified></CopyObjectResult>")


def get_object(store, context):
    request = context.request
    with store.state.lock:
        meta = store.meta(request.bucket, request.key)
        if not meta:
            raise Fault("NoSuchKey", "The specified key does not exist.", 404)
        headers = meta_headers(meta)
        unchanged = read_conditions(request, meta)
        if unchanged:
            return Response(304, b"", headers[:2])
        status, start, length = byte_range(request.header("range"), meta["size"])
        if status == 206:
            headers.append(("Content-Range",
                            f"bytes {start}-{start + length - 1}/{meta['size']}"))
        if request.header("x-amz-checksum-mode", "").upper() == "ENABLED" and status == 200:
            headers += checksum_headers(meta["checksums"])
        response = Response(status, b"", headers)
        if request.method == "HEAD":
            response.length = length
        else:
            # Opened under the lock: a PUT that comes now does not pull the data away.
            response.file = (open(store.file(meta), "rb"), start, length)
        return response


def read_conditions(request, meta):
    match, none_match = request.header("if-match"), request.header("if-none-match")
    if match and match.strip('"') not in ("*", meta["etag"]):
        raise Fault("PreconditionFailed", "At least one of the pre-conditions you specified did "
                    "not hold", 412)
    if request.header("if-unmodified-since") and not match and int(meta["modified"]) > \
            parsedate_to_datetime(request.header("if-unmodified-since")).timestamp():
        raise Fault("PreconditionFailed", "At least one of the pre-conditions you specified did "
                    "not hold", 412)
    return bool(none_match) and none_match.strip('"') in ("*", meta["etag"])


def byte_range(text, size):
    """(status, start, length)"""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text or "")
    if not found or found.groups() == ("", ""):
        return 200, 0, size
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
    if start >= size or (not first and last == "0"):
        raise Fault("InvalidRange", "The requested range is not satisfiable", 416)
    return 206, start, end - start + 1


def delete_object(store, context):
    with store.state.lock:
        store.remove(context.request.bucket, context.request.key)
    return Response(204)


def delete_objects(store, context):
    request = context.request
    if not check_checksums(request):
        raise Fault("InvalidRequest", "Missing required header for this request: Content-MD5 OR "
                    "x-amz-checksum-*")
    root = parse_xml(request.body.data)
    quiet = text_of(root, "Quiet") == "true"
    keys = [text_of(o, "Key") for o in root if local(o.tag) == "Object"]
    if not 0 < len(keys) <= DELETE_MAX:
        raise malformed()
    with store.state.lock:
        for key in keys:
            store.remove(request.bucket, key)
    done = "" if quiet else "".join(f"<Deleted><Key>{escape(k)}</Key></Deleted>" for k in keys)
    return xml(f'<DeleteResult xmlns="{XMLNS}">{done}</DeleteResult>')


def malformed():
    return Fault("MalformedXML", "The XML you provided was not well-formed or did not validate "
                 "against our published schema")


def local(tag):
    return tag.rpartition("}")[2]


def parse_xml(data):
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        raise malformed() from None


def text_of(element, name):
    return next((e.text or "" for e in element if local(e.tag) == name), None)


@contextlib.contextmanager
def making(store, name):
    """Of two that make the same bucket at the same time, the second is told so ("OperationAborted:
    A conflicting conditional operation is currently in progress against this resource", Amazon S3
    API reference, list of error codes). `bucket_making_s` is how long it takes."""
    with store.state.lock:
        if name in store.making:
            raise Fault("OperationAborted", "A conflicting conditional operation is currently in "
                        "progress against this resource. Please try again.", 409)
        store.making.add(name)
    try:
        time.sleep(store.state.setting("bucket_making_s", 0))
        yield
    finally:
        with store.state.lock:
            store.making.discard(name)


def create_bucket(store, context):
    request, region = context.request, context.region
    name = request.bucket
    place = None
    if request.body.size:
        place = text_of(parse_xml(request.body.data), "LocationConstraint")
    if (place or "us-east-1") != region:
        raise Fault("IllegalLocationConstraintException", f"The {place or 'unspecified'} location "
                    "constraint is incompatible for the region specific endpoint this request was "
                    "sent to.")
    with making(store, name), store.state.lock:
        old = store.bucket_record(name)
        if old and old["owner"] != ACCOUNT:
            raise Fault("BucketAlreadyExists", "The requested bucket name is not available. The "
                        "bucket namespace is shared by all users of the system. Please select a "
                        "different name and try again.", 409)
        if old and (region != "us-east-1" or old["region"] != region):
            raise Fault("BucketAlreadyOwnedByYou", "Your previous request to create the named "
                        "bucket succeeded and you already own it.", 409)
        if not old:
            store.make_bucket(name, region)
    return Response(200, b"", [("Location", f"/{name}")])


def head_bucket(store, context):
    region = store.bucket_record(context.request.bucket)["region"]
    response = Response(200, b"", [("x-amz-bucket-region", region)], "application/xml")
    response.length = 0
    return response


def delete_bucket(store, context):
    with store.state.lock:
        if store.objects(context.request.bucket):
            raise Fault("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        store.drop_bucket(context.request.bucket)
    return Response(204)


def bucket_location(store, context):
    region = store.bucket_record(context.request.bucket)["region"]
    return xml(f'<LocationConstraint xmlns="{XMLNS}">'
               f"{'' if region == 'us-east-1' else region}</LocationConstraint>")


def list_buckets(store, context):
    rows = "".join(f"<Bucket><Name>{b['name']}</Name><CreationDate>{stamp(b['created'])}"
                   f"</CreationDate><BucketRegion>{b['region']}</BucketRegion></Bucket>"
                   for n, b in sorted(store.state.all("bucket").items()) if b["owner"] == ACCOUNT)
    return xml(f'<ListAllMyBucketsResult xmlns="{XMLNS}"><Owner><ID>{ACCOUNT}</ID></Owner><Buckets>'
               f"{rows}</Buckets></ListAllMyBucketsResult>")


TABLE = {"PutObject": put_object, "CopyObject": copy_object, "GetObject": get_object,
         "HeadObject": get_object, "DeleteObject": delete_object, "DeleteObjects": delete_objects,
         "CreateBucket": create_bucket, "HeadBucket": head_bucket, "DeleteBucket": delete_bucket,
         "GetBucketLocation": bucket_location, "ListBuckets": list_buckets,
         "ListObjectsV2": listing.list_objects, "ListMultipartUploads": listing.list_uploads,
         "ListParts": listing.list_parts, "CreateMultipartUpload": multipart.create,
         "UploadPart": multipart.upload_part, "CompleteMultipartUpload": multipart.complete,
         "AbortMultipartUpload": multipart.abort}
