# SPDX-License-Identifier: MIT
"""What a submit looks at on this machine: the script, its interpreter, its data. What could only
end in a failure later is said by validate, at its place."""
import sys
import tempfile
import venv

import pytest

from client import Daemon
from trainyardd import PYTHON

ROOTS = "roots = {home}\ninterpreters = /usr/bin/python3:python3\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home").resolve()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, home):
    """A daemon whose jobs may read below `home` only."""
    with tempfile.TemporaryDirectory(prefix="ty-asked.") as directory:
        daemon = Daemon(directory, ROOTS.format(home=home))
        try:
            yield daemon.start()
        finally:
            daemon.finish()


def problems(daemon, *jobs):
    return [(p["pointer"], p["code"], p["detail"])
            for p in daemon.post("/v1/validate", {"jobs": list(jobs)}).json()["problems"]]


def script(source, entry="train.py", **more):
    return {"name": "s", "kind": "script", "entry_point": entry, "source_dir": str(source), **more}


def make(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("print('hi')\n")
    return folder


def test_requirements_without_venv_are_known_at_validate(narrow, home):
    source = make(home / "needs", "train.py", "run.sh", "requirements.txt")
    [(pointer, code, detail)] = problems(narrow, script(source))
    assert (pointer, code) == ("/jobs/0/local/requirements", "invalid")
    assert "requirements.txt" in detail and '"venv"' in detail
    assert not problems(narrow, script(source, local={"requirements": "venv"}))
    assert not problems(narrow, script(source, "run.sh"))  # a command installs nothing
    there = {"target": "sagemaker", "max_runtime": "1h",
             "sagemaker": {"instance_type": "ml.g5.xlarge", "role": "R"}}
    assert not problems(narrow, script(source, **there))  # the container installs them
    (source / "requirements.txt").unlink()
    assert not problems(narrow, script(source))


def test_a_package_needs_a_module_at_its_top(narrow, home):
    source = make(home / "package", "setup.py", "train.py", "sub/train.py", "a.b.py")
    venv = {"requirements": "venv"}
    assert not problems(narrow, script(source, local=venv))
    for entry in ("sub/train.py", "a.b.py"):
        [(pointer, code, detail)] = problems(narrow, script(source, entry, local=venv))
        assert (pointer, code) == ("/jobs/0/entry_point", "invalid") and "setup.py" in detail
    [(pointer, code, detail)] = problems(narrow, script(source))
    assert pointer == "/jobs/0/local/requirements" and "setup.py" in detail


def test_an_interpreter_that_is_not_there_is_known_at_validate(narrow, home):
    source = make(home / "plain", "train.py")
    (home / "not-runnable").write_text("#!/bin/sh\n")
    for name, word in ((home / "gone", "no such program"), (home / "not-runnable", "can be run"),
                       (home, "can be run")):
        [(pointer, code, detail)] = problems(narrow, script(source, local={"python": str(name)}))
        assert (pointer, code) == ("/jobs/0/local/python", "data_missing")
        assert str(name) in detail and word in detail


def test_an_interpreter_is_listed_or_lies_as_written_below_a_root(narrow, home, tmp_path):
    source = make(home / "plain2", "train.py")
    bin = home / "venv" / "bin"
    bin.mkdir(parents=True)
    (bin / "python").symlink_to(sys.executable)  # leads out of the roots, as a venv's does
    for good in (bin / "python", "/usr/bin/python3", PYTHON, "python3"):
        assert not problems(narrow, script(source, local={"python": str(good)})), good
    other = tmp_path / "python"
    other.symlink_to(sys.executable)
    for bad in (other, "/bin/sh", "sh", f"{bin}/../../../python", f"{home}/./venv/bin/python"):
        [(pointer, code, _)] = problems(narrow, script(source, local={"python": str(bad)}))
        assert (pointer, code) == ("/jobs/0/local/python", "forbidden"), bad


def test_a_virtual_environment_starts_by_its_written_path(narrow, home):
    where = home / "env"
    venv.create(where, symlinks=True)
    source = home / "prefix"
    source.mkdir()
    (source / "train.py").write_text("import sys\nprint('prefix', sys.prefix)\n")
    run = narrow.submit([script(source, local={"python": str(where / "bin" / "python")})])
    job = narrow.wait_end(run["jobs"][0]["id"])
    assert job["state"] == "succeeded", job["reason"]
    assert f"prefix {where}" in narrow.log(job["id"])


def test_an_empty_directory_is_known_at_validate(narrow, home):
    source = make(home / "plain3", "train.py")
    empty = home / "empty"
    (empty / "only" / "directories").mkdir(parents=True)
    model = make(home / "model", "config.json", "vocab.txt")
    (model / "config.json").write_text("{}")
    (model / "vocab.txt").write_text("[UNK]\n")
    jobs = (("/jobs/0/channels/train", script(source, channels={"train": str(empty)})),
            ("/jobs/0/channels/train", {"kind": "train", "model": str(model),
                                        "channels": {"train": str(empty)}}),
            ("/jobs/0/data", {"kind": "evaluate", "model": str(model), "data": str(empty)}),
            ("/jobs/0/dataset/path", {"kind": "preprocess", "model": str(model),
                                      "dataset": {"path": str(empty)}}),
            ("/jobs/0/source", {"kind": "upload", "source": str(empty),
                                "destination": "s3://bucket/x/"}))
    for pointer, job in jobs:
        found = problems(narrow, job)
        assert [f[:2] for f in found] == [(pointer, "data_missing")], found
        assert "no file in the directory" in found[0][2]
    (empty / "only" / "directories" / "one").touch()
    assert not problems(narrow, jobs[0][1])
