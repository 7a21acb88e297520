# SPDX-License-Identifier: MIT
"""Each named crash point (README.md), hit for the first, second, … time: the daemon dies there, a
new one takes over, and the promises hold: what was acknowledged is there once, and it runs once."""
import os
import re
import signal
from pathlib import Path

import pytest
import requests
from trainyardd import DEADLINE_S, ROOT, Daemon, processes_below, wait_for

HERE = Path(__file__).parent
BUILD = Path(os.environ.get("TRAINYARD_FAULTS_BUILD", ROOT / "build-faults"))
LISTED = set(re.findall(r"`((?:store|txn|launch|sagemaker|prune|restore)\.[a-z.]+)`",
                        (HERE / "README.md").read_text(encoding="utf-8")))
POINTS = sorted(point for point in LISTED
                if not point.startswith(("sagemaker.", "prune.", "restore.")))
TIMES = [1, 2, 3, 4, 5, 7]
# One run has one launch, and many commits.
CASES = [(point, time) for point in POINTS for time in TIMES
         if time == 1 or not point.startswith("launch.")]
STEPS = 2

pytestmark = pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                reason="needs a build with -Dfaults=true in build-faults/")


def test_each_point_of_the_code_is_listed():
    """The list in README.md is the list in the code."""
    code = set()
    for room in ("daemon", "shim", "storage", "transfer", "wire", "worker"):
        for file in (ROOT / room).rglob("*.c"):
            code |= set(re.findall(r'\bFAULT\("([^"]+)"\)', file.read_text(encoding="utf-8")))
    assert code == LISTED


class Crash:
    def __init__(self, directory, point):
        self.script = directory / "script"
        self.script.mkdir()
        (self.script / "go").write_text(str(STEPS), encoding="utf-8")
        (directory / "daemon").mkdir()
        self.daemon = Daemon(directory / "daemon", build=BUILD)
        self.daemon.environment["TRAINYARD_FAULT"] = point
        self.acknowledged = None

    def submit(self):
        """Submit; the daemon may die before it answers."""
        try:
            self.acknowledged = self.daemon.submit([{
                "name": "train", "kind": "script", "entry_point": "train.py",
                "source_dir": str(HERE / "script"),
                "hyperparameters": {"dir": str(self.script), "steps": STEPS}}], "crash")["id"]
        except requests.ConnectionError:
            pass

    def run_into_it(self):
        """Start, submit, and wait for the death of the daemon or the end of the run."""
        self.daemon.start(wait=False)
        line = self.daemon.process.stdout.readline()
        if line:
            self.daemon.url = line.split()[-1]
            self.submit()
            wait_for("the crash, or the end of the run", self.is_over)
            wait_for("the crash", self.commits)
        return self.daemon.process.wait(DEADLINE_S) is not None

    def commits(self):
        """A fast machine, or a slow one that takes more into each turn, may need fewer for the run:
        further ones, until the crash."""
        try:
            self.daemon.submit([{"name": "more", "kind": "script", "entry_point": "train.py",
                                 "source_dir": str(HERE / "script"), "held": True}], "more")
        except requests.ConnectionError:
            return True
        return self.daemon.process.poll() is not None

    def is_over(self):
        if self.daemon.process.poll() is not None:
            return True
        try:
            runs = self.daemon.get("/v1/runs")["items"]
        except requests.ConnectionError:
            return False
        return self.acknowledged and runs and runs[0]["state"] == "succeeded"

    def starts(self):
        file = self.script / "starts"
        return len(file.read_text(encoding="utf-8").split()) if file.exists() else 0

    def recover(self):
        """A daemon without the crash point on what is left."""
        if self.daemon.process:
            if self.daemon.process.poll() is None:
                self.daemon.kill()
            else:
                assert self.daemon.end(signal.SIGKILL) == -signal.SIGKILL
        del self.daemon.environment["TRAINYARD_FAULT"]
        self.daemon.start()


@pytest.mark.parametrize("point, time", CASES)
def test_promises_hold(tmp_path, point, time):
    crash = Crash(tmp_path, f"{point}:{time}")
    daemon = crash.daemon
    try:
        assert crash.run_into_it(), "the run has not reached the point so many times"
        crash.recover()
        runs = [run for run in daemon.get("/v1/runs")["items"] if run["name"] == "crash"]
        assert len(runs) <= 1
        assert not crash.acknowledged or [run["id"] for run in runs] == [crash.acknowledged]
        for run in runs:
            daemon.wait_run(run["id"])
            job = daemon.job(run["id"], "train")
            assert (job["state"], job["attempt"], crash.starts()) == ("succeeded", 1, 1), job
            steps = re.findall(r"^step=", daemon.log(job["id"]), re.MULTILINE)
            assert len(steps) == STEPS
        assert len(runs) == crash.starts()
        assert not processes_below(daemon.data)
    finally:
        daemon.clean_up()
