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
               "TRAINYARD_EXECUTION": "xfake", "TRAINYARD_EXECUTION_DIR": str(self.dir)}
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen([pathlib.Path(build) / "worker/trainyard-worker", kind],
                                            cwd=self.work, env=env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)
        (self.dir / "pid").write_text(str(self.process.pid))

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def stop(self):
        """SIGTERM now, SIGKILL after the grace that the service gives."""
        if self.running():
            self.signal(signal.SIGTERM)
            timer = threading.Timer(GRACE_S, self.signal, (signal.SIGKILL,))
            timer.daemon = True
            timer.start()

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def events(self, kind):
        try:
            lines = (self.work / "events.ndjson").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [e for e in map(json.loads, lines) if e.get("t") == kind]

    def failure(self):
        """What the worker said of its failure, else how it ended."""
        said = self.events("failure")
        if said:
            return said[-1].get("message", "")
        return f"the worker ended with status {self.process.returncode}"


def reap(root):
    """End the workers that a fake before this one left behind when it was killed."""
    for file in pathlib.Path(root).glob("*/x/pid"):
        pid = int(file.read_text() or 0)
        with contextlib.suppress(OSError):
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"TRAINYARD_EXECUTION_DIR={file.parent}".encode() in environment:
                os.killpg(pid, signal.SIGKILL)


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
