# SPDX-License-Identifier: MIT
"""Backups of the database: a copy of one moment while runs are submitted, checked; the schedule;
which ones stay; a restore."""
import os
import re
import shutil
import sqlite3
import threading

import pytest

from client import check, closed, short_lived, trainyard
from trainyardd import wait_for

NAME = re.compile(r"trainyard-\d{8}T\d{6}\.\d{3}Z\.db")


def rows(path):
    """{table: rows} of a database file, which SQLite itself finds whole."""
    with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("runs", "jobs", "events")}


def test_a_backup_has_one_moment_of_a_busy_database(script):
    with short_lived() as d:
        stop, acknowledged = threading.Event(), []

        def submit():
            while not stop.is_set():
                acknowledged.append(d.submit([{**script("hello.py"), "held": True}] * 1)["id"])

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            wait_for("some runs", lambda: len(acknowledged) > 20)
            for _ in range(3):
                before = len(acknowledged)
                answer = d.post("/v1/backups")
                after = len(acknowledged) + 1
                assert answer.status_code == 201, answer.text
                made = answer.json()
                assert NAME.fullmatch(made["name"]) and made["path"].endswith(made["name"])
                assert made["bytes"] == os.path.getsize(made["path"]) and made["removed"] == []
                assert os.stat(made["path"]).st_mode & 0o777 == 0o600
                counts = rows(made["path"])
                assert before <= counts["runs"] <= after and counts["runs"] == counts["jobs"]
        finally:
            stop.set()
            thread.join()
        listed = d.get("/v1/backups")
        assert [item["name"] for item in listed["items"]][0] == made["name"]
        assert len(listed["items"]) == 3 and listed["failure"] is None and listed["every"] is None
        schemas = closed(d.get("/openapi.json"))
        check(schemas, "Backup", listed["items"][0])
        folder = d.data / "backups"
        assert sorted(os.listdir(folder)) == sorted(item["name"] for item in listed["items"])
        status, text = trainyard(d, "backup", "list")
        assert status == 0 and made["name"] in text and "made on request only" in text


def test_the_newest_stay_and_other_files_do(tmp_path):
    other = [tmp_path / name for name in ("trainyard.db", "trainyard-20260101T000000.000Z.db.txt",
                                          "trainyard-20261399T000000.000Z.db", "notes")]
    for path in other:
        path.write_text("mine")
    (tmp_path / "trainyard-20260101T000000.000Z.db.tmp").write_text("never finished")
    with short_lived(f"[backup]\ndir = {tmp_path}\nkeep = 2\n") as d:
        made = [d.post("/v1/backups").json() for _ in range(4)]
        assert [item["removed"] for item in made] == [[], [], [made[0]["name"]], [made[1]["name"]]]
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
            [made[2]["name"], made[3]["name"], *(p.name for p in other)])
        status, text = trainyard(d, "backup")
        assert status == 0 and "checked" in text and "does not have models" in text


def test_the_one_just_made_stays_although_the_clock_was_set_back(tmp_path):
    later = [f"trainyard-20990{month}01T000000.000Z.db" for month in (1, 2, 3)]
    for name in later:
        (tmp_path / name).write_text("made before the clock was set back")
    with short_lived(f"[backup]\ndir = {tmp_path}\nkeep = 2\n") as d:
        made = d.post("/v1/backups").json()
        assert sorted(made["removed"]) == later[:2]
        assert sorted(os.listdir(tmp_path)) == [made["name"], later[2]]


def test_the_schedule_goes_by_the_newest_backup(tmp_path):
    with short_lived(f"[backup]\ndir = {tmp_path}\nevery = 1h\n") as d:
        wait_for("the first backup", lambda: d.get("/v1/backups")["items"])
        d.stop()
        d.start()
        assert d.get("/v1/backups")["every"] == "1h"
        wait_for("a tick after the start", lambda: d.get("/readyz") is not None)
        assert len(d.get("/v1/backups")["items"]) == 1


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with short_lived(f"[backup]\ndir = {tmp_path}/unmounted\nevery = 1h\n") as d:
        status, text = trainyard(d, "backup")
        assert status == 1 and "backup.dir" in text and "mount its disk" in text
        assert not (tmp_path / "unmounted").exists()
        assert "event=backup_failed" in (d.dir / "daemon.log").read_text()


def test_a_damaged_database_gives_no_backup_and_removes_none(tmp_path, script):
    with short_lived(f"[backup]\ndir = {tmp_path}\nkeep = 1\n") as d:
        good = d.post("/v1/backups").json()["name"]
        for _ in range(50):
            d.submit([{**script("hello.py"), "held": True}])
        d.stop()
        path = d.data / "trainyard.db"
        with sqlite3.connect(path) as db:  # a page that the start does not read
            root, = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'job_specs'"
                               ).fetchone()
            page, = db.execute("PRAGMA page_size").fetchone()
        data = bytearray(path.read_bytes())
        data[(root - 1) * page + 1:(root - 1) * page + 64] = b"\xee" * 63
        path.write_bytes(data)
        d.start()
        answer = d.post("/v1/backups")
        assert answer.status_code == 500, answer.text
        assert os.listdir(tmp_path) == [good]
        failure = d.get("/v1/backups")["failure"]
        assert "damaged" in failure or "malformed" in failure
        d.kill()
        shutil.rmtree(d.data)


def test_a_restored_backup_has_what_it_had(script):
    with short_lived() as d:
        kept = d.submit([{**script("hello.py"), "held": True}], name="kept")["id"]
        made = d.post("/v1/backups").json()
        lost = d.submit([{**script("hello.py"), "held": True}], name="lost")["id"]
        d.stop()
        for name in ("trainyard.db-wal", "trainyard.db-shm"):
            (d.data / name).unlink(missing_ok=True)
        shutil.copy(made["path"], d.data / "trainyard.db")
        d.start()
        assert d.get(f"/v1/runs/{kept}")["name"] == "kept"
        assert d.ask("GET", f"/v1/runs/{lost}").status_code == 404
        found = d.get("/v1/restore")  # it was copied by hand, and is found all the same
        assert found["pending"] and found["from"] is None


@pytest.mark.parametrize("method,status", [("PUT", 405), ("DELETE", 405)])
def test_other_methods_are_refused(daemon, method, status):
    assert daemon.ask(method, "/v1/backups").status_code == status
