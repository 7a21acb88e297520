# SPDX-License-Identifier: MIT
"""A training container without containers: the directory that SageMaker makes of a request, the
command line and environment that the real training toolkit makes of that, and a process."""
import functools
import json
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 900
SOURCE = ROOT / "worker/sagemaker_script"


def lay_out(base, body, channels):
    """/opt/ml of a CreateTrainingJob request; channels: name → directory, as fetched from S3."""
    config = base / "input/config"
    config.mkdir(parents=True)
    for name, source in channels.items():
        (base / "input/data").mkdir(exist_ok=True)
        (base / "input/data" / name).symlink_to(source, target_is_directory=True)
    kind = body["ResourceConfig"]["InstanceType"]
    hosts = [f"algo-{i + 1}" for i in range(body["ResourceConfig"]["InstanceCount"])]
    group = {"instance_group_name": "homogeneousCluster", "instance_type": kind, "hosts": hosts}
    files = {
        "hyperparameters": body["HyperParameters"],
        "inputdataconfig": {c["ChannelName"]: {"TrainingInputMode": "File",
                                               "S3DistributionType": "FullyReplicated"}
                            for c in body.get("InputDataConfig", [])},
        "resourceconfig": {"current_host": hosts[0], "hosts": hosts, "current_instance_type": kind,
                           "current_group_name": group["instance_group_name"],
                           "instance_groups": [group], "network_interface_name": "eth0"}}
    for name, value in files.items():
        (config / f"{name}.json").write_text(json.dumps(value))
    for name in ("model", "output/data", "checkpoints", "code"):
        (base / name).mkdir(parents=True)


def command(base, toolkit):
    """(argv after the program, environment) as the toolkit gives them to a script."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SM_", "AWS_"))}
    made = subprocess.run([sys.executable, ROOT / "tests/parity/toolkit_env.py", toolkit, base],
                          capture_output=True, text=True, check=True,
                          env={**clean, "TRAINING_JOB_NAME": "t"})
    found = json.loads(made.stdout.splitlines()[-1])
    return found["args"], {**clean, **found["env"], **found["other"], "HF_HUB_OFFLINE": "1",
                           "TOKENIZERS_PARALLELISM": "false"}


def start(base, toolkit, program="train.py", launcher=(), source=SOURCE, **variables):
    args, env = command(base, toolkit)
    return subprocess.Popen([sys.executable, *launcher, str(source / program), *args],
                            cwd=base / "code", env={**env, **variables}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(base, toolkit, **how):
    """(exit status, stdout, stderr)"""
    process = start(base, toolkit, **how)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


# ---- in a process that has the libraries from its start ----

LIBRARIES = ["torch", "datasets", "transformers.trainer", "transformers.models.bert.modeling_bert",
             "sklearn.metrics", "scipy.stats"]


@functools.cache
def parent():
    """What starts a process has imported the libraries, which takes twenty seconds of a core."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(LIBRARIES)
    return made


def run_script(program, args, env, base):
    """The new process: what it prints and how it ends are as if the interpreter had started it."""
    for fd, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(base / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), fd)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(base / "code")
    sys.argv = [str(program), *args]
    sys.path.insert(0, str(program.parent))
    runpy.run_path(str(program), run_name="__main__")


def run_forked(base, toolkit):
    """As run(), by a process of parent()."""
    args, env = command(base, toolkit)
    process = parent().Process(target=run_script, args=(SOURCE / "train.py", args, env, base))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM"):  # read by an import
            patch.setenv(name, env[name])
        process.start()
    process.join(DEADLINE_S)
    if process.exitcode is None:
        process.kill()
    return process.exitcode, (base / "stdout").read_text(), (base / "stderr").read_text()
