# SPDX-License-Identifier: MIT
"""The data directory is renamed, replaced or deleted while the daemon runs; its database is
damaged or gone."""
import shutil
import socket
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
    assert "another trainyardd that was started on" in second_daemon(daemon)
    assert daemon.post(f"/v1/jobs/{held}/release").status_code == 200
    reason = wait_for("the wait", lambda: daemon.get(f"/v1/jobs/{held}")["reason"])
    assert reason["code"] == "waiting_for_room" and "replaced" in reason["message"]
    shutil.rmtree(daemon.data)
    away.rename(daemon.data)
    assert daemon.ask("GET", "/readyz").status_code == 200
    assert daemon.wait_end(held)["state"] == "succeeded"
    assert daemon.wait_end(daemon.submit_job(script("hello.py"))["id"])["state"] == "succeeded"


def test_socket_of_a_live_daemon_is_not_taken_over(fresh, tmp_path):
    daemon = fresh()
    path = daemon.dir / "trainyard.sock"
    before = path.stat().st_ino
    other = subprocess.run(
        [daemon.build / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf",
         "--data-dir", tmp_path / "other", "--listen", "127.0.0.1:0", "--socket", path],
        capture_output=True, text=True, timeout=60, env=daemon.environment)
    assert other.returncode == 1 and str(path) in other.stderr, other.stderr
    assert path.stat().st_ino == before
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")


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
    path = daemon.data / "trainyard.db"
    pages = bytearray(path.read_bytes())
    # A leaf of the table of specs: lists and the start do not read it.
    at = next(n for n in range(0, len(pages), 4096)
              if pages[n] == 0x0d and pages[n:n + 4096].count(b'"entry_point"') >= 3)
    pages[at:at + 4096] = b"x" * 4096
    path.write_bytes(pages)
    daemon.start()
    found = wait_for("the check", lambda: (lambda item: item["check"] != "running" and item)(
        daemon.get("/v1/overview")["daemon"]["database"]))
    assert found["check"] == "damaged" and "restore a backup" in found["message"]
    assert "event=database_checked result=damaged" in (daemon.dir / "daemon.log").read_text()
    daemon.kill()  # what cannot be read cannot be cancelled
