# SPDX-License-Identifier: MIT
"""What the tests of the fake share: a fake with a bucket, and jobs and endpoints in it."""
import json

import botocore.exceptions
import pytest

from fake_aws import ACCOUNT, ROLE, FakeAws

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:" \
        "2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04"
SERVING = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:" \
          "2.6.0-transformers4.49.0-cpu-py312-ubuntu22.04"
BUCKET = "fake-bucket"
LOGS = "/aws/sagemaker/TrainingJobs"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with FakeAws(tmp_path_factory.mktemp("fake") / "state") as fake:
        yield fake


@pytest.fixture
def fake(server):
    server.reset()
    server.client("s3").create_bucket(Bucket=BUCKET)
    server.client("s3").put_object(Bucket=BUCKET, Key="data/train.csv", Body=b"a,b\n")
    return server


@pytest.fixture
def sm(fake):
    return fake.client("sagemaker")


def job(name="one", **more):
    return {"TrainingJobName": name, "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File",
                                       "MetricDefinitions": [
                                           {"Name": "loss", "Regex": "'loss': '?([0-9.]+)"}]},
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/data/"}}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"},
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1,
                               "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "HyperParameters": {"epochs": "2"}, **more}


def fails(code, call, words="", **arguments):
    """The message that `call` is refused with."""
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**arguments)
    error = e.value.response["Error"]
    assert error["Code"] == code, error
    assert words in error["Message"], error
    return error["Message"]


def state(sm, name="one"):
    d = sm.describe_training_job(TrainingJobName=name)
    return d["TrainingJobStatus"], d["SecondaryStatus"]


def trained(fake, sm, name="one", **more):
    sm.create_training_job(**job(name, **more))
    fake.step(8)
    assert state(sm, name) == ("Completed", "Completed")
    return sm.describe_training_job(TrainingJobName=name)["ModelArtifacts"]["S3ModelArtifacts"]


def deployed(fake, sm, name="e", model="m", config="c", **container):
    if not container:
        container = {"ModelDataUrl": trained(fake, sm, f"for-{model}")}
    sm.create_model(ModelName=model, ExecutionRoleArn=ROLE,
                    PrimaryContainer={"Image": SERVING, **container})
    sm.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant(model)])
    if name:
        sm.create_endpoint(EndpointName=name, EndpointConfigName=config)


def variant(model, **more):
    return {"VariantName": "AllTraffic", "ModelName": model, "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge", **more}


def endpoint(sm, name="e"):
    return sm.describe_endpoint(EndpointName=name)["EndpointStatus"]


def ask(fake, body, name="e"):
    reply = fake.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=json.dumps(body), ContentType="application/json")
    assert reply["InvokedProductionVariant"] == "AllTraffic"
    return json.loads(reply["Body"].read())
