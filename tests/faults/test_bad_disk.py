# SPDX-License-Identifier: MIT
"""The disk with the database fails (tests/fakes/bad_disk.c): the daemon answers an error, syncs
nothing more, ends with an error, and the next start checks the database before anything else."""
import os
import sqlite3
from pathlib import Path

import pytest
import requests
from trainyardd import BUILD, DEADLINE_S, Daemon

HERE = Path(__file__).parent
DATABASE = "trainyard.db"


def held(n=1):
    return [{"name": f"job{i}", "kind": "script", "entry_point": "train.py", "held": True,
             "source_dir": str(HERE / "script")} for i in range(n)]


@pytest.fixture
def disk(tmp_path):
    """disk(call, file): a daemon on a disk whose `call` of that file fails after disk.fails()."""
    class Disk:
        log, switch = tmp_path / "log", tmp_path / "fails"

        def __call__(self, call, file):
            library = BUILD / "tests/fakes/libbad_disk.so"
            assert library.exists()
            self.daemon = Daemon(tmp_path, environment={
                "LD_PRELOAD": library, "BAD_DISK_CALL": call, "BAD_DISK_FILE": f"/{file}",
                "BAD_DISK_LOG": str(self.log), "BAD_DISK_IF": str(self.switch),
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
            return self.daemon.start()

        def ends(self):
            assert self.daemon.process.wait(DEADLINE_S) == 1
            self.daemon.process.stdout.close()
            self.daemon.process = None
            assert "event=database_broken" in self.daemon.log_tail()

        def again(self):
            """Start on a whole disk."""
            self.switch.unlink()
            for name in [name for name in self.daemon.environment if "BAD_DISK" in name]:
                del self.daemon.environment[name]
            del self.daemon.environment["LD_PRELOAD"]
            return self.daemon.start()

    made = Disk()
    yield made
    made.daemon.clean_up()


@pytest.mark.parametrize("call", ["fdatasync", "pwrite"])
def test_a_commit_that_the_disk_does_not_take(disk, call):
    d = disk(call, f"{DATABASE}-wal")
    before = d.submit(held(), "before")["id"]
    disk.switch.touch()
    answer = d.ask("POST", "/v1/runs", {"name": "unknown", "jobs": held()})
    assert answer.status_code == 503, answer.text
    assert "not known whether this was stored" in answer.json()["detail"]
    disk.ends()
    lines = disk.log.read_text().splitlines()
    assert lines and lines[0].startswith("failed") and not any(
        line.startswith("synced") for line in lines)
    assert lines.count(lines[0]) == 1, lines  # it was not tried again
    assert (d.data / "trainyard.check").exists()
    d = disk.again()
    assert not (d.data / "trainyard.check").exists()
    assert d.get(f"/v1/runs/{before}")["name"] == "before"
    names = [run["name"] for run in d.get("/v1/runs")["items"]]
    assert names in (["before"], ["unknown", "before"]) and d.submit(held())["id"]


def test_a_checkpoint_that_the_disk_does_not_take(disk):
    d = disk("fdatasync", DATABASE)
    disk.switch.touch()
    acknowledged = []
    with pytest.raises(requests.ConnectionError):
        while len(acknowledged) < 1000:
            answer = d.ask("POST", "/v1/runs", {"name": "kept", "jobs": held(100)})
            if answer.status_code != 201:
                break
            acknowledged.append(answer.json()["id"])
        d.process.wait(DEADLINE_S)
        d.get("/v1/runs")
    disk.ends()
    lines = disk.log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["failed"], lines
    d = disk.again()  # what was acknowledged is in the log
    assert acknowledged and all(d.get(f"/v1/runs/{run}") for run in acknowledged)


def test_a_database_that_is_damaged_after_that_is_refused(disk):
    d = disk("fdatasync", f"{DATABASE}-wal")
    for _ in range(30):
        d.submit(held())
    d.stop()
    d.start()
    disk.switch.touch()
    d.ask("POST", "/v1/runs", {"name": "lost", "jobs": held()})
    disk.ends()
    path = d.data / DATABASE
    for end in ("-wal", "-shm"):
        path.with_name(DATABASE + end).unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'job_specs'").fetchone()
        page, = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * page + 1:(root - 1) * page + 64] = b"\xee" * 63
    path.write_bytes(data)
    with pytest.raises(AssertionError, match="damaged"):
        disk.again()
    assert (d.data / "trainyard.check").exists()
