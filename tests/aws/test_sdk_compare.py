# SPDX-License-Identifier: MIT
"""Our requests beside those of SageMaker's own SDK v2 for the same arguments, member by member.
sdk_requests.json holds the SDK's (sdk_capture.py makes it); each difference is listed here, and
docs/sagemaker.md gives the reasons."""
import json
import os
import pathlib
import subprocess

import pytest

from probe import ROLE, Probe

HERE = pathlib.Path(__file__).parent
SDK = json.loads((HERE / "sdk_requests.json").read_text())
BUCKET = "s3://sagemaker-us-east-1-123456789012/"
CHANNELS = {"train": "s3://bucket/train/", "test": "s3://bucket/test/"}
KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d"
VPC = {"subnets": ["subnet-0a1b2c3d"], "security_groups": ["sg-0a1b2c3d"]}
BASIC = {"epochs": 1, "learning_rate": 5e-05, "model_name": "distilbert-base-uncased",
         "flag": True, "list": [1, 2.5, "x"], "nested": {"b": 1, "a": "\u00e9"}}
GONE, NEW, ANY = "the SDK sends it, we do not", "we send it, the SDK does not", "another value"

# place in the body → (what differs, whose: ours after the SDK's). One row a deliberate difference.
TRAIN_ALWAYS = {"/DebugHookConfig": GONE, "/ProfilerConfig/S3OutputPath": GONE,
                "/ProfilerConfig/DisableProfiler": (False, True)}
QUIET = {"/AlgorithmSpecification/MetricDefinitions": NEW}
SERVE_ALWAYS = {"/PrimaryContainer/Environment/SAGEMAKER_PROGRAM": GONE,
                "/PrimaryContainer/Environment/SAGEMAKER_SUBMIT_DIRECTORY": GONE}
TIMEOUTS = {"/ProductionVariants/0/ModelDataDownloadTimeoutInSeconds": NEW,
            "/ProductionVariants/0/ContainerStartupHealthCheckTimeoutInSeconds": NEW}


def train(name, hyperparameters, sagemaker=None, given=None, **spec):
    output = (given or {}).get("output_uri", BUCKET)
    return {"name": name, "output_uri": output,
            "source_uri": f"{output}{name}/source/sourcedir.tar.gz",
            "spec": {"kind": "train", "entry_point": "train.py", "channels": CHANNELS,
                     "hyperparameters": hyperparameters,
                     "sagemaker": {"instance_type": "ml.p3.2xlarge", **(sagemaker or {})}, **spec},
            **(given or {})}


SPOT = {"spot": True, "max_wait": "2h"}
TRAIN = {
    "train-plain": (train("t-plain", BASIC), {**TRAIN_ALWAYS, **QUIET}),
    # with its debugger and profiler switched off, the SDK sends what we send
    "train-quiet": (train("t-quiet", BASIC), QUIET),
    "train-spot": (train("t-spot", {"epochs": 3}, SPOT, max_runtime="1h", given={
        "checkpoint_uri": "s3://bucket/ck/", "service_retries": 3}), {**TRAIN_ALWAYS, **QUIET}),
    "train-checkpoint-path": (train("t-ck", {"epochs": 3}, SPOT, max_runtime="1h", given={
        "checkpoint_uri": "s3://bucket/ck/", "checkpoint_path": "/opt/ml/here"}),
        {**TRAIN_ALWAYS, **QUIET}),
    "train-warm-vpc-kms": (train("t-warm", {"epochs": 1}, {
        "keep_alive": "10m", "volume_gb": 60, "kms_key": KEY, "vpc": VPC}, given={
            "output_uri": "s3://bucket/out/", "tags": {"team": "nlp"}}),
        {**TRAIN_ALWAYS, **QUIET,
         # the SDK writes the code into the bucket itself
         "/HyperParameters/sagemaker_submit_directory": ANY}),
    "train-metrics-environment": (train(
        "t-metrics", {"lr": 1e-07, "none": None, "text": "a 'b' \"c\" \u4f60"},
        metric_definitions=[{"name": "loss", "regex": "'loss': '?([0-9.eE+-]+)"}],
        environment={"A": "1", "HF_HOME": "/tmp/x"}), TRAIN_ALWAYS),
    "train-distributed": (train("t-two", {"epochs": 1}, {
        "instance_type": "ml.p4d.24xlarge", "instance_count": 2}), {**TRAIN_ALWAYS, **QUIET}),
    "train-no-channels": (train("t-alone", {"epochs": 1}, channels={"train": "s3://bucket/x"}),
                          {**TRAIN_ALWAYS, **QUIET}),
}


def serve(name, sagemaker, model=None, **spec):
    return {"name": name, "model": {"model_uri": "s3://bucket/m/model.tar.gz"} if model is None
            else model, "spec": {"kind": "deploy", "sagemaker": sagemaker, **spec}}


M5 = {"instance_type": "ml.m5.xlarge"}
DEPLOY = {
    "deploy-tar": (serve("d-tar", {**M5, "instance_count": 2}), TIMEOUTS),
    "deploy-prefix": (serve("d-prefix", {"instance_type": "ml.g4dn.xlarge"},
                            {"model_uri": "s3://bucket/m/"}), TIMEOUTS),
    "deploy-hub": (serve("d-hub", M5, {"hub_id": "distilbert-base-uncased"}), TIMEOUTS),
    "deploy-serverless": (serve("d-less", {"serverless": {"memory_mb": 3072,
                                                          "max_concurrency": 7}}), {}),
    "deploy-vpc-kms-timeouts": (serve("d-vpc", {**M5, "volume_gb": 40, "kms_key": KEY,
                                                "vpc": VPC}, environment={"A": "1"}), {}),
}


def flat(value, place=""):
    """{"/a/0/b": value}; the list of metrics is one value."""
    if isinstance(value, dict) and value:
        return {k: v for name, member in value.items()
                for k, v in flat(member, f"{place}/{name}").items()}
    if isinstance(value, list) and value and not place.endswith("MetricDefinitions"):
        return {k: v for i, member in enumerate(value)
                for k, v in flat(member, f"{place}/{i}").items()}
    return {place: value}


def differences(ours, theirs):
    ours, theirs = flat(ours), flat(theirs)
    found = {}
    for place in sorted(ours.keys() | theirs.keys()):
        if place not in ours:
            found[place] = GONE
        elif place not in theirs:
            found[place] = NEW
        elif ours[place] != theirs[place]:
            found[place] = (theirs[place], ours[place])
    return found


def check(ours, theirs, expected):
    found = differences(ours, theirs)
    # a whole member that is missing shows as its parts
    found = {next((e for e in expected if place.startswith(e + "/")), place): what
             for place, what in found.items()}
    assert found.keys() == expected.keys()
    for place, what in expected.items():
        assert what == ANY or found[place] == what, (place, found[place])


def sorted_channels(body):
    body = dict(body)
    body["InputDataConfig"] = sorted(body["InputDataConfig"], key=lambda c: c["ChannelName"])
    return body


@pytest.mark.parametrize("case", TRAIN)
def test_training(build, case):
    question, expected = TRAIN[case]
    ours = Probe(build).training(**question)
    theirs = SDK["cases"][case]["CreateTrainingJob"]
    check(sorted_channels(ours), sorted_channels(theirs), expected)


@pytest.mark.parametrize("case", DEPLOY)
def test_deploy(build, case):
    question, in_config = DEPLOY[case]
    name, probe, theirs = question["name"], Probe(build), SDK["cases"][case]
    tags = {"tags": {"team": "nlp"}} if case == "deploy-vpc-kms-timeouts" else {}
    model = probe.ask(op="model", spec=question["spec"], name=f"{name}-model", region="us-east-1",
                      role_arn=ROLE, **question["model"], **tags)
    names = {"spec": question["spec"], "name": name, "config_name": name,
             "model_name": f"{name}-model", **tags}
    check(model, theirs["CreateModel"], SERVE_ALWAYS)
    check(probe.ask(op="config", **names), theirs["CreateEndpointConfig"], in_config)
    empty = {} if tags else {"/Tags": GONE}  # an empty list
    check(probe.ask(op="endpoint", **names), theirs["CreateEndpoint"], empty)


def test_update_names_the_endpoint_and_its_new_config(build):
    """The SDK's Session.update_endpoint sends just these two."""
    body = Probe(build).ask(op="update", spec={}, name="e", config_name="c-2", model_name="m",
                            tags={"a": "b"})
    assert body == {"EndpointName": "e", "EndpointConfigName": "c-2"}


def test_every_case_of_the_sdk_is_compared():
    assert SDK["cases"].keys() == TRAIN.keys() | DEPLOY.keys()
    assert SDK["sdk"].startswith("2.")


def test_the_sdk_still_sends_this(tmp_path):
    """With TRAINYARD_SDK_PYTHON (of a virtual environment with the SDK) ask it anew."""
    python = os.environ.get("TRAINYARD_SDK_PYTHON")
    if not python:
        pytest.skip("TRAINYARD_SDK_PYTHON names no python with the sagemaker SDK")
    subprocess.run([python, HERE / "sdk_capture.py", tmp_path / "made.json"], check=True)
    assert json.loads((tmp_path / "made.json").read_text()) == SDK
