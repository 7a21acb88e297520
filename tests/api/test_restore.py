# SPDX-License-Identifier: MIT
"""`trainyardd --restore`: which files it takes, what it leaves, and that nothing starts before the
user has confirmed it."""
import hashlib
import os
import pty
import shutil
import signal
import sqlite3
import subprocess

import pytest

from client import check, closed, short_lived, trainyard
from trainyardd import DEADLINE_S, wait_for


def command(daemon, backup, *more, data=None):
    return [daemon.build / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf",
            "--data-dir", data or daemon.data, "--restore", str(backup), *more]


def restore(daemon, backup, *more, data=None):
    """(exit status, what it printed)"""
    done = subprocess.run(command(daemon, backup, *more, data=data), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=daemon.environment, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout


def restored(daemon, backup):
    status, text = restore(daemon, backup)
    assert status == 0, text
    daemon.start()
    return text


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def left(daemon):
    """Databases in the data directory that a restore leaves."""
    return sorted(name for name in os.listdir(daemon.data)
                  if "restor" in name and not name.endswith(("-wal", "-shm")))


def names(path):
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
        return [name for name, in db.execute("SELECT name FROM runs ORDER BY n")]


def test_nothing_starts_before_it_is_confirmed(script):
    with short_lived() as d:
        held = d.submit([{**script("hello.py"), "held": True}], name="held")
        made = d.post("/v1/backups").json()
        schemas = closed(d.get("/openapi.json"))
        assert d.get("/v1/restore") == {"pending": False, "restored_at": None, "from": None,
                                        "unchecked": 0}
        lost = d.submit([script("hello.py")], name="lost")["id"]
        d.wait_run(lost)
        d.stop()
        text = restored(d, made["path"])
        assert "1 run, 1 job not ended" in text and "2 runs, 1 job not ended" in text
        aside, = left(d)
        assert aside.startswith("trainyard.db.before-restore-")
        assert names(d.data / aside) == ["held", "lost"]
        d.stop()
        d.start()  # it is not forgotten
        found = d.get("/v1/restore")
        check(schemas, "Restore", found)
        assert found["pending"] and found["from"] == made["path"] and found["unchecked"] == 0
        assert d.get("/v1/overview")["daemon"]["restore_pending"]
        job = held["jobs"][0]["id"]
        assert d.post(f"/v1/jobs/{job}/release").status_code == 200
        new = d.submit([script("hello.py")], name="new")
        for waits in (job, new["jobs"][0]["id"]):
            reason = d.get(f"/v1/jobs/{waits}/explain")["reason"]
            assert reason["code"] == "held" and "trainyard restore confirm" in reason["message"]
            assert d.get(f"/v1/jobs/{waits}")["state"] == "queued"
        status, text = trainyard(d, "restore")
        assert status == 0 and made["path"] in text and "no job starts" in text
        status, text = trainyard(d, "restore", "confirm")
        assert status == 0 and "jobs start" in text
        for run in (held["id"], new["id"]):
            assert d.wait_run(run)["state"] == "succeeded"
        assert d.post("/v1/restore/confirm").json()["pending"] is False  # nothing to do
        assert trainyard(d, "restore")[1].startswith("No restored database waits")
        d.stop()
        d.start()
        assert not d.get("/v1/restore")["pending"]
        assert not d.get("/v1/overview")["daemon"]["restore_pending"]


def test_a_retry_waits_too(script, tmp_path):
    """A job ran when the backup was made: the restored database learns of its end, and it waits."""
    spec = {**script("wait.py", gate=tmp_path), "retry": {"max": 3, "on": ["shim_lost"]}}
    with short_lived() as d:
        run = d.submit([spec])
        job = d.wait_job(run["id"], "job", "running")["id"]
        made = d.post("/v1/backups").json()
        pid = d.get("/v1/devices")["executions"][0]["pid"]
        d.stop()
        os.kill(pid, signal.SIGKILL)
        restored(d, made["path"])
        wait_for("its retry", lambda: d.get(f"/v1/jobs/{job}")["state"] == "queued")
        assert d.get(f"/v1/jobs/{job}/explain")["reason"]["code"] == "held"
        (tmp_path / "go").touch()
        assert d.post("/v1/restore/confirm").status_code == 200
        assert d.wait_run(run["id"])["state"] == "succeeded"
        assert d.get(f"/v1/jobs/{job}")["attempt"] == 2


def spoiled(path, kind):
    """A file that is no backup."""
    if kind == "text":
        path.write_text("not a database, but long enough to be read as one\n" * 100)
    elif kind == "another program's":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE notes (text)")
    elif kind == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 9999")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-8192])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "missing":
        path.unlink()
    elif kind == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("kind,words", [
    ("text", "not a database"), ("another program's", "of another program"),
    ("newer", "install the newer version"), ("cut", "malformed"), ("empty", "empty database"),
    ("missing", "No such file"), ("a folder", "not a regular file")])
def test_a_file_that_is_no_backup_changes_nothing(daemon_of_one_run, tmp_path, kind, words):
    d, made = daemon_of_one_run
    file = tmp_path / "backup.db"
    if kind == "another program's":
        file.touch()
    else:
        shutil.copy(made, file)
    spoiled(file, kind)
    before = digest(d.data / "trainyard.db")
    status, text = restore(d, file)
    assert status == 1 and words in text and str(file) in text, text
    assert digest(d.data / "trainyard.db") == before and left(d) == []


@pytest.fixture(scope="module")
def daemon_of_one_run():
    """A stopped daemon, and a backup of it."""
    with short_lived() as d:
        made = d.post("/v1/backups").json()["path"]
        d.stop()
        yield d, made


def test_a_running_daemon_is_left_alone(script):
    with short_lived() as d:
        made = d.post("/v1/backups").json()["path"]
        status, text = restore(d, made)
        assert status == 1 and "in use by another trainyardd" in text
        assert d.submit([{**script("hello.py"), "held": True}])["id"] and left(d) == []


def test_no_leaves_everything_as_it_was(daemon_of_one_run):
    d, made = daemon_of_one_run
    before = digest(d.data / "trainyard.db")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command(d, made), stdin=theirs, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, env=d.environment)
    os.close(theirs)
    os.write(ours, b"n\n")
    text, _ = process.communicate(timeout=DEADLINE_S)
    os.close(ours)
    assert process.returncode == 1 and "Go on? [y/N]" in text and "nothing was changed" in text
    assert digest(d.data / "trainyard.db") == before and left(d) == []


def test_in_the_place_of_none_at_another_path(script, tmp_path):
    with short_lived() as d:
        d.submit([{**script("hello.py"), "held": True}], name="moved")
        made = d.post("/v1/backups").json()["path"]
        d.stop()
        other = tmp_path / "other"
        status, text = restore(d, made, "--yes", data=other)
        assert status == 0 and "replaces" not in text, text
        d.data = other
        d.start()
        assert [run["name"] for run in d.get("/v1/runs")["items"]] == ["moved"]
        assert d.get("/v1/restore")["pending"]


def test_a_damaged_database_is_replaced_and_kept(script):
    with short_lived() as d:
        d.submit([{**script("hello.py"), "held": True}], name="whole")
        made = d.post("/v1/backups").json()["path"]
        d.stop()
        for name in ("trainyard.db-wal", "trainyard.db-shm"):
            (d.data / name).unlink(missing_ok=True)
        (d.data / "trainyard.db").write_bytes(b"damaged" * 4096)
        text = restored(d, made)
        assert "it cannot be read" in text
        aside, = left(d)
        assert (d.data / aside).read_bytes().startswith(b"damaged")
        assert [run["name"] for run in d.get("/v1/runs")["items"]] == ["whole"]


@pytest.mark.parametrize("words", [["--adopt", "--restore", "x"], ["--yes"]])
def test_options_that_do_not_belong_together(words, daemon_of_one_run):
    d, _ = daemon_of_one_run
    done = subprocess.run([d.build / "daemon/trainyardd", *words], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and "--restore" in done.stderr


@pytest.mark.parametrize("body,status", [({"force": 1}, 422), ({"forced": True}, 422)])
def test_a_wrong_confirmation(daemon, body, status):
    assert daemon.ask("POST", "/v1/restore/confirm", body).status_code == status
