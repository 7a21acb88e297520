# SPDX-License-Identifier: MIT
"""Executions with "fetch" and "push" lists, run by the real trainyard-transfer (or the worker
around it) against a service of S3."""
import filecmp
import json
import os
import pathlib
import signal
import subprocess

DEADLINE_S = 60
PART = 8 << 20


class Execution:
    """One execution's directory and the process that works in it."""

    def __init__(self, build, directory, environment, message, program="trainyard-transfer"):
        self.dir = pathlib.Path(directory)
        self.work = self.dir / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        room = program.removeprefix("trainyard-")
        self.program = (pathlib.Path(build) / room / program).resolve()
        self.environment = {**os.environ, "HOME": "/nonexistent", **environment,
                            "TRAINYARD_EXECUTION_DIR": str(self.dir)}
        self.message = {"v": 1, "spec": {}, "kind": "transfer", **message}
        (self.dir / "spec.json").write_text(json.dumps(self.message), encoding="utf-8")
        self.process = None

    def start(self, command, before=None):
        self.process = subprocess.Popen([self.program, command], env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        cwd=self.work, preexec_fn=before)
        return self

    def wait(self):
        """The exit status; negative: the signal."""
        self.output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode

    def run(self, command, before=None):
        return self.start(command, before).wait()

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        return self.wait()

    def events(self, kind=None):
        file = self.work / "events.ndjson"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines]
        return [e for e in found if kind in (None, e["t"])]

    def failure(self):
        """The one failure line; the run must have failed."""
        assert self.process.returncode == 1, self.output
        lines = self.events("failure")
        assert len(lines) == 1, lines
        assert "\n" not in lines[0]["message"] and lines[0]["message"]
        return lines[0]

    def results(self):
        return json.loads((self.work / "transfers.json").read_text(encoding="utf-8"))


class Transfers:
    """Makes executions; all share one cache."""

    def __init__(self, build, directory, environment):
        self.build, self.dir = build, pathlib.Path(directory)
        self.environment = environment
        self.count = 0

    def execution(self, environment=None, program="trainyard-transfer", **message):
        self.count += 1
        message.setdefault("cache_dir", str(self.dir / "cache"))
        return Execution(self.build, self.dir / f"x{self.count}",
                         {**self.environment, **(environment or {})}, message, program)

    def push(self, source, to, form="tree", **more):
        """An execution that pushes one thing."""
        return self.execution(push=[{"pointer": "/out", "from": str(source), "to": to,
                                     "form": form, **more}])

    def fetch(self, source, form="tree", **more):
        return self.execution(fetch=[{"pointer": "/in", "from": source, "form": form, **more}])


def same_tree(a, b):
    """Both hold the same files with the same bytes, and nothing else."""
    a, b = pathlib.Path(a), pathlib.Path(b)
    names = [sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
             for root in (a, b)]
    assert names[0] == names[1]
    _, differing, broken = filecmp.cmpfiles(a, b, names[0], shallow=False)
    assert not differing and not broken
