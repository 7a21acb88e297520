# SPDX-License-Identifier: MIT
"""Inputs of predict jobs: what a model could answer is taken, what an endpoint would refuse is
refused before it is asked, and the message names the field."""
import json

import pytest
from client import problem
from trainyardd import BUILD

from test_models import trainyard

BODY_MAX = 6291456
TEXTS = ["a fine film", "a \0 bad\0", "\0"]

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="needs the native worker: endpoints here are served by it")


@pytest.fixture(scope="module")
def endpoint(daemon, tiny_model):
    job = daemon.submit_job({"kind": "deploy", "model": str(tiny_model), "endpoint": "inputs"})
    assert daemon.wait_end(job["id"])["state"] == "succeeded"
    yield "inputs"
    gone = daemon.submit_job({"kind": "delete-endpoint", "endpoint": "inputs"})
    daemon.wait_end(gone["id"])


def ask(daemon, endpoint, inputs, **more):
    return {"kind": "predict", "endpoint": endpoint, "inputs": inputs, **more}


def predictions(daemon, job):
    ended = daemon.wait_end(job["id"])
    assert ended["state"] == "succeeded", ended["reason"]
    return ended["outputs"]["predictions"]


def test_a_text_with_a_zero_is_asked(daemon, endpoint, tmp_path):
    """Before: 400, "\\u0000 is not allowed", though the endpoint answers it."""
    direct = daemon.post(f"/v1/endpoints/{endpoint}/invocations", {"inputs": TEXTS}).json()
    job = daemon.submit_job(ask(daemon, endpoint, TEXTS))
    assert job["spec"]["inputs"] == TEXTS
    assert predictions(daemon, job) == direct
    assert daemon.get(f"/v1/runs/{job['run']}/spec")["inputs"] == TEXTS
    single = daemon.submit_job(ask(daemon, endpoint, "\0"))
    assert predictions(daemon, single) == direct[2:]
    below = f"{daemon.data}/executions\0/x"  # a text, not a path of ours
    run = daemon.submit([{**ask(daemon, endpoint, [below]), "name": "ask"}])
    assert daemon.get(f"/v1/jobs/{run['jobs'][0]['id']}")["spec"]["inputs"] == [below]
    file = tmp_path / "ask.json"
    file.write_text(json.dumps(ask(daemon, endpoint, TEXTS)))
    said = trainyard(daemon, "submit", "--quiet", "--wait", str(file))
    again = trainyard(daemon, "clone", "--quiet", "--wait", said.split()[0]).split()[0]
    assert daemon.get(f"/v1/runs/{again}/spec")["inputs"] == TEXTS


@pytest.mark.parametrize("body, pointer", [
    ({"kind": "predict", "endpoint": "x\0y", "inputs": "a"}, "/endpoint"),
    ({"kind": "predict", "endpoint": "x", "inputs": "a", "tags": {"inputs": "\0"}},
     "/tags/inputs"),
    ({"jobs": [{"kind": "predict", "endpoint": "x", "inputs": "a", "name": "n\0"}]},
     "/jobs/0/name"),
    ({"jobs": [{"inputs": "\0", "hyperparameters": {"inputs": ["\0"]}}]},
     "/jobs/0/hyperparameters/inputs/0")])
def test_a_zero_elsewhere_is_refused_by_name(daemon, body, pointer):
    for path in ("/v1/runs", "/v1/validate"):
        found = problem(daemon.post(path, body), 422, "invalid_body")["errors"]
        assert [e["pointer"] for e in found] == [pointer]
        assert "U+0000" in found[0]["detail"]


@pytest.mark.parametrize("parameters", [None, {"top_k": 1}])
def test_a_request_is_as_long_as_an_endpoint_takes(daemon, parameters):
    """Before: inputs of 6 MiB were taken, and with the rest of the request they were more."""
    more = {"parameters": parameters} if parameters else {}
    around = len(json.dumps({"inputs": "", **more}, separators=(",", ":")))
    for over in (0, 1):
        job = ask(daemon, "not-yet", "a" * (BODY_MAX - around + over), **more)
        found = daemon.post("/v1/validate", job).json()["problems"]
        assert [p["pointer"] for p in found] == ["/inputs"] * over, found
        if over:
            assert f"have {BODY_MAX + 1} bytes as one request, and an endpoint takes " \
                   f"{BODY_MAX}; split the inputs" in found[0]["detail"]


def test_too_many_inputs_for_an_endpoint_that_comes_later(daemon, tiny_model):
    """Before: the endpoint was asked, and its refusal was the reason."""
    jobs = {n: daemon.submit_job(ask(daemon, "later", ["a film"] * n, held=True))["id"]
            for n in (512, 513)}
    deploy = daemon.submit_job({"kind": "deploy", "model": str(tiny_model), "endpoint": "later"})
    assert daemon.wait_end(deploy["id"])["state"] == "succeeded"
    for job in jobs.values():
        daemon.post(f"/v1/jobs/{job}/release")
    assert len(predictions(daemon, {"id": jobs[512]})) == 512
    ended = daemon.wait_end(jobs[513])
    assert (ended["state"], ended["reason"]["code"]) == ("failed", "invalid_input")
    assert ended["reason"]["message"].startswith(
        "/inputs: 'inputs' has 513 entries, and an endpoint of this machine takes 512")
    gone = daemon.submit_job({"kind": "delete-endpoint", "endpoint": "later"})
    daemon.wait_end(gone["id"])
