# SPDX-License-Identifier: MIT
"""`trainyardd --restore` dies at each of its named points: the old database is in its place, or a
start is refused; another try ends what was begun, and nothing is lost."""
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest
from trainyardd import DEADLINE_S, ROOT, Daemon

BUILD = Path(os.environ.get("TRAINYARD_FAULTS_BUILD", ROOT / "build-faults"))

pytestmark = pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                reason="needs a build with -Dfaults=true in build-faults/")


def restore(daemon, backup, point=None):
    environment = daemon.environment | ({"TRAINYARD_FAULT": point} if point else {})
    return subprocess.run([BUILD / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf",
                           "--data-dir", daemon.data, "--restore", backup],
                          stdin=subprocess.DEVNULL, env=environment, timeout=DEADLINE_S,
                          capture_output=True, text=True, check=False)


def names(daemon):
    return [run["name"] for run in daemon.get("/v1/runs")["items"]]


def held(name):
    return [{"name": name, "kind": "script", "entry_point": "train.py", "held": True,
             "source_dir": str(Path(__file__).parent / "script")}]


@pytest.mark.parametrize("point", ["restore.copied", "restore.aside"])
def test_a_restore_that_dies(tmp_path, point):
    daemon = Daemon(tmp_path, build=BUILD)
    try:
        daemon.start()
        daemon.submit(held("first"), "first")
        backup = daemon.ask("POST", "/v1/backups").json()["path"]
        daemon.submit(held("second"), "second")
        daemon.stop()
        assert restore(daemon, backup, point).returncode == -signal.SIGKILL
        daemon.start(wait=False)
        line = daemon.process.stdout.readline()
        if point == "restore.copied":
            daemon.url = line.split()[-1]
            assert names(daemon) == ["second", "first"]
            assert not daemon.get("/v1/restore")["pending"]
            daemon.stop()
        else:
            assert daemon.process.wait(DEADLINE_S) == 1 and not line
            daemon.process.stdout.close()
            assert "a restore of" in daemon.log_tail() and "interrupted" in daemon.log_tail()
        done = restore(daemon, backup)
        assert done.returncode == 0, done.stderr
        daemon.start()
        assert names(daemon) == ["first"] and daemon.get("/v1/restore")["pending"]
        asides = [path for path in daemon.data.glob("trainyard.db.before-restore-*")
                  if path.name.endswith("Z")]
        runs = []
        for path in asides:
            with sqlite3.connect(f"file:{path}?immutable=1", uri=True) as db:
                runs.append([name for name, in db.execute("SELECT name FROM runs ORDER BY n")])
        assert runs == [["first", "second"]]
        assert not list(daemon.data.glob("*.restoring*"))
    finally:
        daemon.clean_up()
