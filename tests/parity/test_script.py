# SPDX-License-Identifier: MIT
"""Script mode (worker/script): the contract of SageMaker's training toolkit, compared with the
toolkit itself, and everything a script can do to its worker. Runs the real shim and worker."""
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

from shim_run import BUILD, Execution, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]

WORKER = BUILD / "worker" / "trainyard-worker"
TOOLKIT = "sagemaker-training==5.1.4"

DUMP = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent
json.dump({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "base": str(base),
           "files": {p.name: json.loads(p.read_text()) for p in (base / "input/config").iterdir()}},
          open(base / "output/data/dump.json", "w"))
"""

HYPERPARAMETERS = {
    "epochs": 1, "learning_rate": 5e-05, "model_name": "distilbert-base-uncased", "flag": True,
    "off": False, "none": None, "l": [1, 2.5, "a", None, True, ["x'y"]], "d": {"b": 1, "a": "x"},
    "raw": "plain text; $(touch pwned) 'quoted' \"double\" | & é \U0001f642", "empty": "",
    "big": 12345678901234567, "tiny": 1e-07, "huge": 1e22, "third": 0.1, "whole": 3.0, "neg": -0.5,
    "x16": 1e16, "x15": 123456789012345.6, "text_number": "5", "text_json": "[1, 2]", "nested":
    {"k": {"deep": [1, {"z": None}]}}, "sagemaker_mpi_enabled": False, "with-dash": 1,
}


def events_of(x):
    return [json.loads(line) for line in (x.dir / "work/events.ndjson").read_text().splitlines()]


def failure_of(x):
    found = [e for e in events_of(x) if e["t"] == "failure"]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def script(tmp_path):
    """Make an execution of `files` (name → text) as source_dir; call .start()."""
    made = []

    def new(files, entry_point="train.py", *, message=None, exec_fields=None, **spec):
        source = tmp_path / f"source{len(made)}"
        for name, text in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text))
            path.chmod(0o444)
        spec.setdefault("local", {"python": sys.executable})
        x = Execution(tmp_path / f"x{len(made)}", [str(WORKER), "script"],
                      exec_id=f"x{os.getpid()}s{len(made)}", **(exec_fields or {}))
        x.write_spec({**json.loads((x.dir / "spec.json").read_text()), "kind": "script",
                      "job": "j01example", "name": "t", "resume": None,
                      "spec": {"entry_point": entry_point, "source_dir": str(source), **spec},
                      "resources": {"cpus": 2, "devices": []}, **(message or {})})
        made.append(x)
        return x
    yield new
    for x in made:
        x.kill_all()


def run(x, code=0):
    record = x.start().record()
    ended = record["code"] if record["signal"] == 0 else -record["signal"]
    assert (record["cause"], ended) == ("exited", code), x.log()
    return x


def dump_of(x):
    return json.loads((x.dir / "work/output/data/dump.json").read_text())


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory):
    """A directory with the toolkit, or a skip that says why."""
    where = tmp_path_factory.mktemp("toolkit")
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--target", where, TOOLKIT], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"pip cannot install {TOOLKIT}: {made.stderr[-300:]}")
    return where


def channels(tmp_path, *names):
    made = {}
    for name in names:
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "rows.txt").write_text(name)
        made[name] = str(tmp_path / "data" / name)
    return made


@pytest.mark.parametrize("hyperparameters", [{}, HYPERPARAMETERS], ids=["none", "many"])
def test_contract_equals_the_toolkit(script, toolkit, tmp_path, hyperparameters):
    x = run(script({"train.py": DUMP}, hyperparameters=hyperparameters,
                   channels=channels(tmp_path, "train", "test")))
    got = dump_of(x)
    # The toolkit reads the files that we wrote; only its base directory differs, by its own rule.
    base = tmp_path / "toolkit_base"
    (base / "input/config").mkdir(parents=True)
    for name, value in got["files"].items():
        text = json.dumps(value).replace(got["base"], str(base))
        (base / "input/config" / name).write_text(text)
    env = {**os.environ, "TRAINING_JOB_NAME": "j01example"}
    env.pop("AWS_REGION", None)
    made = subprocess.run([sys.executable, ROOT / "tests/parity/toolkit_env.py", toolkit, base],
                          capture_output=True, text=True, check=True, env=env)
    want = json.loads(made.stdout.splitlines()[-1].replace(str(base), got["base"]))
    gpus = {"SM_NUM_GPUS", "SM_NUM_CPUS", "SM_TRAINING_ENV"}  # of the machine, not of the slot
    sm = {k: v for k, v in got["env"].items() if k.startswith("SM_")}
    assert got["argv"] == ["train.py", *want["args"]]
    assert sm.keys() == want["env"].keys()
    for name in sm.keys() - gpus:
        assert sm[name] == want["env"][name], name
    ours, theirs = json.loads(sm["SM_TRAINING_ENV"]), json.loads(want["env"]["SM_TRAINING_ENV"])
    for name in ("num_cpus", "num_gpus"):
        ours.pop(name), theirs.pop(name)
    assert ours == theirs
    assert {k: got["env"][k] for k in want["other"]} == want["other"]
    assert (sm["SM_NUM_CPUS"], sm["SM_NUM_GPUS"]) == ("2", "0")


def test_contract_golden(script, tmp_path):
    """The same without the package: a golden run of the toolkit."""
    x = run(script({"train.py": DUMP}, channels=channels(tmp_path, "train", "test"),
                   hyperparameters={"epochs": 1, "lr": 5e-05, "flag": True, "none": None,
                                    "l": [1, 2], "d": {"b": 1, "a": "x"}, "raw": "plain text"}))
    got = dump_of(x)
    env, base = got["env"], got["base"]
    assert got["argv"] == ["train.py", "-d", "a=x,b=1", "--epochs", "1", "--flag", "True", "-l",
                           "[1, 2]", "--lr", "5e-05", "--none", "", "--raw", "plain text"]
    assert got["cwd"] == f"{base}/code"
    want = {"SM_CHANNELS": '["test","train"]', "SM_CHANNEL_TRAIN": f"{base}/input/data/train",
            "SM_HP_LR": "5e-05", "SM_HP_NONE": "", "SM_HP_FLAG": "true", "SM_HP_L": "[1,2]",
            "SM_HPS": '{"d":{"a":"x","b":1},"epochs":1,"flag":true,"l":[1,2],"lr":5e-05,'
                      '"none":null,"raw":"plain text"}',
            "SM_MODULE_NAME": "train", "SM_USER_ENTRY_POINT": "train.py", "SM_LOG_LEVEL": "20",
            "SM_OUTPUT_DATA_DIR": f"{base}/output/data", "SM_HOSTS": '["algo-1"]',
            "SM_FRAMEWORK_PARAMS": "{}", "SM_IS_HETERO": "false", "CURRENT_HOST": "algo-1",
            "SAGEMAKER_JOB_NAME": "j01example", "SM_NETWORK_INTERFACE_NAME": "eth0"}
    assert {k: env.get(k) for k in want} == want
    assert got["files"]["hyperparameters.json"]["lr"] == "5e-05"
    assert got["files"]["hyperparameters.json"]["raw"] == '"plain text"'
    assert got["files"]["inputdataconfig.json"]["test"]["TrainingInputMode"] == "File"


def test_environment_gpus_and_model_channel(script, tmp_path):
    made = channels(tmp_path, "train", "base")
    x = run(script({"train.py": DUMP}, channels={"train": made["train"]}, model=made["base"],
                   environment={"WANDB_MODE": "offline", "SM_MODEL_DIR": "mine",
                                "PATH": "/usr/bin"},
                   message={"resources": {"cpus": 1, "devices": ["GPU-1", "GPU-2"]}},
                   exec_fields={"env": {"PATH": "/bin", "AWS_REGION": "eu-west-1"}}))
    got = dump_of(x)["env"]
    assert got["WANDB_MODE"] == "offline"
    assert got["SM_MODEL_DIR"] != "mine"  # as in the toolkit, which writes them last
    assert got["SM_NUM_GPUS"] == "2" and got["SM_NUM_CPUS"] == "1"
    assert got["SM_CHANNELS"] == '["model","train"]'
    assert got["SM_CHANNEL_MODEL"].endswith("/input/data/model")
    assert got["SAGEMAKER_REGION"] == "eu-west-1"
    assert got["OMP_NUM_THREADS"] == "1"
    assert got["PATH"] == f"{pathlib.Path(sys.executable).parent}:/usr/bin"


def test_keys_of_the_transfer_are_not_the_scripts(script, monkeypatch):
    """What exec.inherit hands on is for fetching and pushing; exec.env is the script's."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    x = run(script({"train.py": DUMP}, exec_fields={
        "env": {"PATH": "/bin", "AWS_REGION": "us-east-1"}, "inherit": ["HF_TOKEN", "AWS_REGION"]}))
    env = dump_of(x)["env"]
    assert "hf_secret" not in env.values() and env["AWS_REGION"] == "us-east-1"


def test_opt_ml_and_where_things_end_up(script, tmp_path):
    x = script({"train.py": """
        import os, pathlib
        ml = pathlib.Path("/opt/ml")
        assert pathlib.Path.cwd() == ml / "code"
        assert (ml / "input/data/train/rows.txt").read_text() == "train"
        (ml / "input/data/train/cache.arrow").write_text("scratch")
        (ml / "model/weights").write_text("w")
        (ml / "output/data/eval_results.txt").write_text("eval_accuracy = 0.875\\nepoch = 2\\n")
        (ml / "checkpoints/checkpoint-1").mkdir()
        print("others:", sorted(os.listdir("/opt")))
        """, "lib/helper.py": "x = 1\n"}, channels=channels(tmp_path, "train"))
    record = x.start().record()
    if any(e.get("code") == "no_opt_ml" for e in events_of(x)):
        pytest.skip("a mount namespace is not permitted")
    assert (record["cause"], record["code"]) == ("exited", 0), x.log()
    work = x.dir / "work"
    assert (work / "model/weights").read_text() == "w"
    assert (work / "output/eval_results.txt").read_text() == "eval_accuracy = 0.875\nepoch = 2\n"
    assert (work / "output/data/eval_results.txt").exists()
    assert (work / "output/success").read_bytes() == b""
    assert (work / "checkpoints/checkpoint-1").is_dir()
    assert (work / "code/lib/helper.py").exists()
    assert not (work / ".channels").exists() and not (work / ".opt").exists()
    # neither the machine's /opt nor the channel's directory was touched
    assert sorted(set(os.listdir("/opt")) | {"ml"}) == eval(x.log().split("others: ")[1])
    assert os.listdir(tmp_path / "data/train") == ["rows.txt"]
    results = [e for e in events_of(x) if e["t"] == "result"]
    assert results[0]["values"] == {"eval_accuracy": 0.875, "epoch": 2}


def test_without_a_namespace(script, tmp_path):
    """A user who may not make namespaces gets SM_* with the real paths, and is told so."""
    if os.geteuid() != 0:
        pytest.skip("needs root to forbid namespaces")
    x = script({"train.py": DUMP + "\nassert open(os.environ['SM_CHANNEL_TRAIN'] + '/rows.txt')"
                                   ".read() == 'train'\n"},
               channels=channels(tmp_path, "train"))

    def forbid():
        import ctypes
        libc = ctypes.CDLL(None)
        for cap in (21, ):  # CAP_SYS_ADMIN leaves the bounding set
            assert libc.prctl(24, cap, 0, 0, 0) == 0
        # and user namespaces are refused by a filter on unshare(2)
        import struct
        code = struct.pack("HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 272, 0x06, 0, 0,
                           0x00050001, 0x06, 0, 0, 0x7fff0000)
        buf = ctypes.create_string_buffer(code)
        prog = struct.pack("HxxxxxxP", 4, ctypes.addressof(buf))
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, ctypes.create_string_buffer(prog), 0, 0) == 0
    if os.uname().machine != "x86_64":
        pytest.skip("the filter is written for x86-64")
    assert x.start(preexec=forbid).record()["code"] == 0, x.log()
    got = dump_of(x)
    assert got["base"] == str(x.dir / "work") == got["env"]["SAGEMAKER_BASE_DIR"]
    warning = [e for e in events_of(x) if e["t"] == "warning"][0]
    assert warning["code"] == "no_opt_ml" and "Operation not permitted" in warning["message"]


def test_plain_user_namespace(script, tmp_path):
    """As an ordinary user the script sees /opt/ml through a user namespace, as the same user."""
    if os.geteuid() != 0 or subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", "unshare", "-Um", "true"],
            capture_output=True).returncode:
        pytest.skip("needs root to become another user, and user namespaces")
    x = script({"train.py": "import os\nopen('/opt/ml/model/w', 'w').write(str(os.getuid()))\n"},
               channels=channels(tmp_path, "train"), local={"python": "/usr/bin/python3"})
    for d, dirs, files in os.walk(tmp_path):
        for name in [d] + [os.path.join(d, f) for f in files]:
            os.chown(name, 65534, 65534)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o5 != 0o5 and len(parent.parts) > 2:
            parent.chmod(0o755)
    assert x.start(preexec=lambda: os.setuid(65534)).record()["code"] == 0, x.log()
    assert (x.dir / "work/model/w").read_text() == "65534"


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
    ({"entry_point": "../train.py"}, "invalid_input", "/entry_point", "relative path"),
    ({"entry_point": "a b.py"}, "invalid_input", "/entry_point", "relative path"),
    ({"entry_point": "-c"}, "invalid_input", "/entry_point", "relative path"),
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


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A tiny random BERT and two data sets whose answer is one word, as Trainer wants them."""
    import datasets
    import transformers
    where = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", *"abcdefgh"]
    (where / "model").mkdir()
    (where / "model/vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizerFast(str(where / "model/vocab.txt"))
    tokenizer.save_pretrained(where / "model")
    transformers.set_seed(1)
    transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32)).save_pretrained(where / "model")
    for name, rows in (("train", 96), ("test", 32)):
        texts = [f"{'abcdefgh'[i % 8]} {'good' if i % 2 else 'bad'}" for i in range(rows)]
        ids = tokenizer(texts)
        made = datasets.Dataset.from_dict({"labels": [i % 2 for i in range(rows)],
                                           "input_ids": ids["input_ids"],
                                           "attention_mask": ids["attention_mask"]})
        made.with_format("torch").save_to_disk(where / name)
    return where


def trainer_script(script, tiny, **more):
    code = (ROOT / "examples/script/train.py").read_text()
    hyperparameters = {"epochs": 2, "train_batch_size": 8, "eval_batch_size": 16, "warmup_steps": 4,
                       "learning_rate": 5e-3, "not_known": 1, **more.pop("hyperparameters", {})}
    return script({"train.py": code}, model=str(tiny / "model"), hyperparameters=hyperparameters,
                  channels={n: str(tiny / n) for n in ("train", "test")}, **more)


def check_trained(x):
    import transformers
    values = [e["values"] for e in events_of(x) if e["t"] == "metric"]
    assert len([v for v in values if "loss" in v]) == 2  # 24 steps, a line every 10
    evals = [v for v in values if "eval_accuracy" in v]
    assert [v["epoch"] for v in evals] == [1, 2]
    result = [e for e in events_of(x) if e["t"] == "result"][0]["values"]
    text = (x.dir / "work/output/eval_results.txt").read_text()
    assert f"eval_accuracy = {result['eval_accuracy']}" in text
    assert result["eval_accuracy"] > 0.9 and result["eval_loss"] < 0.7
    transformers.AutoModelForSequenceClassification.from_pretrained(x.dir / "work/model")
    transformers.AutoTokenizer.from_pretrained(x.dir / "work/model")
    assert not list((x.dir / "work/model").glob("checkpoint-*"))
    assert sorted(p.name for p in (x.dir / "work/checkpoints").iterdir()) == ["checkpoint-12",
                                                                             "checkpoint-24"]


def test_example_trains(script, tiny):
    check_trained(run(trainer_script(script, tiny)))


def test_example_stops_and_goes_on(script, tiny):
    x = trainer_script(script, tiny, hyperparameters={"epochs": 2000}).start()
    wait_for("a metric", lambda: any(e["t"] == "metric" for e in events_of(x))
             if (x.dir / "work/events.ndjson").exists() else False)
    x.stop(60000)
    record = x.record()
    assert (record["cause"], record["code"]) == ("stopped", 1), x.log()
    step = int(x.log().split("the newest checkpoint is ")[1].split()[0].rsplit("-", 1)[1])
    epochs = step // 12 + 1
    y = run(trainer_script(script, tiny, hyperparameters={"epochs": epochs},
                           message={"resume": str(x.dir / "work/checkpoints")}))
    assert (y.dir / f"work/checkpoints/checkpoint-{epochs * 12}").is_dir()


OLDEST = ["transformers==4.26.1", "tokenizers==0.13.3", "huggingface-hub==0.25.2",
          "datasets==4.0.0"]


def test_example_trains_with_transformers_4(script, tiny, tmp_path):
    """The oldest version that the reference notebook names."""
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--target", tmp_path / "site", *OLDEST], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"pip cannot install {OLDEST}: {made.stderr[-300:]}")
    check_trained(run(trainer_script(script, tiny,
                                     environment={"PYTHONPATH": str(tmp_path / "site")})))
