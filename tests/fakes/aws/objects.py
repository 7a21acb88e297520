# SPDX-License-Identifier: MIT
"""Buckets, objects and unfinished uploads: data in files, the rest in the state. Keys are kept
sorted for listings. Callers hold the state's lock, except where data is copied."""
import bisect
import hashlib
import json
import os
import re
import struct
import zlib
from base64 import b64decode, b64encode

from errors import ACCOUNT, Fault

# "General purpose bucket naming rules", Amazon S3 User Guide
NAME = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)"
                  r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
                  r"(?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)$")
PART_MIN = 5 << 20
PART_NUMBER_MAX = 10_000
PART_MAX = 5 << 30
COPY = 1 << 20


class Objects:
    def __init__(self, state):
        self.state = state
        self.folder = os.path.join(state.dir, "objects")
        self.sorted = {}
        self.making = set()  # buckets that are being made

    def bucket_record(self, name):
        return self.state.get("bucket", name)

    def make_bucket(self, name, region, owner=ACCOUNT):
        if not NAME.match(name):
            raise Fault("InvalidBucketName", "The specified bucket is not valid.")
        self.state.put("bucket", name, {"name": name, "region": region, "owner": owner,
                                        "created": self.state.now()})

    def objects(self, bucket):
        return self.state.all("object:" + bucket)

    def meta(self, bucket, key):
        return self.objects(bucket).get(key)

    def keys(self, bucket, prefix="", start=""):
        """Sorted keys that begin with `prefix` and come after `start`."""
        with self.state.lock:
            ordered = self.sorted.get(bucket)
            if ordered is None:
                ordered = self.sorted[bucket] = sorted(self.objects(bucket),
                                                       key=lambda k: k.encode("utf-8",
                                                                              "surrogatepass"))
            first = bisect.bisect_left(ordered, max(prefix, start))
            found = []
            for i in range(first, len(ordered)):
                if not ordered[i].startswith(prefix):
                    break
                if ordered[i] > start or not start:
                    found.append(ordered[i])
            return found

    def file(self, meta):
        return os.path.join(self.folder, meta["file"])

    def new_file(self):
        return f"o-{os.urandom(12).hex()}"

    @staticmethod
    def etag(digest, headers):
        """Of an object: its MD5, but "encrypted by SSE-C or SSE-KMS, have ETags that are not an MD5
        digest of their object data" (botocore/data/s3, Object$ETag)."""
        if not headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
            return digest
        return hashlib.sha256(f"kms {digest}".encode()).hexdigest()[:32]

    def keep(self, bucket, key, meta):
        """The object is now this; the data of the one before goes."""
        old = self.meta(bucket, key)
        if old is None and bucket in self.sorted:
            bisect.insort(self.sorted[bucket], key)
        self.state.put("object:" + bucket, key, meta)
        if old:
            self.unlink(old)

    def unlink(self, meta):
        try:
            os.unlink(self.file(meta))
        except FileNotFoundError:
            pass

    def remove(self, bucket, key):
        old = self.meta(bucket, key)
        if not old:
            return
        self.state.delete("object:" + bucket, key)
        ordered = self.sorted.get(bucket)
        if ordered:
            at = bisect.bisect_left(ordered, key)
            if at < len(ordered) and ordered[at] == key:
                del ordered[at]
        self.unlink(old)

    def put_bytes(self, bucket, key, data, content_type="binary/octet-stream"):
        """For the fake's own services."""
        file = self.new_file()
        with open(os.path.join(self.folder, file), "wb") as f:
            f.write(data)
        with self.state.lock:
            self.keep(bucket, key, {
                "file": file, "size": len(data), "modified": self.state.now(),
                "etag": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "content_type": content_type, "headers": {}, "checksums": {}})

    def get_bytes(self, bucket, key):
        meta = self.meta(bucket, key)
        if not meta:
            return None
        with open(self.file(meta), "rb") as f:
            return f.read()

    def drop_bucket(self, name):
        self.state.delete("bucket", name)
        self.sorted.pop(name, None)

    # unfinished uploads

    def new_upload(self, bucket, key, fields):
        number = self.state.token(256)
        self.state.put("upload", number, {"id": number, "bucket": bucket, "key": key,
                                          "begun": self.state.now(), **fields})
        return number

    def upload(self, bucket, key, number):
        found = self.state.get("upload", number)
        if not found or (found["bucket"], found["key"]) != (bucket, key):
            raise Fault("NoSuchUpload", "The specified upload does not exist. The upload ID may be "
                        "invalid, or the upload may have been aborted or completed.", 404)
        return found

    def parts(self, number):
        return {int(n): p for n, p in self.state.all("parts:" + number).items()}

    def keep_part(self, number, n, part):
        old = self.state.get("parts:" + number, str(n))
        self.state.put("parts:" + number, str(n), part)
        if old:
            self.unlink(old)

    def end_upload(self, number, unlink):
        for n, part in list(self.state.all("parts:" + number).items()):
            self.state.delete("parts:" + number, n)
            if unlink:
                self.unlink(part)
        self.state.kinds.pop("parts:" + number, None)
        self.state.delete("upload", number)

    def chosen(self, upload, listed):
        """The parts that a CompleteMultipartUpload names, checked as S3 does."""
        have = self.parts(upload["id"])
        chosen, last = [], 0
        for n, etag, sums in listed:
            if n <= last:
                raise Fault("InvalidPartOrder", "The list of parts was not in ascending order. "
                            "Parts must be ordered by part number.")
            part = have.get(n)
            if not part or part["etag"] != etag.strip('"') or any(
                    part["checksums"].get(k) not in (None, v) for k, v in sums.items()):
                raise Fault("InvalidPart", "One or more of the specified parts could not be found. "
                            "The part may not have been uploaded, or the specified entity tag may "
                            "not match the part's entity tag.")
            chosen.append(part)
            last = n
        if not chosen:
            raise Fault("MalformedXML", "The XML you provided was not well-formed or did not "
                        "validate against our published schema")
        if any(p["size"] < PART_MIN for p in chosen[:-1]):
            raise Fault("EntityTooSmall", "Your proposed upload is smaller than the minimum "
                        "allowed size")
        return chosen

    def join(self, chosen):
        """One file out of the parts' files: (file, size, crc32 of the whole)."""
        file = self.new_file()
        crc = 0
        with open(os.path.join(self.folder, file), "wb") as out:
            for part in chosen:
                with open(self.file(part), "rb") as f:
                    while data := f.read(COPY):
                        crc = zlib.crc32(data, crc)
                        out.write(data)
        return file, sum(p["size"] for p in chosen), crc


def composite(chosen, name):
    """The checksum of checksums that S3 gives an object made of parts."""
    if any(name not in p["checksums"] for p in chosen):
        return None
    joined = b"".join(b64decode(p["checksums"][name]) for p in chosen)
    if name == "crc32":
        value = struct.pack(">I", zlib.crc32(joined))
    else:
        value = hashlib.new(name, joined).digest()
    return f"{b64encode(value).decode()}-{len(chosen)}"


def composite_etag(chosen):
    joined = b"".join(bytes.fromhex(p["etag"]) for p in chosen)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(chosen)}"


def cursor(value):
    return b64encode(json.dumps(value).encode()).decode()
