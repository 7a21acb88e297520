# SPDX-License-Identifier: MIT
"""The data directory is renamed, replaced or deleted while the daemon runs; its database is
damaged or gone."""
import shutil
import subprocess

from client import problem
from trainyardd import wait_for


def second_daemon(daemon):
    """What another one says that is started on the same path."""
    done = subprocess.run(
        [daemon.build / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf",
         "--data-dir", daemon.data, "--listen", "127.0.0.1:0", "--socket", ""],
        capture_output=True, text=True, timeout=60, env=daemon.environment)
    assert done.returncode == 1
    return done.stderr


def test_renamed_data_directory(fresh, script):
    daemon = fresh()
    held = daemon.submit_job(script("hello.py") | {"held": True})["id"]
    away = daemon.data.rename(daemon.dir / "away")
    assert "renamed" in problem(daemon.ask("GET", "/readyz"), 503, "not_ready")["detail"]
    assert "put it back" in problem(daemon.post("/v1/jobs", script("hello.py")), 503,
                                    "unavailable")["detail"]
    assert not daemon.data.exists()
    daemon.data.mkdir()
    problem(daemon.post("/v1/jobs", script("hello.py")), 503, "unavailable")
    assert "another trainyardd still runs that was started on" in second_daemon(daemon)
    assert daemon.post(f"/v1/jobs/{held}/release").status_code in (200, 202)
    reason = wait_for("the wait", lambda: daemon.get(f"/v1/jobs/{held}")["reason"])
    assert reason["code"] == "waiting_for_room" and "replaced" in reason["message"]
    shutil.rmtree(daemon.data)
    away.rename(daemon.data)
    assert daemon.ask("GET", "/readyz").status_code == 200
    assert daemon.wait_end(held)["state"] == "succeeded"
    assert daemon.wait_end(daemon.submit_job(script("hello.py"))["id"])["state"] == "succeeded"


def test_deleted_database(fresh, script):
    daemon = fresh()
    daemon.wait_end(daemon.submit_job(script("hello.py"))["id"])
    (daemon.data / "trainyard.db").unlink()
    problem(daemon.ask("GET", "/readyz"), 503, "not_ready")
    problem(daemon.post("/v1/jobs", script("hello.py")), 503, "unavailable")
    daemon.stop()
    for name in ("trainyard.db-wal", "trainyard.db-shm"):
        (daemon.data / name).unlink(missing_ok=True)
    said = second_daemon(daemon)
    assert "missing or empty" in said and "restore it from a backup" in said
    assert not (daemon.data / "trainyard.db").exists()


def test_damaged_database_is_reported(fresh, script):
    daemon = fresh()
    for _ in range(30):
        daemon.submit([script("hello.py", f"j{i}") | {"held": True} for i in range(20)])
    wait_for("the check", lambda: daemon.get("/v1/overview")["daemon"]["database"] ==
             {"check": "ok"})
    daemon.stop()
    with open(daemon.data / "trainyard.db", "r+b") as f:
        f.seek(0, 2)
        f.seek(f.tell() // 4096 // 2 * 4096)
        f.write(b"x" * 4096)
    daemon.start()
    found = wait_for("the check", lambda: (lambda item: item["check"] != "running" and item)(
        daemon.get("/v1/overview")["daemon"]["database"]))
    assert found["check"] == "damaged" and "restore a backup" in found["message"]
    assert "event=database_checked result=damaged" in (daemon.dir / "daemon.log").read_text()
