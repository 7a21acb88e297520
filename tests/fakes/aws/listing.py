# SPDX-License-Identifier: MIT
"""S3's listings: objects, unfinished uploads, parts."""
from urllib.parse import quote
from xml.sax.saxutils import escape

import s3
from errors import Fault
from lists import decode, encode

PAGE = 1000


def size_of(request, name):
    text = request.params.get(name, str(PAGE))
    if not text.isdigit():
        raise Fault("InvalidArgument", f"Provided {name} not an integer or within integer range")
    return min(int(text), PAGE)


def coder(request):
    """How keys are written: percent-encoded with encoding-type=url."""
    if request.params.get("encoding-type") == "url":
        return lambda text: quote(text, safe="/", errors="surrogateescape")
    return escape


def list_objects(store, context):
    request = context.request
    if request.params.get("list-type") != "2":
        raise Fault("NotImplemented", "The fake knows only ListObjectsV2.", 501)
    p = request.params
    prefix, delimiter, code = p.get("prefix", ""), p.get("delimiter", ""), coder(request)
    start = p.get("start-after", "")
    if p.get("continuation-token"):
        start = token(p["continuation-token"])
    rows, groups, last, more = collect(store, request.bucket, prefix, delimiter, start,
                                       size_of(request, "max-keys"))
    contents = "".join(
        f"<Contents><Key>{code(k)}</Key><LastModified>{s3.stamp(m['modified'])}</LastModified>"
        f"<ETag>&quot;{m['etag']}&quot;</ETag><Size>{m['size']}</Size><StorageClass>STANDARD"
        "</StorageClass></Contents>" for k, m in rows)
    common = "".join(f"<CommonPrefixes><Prefix>{code(g)}</Prefix></CommonPrefixes>" for g in groups)
    fields = [("Name", escape(request.bucket)), ("Prefix", code(prefix))]
    if delimiter:
        fields.append(("Delimiter", code(delimiter)))
    if p.get("start-after"):
        fields.append(("StartAfter", code(p["start-after"])))
    fields += [("MaxKeys", size_of(request, "max-keys")), ("KeyCount", len(rows) + len(groups)),
               ("IsTruncated", "true" if more else "false")]
    if p.get("encoding-type"):
        fields.append(("EncodingType", "url"))
    if more:
        fields.append(("NextContinuationToken", encode(last)))
    head = "".join(f"<{k}>{v}</{k}>" for k, v in fields)
    return s3.xml(f'<ListBucketResult xmlns="{s3.XMLNS}">{head}{contents}{common}'
                  "</ListBucketResult>")


def token(text):
    try:
        return decode(text)
    except Fault:
        raise Fault("InvalidArgument", "The continuation token provided is incorrect") from None


def collect(store, bucket, prefix, delimiter, start, size):
    """(rows, common prefixes, where to go on, is there more)"""
    rows, groups, last = [], [], start
    with store.state.lock:
        for key in store.keys(bucket, prefix, start):
            group = None
            if delimiter:
                at = key.find(delimiter, len(prefix))
                if at >= 0:
                    group = key[:at + len(delimiter)]
            if group and (group in groups[-1:] or (start and start.startswith(group))):
                last = key
                continue
            if len(rows) + len(groups) >= size:
                return rows, groups, last, True
            if group:
                groups.append(group)
            else:
                rows.append((key, store.meta(bucket, key)))
            last = key
    return rows, groups, last, False


def list_uploads(store, context):
    request = context.request
    prefix, code, size = request.params.get("prefix", ""), coder(request), size_of(
        request, "max-uploads")
    after = (request.params.get("key-marker", ""), request.params.get("upload-id-marker", ""))
    with store.state.lock:
        found = sorted(((u["key"], u["id"], u) for u in store.state.all("upload").values()
                        if u["bucket"] == request.bucket and u["key"].startswith(prefix)
                        and (u["key"], u["id"]) > after), key=lambda x: x[:2])
    rows = "".join(f"<Upload><Key>{code(k)}</Key><UploadId>{i}</UploadId><StorageClass>STANDARD"
                   f"</StorageClass><Initiated>{s3.stamp(u['begun'])}</Initiated></Upload>"
                   for k, i, u in found[:size])
    more = ""
    if len(found) > size:
        key, number, _ = found[size - 1]
        more = (f"<NextKeyMarker>{code(key)}</NextKeyMarker><NextUploadIdMarker>{number}"
                "</NextUploadIdMarker>")
    return s3.xml(f'<ListMultipartUploadsResult xmlns="{s3.XMLNS}"><Bucket>{request.bucket}'
                  f"</Bucket>{more}<MaxUploads>{size}</MaxUploads><IsTruncated>"
                  f"{'true' if more else 'false'}</IsTruncated>{rows}"
                  "</ListMultipartUploadsResult>")


def list_parts(store, context):
    request = context.request
    number, size = request.params["uploadId"], size_of(request, "max-parts")
    marker = request.params.get("part-number-marker", "0")
    with store.state.lock:
        upload = store.upload(request.bucket, request.key, number)
        found = sorted((n, p) for n, p in store.parts(number).items() if n > int(marker))
    rows = "".join(
        f"<Part><PartNumber>{n}</PartNumber><LastModified>{s3.stamp(p['modified'])}</LastModified>"
        f"<ETag>&quot;{p['etag']}&quot;</ETag><Size>{p['size']}</Size>"
        + "".join(f"<Checksum{k.upper()}>{v}</Checksum{k.upper()}>"
                  for k, v in p["checksums"].items() if k in s3.CHECKSUMS) + "</Part>"
        for n, p in found[:size])
    more = len(found) > size
    after = f"<NextPartNumberMarker>{found[size - 1][0]}</NextPartNumberMarker>" if more else ""
    return s3.xml(f'<ListPartsResult xmlns="{s3.XMLNS}"><Bucket>{request.bucket}</Bucket><Key>'
                  f"{escape(upload['key'])}</Key><UploadId>{number}</UploadId><StorageClass>"
                  f"STANDARD</StorageClass>{after}<MaxParts>{size}</MaxParts><IsTruncated>"
                  f"{'true' if more else 'false'}</IsTruncated>{rows}</ListPartsResult>")
