# SPDX-License-Identifier: MIT
"""How a job ends: what wins over a stop, whose exit code it is, when it was, and what is left to
refer to. Real scripts, real shims, the real daemon."""
import json
import os
import signal
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest
from trainyardd import BUILD, daemon_on, processes_below, wait_for

# Answers SIGTERM with a checkpoint, a model and exit code 0.
POLITE = """
import os, pathlib, signal, sys
def bye(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "half.txt").write_text("half a model")
    print("bye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
while True: signal.pause()
"""


@pytest.fixture
def daemon(tmp_path):
    (tmp_path / "daemon").mkdir()
    with daemon_on(tmp_path / "daemon") as started:
        yield started


@pytest.fixture
def script(tmp_path):
    """A function that makes the JSON of a script job out of the script's text."""
    def make(text, name="job", **fields):
        folder = tmp_path / f"code-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "train.py").write_text(text, encoding="utf-8")
        return {"name": name, "kind": "script", "entry_point": "train.py",
                "source_dir": str(folder), **fields}
    return make


def wait_log(daemon, run, name, text):
    job = daemon.wait_job(run, name, {"running", "succeeded", "failed"})
    wait_for(f"{text!r} in the log", lambda: text in daemon.log(job["id"]).splitlines())
    return daemon.job(run, name)


def attempt_of(daemon, job):
    return daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"][-1]


def running(daemon, word):
    """Pids of executions whose command line has the word."""
    found = []
    for pid in processes_below(daemon.data):
        try:
            found += [pid] if word in Path(f"/proc/{pid}/cmdline").read_bytes() else []
        except OSError:
            pass  # it has ended
    return found


def shims(daemon):
    found = []
    for pid in processes_below(daemon.data):
        with suppress(OSError):  # it has ended
            ppid = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
            if b"trainyard-shim" in Path(f"/proc/{ppid}/cmdline").read_bytes():
                found.append(int(ppid))
    return set(found)


def test_exit_0_after_a_cancel_is_no_success(daemon, script):
    run = daemon.submit([script(POLITE), script("print('ran')", name="next", needs=["job"])])["id"]
    job = wait_log(daemon, run, "job", "up")
    assert daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel").status_code == 200
    job = daemon.wait_job(run, "job", {"cancelled", "succeeded", "failed"})
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled")
    assert daemon.wait_job(run, "next", {"skipped", "succeeded"})["state"] == "skipped"
    end = attempt_of(daemon, job)
    assert (end["exit"]["cause"], end["exit"]["code"]) == ("stopped", 0)
    assert end["state"] == "cancelled"


def test_exit_0_after_max_runtime_is_no_success(daemon, script):
    run = daemon.submit([script(POLITE, max_runtime="2s"),
                         script("print('ran')", name="next", needs=["job"])])["id"]
    job = daemon.wait_job(run, "job", {"failed", "succeeded"})
    assert (job["state"], job["reason"]["code"]) == ("failed", "timed_out")
    assert "max_runtime (2s)" in job["reason"]["message"]
    assert daemon.wait_job(run, "next", {"skipped", "succeeded"})["state"] == "skipped"


def test_an_end_before_the_signal_wins_over_a_cancel(daemon, script):
    """The script has ended with 0; what it left behind ignores SIGTERM for a while yet."""
    run = daemon.submit([script("""
import os, signal, sys
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(w, b"x")
    while True: signal.pause()
os.read(r, 1)
print("done", flush=True)
""")])["id"]
    job = wait_log(daemon, run, "job", "done")
    wait_for("the worker's end", lambda: not running(daemon, b"trainyard-worker"))
    daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")  # refused, if it has ended by now
    job = daemon.wait_job(run, "job", {"succeeded", "cancelled", "failed"})
    assert job["state"] == "succeeded" and not job["reason"]


def test_what_a_stopped_job_has_made_stays_an_output(daemon, script):
    run = daemon.submit([script(POLITE)])["id"]
    job = wait_log(daemon, run, "job", "up")
    daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    job = daemon.wait_job(run, "job", "cancelled")
    assert (Path(job["outputs"]["model"]) / "half.txt").read_text() == "half a model"
    assert Path(job["outputs"]["output"]).is_dir()
    assert Path(job["outputs"]["checkpoints"]).is_dir()
    assert attempt_of(daemon, job)["outputs"] == job["outputs"]


def test_finished_at_is_the_time_of_the_end(daemon, script, tmp_path):
    """It ends while the daemon is away; it is noticed later."""
    go = tmp_path / "go"
    run = daemon.submit([script(f"""
import os, time
print("up", flush=True)
while not os.path.exists({str(go)!r}): time.sleep(0.01)
""")])["id"]
    wait_log(daemon, run, "job", "up")
    daemon.kill()
    go.touch()
    wait_for("its end", lambda: not processes_below(daemon.data))
    wait_for("its record", lambda: list(daemon.data.glob("executions/*/exit.json")))
    noticed = datetime.now(timezone.utc)
    daemon.start()
    job = daemon.wait_job(run, "job", "succeeded")
    end = attempt_of(daemon, job)
    told = datetime.fromtimestamp(end["exit"]["finished_us"] // 1000 / 1000, timezone.utc)
    for thing in (job, end, daemon.get(f"/v1/runs/{run}")):
        at = datetime.fromisoformat(thing["finished_at"])
        assert at == told and at < noticed, thing["finished_at"]
        assert datetime.fromisoformat(thing["started_at"]) <= at


@pytest.mark.parametrize("code", [1, 3, 137, 255])
def test_exit_code_is_the_scripts_own(daemon, script, code):
    run = daemon.submit([script(f"import os; os._exit({code})")])["id"]
    job = daemon.wait_job(run, "job", "failed")
    end = attempt_of(daemon, job)
    assert (end["exit"]["cause"], end["exit"]["code"], end["exit"]["signal"]) == ("exited", code, 0)
    assert job["reason"]["code"] == "script_error"
    assert f"ExitCode {code}\n" in job["reason"]["message"]
    assert "OutOfMemory" not in json.dumps(job["reason"])


def test_a_real_sigkill_is_no_oom_and_says_what_is_known(daemon, script):
    run = daemon.submit([script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")])["id"]
    job = daemon.wait_job(run, "job", "failed")
    end = attempt_of(daemon, job)
    assert (end["exit"]["code"], end["exit"]["signal"]) == (-1, 9)
    assert job["reason"]["code"] == "killed"
    assert "OutOfMemory" not in job["reason"]["message"]
    assert "who sent it is not known" in job["reason"]["message"]


def test_other_signals_are_the_scripts_own_too(daemon, script):
    run = daemon.submit([script("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")])["id"]
    end = attempt_of(daemon, daemon.wait_job(run, "job", "failed"))
    assert (end["exit"]["code"], end["exit"]["signal"]) == (-1, 11)


def test_a_grace_that_was_over_says_who_killed(daemon, script):
    for limit in ("1s", "10s", "100s"):  # a busy machine may end it before it is deaf
        run = daemon.submit([script("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                    "print('up', flush=True)\nwhile True: signal.pause()",
                                    max_runtime=limit)])["id"]
        job = daemon.wait_job(run, "job", "failed")
        if "up" in daemon.log(job["id"]):
            break
    assert job["reason"]["code"] == "timed_out"
    assert "did not end within the grace and was killed" in job["reason"]["message"]


def test_sigterm_to_the_supervisor_says_who_sent_it(daemon, script):
    run = daemon.submit([script(POLITE)])["id"]
    wait_log(daemon, run, "job", "up")
    for pid in shims(daemon):
        os.kill(pid, signal.SIGTERM)
    job = daemon.wait_job(run, "job", {"failed", "succeeded", "cancelled"})
    assert (job["state"], job["reason"]["code"]) == ("failed", "killed")
    assert f"SIGTERM from process {os.getpid()}" in job["reason"]["message"]


@pytest.mark.parametrize("code", [0, 3])
def test_sigterm_to_the_worker_is_no_cancel(daemon, script, code):
    """A failed job had the reason `cancelled`, although nobody had cancelled it."""
    run = daemon.submit([script(f"""
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
os.kill(os.getppid(), signal.SIGTERM)
while True: signal.pause()
""")])["id"]
    job = daemon.wait_job(run, "job", "failed")
    assert job["reason"]["code"] == "killed", job["reason"]
    assert "SIGTERM from outside Trainyard ended the worker" in job["reason"]["message"]
    assert f"exit code {code}" in job["reason"]["message"]


def test_a_stop_before_the_shim_takes_signals_waits_for_it(tmp_path, script):
    """It ended the shim, and a cancelled job was shim_lost."""
    early = tmp_path / "early"
    early.write_text(f'#!/bin/sh\nkill -TERM $$\nexec {BUILD}/shim/trainyard-shim "$@"\n')
    early.chmod(0o755)
    with daemon_on(tmp_path, f"shim={early}\n") as daemon:
        run = daemon.submit([script("import time\ntime.sleep(600)\n")])["id"]
        job = daemon.wait_job(run, "job", "failed")
    assert job["reason"]["code"] == "killed"  # nobody has asked the daemon


def test_a_stopped_script_does_not_outlive_its_grace(daemon, script):
    """SIGSTOP to the script, then a cancel: it is woken, gets its SIGTERM and ends."""
    run = daemon.submit([script(POLITE)])["id"]
    job = wait_log(daemon, run, "job", "up")
    for pid in running(daemon, b"train.py"):
        os.kill(pid, signal.SIGSTOP)
    daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    job = daemon.wait_job(run, "job", "cancelled")
    assert "bye" in daemon.log(job["id"])
    assert attempt_of(daemon, job)["exit"]["code"] == 0
