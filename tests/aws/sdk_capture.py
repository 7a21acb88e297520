#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What SageMaker's own Python SDK (v2) sends, as sdk_requests.json beside this file. Run it in a
virtual environment of its own:

  python3 -m venv V && V/bin/pip install -r tools/requirements-sagemaker-sdk.txt
  V/bin/python tests/aws/sdk_capture.py [OUT.json]

No network: botocore's last step is replaced, so that the bodies are those that would have gone out.
"""
import io
import json
import logging
import os
import pathlib
import sys
import tempfile
import warnings

os.environ.update({"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK",
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"})
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

import boto3  # noqa: E402
import sagemaker  # noqa: E402
from botocore.awsrequest import AWSResponse  # noqa: E402
from sagemaker import image_uris  # noqa: E402
from sagemaker.huggingface import HuggingFace, HuggingFaceModel  # noqa: E402
from sagemaker.serverless import ServerlessInferenceConfig  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/SageMakerMain"
IDENTITY = b"""<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>
<Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>U</UserId></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""
BUCKETS = b"""<ListAllMyBucketsResult><Buckets><Bucket><Name>sagemaker-us-east-1-123456789012</Name>
<CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>"""
DATA = {"train": "s3://bucket/train/", "test": "s3://bucket/test/"}
DLC = {"transformers_version": "4.56.2", "pytorch_version": "2.8.0", "py_version": "py312"}
DLC_SERVE = {"transformers_version": "4.51.3", "pytorch_version": "2.6.0", "py_version": "py312"}
METRICS = [{"Name": "loss", "Regex": "'loss': '?([0-9.eE+-]+)"}]
BASIC = {"epochs": 1, "learning_rate": 5e-05, "model_name": "distilbert-base-uncased",
         "flag": True, "list": [1, 2.5, "x"], "nested": {"b": 1, "a": "\u00e9"}}
VPC = {"subnets": ["subnet-0a1b2c3d"], "security_group_ids": ["sg-0a1b2c3d"]}
KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d"


class Raw(io.BytesIO):
    def stream(self, amt=1024, **_):
        yield self.getvalue()


class Recorder:
    def __init__(self):
        self.bodies = {}
        self.boto = boto3.Session(region_name="us-east-1")
        self.boto._session.register("before-send", self.send)
        self.session = sagemaker.Session(self.boto)

    def send(self, request, **_):
        target = request.headers.get("X-Amz-Target", b"")
        target = target.decode() if isinstance(target, bytes) else target
        body = b"{}"
        if target:
            self.bodies[target.split(".")[1]] = json.loads(request.body)
            body = b'{"EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"}'
        elif "sts." in request.url:
            body = IDENTITY
        elif "s3." in request.url:
            body = BUCKETS if request.method == "GET" else b""
        headers = {"x-amz-bucket-region": "us-east-1", "ETag": '"0"'}
        return AWSResponse(request.url, 200, headers, Raw(body))


def train(name, hyperparameters=None, fit=None, **arguments):
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as source:
        (pathlib.Path(source) / "train.py").write_text("pass\n")
        estimator = HuggingFace(
            entry_point="train.py", source_dir=source, role=ROLE,
            sagemaker_session=recorder.session, hyperparameters=hyperparameters or {},
            **{"instance_type": "ml.p3.2xlarge", "instance_count": 1, **DLC, **arguments})
        estimator.fit(fit or DATA, job_name=name, wait=False)
    return recorder.bodies


def deploy(name, model, **arguments):
    recorder = Recorder()
    made = HuggingFaceModel(role=ROLE, name=name + "-model", sagemaker_session=recorder.session,
                            **DLC_SERVE, **model)
    made.deploy(endpoint_name=name, wait=False, **arguments)
    return {k: v for k, v in recorder.bodies.items() if k.startswith("Create")}


CASES = {
    "train-plain": lambda: train("t-plain", BASIC),
    "train-quiet": lambda: train("t-quiet", BASIC, disable_profiler=True,
                                 debugger_hook_config=False),
    "train-spot": lambda: train("t-spot", {"epochs": 3}, use_spot_instances=True, max_run=3600,
                                max_wait=7200, checkpoint_s3_uri="s3://bucket/ck/",
                                max_retry_attempts=3),
    "train-checkpoint-path": lambda: train("t-ck", {"epochs": 3}, use_spot_instances=True,
                                           max_run=3600, max_wait=7200,
                                           checkpoint_s3_uri="s3://bucket/ck/",
                                           checkpoint_local_path="/opt/ml/here"),
    "train-warm-vpc-kms": lambda: train("t-warm", {"epochs": 1}, keep_alive_period_in_seconds=600,
                                        volume_size=60, output_kms_key=KEY, volume_kms_key=KEY,
                                        output_path="s3://bucket/out/",
                                        tags=[{"Key": "team", "Value": "nlp"}], **VPC),
    "train-metrics-environment": lambda: train("t-metrics", {"lr": 1e-07, "none": None,
                                                             "text": "a 'b' \"c\" \u4f60"},
                                               metric_definitions=METRICS,
                                               environment={"A": "1", "HF_HOME": "/tmp/x"}),
    "train-distributed": lambda: train("t-two", {"epochs": 1}, instance_count=2,
                                       instance_type="ml.p4d.24xlarge",
                                       distribution={"torch_distributed": {"enabled": True}}),
    "train-no-channels": lambda: train("t-alone", {"epochs": 1}, fit={"train": "s3://bucket/x"}),
    "deploy-tar": lambda: deploy("d-tar", {"model_data": "s3://bucket/m/model.tar.gz",
                                           "env": {"HF_TASK": "text-classification"}},
                                 initial_instance_count=2, instance_type="ml.m5.xlarge"),
    "deploy-prefix": lambda: deploy("d-prefix", {"model_data": {"S3DataSource": {
        "S3Uri": "s3://bucket/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}},
        "env": {"HF_TASK": "text-classification"}}, initial_instance_count=1,
        instance_type="ml.g4dn.xlarge"),
    "deploy-hub": lambda: deploy("d-hub", {"env": {"HF_MODEL_ID": "distilbert-base-uncased",
                                                   "HF_TASK": "text-classification"}},
                                 initial_instance_count=1, instance_type="ml.m5.xlarge"),
    "deploy-serverless": lambda: deploy("d-less", {"model_data": "s3://bucket/m/model.tar.gz",
                                                   "env": {"HF_TASK": "text-classification"}},
                                        serverless_inference_config=ServerlessInferenceConfig(
                                            memory_size_in_mb=3072, max_concurrency=7)),
    "deploy-vpc-kms-timeouts": lambda: deploy(
        "d-vpc", {"model_data": "s3://bucket/m/model.tar.gz", "vpc_config": {
            "Subnets": VPC["subnets"], "SecurityGroupIds": VPC["security_group_ids"]},
            "env": {"HF_TASK": "text-classification", "A": "1"}},
        initial_instance_count=1, instance_type="ml.m5.xlarge", volume_size=40, kms_key=KEY,
        model_data_download_timeout=1200, container_startup_health_check_timeout=600,
        tags=[{"Key": "team", "Value": "nlp"}]),
}


def image(role, version, torch, python, region, processor):
    return image_uris.retrieve(
        "huggingface", region, version=version, py_version=python, image_scope=role,
        base_framework_version=torch,
        container_version="cu110-ubuntu18.04" if version in ("4.4.2", "4.5.0") else None,
        instance_type="ml.g5.xlarge" if processor == "gpu" else "ml.m5.xlarge")


def images():
    """Every PyTorch image of the SDK's table: {"registries": {region: host}, "images": {"role
    version torch processor": {"image": …, "regions": …}}}; regions as "all but …"."""
    config = json.loads((pathlib.Path(sagemaker.__file__).parent
                         / "image_uri_config/huggingface.json").read_text())
    registries, found = {}, {}
    for role in ("training", "inference"):
        for version, frameworks in config[role]["versions"].items():
            for torch, one in frameworks.items():
                if not torch.startswith("pytorch"):
                    continue
                for processor in config[role]["processors"]:
                    key = f"{role} {version} {torch} {processor}"
                    for region in one["registries"]:
                        host, _, name = image(role, version, torch, one["py_versions"][0], region,
                                              processor).partition("/")
                        assert registries.setdefault(region, host) == host
                        entry = found.setdefault(key, {"image": name, "regions": []})
                        assert entry["image"] == name
                        entry["regions"].append(region)
    for entry in found.values():
        entry["without"] = sorted(set(registries) - set(entry.pop("regions")))
    return {"registries": registries, "images": found}


def main():
    beside = pathlib.Path(__file__).with_name("sdk_requests.json")
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else beside)
    made = {"sdk": sagemaker.__version__, "cases": {name: case() for name, case in CASES.items()},
            **images()}
    out.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
