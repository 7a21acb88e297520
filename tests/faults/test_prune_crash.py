# SPDX-License-Identifier: MIT
"""The daemon is killed at each named point of a prune (README.md), and around its commits: the next
one goes on. What was acknowledged has happened, the log's end stays, nothing is left in the trash,
and what is not pruned keeps all of its files."""
import os
import re
import signal
import sqlite3
from pathlib import Path

import pytest
import requests
from trainyardd import ROOT, Daemon, wait_for

HERE = Path(__file__).parent
BUILD = Path(os.environ.get("TRAINYARD_FAULTS_BUILD", ROOT / "build-faults"))
POINTS = sorted(re.findall(r"`(prune\.[a-z.]+)`", (HERE / "README.md").read_text(encoding="utf-8")))
# Two executions: each point twice, those of the one source once. The first commits are of the
# start, then come those of the intent and of its end.
CASES = [(point, time) for point in POINTS
         for time in ((1,) if ".source." in point else (1, 2))] + [
    (point, time) for point in ("txn.commit.before", "txn.commit.after") for time in (3, 4)]
LINES = 20000
WORDS = "line 0019999\n"

pytestmark = pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                reason="needs a build with -Dfaults=true in build-faults/")

MAKE = f"""\
import os, pathlib
(pathlib.Path(os.environ['SM_MODEL_DIR']) / 'weights').write_bytes(b'w' * 100000)
for i in range({LINES}):
    print(f'line {{i:07d}}')
"""


class Pruned:
    """A run with two jobs, and one that stays."""

    def __init__(self, directory):
        source = directory / "source"
        source.mkdir()
        (source / "make.py").write_text(MAKE, encoding="utf-8")
        (directory / "stays").mkdir()
        (directory / "stays/make.py").write_text(MAKE + "# other\n", encoding="utf-8")
        self.daemon = Daemon(directory, "cpu_slots = 2\n", build=BUILD).start()
        jobs = [{"name": name, "kind": "script", "entry_point": "make.py",
                 "source_dir": str(source)} for name in ("one", "two")]
        self.run = self.daemon.submit(jobs, "goes")
        self.other = self.daemon.submit(
            [jobs[0] | {"source_dir": str(directory / "stays")}], "stays")
        for run in (self.run, self.other):
            assert self.daemon.wait_run(run["id"])["state"] == "succeeded"
        self.daemon.stop()

    def sql(self, text):
        with sqlite3.connect(f"file:{self.daemon.data}/trainyard.db?mode=ro", uri=True) as db:
            return db.execute(text).fetchall()

    def crash(self, point, rows):
        """True if the daemon acknowledged the prune before it died."""
        self.daemon.environment["TRAINYARD_FAULT"] = point
        self.daemon.start()
        try:
            answer = self.daemon.ask("DELETE", f"/v1/runs/{self.run['id']}",
                                     params={"rows": str(rows).lower()})
            acknowledged = answer.status_code == 200
        except requests.ConnectionError:
            acknowledged = False
        wait_for("the crash", lambda: self.daemon.process.poll() is not None)
        assert self.daemon.end(signal.SIGKILL) == -signal.SIGKILL
        del self.daemon.environment["TRAINYARD_FAULT"]
        return acknowledged

    def folders(self):
        names = {p.name for p in (self.daemon.data / "executions").iterdir()}
        return names - {".trash"}

    def sources(self):
        return {p.name for p in (self.daemon.data / "sources").iterdir()}

    def source_of(self, run):
        [(path,)] = self.sql("SELECT DISTINCT json_extract(s.spec, '$.source_dir') FROM jobs j "
                             f"JOIN job_specs s ON s.n = j.n WHERE j.run = '{run['id']}'")
        return path.rsplit("/", 1)[1]

    def trash(self):
        trash = self.daemon.data / "executions/.trash"
        return [p.name for p in trash.iterdir()] if trash.exists() else []


@pytest.mark.parametrize("rows", [False, True], ids=["files", "rows"])
@pytest.mark.parametrize("point, time", CASES)
def test_a_prune_goes_on(tmp_path, point, time, rows):
    pruned = Pruned(tmp_path)
    daemon, run = pruned.daemon, pruned.run["id"]
    every, sources = pruned.folders(), pruned.sources()
    goes, kept = pruned.source_of(pruned.run), pruned.source_of(pruned.other)
    assert sources == {goes, kept}
    [stays] = [row[0] for row in pruned.sql(
        "SELECT x.id FROM executions x JOIN jobs j ON j.id = x.job "
        f"WHERE j.run = '{pruned.other['id']}'")]
    try:
        acknowledged = pruned.crash(f"{point}:{time}", rows)
        begun = pruned.sql(f"SELECT pruned_us > 0 FROM runs WHERE id = '{run}'") != [(0,)]
        assert begun or not acknowledged
        assert begun or point not in POINTS
        daemon.start()
        wait_for("the end of the prune",
                 lambda: not pruned.sql("SELECT 1 FROM prunes") and not pruned.trash() and
                 not pruned.sql("SELECT 1 FROM source_removals"))
        assert pruned.sources() == ({kept} if begun else sources)
        assert (daemon.data / f"executions/{stays}/work/model/weights").stat().st_size == 100000
        if not begun:
            assert pruned.folders() == every
            assert "pruned_at" not in daemon.get(f"/v1/runs/{run}")
        elif rows:
            assert pruned.folders() == {stays}
            assert daemon.ask("GET", f"/v1/runs/{run}").status_code == 404
        else:
            assert pruned.folders() == every
            for job in pruned.run["jobs"]:
                log = daemon.log(job["id"])
                assert log.endswith(WORDS) and 65000 < len(log) <= 65536
                assert daemon.ask("GET", f"/v1/jobs/{job['id']}/artifacts").status_code == 410
        assert pruned.sql("PRAGMA foreign_key_check") == []
    finally:
        daemon.clean_up()
