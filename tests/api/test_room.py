# SPDX-License-Identifier: MIT
"""No room for anything new, over HTTP: the statuses and codes of a full disk."""
from client import problem

HUGE = "disk_free_min_bytes = 1024TiB\n"  # no disk has that much free


def test_full_disk_refuses_a_submit_with_507(fresh, script):
    daemon = fresh(HUGE)
    for path, body in (("/v1/jobs", script("hello.py")),
                       ("/v1/runs", {"jobs": [script("hello.py")]})):
        body = problem(daemon.post(path, body), 507, "disk_full")
        assert "local.disk_free_min_bytes" in body["detail"]
    assert daemon.get("/v1/runs")["items"] == []
    assert not (daemon.data / "sources").exists()
    assert daemon.post("/v1/validate", script("hello.py")).json()["valid"] is True


def test_queued_job_waits_for_disk(fresh, script):
    daemon = fresh()
    job = daemon.submit_job(script("hello.py") | {"held": True})["id"]
    daemon.stop()
    config = daemon.dir / "trainyard.conf"
    was = config.read_text()
    config.write_text(was + HUGE)
    daemon.start()
    assert daemon.post(f"/v1/jobs/{job}/release").status_code == 200
    waiting = daemon.wait(f"/v1/jobs/{job}", lambda item: item["reason"] and
                          item["reason"]["code"] == "waiting_for_room", "the wait")
    assert waiting["state"] == "queued" and waiting["attempt"] == 0
    assert daemon.get(f"/v1/jobs/{job}/explain")["reason"]["code"] == "waiting_for_room"
    daemon.stop()
    config.write_text(was)
    daemon.start()
    ended = daemon.wait_end(job)
    assert (ended["state"], ended["attempt"], ended["reason"]) == ("succeeded", 1, None)
