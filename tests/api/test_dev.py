# SPDX-License-Identifier: MIT
"""tools/dev: a daemon with the fake of AWS in one command; Ctrl-C leaves nothing behind."""
import os
import re
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest
import requests

from trainyardd import BUILD, ROOT, processes_below
from wait import DEADLINE_S, wait_for


class Dev:
    """tools/dev in a session of its own, as in a terminal, and what it says."""

    def __init__(self, tmp_path, *arguments):
        self.process = subprocess.Popen(
            [ROOT / "tools/dev", "--no-build", "--build", BUILD, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also in background
            env={**os.environ, "TMPDIR": str(tmp_path)})
        self.said = {}
        for line in self.process.stdout:
            key, _, value = line.strip().partition(" ")
            self.said[key] = value.strip()
            if key == "Ctrl-C":
                break
        self.url = self.said["daemon"].partition("=")[2]

    def ask(self, method, path, body=None):
        return requests.request(method, self.url + path, json=body, timeout=DEADLINE_S)

    def state(self, run):
        return self.ask("GET", f"/v1/runs/{run}").json()["state"]

    def cli(self, *words):
        done = subprocess.run([BUILD / "cli/trainyard", "--url", self.url, *words], cwd=ROOT,
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def interrupt(self):
        """Ctrl-C in its terminal; its exit status."""
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        return status


@contextmanager
def dev(tmp_path, *arguments):
    made = Dev(tmp_path, *arguments)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.interrupt()


def is_open(url):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", int(re.search(r":(\d+)", url)[1]))) == 0


def test_one_command_and_ctrl_c(tmp_path, script, gate):
    with dev(tmp_path) as world:
        fake = world.said["fake"].split(": ")[0]
        assert "SageMakerMain" in world.cli("roles")
        world.cli("submit", "--wait", "examples/contract/local.json")
        run = world.ask("POST", "/v1/runs",
                        {"name": "r", "jobs": [script("wait.py", gate=gate)]}).json()
        log = f"/v1/jobs/{run['jobs'][0]['id']}/logs"
        wait_for("the job to run", lambda: "started" in world.ask("GET", log).text)
        assert is_open(fake) and processes_below(world.said["data"])
        assert world.interrupt() == 0
        assert not processes_below(world.said["data"]) and not is_open(fake)
    assert not list(tmp_path.glob("ty-dev.*"))


def test_kept_data_and_no_fake(tmp_path, script):
    kept = tmp_path / "kept"
    with dev(tmp_path, "--keep", kept, "--no-fake") as world:
        assert world.said["fake"] == "none"
        assert world.ask("GET", "/v1/roles").status_code == 503
        run = world.ask("POST", "/v1/runs", {"name": "r", "jobs": [script("hello.py")]}).json()
        wait_for("its end", lambda: world.state(run["id"]) == "succeeded")
        assert world.interrupt() == 0
    (kept / "trainyard.conf").write_text("[local]\ncpu_slots = 3\n", encoding="utf-8")
    with dev(tmp_path, "--keep", kept, "--no-fake") as world:
        assert world.state(run["id"]) == "succeeded"
        assert world.interrupt() == 0
    assert (kept / "trainyard.conf").read_text(encoding="utf-8") == "[local]\ncpu_slots = 3\n"


@pytest.mark.parametrize("arguments, status, word", [
    (["--frobnicate"], 2, "unrecognized arguments: --frobnicate"),
    (["--no-build", "--no-fake", "--build", BUILD, "--port", "70000"], 1, "what there is lies in")])
def test_a_start_that_fails_says_so(tmp_path, arguments, status, word):
    done = subprocess.run([ROOT / "tools/dev", *arguments], capture_output=True, text=True,
                          env={**os.environ, "TMPDIR": str(tmp_path)}, timeout=DEADLINE_S,
                          check=False)
    assert done.returncode == status and word in done.stderr
