# SPDX-License-Identifier: MIT
"""Names of models that are added while the daemon runs: what is refused when they are added, what a
job that names one means, and who is in the way of removing one."""
import json
import os
import shutil
import subprocess

import pytest
from client import check, closed, problem
from trainyardd import BUILD, ROOT

NATIVE = (BUILD / "worker/trainyard-native").exists()
native = pytest.mark.skipif(not NATIVE, reason="needs the native worker, which looks into models")
HUB = {"hub": "org/tiny", "revision": "v1"}


@pytest.fixture(autouse=True)
def _clean(daemon):
    yield
    daemon.cancel_all()
    for model in daemon.get("/v1/models")["items"]:
        assert daemon.ask("DELETE", f"/v1/models/{model['name']}").status_code == 204


def put(daemon, name, body, **params):
    return daemon.ask("PUT", f"/v1/models/{name}", body, params=params)


def add(daemon, name, body):
    answer = put(daemon, name, body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/models/{name}"
    return answer.json()


def held(scripts, model, **more):
    """A job that uses the model and waits."""
    return {"kind": "script", "entry_point": "hello.py", "source_dir": str(scripts),
            "model": model, "held": True, **more}


def trainyard(daemon, *words, cwd=ROOT, status=0):
    done = subprocess.run([BUILD / "cli/trainyard", *words], text=True, capture_output=True,
                          env={**os.environ, "TRAINYARD_URL": daemon.url}, timeout=60, check=False,
                          cwd=cwd)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def first_problem(daemon, job):
    return daemon.post("/v1/validate", job).json()["problems"][0]


def test_a_directory_gets_a_name(daemon, tiny_model, scripts):
    model = add(daemon, "tiny", {"path": str(tiny_model)})
    assert model == {"name": "tiny", "origin": "added", "path": str(tiny_model),
                     "added_at": model["added_at"], "used_by": {"jobs": [], "endpoints": []}}
    schemas = closed(daemon.get("/openapi.json"))
    check(schemas, "Model", model)
    assert daemon.get("/v1/models") == {"items": [{k: v for k, v in model.items()
                                                   if k != "used_by"}]}
    again = put(daemon, "tiny", {"path": f"{tiny_model}/."})
    assert (again.status_code, again.json()) == (200, model)
    job = daemon.submit_job(held(scripts, "tiny"))
    assert job["spec"]["model"] == str(tiny_model)


def test_a_name_of_the_hub(daemon, tiny_model, scripts):
    assert add(daemon, "of-hub", HUB)["revision"] == "v1"
    add(daemon, "newest", {"hub": "org/tiny"})
    assert daemon.submit_job(held(scripts, "of-hub"))["spec"]["model"] == HUB
    assert daemon.submit_job(held(scripts, "newest"))["spec"]["model"] == {"hub": "org/tiny"}
    found = first_problem(daemon, {"kind": "preprocess", "model": str(tiny_model), "dataset": {
        "path": str(ROOT / "examples/imdb/imdb-3180.csv.gz"), "labels": "of-hub",
        "text_column": "review", "label_column": "sentiment"}})
    assert found["pointer"] == "/dataset/labels"
    assert "'of-hub' is on the hub (org/tiny), and 'labels' needs a directory on this machine" in \
        found["detail"]


@pytest.mark.parametrize("body, pointer, words", [
    ({}, "", "needs 'path', a directory here, or 'hub'"),
    ({"path": "/x", "hub": "org/tiny"}, "", "both 'path' and 'hub'"),
    ({"path": "/x", "revision": "v1"}, "", "'revision' belongs to 'hub'"),
    ({"hub": "org//tiny"}, "/hub", "is not a name on the hub"),
    ({"hub": "org/tiny", "revision": "../x"}, "/revision", "is not a revision"),
    ({"hub": 1}, "/hub", "must be a string"),
    ({"pth": "/x"}, "/pth", "did you mean 'path'?"),
    ({"path": "s3://bucket/x"}, "/path", "is in S3"),
    ({"path": "/nowhere/at/all"}, "/path", "No such file"),
    ({"path": "/etc/hostname"}, "/path", "is not a directory"),
    ({"path": "/tmp"}, "/path", "it has no config.json"),
])
def test_what_is_no_model_is_refused(daemon, body, pointer, words):
    found = problem(put(daemon, "bad", body), 422, "invalid_body")["errors"]
    assert [e["pointer"] for e in found] == [pointer]
    assert words in found[0]["detail"]
    assert daemon.get("/v1/models") == {"items": []}


@pytest.mark.parametrize("name, status", [("a" * 63, 201), ("a" * 64, 400), ("-a", 400),
                                          ("a b", 400), ("ä", 400), ("A.b_c-9", 201)])
def test_names(daemon, name, status):
    assert put(daemon, name, HUB).status_code == status


def copy_without(tiny_model, folder, *names):
    shutil.copytree(tiny_model, folder)
    for name in names:
        (folder / name).unlink()
    return folder


@pytest.mark.parametrize("names, words", [
    (("model.safetensors",), "the directory has no model.safetensors;"),
    (("vocab.txt", "model.safetensors"),
     "the directory has no tokenizer.json (or vocab.txt or vocab.json), model.safetensors;")])
def test_what_is_missing_is_told_together(daemon, tiny_model, tmp_path, names, words):
    folder = copy_without(tiny_model, tmp_path / "model", *names)
    found = problem(put(daemon, "half", {"path": str(folder)}), 422, "invalid_body")["errors"][0]
    assert (found["pointer"], found["code"]) == ("/path", "data_missing")
    assert words in found["detail"]


@native
@pytest.mark.parametrize("change, words", [
    ({"model_type": "gpt2"}, "gpt2"),
    ({"hidden_size": 48}, "but config.json needs [60, 48]"),
    ({"num_hidden_layers": 2}, "tensor 'bert.encoder.layer.1"),
    ({"vocab_size": 40}, "40"),
    ({"vocab_size": "many"}, '"vocab_size" must be a number')])
def test_a_model_that_the_engine_cannot_train_is_refused(daemon, tiny_model, tmp_path, change,
                                                         words):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    found = problem(put(daemon, "odd", {"path": str(folder)}), 422, "invalid_body")["errors"][0]
    assert found["pointer"] == "/path"
    assert "the engine cannot train or serve this model: " in found["detail"]
    assert words in found["detail"], found


@native
def test_a_torn_weights_file_is_refused(daemon, tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-1])
    found = problem(put(daemon, "torn", {"path": str(folder)}), 422, "invalid_body")["errors"][0]
    assert "model.safetensors" in found["detail"]


def test_a_fifo_among_the_files_holds_nobody_up(daemon, tiny_model, tmp_path):
    folder = copy_without(tiny_model, tmp_path / "model", "config.json")
    os.mkfifo(folder / "config.json")
    answer = put(daemon, "fifo", {"path": str(folder)})
    assert answer.status_code == (422 if NATIVE else 201), answer.text


def test_a_dry_run_adds_nothing(daemon, tiny_model):
    answer = put(daemon, "tiny", {"path": str(tiny_model)}, dry_run="1")
    assert answer.status_code == 200
    assert answer.json() == {"name": "tiny", "origin": "added", "path": str(tiny_model)}
    assert daemon.get("/v1/models") == {"items": []}
    problem(put(daemon, "tiny", {"path": "/nowhere"}, dry_run="1"), 422, "invalid_body")


def test_a_name_that_is_taken(daemon, tiny_model):
    add(daemon, "tiny", {"path": str(tiny_model)})
    said = problem(put(daemon, "tiny", HUB), 409, "exists")["detail"]
    assert f"stands for the model {tiny_model}; remove it first" in said


def test_a_model_that_is_not_configured_says_how_to_get_one(daemon, scripts):
    """Before: "No such file or directory; relative paths start at …, the configuration names no
    such model, one of the hub is written org/name …"."""
    job = held(scripts, "minilm")
    found = first_problem(daemon, job)
    assert (found["pointer"], found["code"]) == ("/model", "data_missing")
    assert "no model is registered as 'minilm'" in found["detail"]
    assert "'trainyard model add minilm PATH|hub:ORG/NAME'" in found["detail"]
    assert "the key models.minilm of the configuration" in found["detail"]
    add(daemon, "other", HUB)
    assert "; there are: 'other'." in first_problem(daemon, job)["detail"]
    add(daemon, "minilm2", HUB)
    assert "; did you mean 'minilm2'?" in first_problem(daemon, job)["detail"]


def test_a_queued_job_keeps_the_model_that_its_name_meant(daemon, scripts, tiny_model):
    add(daemon, "mine", HUB)
    before = daemon.submit_job(held(scripts, "mine"))
    daemon.post(f"/v1/jobs/{before['id']}/cancel")
    daemon.wait_end(before["id"])
    assert daemon.ask("DELETE", "/v1/models/mine").status_code == 204
    add(daemon, "mine", {"path": str(tiny_model)})
    assert daemon.get(f"/v1/jobs/{before['id']}")["spec"]["model"] == HUB
    after = daemon.submit_job(held(scripts, "mine"))
    assert after["spec"]["model"] == str(tiny_model)


def test_a_model_in_use_is_not_removed(daemon, scripts):
    add(daemon, "used", HUB)
    job = daemon.submit_job(held(scripts, "used"))["id"]
    assert daemon.get("/v1/models/used")["used_by"] == {"jobs": [job], "endpoints": []}
    said = problem(daemon.ask("DELETE", "/v1/models/used"), 409, "conflict")["detail"]
    assert f"job {job} is queued" in said
    daemon.post(f"/v1/jobs/{job}/cancel")
    daemon.wait_end(job)
    assert daemon.ask("DELETE", "/v1/models/used").status_code == 204
    problem(daemon.ask("DELETE", "/v1/models/used"), 404, "not_found")
    problem(daemon.ask("GET", "/v1/models/used"), 404, "not_found")


@native
def test_a_model_of_a_live_endpoint_is_not_removed(daemon, tiny_model):
    add(daemon, "served", {"path": str(tiny_model)})
    job = daemon.submit_job({"kind": "deploy", "model": "served", "endpoint": "of-a-name"})["id"]
    assert daemon.wait_end(job)["state"] == "succeeded"
    said = problem(daemon.ask("DELETE", "/v1/models/served"), 409, "conflict")["detail"]
    assert "endpoint of-a-name is in_service" in said
    assert daemon.get("/v1/models/served")["used_by"]["endpoints"] == ["of-a-name"]
    ended = daemon.submit_job({"kind": "delete-endpoint", "endpoint": "of-a-name"})["id"]
    assert daemon.wait_end(ended)["state"] == "succeeded"


def test_a_directory_that_went_is_told_at_the_submit(daemon, tiny_model, tmp_path, scripts):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    add(daemon, "gone", {"path": str(folder)})
    shutil.rmtree(folder)
    found = first_problem(daemon, held(scripts, "gone"))
    assert found["code"] == "data_missing"
    assert f"'gone' was added as '{folder}': No such file or directory; put the directory back" in \
        found["detail"]


def test_events_tell_of_names(daemon):
    since = daemon.get("/v1/events")["next_since"]
    add(daemon, "told", HUB)
    daemon.ask("DELETE", "/v1/models/told")
    said = [{k: v for k, v in e.items() if k not in ("seq", "at")}
            for e in daemon.get("/v1/events", since=since)["items"] if "model" in e["kind"]]
    assert said == [{"kind": f"model_{what}", "name": "told", **HUB}
                    for what in ("added", "removed")]


def test_names_survive_a_kill_and_a_move(fresh, tiny_model, scripts):
    daemon = fresh()
    add(daemon, "tiny", {"path": str(tiny_model)})
    add(daemon, "hub", HUB)
    job = daemon.submit_job(held(scripts, "tiny"))["id"]
    before = daemon.get("/v1/models")
    daemon.kill()
    daemon.data = daemon.data.rename(daemon.dir / "elsewhere")
    daemon.start()
    assert daemon.get("/v1/models") == before
    problem(daemon.ask("DELETE", "/v1/models/tiny"), 409, "conflict")
    assert daemon.get(f"/v1/jobs/{job}")["spec"]["model"] == str(tiny_model)
    assert daemon.submit_job(held(scripts, "hub"))["spec"]["model"] == HUB


def test_the_configuration_wins(fresh, tiny_model, scripts):
    daemon = fresh()
    add(daemon, "both", HUB)
    daemon.stop()
    with open(daemon.dir / "trainyard.conf", "a", encoding="utf-8") as f:
        f.write(f"[models]\nboth = {tiny_model}\n")
    daemon.start()
    assert f"model_hidden name=both configured=\"{tiny_model}\" added=\"the hub's org/tiny" in \
        (daemon.dir / "daemon.log").read_text()
    assert [(m["origin"], m.get("hidden")) for m in daemon.get("/v1/models")["items"]] == \
        [("configuration", None), ("added", True)]
    assert daemon.get("/v1/models/both")["path"] == str(tiny_model)
    assert daemon.submit_job(held(scripts, "both"))["spec"]["model"] == str(tiny_model)
    said = problem(put(daemon, "both", HUB), 409, "exists")["detail"]
    assert "the configuration has the name 'both'" in said and "wins over an added one" in said
    assert daemon.ask("DELETE", "/v1/models/both").status_code == 204
    said = problem(daemon.ask("DELETE", "/v1/models/both"), 409, "conflict")["detail"]
    assert "key models.both" in said


def test_only_below_the_roots_and_outside_of_the_data(fresh, tiny_model, tmp_path):
    inside = shutil.copytree(tiny_model, tmp_path / "models" / "tiny")
    (tmp_path / "models" / "link").symlink_to(tiny_model)
    daemon = fresh(f"roots = {tmp_path}/models\n")
    add(daemon, "inside", {"path": str(inside)})
    for path in (tiny_model, tmp_path / "models" / "link"):
        found = problem(put(daemon, "out", {"path": str(path)}), 422, "invalid_body")["errors"][0]
        assert (found["pointer"], found["code"]) == ("/path", "forbidden")
    everywhere = fresh()
    own = shutil.copytree(tiny_model, everywhere.data / "model")
    found = problem(put(everywhere, "own", {"path": str(own)}), 422, "invalid_body")["errors"][0]
    assert found["code"] == "forbidden"
    assert "in the daemon's data directory" in found["detail"]


def test_the_command_line(daemon, tiny_model, tmp_path, scripts):
    assert "No models are registered" in trainyard(daemon, "model", "list")
    (tmp_path / "here").symlink_to(tiny_model)
    said = trainyard(daemon, "model", "add", "--dry-run", "tiny", "here", cwd=tmp_path)
    assert said == f"tiny: would stand for {tiny_model}\n"
    assert trainyard(daemon, "model", "add", "tiny", "here", cwd=tmp_path) == \
        f"tiny: stands for {tiny_model}\n"
    assert trainyard(daemon, "model", "add", "hub", "org/tiny@v1") == \
        "hub: stands for the hub's org/tiny (revision v1); the first job that uses the " \
        "name downloads the model\n"
    trainyard(daemon, "model", "add", "old", "hub:bert-base-uncased")
    assert daemon.get("/v1/models/hub")["revision"] == "v1"
    assert daemon.get("/v1/models/old")["hub"] == "bert-base-uncased"
    rows = [line.split() for line in trainyard(daemon, "model", "list").splitlines()]
    assert [row[0] for row in rows] == ["NAME", "hub", "old", "tiny"]
    job = daemon.submit_job(held(scripts, "tiny"))["id"]
    shown = trainyard(daemon, "model", "show", "tiny")
    assert str(tiny_model) in shown and job in shown
    assert job in trainyard(daemon, "model", "remove", "tiny", status=1)
    assert trainyard(daemon, "model", "remove", "old") == \
        "old: the name is removed; the files of the model stay\n"
    # Nothing of that name lies here, so the refusal shows where it was looked for.
    assert f"'{tmp_path}/nothing': No such file" in \
        trainyard(daemon, "model", "add", "x", "nothing", cwd=tmp_path, status=1)
    for words in (["add", "x"], ["remove"], ["list", "x"], ["move", "x"]):
        assert "use 'model list|add NAME PATH" in trainyard(daemon, "model", *words, status=1)
