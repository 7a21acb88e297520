# SPDX-License-Identifier: MIT
"""trainyard-transfer as upload and download jobs use it: below work/, with patterns, over what is
there, and through here from one place in S3 to another."""
import pathlib

import pytest
from transfers import same_tree

from trainyardd import daemon_on

FILES = ["config.json", "a/model.bin", "checkpoint-1/model.bin", "checkpoint-1/sub/x", "a/x.log"]
EXCLUDE = ["checkpoint-*", "**/*.log"]
KEPT = ["a/model.bin", "config.json"]


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


@pytest.mark.parametrize("to, form", [("s3://data/tree/", "tree"),
                                      ("s3://data/model.tar.gz", "tar.gz")])
def test_a_download_leaves_out_what_it_excludes(moves, source, tmp_path, to, form):
    assert moves.push(source, to, form).run("push") == 0
    got = moves.fetch(to, form, to="output", exclude=EXCLUDE)
    assert got.run("fetch") == 0, got.output
    assert got.results() == {"/in": str(got.work / "output")}
    assert names(got.work / "output") == KEPT
    for name in KEPT:
        assert (got.work / "output" / name).read_text() == name
    whole = moves.fetch(to, form, to=str(tmp_path / "whole"))
    assert whole.run("fetch") == 0, whole.output
    same_tree(source, tmp_path / "whole")


@pytest.mark.parametrize("to", ["../out", "a/../../out", ""])
def test_a_download_stays_in_its_directory(moves, source, to):
    assert moves.push(source, "s3://data/tree/").run("push") == 0
    got = moves.fetch("s3://data/tree/", to=to)
    assert got.run("fetch") == 1
    assert "below work/" in got.failure()["message"]


@pytest.mark.parametrize("to, form", [("s3://data/tree/", "tree"),
                                      ("s3://data/model.tar.gz", "tar.gz")])
def test_overwriting_sends_the_same_again(fake, moves, source, to, form):
    assert moves.push(source, to, form).run("push") == 0
    for if_exists, again in (("skip_same", False), ("overwrite", True)):
        before = len(fake.calls())
        push = moves.push(source, to, form, if_exists=if_exists)
        assert push.run("push") == 0, push.output
        sent = [c for c in fake.calls()[before:]
                if c["operation"] in ("PutObject", "UploadPart", "CompleteMultipartUpload")]
        assert bool(sent) == again
    got = moves.fetch(to, form)
    assert got.run("fetch") == 0, got.output
    same_tree(source, got.results()["/in"])


@pytest.mark.parametrize("form, uri, below", [
    ("tree", "s3://data/tree/", "source"), ("tar.gz", "s3://data/x/model.tar.gz", "source"),
    ("file", "s3://data/x/one", "source/one")])
def test_from_one_place_in_s3_to_another(moves, source, form, uri, below):
    """What an upload of ${train.model} is when the training ran on SageMaker."""
    first = source / "config.json" if form == "file" else source
    assert moves.push(first, uri, form).run("push") == 0
    target = "s3://data/copy" if form == "file" else "s3://data/copy/"
    job = moves.execution(
        fetch=[{"pointer": "/source", "from": uri, "form": form, "to": "source/"}],
        push=[{"pointer": "/outputs/uri", "from": below, "to": target,
               "form": "file" if form == "file" else "tree"}])
    assert job.run("fetch") == 0, job.output
    assert job.run("push") == 0, job.output
    assert job.results()["/outputs/uri"] == target
    got = moves.fetch(target, "file" if form == "file" else "tree")
    assert got.run("fetch") == 0, got.output
    if form == "file":
        assert pathlib.Path(got.results()["/in"]).read_text() == "config.json"
    else:
        same_tree(source, got.results()["/in"])


def test_jobs_of_a_run_hand_things_on(fake, moves, source, tmp_path):
    """Up, down to both places, packed, and from S3 to S3: through the real daemon."""
    home, there = tmp_path / "daemon", tmp_path / "new/dir"
    home.mkdir()
    with daemon_on(home, environment=fake.environment) as daemon:
        run = daemon.submit([
            {"name": "put", "kind": "upload", "source": str(source), "exclude": EXCLUDE,
             "destination": "s3://data/tree/"},
            {"name": "get", "kind": "download", "source": "${put.uri}", "exclude": ["a"]},
            {"name": "to", "kind": "download", "source": "${put.uri}", "destination": str(there)},
            {"name": "pack", "kind": "upload", "source": "${to.path}",
             "destination": "s3://data/m.tar.gz"},
            {"name": "copy", "kind": "upload", "source": "${pack.uri}",
             "destination": "s3://data/copy/"}])["id"]
        daemon.wait_job(run, "copy", "succeeded")
        got = pathlib.Path(daemon.wait_job(run, "get", "succeeded")["outputs"]["path"])
        assert names(got) == ["config.json"] and got.is_relative_to(home)
        assert daemon.job(run, "to")["outputs"]["path"] == str(there)
        assert daemon.job(run, "put")["outputs"]["uri"] == "s3://data/tree/"
        assert daemon.job(run, "copy")["outputs"]["uri"] == "s3://data/copy/"
    assert names(there) == KEPT
    listed = fake.client("s3").list_objects_v2(Bucket="data")["Contents"]
    assert {o["Key"] for o in listed} == {"m.tar.gz", *(f"{folder}/{name}" for name in KEPT
                                                        for folder in ("tree", "copy"))}


def test_a_bucket_that_is_not_there(fake, moves, source, tmp_path):
    home = tmp_path / "daemon"
    home.mkdir()
    with daemon_on(home, environment=fake.environment) as daemon:
        for job in ({"kind": "upload", "source": str(source), "destination": "s3://nowhere/x/"},
                    {"kind": "download", "source": "s3://nowhere/x/"}):
            run = daemon.submit([{"name": "job", **job}])["id"]
            reason = daemon.wait_job(run, "job", "failed")["reason"]
            assert reason["code"] == "bucket_missing" and "nowhere" in reason["message"]
            assert "\n" not in reason["message"]
