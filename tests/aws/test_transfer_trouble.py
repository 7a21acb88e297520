# SPDX-License-Identifier: MIT
"""Transfers that are killed, stopped, refused, cut off and lied to: nothing is lost, nothing is
left in S3, and each failure has one code and one sentence."""
import os
import resource
import signal
import subprocess

import pytest
from fake_aws import KEY
from transfers import PART, same_tree
from wait import wait_for

PARTS = 18
ALL = 0  # times of a rule: for ever


@pytest.fixture
def large(tmp_path):
    root = tmp_path / "source"
    root.mkdir()
    block = os.urandom(PART - 8)
    with open(root / "large", "wb") as file:
        for _ in range(PARTS):
            file.write(os.urandom(8) + block)  # every part is another
    return root


@pytest.fixture
def small(tmp_path):
    root = tmp_path / "small"
    root.mkdir()
    for i in range(12):
        (root / f"f{i}").write_bytes(os.urandom(1000))
    (root / "parts").write_bytes(os.urandom(2 * PART + 1))
    return root


def good(fake, operation):
    return [c for c in fake.calls(operation) if c["status"] in (200, 206)]


def uploads(fake):
    return fake.client("s3").list_multipart_uploads(Bucket="data").get("Uploads", [])


# ---- ends in the middle ----

def test_upload_goes_on_after_a_kill(fake, moves, large):
    fake.rule("UploadPart", "delay", seconds=0.05, times=ALL)
    push = moves.push(large, "s3://data/t").start("push")
    wait_for("parts", lambda: len(good(fake, "UploadPart")) >= 5)
    push.kill()
    assert len(uploads(fake)) == 1
    before = len(good(fake, "UploadPart"))
    assert before < PARTS
    again = moves.push(large, "s3://data/t")
    assert again.run("push") == 0, again.output
    # what was under way may have arrived after the count
    assert PARTS <= len(good(fake, "UploadPart")) <= PARTS + 10
    assert not uploads(fake)
    assert len(good(fake, "CreateMultipartUpload")) == 1
    fetch = moves.fetch("s3://data/t")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(large, fetch.work / "inputs/0")


def test_killed_upload_of_a_file_that_was_changed(fake, moves, large):
    fake.rule("UploadPart", "delay", seconds=0.05, times=ALL)
    push = moves.push(large, "s3://data/t").start("push")
    wait_for("parts", lambda: len(good(fake, "UploadPart")) >= 5)
    push.kill()
    with open(large / "large", "r+b") as file:
        file.write(os.urandom(PART))
    again = moves.push(large, "s3://data/t")
    assert again.run("push") == 0, again.output
    assert not uploads(fake)
    fetch = moves.fetch("s3://data/t")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(large, fetch.work / "inputs/0")


def test_file_that_changes_within_a_second_during_its_upload(fake, moves, large):
    """Its size and the second of its time stay; a part that was sent already is another now."""
    file = large / "large"
    fake.rule("UploadPart", "delay", seconds=0.05, times=ALL)
    push = moves.push(large, "s3://data/t").start("push")
    wait_for("a part", lambda: good(fake, "UploadPart"))
    before = file.stat()
    with open(file, "r+b") as changed:
        changed.write(os.urandom(8))
    second, rest = divmod(before.st_mtime_ns, 10**9)
    os.utime(file, ns=(before.st_atime_ns, second * 10**9 + (rest + 1) % 10**9))
    assert push.wait() != 0, push.output
    assert "was changed during the upload" in push.failure()["message"]
    assert not fake.client("s3").list_objects_v2(Bucket="data", Prefix="t").get("Contents")


def test_tar_gz_goes_on_after_a_kill(fake, moves, large):
    fake.rule("UploadPart", "delay", seconds=0.3, times=ALL)
    push = moves.push(large, "s3://data/t.tar.gz", "tar.gz").start("push")
    wait_for("parts", lambda: len(good(fake, "UploadPart")) >= 3)
    push.kill()
    fake.admin("DELETE", "rules")
    before = len(good(fake, "UploadPart"))
    again = moves.push(large, "s3://data/t.tar.gz", "tar.gz")
    assert again.run("push") == 0, again.output
    assert not uploads(fake) and len(good(fake, "CreateMultipartUpload")) == 1
    assert len(good(fake, "UploadPart")) - before <= PARTS + 1 - 3
    fetch = moves.fetch("s3://data/t.tar.gz", "tar.gz")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(large, fetch.work / "inputs/0")


def test_download_goes_on_after_a_kill(fake, moves, large, tmp_path):
    assert moves.push(large, "s3://data/t").run("push") == 0
    fake.rule("GetObject", "delay", seconds=0.3, times=ALL)
    for extra in ({"to": str(tmp_path / "to")}, {}):
        fetch = moves.fetch("s3://data/t", **extra).start("fetch")
        wait_for("notes of parts", lambda: [
            p for p in tmp_path.rglob(".trainyard-*.notes") if p.stat().st_size > 256 + 3 * 65])
        fetch.kill()
        between = len(good(fake, "GetObject"))
        again = moves.fetch("s3://data/t", **extra)
        assert again.run("fetch") == 0, again.output
        assert len(good(fake, "GetObject")) - between < PARTS
        same_tree(large, extra.get("to") or again.work / "inputs/0")


@pytest.mark.parametrize("form", ["tree", "tar.gz"])
def test_a_stop_takes_uploads_back(fake, moves, large, form):
    fake.rule("UploadPart", "delay", seconds=0.3, times=ALL)
    push = moves.push(large, "s3://data/t", form).start("push")
    wait_for("parts", lambda: len(good(fake, "UploadPart")) >= 3)
    assert push.kill(signal.SIGTERM) == 1
    assert push.failure()["code"] == "cancelled"
    assert not uploads(fake)
    assert not fake.client("s3").list_objects_v2(Bucket="data").get("Contents")


def test_worker_hands_the_stop_on(fake, moves, large):
    fake.rule("UploadPart", "delay", seconds=0.3, times=ALL)
    push = moves.execution(program="trainyard-worker", resources={"cpus": 1}, push=[
        {"pointer": "/o", "from": str(large), "to": "s3://data/t/", "form": "tree"}])
    push.start("transfer")
    wait_for("parts", lambda: len(good(fake, "UploadPart")) >= 3)
    assert push.kill(signal.SIGTERM) == 1
    assert push.failure()["code"] == "cancelled"
    assert not uploads(fake)


def test_a_stop_while_s3_hangs(fake, moves, small):
    fake.rule("PutObject", "hang", seconds=60, times=ALL)
    push = moves.push(small, "s3://data/t").start("push")
    wait_for("calls", lambda: push.events("progress"))
    assert push.kill(signal.SIGTERM) == 1
    assert push.failure()["code"] == "cancelled"


# ---- trouble on the way ----

@pytest.mark.parametrize("trouble", ["throttle", "error_500", "error_503", "drop_before",
                                     "drop_after", "reset", "error_after", "html"])
def test_upload_through_trouble(fake, moves, small, trouble):
    for operation in ("PutObject", "UploadPart", "CreateMultipartUpload",
                      "CompleteMultipartUpload"):
        fake.rule(operation, trouble, times=2)
    push = moves.push(small, "s3://data/t")
    assert push.run("push") == 0, push.output
    # an upload whose answer was lost before its id was known is ended by the next push
    assert moves.push(small, "s3://data/t").run("push") == 0
    fetch = moves.fetch("s3://data/t")
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(small, fetch.work / "inputs/0")


def test_complete_that_fails_in_a_good_answer(fake, moves, small):
    fake.rule("CompleteMultipartUpload", "error_in_200", times=2)
    push = moves.push(small, "s3://data/t")
    assert push.run("push") == 0, push.output
    assert not uploads(fake)


@pytest.mark.parametrize("trouble", ["cut", "throttle", "error_500", "drop_before", "reset"])
@pytest.mark.parametrize("form", ["tree", "tar.gz"])
def test_download_through_trouble(fake, moves, small, form, trouble):
    assert moves.push(small, "s3://data/t", form).run("push") == 0
    fake.rule("GetObject", trouble, times=3)
    fake.rule("ListObjectsV2", trouble, times=1)
    fetch = moves.fetch("s3://data/t", form)
    assert fetch.run("fetch") == 0, fetch.output
    same_tree(small, fetch.work / "inputs/0")


def test_trouble_without_an_end_is_one_failure(fake, moves, small):
    fake.rule("UploadPart", "error_500", times=ALL)
    push = moves.push(small, "s3://data/t")
    assert push.run("push") == 1
    assert push.failure()["code"] == "transfer_failed"
    assert not uploads(fake)


def test_object_that_is_replaced_meanwhile(fake, moves, large, tmp_path):
    assert moves.push(large, "s3://data/t").run("push") == 0
    fake.rule("GetObject", "delay", seconds=1, times=PARTS)
    fetch = moves.fetch("s3://data/t", to=str(tmp_path / "to")).start("fetch")
    wait_for("parts", lambda: len(good(fake, "GetObject")) >= 3)
    other = os.urandom(PART * 2)
    fake.client("s3").put_object(Bucket="data", Key="t/large", Body=other)
    assert fetch.wait() == 0, fetch.output
    assert (tmp_path / "to/large").read_bytes() == other  # never a mixture
    assert os.listdir(tmp_path / "to") == ["large"]


def test_object_that_is_replaced_all_the_time(fake, moves, small, tmp_path):
    s3 = fake.client("s3")
    s3.put_object(Bucket="data", Key="k", Body=b"x" * (3 * PART))
    fake.rule("GetObject", "error", code="PreconditionFailed", message="no", status=412, times=ALL)
    fetch = moves.fetch("s3://data/k", "file", to=str(tmp_path / "k"))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "transfer_failed"
    assert "replaced" in fetch.failure()["message"]
    assert not (tmp_path / "k").exists()


def test_damage_is_seen(fake, moves, small):
    assert moves.push(small, "s3://data/t").run("push") == 0
    for file in fake.state.rglob("*"):  # every stored body of 1,000 bytes
        if file.is_file() and file.stat().st_size == 1000:
            body = bytearray(file.read_bytes())
            body[500] ^= 1
            file.write_bytes(body)
    fetch = moves.fetch("s3://data/t")
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "data_corrupt"


# ---- refusals ----

@pytest.mark.parametrize("uri,code", [("s3://nowhere/k", "bucket_missing"),
                                      ("s3://data/none", "data_missing")])
def test_what_is_missing(moves, small, uri, code):
    for form in ("file", "tree", "tar.gz"):
        fetch = moves.fetch(uri, form)
        assert fetch.run("fetch") == 1
        assert fetch.failure()["code"] == code
    if code == "bucket_missing":
        push = moves.push(small, uri)
        assert push.run("push") == 1
        assert push.failure()["code"] == code and "'nowhere'" in push.failure()["message"]


def test_no_permission(fake, moves, small):
    moves.environment |= {"AWS_ACCESS_KEY_ID": "AKIAFAKEREADER000001",
                          "AWS_SECRET_ACCESS_KEY": "readersecret"}
    fake.admin("POST", "keys", {"key": "AKIAFAKEREADER000001", "secret": "readersecret",
                                "user": "reader", "policies": [
                                    {"Version": "2012-10-17", "Statement": [
                                        {"Effect": "Allow", "Action": ["s3:ListBucket"],
                                         "Resource": "*"}]}]})
    fake.client("s3").put_object(Bucket="data", Key="k", Body=b"x")
    push = moves.push(small, "s3://data/t")
    assert push.run("push") == 1
    assert push.failure()["code"] == "access_denied"
    fetch = moves.fetch("s3://data/k", "file")
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "access_denied"


def test_who_may_only_write_can_push(fake, moves, small):
    moves.environment |= {"AWS_ACCESS_KEY_ID": "AKIAFAKEWRITER000001",
                          "AWS_SECRET_ACCESS_KEY": "writersecret"}
    fake.admin("POST", "keys", {"key": "AKIAFAKEWRITER000001", "secret": "writersecret",
                                "user": "writer", "policies": [
                                    {"Version": "2012-10-17", "Statement": [
                                        {"Effect": "Allow", "Action": ["s3:PutObject"],
                                         "Resource": "*"}]}]})
    for form in ("tree", "tar.gz"):
        for _ in range(2):
            push = moves.push(small, f"s3://data/{form}", form)
            assert push.run("push") == 0, push.output
    assert not push.events("failure")


@pytest.mark.parametrize("keys", [{"AWS_SECRET_ACCESS_KEY": "wrong"},
                                  {"AWS_ACCESS_KEY_ID": "AKIAFAKENOBODY000001"},
                                  {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}])
def test_no_credentials(fake, moves, small, keys):
    moves.environment |= keys
    push = moves.push(small, "s3://data/t")
    assert push.run("push") == 1
    assert push.failure()["code"] in ("credentials", "access_denied")
    listing = moves.fetch("s3://data/t")
    assert listing.run("fetch") == 1
    assert listing.failure()["code"] == "credentials"
    assert KEY not in str(push.events()) and "wrong" not in str(push.events())


@pytest.mark.parametrize("key", ["t/../../out", "t//x", "t/./x"])
def test_keys_that_are_no_paths(fake, moves, tmp_path, key):
    fake.client("s3").put_object(Bucket="data", Key=key, Body=b"x")
    fetch = moves.fetch("s3://data/t/", to=str(tmp_path / "a/b/c"))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "invalid_input"
    assert not [p for p in (tmp_path / "a").rglob("*") if p.is_file()]


@pytest.mark.parametrize("names, code", [
    (["a", "a/b"], "key_conflict"), (["a", "a-b", "a.txt", "a/b/c"], "key_conflict"),
    (["ok", "n" * 256], "name_too_long"), (["d/" + "n" * 256 + "/x"], "name_too_long"),
    (["empty/"], "prefix_empty"), ([], "prefix_empty"), (["ok", "x/../y"], "invalid_input"),
])
@pytest.mark.parametrize("cached", [True, False])
def test_what_cannot_become_files_leaves_none(fake, moves, tmp_path, names, code, cached):
    """Each with its own code, and before anything is written."""
    for name in names:
        fake.client("s3").put_object(Bucket="data", Key=f"p/{name}",
                                     Body=b"" if name.endswith("/") else b"x" * 100)
    to = tmp_path / "to"
    fetch = moves.fetch("s3://data/p/", **({} if cached else {"to": str(to)}))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == code, fetch.failure()
    assert not [p for p in [*to.rglob("*"), *moves.dir.rglob("*.part"),
                            *(fetch.work / "inputs").rglob("*")] if p.is_file()]
    assert not fake.calls("GetObject")


def test_names_at_the_limit_are_files(fake, moves, tmp_path):
    name = "n" * 255
    fake.client("s3").put_object(Bucket="data", Key=f"p/{name}/{name}", Body=b"x")
    fetch = moves.fetch("s3://data/p/", to=str(tmp_path / "to"))
    assert fetch.run("fetch") == 0, fetch.output
    assert (tmp_path / "to" / name / name).read_bytes() == b"x"


def test_what_is_left_out_cannot_be_in_the_way(fake, moves, tmp_path):
    for name in ("a", "a/b"):
        fake.client("s3").put_object(Bucket="data", Key=f"p/{name}", Body=b"x")
    fetch = moves.fetch("s3://data/p/", to=str(tmp_path / "to"), exclude=["a/*"])
    assert fetch.run("fetch") == 0, fetch.output
    assert [p.name for p in (tmp_path / "to").rglob("*")] == ["a"]


@pytest.mark.parametrize("form", ["tree", "tar.gz"])
def test_a_name_that_is_no_utf8_is_not_sent(fake, moves, tmp_path, form):
    source = tmp_path / "source"
    source.mkdir()
    (source / "ok").write_bytes(b"x")
    with open(os.path.join(os.fsencode(source), b"caf\xe9"), "wb") as file:
        file.write(b"x")
    push = moves.push(source, "s3://data/m", form)
    assert push.run("push") == 1
    assert push.failure()["code"] == "name_encoding" and "caf?" in push.failure()["message"]
    assert not fake.calls("PutObject") and not fake.calls("CreateMultipartUpload")
    push = moves.push(source, "s3://data/m", form, exclude=["caf*"])
    assert push.run("push") == 0, push.output


# ---- disks ----

@pytest.mark.parametrize("size", [5 << 20, 3 * PART])
def test_file_size_limit_is_a_full_disk(fake, moves, tmp_path, size):
    fake.client("s3").put_object(Bucket="data", Key="k", Body=os.urandom(size))
    fetch = moves.fetch("s3://data/k", "file", to=str(tmp_path / "k"))
    assert fetch.run("fetch", lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                         (4 << 20, 4 << 20))) == 1
    assert fetch.failure()["code"] == "disk_full"


@pytest.mark.parametrize("form,size", [("file", 5 << 20), ("file", 3 * PART), ("tar.gz", 9 << 20)])
def test_full_disk(fake, moves, tmp_path, form, size):
    small_disk = tmp_path / "disk"
    small_disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", small_disk],
                      capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "k").write_bytes(os.urandom(size))
        source = tmp_path / "d" / "k" if form == "file" else tmp_path / "d"
        assert moves.push(source, "s3://data/k", form).run("push") == 0
        fetch = moves.fetch("s3://data/k", form, to=str(small_disk / "k"))
        assert fetch.run("fetch") == 1
        assert fetch.failure()["code"] == "disk_full"
    finally:
        subprocess.run(["umount", small_disk], check=True)
