# SPDX-License-Identifier: MIT
"""The real trainyard-shim on hand-made execution directories: start it as the daemon does, look at
its files and its socket. Every wait has a deadline and ends on an event, never on a pause alone."""
import fcntl
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

from wait import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build"))
SHIM = BUILD / "shim" / "trainyard-shim"
DEADLINE_S = 120


def environ_has(pid, entry):
    try:
        return entry.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


class Execution:
    def __init__(self, directory, argv, *, exec_id="xtest", **fields):
        self.dir = pathlib.Path(directory)
        self.id = exec_id
        (self.dir / "work").mkdir(parents=True, exist_ok=True)
        exec_part = {"argv": argv, "env": {"PATH": os.environ["PATH"], "TMPDIR": str(self.dir)},
                     "cwd": str(self.dir / "work"), "max_runtime_ms": None,
                     "grace_ms": 30000, "log_max_bytes": 1 << 26,
                     "owner": "cgroup", **fields}
        self.write_spec({"v": 1, "execution": exec_id, "exec": exec_part})
        self.process = None

    def write_spec(self, spec):
        (self.dir / "spec.json").write_text(spec if isinstance(spec, str) else json.dumps(spec))

    def start(self, *, lock=True, preexec=None):
        fd = os.open(self.dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        if lock:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

        def child():
            if fd != 3:
                os.dup2(fd, 3)
            os.set_inheritable(3, True)
            if preexec:
                preexec()
        self.process = subprocess.Popen([SHIM, self.dir], stdin=subprocess.DEVNULL, cwd="/",
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        pass_fds=(3,), preexec_fn=child, start_new_session=True,
                                        text=True)
        os.close(fd)
        return self

    def wait(self):
        """The shim's exit status and what it said."""
        said, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, said

    def record(self):
        assert self.wait() == (0, "")
        assert not (self.dir / "exit.json.tmp").exists()
        assert not (self.dir / "control.sock").exists()
        assert not self.alive()
        assert self.members() == []
        return json.loads((self.dir / "exit.json").read_text())

    def alive(self):
        with open(self.dir / "lock", "r+b") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True

    def members(self):
        """Pids of the execution's processes, by their environment."""
        entry = f"TRAINYARD_EXECUTION={self.id}"
        return [int(p) for p in os.listdir("/proc") if p.isdigit() and environ_has(p, entry)]

    def connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = os.open(self.dir, os.O_RDONLY)
        try:
            s.connect(f"/proc/self/fd/{fd}/control.sock")  # waits for room in the queue
        finally:
            os.close(fd)
        s.settimeout(DEADLINE_S)
        return s

    def ask(self, message):
        """One request (an object, or raw bytes) and its reply."""
        with self.connect() as s:
            s.send(message if isinstance(message, bytes) else json.dumps(message).encode())
            return json.loads(s.recv(65536))

    def stop(self, grace_ms=None):
        message = {"v": 1, "op": "stop"}
        if grace_ms is not None:
            message["grace_ms"] = grace_ms
        assert self.ask(message) == {"v": 1, "ok": True}

    def pid(self):
        """The program's, as we see it: in a namespace of processes it sees another."""
        return self.ask({"v": 1, "op": "ping"})["pid"]

    def log(self):
        return (self.dir / "log").read_text()

    def wait_log(self, text):
        """Until a whole line of the log has the text."""
        wait_for(f"{text!r} in the log", lambda: (self.dir / "log").exists()
                 and text in self.log().rpartition("\n")[0])

    def kill_all(self):
        """For the end of a test, whatever happened in it."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for pid in self.members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def python(code, *args):
    return [sys.executable, "-c", code, *args]
