# SPDX-License-Identifier: MIT
"""A deployed model over HTTP: its states, its answers on both paths, its lease, its end."""
import json
import os
import re
import shutil
import subprocess

import pytest
import requests

from client import check, closed, problem
from figures import histogram, of, scrape
from trainyardd import BUILD, DEADLINE_S, wait_for

TEXT = {"inputs": "a fine film"}


def deploy(daemon, model, name, **more):
    run = daemon.submit([{"name": "deploy", "kind": "deploy", "model": str(model), "endpoint": name,
                          **more}])
    job = daemon.wait_end(run["jobs"][0]["id"])
    assert job["state"] == "succeeded", job["reason"]
    return job


def wait_endpoint(daemon, name, state):
    return wait_for(f"{name} to be {state}", lambda: (
        lambda item: item if item["state"] == state else None)(daemon.get(f"/v1/endpoints/{name}")))


@pytest.fixture(scope="module")
def endpoint(daemon, tiny_model):
    """The name of an endpoint in service."""
    job = deploy(daemon, tiny_model, "tiny", lease={"ttl": "1h", "idle": "30m"})
    assert job["outputs"]["endpoint"] == "tiny"
    yield "tiny"
    daemon.ask("DELETE", "/v1/endpoints/tiny")
    wait_endpoint(daemon, "tiny", "deleted")


def test_an_endpoint_tells_of_itself(daemon, endpoint, tiny_model):
    item = daemon.get(f"/v1/endpoints/{endpoint}")
    assert item["state"] == "in_service" and item["desired_state"] == "in_service"
    assert item["lease"]["ttl"] == "1h" and item["lease"]["idle"] == "30m"
    assert item["lease"]["expires_at"] > item["in_service_at"]
    assert item["model"] == str(tiny_model)
    check(closed(daemon.get("/openapi.json")), "Endpoint", item)
    live = daemon.get("/v1/endpoints", state="in_service")["items"]
    assert [e["name"] for e in live] == [endpoint]
    assert endpoint in [e["name"] for e in daemon.get("/v1/overview")["endpoints"]]


def test_the_longest_path_of_a_model(daemon, tiny_model, tmp_path):
    """A path of 1,024 bytes, which the spec allows, was cut to 1,023."""
    path = str(tmp_path)
    while len(path) < 1024 - 201:
        path += "/" + "d" * 100
    path += "/" + "d" * (1024 - len(path) - 1)
    shutil.copytree(tiny_model, path)
    deploy(daemon, path, "deep")
    assert daemon.get("/v1/endpoints/deep")["model"] == path
    answer = daemon.ask("POST", "/v1/endpoints/deep/invocations", TEXT)
    assert answer.status_code == 200, answer.text
    daemon.ask("DELETE", "/v1/endpoints/deep")
    wait_endpoint(daemon, "deep", "deleted")


def test_the_command_line_shows_model_and_url(daemon, endpoint, tiny_model):
    def command(*words):
        return subprocess.run([BUILD / "cli/trainyard", *words], check=True, text=True,
                              capture_output=True, timeout=DEADLINE_S,
                              env={**os.environ, "TRAINYARD_URL": daemon.url}).stdout
    shown = command("endpoint", "show", endpoint)
    assert re.search(rf"^model +{re.escape(str(tiny_model))}$", shown, re.M)
    [url] = re.findall(r"^url +(\S+)$", shown, re.M)
    assert requests.post(url, json={"inputs": "a fine film"}, timeout=60).status_code == 200
    assert endpoint in command("endpoints")


@pytest.mark.parametrize("path", ["/v1/endpoints/{}/invocations", "/endpoints/{}/invocations"])
def test_answers(daemon, endpoint, path):
    answer = daemon.post(path.format(endpoint), TEXT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    one = answer.json()
    assert one[0]["label"] in ("pos", "neg") and 0.5 <= one[0]["score"] <= 1
    two = daemon.post(path.format(endpoint), {"inputs": ["a fine film", "a bad film"]}).json()
    assert len(two) == 2
    both = daemon.post(path.format(endpoint), {**TEXT, "parameters": {"top_k": 2}}).json()
    labels = json.dumps(both)
    assert "pos" in labels and "neg" in labels


def test_invocations_are_figures(daemon, endpoint):
    def counts():
        samples = scrape(daemon)
        return [of(samples, "trainyard_invocations_total", target="local", outcome=outcome)
                for outcome in ("ok", "refused", "failed")] + [
            histogram(samples, "trainyard_invocation_duration_seconds", target="local")[0]]

    before = counts()
    daemon.post(f"/v1/endpoints/{endpoint}/invocations", TEXT)
    assert daemon.ask("POST", f"/v1/endpoints/{endpoint}/invocations", data=b"{").status_code == 400
    assert [b - a for a, b in zip(before, counts())] == [1, 1, 0, 2]


def test_sagemaker_headers(daemon, endpoint):
    answer = daemon.post(f"/endpoints/{endpoint}/invocations", TEXT)
    assert answer.headers["x-Amzn-Invoked-Production-Variant"] == "AllTraffic"
    assert answer.headers["x-amzn-RequestId"]


def test_texts_of_any_length(daemon, endpoint):
    answer = daemon.post(f"/v1/endpoints/{endpoint}/invocations", {"inputs": "a film " * 20000})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'{"inputs": 7}', b'{"inputs": [7]}', b"\xff" * 99,
    b'{"inputs": "x", "parameters": {"top_k": "many"}}'])
def test_the_model_refuses_wrong_questions(daemon, endpoint, body):
    """Ours passes the model's own answer through; SageMaker's wraps it in a ModelError."""
    plain = daemon.ask("POST", f"/v1/endpoints/{endpoint}/invocations", data=body,
                       headers={"Content-Type": "application/json"})
    assert plain.status_code == 400, plain.text
    assert not plain.headers["Content-Type"].startswith("application/problem")
    wrapped = daemon.ask("POST", f"/endpoints/{endpoint}/invocations", data=body,
                         headers={"Content-Type": "application/json"})
    assert wrapped.status_code == 424
    assert wrapped.headers["x-amzn-ErrorType"] == "ModelError"
    assert wrapped.json()["OriginalStatusCode"] == plain.status_code
    assert wrapped.json()["OriginalMessage"] == plain.text
    assert "from primary with message" in wrapped.json()["Message"]


def test_a_body_beyond_the_limit(daemon, endpoint):
    body = b" " * (6291456 + 1)
    problem(daemon.ask("POST", f"/v1/endpoints/{endpoint}/invocations", data=body), 413,
            "too_large")
    answer = daemon.ask("POST", f"/endpoints/{endpoint}/invocations", data=body)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "ValidationError"


def test_an_endpoint_that_is_not_there(daemon):
    problem(daemon.post("/v1/endpoints/nobody/invocations", TEXT), 404, "not_found")
    answer = daemon.post("/endpoints/nobody/invocations", TEXT)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "ValidationError"
    assert answer.json() == {"Message": "Endpoint nobody of account 000000000000 not found."}


def test_predict_asks_it(daemon, endpoint):
    job = daemon.wait_end(daemon.submit_job({"kind": "predict", "endpoint": endpoint,
                                             "inputs": ["a fine film", "a bad film"]})["id"])
    assert job["state"] == "succeeded", job["reason"]
    assert len(job["outputs"]["predictions"]) == 2


def test_predict_without_an_endpoint(daemon):
    job = daemon.wait_end(daemon.submit_job({"kind": "predict", "endpoint": "nobody",
                                             "inputs": "x", "retry": {"max": 0}})["id"])
    assert job["state"] == "failed" and job["reason"]["code"] == "endpoint_missing"
    assert "nobody" in job["reason"]["message"]


def test_a_name_that_is_taken(daemon, endpoint, tiny_model):
    spec = {"kind": "deploy", "model": str(tiny_model), "endpoint": endpoint}
    error = problem(daemon.post("/v1/jobs", spec), 422, "invalid_spec")["errors"][0]
    assert error == {**error, "pointer": "/endpoint", "code": "endpoint_taken"}
    assert daemon.post("/v1/validate", spec).json()["valid"] is False


def test_renew(daemon, endpoint):
    before = daemon.get(f"/v1/endpoints/{endpoint}")["lease"]["expires_at"]
    longer = daemon.post(f"/v1/endpoints/{endpoint}/renew", {"ttl": "5h"})
    assert longer.status_code == 200, longer.text
    assert longer.json()["lease"]["ttl"] == "5h"
    assert longer.json()["lease"]["expires_at"] > before
    again = daemon.post(f"/v1/endpoints/{endpoint}/renew").json()["lease"]
    assert again["ttl"] == "5h"
    assert again["expires_at"] >= longer.json()["lease"]["expires_at"]
    too_long = daemon.post(f"/v1/endpoints/{endpoint}/renew", {"ttl": "365d"})
    body = problem(too_long, 422, "invalid_body")
    assert body["errors"][0]["pointer"] == "/ttl" and "7d" in body["detail"]


def test_its_log(daemon, endpoint):
    answer = daemon.ask("GET", f"/v1/endpoints/{endpoint}/logs?tail=5")
    assert answer.status_code == 200
    assert "X-Log-Offset" in answer.headers
    followed = daemon.ask("GET", f"/v1/endpoints/{endpoint}/logs?follow=1", stream=True)
    assert followed.status_code == 200
    followed.close()


def test_delete(daemon, tiny_model):
    deploy(daemon, tiny_model, "brief")
    follower = daemon.ask("GET", "/v1/endpoints/brief/logs?follow=1", stream=True)
    answer = daemon.ask("DELETE", "/v1/endpoints/brief")
    assert answer.status_code == 202
    assert answer.json()["desired_state"] == "deleted"
    gone = wait_endpoint(daemon, "brief", "deleted")
    assert gone["reason"]["code"] == "deleted_by_user" and gone["deleted_at"]
    follower.content  # ends
    problem(daemon.ask("DELETE", "/v1/endpoints/brief"), 404, "not_found")
    problem(daemon.post("/v1/endpoints/brief/invocations", TEXT), 404, "not_found")
    problem(daemon.post("/v1/endpoints/brief/renew"), 404, "not_found")
    deploy(daemon, tiny_model, "brief")  # the name is free again
    daemon.ask("DELETE", "/v1/endpoints/brief")
    wait_endpoint(daemon, "brief", "deleted")


def test_a_lease_ends(daemon, tiny_model):
    deploy(daemon, tiny_model, "short", lease={"ttl": "2s"})
    gone = wait_endpoint(daemon, "short", "deleted")
    assert gone["reason"]["code"] == "lease_expired"


def test_an_idle_endpoint_ends(daemon, tiny_model):
    deploy(daemon, tiny_model, "idle", lease={"ttl": "1h", "idle": "2s"})
    gone = wait_endpoint(daemon, "idle", "deleted")
    assert gone["reason"]["code"] == "idle"
