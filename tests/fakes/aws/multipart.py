# SPDX-License-Identifier: MIT
"""Uploads in parts."""
import os
import struct
from base64 import b64encode
from xml.sax.saxutils import escape

import s3
from errors import Fault
from httpd import Response
from objects import PART_MAX, PART_NUMBER_MAX, composite, composite_etag


def number_of(request):
    text = request.params.get("partNumber", "")
    if not text.isdigit() or not 1 <= int(text) <= PART_NUMBER_MAX:
        raise Fault("InvalidArgument", "Part number must be an integer between 1 and 10000, "
                    "inclusive")
    return int(text)


def create(store, context):
    request = context.request
    algorithm = request.header("x-amz-checksum-algorithm", "").lower()
    with store.state.lock:
        number = store.new_upload(request.bucket, request.key, {
            "algorithm": algorithm, "type": request.header("x-amz-checksum-type", "COMPOSITE"),
            **s3.object_fields(request)})
    response = s3.xml(f'<InitiateMultipartUploadResult xmlns="{s3.XMLNS}"><Bucket>{request.bucket}'
                      f"</Bucket><Key>{escape(request.key)}</Key><UploadId>{number}</UploadId>"
                      "</InitiateMultipartUploadResult>")
    if algorithm:
        response.headers += [("x-amz-checksum-algorithm", algorithm.upper())]
    return response


def upload_part(store, context):
    request = context.request
    n = number_of(request)
    sums = s3.check_checksums(request)
    if request.body.size > PART_MAX:
        raise Fault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    file = store.new_file()
    part = {"file": file, "size": request.body.size, "modified": store.state.now(),
            "checksums": sums}
    with store.state.lock:
        upload = store.upload(request.bucket, request.key, request.params["uploadId"])
        part["etag"] = store.etag(request.body.hex("md5"), upload["headers"])
        request.body.move(os.path.join(store.folder, file))
        store.keep_part(request.params["uploadId"], n, part)
    return Response(200, b"", [("ETag", f'"{part["etag"]}"'), *s3.checksum_headers(sums)])


def listed_parts(root):
    found = []
    for element in root:
        if s3.local(element.tag) != "Part":
            continue
        n, etag = s3.text_of(element, "PartNumber"), s3.text_of(element, "ETag")
        if not n or not n.isdigit() or etag is None:
            raise s3.malformed()
        sums = {}
        for name in s3.CHECKSUMS:
            value = s3.text_of(element, "Checksum" + name.upper())
            if value:
                sums[name] = value
        found.append((int(n), etag, sums))
    return found


def complete(store, context):
    """With the rule `error_in_200` it answers 200 and an error in the body, as S3 may."""
    request = context.request
    if context.ruled("error_in_200"):
        return s3.xml("<Error><Code>InternalError</Code><Message>We encountered an internal error. "
                      "Please try again.</Message></Error>")
    listed = listed_parts(s3.parse_xml(request.body.data))
    number = request.params["uploadId"]
    with store.state.lock:
        upload = store.upload(request.bucket, request.key, number)
        chosen = store.chosen(upload, listed)
        s3.check_conditions(store, request)
    file, size, crc = store.join(chosen)
    whole = b64encode(struct.pack(">I", crc)).decode()
    sums = {}
    if upload["type"] == "FULL_OBJECT" and upload["algorithm"] == "crc32":
        said = request.header("x-amz-checksum-crc32")
        if said and said != whole:
            os.unlink(os.path.join(store.folder, file))
            raise Fault("BadDigest", "The CRC32 you specified did not match the calculated "
                        "checksum.")
        sums["crc32"] = whole
    elif upload["algorithm"]:
        value = composite(chosen, upload["algorithm"])
        if value:
            sums[upload["algorithm"]] = value
    etag = composite_etag(chosen)
    with store.state.lock:
        store.upload(request.bucket, request.key, number)
        store.keep(request.bucket, request.key, {
            "file": file, "size": size, "etag": etag, "modified": store.state.now(),
            "checksums": sums, "content_type": upload["content_type"],
            "headers": upload["headers"]})
        store.end_upload(number, unlink=True)
    extra = "".join(f"<Checksum{k.upper()}>{v}</Checksum{k.upper()}>" for k, v in sums.items())
    return s3.xml(f'<CompleteMultipartUploadResult xmlns="{s3.XMLNS}"><Location>http://'
                  f"{request.header('host')}{request.path}</Location><Bucket>{request.bucket}"
                  f"</Bucket><Key>{escape(request.key)}</Key><ETag>&quot;{etag}&quot;</ETag>{extra}"
                  "</CompleteMultipartUploadResult>")


def abort(store, context):
    request = context.request
    with store.state.lock:
        store.upload(request.bucket, request.key, request.params["uploadId"])
        store.end_upload(request.params["uploadId"], unlink=True)
    return Response(204)
