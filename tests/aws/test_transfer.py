# SPDX-License-Identifier: MIT
"""trainyard-transfer against the fake of S3 (signatures and checksums are verified there): what is
pushed is what comes back, and nothing is sent twice."""
import gzip
import io
import json
import os
import pathlib
import tarfile

import pytest
from fake_aws import ACCOUNT
from transfers import PART, same_tree

ODD = ["a+b &=~'()*!$,;:@x.txt", "sub dir/ü é ☃.bin", "%41%2F", "deep/" + "d/" * 20 + "x",
       "trailing.", "-dash", "#hash?query", "back\\slash", "n" * 200, "empty"]


@pytest.fixture
def source(tmp_path):
    """A tree of odd names and of sizes around the size of a part."""
    root = tmp_path / "source"
    for i, name in enumerate(ODD):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if name == "empty" else os.urandom(10 + i))
    (root / "part").write_bytes(os.urandom(PART))
    (root / "part and one").write_bytes(os.urandom(PART + 1))
    (root / "large").write_bytes(os.urandom(3 * PART + 5))
    return root


def keys(fake, prefix=""):
    pages = fake.client("s3").get_paginator("list_objects_v2").paginate(Bucket="data",
                                                                        Prefix=prefix)
    return {o["Key"] for page in pages for o in page.get("Contents", [])}


def sent(fake, since=0):
    return [c for c in fake.calls()[since:]
            if c["operation"] in ("PutObject", "UploadPart") and c["status"] == 200]


def test_tree_goes_and_comes_back(fake, moves, source, tmp_path):
    push = moves.push(source, "s3://data/tree")
    assert push.run("push") == 0, push.output
    assert push.results() == {"/out": "s3://data/tree/"}
    assert {k.removeprefix("tree/") for k in keys(fake)} == {
        str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()}
    fetch = moves.fetch("s3://data/tree")
    assert fetch.run("fetch") == 0, fetch.output
    assert fetch.results() == {"/in": str(fetch.work / "inputs/0")}
    same_tree(source, fetch.work / "inputs/0")
    to = moves.fetch("s3://data/tree/", to=str(tmp_path / "to"))
    assert to.run("fetch") == 0, to.output
    assert to.results() == {"/in": str(tmp_path / "to")}
    same_tree(source, tmp_path / "to")


def test_the_same_is_not_sent_again(fake, moves, source):
    assert moves.push(source, "s3://data/tree").run("push") == 0
    before = len(fake.calls())
    assert moves.push(source, "s3://data/tree").run("push") == 0
    assert not sent(fake, before)
    (source / "part").write_bytes(os.urandom(PART))  # the same size, other bytes
    (source / "large").write_bytes(b"now it is small")
    again = moves.push(source, "s3://data/tree")
    assert again.run("push") == 0, again.output
    assert sorted(c["name"] for c in sent(fake, before)) == ["data/tree/large", "data/tree/part"]


def test_the_same_is_not_fetched_again(fake, moves, source, tmp_path):
    assert moves.push(source, "s3://data/tree").run("push") == 0
    for extra in ({"to": str(tmp_path / "to")}, {}):
        assert moves.fetch("s3://data/tree", **extra).run("fetch") == 0
        before = len(fake.calls("GetObject"))
        again = moves.fetch("s3://data/tree", **extra)
        assert again.run("fetch") == 0, again.output
        assert len(fake.calls("GetObject")) == before
    same_tree(source, again.work / "inputs/0")


def test_what_was_written_into_is_fetched_again(fake, moves, source, tmp_path):
    assert moves.push(source, "s3://data/tree").run("push") == 0
    to = tmp_path / "to"
    assert moves.fetch("s3://data/tree", to=str(to)).run("fetch") == 0
    with open(to / "part and one", "r+b") as file:
        file.seek(PART)
        file.write(bytes([(source / "part and one").read_bytes()[-1] ^ 1]))
    (to / "large").write_bytes(b"")
    assert moves.fetch("s3://data/tree", to=str(to)).run("fetch") == 0
    same_tree(source, to)


def test_file_by_name_and_into_a_directory(fake, moves, tmp_path):
    data = os.urandom(PART + 17)
    (tmp_path / "one").write_bytes(data)
    assert moves.push(tmp_path / "one", "s3://data/x/one.bin", "file").run("push") == 0
    cached = moves.fetch("s3://data/x/one.bin", "file")
    assert cached.run("fetch") == 0, cached.output
    assert pathlib.Path(cached.results()["/in"]).name == "one.bin"
    assert pathlib.Path(cached.results()["/in"]).read_bytes() == data
    (tmp_path / "dir").mkdir()
    for to in (tmp_path / "dir", tmp_path / "dir" / "named"):
        got = moves.fetch("s3://data/x/one.bin", "file", to=str(to))
        assert got.run("fetch") == 0, got.output
        assert pathlib.Path(got.results()["/in"]).read_bytes() == data
    assert sorted(p.name for p in (tmp_path / "dir").iterdir()) == ["named", "one.bin"]


def test_tar_gz_goes_and_comes_back(fake, moves, source):
    push = moves.push(source, "s3://data/m/model.tar.gz", "tar.gz", exclude=["deep"])
    assert push.run("push") == 0, push.output
    body = fake.client("s3").get_object(Bucket="data", Key="m/model.tar.gz")["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        members = {m.name: m for m in tar}
        assert members["sub dir/ü é ☃.bin"].isreg() and "empty" in members
        assert all(not m.uid and not m.mtime for m in members.values())
        assert tar.extractfile("large").read() == (source / "large").read_bytes()
    before = len(fake.calls())
    assert moves.push(source, "s3://data/m/model.tar.gz", "tar.gz",
                      exclude=["deep"]).run("push") == 0
    assert not sent(fake, before)
    fetch = moves.fetch("s3://data/m/model.tar.gz", "tar.gz")
    assert fetch.run("fetch") == 0, fetch.output
    for file in (source / "deep").rglob("*"):
        if file.is_file():
            file.unlink()
    same_tree(source, fetch.work / "inputs/0")


def test_peek_reads_little_of_a_large_archive(fake, moves, source):
    (source / "parity.json").write_text(json.dumps({"version": 1, "rows": [1, 2]}))
    (source / "huge").write_bytes(os.urandom(5 * PART))
    assert moves.push(source, "s3://data/model.tar.gz", "tar.gz").run("push") == 0
    before = len(fake.calls("GetObject"))
    peek = moves.fetch("s3://data/model.tar.gz", "peek", members=["parity.json"])
    assert peek.run("fetch") == 0, peek.output
    assert peek.results() == {"/in": {"parity.json": {"version": 1, "rows": [1, 2]}}}
    assert len(fake.calls("GetObject")) - before <= 4  # of 1 MiB each
    missing = moves.fetch("s3://data/model.tar.gz", "peek", members=["none.json"])
    assert missing.run("fetch") == 0 and missing.results() == {"/in": {}}


def test_excluded_files_stay(fake, moves, source):
    for name in ("checkpoint-5/weights", "sub dir/checkpoint-7/x", "runs/a/b/log", "keep/log"):
        file = source / "out" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    push = moves.push(source / "out", "s3://data/o/", exclude=["checkpoint-*", "runs/**/log"])
    assert push.run("push") == 0, push.output
    assert keys(fake) == {"o/keep/log"}


def test_default_bucket_is_made_once_and_checked(fake, moves, source):
    name = f"sagemaker-eu-west-1-{ACCOUNT}"
    message = {"aws": {"account": ACCOUNT, "region": "eu-west-1"}}
    entry = {"pointer": "/out", "from": str(source / "part"), "to": f"s3://{name}/k",
             "form": "file", "make_bucket": True}
    for _ in range(2):
        push = moves.execution(push=[entry], **message)
        assert push.run("push") == 0, push.output
    made = [c for c in fake.calls("CreateBucket") if c["name"].startswith(name)]
    assert len(made) == 1 and made[0]["status"] == 200


def default_bucket(source):
    """What makes the default bucket: (its name, a push, the message of an execution)."""
    name = f"sagemaker-us-east-1-{ACCOUNT}"
    push = {"pointer": "/out", "from": str(source / "part"), "to": f"s3://{name}/k",
            "form": "file", "make_bucket": True}
    return name, {"push": [push], "aws": {"account": ACCOUNT, "region": "us-east-1"}}


def test_two_jobs_make_the_bucket_at_once(fake, moves, source):
    """409 OperationAborted is waited for. Before: transfer_failed."""
    name, message = default_bucket(source)
    fake.admin("POST", "settings", {"bucket_making_s": 0.6})
    both = [moves.execution(**message) for _ in range(2)]
    for one in both:
        one.start("push")
    for one in both:
        assert one.wait() == 0, one.output
    made = [c["status"] for c in fake.calls("CreateBucket") if c["name"].startswith(name)]
    assert 409 in made and 200 in made


def test_new_bucket_is_seen_late(fake, moves, source):
    name, message = default_bucket(source)
    fake.rule("HeadBucket", "error", times=3, code="NoSuchBucket", status=404)
    push = moves.execution(**message)
    assert push.run("push") == 0, push.output
    assert len([c for c in fake.calls("HeadBucket") if c["name"].startswith(name)]) == 4


def test_default_bucket_of_somebody_else_is_refused(fake, moves, source):
    name = f"sagemaker-us-east-1-{ACCOUNT}"
    fake.admin("POST", "buckets", {"name": name, "region": "us-east-1", "owner": "999999999999"})
    push = moves.execution(push=[{"pointer": "/out", "from": str(source / "part"),
                                  "to": f"s3://{name}/k", "form": "file", "make_bucket": True}],
                           aws={"account": ACCOUNT, "region": "us-east-1"})
    assert push.run("push") == 1
    assert push.failure()["code"] == "access_denied"
    assert ACCOUNT in push.failure()["message"]
    assert not fake.calls("PutObject")


def test_bucket_in_another_region_is_found(fake, moves, source):
    fake.admin("POST", "buckets", {"name": "faraway", "region": "ap-southeast-2"})
    push = moves.push(source, "s3://faraway/t/")
    assert push.run("push") == 0, push.output
    fetch = moves.fetch("s3://faraway/t/")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(source, fetch.work / "inputs/0")


def test_object_of_another_program_with_each_checksum(fake, moves):
    s3 = fake.client("s3")
    for algorithm in ("CRC32", "SHA256", "SHA1"):
        s3.put_object(Bucket="data", Key=f"c/{algorithm}", Body=b"abc" * 1000,
                      ChecksumAlgorithm=algorithm)
    fetch = moves.fetch("s3://data/c")
    assert fetch.run("fetch") == 0, fetch.output
    for file in (fetch.work / "inputs/0").iterdir():
        assert file.read_bytes() == b"abc" * 1000


def test_folder_marks_are_no_files(fake, moves):
    s3 = fake.client("s3")
    s3.put_object(Bucket="data", Key="f/", Body=b"")
    s3.put_object(Bucket="data", Key="f/sub/", Body=b"")
    s3.put_object(Bucket="data", Key="f/sub/x", Body=b"x")
    fetch = moves.fetch("s3://data/f")
    assert fetch.run("fetch") == 0, fetch.output
    assert [str(p.relative_to(fetch.work / "inputs/0")) for p in
            (fetch.work / "inputs/0").rglob("*") if p.is_file()] == ["sub/x"]


def test_more_objects_than_a_page(fake, moves, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for i in range(1003):
        (many / f"{i:04}").write_text(str(i))
    assert moves.push(many, "s3://data/many").run("push") == 0
    fetch = moves.fetch("s3://data/many")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(many, fetch.work / "inputs/0")


def test_progress_counts_every_byte(moves, source):
    total = sum(p.stat().st_size for p in source.rglob("*") if p.is_file())
    push = moves.push(source, "s3://data/tree")
    assert push.run("push") == 0
    last = push.events("progress")[-1]
    assert (last["phase"], last["unit"], last["done"], last["total"]) == (
        "push", "bytes", total, total)
    fetch = moves.fetch("s3://data/tree")
    assert fetch.run("fetch") == 0
    assert fetch.events("progress")[-1]["done"] == total


def test_worker_fetches_before_and_pushes_after(fake, moves, source, tmp_path):
    assert moves.push(source, "s3://data/in").run("push") == 0
    both = moves.execution(program="trainyard-worker", push=[
        {"pointer": "/pushed", "from": "inputs/0/part", "to": "s3://data/out", "form": "file"}],
        fetch=[{"pointer": "/here~1now/0", "from": "s3://data/in", "form": "tree"}],
        spec={"here/now": [None]}, resources={"cpus": 1, "devices": []})
    assert both.run("transfer") == 0, both.output
    assert both.results() == {"/here~1now/0": str(both.work / "inputs/0"),
                              "/pushed": "s3://data/out"}
    assert fake.client("s3").head_object(Bucket="data", Key="out")["ContentLength"] == PART


def test_worker_fails_with_its_push(moves, source):
    push = moves.execution(program="trainyard-worker", spec={}, resources={"cpus": 1}, push=[
        {"pointer": "/o", "from": str(source), "to": "s3://nowhere/x/", "form": "tree"}])
    assert push.run("transfer") == 1
    assert push.failure()["code"] == "bucket_missing"


def test_gzip_is_plain(fake, moves, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("x")
    assert moves.push(tmp_path / "d", "s3://data/x.tar.gz", "tar.gz").run("push") == 0
    body = fake.client("s3").get_object(Bucket="data", Key="x.tar.gz")["Body"].read()
    assert body[4:8] == b"\0\0\0\0"  # no time: the same files, the same bytes
    assert gzip.decompress(body)


@pytest.mark.parametrize("slash", ["", "/"])
def test_sibling_prefixes_are_left_alone(fake, moves, tmp_path, slash):
    """`train` is neither `train2` nor `train.bak`, in both directions, with and without a slash."""
    s3 = fake.client("s3")
    base = f"sib{len(slash)}"
    for key in ("train/a", "train2/a", "train.bak", "train-old/a"):
        s3.put_object(Bucket="data", Key=f"{base}/{key}", Body=key.encode())
    for more in ({"to": str(tmp_path / "to")}, {}):
        fetch = moves.fetch(f"s3://data/{base}/train{slash}", **more)
        assert fetch.run("fetch") == 0, fetch.output
        root = pathlib.Path(fetch.results()["/in"])
        assert {p.name: p.read_bytes() for p in root.iterdir()} == {"a": b"train/a"}
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("new")
    push = moves.push(source, f"s3://data/{base}/train{slash}")
    assert push.run("push") == 0, push.output
    found = {o["Key"].removeprefix(f"{base}/"): s3.get_object(
        Bucket="data", Key=o["Key"])["Body"].read() for o in s3.list_objects_v2(
            Bucket="data", Prefix=base)["Contents"]}
    assert found == {"train/a": b"new", "train2/a": b"train2/a", "train.bak": b"train.bak",
                     "train-old/a": b"train-old/a"}
    fetch = moves.fetch(f"s3://data/{base}/trai{slash}")  # only siblings begin so
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == ("prefix_empty" if slash else "data_missing")
