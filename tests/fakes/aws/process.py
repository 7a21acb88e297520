# SPDX-License-Identifier: MIT
"""An execution directory (wire/README.md) and our native worker in it, for --worker."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import checks

GRACE_S = 120


class Worker:
    """`trainyard-worker KIND` in DIR, with its log in DIR/log."""

    def __init__(self, build, directory, kind, name, spec, resume=None):
        self.dir = pathlib.Path(directory)
        self.work = self.dir / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        message = {"v": 1, "execution": "xfake", "job": name, "run": "rfake", "attempt": 1,
                   "kind": kind, "name": name, "spec": spec, "resume": resume,
                   "resources": {"cpus": os.cpu_count() or 1, "devices": []}}
        (self.dir / "spec.json").write_text(json.dumps(message))
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.dir),
               "TMPDIR": str(self.dir),
               "TRAINYARD_EXECUTION": "xfake", "TRAINYARD_EXECUTION_DIR": str(self.dir)}
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen([pathlib.Path(build) / "worker/trainyard-worker", kind],
                                            cwd=self.work, env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """SIGTERM now, SIGKILL after the grace that the service gives."""
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            timer = threading.Timer(GRACE_S, kill_all, (self.dir,))
            timer.daemon = True
            timer.start()

    def kill(self):
        kill_all(self.dir)
        self.process.wait()

    def lines_of_events(self):
        """The whole lines of its event file."""
        try:
            return (self.work / "events.ndjson").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []

    def events(self, kind):
        return [e for e in map(json.loads, self.lines_of_events()) if e.get("t") == kind]

    def failure(self):
        """What the worker said of its failure, else how it ended."""
        said = self.events("failure")
        if said:
            return said[-1].get("message", "")
        return f"the worker ended with status {self.process.returncode}"


def kill_all(directory):
    """End the worker of an execution directory and what it started: a script has a group of its
    own, but the same environment."""
    mark = f"TRAINYARD_EXECUTION_DIR={directory}".encode()
    for file in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if any(v == mark or v.startswith(mark + b"/") for v in file.read_bytes().split(b"\0")):
                os.kill(int(file.parent.name), signal.SIGKILL)


def reap(root):
    """End the workers that a fake before this one left behind when it was killed."""
    for directory in pathlib.Path(root).glob("*/x"):
        kill_all(directory)


def fetch(app, uri, to, prefix):
    """Objects below `uri`, as SageMaker lays them into a channel."""
    bucket, start = checks.bucket_key(uri)
    os.makedirs(to, exist_ok=True)
    with app.state.lock:
        keys = app.s3.keys(bucket, start) if prefix else [start]
    folder = start.rstrip("/") + "/" if start else ""
    for key in keys:
        if key.endswith("/"):
            continue
        if key.startswith(folder):
            name = key[len(folder):]
        else:
            name = key[start.rfind("/") + 1:]
        path = pathlib.Path(to, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(app.s3.get_bytes(bucket, key))
