# SPDX-License-Identifier: MIT
"""Archives that are fetched: hostile, huge, broken and odd ones; the limits of what is fetched."""
import gzip
import io
import json
import os
import pathlib
import subprocess
import tarfile

import pytest


def member(name, kind=tarfile.REGTYPE, link="", data=b"evil"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
    return info, io.BytesIO(data)


@pytest.mark.parametrize("members", [
    [member("../out")], [member("/tmp/trainyard-out")], [member("a/../../out")],
    [member("l", tarfile.SYMTYPE, "/etc/passwd")], [member("l", tarfile.SYMTYPE, ".."),
                                                    member("l/out")],
    [member("x"), member("h", tarfile.LNKTYPE, "x")], [member("dev", tarfile.CHRTYPE)],
    [member("fifo", tarfile.FIFOTYPE)]])
def test_malicious_tar(fake, moves, tmp_path, members):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for info, data in members:
            tar.addfile(info, data)
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz", Body=body.getvalue())
    to = tmp_path / "a/b/to"
    fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz", to=str(to))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "data_corrupt"
    assert not [p for p in (tmp_path / "a").rglob("*")
                if not p.is_dir() and p != to / "x"]
    assert not os.path.exists("/tmp/trainyard-out")


def archive_of(*members):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for info, data in members:
            tar.addfile(info, data)
    return body.getvalue()


@pytest.mark.parametrize("form", ["tar.gz", "peek"])
def test_a_bomb_is_refused_while_it_streams(fake, moves, tmp_path, form):
    """200 MB of zeros in 0.2 MB; what was written by then is bounded."""
    body = archive_of(member("zeros", data=bytes(200 << 20)), member("parity.json"))
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz", Body=body)
    to = tmp_path / "to"
    fetch = moves.fetch("s3://data/m.tar.gz", form, **(
        {"members": ["parity.json"]} if form == "peek" else {"to": str(to)}))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "too_large" and "max_ratio" in fetch.failure()["message"]
    assert sum(p.stat().st_size for p in to.rglob("*")) < 80 << 20


@pytest.mark.parametrize("form", ["tar.gz", "peek"])
@pytest.mark.parametrize("layers", [1, 2])
def test_an_archive_that_is_packed_twice_is_none(fake, moves, tmp_path, form, layers):
    """tarfile does not read it. Before: it was unpacked layer by layer, and each layer multiplied
    what one read brings between two checks of the ratio."""
    body = archive_of(member("a", data=b"{}"))
    for _ in range(layers):
        body = gzip.compress(body, mtime=0)
    with pytest.raises(tarfile.ReadError):
        tarfile.open(fileobj=io.BytesIO(body), mode="r:gz")
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz", Body=body)
    fetch = moves.fetch("s3://data/m.tar.gz", form, **(
        {"members": ["a"]} if form == "peek" else {"to": str(tmp_path / "to")}))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "data_corrupt"
    assert "pack it once" in fetch.failure()["message"]


def test_an_archive_unpacks_to_its_limit(fake, moves, tmp_path):
    body = archive_of(member("a", data=b"a" * 1000), member("b", data=b"b" * 500))
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz", Body=body)
    for limit, status in ((1500, 0), (1499, 1)):
        fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz", to=str(tmp_path / str(limit)))
        message = fetch.message | {"max_unpacked": limit}
        (fetch.dir / "spec.json").write_text(json.dumps(message))
        assert fetch.run("fetch") == status, fetch.output
    assert fetch.failure()["code"] == "too_large" and "max_unpacked" in fetch.failure()["message"]
    fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz", to=str(tmp_path / "packed"))
    message = fetch.message | {"max_download": len(body) - 1}
    (fetch.dir / "spec.json").write_text(json.dumps(message))
    assert fetch.run("fetch") == 1 and "max_download" in fetch.failure()["message"]


@pytest.fixture
def limited(moves, tmp_path):
    """limited(limit, source, form, to): the fetch, run with that local.max_download."""
    def run(limit, source, form="tree", to=None):
        fetch = moves.fetch(source, form, **({"to": str(to)} if to else {}))
        (fetch.dir / "spec.json").write_text(json.dumps(fetch.message | {"max_download": limit}))
        fetch.status = fetch.run("fetch")
        return fetch
    return run


@pytest.mark.parametrize("to", [True, False], ids=["to", "cache"])
def test_the_files_of_a_prefix_have_one_limit_together(fake, limited, tmp_path, to):
    """Each alone was below any limit. Nothing is left, neither a file nor a part."""
    s3 = fake.client("s3")
    for i in range(3):
        s3.put_object(Bucket="data", Key=f"sum/{to}/{i}", Body=bytes(1000 + i))
    places = [tmp_path / name if to else None for name in ("past", "at")]
    fetch = limited(3002, f"s3://data/sum/{to}/", to=places[0])
    assert fetch.status == 1 and fetch.failure()["code"] == "too_large"
    assert "s3://data/sum" in fetch.failure()["message"]
    assert "the 3002 bytes of local.max_download" in fetch.failure()["message"]
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size in range(1000, 1003)]
    assert not left and not list(tmp_path.rglob("*.part*"))
    fetch = limited(3003, f"s3://data/sum/{to}/", to=places[1])
    assert fetch.status == 0, fetch.output
    assert sorted(p.stat().st_size for p in pathlib.Path(fetch.results()["/in"]).iterdir()) == \
        [1000, 1001, 1002]


def test_one_object_has_the_limit_too(fake, limited, tmp_path):
    fake.client("s3").put_object(Bucket="data", Key="one/x", Body=bytes(1000))
    for form, source in (("file", "s3://data/one/x"), ("tree", "s3://data/one/x")):
        fetch = limited(999, source, form, tmp_path / form)
        assert fetch.status == 1 and fetch.failure()["code"] == "too_large"
        assert limited(1000, source, form, tmp_path / form).status == 0


@pytest.mark.parametrize("body, code, word", [
    (lambda: archive_of(member("f"), member("f/x")), "data_corrupt", "of a file and of a"),
    (lambda: archive_of(member("d/x"), member("d")), "data_corrupt", "of a file and of a"),
    (lambda: archive_of(member("x" * 256)), "name_too_long", "too long"),
    (lambda: archive_of(member("d/" * 2500 + "x")), "name_too_long", "too long"),
    (lambda: b"", "data_corrupt", "it is empty"),
    (lambda: gzip.compress(b"", mtime=0), "data_corrupt", "it is empty"),
    (lambda: archive_of(member("f", data=os.urandom(100000)))[:-5000], "data_corrupt", "truncated"),
], ids=["file-dir", "dir-file", "long", "deep", "nothing", "gzip-of-nothing", "cut"])
def test_an_archive_that_cannot_be_unpacked_says_why(fake, moves, tmp_path, body, code, word):
    """They were `internal`, `data_missing` or a success, and half a file was left."""
    fake.client("s3").put_object(Bucket="data", Key="bad.tar.gz", Body=body())
    to = tmp_path / "to"
    fetch = moves.fetch("s3://data/bad.tar.gz", "tar.gz", to=str(to))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == code and word in fetch.failure()["message"]
    assert "bad.tar.gz" in fetch.failure()["message"]
    assert {p.stat().st_size for p in to.rglob("*") if p.is_file()} <= {4}


def test_an_archive_of_nothing_is_one(fake, moves, tmp_path):
    fake.client("s3").put_object(Bucket="data", Key="none.tar.gz", Body=archive_of())
    assert moves.fetch("s3://data/none.tar.gz", "tar.gz", to=str(tmp_path / "to")).run("fetch") == 0


def test_a_sparse_member_counts_its_holes(fake, moves, tmp_path):
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 8 << 30)
    with open(tmp_path / "hole", "r+b") as file:
        file.seek((8 << 30) - 1)
        file.write(b"x")
    subprocess.run(["tar", "-C", tmp_path, "-S", "-czf", tmp_path / "m.tar.gz", "hole"], check=True)
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz",
                                 Body=(tmp_path / "m.tar.gz").read_bytes())
    fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz", to=str(tmp_path / "to"))
    (fetch.dir / "spec.json").write_text(json.dumps(fetch.message | {"max_unpacked": 1 << 30}))
    assert fetch.run("fetch") == 1
    assert fetch.failure()["code"] == "too_large"
    assert not (tmp_path / "to/hole").exists() or (tmp_path / "to/hole").stat().st_size < 1 << 30


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
@pytest.mark.parametrize("limit", [3 << 20, (3 << 20) - 1])
def test_a_hole_at_the_end_of_a_member_is_kept(fake, moves, tmp_path, version, limit):
    """Before: the file ended with its last data, without a word. GNU tar is the oracle."""
    with open(tmp_path / "hole", "wb") as file:
        file.seek(1 << 20)
        file.write(b"x")
        file.truncate(3 << 20)
    subprocess.run(["tar", "-C", tmp_path, "--format=pax", f"--sparse-version={version}", "-S",
                    "-czf", tmp_path / "m.tar.gz", "hole"], check=True)
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz",
                                 Body=(tmp_path / "m.tar.gz").read_bytes())
    fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz", to=str(tmp_path / "to"))
    (fetch.dir / "spec.json").write_text(json.dumps(fetch.message | {"max_unpacked": limit}))
    assert fetch.run("fetch") == (limit < 3 << 20), fetch.output
    if limit < 3 << 20:
        assert fetch.failure()["code"] == "too_large" and not (tmp_path / "to/hole").exists()
    else:
        assert (tmp_path / "to/hole").read_bytes() == (tmp_path / "hole").read_bytes()


@pytest.mark.parametrize("body", [b"", b"no archive", b"\x1f\x8b\x08\0broken"])
def test_what_is_no_tar(fake, moves, body):
    fake.client("s3").put_object(Bucket="data", Key="m.tar.gz", Body=body)
    fetch = moves.fetch("s3://data/m.tar.gz", "tar.gz")
    status = fetch.run("fetch")
    if body:
        assert status == 1 and fetch.failure()["code"] == "data_corrupt"
