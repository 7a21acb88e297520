# SPDX-License-Identifier: MIT
"""A storm of kill -9 of the daemon while it is given work: what was acknowledged is done, once,
and no process, zombie or cgroup is left. TRAINYARD_STORM_KILLS sets the number of kills."""
import os
import threading
from pathlib import Path

import pytest
import requests
from test_owner import OWNERS, marked, records, skip_unless
from trainyardd import FINAL, daemon_on, wait_for

KILLS = int(os.environ.get("TRAINYARD_STORM_KILLS", "12"))
SUBMITTERS = 3
PER_KILL = 2  # acknowledged submits between two kills, at least

# Each does one thing that daemons die of, and says in a file of its own that it ran.
SCRIPTS = {
    "plain": "",
    "double_fork": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: signal.pause()
    os._exit(0)
os.wait()
""",
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
    "fifos": """
here = pathlib.Path(os.environ["TRAINYARD_EXECUTION_DIR"])
for name in ("work/events.ndjson", "exit.json", "log.gap", "control.sock"):
    with contextlib.suppress(OSError):
        (here / name).unlink()
    with contextlib.suppress(OSError):
        os.mkfifo(here / name)
""",
    "no_environment": """
subprocess.Popen(["env", "-i", "setsid", "sleep", "600"], stdin=subprocess.DEVNULL,
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
""",
}
HEAD = """
import contextlib, os, pathlib, signal, subprocess, sys, uuid
name = sys.argv[sys.argv.index("--name") + 1]
pathlib.Path(%r, name + "." + uuid.uuid4().hex).touch()
"""


class Storm:
    """Threads that submit all the time, whether the daemon is there or not."""

    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.ran = folder / "ran"
        self.ran.mkdir()
        self.code = folder / "code"
        self.code.mkdir()
        for name, text in SCRIPTS.items():
            (self.code / f"{name}.py").write_text(HEAD % str(self.ran) + text)
        self.acknowledged = {}  # name -> run
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.submit, args=(n,)) for n in range(SUBMITTERS)]
        for thread in self.threads:
            thread.start()

    def submit(self, number):
        kinds = list(SCRIPTS)
        count = 0
        while not self.over.is_set():
            name = f"s{number}n{count}"
            count += 1
            job = {"name": name, "kind": "script", "source_dir": str(self.code),
                   "entry_point": kinds[count % len(kinds)] + ".py",
                   "hyperparameters": {"name": name}}
            try:
                answer = requests.post(self.daemon.url + "/v1/jobs", json=job, timeout=30)
            except (requests.RequestException, TypeError):
                self.over.wait(0.05)  # it is dead: the next one gets the work
                continue
            if answer.status_code == 201:
                with self.lock:
                    self.acknowledged[name] = answer.json()["run"]

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def children(pid):
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


@pytest.mark.parametrize("owner", OWNERS)
def test_kill9_under_submits(tmp_path, owner):
    (tmp_path / "daemon").mkdir()
    with daemon_on(tmp_path / "daemon", f"process_owner = {owner}\ncpu_slots = 4\n",
                   {"TRAINYARD_LOCAL_STOP_GRACE_MS": "500"}) as daemon:
        storm = Storm(daemon, tmp_path)
        try:
            for _ in range(KILLS):
                before = storm.count()
                wait_for("work", lambda n=before: storm.count() >= n + PER_KILL)
                daemon.kill()
                daemon.start()
        finally:
            storm.end()
        runs = dict(storm.acknowledged)
        for name, run in runs.items():
            ended = wait_for(name, lambda run=run: (
                lambda item: item["state"] in FINAL and item)(daemon.get(f"/v1/runs/{run}")), 600)
            assert ended["state"] == "succeeded", (name, daemon.job(run, name))
            assert daemon.job(run, name)["attempt"] == 1
        started = [path.name.split(".")[0] for path in storm.ran.iterdir()]
        assert not set(runs) - set(started), "lost"
        assert len(started) == len(set(started)), "twice"
        wait_for("its children to be reaped", lambda: not children(daemon.process.pid))
        kept = records(daemon)
        skip_unless(kept[0], owner)
        assert not [pid for record in kept for pid in marked(record["mark"])]
        assert not [record for record in kept
                    if record["cgroup"] and Path(record["cgroup"]).exists()]
        print(f"{owner}: {KILLS} kills, {len(runs)} acknowledged, {len(started)} ran")
