# SPDX-License-Identifier: MIT
"""Script mode (worker/script) beside the contract of SageMaker's training toolkit: what a script
sees, compared with the toolkit itself."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

from script_run import DUMP, ROOT, channels, dump_of, events_of, run

TOOLKIT = "sagemaker-training==5.1.4"

HYPERPARAMETERS = {
    "epochs": 1, "learning_rate": 5e-05, "model_name": "distilbert-base-uncased", "flag": True,
    "off": False, "none": None, "l": [1, 2.5, "a", None, True, ["x'y"]], "d": {"b": 1, "a": "x"},
    "raw": "plain text; $(touch pwned) 'quoted' \"double\" | & é \U0001f642", "empty": "",
    "big": 12345678901234567, "tiny": 1e-07, "huge": 1e22, "third": 0.1, "whole": 3.0, "neg": -0.5,
    "x16": 1e16, "x15": 123456789012345.6, "text_number": "5", "text_json": "[1, 2]", "nested":
    {"k": {"deep": [1, {"z": None}]}}, "sagemaker_mpi_enabled": False, "with-dash": 1,
}


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory):
    """A directory with the toolkit, or a skip that says why."""
    where = tmp_path_factory.mktemp("toolkit")
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--target", where, TOOLKIT], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"pip cannot install {TOOLKIT}: {made.stderr[-300:]}")
    return where


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
