# SPDX-License-Identifier: MIT
"""A script puts pipes, sockets, links, directories and huge files where daemon and shim look for
files of theirs. The daemon goes on answering, every job ends as it should, a restart comes back."""
import socket

import pytest
from trainyardd import DEADLINE_S, daemon_on, wait_for

# Puts `what` in the place of each of `files` of its execution directory; stays until `gate` exists.
SCRIPT = """\
import os, pathlib, socket, sys, time
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
root = pathlib.Path(os.environ["TRAINYARD_EXECUTION_DIR"])
for name in args["--files"].split(","):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        path.rename(path.with_name(path.name + ".was"))
    path.unlink(missing_ok=True)
    if args["--what"] == "fifo":
        os.mkfifo(path)
    elif args["--what"] == "dir":
        (path / "deep").mkdir(parents=True)
    elif args["--what"] == "link":
        path.symlink_to("/dev/zero")
    elif args["--what"] == "socket":
        os.chdir(path.parent)
        socket.socket(socket.AF_UNIX).bind(path.name)
    else:
        with open(path, "wb") as f:
            f.truncate(1 << 42)  # a hole: no space is used
print("placed", flush=True)
while not pathlib.Path(args["--gate"]).exists():
    time.sleep(0.02)
print("x" * 400000, flush=True)  # past the cap of the log
sys.exit(int(args["--code"]))
"""
FILES = ["work/events.ndjson", "exit.json", "exit.json.tmp", "log.gap", "log.gap.tmp",
         "work/transfers.json", "work/checkpoints", "work/output/eval.txt", "control.sock"]
KINDS = ["fifo", "dir", "link", "socket", "huge"]


def script(folder, what, code, files=FILES):
    return {"name": f"{what}-{code}", "kind": "script", "entry_point": "replace.py",
            "source_dir": str(folder), "retry": {"max": 1 if code else 0, "on": ["internal"]},
            "hyperparameters": {"what": what, "files": ",".join(files), "code": str(code),
                                "gate": str(folder / "go")}}


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "replace.py").write_text(SCRIPT)
    yield source
    (source / "go").touch()


def wait_placed(daemon, jobs):
    wait_for("the scripts to have done it", lambda: all(
        "placed" in daemon.log(job) for job in jobs))


def test_a_script_cannot_freeze_the_daemon(tmp_path, folder):
    """Before: the engine hung in open() for good, /readyz said ready, SIGTERM was ignored, and a
    restart hung before it listened."""
    config = f"cpu_slots = {len(KINDS) * 2}\nlog_max_bytes = 65536\n"
    with daemon_on(tmp_path, config) as daemon:
        specs = [script(folder, what, code) for what in KINDS for code in (0, 7)]
        run = daemon.submit(specs)
        jobs = [job["id"] for job in daemon.get(f"/v1/runs/{run['id']}")["jobs"]]
        for spec in specs:
            daemon.wait_job(run["id"], spec["name"], "running")
        wait_placed(daemon, jobs)
        assert daemon.get("/readyz") == {"status": "ready"}
        for job in jobs:  # reads of what lies there answer, too, and give nothing of /dev/zero
            assert daemon.get(f"/v1/jobs/{job}/artifacts")["truncated"] is False
            answer = daemon.ask("GET", f"/v1/jobs/{job}/artifacts/output/eval.txt", stream=True)
            huge = daemon.get(f"/v1/jobs/{job}")["name"].startswith("huge")
            assert answer.status_code == (200 if huge else 404)
            answer.close()
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.get("/readyz") == {"status": "ready"}
        (folder / "go").touch()
        daemon.wait_run(run["id"])
        for job in jobs:
            item = daemon.get(f"/v1/jobs/{job}")
            wanted = ("succeeded", 1) if item["name"].endswith("-0") else ("failed", 2)
            assert (item["state"], item["attempt"]) == wanted, item
            # What was lost with the events is said.
            assert [w["code"] for w in item["warnings"]] == [
                "events_cut" if "huge" in item["name"] else "events_unreadable"], item
            # The log is capped although log.gap was taken, and read although it was.
            assert "bytes of the log were cut here" in daemon.log(job)
        for gap in daemon.data.glob("executions/*/log.gap"):
            assert gap.is_file() and not gap.is_symlink()
        for log in daemon.data.glob("executions/*/log"):
            assert log.stat().st_blocks * 512 <= 65536 + 8192


# Puts `what` where the worker looks for a file after the script has ended, and exits with `code`.
LEAVE = """\
import os, pathlib, socket, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
path = pathlib.Path("/opt/ml/output", args["--file"])
path.parent.mkdir(parents=True, exist_ok=True)
if args["--what"] == "fifo":
    os.mkfifo(path)
elif args["--what"] == "link to fifo":
    os.mkfifo("/opt/ml/output/pipe")
    path.symlink_to("/opt/ml/output/pipe")
elif args["--what"] == "link out":
    path.symlink_to(args["--secret"])
elif args["--what"] == "socket":
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name)
else:
    with open(path, "wb") as f:
        f.truncate(1 << 42)
sys.exit(int(args["--code"]))
"""
LEFT = {"failure": 3, "data/eval_results.txt": 0, "data/metrics.json": 0}


def test_what_a_script_leaves_does_not_hold_its_worker(tmp_path):
    """A FIFO in the place of output/failure or of a result held the worker in open() until
    max_runtime, without one for ever; a link led out of the tree; a hole of 4 TB was copied."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "leave.py").write_text(LEAVE)
    (tmp_path / "secret").write_text("eval_secret = 42\n")
    specs = [{"name": f"{what.replace(' ', '-')}-{n}", "kind": "script", "entry_point": "leave.py",
              "source_dir": str(source), "max_runtime": "10m", "hyperparameters": {
                  "file": file, "what": what, "code": str(LEFT[file]),
                  "secret": str(tmp_path / "secret")}}
             for n, file in enumerate(LEFT)
             for what in ("fifo", "link to fifo", "link out", "socket", "huge")]
    with daemon_on(tmp_path, f"cpu_slots = {len(specs)}\n") as daemon:
        run = daemon.submit(specs)["id"]
        daemon.wait_run(run)
        for item in daemon.get(f"/v1/runs/{run}")["jobs"]:
            job = daemon.get(f"/v1/jobs/{item['id']}")
            code = LEFT[list(LEFT)[int(job["name"][-1])]]
            assert job["state"] == ("failed" if code else "succeeded"), job
            assert not code or job["reason"]["code"] == "script_error", job
            assert "eval_secret" not in str(job["outputs"]) + str(job["reason"])
            if job["name"] in ("huge-1", "huge-2"):
                assert [w["code"] for w in job["warnings"]] == ["result_not_copied"]
        assert not list(daemon.data.glob("executions/*/work/output/metrics.json"))


@pytest.mark.parametrize("then", ["pass", "open('output', 'w')", "os.symlink('output', 'output')"])
def test_a_success_whose_output_is_gone_is_the_script_s_error(tmp_path, then):
    """It was data_missing ("cannot create output/success.tmp"), or internal, which is retried: the
    whole script ran again, three times."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text("import os, shutil\nos.chdir('/opt/ml')\n"
                                     f"shutil.rmtree('output')\n{then}\n")
    with daemon_on(tmp_path) as daemon:
        run = daemon.submit([{"name": "job", "kind": "script", "entry_point": "train.py",
                              "source_dir": str(source),
                              "retry": {"max": 2, "on": ["internal", "host_lost"]}}])["id"]
        job = daemon.wait_job(run, "job", "failed")
        assert (job["reason"]["code"], job["attempt"]) == ("script_error", 1), job
        assert "left no directory output/" in job["reason"]["message"]


REMOVE = """\
import os, pathlib, shutil, sys, time
root = os.environ["TRAINYARD_EXECUTION_DIR"]
os.chdir("/")
shutil.rmtree(root)
gate = sys.argv[sys.argv.index("--gate") + 1]
pathlib.Path(gate + ".removed").touch()
while not os.path.exists(gate):
    time.sleep(0.02)
"""


def test_a_script_that_removes_its_directory_ends(tmp_path):
    """The shim tried for a minute to write into it, and the job was reported as killed. If the
    script runs on, a stop still reaches it."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "remove.py").write_text(REMOVE)
    with daemon_on(tmp_path, "cpu_slots = 2\n") as daemon:
        run = daemon.submit([{"name": name, "kind": "script", "entry_point": "remove.py",
                              "source_dir": str(source), "retry": {"max": 0},
                              "hyperparameters": {"gate": str(tmp_path / name)}}
                             for name in ("ends", "stays")])["id"]
        for name in ("ends", "stays"):
            wait_for("the removal", (tmp_path / f"{name}.removed").exists)
        (tmp_path / "ends").touch()
        reason = daemon.wait_job(run, "ends", "failed")["reason"]
        assert reason["code"] == "shim_lost"
        assert "the directory of the execution was removed while it ran" in reason["message"]
        assert "all of its processes have ended" in reason["message"]
        assert daemon.ask("POST", f"/v1/runs/{run}/cancel").status_code == 200
        daemon.wait_job(run, "stays", "cancelled")


# Puts a listener of its own, or a link to that of another execution, in the place of the shim's
# socket; with `cut` it also empties the lock's record of who the shim is.
SWALLOW = """\
import os, pathlib, signal, socket, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
os.chdir(os.environ["TRAINYARD_EXECUTION_DIR"])
os.unlink("control.sock")
if args["--what"] == "link":
    os.symlink(args["--other"], "control.sock")
else:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind("control.sock")
    s.listen(64)
if args["--what"] == "cut":
    os.truncate("lock", 0)
print("placed", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("what", ["listen", "link", "cut"])
def test_a_job_cannot_swallow_its_stop(tmp_path, what):
    """Before: the message went to whoever listened there, and nothing ended the job, or it ended
    the other one."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "swallow.py").write_text(SWALLOW)
    (source / "wait.py").write_text("import signal\nprint('placed', flush=True)\nsignal.pause()\n")
    with daemon_on(tmp_path, "cpu_slots = 2\n") as daemon:
        other = daemon.submit([{"name": "other", "kind": "script", "entry_point": "wait.py",
                                "source_dir": str(source)}])["id"]
        job = daemon.wait_job(other, "other", "running")
        wait_placed(daemon, [job["id"]])
        [folder] = [lock.parent for lock in daemon.data.glob("executions/*/lock")]
        run = daemon.submit([{"name": "job", "kind": "script", "entry_point": "swallow.py",
                              "source_dir": str(source), "hyperparameters": {
                                  "what": what, "other": str(folder / "control.sock")}}])["id"]
        daemon.wait_job(run, "job", "running")
        first = daemon.job(run, "job")["id"]
        wait_placed(daemon, [first])
        daemon.ask("POST", f"/v1/jobs/{first}/cancel")
        daemon.wait_job(run, "job", "cancelled")
        assert daemon.job(other, "other")["state"] == "running"
        daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
        daemon.wait_job(other, "other", "cancelled")


def test_the_watchdog_is_fed(tmp_path):
    """By the manager's thread (daemon/manager.c): the unit restarts a daemon that hangs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(DEADLINE_S)
        with daemon_on(tmp_path, environment={"NOTIFY_SOCKET": str(tmp_path / "notify"),
                                              "WATCHDOG_USEC": "60000000"}):
            assert systemd.recv(256) == b"READY=1"
            assert [systemd.recv(256) for _ in range(2)] == [b"WATCHDOG=1"] * 2
