# SPDX-License-Identifier: MIT
"""The client against moto, an independent implementation of the services, with its authentication
switched on: whatever is signed wrongly is refused."""

import time

import pytest
from moto_rig import REGION

TRAINING = {
    "AlgorithmSpecification": {"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1",
                               "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30},
    "RoleArn": "arn:aws:iam::123456789012:role/trainer", "HyperParameters": {"epochs": "3"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600}}


@pytest.fixture
def probe(moto, client):
    return client(moto[0], region=REGION, **moto[1])


def good(got):
    assert got["result"] == 0, got["error"]
    return got["output"]


@pytest.mark.parametrize("service, operation", [
    ("sagemaker", "ListTrainingJobs"), ("iam", "ListRoles"), ("sts", "GetCallerIdentity"),
    ("logs", "DescribeLogGroups"), ("s3", "ListBuckets")])
def test_a_wrong_secret_is_refused(moto, client, service, operation):
    """Without this the other tests would prove nothing."""
    probe = client(moto[0], region=REGION, **moto[1] | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    got = probe.ask(service, operation, method="GET" if service == "s3" else None)
    assert (got["kind"], got["status"]) == ("credentials", 403)


def test_training_jobs(probe):
    for name in ("job-1", "job-2"):
        out = good(probe.ask("sagemaker", "CreateTrainingJob",
                             input=TRAINING | {"TrainingJobName": name}))
        assert out["TrainingJobArn"].endswith("training-job/" + name)
    out = good(probe.ask("sagemaker", "DescribeTrainingJob", input={"TrainingJobName": "job-1"}))
    assert out["TrainingJobStatus"] == "Completed" and out["HyperParameters"] == {"epochs": "3"}
    assert isinstance(out["CreationTime"], (int, float))
    names, token = [], None
    while token is not False:
        page = good(probe.ask("sagemaker", "ListTrainingJobs",
                              input={"MaxResults": 1} | ({"NextToken": token} if token else {})))
        names += [job["TrainingJobName"] for job in page["TrainingJobSummaries"]]
        token = page.get("NextToken", False)
    assert sorted(names) == ["job-1", "job-2"]
    got = probe.ask("sagemaker", "DescribeTrainingJob", input={"TrainingJobName": "none"})
    assert (got["kind"], got["code"]) == ("not_found", "ValidationException")


def test_a_page_of_html(probe):
    """What moto lacks it answers with 500 and a page."""
    got = probe.ask("sagemaker", "StopTrainingJob", input={"TrainingJobName": "x"}, attempts_max=1)
    assert (got["kind"], got["status"], got["uncertain"]) == ("transient", 500, True)


def test_roles(probe):
    out = good(probe.ask("iam", "ListRoles", input={"MaxItems": 1}))
    assert out["IsTruncated"] == "true"
    names = [role["RoleName"] for role in out["Roles"]["member"]]
    out = good(probe.ask("iam", "ListRoles", input={"Marker": out["Marker"]}))
    names += [role["RoleName"] for role in out["Roles"]["member"]]
    assert sorted(names) == ["other", "trainer"]
    got = probe.ask("iam", "GetRole", input={"RoleName": "none"})
    assert (got["kind"], got["code"], got["status"]) == ("not_found", "NoSuchEntity", 404)


def test_identity(probe):
    out = good(probe.ask("sts", "GetCallerIdentity"))
    assert out["Account"] == "123456789012" and out["Arn"].endswith(":user/user")


def test_logs(probe):
    name = {"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": "job-1/algo-1-1"}
    got = probe.ask("logs", "GetLogEvents", input=name)
    assert (got["kind"], got["code"]) == ("not_found", "ResourceNotFoundException")
    good(probe.ask("logs", "CreateLogGroup", input={"logGroupName": name["logGroupName"]}))
    good(probe.ask("logs", "CreateLogStream", input=name))
    now = int(time.time() * 1000)
    events = [{"timestamp": now + i, "message": f"line {i} €"} for i in range(3)]
    good(probe.ask("logs", "PutLogEvents", input=name | {"logEvents": events}))
    out = good(probe.ask("logs", "GetLogEvents", input=name | {"startFromHead": True}))
    assert [event["message"] for event in out["events"]] == [e["message"] for e in events]
    token = {"nextToken": out["nextForwardToken"], "startFromHead": True}
    out = good(probe.ask("logs", "GetLogEvents", input=name | token))
    assert (out["events"], out["nextForwardToken"]) == ([], token["nextToken"])
    got = probe.ask("logs", "CreateLogStream", input=name)
    assert got["kind"] == "exists"


def test_s3(probe):
    bucket = {"bucket": "a-bucket"}
    good(probe.ask("s3", "CreateBucket", method="PUT", **bucket))
    got = probe.ask("s3", "PutObject", method="PUT", key="a b/file.txt", body="bytes €", **bucket,
                    headers=["Content-Type: text/plain", "x-amz-meta-note: some words"])
    good(got)
    got = probe.ask("s3", "GetObject", key="a b/file.txt", stream=True, **bucket)
    assert (got["result"], got["got"]) == (0, "bytes €")
    got = probe.ask("s3", "GetObject", key="a b/file.txt", headers=["Range: bytes=2-4"], **bucket)
    assert (got["result"], got["status"], got["reply"]) == (0, 206, "tes")
    got = probe.ask("s3", "ListObjectsV2", query="list-type=2&max-keys=10", **bucket)
    assert got["result"] == 0 and "<Key>a b/file.txt</Key>" in got["reply"]
    got = probe.ask("s3", "HeadObject", method="HEAD", key="none", **bucket)
    assert (got["kind"], got["status"]) == ("not_found", 404)
    got = probe.ask("s3", "GetObject", key="none", **bucket)
    assert (got["kind"], got["code"]) == ("not_found", "NoSuchKey")
    got = probe.ask("s3", "GetObject", key="x", bucket="no-such-bucket")
    assert (got["kind"], got["code"]) == ("not_found", "NoSuchBucket")
    good(probe.ask("s3", "DeleteObject", method="DELETE", key="a b/file.txt", **bucket))


def test_runtime(probe):
    got = probe.ask("runtime", "InvokeEndpoint", method="POST", body="{}",
                    path="/endpoints/e/invocations", headers=["Content-Type: application/json"])
    assert (got["result"], got["reply"]) == (0, "body")
