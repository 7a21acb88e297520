# SPDX-License-Identifier: MIT
"""The shipped unit under a real systemd: restart, kill and stop of the service during a script run.
The script's process stays the same one, and the run ends succeeded after one attempt. No client is
refused meanwhile."""
import os
import re
import shutil
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from background import Background
from systemd_box import Box, NoBox
from trainyardd import BUILD, DEADLINE_S, ROOT, Daemon, wait_for

SCRIPT = Path(__file__).with_name("script")
STEPS = 6


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def everybody_may_read(path):
    return all(os.stat(part).st_mode & 0o001 for part in [path, *path.parents])


def write_units(folder, port):
    """The shipped unit, started from the build folder, and its configuration."""
    folder.mkdir()
    text = (ROOT / "systemd/trainyard.service.in").read_text(encoding="utf-8")
    text = text.replace("@bindir@/trainyardd", str(BUILD / "daemon/trainyardd"))
    text = text.replace("/etc/trainyard/", "/etc/systemd/system/")
    (folder / "trainyard.service").write_text(re.sub(r"@\w+@", "/usr", text), encoding="utf-8")
    text = (ROOT / "systemd/trainyard.socket").read_text(encoding="utf-8")
    (folder / "trainyard.socket").write_text(text.replace(":8470", f":{port}"), encoding="utf-8")
    if not everybody_may_read(BUILD):
        drop_in = folder / "trainyard.service.d"
        drop_in.mkdir()
        (drop_in / "user.conf").write_text("[Service]\nUser=root\nGroup=root\n", encoding="utf-8")
    (folder / "trainyard.conf").write_text(
        f"[http]\nlisten = 127.0.0.1:0\n[local]\npython = /usr/bin/python3\n", encoding="utf-8")


class Service(Daemon):
    """The daemon as a service in a box, with the questions of Daemon."""

    def __init__(self, box, port):  # pylint: disable=super-init-not-called
        self.box = box
        self.url = f"http://127.0.0.1:{port}"

    def pid(self):
        return self.box.show("trainyard", "MainPID")

    def is_active(self):
        return self.box.show("trainyard", "ActiveState") == "active"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("box"), free_port()
    write_units(folder / "units", port)
    box = Box(folder, folder / "units")
    try:
        try:
            box.start()
        except NoBox as reason:
            pytest.skip(f"no systemd can be started here: {reason}")
        shutil.copytree(SCRIPT, box.share / "source")
        box.run("systemd-sysusers", str(ROOT / "systemd/trainyard.sysusers"))
        box.run("systemctl", "start", "trainyard")
        yield Service(box, port)
    finally:
        box.stop()


@pytest.fixture(autouse=True)
def no_start_limit(service):
    """Five starts in ten seconds are systemd's limit; the tests together have more."""
    service.box.run("systemctl", "reset-failed", "trainyard")


class Training:
    def __init__(self, service):
        self.service = service
        self.dir = service.box.share / f"run-{len(list(service.box.share.iterdir()))}"
        self.dir.mkdir()
        self.dir.chmod(0o777)
        self.allow(0)
        self.run = service.submit([{
            "name": "train", "kind": "script", "entry_point": "train.py",
            "source_dir": str(service.box.share / "source"),
            "hyperparameters": {"dir": str(self.dir), "steps": STEPS}}])["id"]
        service.wait_job(self.run, "train", "running")
        wait_for("the start of the script", self.pids)

    def allow(self, steps):
        (self.dir / "go.new").write_text(str(steps), encoding="utf-8")
        (self.dir / "go.new").rename(self.dir / "go")

    def pids(self):
        path = self.dir / "starts"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def reach(self, step):
        self.allow(step)
        job = self.service.job(self.run, "train")["id"]
        wait_for(f"step {step}", lambda: f"step={step} " in self.service.log(job))

    def finish(self):
        self.allow(STEPS)
        assert self.service.wait_run(self.run)["state"] == "succeeded"
        job = self.service.job(self.run, "train")
        assert job["attempt"] == 1 and len(self.pids()) == 1
        steps = re.findall(r"^step=(\d+) ", self.service.log(job["id"]), re.MULTILINE)
        assert steps == [str(n) for n in range(1, STEPS + 1)]


def test_restart(service):
    training = Training(service)
    training.reach(2)
    before = service.pid()
    service.box.run("systemctl", "restart", "trainyard")
    assert service.is_active() and service.pid() != before
    training.reach(4)
    training.finish()


class Clients(Background):
    """Two clients, one for each socket. Each asks again and again, on a new connection each time.
    The daemon closes a connection unanswered if it stops before it has read the request. That is no
    refusal."""

    def __init__(self, service):
        port = int(service.url.rsplit(":", 1)[1])
        local = f"/proc/{service.box.init}/root/run/trainyard/trainyard.sock"
        super().__init__(partial(self.ask, 0, socket.AF_INET, ("127.0.0.1", port)),
                         partial(self.ask, 1, socket.AF_UNIX, local))
        self.problems, self.answered = [], [0, 0]

    def ask(self, number, family, address):
        while not self.over.is_set():
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(DEADLINE_S)
                try:
                    client.connect(address)
                except OSError as error:
                    self.problems.append(repr(error))
                    continue
                answer = b""
                with suppress(ConnectionError):
                    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    answer = client.recv(4096)
            if answer and not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")):
                self.problems.append(repr(answer))
            self.answered[number] += answer.startswith(b"HTTP/1.1 200")

    def wait_for_more(self):
        """Until both have got two more answers."""
        before = list(self.answered)
        wait_for("answers", lambda: all(now > was + 1 for was, now in zip(before, self.answered)))


def test_no_client_is_refused_over_restarts(service):
    with Clients(service) as clients:
        clients.wait_for_more()
        for _ in range(2):
            service.box.run("systemctl", "restart", "trainyard")
            clients.wait_for_more()
    assert clients.problems == []


def test_reload(service):
    before = service.pid()
    conf = Path(f"/proc/{service.box.init}/root/etc/systemd/system")
    (conf / "conf.d").mkdir()
    (conf / "conf.d/caps.conf").write_text("[money]\nday_max = 80\n", encoding="utf-8")
    service.box.run("systemctl", "reload", "trainyard")
    wait_for("the new cap", lambda: service.get("/v1/costs")["caps"]["day_usd"] == "80.00")
    assert service.is_active() and service.pid() == before


def test_killed_service_is_started_again(service):
    training = Training(service)
    training.reach(2)
    before = service.pid()
    service.box.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "trainyard")
    wait_for("the new daemon", lambda: service.pid() not in (before, "0") and service.is_active())
    training.reach(4)
    training.finish()


def test_stop_leaves_the_script_and_start_finds_it(service):
    training = Training(service)
    training.reach(2)
    service.box.run("systemctl", "stop", "trainyard")
    assert service.box.show("trainyard", "ActiveState") == "inactive"
    assert service.box.run("kill", "-0", training.pids()[0], check=False).returncode == 0
    training.allow(3)
    service.box.run("systemctl", "start", "trainyard")
    training.reach(4)
    training.finish()
