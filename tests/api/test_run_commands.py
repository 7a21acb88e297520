# SPDX-License-Identifier: MIT
"""A whole run at once: hold, release, priority, explain, its spec; one job in place of a run."""
import pytest

from client import NO_RUN, problem

VERBS = [("POST", "hold", None), ("POST", "release", None), ("POST", "priority", {"priority": 1}),
         ("GET", "explain", None), ("GET", "spec", None)]


@pytest.fixture
def run(daemon, script, gate):
    """Of three jobs: one that runs, one that waits for it, one that is held."""
    made = daemon.submit([script("wait.py", "first", gate=gate),
                          {**script("hello.py", "second"), "needs": ["first"]},
                          {**script("hello.py", "third"), "held": True}])
    daemon.wait_state(made["jobs"][0]["id"], "running")
    yield made["id"]
    daemon.post(f"/v1/runs/{made['id']}/cancel")


def jobs(daemon, run):
    return {job["name"]: job for job in daemon.get(f"/v1/runs/{run}")["jobs"]}


def test_hold_and_release_of_a_run(daemon, run, gate):
    answer = daemon.post(f"/v1/runs/{run}/hold")
    assert answer.status_code == 200
    assert {j["name"]: j["held"] for j in answer.json()["jobs"]} == {
        "first": False, "second": True, "third": True}
    (gate / "go").touch()
    daemon.wait_end(jobs(daemon, run)["first"]["id"])
    assert jobs(daemon, run)["second"]["state"] == "queued"
    assert daemon.post(f"/v1/runs/{run}/release").status_code == 200
    for name in ("second", "third"):
        assert daemon.wait_end(jobs(daemon, run)[name]["id"])["state"] == "succeeded"
    for verb, body, words in (("hold", None, "no waiting job"),
                              ("release", None, "no held job to release"),
                              ("priority", {"priority": 1}, "has already ended")):
        answer = daemon.post(f"/v1/runs/{run}/{verb}", body)
        assert words in problem(answer, 409, "conflict")["detail"]


def test_priority_of_a_run(daemon, run):
    answer = daemon.post(f"/v1/runs/{run}/priority", {"priority": -7})
    assert answer.status_code == 200
    assert {daemon.get(f"/v1/jobs/{j['id']}")["priority"] for j in answer.json()["jobs"]} == {-7}
    for wrong in ({"priority": 1001}, {"priority": "1"}, {}):
        problem(daemon.post(f"/v1/runs/{run}/priority", wrong), 422, "invalid_body")


def test_explain_of_a_run(daemon, run):
    answer = daemon.get(f"/v1/runs/{run}/explain")
    assert answer["run"] == run
    said = {item["name"]: item for item in answer["items"]}
    assert set(said) == {"first", "second", "third"}
    assert said["third"]["reason"]["code"] == "held"
    assert [w["name"] for w in said["second"]["waits_for"]] == ["first"]
    for item in answer["items"]:
        assert item == daemon.get(f"/v1/jobs/{item['job']}/explain")


@pytest.mark.parametrize("method, verb, body", VERBS)
def test_a_run_that_is_not_there(daemon, method, verb, body):
    problem(daemon.ask(method, f"/v1/runs/{NO_RUN}/{verb}", body), 404, "not_found")


def test_a_run_can_be_read_and_submitted_again(daemon, script):
    spec = {"name": "twice", "tags": {"a": "b"}, "jobs": [{**script("hello.py"), "held": True}]}
    first = daemon.post("/v1/runs", spec).json()
    assert daemon.get(f"/v1/runs/{first['id']}/spec") == spec
    second = daemon.post("/v1/runs", daemon.get(f"/v1/runs/{first['id']}/spec"))
    assert second.status_code == 201 and second.json()["id"] != first["id"]
    assert daemon.get(f"/v1/runs/{second.json()['id']}/spec") == spec


def test_validate_and_submit_take_the_same(daemon, script):
    """One job is a run of one, for validate and for both ways to submit; so it is read back."""
    job = {**script("hello.py", "alone"), "held": True}
    assert daemon.post("/v1/validate", job).json()["valid"] is True
    made = daemon.post("/v1/runs", job)
    assert made.status_code == 201, made.text
    assert [j["name"] for j in made.json()["jobs"]] == ["alone"] and made.json()["name"] == "alone"
    again = daemon.post("/v1/runs", daemon.get(f"/v1/runs/{made.json()['id']}/spec"))
    assert again.status_code == 201
    wrong = {**job, "colour": "blue"}
    said = [problem(daemon.post(path, wrong), 422, "invalid_spec")["errors"]
            for path in ("/v1/runs", "/v1/jobs")]
    assert said[0] == said[1] == daemon.post("/v1/validate", wrong).json()["problems"]
    assert said[0][0]["pointer"] == "/colour"
