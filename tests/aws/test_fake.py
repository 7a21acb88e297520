# SPDX-License-Identifier: MIT
"""The fake of AWS (tests/fakes/aws), seen by boto3: training jobs, tags, quotas."""
import json
import urllib.error
import urllib.request

import pytest

from fake_aws import ACCOUNT, ROLE
from fake_jobs import BUCKET, IMAGE, deployed, fails, job, signed, state, trained


def test_a_job_goes_through_all_statuses(fake, sm):
    arn = sm.create_training_job(**job(Tags=[{"Key": "k", "Value": "v"}]))["TrainingJobArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/one"
    seen = []
    for _ in range(6):
        seen.append(state(sm))
        fake.step()
    assert seen == [("InProgress", s) for s in ("Starting", "Downloading", "Training", "Uploading")
                    ] + [("Completed", "Completed")] * 2
    d = sm.describe_training_job(TrainingJobName="one")
    assert [t["Status"] for t in d["SecondaryStatusTransitions"]] == \
        ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(t["EndTime"] >= t["StartTime"] for t in d["SecondaryStatusTransitions"])
    assert d["HyperParameters"] == {"epochs": "2"} and d["RoleArn"] == ROLE
    assert d["FinalMetricDataList"][0]["MetricName"] == "loss"
    assert d["BillableTimeInSeconds"] == d["TrainingTimeInSeconds"] >= 1
    keys = [o["Key"] for o in fake.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert "out/one/output/model.tar.gz" in keys and "out/one/output/output.tar.gz" in keys


def test_names_are_unique_until_deleted(fake, sm):
    sm.create_training_job(**job())
    fails("ResourceInUse", sm.create_training_job, "Training job names must be unique", **job())
    fails("ResourceInUse", sm.delete_training_job, TrainingJobName="one")
    fake.step(8)
    sm.delete_training_job(TrainingJobName="one")
    fails("ValidationException", sm.describe_training_job, "Requested resource not found",
          TrainingJobName="one")
    sm.create_training_job(**job())


def test_unknown_jobs(sm):
    for call in (sm.describe_training_job, sm.stop_training_job):
        fails("ValidationException", call, "Requested resource not found", TrainingJobName="none")


def test_stop(fake, sm):
    sm.create_training_job(**job())
    fake.step(2)
    sm.stop_training_job(TrainingJobName="one")
    assert state(sm) == ("Stopping", "Stopping")
    fake.step()
    assert state(sm) == ("Stopping", "Uploading")
    fake.step()
    assert state(sm) == ("Stopped", "Stopped")
    fails("ValidationException", sm.stop_training_job,
          "The request was rejected because the training job is in status Stopped.",
          TrainingJobName="one")
    sm.create_training_job(**job("early"))
    sm.stop_training_job(TrainingJobName="early")
    fake.step()
    assert state(sm, "early") == ("Stopped", "Stopped")
    assert "ModelArtifacts" not in sm.describe_training_job(TrainingJobName="early")


def test_waiting_for_capacity(fake, sm):
    fake.scenario(kind="training", pending=True, hold=["Pending"])
    sm.create_training_job(**job())
    fake.step(9)
    assert state(sm) == ("InProgress", "Pending")
    fake.admin("DELETE", "scenarios")
    fake.step(4)
    assert state(sm) == ("Completed", "Completed")


def test_facts_win_over_a_stop(fake, sm):
    fake.scenario(kind="training", ignore_stop=True)
    sm.create_training_job(**job())
    fake.step(2)
    sm.stop_training_job(TrainingJobName="one")
    fake.step(2)
    assert state(sm) == ("Completed", "Completed")


def test_too_long_is_stopped_not_failed(fake, sm):
    fake.scenario(kind="training", runtime_s=7200)
    sm.create_training_job(**job())
    fake.step(8)
    assert state(sm) == ("Stopped", "MaxRuntimeExceeded")


def test_spot(fake, sm):
    stop = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 3600}
    spot = {"EnableManagedSpotTraining": True, "StoppingCondition": stop}
    fails("ValidationException", sm.create_training_job, "MaxWaitTimeInSeconds", **job(
        EnableManagedSpotTraining=True))
    fails("ValidationException", sm.create_training_job, "MaxWaitTimeInSeconds", **job(
        StoppingCondition=stop))
    fake.scenario(kind="training", interrupt=1, runtime_s=50)
    sm.create_training_job(**job(**spot))
    fake.step(12)
    d = sm.describe_training_job(TrainingJobName="one")
    assert [t["Status"] for t in d["SecondaryStatusTransitions"]] == [
        "Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading", "Training",
        "Uploading", "Completed"]
    assert (d["TrainingTimeInSeconds"], d["BillableTimeInSeconds"]) == (50, 15)


def test_spot_waits_only_so_long(fake, sm):
    fake.scenario(kind="training", hold="Starting")
    sm.create_training_job(**job(EnableManagedSpotTraining=True, StoppingCondition={
        "MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}))
    fake.step(5)
    assert state(sm) == ("InProgress", "Starting")
    fake.admin("POST", "settings", {"clock_offset_s": 100})
    fake.step(2)
    fake.admin("POST", "settings", {"clock_offset_s": 0})
    assert state(sm) == ("Stopped", "MaxWaitTimeExceeded")


def test_warm_pool(fake, sm):
    keep = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30,
            "KeepAlivePeriodInSeconds": 600}
    trained(fake, sm, "one", ResourceConfig=keep)
    d = sm.describe_training_job(TrainingJobName="one")
    assert d["WarmPoolStatus"]["Status"] == "Available"
    assert [r["name"] for r in fake.resources() if r["bills"]] == ["one"]
    trained(fake, sm, "two", ResourceConfig=keep)
    d = sm.describe_training_job(TrainingJobName="one")
    assert d["WarmPoolStatus"]["Status"] == "Reused"
    assert d["WarmPoolStatus"]["ReusedByJob"] == "two"
    fake.admin("POST", "settings", {"clock_offset_s": 700})
    fake.step()
    fake.admin("POST", "settings", {"clock_offset_s": 0})
    d = sm.describe_training_job(TrainingJobName="two")
    assert d["WarmPoolStatus"]["Status"] == "Terminated"
    assert d["WarmPoolStatus"]["ResourceRetainedBillableTimeInSeconds"] >= 600


@pytest.mark.parametrize("scenario,prefix,statuses", [
    ({"fail": "AlgorithmError"}, "AlgorithmError: ExecuteUserScriptError", 4),
    ({"fail": "CapacityError"}, "CapacityError: Unable to provision", 2),
    ({"fail": "InternalServerError", "fail_at": "Uploading"}, "InternalServerError: ", 5),
    ({"fail": "ClientError: as I say", "fail_at": "Downloading"}, "ClientError: as I say", 3)])
def test_ordered_failures(fake, sm, scenario, prefix, statuses):
    fake.scenario(kind="training", match={"name": "bad*"}, times=1, **scenario)
    for name in ("bad-one", "bad-two", "good"):
        sm.create_training_job(**job(name))
    fake.step(8)
    d = sm.describe_training_job(TrainingJobName="bad-one")
    assert d["TrainingJobStatus"] == "Failed" and d["FailureReason"].startswith(prefix)
    assert len(d["SecondaryStatusTransitions"]) == statuses
    assert state(sm, "bad-two") == state(sm, "good") == ("Completed", "Completed")


@pytest.mark.parametrize("more,words", [
    ({"AlgorithmSpecification": {"TrainingImage": IMAGE.replace("2.5.1", "0.0.0"),
                                 "TrainingInputMode": "File"}},
     "ClientError: Cannot pull algorithm container. Either the image does not exist"),
    ({"HyperParameters": {"sagemaker_submit_directory": f'"s3://{BUCKET}/none.tar.gz"'}},
     "ClientError: Data download failed:No S3 objects found"),
    ({"OutputDataConfig": {"S3OutputPath": "s3://no-such-bucket/x"}},
     "ClientError: Artifact upload failed"),
    ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerLogsOnly"}, "AccessDenied (403)"),
    ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/SageMakerDenied"}, "insufficient privileges")])
def test_what_the_service_finds_out_late(fake, sm, more, words):
    sm.create_training_job(**job(**more))
    fake.step(8)
    d = sm.describe_training_job(TrainingJobName="one")
    assert d["TrainingJobStatus"] == "Failed" and words in d["FailureReason"], d["FailureReason"]


def test_data_elsewhere(fake, sm):
    fake.admin("POST", "buckets", {"name": "far-bucket", "region": "eu-west-1"})
    for uri, words in ((f"s3://{BUCKET}/none/", "No S3 objects found under S3 URL"),
                       ("s3://no-such-bucket/x", "NoSuchBucket"),
                       ("s3://far-bucket/x", "The bucket is in this region: eu-west-1")):
        name = f"n{len(uri)}"
        sm.create_training_job(**job(name, InputDataConfig=[{
            "ChannelName": "t", "DataSource": {"S3DataSource": {
                "S3DataType": "S3Prefix", "S3Uri": uri}}}]))
        fake.step(8)
        assert words in sm.describe_training_job(TrainingJobName=name)["FailureReason"]


def test_roles_are_checked_at_once(sm):
    for role in ("Nobody", "LambdaBasic"):
        fails("ValidationException", sm.create_training_job, "Could not assume role",
              **job(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}"))
    sm.create_training_job(**job(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/service-role/"
        "AmazonSageMaker-ExecutionRole-20260101T000000"))


@pytest.mark.parametrize("more,words", [
    ({"TrainingJobName": "bad_name"}, "'trainingJobName' failed to satisfy constraint: Member must "
     "satisfy regular expression pattern"),
    ({"TrainingJobName": "n" * 64}, "Member must have length less than or equal to 63"),
    ({"HyperParameters": {f"h{i}": "1" for i in range(101)}}, "'hyperParameters' failed"),
    ({"HyperParameters": {"h": "x" * 2501}}, "Map value must satisfy constraint: [Member must have "
     "length less than or equal to 2500]"),
    ({"ResourceConfig": {"InstanceType": "ml.nope.large", "InstanceCount": 1,
                         "VolumeSizeInGB": 1}}, "Member must satisfy enum value set"),
    ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "greater than or equal to 1"),
    ({"OutputDataConfig": {}}, "'outputDataConfig.s3OutputPath' failed to satisfy constraint: "
     "Member must not be null"),
    ({"Shoes": 1}, "Member is not known to the model")])
def test_requests_are_validated(fake, more, words):
    client = fake.client("sagemaker", validation=False)
    if "Shoes" in more:
        status, body = raw(fake, "SageMaker.CreateTrainingJob", job(**more))
        assert status == 400 and words in body["message"]
        return
    fails("ValidationException", client.create_training_job, words, **job(**more))


def raw(fake, target, body):
    """A signed call without botocore's serialiser: (status, answer)."""
    try:
        with urllib.request.urlopen(signed(fake, target, body)) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def test_types_and_json(fake):
    status, body = raw(fake, "SageMaker.CreateTrainingJob", job(TrainingJobName=5))
    assert (status, body["__type"]) == (400, "SerializationException")
    status, body = raw(fake, "SageMaker.CreateTrainingJob", b"{")
    assert (status, body["__type"]) == (400, "SerializationException")
    status, body = raw(fake, "SageMaker.CreateWorld", {})
    assert (status, body["__type"]) == (404, "UnknownOperationException")


def test_quota_and_capacity(fake, sm):
    fake.admin("POST", "settings", {"quotas": {"training": {"ml.g5.xlarge": 1},
                                               "endpoint": {"*": 0}}})
    sm.create_training_job(**job())
    fails("ResourceLimitExceeded", sm.create_training_job,
          "'ml.g5.xlarge for training job usage' is 1 Instances, with current utilization of 1",
          **job("two"))
    fake.step(8)
    sm.create_training_job(**job("two"))
    fake.step(8)
    deployed(fake, sm, None)
    fails("ResourceLimitExceeded", sm.create_endpoint, "ml.m5.xlarge for endpoint usage",
          EndpointName="e", EndpointConfigName="c")


def test_listing_filters_after_paging(fake, sm):
    for n in range(7):
        sm.create_training_job(**job(f"j{n}"))
    sm.stop_training_job(TrainingJobName="j0")
    pages, token = [], {}
    while True:
        page = sm.list_training_jobs(MaxResults=2, StatusEquals="Stopping", **token)
        pages.append([s["TrainingJobName"] for s in page["TrainingJobSummaries"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert pages == [[], [], [], ["j0"]]
    found = sm.list_training_jobs(NameContains="J3", SortOrder="Ascending")
    assert [s["TrainingJobName"] for s in found["TrainingJobSummaries"]] == ["j3"]
    assert len(sm.list_training_jobs()["TrainingJobSummaries"]) == 7
    assert sm.list_training_jobs(CreationTimeAfter=4e9)["TrainingJobSummaries"] == []


def test_tags(fake, sm):
    arn = sm.create_training_job(**job(Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(3)])
                                 )["TrainingJobArn"]
    fake.admin("POST", "settings", {"tags_page": 2})
    first = sm.list_tags(ResourceArn=arn)
    assert len(first["Tags"]) == 2 and first["NextToken"]
    sm.add_tags(ResourceArn=arn, Tags=[{"Key": "k0", "Value": "new"}, {"Key": "z", "Value": ""}])
    sm.delete_tags(ResourceArn=arn, TagKeys=["k1"])
    rows = [t for page in sm.get_paginator("list_tags").paginate(ResourceArn=arn)
            for t in page["Tags"]]
    assert {t["Key"]: t["Value"] for t in rows} == {"k0": "new", "k2": "v", "z": ""}
    fails("ValidationException", sm.list_tags, "Could not find", ResourceArn=arn + "x")
