# SPDX-License-Identifier: MIT
"""A stop between the commit of an execution and its start: the manager waits at each launch point
while a cancel or SIGTERM comes. kill -9 there is in test_crash_points.py."""
import os
import signal
import threading

import pytest
from test_crash_points import BUILD, HERE, POINTS
from trainyardd import Daemon, processes_below, wait_for

STEPS = 2
LAUNCH = [point for point in POINTS if point.startswith("launch.")]

pytestmark = pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                reason="needs a build with -Dfaults=true in build-faults/")


class Held:
    """A daemon whose manager waits at `point` with the run's only job."""

    def __init__(self, directory, point):
        self.script = directory / "script"
        self.script.mkdir()
        self.allow(0)
        (directory / "daemon").mkdir()
        self.pipe = directory / "pipe"
        os.mkfifo(self.pipe)
        self.daemon = Daemon(directory / "daemon", build=BUILD)
        self.daemon.environment |= {"TRAINYARD_FAULT": point,
                                    "TRAINYARD_FAULT_HOLD": str(self.pipe)}
        self.daemon.start()
        self.run = self.daemon.submit([{
            "name": "train", "kind": "script", "entry_point": "train.py",
            "source_dir": str(HERE / "script"),
            "hyperparameters": {"dir": str(self.script), "steps": STEPS}}])["id"]
        self.pipe.read_bytes()  # the manager is there

    def release(self):
        self.pipe.write_bytes(b"")

    def again(self):
        """A daemon that is not held."""
        for name in ("TRAINYARD_FAULT", "TRAINYARD_FAULT_HOLD"):
            del self.daemon.environment[name]
        self.daemon.start()

    def allow(self, steps):
        """The script does so many steps."""
        (self.script / "go.new").write_text(str(steps), encoding="utf-8")
        (self.script / "go.new").rename(self.script / "go")

    def starts(self):
        path = self.script / "starts"
        return len(path.read_text(encoding="utf-8").split()) if path.exists() else 0


@pytest.fixture(params=LAUNCH)
def held(tmp_path, request):
    held = Held(tmp_path, request.param)
    yield held
    held.daemon.clean_up()


def test_the_points_are_both():
    assert LAUNCH == ["launch.before", "launch.spawned"]


def test_cancel(held):
    """The cancel waits for the manager; then the job is cancelled, and no process of it lives."""
    daemon = held.daemon
    answers = []
    asked = threading.Thread(target=lambda: answers.append(
        daemon.ask("POST", f"/v1/runs/{held.run}/cancel")))
    asked.start()
    held.release()
    asked.join()
    assert answers[0].status_code == 200, answers[0].text
    assert daemon.wait_run(held.run)["state"] == "cancelled"
    job = daemon.job(held.run, "train")
    assert (job["state"], job["attempt"]) == ("cancelled", 1)
    wait_for("the end of its processes", lambda: not processes_below(daemon.data))
    held.allow(STEPS)
    daemon.stop()
    held.again()
    assert daemon.job(held.run, "train")["state"] == "cancelled"
    assert held.starts() <= 1 and not processes_below(daemon.data)


def test_sigterm(held):
    """The daemon ends; the execution was started by it, or is by the next one, and only once."""
    daemon = held.daemon
    daemon.process.send_signal(signal.SIGTERM)
    held.release()
    assert daemon.end(0) == 0
    held.allow(STEPS)
    held.again()
    daemon.wait_run(held.run)
    job = daemon.job(held.run, "train")
    assert (job["state"], job["attempt"], held.starts()) == ("succeeded", 1, 1), job["reason"]
    assert not processes_below(daemon.data)
