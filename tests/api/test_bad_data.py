# SPDX-License-Identifier: MIT
"""Wrong data through a whole preprocess or train job: the job fails with one reason that names the
place, and the daemon goes on. What can be seen at once is refused at the submit."""
import gzip
import io
import json

import pyarrow
import pytest
from pyarrow import parquet

from client import look_saved, problem

GOOD = "".join(f'"a fine film {i}",pos\n"a bad film {i}",neg\n' for i in range(20))
HEAD = "review,sentiment\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")

    def write(name, content):
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)
    return write


@pytest.fixture(scope="module")
def prep_of(tiny_model):
    """The spec of a preprocess job on `path`."""
    def make(path, **dataset):
        return {"name": "prep", "kind": "preprocess", "model": str(tiny_model), "max_length": 16,
                "retry": {"max": 0},
                "dataset": {"path": path, "text_column": "review", "label_column": "sentiment",
                            "train_rows": 20, "test_rows": 10, **dataset}}
    return make


@pytest.fixture(scope="module")
def preprocess(daemon, prep_of):
    """Run a preprocess job on `path`; returns the job when it has ended."""
    def run(path, **dataset):
        return daemon.wait_end(daemon.submit_job(prep_of(path, **dataset))["id"])
    return run


@pytest.fixture(scope="module")
def spoiled(daemon, files, prep_of):
    """Run a preprocess job whose file is good at the submit and has `content` when it starts."""
    def run(name, content, **dataset):
        rows = [line.rsplit(",", 1) for line in (GOOD * 30).splitlines()]
        lines = "".join(json.dumps({"review": text, "sentiment": label}) + "\n"
                        for text, label in rows)
        good = {"csv": HEAD + GOOD * 30, "gz": gzip.compress((HEAD + GOOD * 30).encode(), mtime=0),
                "jsonl": lines, "parquet": io.BytesIO()}
        parquet.write_table(pyarrow.table({"review": [r[0] for r in rows],
                                           "sentiment": [r[1] for r in rows]}), good["parquet"])
        good["parquet"] = good["parquet"].getvalue()
        path = files(name, good[name.rsplit(".", 1)[1]])
        job = daemon.submit_job({**prep_of(path, **dataset), "held": True})
        files(name, content)
        daemon.post(f"/v1/jobs/{job['id']}/release")
        return daemon.wait_end(job["id"])
    return run


def test_good_data(preprocess, files):
    job = preprocess(files("good.csv", HEAD + GOOD))
    assert job["state"] == "succeeded", job
    assert job["outputs"]["train"].endswith("/train")


@pytest.mark.parametrize("name, content, dataset, code, words", [
    ("empty.csv", "", {}, "invalid_input", "empty.csv"),
    ("head.csv", HEAD, {}, "invalid_input", "no rows"),
    ("column.csv", "text,sentiment\na,pos\nb,neg\n", {}, "invalid_input", "'review'"),
    ("label.csv", "review,label\na,pos\nb,neg\n", {}, "invalid_input", "'sentiment'"),
    ("twice.csv", "review,review,sentiment\na,b,pos\n", {}, "invalid_input", "twice"),
    ("unknown.csv", HEAD + GOOD + "so so,maybe\n", {"labels": ["pos", "neg"]}, "invalid_input",
     "maybe"),
    ("one.csv", HEAD + GOOD.replace("neg", "pos"), {}, "invalid_input",
     "two classes"),
    ("few.csv", HEAD + GOOD, {"train_rows": 1000}, "invalid_input", "1000"),
    ("quote.csv", HEAD + '"never closed,pos\n' * 9, {}, "invalid_input", "line 3"),
    ("torn.csv.gz", gzip.compress((HEAD + GOOD * 99).encode(), mtime=0)[:-40], {}, "data_corrupt",
     "gzip"),
    ("not.csv.gz", "plain text", {}, "invalid_input", "'review'"),
    ("lines.jsonl", '{"review": "a", "sentiment": "pos"}\n{"review": \n', {}, "invalid_input",
     "row 2"),
    ("null.jsonl", '{"review": "a", "sentiment": null}\n' * 4, {}, "invalid_input", "null"),
    ("no.parquet", "PAR1 but not really PAR1", {}, "data_corrupt", "no.parquet"),
])
def test_wrong_data(daemon, spoiled, files, prep_of, name, content, dataset, code, words):
    answer = daemon.post("/v1/jobs", prep_of(files(name, content), **dataset))
    error = first_error(answer)
    assert error["pointer"].startswith("/dataset") and words in error["detail"], error
    job = spoiled(name, content, **dataset)
    assert job["state"] == "failed"
    assert job["reason"]["code"] == code, job["reason"]
    assert words in job["reason"]["message"], job["reason"]
    assert daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"][-1]["reason"] == job["reason"]


def test_bytes_that_are_no_text_are_counted(daemon, preprocess, files):
    rows = (HEAD + GOOD).encode() + b"caf\xe9 and \xff,pos\n"
    job = preprocess(files("latin.csv", rows), train_rows=25, test_rows=10)
    assert job["state"] == "succeeded", job
    warnings = daemon.get("/v1/events", since=0, job=job["id"], kind="warning", limit=500)["items"]
    assert len(warnings) >= 1, "the row must be reported"
    assert "UTF-8" in json.dumps(warnings)


def test_rows_that_are_left_out_are_counted_and_shown(daemon, preprocess, spoiled, files):
    rows = HEAD + GOOD + "no label,N/A\n,pos\nnone either,\n"
    job = preprocess(files("gaps.csv", rows), on_bad_row="skip", train_rows=25)
    assert job["state"] == "succeeded", job
    [values] = [item["values"] for item in daemon.get(f"/v1/jobs/{job['id']}/metrics")["items"]]
    assert (values["rows_without_label"], values["rows_without_text"]) == (2, 1)
    assert {w["code"] for w in job["warnings"]} == {"rows_without_label", "rows_without_text"}
    log = daemon.ask("GET", f"/v1/jobs/{job['id']}/logs").text
    assert "left out because they have no label: 2, the first is row 41" in log
    job = spoiled("gaps.csv", rows)
    assert job["state"] == "failed" and "set on_bad_row to skip" in job["reason"]["message"]
    assert job["spec"]["dataset"]["on_bad_row"] == "refuse"


def first_error(answer):
    return problem(answer, 422, "invalid_spec")["errors"][0]


def test_a_file_that_is_not_there_is_refused_at_the_submit(daemon, tiny_model):
    error = first_error(daemon.post("/v1/jobs", {
        "kind": "preprocess", "model": str(tiny_model), "dataset": {"path": "/nonexistent.csv"}}))
    assert error["pointer"] == "/dataset/path" and error["code"] == "data_missing"


@pytest.mark.parametrize("change, pointer", [
    ({"model": "/nonexistent"}, "/model"),
    ({"model": "no-such-model-name"}, "/model"),
    ({"hyperparameters": {"learning_rate": 0}}, "/hyperparameters/learning_rate"),
    ({"hyperparameters": {"learning_rate": "fast"}}, "/hyperparameters/learning_rate"),
    ({"hyperparameters": {"train_batch_size": 0}}, "/hyperparameters/train_batch_size"),
    ({"hyperparameters": {"epochs": -1}}, "/hyperparameters/epochs"),
    ({"hyperparameters": {"num_train_epochs": 1}}, "/hyperparameters/num_train_epochs"),
    ({"channels": {"train": "/nonexistent"}}, "/channels/train"),
    ({"channels": {}}, "/channels/train"),
])
def test_wrong_training_specs(daemon, tiny_model, tmp_path, change, pointer):
    spec = {"kind": "train", "model": str(tiny_model), "channels": {"train": str(tmp_path)}}
    error = first_error(daemon.post("/v1/jobs", {**spec, **change}))
    assert error["pointer"] == pointer, error


def copy_model(tiny_model, folder):
    for path in tiny_model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def drop_weights(folder):
    (folder / "model.safetensors").unlink()


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def spoil_header(folder):
    path = folder / "model.safetensors"
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def drop_shard(folder):
    """The index names a second file, which is not there."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {
        "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}))


def other_shape(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))


def other_family(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))


def no_json(folder):
    (folder / "config.json").write_text("{")


def drop_vocabulary(folder):
    for name in ("vocab.txt", "tokenizer.json"):
        (folder / name).unlink(missing_ok=True)


def test_a_broken_model(daemon, tiny_model, preprocess, files, tmp_path):
    data = preprocess(files("ok.csv", HEAD + GOOD))["outputs"]
    folder = copy_model(tiny_model, tmp_path)
    other_shape(folder)
    job = daemon.wait_end(daemon.submit_job({
        "kind": "train", "model": str(folder), "retry": {"max": 0},
        "channels": {"train": data["train"], "test": data["test"]},
        "hyperparameters": {"epochs": 1, "train_batch_size": 8}})["id"])
    assert job["state"] == "failed"
    assert job["reason"]["code"] == "invalid_input", job["reason"]
    assert "has shape [60, 32], but config.json needs [60, 64]" in job["reason"]["message"]


@pytest.mark.parametrize("spoil, code, words", [
    (other_family, "unsupported", "model_type is 'gpt2'"),
    (no_json, "invalid", "config.json is not valid JSON"),
    (drop_vocabulary, "data_missing", "neither tokenizer.json nor vocab.txt"),
    (drop_weights, "data_missing", "no model.safetensors"),
    (cut_weights, "invalid", "model.safetensors"),
    (spoil_header, "invalid", "model.safetensors"),
    (drop_shard, "data_missing", "model-00002-of-00002.safetensors"),
])
def test_a_model_that_is_broken_to_see(daemon, tiny_model, tmp_path, spoil, code, words):
    """Before: damaged and missing weights were found when the job ran."""
    folder = copy_model(tiny_model, tmp_path)
    spoil(folder)
    jobs = [{"kind": "train", "model": str(folder), "channels": {"train": str(look_saved(folder))}},
            {"kind": "deploy", "model": str(folder), "endpoint": "never-made"}]
    for job in jobs:
        [error] = problem(daemon.post("/v1/jobs", job), 422, "invalid_spec")["errors"]
        assert (error["pointer"], error["code"]) == ("/model", code), error
        assert words in error["detail"], error


def test_rows_longer_than_the_model_can_read(daemon, tiny_model, files):
    answer = daemon.post("/v1/jobs", {
        "kind": "preprocess", "model": str(tiny_model), "max_length": 4096, "retry": {"max": 0},
        "dataset": {"path": files("long.csv", HEAD + GOOD), "text_column": "review",
                    "label_column": "sentiment"}})
    job = daemon.wait_end(answer.json()["id"])
    assert job["state"] == "failed" and job["reason"]["code"] == "invalid_input", job["reason"]
    assert "512" in job["reason"]["message"] or "64" in job["reason"]["message"], job["reason"]
