# SPDX-License-Identifier: MIT
"""What can be done to runs and jobs: cancel, retry, hold, release; and what explain says."""
import json

from client import problem


def state(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["state"]


def test_a_failing_script_tells_its_exit_status(daemon, script):
    job = daemon.wait_end(daemon.submit_job(script("exit3.py"))["id"])
    assert job["state"] == "failed"
    assert job["reason"]["code"] == "script_error"
    assert "3" in job["reason"]["message"]
    attempt = daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"][0]
    assert attempt["state"] == "failed" and attempt["exit"]["code"] == 3
    assert "about to fail" in daemon.log(job["id"])


def test_cancel_of_a_held_job(daemon, script):
    job = daemon.submit_job({**script("hello.py"), "held": True})["id"]
    assert state(daemon.post(f"/v1/jobs/{job}/cancel")) == "cancelled"
    problem(daemon.post(f"/v1/jobs/{job}/cancel"), 409, "conflict")
    assert daemon.get(f"/v1/jobs/{job}")["reason"]["code"] == "cancelled"


def test_cancel_of_a_running_job(daemon, script, gate):
    job = daemon.submit_job(script("wait.py", gate=gate))["id"]
    daemon.wait_state(job, "running")
    answer = daemon.post(f"/v1/jobs/{job}/cancel")
    assert state(answer) in ("stopping", "cancelled")
    assert answer.json()["cancel_requested_at"]
    ended = daemon.wait_end(job)
    assert ended["state"] == "cancelled"
    assert "ended" not in daemon.log(job).splitlines()


def test_retry_of_a_failed_job_is_a_new_attempt(daemon, script):
    job = daemon.wait_end(daemon.submit_job(script("exit3.py"))["id"])["id"]
    assert state(daemon.post(f"/v1/jobs/{job}/retry")) in ("queued", "starting")
    ended = daemon.wait_end(job)
    assert ended["state"] == "failed" and ended["attempt"] == 2
    items = daemon.get(f"/v1/jobs/{job}/attempts")["items"]
    assert [item["attempt"] for item in items] == [1, 2]
    for attempt in (1, 2):
        answer = daemon.ask("GET", f"/v1/jobs/{job}/logs?attempt={attempt}")
        assert answer.headers["X-Attempt"] == str(attempt)
        assert "about to fail" in answer.text
    problem(daemon.ask("GET", f"/v1/jobs/{job}/logs?attempt=3"), 404, "not_found")


def test_retry_of_a_succeeded_job_is_refused(daemon, done):
    problem(daemon.post(f"/v1/jobs/{done['id']}/retry"), 409, "conflict")


def test_retry_of_a_run_reuses_what_succeeded(daemon, script, tmp_path):
    run = daemon.submit([script("hello.py", "good"), script("exit3.py", "bad"),
                         {**script("hello.py", "after"), "needs": ["bad"]}])["id"]
    jobs = {job["name"]: job for job in daemon.wait_run(run)["jobs"]}
    assert {name: job["state"] for name, job in jobs.items()} == {
        "good": "succeeded", "bad": "failed", "after": "skipped"}
    assert jobs["after"]["reason"]["code"] == "dependency"
    assert state(daemon.post(f"/v1/runs/{run}/retry")) in ("running", "queued")
    again = {job["name"]: job for job in daemon.wait_run(run)["jobs"]}
    assert again["good"]["attempt"] == 1 and again["bad"]["attempt"] == 2
    problem(daemon.post(f"/v1/runs/{run}/cancel"), 409, "conflict")


def test_cancel_of_a_run(daemon, script, gate):
    run = daemon.submit([script("wait.py", "a", gate=gate),
                         {**script("hello.py", "b"), "needs": ["a"]}])
    daemon.wait_state(run["jobs"][0]["id"], "running")
    daemon.post(f"/v1/runs/{run['id']}/cancel")
    ended = daemon.wait_run(run["id"])
    assert ended["state"] == "cancelled"
    assert [job["state"] for job in ended["jobs"]] == ["cancelled", "cancelled"]


def test_hold_and_release(daemon, script):
    job = daemon.submit_job({**script("hello.py"), "held": True})["id"]
    explanation = daemon.get(f"/v1/jobs/{job}/explain")
    assert explanation["reason"]["code"] == "held"
    assert daemon.post(f"/v1/jobs/{job}/hold").json()["held"] is True
    assert daemon.post(f"/v1/jobs/{job}/release").json()["held"] is False
    assert daemon.wait_end(job)["state"] == "succeeded"
    problem(daemon.post(f"/v1/jobs/{job}/hold"), 409, "conflict")


def test_hold_of_a_running_job_is_refused(daemon, script, gate):
    job = daemon.submit_job(script("wait.py", gate=gate))["id"]
    daemon.wait_state(job, "running")
    assert "running" in problem(daemon.post(f"/v1/jobs/{job}/hold"), 409, "conflict")["detail"]
    (gate / "go").touch()
    assert daemon.wait_end(job)["state"] == "succeeded"


def test_priority_decides_who_is_next(fresh, script, gate):
    d = fresh("cpu_slots = 1\n")
    first = d.submit_job(script("wait.py", gate=gate))["id"]
    d.wait_state(first, "running")
    early, late = (d.submit_job(script("hello.py"))["id"] for _ in range(2))
    assert d.post(f"/v1/jobs/{late}/priority", {"priority": 5}).json()["priority"] == 5
    assert [item["id"] for item in d.get("/v1/queue")["items"]][:2] == [late, early]
    for wrong in (1001, -1001, "5", None, 1.5):
        answer = problem(d.post(f"/v1/jobs/{late}/priority", {"priority": wrong}), 422,
                         "invalid_body")
        assert answer["errors"][0]["pointer"] == "/priority"
    (gate / "go").touch()
    assert d.wait_end(late)["finished_at"] <= d.wait_end(early)["started_at"]
    problem(d.post(f"/v1/jobs/{late}/priority", {"priority": 1}), 409, "conflict")


def test_explain_of_a_blocked_job(daemon, script):
    run = daemon.submit([{**script("hello.py", "first"), "held": True},
                         {**script("hello.py", "second"), "needs": ["first"]}])
    second = daemon.get(f"/v1/jobs/{run['jobs'][1]['id']}/explain")
    assert second["state"] == "blocked"
    assert second["reason"]["code"] == "waiting_for_jobs"
    assert [wait["name"] for wait in second["waits_for"]] == ["first"]
    daemon.post(f"/v1/runs/{run['id']}/cancel")


def test_explain_of_a_full_machine(fresh, script, gate):
    d = fresh("cpu_slots = 1\n")
    first = d.submit_job(script("wait.py", gate=gate))["id"]
    d.wait_state(first, "running")
    waiting = d.submit_job(script("hello.py", "second"))["id"]
    explanation = d.get(f"/v1/jobs/{waiting}/explain")
    assert explanation["reason"]["code"] == "waiting_for_slot", explanation
    queue = d.get("/v1/queue")["items"]
    assert [job["id"] for job in queue] == [waiting]
    overview = d.get("/v1/overview")
    assert [job["id"] for job in overview["active"]] == [first]
    assert [job["id"] for job in overview["queue"]] == [waiting]
    assert overview["counts"]["jobs"]["running"] == 1
    assert overview["devices"]["cpu_slots"] == {"total": 1, "used": 1,
                                                "cpus_each": overview["devices"]["cpu_slots"]
                                                ["cpus_each"]}
    (gate / "go").touch()
    assert d.wait_end(waiting)["state"] == "succeeded"


def test_priority_decides_who_starts_first(fresh, script, gate):
    d = fresh("cpu_slots = 1\n")
    d.wait_state(d.submit_job(script("wait.py", gate=gate))["id"], "running")
    low = d.submit_job({**script("hello.py", "low"), "priority": -5})["id"]
    high = d.submit_job({**script("hello.py", "high"), "priority": 5})["id"]
    assert [job["id"] for job in d.get("/v1/queue")["items"]] == [high, low]
    (gate / "go").touch()
    times = [d.wait_end(job)["started_at"] for job in (high, low)]
    assert times[0] < times[1]


def test_a_time_limit_ends_a_job(daemon, script, gate):
    job = daemon.submit_job({**script("wait.py", gate=gate), "max_runtime": "1s",
                             "retry": {"max": 0}})["id"]
    ended = daemon.wait_end(job)
    assert ended["state"] == "failed" and ended["reason"]["code"] == "timed_out"


def test_queued_commands_while_stopping(fresh, script, gate):
    """A stop answers what waits, ends cleanly, and a running job is found again."""
    d = fresh("cpu_slots = 1\n")
    job = d.submit_job(script("wait.py", gate=gate))["id"]
    d.wait_state(job, "running")
    assert d.stop() == 0
    d.start()
    assert d.get(f"/v1/jobs/{job}")["state"] == "running"
    (gate / "go").touch()
    ended = d.wait_end(job)
    assert ended["state"] == "succeeded" and ended["attempt"] == 1
    assert d.log(job).splitlines()[-2:] == ["started", "ended"]


def test_numbers_go_out_in_their_shortest_form(daemon, tmp_path):
    """`0.050000000000000003` is 0.05: in specs, metrics and events, on every way out."""
    (tmp_path / "train.py").write_text(
        "for i in range(1, 9):\n    print({'loss': i / 20, 'epoch': i / 10}, flush=True)\n")
    job = daemon.wait_end(daemon.submit_job({
        "kind": "script", "source_dir": str(tmp_path), "entry_point": "train.py",
        "hyperparameters": {"rate": 0.05, "tiny": 1e-7, "third": 0.1 + 0.2, "two": 2.0}})["id"])
    assert job["state"] == "succeeded", job
    seen = set()

    def shortest(number):
        assert number == repr(float(number))
        seen.add(float(number))
        return float(number)
    for path in (f"/v1/jobs/{job['id']}", f"/v1/jobs/{job['id']}/metrics", f"/v1/runs/{job['run']}",
                 f"/v1/jobs/{job['id']}/attempts", "/v1/overview"):
        json.loads(daemon.ask("GET", path).text, parse_float=shortest)
    assert {0.05, 1e-7, 0.1 + 0.2, 2.0, 0.15, 0.7} <= seen
