# SPDX-License-Identifier: MIT
"""Submitting: what is stored, what is refused and how, and that an answer means it is on disk."""
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import NO_WEIGHTS, problem
from trainyardd import BUILD, ROOT

HEADERS = {"Content-Type": "application/json"}


def test_a_run_is_stored_and_answered(daemon, script):
    answer = daemon.post("/v1/runs", {"name": "pair", "tags": {"team": "nlp"}, "jobs": [
        script("hello.py", "a"), {**script("hello.py", "b"), "needs": ["a"]}]})
    assert answer.status_code == 201
    run = answer.json()
    assert answer.headers["Location"] == f"/v1/runs/{run['id']}"
    assert run["name"] == "pair" and run["tags"] == {"team": "nlp"}
    assert [job["name"] for job in run["jobs"]] == ["a", "b"]
    assert run["jobs"][1]["needs"] == ["a"]
    ended = daemon.wait(f"/v1/runs/{run['id']}", lambda r: r["state"] == "succeeded", "success")
    assert [job["state"] for job in ended["jobs"]] == ["succeeded", "succeeded"]
    assert ended["started_at"] <= ended["finished_at"]


def test_a_job_is_a_run_of_one(daemon, script):
    answer = daemon.post("/v1/jobs", script("hello.py", "single"))
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job["kind"] == "script" and job["target"] == "local"
    assert job["spec"]["entry_point"] == "hello.py"
    run = daemon.get(f"/v1/runs/{job['run']}")
    assert [j["id"] for j in run["jobs"]] == [job["id"]]


@pytest.mark.parametrize("text, words", [
    (b"", "empty"),
    (b"{", "line 1"),
    (b'{"a": 1,}', "line 1"),
    (b'{"a": 1} x', "line 1"),
    (b"\xff\xfe", "UTF-16"),
    (b'{"a": "\xc3\x28"}', "decode"),
    (b'{"a": 1, "a": 2}', "duplicate"),
    (b"[]", "must be a JSON object, not a list"),
    (b"null", "not null"),
    (b"3", "not an integer"),
    (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper than 64"),
    (b'{"a": 1e999}', "line 1"),
])
def test_malformed_bodies(daemon, text, words):
    for path in ("/v1/runs", "/v1/jobs", "/v1/validate"):
        body = problem(daemon.ask("POST", path, data=text, headers=HEADERS), 400, "malformed_json")
        assert words in body["detail"]


def first_error(answer):
    body = problem(answer, 422, "invalid_spec")
    assert body["errors"]
    return body["errors"][0]


@pytest.mark.parametrize("change, pointer, code, words", [
    ({"jbos": []}, "/jbos", "unknown_field", "jobs"),
    ({"name": 7}, "/name", "wrong_type", "string"),
    ({"name": "a/b"}, "/name", "invalid", ""),
    ({"name": "x" * 64}, "/name", None, "63"),
    ({"jobs": {}}, "/jobs", "wrong_type", "list"),
    ({"jobs": []}, "/jobs", None, ""),
    ({"jobs": [7]}, "/jobs/0", "wrong_type", "object"),
    ({"jobs": [{"name": "a"}]}, "/jobs/0/kind", "missing", "kind"),
    ({"jobs": [{"name": "a", "kind": "trian"}]}, "/jobs/0/kind", None, "train"),
    ({"priority": 1001}, "/priority", "out_of_range", "1000"),
])
def test_a_wrong_spec_is_pointed_at(daemon, script, change, pointer, code, words):
    error = first_error(daemon.post("/v1/runs", {"jobs": [script("hello.py", "a")], **change}))
    assert error["pointer"] == pointer
    assert code is None or error["code"] == code, error
    assert words in error["detail"]


@pytest.mark.parametrize("change, pointer, code", [
    ({"entry_pont": "x.py"}, "/entry_pont", "unknown_field"),
    ({"entry_point": "../x.py"}, "/entry_point", None),
    ({"entry_point": "missing.py"}, "/entry_point", None),
    ({"source_dir": "/nonexistent/dir"}, "/source_dir", None),
    ({"needs": ["other"]}, "/needs/0", "unknown_reference"),
    ({"max_runtime": "soon"}, "/max_runtime", None),
    ({"local": {"cpus": 0}}, "/local/cpus", "out_of_range"),
    ({"local": {"gpus": 1}}, "/local/gpus", None),
    ({"use_spot_instances": True}, "/use_spot_instances", None),
])
def test_a_wrong_job_is_pointed_at(daemon, script, change, pointer, code):
    error = first_error(daemon.post("/v1/jobs", {**script("hello.py"), **change}))
    assert error["pointer"] == pointer, error
    assert code is None or error["code"] == code, error


def test_a_cycle_is_refused(daemon, script):
    error = first_error(daemon.post("/v1/runs", {"jobs": [
        {**script("hello.py", "a"), "needs": ["b"]}, {**script("hello.py", "b"), "needs": ["a"]}]}))
    assert error["code"] == "cycle"


def test_all_problems_are_told_at_once(daemon, script):
    job = {**script("hello.py"), "nmae": "x", "priority": "high", "max_runtime": 3}
    body = problem(daemon.post("/v1/jobs", job), 422, "invalid_spec")
    assert {e["pointer"] for e in body["errors"]} >= {"/nmae", "/priority", "/max_runtime"}


def test_a_refused_submit_leaves_nothing(daemon, script):
    before = daemon.get("/v1/overview")
    daemon.post("/v1/jobs", {**script("hello.py"), "nmae": "x"})
    daemon.post("/v1/validate", script("hello.py"))
    after = daemon.get("/v1/overview")
    assert sum(after["counts"]["runs"].values()) == sum(before["counts"]["runs"].values())


def test_validate_says_what_a_submit_would(daemon, script):
    good = daemon.post("/v1/validate", {"jobs": [script("hello.py", "a")]}).json()
    assert good["valid"] is True and good["problems"] == []
    assert good["placement"]["jobs"][0]["name"] == "a"
    assert good["placement"]["jobs"][0]["slot"] == "cpu"
    answer = daemon.post("/v1/validate", {**script("hello.py"), "nmae": "x"})
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert answer.json()["problems"][0]["pointer"] == "/nmae"


def test_too_many_jobs(daemon, script):
    jobs = [script("hello.py", f"j{i}") for i in range(257)]
    assert first_error(daemon.post("/v1/runs", {"jobs": jobs}))["pointer"] == "/jobs"
    answer = daemon.post("/v1/validate", {"jobs": jobs[:256]})
    assert answer.json()["valid"] is True, answer.text


def test_a_burst_of_submits_survives_a_kill(fresh, script):
    """Every run that was answered with 201 is there after kill -9."""
    d = fresh("cpu_slots = 1\n")
    body = json.dumps({"jobs": [{**script("hello.py", "late"), "held": True}]})
    local, acknowledged = threading.local(), []

    def submit(_):
        if not hasattr(local, "connection"):
            local.connection = d.connection()
        local.connection.request("POST", "/v1/runs", body, HEADERS)
        answer = local.connection.getresponse()
        text = answer.read()
        if answer.status == 201:
            acknowledged.append(json.loads(text)["id"])
        return answer.status

    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(submit, range(500)))
    assert set(statuses) == {201}
    assert len(set(acknowledged)) == 500
    d.end(signal.SIGKILL)
    d.start()
    stored, cursor = set(), None
    while True:
        page = d.get("/v1/runs", limit=200, view="short", **({"cursor": cursor} if cursor else {}))
        stored |= {run["id"] for run in page["items"]}
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert stored == set(acknowledged)


def moved(job, **more):
    """The job with SageMaker as its target."""
    return {**job, "target": "sagemaker", "max_runtime": "1h",
            "sagemaker": {"instance_type": "ml.g5.xlarge", "role": "SageMakerMain"}, **more}


def test_validate_says_where_each_job_runs(daemon, script, scripts):
    answer = daemon.post("/v1/validate", {"jobs": [
        moved(script("hello.py", "there"), needs=["here"]),
        {"name": "here", **script("hello.py", "here")},
        {"name": "put", "kind": "upload", "target": "sagemaker", "source": str(scripts),
         "destination": "s3://bucket/x/"},
        {"name": "get", "kind": "download", "source": "s3://bucket/x/"},
        {"name": "clean", "kind": "delete-endpoint", "target": "sagemaker", "endpoint": "e"},
    ]}).json()
    assert answer["valid"] is True, answer
    jobs = {job["name"]: job for job in answer["placement"]["jobs"]}
    assert {name: (job["runs"], job["slot"]) for name, job in jobs.items()} == {
        "there": ("sagemaker", "transfer"), "here": ("local", "cpu"),
        "put": ("local", "transfer"), "get": ("local", "transfer"), "clean": ("local", "none")}
    assert jobs["there"]["target"] == jobs["put"]["target"] == "sagemaker"
    assert jobs["there"]["sagemaker"] == {"instance_type": "ml.g5.xlarge", "instance_count": 1,
                                          "spot": False}
    assert "sagemaker" not in jobs["put"]
    assert float(jobs["there"]["worst_case_usd"]) > 0


def test_a_deploy_there_needs_no_native_engine(daemon):
    job = {"kind": "deploy", "endpoint": "e", "model": "s3://bucket/x/model.tar.gz",
           "target": "sagemaker", "sagemaker": {"serverless": {}, "role": "R"}}
    placed = daemon.post("/v1/validate", job).json()["placement"]["jobs"][0]
    assert placed["sagemaker"] == {"serverless": {"memory_mb": 2048, "max_concurrency": 5}}
    assert placed["gpus"] == placed["cpus"] == 0


def test_warnings_are_told_and_refuse_nothing(daemon, script):
    job = moved(script("hello.py", title="two words"), held=True)
    warned = daemon.post("/v1/validate", job).json()
    assert warned["valid"] is True and warned["problems"] == []
    assert [w["pointer"] for w in warned["warnings"]] == [""]
    assert "'title'" in warned["warnings"][0]["detail"]
    for path, body in (("/v1/jobs", job), ("/v1/runs", {"jobs": [job]})):
        answer = daemon.post(path, body)
        assert answer.status_code == 201
        assert "'title'" in answer.json()["warnings"][0]["detail"]
        run = answer.json().get("run") or answer.json()["id"]
        [kept] = daemon.get(f"/v1/runs/{run}")["jobs"]
        assert kept["warnings"] == [{"code": "spec", "pointer": "", "count": 1,
                                     "detail": warned["warnings"][0]["detail"]}]
        assert daemon.post(f"/v1/runs/{run}/cancel").status_code == 200
    assert "warnings" not in daemon.post("/v1/jobs", {**script("hello.py"), "held": True}).json()


@pytest.mark.parametrize("source, destination, pointer, code, words", [
    ("/nonexistent/x", "s3://bucket/x/", "/source", "data_missing", "No such file"),
    ("{tmp}", "s3://Bucket/x/", "/destination", "invalid", "name of a bucket"),
    ("{tmp}", "/elsewhere", "/destination", "invalid", "s3://bucket/key"),
    ("s3://bucket/x", "s3://bucket/y", "/source", "unsupported", "is in S3"),
])
def test_a_wrong_upload_is_pointed_at(daemon, tmp_path, source, destination, pointer, code, words):
    error = first_error(daemon.post("/v1/jobs", {
        "kind": "upload", "source": source.format(tmp=tmp_path), "destination": destination}))
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert words in error["detail"]


def test_where_a_download_may_write(fresh, tmp_path):
    """Below the roots, outside of the daemon's own, whether the directory is there or not."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_text("x")
    (root / "out").symlink_to(tmp_path)
    daemon = fresh(f"roots = {root}\nbase_dir = {root}\n")
    inside = fresh()

    def judge(destination, d=daemon):
        answer = d.post("/v1/validate", {"kind": "download", "source": "s3://bucket/x/",
                                         "destination": str(destination)}).json()
        return "good" if answer["valid"] else answer["problems"][0]["code"]

    for good in (root, root / "new", root / "new/deeper/", "new", "new/deeper", f"{root}/./new"):
        assert judge(good) == "good", good
    for outside in (tmp_path, tmp_path / "other", root / "out", root / "out/new", "../new", "/"):
        assert judge(outside) == "forbidden", outside
    assert judge(root / "new/../../x") == "invalid"
    assert judge(root / "file") == "data_missing"
    assert judge(root / "file/x") == "invalid"
    assert judge(inside.data / "sources", inside) == "forbidden"
    assert judge(inside.data, inside) == "forbidden"
    assert judge(inside.dir, inside) == "good"


def test_a_model_is_here_or_on_the_hub(fresh, tmp_path, script):
    """A directory wins over the hub; what can be neither is refused."""
    (tmp_path / "org/taken").mkdir(parents=True)
    (tmp_path / "org/good").mkdir()
    (tmp_path / "org/good/config.json").write_text("{}")
    daemon = fresh(f"base_dir = {tmp_path}\n")

    def stored(model):
        answer = daemon.post("/v1/jobs", {**script("hello.py"), "model": model, "held": True})
        return answer.json()["spec"]["model"] if answer.status_code == 201 else \
            answer.json()["errors"][0]["detail"]

    assert stored("org/good") == str(tmp_path / "org/good")
    assert stored("org/other") == "org/other"
    assert stored("distilbert-base-uncased") == "distilbert-base-uncased"
    assert stored("s3://bucket/m/") == "s3://bucket/m/"
    assert stored({"training_job": "abc"}) == {"training_job": "abc"}
    assert "no config.json" in stored("org/taken")
    assert "no model is registered as 'somemodel'" in stored("somemodel")
    assert "write a model of the hub as org/name" in stored("./somemodel")
    assert "No such file" in stored("./org/other")


def test_a_role_that_is_none(daemon, script):
    job = moved(script("hello.py"))
    job["sagemaker"] = {**job["sagemaker"], "role": "arn:aws:iam::1234:role/x"}
    body = problem(daemon.post("/v1/jobs", job), 422, "invalid_spec")
    assert body["errors"][0]["pointer"] == "/sagemaker/role"
    assert body["detail"].count(".") <= 1 and "is not the ARN of an IAM role" in body["detail"]


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="native jobs are refused without the engine")
@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/*.json")), ids=lambda p: p.stem)
def test_an_example_is_accepted(fresh, tmp_path, path):
    """What a user submits first, with a model of that name in the configuration."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "vocab.txt").write_text("[UNK]\n")
    (tmp_path / "model.safetensors").write_bytes(NO_WEIGHTS)
    daemon = fresh(f"base_dir = {ROOT}\n[models]\nminilm = {tmp_path}\n")
    said = daemon.post("/v1/validate", json.loads(path.read_text())).json()
    assert said["problems"] == [] and said["valid"]
    places = {job["name"]: job for job in said["placement"]["jobs"]}
    assert all(job["runs"] == job["target"] for job in places.values() if "sagemaker" in job)


def test_the_example_with_uploads_is_the_local_one():
    """local-upload.json is local.json and two uploads: what the training left goes to S3."""
    local, more = (json.loads((ROOT / f"examples/imdb/{name}.json").read_text())["jobs"]
                   for name in ("local", "local-upload"))
    uploads = [job for job in more if job["kind"] == "upload"]
    assert [job for job in more if job["kind"] != "upload"] == local
    assert [job["source"] for job in uploads] == ["${train.model}", "${train.output}"]
    assert all(job["destination"].startswith("s3://") for job in uploads)
