# SPDX-License-Identifier: MIT
"""The fake of AWS (tests/fakes/aws), seen by boto3: S3."""
import base64
import contextlib
import hashlib
import os
import threading
import urllib.request
import zlib

import botocore.exceptions
import pytest

from fake_aws import ACCOUNT
from fake_jobs import BUCKET, fails

PART = 5 << 20
KEYS = ["a b/ü+=&~'()*!$,;:@x.txt", "plain", "dir/../up", "double//slash", "%41",
        "emoji \U0001f642",
        "q?x=1&y#z", "trailing/"]


@pytest.fixture
def s3(fake):
    return fake.client("s3")


def status_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    return e.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_all_kinds(s3, key):
    data = os.urandom(100)
    s3.put_object(Bucket=BUCKET, Key=key, Body=data, ContentType="text/x", Metadata={"m": "1"})
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert got["Body"].read() == data and got["ContentType"] == "text/x"
    assert got["Metadata"] == {"m": "1"}
    assert got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert key in [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    s3.delete_object(Bucket=BUCKET, Key=key)
    fails("NoSuchKey", s3.get_object, Bucket=BUCKET, Key=key)
    assert status_of(s3.head_object, Bucket=BUCKET, Key=key) == 404
    s3.delete_object(Bucket=BUCKET, Key=key)


def test_ranges(s3):
    s3.put_object(Bucket=BUCKET, Key="r", Body=b"0123456789")
    for text, want in (("bytes=0-3", b"0123"), ("bytes=7-", b"789"), ("bytes=-2", b"89"),
                       ("bytes=5-99", b"56789"), ("bytes=9-9", b"9")):
        got = s3.get_object(Bucket=BUCKET, Key="r", Range=text)
        assert got["Body"].read() == want
        assert got["ContentRange"].endswith("/10")
    assert status_of(s3.get_object, Bucket=BUCKET, Key="r", Range="bytes=10-") == 416
    assert s3.head_object(Bucket=BUCKET, Key="r")["ContentLength"] == 10


def test_conditions(s3):
    etag = s3.put_object(Bucket=BUCKET, Key="c", Body=b"1", IfNoneMatch="*")["ETag"]
    fails("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="c", Body=b"2", IfNoneMatch="*")
    assert status_of(s3.get_object, Bucket=BUCKET, Key="c", IfMatch='"x"') == 412
    assert status_of(s3.get_object, Bucket=BUCKET, Key="c", IfNoneMatch=etag) == 304
    s3.put_object(Bucket=BUCKET, Key="c", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=BUCKET, Key="c")["Body"].read() == b"2"


def test_checksums(s3):
    good = base64.b64encode(zlib.crc32(b"data").to_bytes(4, "big")).decode()
    put = s3.put_object(Bucket=BUCKET, Key="k", Body=b"data", ChecksumCRC32=good)
    assert put["ChecksumCRC32"] == good
    assert s3.get_object(Bucket=BUCKET, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == good
    fails("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"dada", ChecksumCRC32=good)
    sha = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"data", ChecksumSHA256=sha)
    fails("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"dat", ChecksumSHA256=sha)
    fails("BadDigest", s3.put_object, Bucket=BUCKET, Key="bad", Body=b"dat",
          ContentMD5=base64.b64encode(hashlib.md5(b"x").digest()).decode())
    assert status_of(s3.head_object, Bucket=BUCKET, Key="bad") == 404


def test_listing_in_pages(s3):
    s3.delete_object(Bucket=BUCKET, Key="data/train.csv")
    keys = sorted([f"p/{n:03d} ü" for n in range(25)] + ["p/sub/x", "p/sub/y", "q"])
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, MaxKeys=7))
    assert len(pages) == 4
    assert [o["Key"] for p in pages for o in p["Contents"]] == keys
    plain = s3.list_objects_v2(Bucket=BUCKET, Prefix="p/", Delimiter="/", StartAfter="p/023 ü")
    assert [o["Key"] for o in plain["Contents"]] == ["p/024 ü"]
    assert plain["CommonPrefixes"] == [{"Prefix": "p/sub/"}]
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Delimiter="/",
                                                              MaxKeys=1))
    assert [(p.get("CommonPrefixes"), [o["Key"] for o in p.get("Contents", [])]) for p in pages] \
        == [([{"Prefix": "p/"}], []), (None, ["q"])]
    fails("InvalidArgument", s3.list_objects_v2, Bucket=BUCKET, ContinuationToken="nonsense")


def test_delete_many(s3):
    for n in range(3):
        s3.put_object(Bucket=BUCKET, Key=f"d{n}&<", Body=b"")
    out = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "d0&<"}, {"Key": "d1&<"},
                                                               {"Key": "none"}]})
    assert len(out["Deleted"]) == 3
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix="d")["Contents"]] == \
        ["d2&<", "data/train.csv"]
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "d2&<"}], "Quiet": True})


def parts_of(s3, key, bodies):
    number = s3.create_multipart_upload(Bucket=BUCKET, Key=key,
                                        ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for n, body in enumerate(bodies, 1):
        r = s3.upload_part(Bucket=BUCKET, Key=key, UploadId=number, PartNumber=n, Body=body,
                           ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": n, "ETag": r["ETag"], "ChecksumCRC32": r["ChecksumCRC32"]})
    return number, parts


def test_upload_in_parts(s3, fake):
    bodies = [os.urandom(PART), os.urandom(PART + 1), b"end"]
    number, parts = parts_of(s3, "big", bodies)
    assert [p["PartNumber"] for p in s3.list_parts(Bucket=BUCKET, Key="big", UploadId=number)[
        "Parts"]] == [1, 2, 3]
    assert s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["UploadId"] == number
    assert [r["kind"] for r in fake.resources() if r["bills"]] == ["upload"]
    done = s3.complete_multipart_upload(Bucket=BUCKET, Key="big", UploadId=number,
                                        MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-3"') and done["ChecksumCRC32"].endswith("-3")
    assert s3.get_object(Bucket=BUCKET, Key="big")["Body"].read() == b"".join(bodies)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    fails("NoSuchUpload", s3.abort_multipart_upload, Bucket=BUCKET, Key="big", UploadId=number)


def test_bad_parts(s3, fake):
    number, parts = parts_of(s3, "bad", [b"small", b"end"])
    whole = {"Bucket": BUCKET, "Key": "bad", "UploadId": number}

    def refused(code, chosen):
        fails(code, s3.complete_multipart_upload, **whole, MultipartUpload={"Parts": chosen})
    refused("EntityTooSmall", parts)
    refused("InvalidPartOrder", parts[::-1])
    refused("InvalidPart", [{**parts[0], "ETag": '"0123"'}])
    refused("InvalidPart", [{**parts[0], "ChecksumCRC32": "AAAAAA=="}])
    refused("InvalidPart", [{**parts[0], "PartNumber": 7}])
    fails("InvalidArgument", s3.upload_part, **whole, PartNumber=10_001, Body=b"")
    s3.abort_multipart_upload(**whole)
    fails("NoSuchUpload", s3.upload_part, **whole, PartNumber=1, Body=b"")
    left = {f.name for f in (fake.state / "objects").iterdir()}
    assert len(left) == 1  # data/train.csv


def test_transfer_manager(s3, tmp_path):
    """boto3's own threads, parts and ranges."""
    data = os.urandom(20 << 20)
    (tmp_path / "up").write_bytes(data)
    s3.upload_file(str(tmp_path / "up"), BUCKET, "tm")
    s3.download_file(BUCKET, "tm", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == data


def test_complete_may_fail_with_200(s3, fake):
    number, parts = parts_of(s3, "late", [b"x"])
    fake.rule("CompleteMultipartUpload", "error_in_200")
    whole = {"Bucket": BUCKET, "Key": "late", "UploadId": number,
             "MultipartUpload": {"Parts": parts}}
    assert status_of(s3.complete_multipart_upload, **whole) == 500
    s3.complete_multipart_upload(**whole)


def test_buckets(fake, s3):
    s3.create_bucket(Bucket="us-bucket")
    s3.create_bucket(Bucket="us-bucket")
    far = fake.client("s3", region="eu-west-1")
    place = {"LocationConstraint": "eu-west-1"}
    far.create_bucket(Bucket="eu-bucket", CreateBucketConfiguration=place)
    fails("BucketAlreadyOwnedByYou", far.create_bucket, Bucket="eu-bucket",
          CreateBucketConfiguration=place)
    fails("IllegalLocationConstraintException", far.create_bucket, Bucket="eu-two")
    fake.admin("POST", "buckets", {"name": "theirs", "owner": "999999999999"})
    fails("BucketAlreadyExists", s3.create_bucket, Bucket="theirs")
    assert status_of(s3.head_bucket, Bucket="theirs") == 403
    assert status_of(s3.head_bucket, Bucket="no-such-bucket") == 404
    fails("NoSuchBucket", s3.put_object, Bucket="no-such-bucket", Key="k", Body=b"")
    assert status_of(s3.head_bucket, Bucket="us-bucket", ExpectedBucketOwner="999999999999") == 403
    s3.head_bucket(Bucket="us-bucket", ExpectedBucketOwner=ACCOUNT)
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == ["eu-bucket", BUCKET, "us-bucket"]
    fails("BucketNotEmpty", s3.delete_bucket, Bucket=BUCKET)
    s3.delete_bucket(Bucket="us-bucket")
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None


def test_wrong_region_says_the_right_one(fake, s3):
    fake.client("s3", region="eu-west-1").create_bucket(
        Bucket="eu-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    calls = len(fake.calls())
    s3.put_object(Bucket="eu-bucket", Key="k", Body=b"x")  # boto3 follows x-amz-bucket-region
    redirected = fake.calls()[calls:]
    assert redirected[0]["status"] == 301 and redirected[-1]["status"] == 200
    assert redirected[-1]["region"] == "eu-west-1"


def test_reset_while_uploads_come_in(fake):
    """Their bodies lie in files beside the objects: neither takes those away from the other."""
    over = threading.Event()

    def put():
        while not over.is_set():
            request = urllib.request.Request(
                f"{fake.url}/{BUCKET}/k", method="PUT", data=bytes(2 << 20),
                headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
            with contextlib.suppress(OSError):  # it is not signed
                urllib.request.urlopen(request, timeout=60).close()

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            fake.reset()
    finally:
        over.set()
        for thread in threads:
            thread.join()
