# SPDX-License-Identifier: MIT
"""The real daemon, for tests: started on a directory of its own, killed, started again. Every wait
has a deadline and ends on an event."""
import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from wait import DEADLINE_S, wait_for

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build"))
PYTHON = ROOT / ".venv" / "bin" / "python"
FINAL = {"succeeded", "failed", "cancelled", "skipped"}

# With sanitizers (-Db_sanitize) a daemon is asked to end at the end, so that leaks are found too;
# a report in its log or in that of a worker fails the test in any build.
SANITIZED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ
REPORT = re.compile(rb"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: )[^\n]*")

# No test speaks to a real account: not with the keys of whoever runs it, not with a machine's role.
NO_AWS = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
          "AWS_EC2_METADATA_DISABLED": "true"}

# On a loaded machine a look at data takes long.
PATIENT = {"TRAINYARD_LOCAL_INSPECT_MS": "60000"}


def processes(file):
    """(pid, words) of each process: those of its `cmdline` or `environ`, where they can be read."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), (entry / file).read_bytes().split(b"\0")


def has_shim(directory):
    """True if a shim below `directory` lives: it writes the record of its execution's end."""
    return any(words[0].endswith(b"trainyard-shim") and words[1].startswith(str(directory).encode())
               for _, words in processes("cmdline") if len(words) > 1)


def processes_below(directory):
    """Pids of all processes of executions below `directory`, by their environment."""
    wanted = f"TRAINYARD_EXECUTION_DIR={directory}".encode()
    return [pid for pid, words in processes("environ")
            if any(word.startswith(wanted) for word in words)]


class Daemon:
    """One data directory, and the daemon on it."""

    def __init__(self, directory, config="", environment=None, build=BUILD):
        self.dir = Path(directory)
        self.build = Path(build)
        self.data = self.dir / "data"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.environment |= NO_AWS | PATIENT | (environment or {})
        self.process = None
        self.url = None
        (self.dir / "trainyard.conf").write_text(
            f"[local]\npython = {PYTHON}\nstop_grace_ms = 5000\n{config}", encoding="utf-8")

    def start(self, *, wait=True):
        """Start it; with wait, until it answers."""
        with open(self.dir / "daemon.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.build / "daemon/trainyardd", "--config", self.dir / "trainyard.conf",
                 "--data-dir", self.data, "--listen", "127.0.0.1:0",
                 "--socket", self.dir / "trainyard.sock"],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
                env=self.environment, start_new_session=True, text=True)
        if wait:
            line = self.process.stdout.readline()
            assert line.startswith("listening on "), f"{line!r}\n{self.log_tail()}"
            self.url = line.split()[-1]
        return self

    def log_tail(self):
        return "\n".join((self.dir / "daemon.log").read_text(errors="replace").splitlines()[-20:])

    def end(self, sig):
        """Send `sig` and wait for the end; returns the exit status."""
        self.process.send_signal(sig)
        status = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.process = None
        return status

    def stop(self):
        return self.end(signal.SIGTERM)

    def kill(self):
        return self.end(signal.SIGKILL)

    def ask(self, method, path, body=None, **options):
        return requests.request(method, self.url + path, json=body, timeout=DEADLINE_S, **options)

    def get(self, path, **params):
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, jobs, name="test"):
        """Submit a pipeline; returns the run."""
        answer = self.ask("POST", "/v1/runs", {"name": name, "jobs": jobs})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def job(self, run, name):
        """One job of a run, whole."""
        jobs = {job["name"]: job["id"] for job in self.get(f"/v1/runs/{run}")["jobs"]}
        return self.get(f"/v1/jobs/{jobs[name]}")

    def wait_job(self, run, name, states, deadline_s=DEADLINE_S):
        states = {states} if isinstance(states, str) else set(states)

        def look():
            job = self.job(run, name)
            assert job["state"] in states or job["state"] not in FINAL, json.dumps(job, indent=1)
            return job["state"] in states and job

        return wait_for(f"{name} to be {states}", look, deadline_s)

    def wait_run(self, run, deadline_s=DEADLINE_S):
        """Until the run has ended; returns it."""
        return wait_for(f"the end of {run}", lambda: (lambda item: item["state"] in FINAL and item)(
            self.get(f"/v1/runs/{run}")), deadline_s)

    def log(self, job):
        answer = self.ask("GET", f"/v1/jobs/{job}/logs")
        assert answer.status_code == 200, answer.text
        return answer.text

    def events(self, **filters):
        """All events that the filters let through."""
        found, since = [], 0
        while True:
            page = self.get("/v1/events", since=since, limit=500, **filters)
            found += page["items"]
            if page["next_since"] == since or not page["items"]:
                return found
            since = page["next_since"]

    def assert_no_reports(self):
        """No sanitizer has complained, in the daemon or in what it has started."""
        for log in [self.dir / "daemon.log", *self.data.glob("**/log")]:
            text = log.read_bytes() if log.is_file() else b""
            found = REPORT.search(text)
            assert not found, \
                f"{log}:\n{text[found.start():found.start() + 4000].decode(errors='replace')}"

    def clean_up(self):
        """End the daemon and whatever it has started; nothing else."""
        try:
            if self.process:
                self.stop() if SANITIZED else self.kill()
        finally:
            self.end_processes()
        self.assert_no_reports()

    def end_processes(self):
        def none_left():
            pids = processes_below(self.data)
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not pids and not has_shim(self.data)

        wait_for(f"the end of all processes of {self.data}", none_left)


@contextmanager
def daemon_on(directory, config="", environment=None, build=BUILD):
    daemon = Daemon(directory, config, environment, build)
    try:
        yield daemon.start()
    finally:
        daemon.clean_up()
