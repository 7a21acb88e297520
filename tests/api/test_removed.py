# SPDX-License-Identifier: MIT
"""An execution folder that somebody deleted by hand: one answer, 410 removed_outside, wherever what
lay in it is asked for, and a refusal of all that would use it."""
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest

from client import problem
from trainyardd import BUILD, processes_below, wait_for

MAKE = """\
import os, pathlib, sys
checkpoints = pathlib.Path(os.environ['SM_MODEL_DIR']).parent / 'checkpoints'
(checkpoints / 'state').write_text('here')
(pathlib.Path(os.environ['SM_MODEL_DIR']) / 'config.json').write_text('{}')
print('loss=0.5')
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "make.py").write_text(MAKE)
    (folder / "ls.py").write_text("import os; print(os.listdir(os.environ['SM_CHANNEL_IN']))\n")
    return folder


def make(daemon, source, exit=0, **more):
    """An ended job with a model, checkpoints and a metric."""
    job = daemon.submit_job({
        "name": "make", "kind": "script", "entry_point": "make.py", "source_dir": str(source),
        "hyperparameters": {"a": exit}, "retry": {"max": 0}, **more,
        "metric_definitions": [{"name": "loss", "regex": "loss=([0-9.]+)"}]})
    return daemon.wait_end(job["id"])


def folder_of(daemon, job):
    return max((spec.parent for spec in daemon.data.glob("executions/*/spec.json")
                if job in spec.read_text()), key=lambda path: path.name)


def reads(source, **more):
    return {"name": "reads", "kind": "script", "entry_point": "ls.py", "source_dir": str(source),
            **more}


def removed(answer, *words):
    detail = problem(answer, 410, "removed_outside")["detail"]
    assert "was removed outside of Trainyard" in detail and "are kept" in detail, detail
    assert all(word in detail for word in words), detail


@pytest.fixture(scope="module")
def gone(daemon, source):
    job = make(daemon, source)
    assert job["state"] == "succeeded", job
    shutil.rmtree(folder_of(daemon, job["id"]))
    return job


@pytest.mark.parametrize("route", ["logs", "logs?tail=5", "logs?follow=1", "logs?attempt=1",
                                   "artifacts", "artifacts?prefix=model/",
                                   "artifacts/model/config.json", "artifacts/output/nothing"])
def test_a_folder_deleted_by_hand_is_gone_on_all_routes(daemon, gone, route):
    """Before: an empty log with 200, and a 410 that said nothing."""
    removed(daemon.ask("GET", f"/v1/jobs/{gone['id']}/{route}"), "job 'make'", gone["run"])


@pytest.mark.parametrize("route", ["", "/attempts", "/metrics"])
def test_what_the_database_has_is_still_answered(daemon, gone, route):
    answer = daemon.get(f"/v1/jobs/{gone['id']}{route}")
    if route == "/metrics":
        assert [point["values"] for point in answer["items"]] == [{"loss": 0.5}]
    assert daemon.get("/v1/events", job=gone["id"], since=0)["items"]


@pytest.mark.parametrize("part, route", [("work", "artifacts"), ("log", "logs")])
def test_a_part_of_a_folder_that_is_gone_is_named(daemon, source, part, route):
    job = make(daemon, source)
    path = folder_of(daemon, job["id"]) / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    removed(daemon.ask("GET", f"/v1/jobs/{job['id']}/{route}"), part)
    other = {"artifacts": "logs", "logs": "artifacts"}[route]
    assert daemon.ask("GET", f"/v1/jobs/{job['id']}/{other}").status_code == 200


def test_who_follows_a_job_that_is_tried_again_gets_its_next_log(daemon, script, gate):
    (gate / "go").touch()
    job = daemon.wait_end(daemon.submit_job(
        script("exit3.py") | {"retry": {"max": 0}})["id"])["id"]
    (folder_of(daemon, job) / "log").unlink()
    removed(daemon.ask("GET", f"/v1/jobs/{job}/logs?follow=1"), "the log")
    busy = [daemon.submit_job(script("wait.py", gate=gate.parent / "later"))["id"]
            for _ in range(2)]
    (gate.parent / "later").mkdir()
    for other in busy:
        daemon.wait_state(other, "running")
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    with daemon.ask("GET", f"/v1/jobs/{job}/logs?follow=1", stream=True) as followed:
        assert followed.status_code == 200
        (gate.parent / "later" / "go").touch()
        assert "about to fail" in followed.text


def test_an_endpoint_does_not_restart_on_a_model_that_is_gone(daemon, tiny_model, tmp_path):
    """Before: five restarts with growing pauses."""
    (tmp_path / "save.py").write_text(
        f"import os, shutil\nshutil.copytree({str(tiny_model)!r}, os.environ['SM_MODEL_DIR'], "
        "dirs_exist_ok=True)\n")
    run = daemon.submit([
        {"name": "save", "kind": "script", "entry_point": "save.py", "source_dir": str(tmp_path)},
        {"name": "deploy", "kind": "deploy", "model": "${save.model}", "endpoint": "gone-model"}])
    jobs = {job["name"]: daemon.wait_end(job["id"]) for job in run["jobs"]}
    assert jobs["deploy"]["state"] == "succeeded", jobs["deploy"]
    shutil.rmtree(folder_of(daemon, jobs["save"]["id"]))
    server = next(spec.parent for spec in daemon.data.glob("executions/*/spec.json")
                  if '"serve"' in spec.read_text() and "gone-model" in spec.read_text())
    for pid in processes_below(server):
        os.kill(pid, signal.SIGKILL)
    ended = wait_for("the end of the endpoint", lambda: (
        lambda item: item["state"] == "failed" and item)(daemon.get("/v1/endpoints/gone-model")))
    assert ended["reason"]["code"] == "removed_outside" and ended["restarts"] == 1, ended


def test_the_client_says_it(daemon, gone):
    job = gone["id"]
    for command in (["logs", job], ["logs", "-f", job], ["artifacts", job],
                    ["artifacts", job, "get", "model/config.json"]):
        ended = subprocess.run([BUILD / "cli/trainyard", "--url", daemon.url, *command],
                               capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1 and ended.stdout == ""
        assert "was removed outside of Trainyard" in ended.stderr, ended.stderr


def test_what_would_use_it_is_refused_at_the_submit(daemon, source, gone):
    for field in (lambda text: {"channels": {"in": text}}, lambda text: {"model": text}):
        for text in (f"${{{gone['run']}/make.model}}", gone["outputs"]["model"]):
            found = daemon.post("/v1/validate", {"jobs": [reads(source, **field(text))]}).json()
            assert [p["code"] for p in found["problems"]] == ["removed_outside"], found
            assert "removed outside of Trainyard" in found["problems"][0]["detail"]
    by_name = daemon.post("/v1/jobs", reads(source, model=f"{gone['run']}/make"))
    assert by_name.status_code == 422
    assert by_name.json()["errors"][0]["code"] == "removed_outside", by_name.text
    deploy = {"kind": "deploy", "model": gone["outputs"]["model"], "endpoint": "gone"}
    problems = daemon.post("/v1/validate", {"jobs": [deploy]}).json()["problems"]
    assert [p["code"] for p in problems] == ["removed_outside"], problems


def test_what_trainyard_has_removed_is_said_to_be_pruned(fresh, source):
    daemon = fresh()
    job = make(daemon, source)
    daemon.stop()
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        db.execute("UPDATE runs SET pruned_us = 1000000 WHERE id = ?", (job["run"],))
    db.close()
    shutil.rmtree(folder_of(daemon, job["id"]) / "work")
    daemon.start()
    for path in ("", "/model/config.json"):
        problem(daemon.ask("GET", f"/v1/jobs/{job['id']}/artifacts{path}"), 410, "pruned")
    assert "loss" in daemon.log(job["id"])
    for body in (reads(source, model=f"{job['run']}/make"),
                 reads(source, channels={"in": job["outputs"]["model"]})):
        found = daemon.post("/v1/validate", {"jobs": [body]}).json()["problems"]
        assert [p["code"] for p in found] == ["pruned"], found


@pytest.mark.parametrize("by", ["reference", "path"])
def test_a_start_says_the_same(daemon, source, by):
    """It goes between the submit and the start: an end with its own reason, and no retry."""
    job = make(daemon, source)
    text = job["outputs"]["model"] if by == "path" else f"${{{job['run']}/make.model}}"
    waits = daemon.submit_job(reads(source, held=True, channels={"in": text}))
    shutil.rmtree(folder_of(daemon, job["id"]))
    daemon.post(f"/v1/jobs/{waits['id']}/release")
    ended = daemon.wait_end(waits["id"])
    assert (ended["state"], ended["reason"]["code"]) == ("failed", "removed_outside"), ended
    assert "job 'make'" in ended["reason"]["message"]
    for path in (f"/v1/jobs/{ended['id']}/retry", f"/v1/runs/{ended['run']}/retry"):
        removed(daemon.post(path), "job 'make'")


def test_a_retry_does_not_begin_anew_without_its_checkpoints(daemon, source):
    """Before: it was tried again, from the beginning, without a word."""
    job = make(daemon, source, exit=3)
    assert job["state"] == "failed" and "checkpoints" in job["outputs"]
    shutil.rmtree(folder_of(daemon, job["id"]))
    removed(daemon.post(f"/v1/jobs/{job['id']}/retry"), "checkpoints")
    assert daemon.get(f"/v1/jobs/{job['id']}")["state"] == "failed"


def test_a_copied_source_that_is_gone(daemon, source):
    job = make(daemon, source, exit=3)
    copy = job["spec"]["source_dir"]
    (source / "more").write_text("another hash for the tests that follow")
    shutil.rmtree(copy)
    detail = problem(daemon.post(f"/v1/jobs/{job['id']}/retry"), 410, "removed_outside")["detail"]
    assert copy in detail


