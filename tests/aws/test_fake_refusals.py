# SPDX-License-Identifier: MIT
"""What the fake refuses because the service does. Values come from the documentation in botocore's
models, which the tests read too, or from the page named beside the rule in tests/fakes/aws."""
import hashlib
import re

import botocore.session
import pytest

from sagemaker_rig import archive
from fake_aws import ROLE
from fake_jobs import BUCKET, SERVING, deployed, fails, job, variant


MODELS = {name: botocore.session.get_session().get_service_model(name)
          for name in ("sagemaker", "s3", "iam")}


def said(service, shape, member=None):
    found = MODELS[service].shape_for(shape)
    return re.sub(r"<[^>]+>", "", (found.members[member] if member else found).documentation)


def resources(**more):
    return {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30, **more}


def test_longest_runtime(sm):
    assert "maximum value is 28 days" in said("sagemaker", "StoppingCondition",
                                              "MaxRuntimeInSeconds")
    sm.create_training_job(**job("most", StoppingCondition={"MaxRuntimeInSeconds": 28 * 86400}))
    fails("ValidationException", sm.create_training_job, "28 days",
          **job("more", StoppingCondition={"MaxRuntimeInSeconds": 28 * 86400 + 1}))


def test_keys_of_disks_that_have_their_own(fake, sm):
    assert "can't request a VolumeKmsKeyId when using an instance type with local storage" in \
        said("sagemaker", "ResourceConfig", "VolumeKmsKeyId")
    fails("ValidationException", sm.create_training_job, "VolumeKmsKeyId",
          **job(ResourceConfig=resources(VolumeKmsKeyId="alias/ours")))
    sm.create_training_job(**job(ResourceConfig=resources(
        InstanceType="ml.p3.2xlarge", VolumeKmsKeyId="alias/ours")))
    assert "local storage" in said("sagemaker", "CreateEndpointConfigInput", "KmsKeyId")
    deployed(fake, sm, name=None)
    for kind in ("ml.g5.xlarge", "ml.g4dn.xlarge", "ml.c5d.xlarge"):
        fails("ValidationException", sm.create_endpoint_config, "KmsKeyId",
              EndpointConfigName="k", KmsKeyId="alias/ours",
              ProductionVariants=[variant("m", InstanceType=kind)])
        fails("ValidationException", sm.create_endpoint_config, "VolumeSizeInGB",
              EndpointConfigName="k",
              ProductionVariants=[variant("m", InstanceType=kind, VolumeSizeInGB=30)])
    sm.create_endpoint_config(EndpointConfigName="k", KmsKeyId="alias/ours",
                              ProductionVariants=[variant("m", VolumeSizeInGB=30)])


@pytest.mark.parametrize("regex", ["(", "[a-", "*x"])
def test_metric_expressions(sm, regex):
    algorithm = job()["AlgorithmSpecification"]
    algorithm["MetricDefinitions"] = [{"Name": "loss", "Regex": regex}]
    fails("ValidationException", sm.create_training_job, "Invalid regular expression",
          **job(AlgorithmSpecification=algorithm))


def model(sm, name, environment):
    return {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": {
        "Image": SERVING, "Environment": {"HF_MODEL_ID": "org/name", **environment}}}


def test_environment_of_a_model(sm):
    page = said("sagemaker", "ContainerDefinition", "Environment")
    assert "1024 bytes" in page and "32 KB" in page
    sm.create_model(**model(sm, "most", {"A": "\u00e9" * 512}))
    fails("ValidationException", sm.create_model, "1024 bytes",
          **model(sm, "more", {"A": "\u00e9" * 513}))  # 513 characters, 1026 bytes
    used = sum(map(len, ("HF_MODEL_ID", "org/name")))
    rest = (32 << 10) - used
    many = {f"N{i:02d}": "x" * 1021 for i in range(rest // 1024)}
    many["LAST"] = "x" * (rest - 1024 * len(many) - 4)
    sm.create_model(**model(sm, "full", many))
    fails("ValidationException", sm.create_model, "32 KB",
          **model(sm, "over", {**many, "LAST": many["LAST"] + "x"}))


def test_environment_of_a_training_job(sm):
    shapes = MODELS["sagemaker"].operation_model("CreateTrainingJob").input_shape.members
    limits = shapes["Environment"].value.metadata
    sm.create_training_job(**job("most", Environment={"A": "x" * limits["max"]}))
    fails("ValidationException", sm.create_training_job, "length less than or equal to",
          **job("more", Environment={"A": "x" * (limits["max"] + 1)}))
    fails("ValidationException", sm.create_training_job, "pattern",
          **job("more", Environment={"1A": "x"}))


def test_serverless_takes_no_prefix(fake, sm):
    assert "serverless endpoints" in said("sagemaker", "ContainerDefinition", "ModelDataSource")
    fake.client("s3").put_object(Bucket=BUCKET, Key="tree/config.json", Body=b"{}")
    deployed(fake, sm, name=None, ModelDataSource={"S3DataSource": {
        "S3Uri": f"s3://{BUCKET}/tree/", "S3DataType": "S3Prefix", "CompressionType": "None"}})
    fails("ValidationException", sm.create_endpoint_config, "serverless",
          EndpointConfigName="s", ProductionVariants=[{
              "VariantName": "AllTraffic", "ModelName": "m",
              "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}])


def test_tag_keys_without_regard_to_case(sm):
    fails("ValidationException", sm.create_training_job, "Tag keys are case insensitive",
          **job(Tags=[{"Key": "Team", "Value": "a"}, {"Key": "team", "Value": "b"}]))


@pytest.mark.parametrize("files", [{"m/config.json": "{}"}, {"code/inference.py": ""}, {}])
def test_a_model_archive_without_a_model(fake, sm, files):
    fake.client("s3").put_object(Bucket=BUCKET, Key="m.tar.gz", Body=archive(files))
    deployed(fake, sm, ModelDataUrl=f"s3://{BUCKET}/m.tar.gz")
    fake.step(4)
    d = sm.describe_endpoint(EndpointName="e")
    assert d["EndpointStatus"] == "Failed" and "ping health check" in d["FailureReason"]


def test_variants_and_models_that_are_not_there(fake, sm):
    deployed(fake, sm)
    fake.step(4)
    runtime = fake.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="e", Body=b'{"inputs": "a"}',
                                     TargetVariant="AllTraffic", CustomAttributes="a=b")
    assert answer["CustomAttributes"] == "a=b"
    for more in ({"TargetVariant": "Other"}, {"TargetModel": "a.tar.gz"}):
        fails("ValidationError", runtime.invoke_endpoint, "e", EndpointName="e",
              Body=b'{"inputs": "a"}', **more)


@pytest.mark.parametrize("name", [
    "ab", "x" * 64, "Upper", "under_score", "-dash", "dash-", "two..dots", ".dot", "192.168.5.4",
    "xn--name", "sthree-name", "amzn-s3-demo-name", "name-s3alias", "name--ol-s3", "name.mrap",
    "name--table-s3"])
def test_bucket_names(fake, name):
    """General purpose bucket naming rules, Amazon S3 User Guide."""
    fails("InvalidBucketName", fake.client("s3").create_bucket, Bucket=name)


@pytest.mark.parametrize("name", ["abc", "x" * 63, "a.b-c.9", "1-2", "192.168.5.4.5", "xn-name"])
def test_good_bucket_names(fake, name):
    fake.client("s3").create_bucket(Bucket=name)


def test_etags_of_what_a_key_encrypts(fake):
    assert "SSE-KMS, have ETags that are not an MD5 digest" in said("s3", "Object", "ETag")
    s3, md5 = fake.client("s3"), hashlib.md5(b"x").hexdigest()
    assert s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")["ETag"] == f'"{md5}"'
    for algorithm in ("aws:kms", "aws:kms:dsse"):
        tag = s3.put_object(Bucket=BUCKET, Key="b", Body=b"x", SSEKMSKeyId="alias/ours",
                            ServerSideEncryption=algorithm)["ETag"]
        assert re.fullmatch('"[0-9a-f]{32}"', tag) and md5 not in tag
        assert s3.head_object(Bucket=BUCKET, Key="b")["ETag"] == tag


def test_what_a_role_may(fake):
    iam = fake.client("iam")

    def decisions(role, *actions):
        arn = iam.get_role(RoleName=role)["Role"]["Arn"]
        rows = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=list(actions),
            ResourceArns=["arn:aws:s3:::mine/key"])["EvaluationResults"]
        assert {r["EvalDecision"] for r in rows} <= set(
            MODELS["iam"].shape_for("PolicyEvaluationDecisionType").enum)
        return [r["EvalDecision"] for r in rows]

    assert decisions("SageMakerMain", "s3:GetObject", "s3:PutObject") == ["allowed"] * 2
    assert decisions("SageMakerLogsOnly", "s3:GetObject") == ["implicitDeny"]
    assert decisions("SageMakerDenied", "s3:GetObject", "s3:PutObject") == ["allowed",
                                                                            "explicitDeny"]
    fails("NoSuchEntity", iam.simulate_principal_policy,
          PolicySourceArn=f"{ROLE}none", ActionNames=["s3:GetObject"])
