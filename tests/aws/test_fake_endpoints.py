# SPDX-License-Identifier: MIT
"""The fake of AWS (tests/fakes/aws), seen by boto3: models, configurations, endpoints."""
import json
import signal

from fake_aws import ACCOUNT, ROLE, FakeAws
from fake_jobs import (BUCKET, LOGS, SERVING, ask, deployed, endpoint, fails, job, state, trained,
                       variant)


def test_an_endpoint_from_birth_to_end(fake, sm):
    deployed(fake, sm)
    assert endpoint(sm) == "Creating"
    fails("ValidationException", sm.delete_endpoint, "Cannot update in-progress endpoint",
          EndpointName="e")
    fails("ValidationError", fake.client("sagemaker-runtime").invoke_endpoint, "not found",
          EndpointName="e", Body=b"{}")
    fake.step()
    d = sm.describe_endpoint(EndpointName="e")
    assert d["EndpointStatus"] == "InService" and d["EndpointConfigName"] == "c"
    assert d["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert [r["kind"] for r in fake.resources() if r["bills"]] == ["endpoint"]
    sm.delete_endpoint(EndpointName="e")
    assert endpoint(sm) == "Deleting"
    fake.step()
    fails("ValidationException", sm.describe_endpoint, 'Could not find endpoint "arn:aws:',
          EndpointName="e")
    sm.delete_endpoint_config(EndpointConfigName="c")
    sm.delete_model(ModelName="m")
    fails("ValidationException", sm.delete_endpoint_config,
          "Could not find endpoint configuration", EndpointConfigName="c")
    fails("ValidationException", sm.delete_model, "Could not find model", ModelName="m")
    assert not fake.resources("endpoint") and not fake.resources("model")
    assert [b["kind"] for b in fake.admin("GET", "billing")["items"]] == [
        "training_job", "endpoint"]


def test_existing_names(fake, sm):
    deployed(fake, sm)
    fails("ValidationException", sm.create_model, "Cannot create already existing model",
          ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": SERVING})
    fails("ValidationException", sm.create_endpoint_config,
          "Cannot create already existing endpoint configuration", EndpointConfigName="c",
          ProductionVariants=[variant("m")])
    fails("ValidationException", sm.create_endpoint, "Cannot create already existing endpoint",
          EndpointName="e", EndpointConfigName="c")


def test_what_creation_looks_at(fake, sm):
    def model(words, role=ROLE, **container):
        fails("ValidationException", sm.create_model, words, ModelName="m", ExecutionRoleArn=role,
              PrimaryContainer={"Image": SERVING, **container})
    model("Could not find model data at", ModelDataUrl=f"s3://{BUCKET}/none.tar.gz")
    model("not found", Image=SERVING.replace("2.6.0", "0.0.0"))
    model("Using non-ECR image", Image="docker.io/x")
    model("Could not assume role", role=f"arn:aws:iam::{ACCOUNT}:role/LambdaBasic")
    model("Could not access model data", role=f"arn:aws:iam::{ACCOUNT}:role/SageMakerLogsOnly",
          ModelDataUrl=f"s3://{BUCKET}/data/train.csv")
    fails("ValidationException", sm.create_endpoint_config, "Could not find model",
          EndpointConfigName="c", ProductionVariants=[variant("none")])
    fails("ValidationException", sm.create_endpoint, "Could not find endpoint configuration",
          EndpointName="e", EndpointConfigName="none")


def test_serverless_and_prefix(fake, sm):
    fake.client("s3").put_object(Bucket=BUCKET, Key="model/config.json", Body=json.dumps(
        {"id2label": {"0": "bad", "1": "good"}}).encode())
    source = {"S3Uri": f"s3://{BUCKET}/model/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    sm.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={
        "Image": SERVING, "ModelDataSource": {"S3DataSource": source}})
    sm.create_model(ModelName="packed", ExecutionRoleArn=ROLE, PrimaryContainer={
        "Image": SERVING, "ModelDataUrl": trained(fake, sm)})
    sm.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant("m")])
    sm.create_endpoint_config(EndpointConfigName="s", ProductionVariants=[{
        "VariantName": "AllTraffic", "ModelName": "packed",
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}])
    sm.create_endpoint(EndpointName="e", EndpointConfigName="c")
    sm.create_endpoint(EndpointName="less", EndpointConfigName="s")
    fake.step()
    assert endpoint(sm, "less") == "InService"
    assert {a["label"] for a in ask(fake, {"inputs": "x", "parameters": {"top_k": None}})} == {
        "bad", "good"}


def test_update_and_rollback(fake, sm):
    deployed(fake, sm)
    deployed(fake, sm, None, model="m2", config="c2")
    fake.step()
    sm.update_endpoint(EndpointName="e", EndpointConfigName="c2")
    d = sm.describe_endpoint(EndpointName="e")
    assert (d["EndpointStatus"], d["EndpointConfigName"]) == ("Updating", "c")
    fails("ValidationException", sm.update_endpoint, "Cannot update in-progress endpoint",
          EndpointName="e", EndpointConfigName="c")
    ask(fake, {"inputs": "still there"})
    fake.step()
    d = sm.describe_endpoint(EndpointName="e")
    assert (d["EndpointStatus"], d["EndpointConfigName"]) == ("InService", "c2")
    fake.scenario(kind="endpoint", update_fail="health_check")
    sm.update_endpoint(EndpointName="e", EndpointConfigName="c")
    fake.step()
    assert endpoint(sm) == "RollingBack"
    fake.step()
    d = sm.describe_endpoint(EndpointName="e")
    assert (d["EndpointStatus"], d["EndpointConfigName"]) == ("InService", "c2")
    assert "ping health check" in d["FailureReason"]


def test_failed_and_stuck_endpoints(fake, sm):
    fake.scenario(kind="endpoint", fail="health_check", match={"name": "bad"})
    stuck = fake.scenario(kind="endpoint", hold="Creating", match={"name": "stuck"})["ids"][0]
    deployed(fake, sm, "bad")
    sm.create_endpoint(EndpointName="stuck", EndpointConfigName="c")
    fake.step(10)
    d = sm.describe_endpoint(EndpointName="bad")
    assert d["EndpointStatus"] == "Failed" and "ping health check" in d["FailureReason"]
    assert endpoint(sm, "stuck") == "Creating"
    fails("ValidationException", sm.update_endpoint, "Cannot update", EndpointName="bad",
          EndpointConfigName="c")
    sm.delete_endpoint(EndpointName="bad")
    fake.admin("DELETE", f"scenarios/{stuck}")
    fake.step()
    assert endpoint(sm, "stuck") == "InService"
    assert [e["EndpointName"] for e in sm.list_endpoints()["Endpoints"]] == ["stuck"]


def test_deleting_what_is_used_is_noted(fake, sm):
    deployed(fake, sm)
    fake.step()
    sm.delete_endpoint_config(EndpointConfigName="c")
    sm.delete_model(ModelName="m")
    assert len(fake.admin("GET", "resources")["violations"]) == 2
    ask(fake, {"inputs": "it serves on"})


def test_lists_have_pages(fake, sm):
    deployed(fake, sm, None)
    for n in range(5):
        sm.create_model(ModelName=f"m{n}", PrimaryContainer={"Image": SERVING},
                        ExecutionRoleArn=ROLE)
    names = [m["ModelName"] for page in sm.get_paginator("list_models").paginate(
        NameContains="m", PaginationConfig={"PageSize": 2}) for m in page["Models"]]
    assert names == ["m4", "m3", "m2", "m1", "m0", "m"]
    assert [c["EndpointConfigName"] for c in sm.list_endpoint_configs()["EndpointConfigs"]] == ["c"]


def test_regions_are_apart(fake, sm):
    sm.create_training_job(**job())
    assert fake.client("sagemaker", region="eu-west-1").list_training_jobs()[
        "TrainingJobSummaries"] == []


def test_everything_survives_a_kill(tmp_path):
    fake = FakeAws(tmp_path / "s").start()
    try:
        fake.client("s3").create_bucket(Bucket=BUCKET)
        fake.client("s3").put_object(Bucket=BUCKET, Key="data/x", Body=b"data")
        fake.client("sagemaker").create_training_job(**job())
        fake.step(2)
        fake.rule("DescribeTrainingJob", "throttle", after=1)
        fake.stop(signal.SIGKILL)
        fake.start()
        sm = fake.client("sagemaker")
        assert state(sm) == ("InProgress", "Training")
        fails("ThrottlingException", sm.describe_training_job, TrainingJobName="one")
        fake.step(2)
        assert state(sm) == ("Completed", "Completed")
        assert fake.client("s3").get_object(Bucket=BUCKET, Key="data/x")["Body"].read() == b"data"
        assert fake.client("logs").describe_log_streams(logGroupName=LOGS)["logStreams"]
    finally:
        fake.stop()
