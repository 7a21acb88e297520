# SPDX-License-Identifier: MIT
"""Runs `trainyard-worker COMMAND` in an execution directory made by hand."""
import json
import os
import pathlib
import subprocess

from texts import BUILD


class Execution:
    """DIR/spec.json, DIR/work, and after run(): status, events, stderr."""

    def __init__(self, root, kind, spec, cpus=2, resume=None):
        self.dir = pathlib.Path(root)
        self.work = self.dir / "work"
        self.kind = kind
        self.work.mkdir(parents=True)
        (self.dir / "spec.json").write_text(json.dumps({
            "v": 1, "execution": "x1", "job": "j1", "run": "r1", "attempt": 1, "kind": kind,
            "name": kind, "spec": spec, "resources": {"cpus": cpus, "devices": []},
            "resume": resume and str(resume)}))

    def start(self, env=None, **popen):
        more = env or {}
        env = {"PATH": os.environ["PATH"], "TMPDIR": str(self.dir), "TRAINYARD_EXECUTION": "x1",
               "TRAINYARD_EXECUTION_DIR": str(self.dir), **more}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        return subprocess.Popen([BUILD / "worker/trainyard-worker", self.kind], cwd=self.work,
                                env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **popen)

    def run(self, **popen):
        process = self.start(**popen)
        self.stdout, self.stderr = process.communicate(timeout=300)
        self.status = process.returncode
        return self

    @property
    def events(self):
        return [json.loads(line) for line in
                (self.work / "events.ndjson").read_text().splitlines()]

    def of_type(self, t):
        return [e for e in self.events if e["t"] == t]

    @property
    def result(self):
        assert self.status == 0, self.stderr
        return self.of_type("result")[0]["values"]

    @property
    def failure(self):
        assert self.status == 1, self.stdout + self.stderr
        [failure] = self.of_type("failure")
        return failure
