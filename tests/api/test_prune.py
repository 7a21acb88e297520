# SPDX-License-Identifier: MIT
"""Prunes: what goes, what stays, and what holds it; the real daemon on real runs."""
import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import NO_RUN, check, closed, problem
from prune_yard import copies, crowd, hold_all
from trainyardd import BUILD, wait_for

def files_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_the_files_go_and_what_it_was_stays(yard):
    daemon = yard.daemon
    run = yard.run()
    job = run["jobs"][0]["id"]
    before = daemon.get(f"/v1/jobs/{job}")
    [folder] = yard.folder(run["id"])
    assert (folder / "work/model/weights").exists()
    answer = yard.delete(run["id"])
    assert answer.status_code == 200, answer.text
    check(closed(daemon.get("/openapi.json")), "Pruned", answer.json())
    [removed] = answer.json()["removed"]
    assert removed["run"] == run["id"] and removed["bytes"] >= 300000 and removed["files"] > 4
    yard.wait_removed(run["id"])
    assert files_below(folder) == ["log"]
    # what it was
    after = daemon.get(f"/v1/jobs/{job}")
    assert re.fullmatch(r"20\S+Z", after.pop("pruned_at"))
    assert after.pop("seq") > before.pop("seq")
    assert after == before
    assert "pruned_at" in daemon.get(f"/v1/runs/{run['id']}")
    assert daemon.get(f"/v1/runs/{run['id']}/spec")["jobs"][0]["entry_point"] == "make.py"
    assert daemon.log(job).splitlines()[-1] == "line 000002"
    # what has gone says so
    for path in ("artifacts", "artifacts/model/weights"):
        said = problem(daemon.ask("GET", f"/v1/jobs/{job}/{path}"), 410, "pruned")["detail"]
        assert run["id"] in said and "trainyard clone" in said and "20" in said
    problem(daemon.post(f"/v1/jobs/{job}/retry"), 410, "pruned")
    problem(daemon.post(f"/v1/runs/{run['id']}/retry"), 410, "pruned")
    kinds = [e["kind"] for e in daemon.events(run=run["id"])]
    assert kinds[-2:] == ["run_pruned", "run_files_removed"]
    strict = closed(daemon.get("/openapi.json"))
    for event in daemon.events(run=run["id"]):
        check(strict, "Event", event)
    check(strict, "Run", daemon.get(f"/v1/runs/{run['id']}"))
    check(strict, "Job", daemon.get(f"/v1/jobs/{job}"))
    # again: there is nothing left to do
    again = yard.delete(run["id"]).json()
    assert [item["run"] for item in again["removed"]] == [run["id"]]
    yard.wait_removed(run["id"])
    assert daemon.log(job).splitlines()[-1] == "line 000002"


def test_the_end_of_a_long_log_stays(yard):
    daemon = yard.daemon
    run = yard.run(yard.job(lines=30000))  # 330 kB
    job = run["jobs"][0]["id"]
    whole = daemon.log(job)
    for _ in range(2):  # the second time it is the same
        yard.delete(run["id"])
        yard.wait_removed(run["id"])
        answer = daemon.ask("GET", f"/v1/jobs/{job}/logs")
        start = int(answer.headers["X-Log-Offset"])
        assert len(whole) - 65536 <= start < len(whole) - 65000
        assert answer.text == whole[start:] and answer.text.startswith("line 0")
        assert daemon.ask("GET", f"/v1/jobs/{job}/logs?tail=2").text == whole[-24:]
        assert daemon.ask("GET", f"/v1/jobs/{job}/logs?offset={start + 12}").text == \
            whole[start + 12:]
        problem(daemon.ask("GET", f"/v1/jobs/{job}/logs?offset=0"), 410, "pruned")
        problem(daemon.ask("GET", f"/v1/jobs/{job}/logs?offset={start - 1}"), 410, "pruned")
        assert daemon.ask("GET", f"/v1/jobs/{job}/logs?follow=1").text == whole[start:]
    [folder] = yard.folder(run["id"])
    assert sum(p.stat().st_blocks * 512 for p in folder.rglob("*")) < 100000


def test_a_dry_run_changes_nothing(yard):
    run, held = yard.run(), yard.run(yard.job(held=True), ends=False)
    [folder] = yard.folder(run["id"])
    before = files_below(folder)
    said = yard.prune(keep=0, dry_run=True)
    assert said["dry_run"] and [item["run"] for item in said["removed"]] == [run["id"]]
    assert said["bytes"] == said["removed"][0]["bytes"] >= 300000
    assert yard.delete(run["id"], dry_run="true").json()["removed"] == said["removed"]
    [kept] = yard.delete(held["id"], dry_run="true").json()["kept"]
    assert kept["reason"]["code"] == "unfinished" and "queued" in kept["reason"]["message"]
    assert files_below(folder) == before
    assert yard.sql("SELECT count(*) FROM runs WHERE pruned_us > 0") == [(0,)]
    assert not [e for e in yard.daemon.events() if e["kind"].startswith("run_p")]


def test_by_age_and_by_number(yard):
    runs = [yard.run()["id"] for _ in range(4)]
    assert yard.prune()["removed"] == []  # 30 days
    assert yard.prune(older="1h", keep=0)["removed"] == []
    assert [r["run"] for r in yard.prune(keep=3)["removed"]] == runs[:1]
    assert [r["run"] for r in yard.prune(older="0s", keep=2)["removed"]] == runs[1:2]
    assert yard.prune(keep=2)["removed"] == []
    assert [r["run"] for r in yard.prune(older="0s")["removed"]] == [runs[3], runs[2]]
    for body, pointer in (({"older": "soon"}, "/older"), ({"older": 3}, "/older"),
                          ({"keep": -1}, "/keep"), ({"keep": 1000001}, "/keep"),
                          ({"keep": "2"}, "/keep"), ({"dry_run": "yes"}, "/dry_run"),
                          ({"rows": 1}, "/rows"), ({"olde": "1d"}, "/olde")):
        answer = problem(yard.daemon.post("/v1/prune", body), 422, "invalid_body")
        assert answer["errors"][0]["pointer"] == pointer, answer
    problem(yard.delete(NO_RUN), 404, "not_found")
    problem(yard.delete(runs[0], dry_run="maybe"), 400, "invalid_parameter")


def test_the_commands(yard):
    """trainyard prune and trainyard delete, dry and in earnest."""
    old, new = yard.run(name="old")["id"], yard.run(name="new")["id"]
    held = yard.run(yard.tell("${new/make.output}/data", held=True), ends=False)["id"]
    assert yard.cli("prune") == "There is nothing to remove.\n"
    dry = yard.cli("prune", "--older", "0s", "--dry-run")
    assert re.search(rf"^{old} +old .* [0-9.]+ KiB +[0-9]+$", dry, re.MULTILINE), dry
    assert re.search(rf"^{new} +new .*job: job tell of run {held}, which is queued, refers to it",
                     dry, re.MULTILINE), dry
    assert re.search(r"^This would remove [0-9.]+ KiB of 1 runs\.$", dry, re.MULTILINE), dry
    assert yard.cli("prune", "--keep", "0", "--dry-run") == dry
    assert f"run {new} is kept: job tell of run {held}" in yard.cli("delete", new, status=1)
    assert "is a job" in yard.cli("delete", f"{new}/make", status=1)
    assert "--keep needs a whole number" in yard.cli("prune", "--keep", "all", status=1)
    done = json.loads(yard.cli("prune", "--keep", "1", "--json"))
    assert [r["run"] for r in done["removed"]] == [old] and not done["dry_run"]
    yard.wait_removed(old)
    yard.cli("cancel", held)
    yard.cli("delete", held)  # might be retried before
    assert "Removed" in yard.cli("delete", new, "--rows")
    wait_for("the rows to go", lambda: yard.daemon.ask(
        "GET", f"/v1/runs/{new}").status_code == 404)


def test_rows_go_too(yard):
    daemon = yard.daemon
    one = yard.run(yard.job(), yard.job("second", needs=["make"]))
    two = yard.run(name="other")
    yard.delete(one["id"])  # the files first, the rows later
    yard.wait_removed(one["id"])
    counts = daemon.get("/v1/overview")["counts"]
    [item] = yard.prune(older="0s", keep=1, rows=True)["removed"]
    assert (item["run"], item["rows"]) == (one["id"], True)
    wait_for("the rows to go", lambda: daemon.ask(
        "GET", f"/v1/runs/{one['id']}").status_code == 404)
    for job in one["jobs"]:
        problem(daemon.ask("GET", f"/v1/jobs/{job['id']}"), 404, "not_found")
    left = {table: yard.sql(f"SELECT count(*) FROM {table}")[0][0] for table in (
        "runs", "jobs", "job_specs", "run_bodies", "needs", "attempts", "executions", "prunes")}
    assert left == {"runs": 1, "jobs": 1, "job_specs": 1, "run_bodies": 1, "needs": 0,
                    "attempts": 1, "executions": 1, "prunes": 0}
    assert [r["id"] for r in daemon.get("/v1/runs")["items"]] == [two["id"]]
    now = daemon.get("/v1/overview")["counts"]
    assert now["runs"]["succeeded"] == counts["runs"]["succeeded"] - 1 == 1
    assert now["jobs"]["succeeded"] == counts["jobs"]["succeeded"] - 2 == 1
    assert [p.name for p in (daemon.data / "executions").iterdir() if p.name != ".trash"] == \
        [p.name for p in yard.folder(two["id"])]
    assert yard.sql("PRAGMA integrity_check") == [("ok",)]
    assert yard.sql("PRAGMA foreign_key_check") == []


def test_what_refers_to_it_holds_it(yard):
    daemon = yard.daemon
    made = yard.run(name="made")
    waiting = yard.run(yard.tell("${made/make.output}/data", held=True), ends=False)
    reason = yard.prune(keep=0)["kept"]
    assert [(r["run"], r["reason"]["code"]) for r in reason] == [(made["id"], "job")]
    said = problem(yard.delete(made["id"]), 409, "conflict")["detail"]
    assert waiting["id"] in said and "tell" in said
    daemon.post(f"/v1/runs/{waiting['id']}/release")
    assert daemon.wait_end(waiting["jobs"][0]["id"])["state"] == "succeeded"
    # ended, but it might be retried
    said = problem(yard.delete(made["id"]), 409, "conflict")["detail"]
    assert "prune that run first" in said
    assert [r["run"] for r in yard.prune(keep=0)["removed"]] == [waiting["id"], made["id"]]
    yard.wait_removed(made["id"])
    # who comes later is told
    body = {"jobs": [yard.tell(f"${{{made['id']}/make.output}}/data")]}
    [found] = problem(daemon.post("/v1/runs", body), 422, "invalid_spec")["errors"]
    assert (found["pointer"], found["code"]) == ("/jobs/0/channels/in", "pruned")
    assert "trainyard clone" in found["detail"]
    # a clone runs again
    again = daemon.post("/v1/runs", daemon.get(f"/v1/runs/{made['id']}/spec")).json()
    assert daemon.wait_end(again["jobs"][0]["id"])["state"] == "succeeded"


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="this build has no native engine")
def test_a_live_endpoint_holds_its_run_and_the_run_of_its_model(yard, tiny_model):
    daemon = yard.daemon
    made = yard.run({**yard.job("make"), "entry_point": "copy.py",
                     "hyperparameters": {"from": str(tiny_model)}}, name="made")
    served = yard.run({"name": "deploy", "kind": "deploy", "model": "${made/make.model}",
                       "endpoint": "held"}, name="served")
    kept = {r["run"]: r["reason"] for r in yard.prune(keep=0)["kept"]}
    assert kept[served["id"]]["code"] == "endpoint" and kept.keys() == {made["id"], served["id"]}
    said = problem(yard.delete(served["id"]), 409, "conflict")["detail"]
    assert "endpoint held is in_service" in said and "delete it first" in said
    problem(yard.delete(made["id"]), 409, "conflict")
    assert daemon.post("/v1/endpoints/held/invocations", {"inputs": "a film"}).status_code == 200
    daemon.ask("DELETE", "/v1/endpoints/held")
    wait_for("its end", lambda: daemon.get("/v1/endpoints/held")["state"] == "deleted")
    wait_for("both to go", lambda: len(yard.prune(keep=0)["removed"]) == 2 or not yard.sql(
        "SELECT 1 FROM runs WHERE pruned_us = 0"))
    yard.wait_removed(made["id"])


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="this build has no native engine")
def test_the_model_of_an_endpoint_of_another_run_stays(yard, tiny_model):
    """Named by its path: there is no reference, only the endpoint uses it."""
    daemon = yard.daemon
    made = yard.run({**yard.job("make"), "entry_point": "copy.py",
                     "hyperparameters": {"from": str(tiny_model)}})
    model = daemon.get(f"/v1/jobs/{made['jobs'][0]['id']}")["outputs"]["model"]
    yard.run({"name": "deploy", "kind": "deploy", "model": model, "endpoint": "held"})
    said = problem(yard.delete(made["id"]), 409, "conflict")["detail"]
    assert "endpoint held (in_service) uses files of the run" in said
    daemon.ask("DELETE", "/v1/endpoints/held")
    wait_for("its end", lambda: daemon.get("/v1/endpoints/held")["state"] == "deleted")
    assert yard.delete(made["id"]).status_code == 200


def test_a_path_into_its_directory_holds_it(yard):
    daemon = yard.daemon
    made = yard.run()
    output = daemon.get(f"/v1/jobs/{made['jobs'][0]['id']}")["outputs"]["output"]
    waiting = yard.run(yard.tell(output + "/data", held=True), ends=False)
    said = problem(yard.delete(made["id"]), 409, "conflict")["detail"]
    assert waiting["id"] in said and "uses files of the run" in said
    daemon.post(f"/v1/runs/{waiting['id']}/cancel")
    assert yard.delete(made["id"]).status_code == 200


def test_hostile_trees_go(yard, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    run = yard.run({"name": "deep", "kind": "script", "entry_point": "deep.py",
                    "source_dir": str(yard.source), "hyperparameters": {"to": str(outside)}})
    answer = yard.delete(run["id"])
    assert answer.json()["removed"][0]["partial"]
    yard.wait_removed(run["id"])
    assert (outside / "precious").read_text() == "kept"
    assert all(files_below(folder) in ([], ["log"]) for folder in yard.folder(run["id"]))


def test_what_cannot_be_removed_is_said_and_the_rest_goes(yard):
    """A file blocks the place of the trash: the intent stays, and the next start resumes it."""
    daemon = yard.daemon
    run = yard.run()
    trash = daemon.data / "executions/.trash"
    trash.parent.mkdir(exist_ok=True)
    if trash.exists():
        trash.rmdir()
    trash.write_text("in the way")
    assert yard.delete(run["id"]).status_code == 200
    wait_for("a warning", lambda: "event=files_not_removed" in daemon.log_tail())
    assert yard.sql("SELECT run FROM prunes") == [(run["id"],)]
    assert daemon.get("/readyz") == {"status": "ready"}
    trash.unlink()
    daemon.stop()
    daemon.start()
    yard.wait_removed(run["id"])
    assert files_below(yard.folder(run["id"])[0]) == ["log"]


def test_retention_by_the_configuration(yard):
    daemon = yard.daemon
    runs = [yard.run()["id"] for _ in range(3)]
    daemon.stop()
    daemon.environment |= {"TRAINYARD_RETENTION_KEEP": "1"}
    daemon.start()
    wait_for("the retention", lambda: yard.sql(
        "SELECT count(*) FROM runs WHERE pruned_us > 0") == [(2,)])
    for run in runs[:2]:
        yard.wait_removed(run)
    log = (daemon.dir / "daemon.log").read_text()
    for run in runs[:2]:
        assert f"event=run_pruned run={run} by=retention" in log
        assert re.search(rf"event=files_removed run={run} bytes=[1-9]", log)
    assert runs[2] not in log.split("event=started")[-1]
    daemon.stop()
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        db.execute("UPDATE runs SET finished_us = finished_us - 3600000000")
    daemon.environment |= {"TRAINYARD_RETENTION_KEEP": "0", "TRAINYARD_RETENTION_OLDER": "1h"}
    daemon.start()
    wait_for("the retention", lambda: yard.sql(
        "SELECT count(*) FROM runs WHERE pruned_us > 0") == [(3,)])
    yard.wait_removed(runs[2])


def test_a_submit_races_with_a_prune(yard):
    """Either the job is there and finds what it refers to, or it was refused."""
    daemon = yard.daemon
    with ThreadPoolExecutor(2) as pool:
        for i in range(6):
            made = yard.run(name="raced")
            body = {"jobs": [yard.tell(f"${{{made['id']}/make.output}}/data")]}
            submit = pool.submit(daemon.post, "/v1/runs", body)
            delete = pool.submit(yard.delete, made["id"])
            status, removed = submit.result().status_code, delete.result().status_code
            assert (status == 201) == (removed == 409), (status, removed, delete.result().text)
            if status == 201:
                job = submit.result().json()["jobs"][0]["id"]
                assert daemon.wait_end(job)["state"] == "succeeded"
            else:
                yard.wait_removed(made["id"])


def test_what_is_retried_is_not_pruned(yard):
    daemon = yard.daemon
    run = yard.run(yard.job(held=True), ends=False)
    job = run["jobs"][0]["id"]
    assert daemon.post(f"/v1/jobs/{job}/cancel").status_code == 200
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    assert "queued" in problem(yard.delete(run["id"]), 409, "conflict")["detail"]
    daemon.post(f"/v1/jobs/{job}/cancel")
    assert yard.delete(run["id"]).status_code == 200
    problem(daemon.post(f"/v1/jobs/{job}/retry"), 410, "pruned")


def test_an_added_model_holds_the_run_it_lies_in(yard):
    """It cannot be added from there; one that a database has all the same loses nothing."""
    daemon = yard.daemon
    made = yard.run()
    model = daemon.get(f"/v1/jobs/{made['jobs'][0]['id']}")["outputs"]["model"]
    found = problem(daemon.ask("PUT", "/v1/models/mine", {"path": model}), 422, "invalid_body")
    assert "is removed with its job; copy the model" in found["errors"][0]["detail"]
    daemon.stop()
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        db.execute("INSERT INTO models (name, source, created_us) VALUES ('mine', ?, 1)",
                   (json.dumps({"path": model}),))
    daemon.start()
    said = problem(yard.delete(made["id"]), 409, "conflict")["detail"]
    assert "model mine uses files of the run" in said
    [kept] = yard.prune(keep=0)["kept"]
    assert kept["reason"]["code"] == "model"
    assert daemon.ask("DELETE", "/v1/models/mine").status_code == 204
    assert yard.delete(made["id"]).status_code == 200


def test_a_request_removes_256_runs(yard):
    crowd(yard, 256)
    yard.daemon.start()
    plan = yard.prune(keep=1, dry_run=True)
    assert (len(plan["removed"]), plan["truncated"]) == (256, False)
    plan = yard.prune(keep=0, dry_run=True)
    assert (len(plan["removed"]), plan["truncated"]) == (256, True)
    done = yard.prune(keep=0)
    assert (len(done["removed"]), done["truncated"]) == (256, True)
    assert yard.sql("SELECT count(*) FROM runs WHERE pruned_us = 0") == [(1,)]


def test_a_request_looks_at_10000_runs(yard):
    """All but the oldest are held, each by the reference of a job."""
    oldest = yard.run()["id"]
    run = crowd(yard, 9999)
    hold_all(yard, run, oldest)
    yard.daemon.start()
    plan = yard.prune(keep=1, dry_run=True)
    assert (len(plan["removed"]), len(plan["kept"]), plan["truncated"]) == (1, 9999, False)
    yard.daemon.stop()
    with sqlite3.connect(yard.daemon.data / "trainyard.db") as db:
        copies(db, "runs", 1, id=run[:-6] + "zzzzzz")  # of the oldest: free, and newest
    yard.daemon.start()
    plan = yard.prune(keep=1, dry_run=True)
    assert (len(plan["removed"]), len(plan["kept"]), plan["truncated"]) == (1, 9999, True)
    rest = yard.prune(keep=1, dry_run=True, cursor=plan["next_cursor"])
    assert [item["run"] for item in rest["removed"]] == [oldest]
    assert (rest["kept"], rest["truncated"], "next_cursor" in rest) == ([], False, False)
    for cursor, code in (("0", "invalid"), ("-3", "invalid"), ("x", "invalid"), (7, "wrong_type")):
        answer = problem(yard.daemon.post("/v1/prune", {"cursor": cursor}), 422, "invalid_body")
        assert (answer["errors"][0]["pointer"], answer["errors"][0]["code"]) == ("/cursor", code)
    done = json.loads(yard.cli("prune", "--keep", "1", "--json"))  # goes on behind 10,000
    assert [item["run"][-6:] for item in done["removed"]] == ["zzzzzz", oldest[-6:]]
    assert (len(done["kept"]), done["truncated"]) == (9999, False)


def test_the_retention_looks_at_all_runs(yard):
    """Before: only the 10,000 newest were seen, so that held ones hid the rest for ever."""
    oldest = yard.run()["id"]
    run = crowd(yard, 10000)
    hold_all(yard, run, oldest)
    yard.daemon.environment |= {"TRAINYARD_RETENTION_KEEP": "1"}
    yard.daemon.start()
    wait_for("the end of the pass", lambda: "event=retention removed=1 kept=10000" in (
        yard.daemon.dir / "daemon.log").read_text())
    assert yard.sql("SELECT id FROM runs WHERE pruned_us > 0") == [(oldest,)]
