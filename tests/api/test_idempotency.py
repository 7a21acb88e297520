# SPDX-License-Identifier: MIT
"""Idempotency-Key: what a repeated request asks for happens once, also over a kill, at the same
time, and at the limits of a key."""
import sqlite3
import threading
import uuid

import pytest

from client import short_lived


def post(daemon, path, body, key, **more):
    return daemon.ask("POST", path, body, headers={"Idempotency-Key": key, **more})


def test_a_repeated_submit_makes_one_run(daemon, script):
    key, body = str(uuid.uuid4()), {"name": "once", "jobs": [{**script("hello.py"), "held": True}]}
    first = post(daemon, "/v1/runs", body, key)
    again = post(daemon, "/v1/runs", body, key)
    assert first.status_code == again.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json() == first.json() == daemon.get(f"/v1/runs/{first.json()['id']}")
    other = post(daemon, "/v1/runs", body, str(uuid.uuid4()))
    assert other.json()["id"] != first.json()["id"]


def test_a_repeated_submit_of_a_job(daemon, script):
    key, body = str(uuid.uuid4()), {**script("hello.py"), "held": True}
    first = post(daemon, "/v1/jobs", body, key).json()
    again = post(daemon, "/v1/jobs", body, key)
    assert again.json()["id"] == first["id"] == again.headers["Location"].split("/")[-1]


@pytest.mark.parametrize("path,change", [
    ("/v1/runs", {"name": "another"}), ("/v1/jobs", {})])
def test_a_key_of_another_request_is_refused(daemon, script, path, change):
    key, body = str(uuid.uuid4()), {"name": "one", "jobs": [{**script("hello.py"), "held": True}]}
    assert post(daemon, "/v1/runs", body, key).status_code == 201
    before = daemon.get("/v1/runs", limit=500)["items"]
    other = {**body, **change} if change else body["jobs"][0]
    answer = post(daemon, path, other, key)
    assert answer.status_code == 422 and answer.json()["type"].endswith("idempotency_key_reused")
    assert key in answer.json()["detail"]
    assert daemon.get("/v1/runs", limit=500)["items"] == before


def test_a_retry_happens_once(daemon, script):
    run = daemon.submit([script("exit3.py")])
    daemon.wait_run(run["id"])
    job, key = run["jobs"][0]["id"], str(uuid.uuid4())
    for _ in range(3):
        assert post(daemon, f"/v1/jobs/{job}/retry", None, key).status_code == 200
        daemon.wait_run(run["id"])
    assert daemon.get(f"/v1/jobs/{job}")["attempt"] == 2


def test_a_refused_request_leaves_its_key_free(daemon, script):
    key = str(uuid.uuid4())
    assert post(daemon, "/v1/jobs", {"kind": "none"}, key).status_code == 422
    body = {**script("hello.py"), "held": True}
    assert post(daemon, "/v1/jobs", body, key).status_code == 201


@pytest.mark.parametrize("key,status", [
    ("k" * 255, 201), ("k" * 256, 400), ("!~", 201), ("", 400), ("two words", 400),
    ("caf\xe9".encode("latin-1"), 400)])
def test_limits_of_a_key(daemon, script, key, status):
    answer = post(daemon, "/v1/jobs", {**script("hello.py"), "held": True}, key)
    assert answer.status_code == status, answer.text
    if status == 400:
        assert "Idempotency-Key" in answer.json()["detail"]


def test_many_at_once_and_over_a_kill(script):
    """Sixteen clients send one request; the daemon is killed; each sends it again."""
    body = {"name": "once", "jobs": [{**script("hello.py"), "held": True}]}
    with short_lived() as d:
        for number in range(3):
            found = []

            def send(key=f"key-{number}"):
                found.append(post(d, "/v1/runs", body, key).json()["id"])

            threads = [threading.Thread(target=send) for _ in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            d.kill()
            d.start()
            send()
            assert len(found) == 17 and len(set(found)) == 1
        assert len(d.get("/v1/runs")["items"]) == 3


def test_keys_end_after_a_day(script):
    body = {**script("hello.py"), "held": True}
    with short_lived() as d:
        first = post(d, "/v1/jobs", body, "old").json()["id"]
        with sqlite3.connect(d.data / "trainyard.db", timeout=30) as db:
            db.execute("UPDATE repeats SET at_us = at_us - 24 * 3600 * 1000000")
        assert post(d, "/v1/jobs", body, "old").json()["id"] != first
        assert post(d, "/v1/jobs", body, "new").status_code == 201
        with sqlite3.connect(d.data / "trainyard.db") as db:
            assert sorted(db.execute("SELECT key FROM repeats")) == [("new",), ("old",)]
