# SPDX-License-Identifier: MIT
"""Everything a script can do to its worker (worker/script): ends, failures, stops, metrics, disks.
Runs the real shim and worker."""
import json
import os
import subprocess
import sys

import pytest

from script_run import WORKER, events_of, failure_of, run
from shim_run import Execution


def test_exit_code_and_traceback(script):
    x = run(script({"train.py": """
        import sys
        print("before")
        def inner():
            raise ValueError("the data is bad é")
        try:
            inner()
        except ValueError:
            import traceback; traceback.print_exc()
            sys.exit(3)
        """}), 3)
    failure = failure_of(x)
    assert failure["code"] == "script_error"
    message = failure["message"]
    assert message.startswith('ExecuteUserScriptError:\nExitCode 3\nErrorMessage "Traceback (most')
    assert 'ValueError: the data is bad é"\nCommand "' in message
    assert message.endswith('train.py"') and "before" not in message
    assert (x.dir / "work/output/failure").read_text() == message
    assert not (x.dir / "work/output/success").exists()


def test_long_and_strange_error_output(script):
    x = run(script({"train.py": """
        import sys
        sys.stderr.buffer.write(b"\\xff\\xfe" + b"x" * 100_000 + b" the end \\xc3\\n")
        sys.exit(200)
        """}, hyperparameters={"long": "y" * 5000}), 200)
    message = failure_of(x)["message"]
    assert "ExitCode 200" in message and 'the end ?"' in message and len(message) < 768
    assert message.endswith('..."')


def test_failure_file_of_the_script(script):
    x = run(script({"train.py": """
        import os
        open(os.environ["SM_OUTPUT_DIR"] + "/failure", "w").write("labels are missing")
        print("noise"); os._exit(9)
        """}), 9)
    assert 'ExitCode 9\nErrorMessage "labels are missing"\n' in failure_of(x)["message"]
    assert (x.dir / "work/output/failure").read_text() == "labels are missing"


def test_killed_script(script):
    x = run(script({"train.py": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"}), -9)
    failure = failure_of(x)
    assert failure["code"] == "killed"
    assert 'ExitCode 137\n' in failure["message"]
    assert 'ExtraInfo "Process killed by SIGKILL (signal 9); who sent it is not known"' \
        in failure["message"]


def test_exit_code_137_alone_is_no_kill(script):
    failure = failure_of(run(script({"train.py": "import os; os._exit(137)"}), 137))
    assert failure["code"] == "script_error"
    assert "SIGKILL" not in failure["message"]


def test_gpu_memory_error_is_oom(script):
    x = run(script({"train.py": "class OutOfMemoryError(RuntimeError): pass\n"
                                "raise OutOfMemoryError('CUDA out of memory.')"}), 1)
    assert failure_of(x)["code"] == "oom"


LEAVER = """
    import os, subprocess, sys
    subprocess.Popen([sys.executable, "-c", "import os, sys, time\\n"
        "while os.getppid() == int(sys.argv[1]): time.sleep(0.01)\\n"
        "os.write(1, b'after the end\\\\n')", str(os.getpid())])
"""


def test_what_a_script_leaves_may_still_print(script):
    assert "after the end\n" in run(script({"train.py": LEAVER}), 0).log()


# Whole lines by os.write: two processes write to one log.
WAITER = """
    import os, signal, subprocess, sys
    kind = sys.argv[sys.argv.index("--how") + 1]
    count = 0
    def bye(*_):
        global count
        count += 1
        os.write(1, f"terminated {count}\\n".encode())
        if kind != "stubborn": sys.exit(0 if kind == "clean" else 4)
    signal.signal(signal.SIGTERM, bye)
    child = subprocess.Popen([sys.executable, "-c", "import os, signal\\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'child ended\\\\n') and exit())\\n"
        "print('child up', flush=True)\\nwhile True: signal.pause()"])
    while True: signal.pause()
"""


@pytest.mark.parametrize("how, code", [("clean", 0), ("dirty", 4)])
def test_sigterm_reaches_the_whole_script(script, how, code):
    x = script({"train.py": WAITER}, hyperparameters={"how": how}).start()
    x.wait_log("child up")
    x.stop(60000)
    record = x.record()
    assert (record["cause"], record["code"]) == ("stopped", code), x.log()
    assert "terminated 1" in x.log() and "child ended" in x.log()
    failure = failure_of(x)
    assert failure["code"] == "cancelled" and f"exit code {code}" in failure["message"]
    assert not (x.dir / "work/output/success").exists()


def test_sigterm_is_sent_to_the_script_s_group(script):
    """The script itself goes on until its child has ended: the child must get the signal, too."""
    x = script({"train.py": """
        import os, signal, subprocess, sys
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"parent told\\n"))
        child = subprocess.Popen([sys.executable, "-c", "import os, signal\\n"
            "signal.signal(signal.SIGTERM, lambda *_: exit(3))\\n"
            "print('child up', flush=True)\\nwhile True: signal.pause()"])
        print("child ended with", child.wait(), flush=True)
    """}).start()
    x.wait_log("child up")
    x.stop(10000)
    assert x.record()["signal"] == 0, x.log()
    assert "child ended with 3" in x.log()


def test_a_stopped_child_of_the_script_gets_its_sigterm(script):
    """A stopped process runs its handler only after a SIGCONT, which the whole group must get."""
    x = script({"train.py": """
        import os, signal, subprocess, sys
        signal.signal(signal.SIGTERM, lambda *_: None)
        child = subprocess.Popen([sys.executable, "-c", "import os, signal\\n"
            "signal.signal(signal.SIGTERM, lambda *_: exit(3))\\n"
            "os.kill(os.getpid(), signal.SIGSTOP)\\nwhile True: signal.pause()"])
        os.waitpid(child.pid, os.WUNTRACED)
        print("child stopped", flush=True)
        print("child ended with", child.wait(), flush=True)
    """}).start()
    x.wait_log("child stopped")
    x.stop(3600_000)
    assert x.record()["signal"] == 0, x.log()
    assert "child ended with 3" in x.log()


def test_script_that_will_not_stop_is_killed(script):
    x = script({"train.py": WAITER}, hyperparameters={"how": "stubborn"}).start()
    x.wait_log("child up")
    x.stop(300)
    assert x.record()["signal"] == 9


def test_worker_killed(script):
    x = script({"train.py": WAITER}, hyperparameters={"how": "clean"}).start()
    x.wait_log("child up")
    os.kill(x.ask({"v": 1, "op": "ping"})["pid"], 9)
    assert x.record()["signal"] == 9  # and nobody is left


def test_metrics_of_trainer_lines(script):
    x = run(script({"train.py": """
        print("{'loss': 0.6931, 'learning_rate': 5e-05, 'epoch': 0.5}")
        print("noise 'loss' and {'other': 1}")
        print("{'loss': '0.25', 'grad_norm': '1.5', 'learning_rate': '2.5e-05', 'epoch': '1'}")
        print(" 50%|##### | 1/2 [00:01<00:01]\\r{'eval_loss': 0.5, 'eval_accuracy': 0.875, "
              "'eval_f1': 0.9, 'eval_runtime': 1.25, 'epoch': 1.0}")
        print("{'train_runtime': 10.5, 'train_loss': 0.4, 'epoch': 1.0}", end="")
        """}))
    metrics = [(e["step"], e["epoch"], e["values"]) for e in events_of(x) if e["t"] == "metric"]
    assert metrics == [
        (1, 0.5, {"loss": 0.6931, "learning_rate": 5e-05, "epoch": 0.5}),
        (2, 1, {"loss": 0.25, "grad_norm": 1.5, "learning_rate": 2.5e-05, "epoch": 1}),
        (3, 1, {"eval_loss": 0.5, "eval_accuracy": 0.875, "eval_f1": 0.9, "eval_runtime": 1.25,
                "epoch": 1}),
        (4, 1, {"train_runtime": 10.5, "train_loss": 0.4, "epoch": 1})]
    result = [e for e in events_of(x) if e["t"] == "result"][0]["values"]
    assert result["loss"] == 0.25 and result["eval_accuracy"] == 0.875


def test_own_metric_definitions(script):
    x = run(script({"train.py": "print('step acc=0.5 acc=0.9', 'acc=no', 'x' * 200000, sep='\\n')"},
                   metric_definitions=[{"name": "accuracy", "regex": r"acc=(?P<v>\d+\.\d+)"},
                                       {"name": "slow", "regex": r"(x+x+)+(\d)"}]))
    metrics = [e["values"] for e in events_of(x) if e["t"] == "metric"]
    assert metrics == [{"accuracy": 0.5}]
    warnings = [e["code"] for e in events_of(x) if e["t"] == "warning"]
    assert [code for code in warnings if code != "no_opt_ml"] == ["slow_metric"]


@pytest.mark.parametrize("change, code, field, word", [
    ({"metric_definitions": [{"name": "m", "regex": "("}]}, "invalid_input",
     "/metric_definitions/0/regex", "character 1"),
    ({"metric_definitions": [{"name": "m", "regex": "loss"}]}, "invalid_input",
     "/metric_definitions/0/regex", "has no group"),
    ({"entry_point": "other.py"}, "data_missing", "/entry_point", "no other.py"),
    ({"entry_point": "../train.py"}, "invalid_input", "/entry_point", "no path below source_dir"),
    ({"entry_point": "a b.py"}, "invalid_input", "/entry_point", "rename the file"),
    ({"entry_point": "-c"}, "invalid_input", "/entry_point", "rename the file"),
    ({"source_dir": "/no/such/dir"}, "data_missing", None, "/no/such/dir"),
    ({"source_dir": "relative"}, "invalid_input", "/source_dir", "absolute"),
    ({"channels": {"train": "/no/such/dir"}}, "data_missing", "/channels/train", "/no/such/dir"),
    ({"channels": {"../x": "/tmp"}}, "invalid_input", "/channels/..~1x", "name of a channel"),
    ({"hyperparameters": [1]}, "invalid_input", "/hyperparameters", "object"),
    ({"local": {"python": "no-such-python"}}, "exec_failed", "/local/python", "no-such-python"),
    ({"local": {"python": "/etc/passwd"}}, "exec_failed", "/local/python", "/etc/passwd"),
    ({"environment": {"A=B": "1"}}, "invalid_input", "/environment", "A=B"),
])
def test_bad_specs(script, change, code, field, word):
    x = script({"train.py": "print('ran')"})
    spec = json.loads((x.dir / "spec.json").read_text())
    spec["spec"].update(change)
    x.write_spec(spec)
    failure = failure_of(run(x, 1))
    assert (failure["code"], failure.get("field")) == (code, field)
    assert word in failure["message"]
    assert "ran" not in x.log().splitlines()


@pytest.mark.parametrize("name", ["tr\u00e4in.py", "a@b.py", "+x.py", "l\u00e4uf@1.sh"])
def test_an_entry_point_that_validate_takes_starts(script, name):
    text = "#!/bin/sh\necho ran\n" if name.endswith(".sh") else "print('ran')"
    x = run(script({name: text}, name))
    assert "ran" in x.log().splitlines()


def test_shell_entry_point(script):
    x = run(script({"go.sh": """\
        #!/bin/sh
        printf '%s|' "$@" > "$SM_OUTPUT_DATA_DIR/args"
        """}, "go.sh", hyperparameters={"text": "a b; $(touch /tmp/pwned) 'q'", "n": 1, "e": ""}))
    want = "-e||-n|1|--text|a b; $(touch /tmp/pwned) 'q'|"
    assert (x.dir / "work/output/data/args").read_text() == want


def test_requirements_are_refused_by_default(script):
    x = run(script({"train.py": "", "requirements.txt": "anything\n"}), 1)
    assert failure_of(x)["field"] == "/local/requirements"
    assert "set local.requirements to \"venv\"" in failure_of(x)["message"]
    x = run(script({"train.py": "", "setup.py": ""}), 1)
    assert "setup.py" in failure_of(x)["message"]


def wheel(name, code):
    import io
    import zipfile
    out = io.BytesIO()
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(f"{name}.py", code)
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                                          "Tag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    return out.getvalue()


def test_requirements_in_a_venv(script):
    x = run(script({"train.py": "import sys, trainyard_tiny, pytest\n"
                                "print('tiny', trainyard_tiny.x, sys.prefix)",
                    "requirements.txt": "./trainyard_tiny-1.0-py3-none-any.whl\n",
                    "trainyard_tiny-1.0-py3-none-any.whl": wheel("trainyard_tiny", "x = 42\n")},
                   local={"python": sys.executable, "requirements": "venv"}))
    assert f"tiny 42 {x.dir}/work/venv" in x.log()  # pytest came from the interpreter's own


def test_failing_requirements(script):
    x = run(script({"train.py": "", "requirements.txt": "./missing-1.0-py3-none-any.whl\n"},
                   local={"python": sys.executable, "requirements": "venv"}), 1)
    assert failure_of(x)["code"] == "script_error"
    assert "pip install failed with exit code 1" in failure_of(x)["message"]


def test_checkpoints_of_the_attempt_before(script, tmp_path):
    old = tmp_path / "old/checkpoints/checkpoint-5"
    old.mkdir(parents=True)
    (old / "state").write_text("5")
    files = {"train.py": "import os; base = os.path.dirname(os.environ['SM_MODEL_DIR'])\n"
                         "print('found', open(base + '/checkpoints/checkpoint-5/state').read())"}
    for resume in (old.parent, old):
        x = run(script(files, message={"resume": str(resume)}))
        assert "found 5" in x.log()


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", where],
                      capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not permitted")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_disk_full(script, small_disk):
    x = script({"train.py": "import os\n"
                            "f = open(os.environ['SM_MODEL_DIR'] + '/w', 'wb')\n"
                            "f.write(b'x' * 4_000_000); f.flush()\n"})
    moved = Execution(small_disk / "x", [str(WORKER), "script"], exec_id=x.id)
    spec = json.loads((x.dir / "spec.json").read_text())
    spec["exec"]["cwd"] = str(moved.dir / "work")
    moved.write_spec(spec)
    assert moved.start().record()["code"] == 1  # the result is known although the disk is full
