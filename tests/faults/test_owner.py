# SPDX-License-Identifier: MIT
"""Nothing runs twice: what ends all processes of an execution whose shim was killed, on each rung
of wire/owner.h, and what is said and done where that is not proven."""
import json
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from trainyardd import daemon_on, wait_for

OWNERS = ["cgroup", "pid_namespace", "subreaper"]

# Leaves a process behind that has no environment, a session of its own, no open file of the job
# and no fear of SIGTERM; then waits itself.
ESCAPER = """
import os, signal, subprocess, sys
subprocess.Popen(["env", "-i", "setsid", sys.executable, "-c", '''
import os, signal, time
if os.fork(): os._exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(%r + "/up." + str(time.time()), "w").close()
while True: signal.pause()
'''], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("up", flush=True)
while True: signal.pause()
"""


def records(daemon):
    """What the locks below the data directory say, of those that say something; the newest last."""
    found = []
    locks = daemon.data.glob("executions/*/lock")
    for lock in sorted(locks, key=lambda lock: lock.stat().st_mtime):
        text = lock.read_text()
        found += [json.loads(text) | {"dir": str(lock.parent)}] if text else []
    return found


def marked(mark):
    """Pids of all processes that carry the mark (RLIMIT_LOCKS), zombies not counted."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            limit = resource.prlimit(int(entry.name), 10)  # RLIMIT_LOCKS
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, PermissionError):
            continue
        if limit[1] == mark and state != "Z":
            found.append(int(entry.name))
    return found


def submit(daemon, tmp_path, **more):
    folder = tmp_path / "code"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(ESCAPER % str(tmp_path))
    return daemon.submit([{"name": "job", "kind": "script", "entry_point": "train.py",
                           "source_dir": str(folder), **more}])["id"]


def start(daemon, tmp_path, **more):
    return submit(daemon, tmp_path, **more), wait_up(daemon, tmp_path, 1)


def wait_up(daemon, tmp_path, n):
    """The newest record, once the n-th escaper is up."""
    wait_for(f"{n} processes outside", lambda: len(list(tmp_path.glob("up.*"))) >= n)
    return records(daemon)[-1] if n == 1 else None


@pytest.fixture(params=OWNERS)
def owned(request, tmp_path):
    (tmp_path / "daemon").mkdir()
    with daemon_on(tmp_path / "daemon", f"process_owner = {request.param}\n",
                   {"TRAINYARD_LOCAL_STOP_GRACE_MS": "500",
                    "TRAINYARD_LOCAL_CPU_SLOTS": "2"}) as daemon:
        yield daemon, request.param
        for record in records(daemon):
            for pid in marked(record["mark"]):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def skip_unless(record, owner):
    """The machine may not give this rung: then the one below was taken, and said."""
    if record["owner"] != owner:
        pytest.skip(f"this machine gives no {owner}, but {record['owner']}")


def test_nothing_runs_twice_after_a_killed_shim(owned, tmp_path):
    """Both attempts lived: `env -i setsid` hides from a sweep by environment."""
    daemon, owner = owned
    run, first = start(daemon, tmp_path, retry={"max": 1, "on": ["shim_lost"]})
    skip_unless(first, owner)
    before = marked(first["mark"])
    assert len(before) >= 4  # shim, worker, script, the one outside
    os.kill(first["shim"], signal.SIGKILL)
    wait_up(daemon, tmp_path, 2)  # of the second attempt
    assert not set(before) & set(marked(first["mark"]))
    job = daemon.job(run, "job")
    assert job["attempt"] == 2
    [lost, _] = daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]
    assert lost["reason"]["code"] == "shim_lost"
    assert "all of its processes have ended" in lost["reason"]["message"]
    daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    daemon.wait_job(run, "job", "cancelled")
    assert not [pid for record in records(daemon) for pid in marked(record["mark"])]


def test_a_shim_that_was_killed_while_the_daemon_was_away(owned, tmp_path):
    """A cgroup and a namespace prove the end; the next daemon of a subreaper cannot: no retry."""
    daemon, owner = owned
    run, first = start(daemon, tmp_path, retry={"max": 1, "on": ["shim_lost"]})
    skip_unless(first, owner)
    before = marked(first["mark"])
    daemon.kill()
    os.kill(first["shim"], signal.SIGKILL)
    daemon.start()
    if owner == "subreaper":
        job = daemon.wait_job(run, "job", "failed")
        assert job["reason"]["code"] == "shim_lost" and job["attempt"] == 1
        assert "others may still run" in job["reason"]["message"]
        assert not marked(first["mark"])  # what could be found was killed
        return
    wait_up(daemon, tmp_path, 2)
    assert not set(before) & set(marked(first["mark"]))
    assert daemon.job(run, "job")["attempt"] == 2


def test_a_job_that_removes_its_directory_is_found(owned, tmp_path):
    daemon, owner = owned
    run, first = start(daemon, tmp_path)
    skip_unless(first, owner)
    daemon.kill()
    os.rename(first["dir"], tmp_path / "moved")
    daemon.start()
    job = daemon.wait_job(run, "job", "failed")
    assert job["reason"]["code"] == "shim_lost"
    wait_for("the end of all of it", lambda: not marked(first["mark"]))


def test_a_stopped_shim_does_not_outlive_a_cancel(owned, tmp_path):
    daemon, owner = owned
    run, first = start(daemon, tmp_path)
    skip_unless(first, owner)
    os.kill(first["shim"], signal.SIGSTOP)
    daemon.ask("POST", f"/v1/jobs/{daemon.job(run, 'job')['id']}/cancel")
    job = daemon.wait_job(run, "job", "cancelled")
    [end] = daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]
    assert end["exit"]["cause"] == "stopped"
    assert not marked(first["mark"])


def test_a_stopped_shim_does_not_outlive_max_runtime(owned, tmp_path):
    daemon, owner = owned
    for limit in ("4s", "40s", "400s"):  # a busy machine may end it before it is up
        run = submit(daemon, tmp_path, max_runtime=limit)
        wait_for("its end, or a process outside", lambda: list(tmp_path.glob("up.*")) or
                 daemon.job(run, "job")["state"] == "failed")
        if list(tmp_path.glob("up.*")):
            break
    first = records(daemon)[-1]
    skip_unless(first, owner)
    with suppress(ProcessLookupError):
        os.kill(first["shim"], signal.SIGSTOP)
    job = daemon.wait_job(run, "job", "failed")
    assert job["reason"]["code"] == "timed_out"
    assert not marked(first["mark"])


def test_a_job_that_removes_its_socket_can_be_cancelled(owned, tmp_path):
    daemon, owner = owned
    run, first = start(daemon, tmp_path)
    skip_unless(first, owner)
    os.unlink(first["dir"] + "/control.sock")
    daemon.ask("POST", f"/v1/jobs/{daemon.job(run, 'job')['id']}/cancel")
    daemon.wait_job(run, "job", "cancelled")
    assert not marked(first["mark"])


def test_nothing_is_left_of_what_ended(owned, tmp_path):
    """No zombie, no process outside, no cgroup."""
    daemon, owner = owned
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text((ESCAPER % str(tmp_path)).replace(
        "while True: signal.pause()\n", "", 2).replace("print(\"up\"", "print(\"over\""))
    run = daemon.submit([{"name": "job", "kind": "script", "entry_point": "train.py",
                          "source_dir": str(folder)}])["id"]
    daemon.wait_job(run, "job", "succeeded")
    [record] = records(daemon)
    skip_unless(record, owner)
    assert not marked(record["mark"])
    assert not record["cgroup"] or not Path(record["cgroup"]).exists()


def backup_of(daemon):
    """The database as it is now; the daemon is stopped."""
    return {path.name: path.read_bytes() for path in daemon.data.glob("trainyard.db*")}


def test_a_restored_backup_leaves_no_process_without_a_row(owned, tmp_path):
    """They went on without a row: a job that the backup has as queued, and one that it has not."""
    daemon, owner = owned
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text(ESCAPER % str(tmp_path))
    spec = {"kind": "script", "entry_point": "train.py", "source_dir": str(folder)}
    known = daemon.submit([{"name": "known", "held": True, **spec}])["id"]
    assert daemon.stop() == 0
    saved = backup_of(daemon)
    daemon.start()
    daemon.ask("POST", f"/v1/jobs/{daemon.job(known, 'known')['id']}/release")
    wait_for("the first", lambda: len(list(tmp_path.glob("up.*"))) == 1)
    unknown = daemon.submit([{"name": "unknown", **spec}])["id"]
    wait_for("the second", lambda: len(list(tmp_path.glob("up.*"))) == 2)
    before = {record["mark"] for record in records(daemon)}
    skip_unless(records(daemon)[0], owner)
    daemon.kill()
    for path in daemon.data.glob("trainyard.db*"):
        path.unlink()
    for name, text in saved.items():
        (daemon.data / name).write_bytes(text)
    daemon.start()
    assert daemon.ask("GET", f"/v1/runs/{unknown}").status_code == 404
    said = [event for event in daemon.events(kind="warning")
            if event.get("code") == "execution_without_row"]
    assert len(said) >= 2
    assert daemon.ask("POST", "/v1/restore/confirm").status_code == 200
    daemon.ask("POST", f"/v1/jobs/{daemon.job(known, 'known')['id']}/release")
    wait_for("the third, after the end of the first",
             lambda: len(list(tmp_path.glob("up.*"))) == 3)
    assert not [pid for mark in before for pid in marked(mark)]
    job = daemon.wait_job(known, "known", "running")
    assert job["attempt"] == 1
    daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    daemon.wait_job(known, "known", "cancelled")
