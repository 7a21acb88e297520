# SPDX-License-Identifier: MIT
"""A real systemd as the first process of a box of namespaces (box.sh). Needs root, systemd, overlay
mounts and a cgroup2 hierarchy; says which of them is missing."""
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from wait import wait_for

HERE = Path(__file__).parent
START_S = 120


class NoBox(Exception):
    """The box cannot be had on this machine; the text says why."""


def cgroup2_root():
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            left, right = line.split(" - ")
            if right.startswith("cgroup2 "):
                return Path(left.split()[4])
    raise NoBox("no cgroup2 hierarchy is mounted")


class Box:
    def __init__(self, directory, units):
        """directory: a scratch folder; units: a folder with the unit files of the box."""
        self.share = Path(directory, "share")
        self.share.mkdir()
        self.share.chmod(0o777)
        self.scratch = Path(directory, "scratch")
        self.scratch.mkdir()
        self.units = units
        self.console = Path(directory, "console")
        self.cgroup = None
        self.outer = None
        self.init = None

    def start(self):
        if os.geteuid() != 0:
            raise NoBox("it needs root")
        if not Path("/lib/systemd/systemd").exists() or not shutil.which("unshare"):
            raise NoBox("systemd or unshare is not installed")
        self.cgroup = cgroup2_root() / f"trainyard-test-{os.getpid()}"
        try:
            self.cgroup.mkdir()
        except OSError as error:
            raise NoBox(f"no cgroup can be made: {error}") from error
        with open(self.console, "wb") as console:
            self.outer = subprocess.Popen(
                ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"', "sh", self.cgroup,
                 "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--ipc", "--uts",
                 "--cgroup", "--fork", "--kill-child", HERE / "box.sh", self.scratch, self.share,
                 self.units],
                stdout=console, stderr=console, stdin=subprocess.DEVNULL)
        with contextlib.suppress(AssertionError):
            wait_for("systemd", lambda: self.outer.poll() is not None or self.is_running(), START_S)
            if self.outer.poll() is None:
                return self
        said = self.console.read_text(errors="replace").strip().splitlines()
        raise NoBox(f"systemd did not start: {said[-1] if said else 'it said nothing'}")

    def is_running(self):
        pid = self.outer.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            return False
        self.init = children[0]
        if Path(f"/proc/{self.init}/comm").read_text().strip() != "systemd":
            return False
        done = self.run("systemctl", "is-active", "box.target", check=False)
        return done.stdout.strip() == "active"

    def run(self, *command, check=True):
        """A command inside; fails with what it said."""
        done = subprocess.run(["nsenter", "-t", self.init, "-m", "-p", "-i", "-u", "-C", "-r", "-w",
                               *command], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit, key):
        return self.run("systemctl", "show", "-P", key, unit).stdout.strip()

    def stop(self):
        """Ends everything inside; the kernel does, when the first process dies."""
        if self.outer:
            self.outer.kill()
            self.outer.wait()
        if self.cgroup and self.cgroup.exists():
            events = self.cgroup / "cgroup.events"
            wait_for("the end of all in the box",
                     lambda: "populated 1" not in events.read_text(), START_S)
            for folder in sorted(self.cgroup.glob("**/"), key=lambda path: -len(path.parts)):
                folder.rmdir()
