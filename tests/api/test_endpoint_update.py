# SPDX-License-Identifier: MIT
"""A live endpoint of this machine gets another model (on_existing: update), under load and across
kill -9 of the daemon, and goes back; it answers all the time, and no server is left over."""
import json
import os
import random
import shutil
import subprocess
import time

import pytest
import requests
from background import Background
from trainyardd import BUILD, processes_below, wait_for

from client import problem

TEXT = {"inputs": "a fine film"}
KILLS = 8


@pytest.fixture(scope="module")
def second_model(tiny_model, tmp_path_factory):
    """The same with other names for its labels."""
    folder = tmp_path_factory.mktemp("second") / "model"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {"0": "sad", "1": "glad"}, "label2id": {"sad": 0, "glad": 1}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def spec(model, **more):
    return {"name": "deploy", "kind": "deploy", "model": str(model), "endpoint": "tiny",
            "on_existing": "update", "lease": {"ttl": "1h"}, **more}


def deployed(d, model):
    job = d.wait_end(d.submit_job(spec(model))["id"])
    assert job["state"] == "succeeded", job["reason"]
    return job


def label(d):
    answer = d.post("/v1/endpoints/tiny/invocations", TEXT)
    assert answer.status_code == 200, answer.text
    return answer.json()[0]["label"]


def one_server(d):
    wait_for("one server", lambda: len(d.get("/v1/devices")["executions"]) == 1)


class Load(Background):
    """Requests without a pause; every answer is kept."""

    def __init__(self, url):
        super().__init__(*[self.run] * 4)
        self.url, self.answers = url, []

    def run(self):
        session = requests.Session()
        while not self.over.is_set():
            answer = session.post(f"{self.url}/v1/endpoints/tiny/invocations", json=TEXT,
                                  timeout=60)
            self.answers.append((answer.status_code, answer.text))


def test_no_request_is_lost(fresh, tiny_model, second_model):
    d = fresh()
    first = deployed(d, tiny_model)
    lease = d.get("/v1/endpoints/tiny")["lease"]["expires_at"]
    with Load(d.url) as load:
        wait_for("answers", lambda: len(load.answers) > 50)
        second = deployed(d, second_model)
        one_server(d)
        seen = len(load.answers)
        wait_for("more answers", lambda: len(load.answers) > seen + 50)
    assert {status for status, _ in load.answers} == {200}
    labels = [json.loads(text)[0]["label"] for _, text in load.answers]
    assert labels[0] in ("neg", "pos") and labels[-1] in ("sad", "glad")
    item = d.get("/v1/endpoints/tiny")
    assert item["state"] == "in_service" and item["model"] == str(second_model)
    assert (item["job"], item["run"]) == (second["id"], second["run"])
    assert item["lease"]["expires_at"] > lease and first["id"] != second["id"]


def lease_of(d):
    return d.get("/v1/endpoints/tiny")["lease"]


def test_an_update_keeps_a_renewed_lease(fresh, tiny_model, second_model):
    """Who renewed the lease for the night is not cut back to the hour of the spec."""
    d = fresh()
    deployed(d, tiny_model)
    assert d.post("/v1/endpoints/tiny/renew", {"ttl": "5h"}).status_code == 200
    renewed = lease_of(d)
    assert renewed["ttl"] == "5h"
    deployed(d, second_model)
    assert lease_of(d)["expires_at"] == renewed["expires_at"] and lease_of(d)["ttl"] == "5h"
    job = d.post("/v1/endpoints/tiny/rollback").json()
    assert d.wait_end(job["id"])["state"] == "succeeded"
    assert lease_of(d)["expires_at"] == renewed["expires_at"]
    job = d.wait_end(d.submit_job(spec(second_model, lease={"ttl": "9h"}))["id"])
    assert job["state"] == "succeeded"  # a longer one of the spec counts
    longer = lease_of(d)
    assert longer["ttl"] == "9h" and longer["expires_at"] > renewed["expires_at"]
    deployed(d, tiny_model)  # nobody renewed that: the spec's own begins anew
    assert lease_of(d)["ttl"] == "1h" and lease_of(d)["expires_at"] < longer["expires_at"]


def test_there_and_back(fresh, tiny_model, second_model):
    d = fresh()
    deployed(d, tiny_model)
    refused = problem(d.post("/v1/endpoints/tiny/rollback"), 409, "conflict")
    assert "has not been updated" in refused["detail"]
    deployed(d, second_model)
    for labels in (("neg", "pos"), ("sad", "glad")):
        answer = d.post("/v1/endpoints/tiny/rollback")
        assert answer.status_code == 201, answer.text
        job = d.wait_end(answer.json()["id"])
        assert (job["name"], job["state"]) == ("rollback", "succeeded"), job["reason"]
        assert label(d) in labels
    one_server(d)
    problem(d.post("/v1/endpoints/nobody/rollback"), 404, "not_found")


def test_a_model_that_is_gone_cannot_come_back(fresh, tiny_model, second_model, tmp_path):
    d = fresh()
    shutil.copytree(tiny_model, tmp_path / "model")
    deployed(d, tmp_path / "model")
    deployed(d, second_model)
    shutil.rmtree(tmp_path / "model")
    refused = problem(d.post("/v1/endpoints/tiny/rollback"), 422, "invalid_spec")
    assert refused["errors"][0]["pointer"] == "/model" and str(tmp_path) in refused["detail"]
    assert label(d) in ("sad", "glad")


def test_a_torn_model_changes_nothing(fresh, tiny_model, second_model, tmp_path):
    d = fresh()
    deployed(d, tiny_model)
    torn = tmp_path / "torn"
    shutil.copytree(second_model, torn)
    job = d.submit_job({**spec(torn), "held": True})["id"]
    os.truncate(torn / "model.safetensors", 1000)
    d.post(f"/v1/jobs/{job}/release")
    job = d.wait_end(job)
    assert (job["state"], job["reason"]["code"]) == ("failed", "data_corrupt"), job["reason"]
    item = d.get("/v1/endpoints/tiny")
    assert item["state"] == "in_service" and item["reason"]["code"] == "data_corrupt"
    assert label(d) in ("neg", "pos")
    one_server(d)


def test_the_command_line_goes_back(fresh, tiny_model, second_model):
    d = fresh()
    deployed(d, tiny_model)

    def endpoint(*words):
        return subprocess.run(
            [BUILD / "cli/trainyard", "endpoint", *words], capture_output=True, text=True,
            env={**os.environ, "TRAINYARD_URL": d.url}, timeout=120, check=False)

    refused = endpoint("rollback", "tiny")
    assert refused.returncode == 1 and "has no earlier model" in refused.stderr
    deployed(d, second_model)
    done = endpoint("rollback", "tiny", "--wait")
    assert done.returncode == 0, done.stderr
    assert f"rolls the endpoint back to {tiny_model}" in done.stdout
    assert label(d) in ("neg", "pos")


def test_kill_9_at_any_moment(fresh, tiny_model, second_model):
    """Whatever the daemon was doing: the update goes on, the newest model answers, once."""
    d = fresh()
    deployed(d, tiny_model)
    moments = random.Random(4)
    for i in range(KILLS):
        job = d.submit_job(spec((second_model, tiny_model)[i % 2]))["id"]
        time.sleep(moments.random() * 1.2)
        d.kill()
        d.start()
        ended = d.wait_end(job)
        assert ended["state"] == "succeeded", ended["reason"]
        assert label(d) in (("sad", "glad"), ("neg", "pos"))[i % 2]
        one_server(d)
    assert d.ask("DELETE", "/v1/endpoints/tiny").status_code == 202
    wait_for("its end", lambda: d.get("/v1/endpoints/tiny")["state"] == "deleted")
    wait_for("the end of all servers", lambda: not processes_below(d.data))
