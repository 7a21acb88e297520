# SPDX-License-Identifier: MIT
"""Only the shim says how an execution has ended: a script that writes an exit record of its own,
takes the lock away or kills its supervisor does not end as it likes."""
import json
import os
import pathlib
import re
import signal
from contextlib import suppress

import pytest
from test_owner import records
from trainyardd import daemon_on, wait_for

# Makes an exit record like the shim's, does what `then` says, and ends with 3 when `gate` is there.
SCRIPT = """\
import json, os, pathlib, signal, sys, time
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
root = pathlib.Path(os.environ["TRAINYARD_EXECUTION_DIR"])
shim = os.getppid()  # 0: it is outside of this namespace of processes
while shim and "trainyard-shim" not in pathlib.Path(f"/proc/{shim}/comm").read_text():
    shim = int(pathlib.Path(f"/proc/{shim}/stat").read_text().rpartition(")")[2].split()[1])
now = time.time_ns() // 1000
record = {"v": 1, "cause": "exited", "code": 0, "signal": 0, "started_us": now, "finished_us": now,
          "user_us": 1, "system_us": 1, "max_rss_bytes": 1, "message": "", "proof": "0" * 64}
(root / "forged").write_text(json.dumps(record))
(root / "forged").rename(root / "exit.json")
if args["--then"] == "lock":  # a free one in its place
    (root / "lock").unlink()
    (root / "lock").touch()
if args["--then"] == "peek" and shim:
    for name in ("mem", "environ", "fd/4"):
        try:
            print(name, open(f"/proc/{shim}/{name}", "rb").read(1))
        except OSError as error:
            print(name, type(error).__name__)
print("forged", flush=True)
if args["--then"] == "kill" and shim:
    while "forged\\n" not in (root / "log").read_text():  # what is in the pipe goes with the shim
        time.sleep(0.01)
    os.kill(shim, signal.SIGKILL)
while not pathlib.Path(args["--gate"]).exists():
    time.sleep(0.02)
sys.exit(3)
"""


def may_trace():
    """True if this process may look into any other (CAP_SYS_PTRACE): then the shim cannot hide."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return bool(int(re.search(r"CapEff:\s+(\w+)", status)[1], 16) >> 19 & 1)


@pytest.fixture
def daemon(tmp_path):
    with daemon_on(tmp_path, "cpu_slots = 2\n") as daemon:
        yield daemon


@pytest.fixture
def forge(daemon, tmp_path):
    """forge("lock"): a run whose job `liar` has forged its end and done that; its gate."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "forge.py").write_text(SCRIPT)
    (source / "ok.py").write_text("print('ok')\n")
    gate = source / "go"

    def submit(then):
        run = daemon.submit([{"name": "liar", "kind": "script", "entry_point": "forge.py",
                              "source_dir": str(source), "retry": {"max": 0},
                              "hyperparameters": {"then": then, "gate": str(gate)}}])["id"]
        wait_for("the forged record", lambda: "forged\n" in daemon.log(
            daemon.job(run, "liar")["id"]))
        return run, gate

    def others():  # a whole job begins and ends: the daemon has looked at all directories meanwhile
        assert daemon.wait_run(daemon.submit([{
            "name": "other", "kind": "script", "entry_point": "ok.py",
            "source_dir": str(source)}])["id"])["state"] == "succeeded"
    yield submit, others
    gate.touch()


@pytest.mark.parametrize("then", ["nothing", "lock", "peek"])
def test_a_forged_exit_record_is_not_believed(daemon, forge, then):
    """Before: succeeded after 0.3 s, while the script ran on."""
    submit, others = forge
    run, gate = submit(then)
    owner = next(iter(record["owner"] for record in records(daemon)), None)
    others()
    assert daemon.job(run, "liar")["state"] == "running"
    daemon.kill()  # and not by a daemon that knows no more than what is on disk
    daemon.start()
    others()
    assert daemon.job(run, "liar")["state"] == "running"
    gate.touch()
    job = daemon.wait_job(run, "liar", "failed")
    assert "3" in job["reason"]["message"] and job["reason"]["code"] != "shim_lost", job["reason"]
    if then == "peek" and owner != "pid_namespace" and not may_trace():
        said = daemon.log(job["id"])
        assert "mem PermissionError" in said and "environ PermissionError" in said, said


def test_a_killed_supervisor_leaves_no_record_to_believe(daemon, forge):
    run, _ = forge[0]("kill")
    for record in records(daemon):  # by us, where the script does not see it
        with suppress(ProcessLookupError):
            os.kill(record["shim"], signal.SIGKILL)
    assert daemon.wait_job(run, "liar", "failed")["reason"]["code"] == "shim_lost"


def test_the_value_is_nowhere_but_in_the_record(daemon, forge):
    """Not in spec.json or the database while it runs; not in the answers after."""
    submit, _ = forge
    run, gate = submit("nothing")
    directory = next(daemon.data.glob("executions/*/lock")).parent
    before = b"".join(path.read_bytes() for path in daemon.data.glob("*.db*"))
    spec = (directory / "spec.json").read_text()
    gate.touch()
    job = daemon.wait_job(run, "liar", "failed")
    proof = json.loads((directory / "exit.json").read_text())["proof"]
    assert len(proof) == 64
    assert proof not in spec and proof.encode() not in before
    attempts = daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]
    assert attempts[0]["exit"]["cause"] == "exited" and "proof" not in attempts[0]["exit"]
    after = b"".join(path.read_bytes() for path in daemon.data.glob("*.db*"))
    assert proof.encode() not in after
