# SPDX-License-Identifier: MIT
"""trainyard-transfer against moto, another fake by other people, and beside boto3's transfer
manager: each reads what the other has written, in parts too."""
import os

import boto3
import pytest
from moto.server import ThreadedMotoServer
from transfers import PART, Transfers, same_tree


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "a",
           "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
           "AWS_EC2_METADATA_DISABLED": "true"}
    server.stop()


@pytest.fixture
def s3(moto):
    client = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"], region_name="us-east-1",
                          aws_access_key_id="a", aws_secret_access_key="b")
    client.create_bucket(Bucket="data")
    return client


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    (root / "sub dir").mkdir(parents=True)
    (root / "empty").write_bytes(b"")
    (root / "sub dir" / "ü+&.bin").write_bytes(os.urandom(1000))
    (root / "large").write_bytes(os.urandom(2 * PART + 1))
    return root


def test_boto3_reads_what_was_pushed(build, moto, s3, source, tmp_path):
    push = Transfers(build, tmp_path, moto).push(source, "s3://data/ours")
    assert push.run("push") == 0, push.output
    for file in source.rglob("*"):
        if file.is_file():
            name = file.relative_to(source)
            s3.download_file("data", f"ours/{name}", str(tmp_path / "back"))
            assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert not s3.list_multipart_uploads(Bucket="data").get("Uploads")


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
@pytest.mark.parametrize("form, uri", [("tree", "s3://data/old"), ("file", "s3://data/old/b"),
                                       ("tar.gz", "s3://data/old/b")])
def test_an_archived_object_says_so(build, moto, s3, tmp_path, storage, form, uri):
    s3.put_object(Bucket="data", Key="old/a", Body=b"x")
    s3.put_object(Bucket="data", Key="old/b", Body=b"x", StorageClass=storage)
    fetch = Transfers(build, tmp_path, moto).fetch(uri, form, to=str(tmp_path / "to"))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "object_archived", fetch.failure()
    assert "restore" in fetch.failure()["message"]
    assert not [p for p in tmp_path.rglob("*.part")]


def test_what_boto3_uploaded_is_fetched(build, moto, s3, source, tmp_path):
    for file in source.rglob("*"):
        if file.is_file():
            s3.upload_file(str(file), "data", f"theirs/{file.relative_to(source)}")
    moves = Transfers(build, tmp_path, moto)
    fetch = moves.fetch("s3://data/theirs")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(source, fetch.work / "inputs/0")
    pushed = moves.push(source, "s3://data/m.tar.gz", "tar.gz")
    assert pushed.run("push") == 0, pushed.output
    archive = moves.fetch("s3://data/m.tar.gz", "tar.gz")
    assert archive.run("fetch") == 0, archive.output
    same_tree(source, archive.work / "inputs/0")
