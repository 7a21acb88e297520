# SPDX-License-Identifier: MIT
"""References to outputs of other runs: looked up once when a job is submitted, stored by the run's
id and pinned."""
import sqlite3

import pytest

from client import NO_RUN, problem

MAKE = """\
import os, pathlib, sys
for name in ('SM_MODEL_DIR', 'SM_OUTPUT_DATA_DIR'):
    (pathlib.Path(os.environ[name]) / 'said').write_text(sys.argv[2])
(pathlib.Path(os.environ['SM_MODEL_DIR']) / 'config.json').write_text('{}')
sys.exit(int(sys.argv[4]))
"""
TELL = """\
import os, pathlib
for name in ('in', 'model'):
    where = os.environ.get(f'SM_CHANNEL_{name.upper()}')
    if where:
        print('said', name, (pathlib.Path(where) / 'said').read_text())
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "make.py").write_text(MAKE)
    (folder / "tell.py").write_text(TELL)
    return folder


@pytest.fixture(scope="module")
def make(daemon, source):
    """make(NAME, WORD, exit=0): an ended run whose job `make` left WORD."""
    def run(name, word, exit=0, **more):
        body = {"name": name, "jobs": [{"name": "make", "kind": "script", "entry_point": "make.py",
                                        "source_dir": str(source), **more,
                                        "hyperparameters": {"a": word, "b": exit}}]}
        answer = daemon.post("/v1/runs", body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        if not more:
            ended = daemon.wait_end(made["jobs"][0]["id"])
            assert ended["state"] == ("failed" if exit else "succeeded"), ended
        return made
    return run


def tell(source, **more):
    return {"name": "tell", "kind": "script", "entry_point": "tell.py", "source_dir": str(source),
            **more}


def said(daemon, job):
    ended = daemon.wait_end(job["id"])
    assert ended["state"] == "succeeded", ended["reason"]
    lines = [line.split() for line in daemon.log(job["id"]).splitlines()]
    return [word for line in lines if line[:1] == ["said"] for word in line[1:]]


def problems(daemon, job):
    return [(p["pointer"], p["code"], p["detail"])
            for p in daemon.post("/v1/validate", {"jobs": [job]}).json()["problems"]]


def pins(daemon):
    with sqlite3.connect(f"file:{daemon.data}/trainyard.db?mode=ro", uri=True) as db:
        return set(db.execute("SELECT job, other, attempt FROM pins"))


@pytest.mark.parametrize("by", ["id", "name"])
def test_an_output_of_another_run(daemon, make, source, by):
    old = make(f"maker-{by}", "older")
    make(f"maker-{by}", "failing", exit=3)
    run = old["id"] if by == "id" else f"maker-{by}"
    job = daemon.submit_job(tell(source, model=f"{run}/make",
                                 channels={"in": f"${{{run}/make.output}}/data"}))
    assert job["spec"]["model"] == f"${{{old['id']}/make.model}}"
    assert job["spec"]["channels"] == {"in": f"${{{old['id']}/make.output}}/data"}
    assert said(daemon, job) == ["in", "older", "model", "older"]
    assert (job["id"], old["jobs"][0]["id"], 1) in pins(daemon)


def test_a_name_is_resolved_once_at_the_submit(daemon, make, source):
    old = make("once", "older")
    job = daemon.submit_job(tell(source, held=True, channels={"in": "${once/make.output}/data"}))
    make("once", "newer")
    daemon.post(f"/v1/jobs/{job['id']}/release")
    assert said(daemon, job) == ["in", "older"]
    again = daemon.submit_job(tell(source, channels={"in": "${once/make.output}/data"}))
    assert said(daemon, again) == ["in", "newer"]
    assert {p[1] for p in pins(daemon) if p[0] == job["id"]} == {old["jobs"][0]["id"]}


def test_a_pin_is_of_the_attempt(daemon, make, source):
    """A retry of what was referred to does not change what the reference stands for."""
    failed = make("attempts", "first", exit=3)
    maker = failed["jobs"][0]["id"]
    job = daemon.submit_job(tell(source, held=True,
                                 channels={"in": f"${{{failed['id']}/make.output}}/data"}))
    first = daemon.get(f"/v1/jobs/{maker}/attempts")["items"][-1]["attempt"]
    daemon.post(f"/v1/jobs/{maker}/retry")
    daemon.wait(f"/v1/jobs/{maker}", lambda j: j["state"] == "failed" and j["attempt"] > first,
                "a second end")
    daemon.post(f"/v1/jobs/{job['id']}/release")
    assert said(daemon, job) == ["in", "first"]
    assert (job["id"], maker, first) in pins(daemon)


def test_what_a_failed_job_left_can_be_used_with_a_warning(daemon, make, source):
    failed = make("broken", "half", exit=3)
    body = tell(source, channels={"in": f"${{{failed['id']}/make.output}}/data"})
    job = daemon.submit_job(body)
    assert any("is failed" in w["detail"] and w["pointer"].endswith("/channels/in")
               for w in job["warnings"]), job["warnings"]
    assert said(daemon, job) == ["in", "half"]
    [found] = problems(daemon, tell(source, channels={"in": "${broken/make.output}/data"}))
    assert found[:2] == ("/jobs/0/channels/in", "unknown_reference")
    assert "no run of that name has succeeded" in found[2]


def test_what_cannot_be_referred_to(daemon, make, source, script):
    made = make("known", "x")
    held = make("waiting", "x", held=True)
    run = made["id"]
    for text, code, words in [
            (f"${{{NO_RUN}/make.output}}", "unknown_reference", "no run has the id"),
            ("${nobody/make.output}", "unknown_reference", "no run has the id 'nobody'"),
            (f"${{{run}/mark.output}}", "unknown_reference", "has no job 'mark'"),
            (f"${{{run}/make.train}}", "unknown_reference", "no output 'train'"),
            (f"${{{run}/make.output}}/gone", "data_missing", "or the output was removed"),
            (f"${{{run}/make.output}}/../..", "invalid", "leads out of the output"),
            (f"${{{held['id']}/make.output}}", "invalid", "wait until it has ended"),
            ("${a b/make.output}", "invalid", "is not a reference"),
            (f"${{{run}/make/x.output}}", "invalid", "is not a reference")]:
        [found] = problems(daemon, tell(source, channels={"in": text}))
        assert found[:2] == ("/jobs/0/channels/in", code) and words in found[2], found
    [found] = problems(daemon, tell(source, environment={"A": f"${{{run}/make.output}}"}))
    assert found[0] == "/jobs/0/environment/A"
    daemon.post(f"/v1/jobs/{held['jobs'][0]['id']}/cancel")


def test_a_model_of_a_run_and_not_of_the_hub(daemon, make, source):
    made = make("org", "x")
    job = daemon.submit_job(tell(source, held=True, model="org/make"))
    assert job["spec"]["model"] == f"${{{made['id']}/make.model}}"
    hub = daemon.submit_job(tell(source, held=True, model={"hub": "org/make"}))
    assert hub["spec"]["model"] == {"hub": "org/make"}
    other = daemon.submit_job(tell(source, held=True, model="org/other"))
    assert other["spec"]["model"] == "org/other"  # no such job: the hub's
    for one in (job, hub, other):
        daemon.post(f"/v1/jobs/{one['id']}/cancel")


def test_the_id_of_no_run_is_no_name_on_the_hub(daemon, make, source):
    """Before: taken for a model of the hub, which failed when the job ran."""
    made = make("ids", "x")
    for model, words in ((f"{made['id']}/other", "has no job 'other'"),
                         ("r0000000000000000000/make", "no run has the id")):
        answer = daemon.post("/v1/jobs", tell(source, held=True, model=model))
        [error] = problem(answer, 422, "invalid_spec")["errors"]
        assert (error["pointer"], error["code"]) == ("/model", "unknown_reference"), error
        assert words in error["detail"], error


def test_references_survive_a_restart(daemon, make, source):
    make("before", "kept")
    job = daemon.submit_job(tell(source, held=True, channels={"in": "${before/make.output}/data"}))
    daemon.kill()
    daemon.start()
    daemon.post(f"/v1/jobs/{job['id']}/release")
    assert said(daemon, job) == ["in", "kept"]
