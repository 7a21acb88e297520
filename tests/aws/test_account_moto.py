# SPDX-License-Identifier: MIT
"""The same questions against moto, with its authentication switched on."""
import json
import time

import boto3
import pytest
from account_rig import checks
from moto_rig import REGION, TRUST
from test_moto import TRAINING

JOBS = "/v1/sagemaker/training-jobs"
GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def clients(moto):
    url, keys = moto

    def client(service):
        return boto3.client(service, endpoint_url=url, region_name=REGION,
                            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"])

    return client


@pytest.fixture
def daemon(moto, started):
    url, keys = moto
    return started(keys | {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": REGION})


def test_roles(daemon, clients):
    iam = clients("iam")
    other = json.dumps(TRUST).replace("sagemaker", "ec2")
    iam.create_role(RoleName="machine", AssumeRolePolicyDocument=other)
    iam.create_role(RoleName="deep", Path="/a/b/", AssumeRolePolicyDocument=json.dumps(TRUST))
    bucket = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"],
         "Resource": ["arn:aws:s3:::mine", "arn:aws:s3:::mine/*"]},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}]}
    iam.put_role_policy(RoleName="deep", PolicyName="bucket", PolicyDocument=json.dumps(bucket))
    arn = iam.create_policy(PolicyName="logs", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "logs:*", "Resource": "*", "Condition": {
                "StringEquals": {"aws:RequestedRegion": REGION}}}}))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="deep", PolicyArn=arn)
    names = {r["name"] for r in daemon.get("/v1/roles")["items"]}
    assert {"deep", "trainer", "other"} <= names and "machine" not in names
    assert [r["name"] for r in daemon.get("/v1/roles", path_prefix="/a/")["items"]] == ["deep"]
    assert {r["name"] for r in daemon.walk("/v1/roles", limit=1)[0]} == names
    role = daemon.get("/v1/roles/deep", bucket="mine")
    assert [p["arn"] for p in role["attached_policies"]] == [arn]
    assert role["inline_policies"] == [{"name": "bucket", "document": bucket}]
    assert role["trust_policy"] == TRUST
    found = checks(role)
    assert (found["s3_list"], found["s3_read"], found["s3_write"]) == (True, True, False)
    assert found["logs"] == "maybe" and found["ecr_pull"] is False


def test_permissions_boundary(daemon, clients):
    iam = clients("iam")
    only_logs = iam.create_policy(PolicyName="only-logs", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}))["Policy"]["Arn"]
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=json.dumps(TRUST),
                    PermissionsBoundary=only_logs)
    iam.put_role_policy(RoleName="bound", PolicyName="all", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    role = daemon.get("/v1/roles/bound")
    assert role["permissions_boundary"] == only_logs
    assert checks(role)["logs"] is True and checks(role)["s3_read"] is False


def test_training_jobs_and_logs(daemon, clients):
    sm, logs = clients("sagemaker"), clients("logs")
    for name in ("alpha", "beta"):
        sm.create_training_job(TrainingJobName=name, **TRAINING)
    assert {j["name"] for j in daemon.get(JOBS)["items"]} >= {"alpha", "beta"}
    one = daemon.get(f"{JOBS}/alpha")
    said = sm.describe_training_job(TrainingJobName="alpha")
    assert one["arn"] == said["TrainingJobArn"] and one["status"] == "Completed"
    assert one["role"] == TRAINING["RoleArn"] and one["hyperparameters"] == {"epochs": "3"}
    assert daemon.get(f"{JOBS}/alpha/logs")["items"] == []  # there is not even a group
    logs.create_log_group(logGroupName=GROUP)
    start = int(time.time() * 1000)
    for n in (1, 2):
        name = f"alpha/algo-{n}-1700000000"
        logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
        logs.put_log_events(logGroupName=GROUP, logStreamName=name, logEvents=[
            {"timestamp": start + 2 * i + n, "message": f"{n}:{i}"} for i in range(40)])
    expected = [f"{n}:{i}" for i in range(40) for n in (1, 2)]
    answer = daemon.get(f"{JOBS}/alpha/logs")
    assert answer["streams"] == ["algo-1-1700000000", "algo-2-1700000000"]
    assert [i["message"] for i in answer["items"]] == expected
    walked = daemon.walk(f"{JOBS}/alpha/logs", limit=9)[0]
    assert [i["message"] for i in walked] == expected
    tail = daemon.get(f"{JOBS}/alpha/logs", tail=5)["items"]
    assert [i["message"] for i in tail] == expected[-5:]
    daemon.problem(f"{JOBS}/nobody", 404, "not_found")
