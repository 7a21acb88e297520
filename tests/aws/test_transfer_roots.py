# SPDX-License-Identifier: MIT
"""Links in what is sent and in what is written to: followed below the roots, refused when they lead
out, for files, trees, archives and downloads, also when they were made after the start."""
import io
import os
import tarfile

import pytest


FORMS = [("tree", "s3://data/t/"), ("tar.gz", "s3://data/t.tar.gz")]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / "tree").mkdir(parents=True)
    (folder / "tree" / "a").write_text("a")
    return folder


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "key").write_text("secret")
    return folder


def push(moves, home, source, to, form):
    return moves.execution(roots=[str(home)], data_dir=str(moves.dir), push=[
        {"pointer": "/out", "from": str(source), "to": to, "form": form}])


def fetch(moves, home, source, form, to):
    return moves.execution(roots=[str(home)], data_dir=str(moves.dir / "data"),
                           cache_dir=str(moves.dir / "data" / "cache"), fetch=[
                               {"pointer": "/in", "from": source, "form": form, "to": str(to)}])


def stored(fake):
    found = fake.client("s3").list_objects_v2(Bucket="data").get("Contents", [])
    return {o["Key"]: fake.client("s3").get_object(Bucket="data", Key=o["Key"])["Body"].read()
            for o in found}


def put_archive(fake, *names):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"xxx"))
    fake.client("s3").put_object(Bucket="data", Key="in.tar.gz", Body=data.getvalue())


@pytest.mark.parametrize("form, to", FORMS)
@pytest.mark.parametrize("link", ["file", "directory", "chain"])
def test_a_link_out_of_the_roots_is_not_sent(fake, moves, home, secret, form, to, link):
    where = home / "tree" / "link"
    if link == "chain":
        (home / "step").symlink_to(secret)
        where.symlink_to("../step/key")
    else:
        where.symlink_to(secret / "key" if link == "file" else secret)
    moves.dir = moves.dir / "d"  # the data directory is not the one with the tree
    run = push(moves, home, home / "tree", to, form)
    assert run.run("push") == 1
    assert "not below a root" in run.failure()["message"]
    assert "secret" not in str(stored(fake))


@pytest.mark.parametrize("form, to", FORMS)
def test_links_below_the_roots_are_sent_as_what_they_lead_to(fake, moves, home, form, to):
    (home / "disk").mkdir()
    (home / "disk" / "b").write_text("b")
    (home / "tree" / "linked").symlink_to(home / "disk")
    (home / "tree" / "c").symlink_to("a")
    (home / "tree" / "nowhere").symlink_to("gone")
    moves.dir = moves.dir / "d"
    run = push(moves, home, home / "tree", to, form)
    assert run.run("push") == 0, run.output
    if form == "tree":
        assert stored(fake) == {"t/a": b"a", "t/c": b"a", "t/linked/b": b"b"}
    else:
        with tarfile.open(fileobj=io.BytesIO(stored(fake)["t.tar.gz"])) as tar:
            assert sorted(m.name for m in tar) == ["a", "c", "linked/b"]
            assert all(m.isfile() for m in tar)


def test_a_file_that_is_a_link_is_not_sent(fake, moves, home, secret):
    (home / "file").symlink_to(secret / "key")
    moves.dir = moves.dir / "d"
    run = push(moves, home, home / "file", "s3://data/f", "file")
    assert run.run("push") == 1 and "not below a root" in run.failure()["message"]
    assert stored(fake) == {}


@pytest.mark.parametrize("form, to", FORMS)
def test_what_a_job_left_does_not_lead_out_of_its_directory(fake, moves, home, form, to):
    """Not even to what lies below a root."""
    (home / "mine").write_text("secret")
    model = moves.dir / "executions" / "x1" / "work" / "model"
    model.mkdir(parents=True)
    (model / "weights").symlink_to(home / "mine")
    run = push(moves, home, model, to, form)
    assert run.run("push") == 1
    assert "leads out of the directory that a job or a download made" in run.failure()["message"]
    assert "secret" not in str(stored(fake))
    (model / "weights").unlink()
    (model / "a").write_text("a")
    (model / "weights").symlink_to("a")
    assert push(moves, home, model, to, form).run("push") == 0


@pytest.mark.parametrize("form", ["tree", "tar.gz"])
def test_nothing_is_written_through_a_link_out_of_the_roots(fake, moves, home, secret, form):
    fake.client("s3").put_object(Bucket="data", Key="t/p/key", Body=b"new")
    fake.client("s3").put_object(Bucket="data", Key="t/p/deep/key", Body=b"new")
    put_archive(fake, "p/key", "p/deep/key")
    out = home / "out"
    out.mkdir()
    (out / "p").symlink_to("../../secret")
    source = "s3://data/t/" if form == "tree" else "s3://data/in.tar.gz"
    run = fetch(moves, home, source, form, out)
    assert run.run("fetch") == 1
    assert "not below a root" in run.failure()["message"]
    assert os.listdir(secret) == ["key"] and (secret / "key").read_text() == "secret"


@pytest.mark.parametrize("form", ["tree", "tar.gz"])
def test_a_link_below_the_roots_is_written_through(fake, moves, home, form):
    fake.client("s3").put_object(Bucket="data", Key="t/p/deep/key", Body=b"xxx")
    put_archive(fake, "p/deep/key")
    (home / "disk").mkdir()
    (home / "out").mkdir()
    (home / "out" / "p").symlink_to(home / "disk")
    source = "s3://data/t/" if form == "tree" else "s3://data/in.tar.gz"
    run = fetch(moves, home, source, form, home / "out")
    assert run.run("fetch") == 0, run.output
    assert (home / "disk" / "deep" / "key").read_text() == "xxx"
    assert os.listdir(home / "disk") == ["deep"]


@pytest.mark.parametrize("form", ["file", "tree", "tar.gz"])
def test_the_destination_itself_is_a_link_out(fake, moves, home, secret, form):
    fake.client("s3").put_object(Bucket="data", Key="t/key", Body=b"new")
    put_archive(fake, "key")
    (home / "out").symlink_to(secret)
    source = {"file": "s3://data/t/key", "tree": "s3://data/t/", "tar.gz": "s3://data/in.tar.gz"}
    run = fetch(moves, home, source[form], form, home / "out")
    assert run.run("fetch") == 1 and "not below a root" in run.failure()["message"]
    assert os.listdir(secret) == ["key"] and (secret / "key").read_text() == "secret"
