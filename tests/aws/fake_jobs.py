# SPDX-License-Identifier: MIT
"""Shared by the tests of the fake: a fake with a bucket, and jobs and endpoints in it."""
import json
import urllib.request

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fake_aws import KEY, ROLE, SECRET

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:" \
        "2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04"
SERVING = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:" \
          "2.6.0-transformers4.49.0-cpu-py312-ubuntu22.04"
BUCKET = "fake-bucket"
LOGS = "/aws/sagemaker/TrainingJobs"


def checked_client(fake):
    """SageMaker's client that also checks that an answer has only the members of its model."""
    client = fake.client("sagemaker")
    client.meta.events.register("before-parse.sagemaker.*", check_answer)
    return client


def check_answer(operation_model, response_dict, **_):
    if response_dict["status_code"] == 200 and response_dict["body"]:
        check_members(operation_model.output_shape, json.loads(response_dict["body"]), "")


def check_members(shape, value, where):
    if shape.type_name == "structure":
        # A job that has no artifacts yet has no ModelArtifacts, whatever the model says.
        missing = set(shape.required_members) - set(value) - {"ModelArtifacts"}
        unknown = set(value) - set(shape.members)
        assert not unknown and not missing, (where, unknown, missing)
        for name, v in value.items():
            check_members(shape.members[name], v, f"{where}.{name}")
    elif shape.type_name == "list":
        for v in value:
            check_members(shape.member, v, where + "[]")
    elif getattr(shape, "enum", None):
        assert value in shape.enum, (where, value)
    else:
        kinds = {"string": str, "integer": int, "long": int, "boolean": bool, "map": dict}
        assert isinstance(value, kinds.get(shape.type_name, (int, float))), (where, value)


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


def signed(fake, target, body):
    """A request for urllib, as a JSON service takes it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    r = AWSRequest("POST", fake.url + "/", data=data, headers={
        "X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"})
    SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "us-east-1").add_auth(r)
    return urllib.request.Request(fake.url + "/", data, dict(r.headers.items()), method="POST")
