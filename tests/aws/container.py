# SPDX-License-Identifier: MIT
"""A training container without containers: the directory that SageMaker makes of a request, the
command line and environment that the real training toolkit makes of that, and a process."""
import json
import os
import pathlib
import subprocess
import sys

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
