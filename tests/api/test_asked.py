# SPDX-License-Identifier: MIT
"""What a submit looks at on this machine: the script, its interpreter, its data. What could only
end in a failure later is said by validate, at its place."""
import gzip
import os
import subprocess
import sys
import tempfile
import venv
from contextlib import ExitStack

import pytest

from client import NO_WEIGHTS, Daemon, look_saved
from trainyardd import BUILD, PYTHON

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
    for name, word in ((home / "gone", "no executable program"),
                       (home / "not-runnable", "no executable program"),
                       (home, "no executable program")):
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
    (model / "model.safetensors").write_bytes(NO_WEIGHTS)
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
        assert "has no file in it" in found[0][2]
    (empty / "only" / "directories" / "one").touch()
    assert not problems(narrow, jobs[0][1])


def test_what_is_no_saved_data_set_is_known_at_validate(narrow, home):
    """Before: found when the training ran. A script reads what it wants."""
    model, rows = home / "model", make(home / "rows", "rows.jsonl")
    splits = make(home / "splits", "dataset_dict.json", "train/state.json")
    half = make(home / "half", "state.json")
    for folder, code, words in ((rows, "data_missing", "no state.json and dataset_info.json"),
                                (half, "data_missing", "no state.json and dataset_info.json"),
                                (splits, "invalid", f"such as '{splits}/train'")):
        for pointer, job in (
                ("/jobs/0/channels/train", {"kind": "train", "channels": {"train": str(folder)}}),
                ("/jobs/0/data", {"kind": "evaluate", "data": str(folder)})):
            [found] = problems(narrow, {"model": str(model), **job})
            assert found[:2] == (pointer, code) and words in found[2], found
    file = {"kind": "evaluate", "model": str(model), "data": str(rows / "rows.jsonl")}
    [found] = problems(narrow, file)
    assert found[:2] == ("/jobs/0/data", "data_missing") and "not a directory" in found[2]
    saved = {"kind": "evaluate", "model": str(model), "data": str(look_saved(half))}
    assert not problems(narrow, saved)
    source = make(home / "plain4", "train.py")
    assert not problems(narrow, script(source, channels={"train": str(rows)}))


def test_two_jobs_of_a_run_write_to_two_places(narrow, home):
    """Before: the second replaced the data of the first, and references to the first meant it."""
    rows = home / "two.csv"
    rows.write_text(ROWS)
    model = make(home / "words", "config.json", "vocab.txt")
    (model / "config.json").write_text("{}")
    (model / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    (home / "real").mkdir()
    (home / "link").symlink_to("real")

    def pair(first, second):
        return [{**prep(model, rows), "name": name, "output": str(output)}
                for name, output in (("one", first), ("two", second))]

    for first, second in (("real", "real"), ("real", "real/"), ("new", "new"), ("link", "real"),
                          ("real", "./link/")):
        [found] = problems(narrow, *pair(f"{home}/{first}", f"{home}/{second}"))
        assert found[:2] == ("/jobs/1/output", "duplicate") and "job 'one'" in found[2], found
    assert not problems(narrow, *pair(f"{home}/real", f"{home}/real2"))
    source = make(home / "plain5", "train.py")
    jobs = [script(source, output="s3://bucket/x/"),
            {**script(source, output="s3://bucket/x"), "name": "t"}]
    [found] = problems(narrow, *jobs)
    assert found[:2] == ("/jobs/1/output", "duplicate"), found
    there = {"target": "sagemaker", "max_runtime": "1h",
             "sagemaker": {"instance_type": "ml.g5.xlarge", "role": "R"}}
    assert not problems(narrow, jobs[0], {**jobs[1], **there})  # below the training job's name


ROWS = "text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20))
native = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                            reason="this build has no native engine")


@pytest.fixture(scope="module")
def tokens(home):
    folder = home / "tokens"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "row"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "config.json").write_text('{"model_type": "bert", "vocab_size": 6}')
    return folder


def prep(tokens, path, **dataset):
    return {"name": "prep", "kind": "preprocess", "model": str(tokens),
            "dataset": {"path": str(path), **dataset}}


@native
def test_reading_data_loads_no_libtorch():
    """To load it takes longer than all else that a submit waits for."""
    needed = subprocess.run(["ldd", BUILD / "worker/trainyard-dataset"], text=True, check=True,
                            capture_output=True).stdout
    assert "libarrow" in needed and "libtorch" not in needed


@native
@pytest.mark.parametrize("name, text", [
    ("x.csv", ROWS), ("x.jsonl", "".join(f'{{"text": "row {i}", "label": "{"ab"[i % 2]}"}}\n'
                                         for i in range(20))), ("x.csv.gz", ROWS)])
def test_a_missing_column_and_too_many_rows_are_known_at_validate(narrow, home, tokens, name, text):
    data = home / name
    data.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz")
                     else text.encode())
    assert not problems(narrow, prep(tokens, data, train_rows=16, test_rows=4))
    for wrong, pointer, code, word in (
            ({"text_column": "review"}, "text_column", "invalid", "review"),
            ({"label_column": "stars"}, "label_column", "invalid", "stars"),
            ({"train_rows": 21}, "train_rows", "out_of_range", "20"),
            ({"labels": ["a", "c"]}, None, "invalid", "")):
        found = problems(narrow, prep(tokens, data, **wrong))
        assert len(found) == 1 and found[0][1] == code and word in found[0][2], found
        assert found[0][0].startswith("/jobs/0/dataset/" + (pointer or "")), found


@native
def test_only_small_data_is_looked_at(narrow, home, tokens):
    """What is larger, a pipe or a reference: nothing is said, and soon."""
    large, pipe = home / "large.csv", home / "pipe.csv"
    with open(large, "w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.truncate((8 << 20) + 1)
    os.mkfifo(pipe)
    assert not problems(narrow, prep(tokens, large, text_column="none"))
    assert not [p for p in problems(narrow, prep(tokens, pipe)) if p[1] == "invalid"]


@pytest.fixture
def hasty(home):
    """hasty(ms): a daemon as `narrow`, with so long to look at data."""
    with ExitStack() as made:
        def start(ms):
            directory = made.enter_context(tempfile.TemporaryDirectory(prefix="ty-asked."))
            daemon = Daemon(directory, ROOTS.format(home=home),
                            {"TRAINYARD_LOCAL_INSPECT_MS": str(ms)})
            made.callback(daemon.finish)
            return daemon.start()
        yield start


@native
def test_data_that_takes_too_long_is_left_to_the_job(hasty, home, tokens):
    """A small file that unpacks to 600 MB: validate answers all the same."""
    bomb = home / "bomb.csv.gz"
    with gzip.open(bomb, "wb", compresslevel=6) as file:
        file.write(b"text,label\n")
        block = b"row,a\n" * (1 << 18)
        for _ in range(400):
            file.write(block)
    assert bomb.stat().st_size < 8 << 20
    assert not problems(hasty(500), prep(tokens, bomb, train_rows=10 ** 9))


@native
def test_no_data_is_looked_at_in_no_time(hasty, narrow, home, tokens):
    data = home / "no_time.csv"
    data.write_text(ROWS)
    wrong = prep(tokens, data, text_column="review")
    assert problems(narrow, wrong) and not problems(hasty(0), wrong)


@native
def test_several_data_sets_have_their_own_problems(narrow, home, tokens):
    data = home / "several.csv"
    data.write_text(ROWS)
    jobs = [{**prep(tokens, data, **d), "name": f"p{i}"} for i, d in enumerate(
        ({}, {"text_column": "review"}, {}, {"train_rows": 100}))]
    assert [p[0] for p in problems(narrow, *jobs)] == [
        "/jobs/1/dataset/text_column", "/jobs/3/dataset/train_rows"]


@native
def test_a_finding_is_of_the_job_whose_data_it_is(narrow, home, tokens):
    """What is found in a file on the way, such as its delimiter, is no answer."""
    semicolons, commas = home / "semicolons.csv", home / "commas.csv"
    semicolons.write_text(ROWS.replace(",", ";"))
    commas.write_text(ROWS)
    jobs = [{**prep(tokens, path, **d), "name": f"p{i}"} for i, (path, d) in enumerate((
        (semicolons, {"train_rows": 100}), (semicolons, {"text_column": "review"}),
        (commas, {}), (commas, {"label_column": "stars"})))]
    assert [p[0] for p in problems(narrow, *jobs)] == [
        "/jobs/0/dataset/train_rows", "/jobs/1/dataset/text_column", "/jobs/3/dataset/label_column"]
