# SPDX-License-Identifier: MIT
"""What can be wrong with the account, the role, the bucket or the request: each ends or
holds back the job with one clear sentence, and nothing is left that costs money."""
import json

import pytest
from sagemaker_rig import words
from trainyardd import wait_for

OTHER = "999999999999"


def fails(cloud, code, *parts, **more):
    """A script that fails with this reason; returns the job."""
    job = cloud.ended(cloud.run(cloud.train(**more)))
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    for part in parts:
        assert part in job["reason"]["message"], words(job)
    cloud.nothing_is_left()
    return job


@pytest.mark.parametrize("role, code, part", [
    ("NoSuchRole", "role_invalid", "this account has no IAM role 'NoSuchRole'"),
    ("arn:aws:iam::123456789012:role/NoSuchRole", "role_invalid", "Could not assume role"),
    (f"arn:aws:iam::{OTHER}:role/SageMakerMain", "role_invalid", "Could not assume role"),
    ("LambdaBasic", "role_invalid", "allows principal 'sagemaker.amazonaws.com'"),
    ("SageMakerLogsOnly", "access_denied", "Access Denied"),
    ("SageMakerDenied", "access_denied", "insufficient privileges"),
])
def test_role(cloud, role, code, part):
    cloud.start()
    fails(cloud, code, part, sagemaker={"role": role})


def test_role_that_is_new(cloud):
    """IAM tells it to SageMaker a little later: that is waited for."""
    cloud.fake.rule("CreateTrainingJob", "error", code="ValidationException", times=3,
                    message="Could not assume role arn:aws:iam::123456789012:role/SageMakerMain. "
                    "Please ensure that the role exists and allows principal "
                    "'sagemaker.amazonaws.com' to assume the role.")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)


def test_bucket_that_is_not_there(cloud):
    cloud.start("bucket = there-is-no-such-bucket\n")
    fails(cloud, "bucket_missing", "the bucket 'there-is-no-such-bucket' does not exist")


def test_bucket_of_another_region(cloud):
    cloud.fake.admin("POST", "buckets", {"name": "far-away-bucket", "region": "eu-west-1"})
    cloud.start("bucket = far-away-bucket\n")
    fails(cloud, "bucket_region", "'far-away-bucket' is in eu-west-1",
          "the job runs in us-east-1")
    assert not cloud.sent() and not cloud.fake.calls("CreateTrainingJob")


@pytest.mark.parametrize("name, config, part", [
    ("somebodys-bucket", "bucket = somebodys-bucket\n", "the credentials have no permission"),
    ("sagemaker-us-east-1-123456789012", "", "the bucket is not of account 123456789012"),
])
def test_bucket_of_another_account(cloud, name, config, part):
    """Nothing of ours goes into a bucket that somebody else made under the name we use."""
    cloud.fake.admin("POST", "buckets", {"name": name, "owner": OTHER})
    cloud.start(config)
    fails(cloud, "access_denied", name, part)
    assert not cloud.sent()


def test_data_of_another_region(cloud):
    cloud.fake.admin("POST", "buckets", {"name": "far-away-bucket", "region": "eu-west-1"})
    cloud.start()
    fails(cloud, "bucket_region", "The bucket is in this region: eu-west-1",
          channels={"train": "s3://far-away-bucket/data/"})


@pytest.mark.parametrize("uri, code, part", [
    ("s3://no-such-bucket-here/data/", "bucket_missing", "NoSuchBucket"),
    ("s3://our-models/images/", "data_missing", "s3://our-models/images/"),
])
def test_data_that_is_not_there(cloud, uri, code, part):
    cloud.put_model()
    cloud.start()
    fails(cloud, code, part, channels={"train": uri})


def test_unknown_instance_type(cloud):
    cloud.start("[money]\nprices = ml.g99.huge=1.0\n")
    fails(cloud, "instance_type_invalid", "ml.g99.huge", sagemaker={"instance_type": "ml.g99.huge"})


def test_unknown_image(cloud):
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/missing:1"
    cloud.start()
    fails(cloud, "image_missing", image, sagemaker={"image": image})


def test_no_region(cloud):
    cloud.start(environment={"AWS_REGION": "", "AWS_DEFAULT_REGION": ""})
    fails(cloud, "invalid_input", "no AWS region is set")


def test_region_of_the_job(cloud):
    cloud.start(environment={"AWS_REGION": "", "AWS_DEFAULT_REGION": ""})
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"region": "eu-west-1"})))
    assert job["state"] == "succeeded", words(job)
    assert "sagemaker-eu-west-1-" in job["outputs"]["model"]


def user(cloud, *actions):
    """Environment of a user who may do only this."""
    cloud.fake.admin("POST", "keys", {"key": "AKIAFAKELIMITED0001", "secret": "limitedsecret",
                                      "user": "limited", "policies": [{
                                          "Version": "2012-10-17", "Statement": [{
                                              "Effect": "Allow", "Action": list(actions),
                                              "Resource": "*"}]}]})
    return {"AWS_ACCESS_KEY_ID": "AKIAFAKELIMITED0001", "AWS_SECRET_ACCESS_KEY": "limitedsecret"}


@pytest.mark.parametrize("actions, operation", [
    (["s3:*", "sts:*"], "GetRole"),
    (["sts:*", "iam:*"], "s3://sagemaker-us-east-1-123456789012"),
    (["s3:*", "sts:*", "iam:*"], "CreateTrainingJob"),
])
def test_no_permission(cloud, actions, operation):
    cloud.start(environment=user(cloud, *actions))
    fails(cloud, "access_denied", operation)


def test_no_permission_to_look(cloud):
    """It runs and cannot be seen: it is not forgotten, and the reason is shown until it can be."""
    cloud.fake.rule("DescribeTrainingJob", "access_denied", times=0)
    cloud.start()
    run = cloud.run(cloud.train())
    why = wait_for("the reason", lambda: (lambda w: w["code"] == "access_denied" and w)(
        cloud.explain(cloud.daemon.job(run, "train"))))
    assert "DescribeTrainingJob" in why["message"]
    cloud.lift("rules")
    job = cloud.ended(run)
    assert job["state"] == "succeeded" and job["sagemaker"]["reason"] is None, words(job)


@pytest.mark.parametrize("hyperparameters, pointer, part", [
    ({f"h{i}": i for i in range(101)}, "/hyperparameters", "100"),
    ({f"h{i}": i for i in range(98)}, "/hyperparameters", "100"),
    ({"note": "x" * 2499}, "/hyperparameters/note", "2500"),
])
def test_too_much_is_refused_at_submit(cloud, hyperparameters, pointer, part):
    cloud.start()
    answer = cloud.daemon.ask("POST", "/v1/runs", {"jobs": [
        cloud.train(hyperparameters=hyperparameters)]})
    assert answer.status_code == 422, answer.text
    problem = answer.json()["errors"][0]
    assert problem["pointer"] == "/jobs/0" + pointer and part in problem["detail"], problem
    assert not cloud.fake.calls()


def test_as_much_as_there_may_be(cloud):
    """The longest value and the greatest number that the submit lets through are taken."""
    values = {f"h{i}": i for i in range(94)} | {"note": "x" * 2498}
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(hyperparameters=values)))
    assert job["state"] == "succeeded", words(job)
    assert len(cloud.describe(job)["HyperParameters"]) == 100


def test_money_beyond_the_cap_of_a_job(cloud):
    cloud.start("[money]\njob_max = 0.2\n")
    answer = cloud.daemon.ask("POST", "/v1/runs", {"jobs": [cloud.train()]})
    assert answer.status_code == 422, answer.text
    problem = answer.json()["errors"][0]
    assert (problem["pointer"], problem["code"]) == ("/jobs/0/sagemaker/instance_type",
                                                     "money_cap")
    assert "money.job_max" in problem["detail"]
    assert not cloud.fake.calls()


def test_money_beyond_the_cap_of_the_day(cloud):
    """The second waits for the first, and starts when that one has cost less."""
    cloud.fake.scenario(kind="training", hold="Training", billable_s=60)
    cloud.start("[money]\nday_max = 0.3\n")
    first = cloud.run(cloud.train())
    cloud.training(first, "Training")
    second = cloud.run(cloud.train())
    cloud.waits(second, "waiting_for_money")
    assert len(cloud.live()) == 1
    cloud.lift()
    assert [cloud.ended(run)["state"] for run in (first, second)] == ["succeeded"] * 2
    assert cloud.daemon.get("/v1/costs")["open"] == []
    cloud.nothing_is_left()


def test_a_cap_that_is_nearly_used_up_is_notified_once(cloud, tmp_path):
    """ml.g5.xlarge for ten minutes: 1.408 / 6 = 0.2347 of 0.30 US dollars, 78 %. It costs a minute,
    0.0235; then the second reserves more than 80 % of 0.29."""
    told, program = tmp_path / "told", tmp_path / "receiver.sh"
    program.write_text(f"#!/bin/sh\ncat >> {told}\n", encoding="utf-8")
    program.chmod(0o755)
    notify = f"[notify]\ncommand = {program}\non = cap_near:run_ended\n"
    for cap, events in ((0.30, ["run_ended"]), (0.29, ["cap_near", "run_ended"])):
        told.unlink(missing_ok=True)
        cloud.fake.scenario(kind="training", hold="Training", billable_s=60)
        cloud.start(f"[money]\nday_max = {cap}\nmonth_max = none\n{notify}")
        run = cloud.run(cloud.train())
        cloud.training(run, "Training")
        if len(events) > 1:
            wait_for("the message of the cap", told.exists)
        cloud.lift()
        cloud.ended(run)
        wait_for("the end", lambda: told.exists() and "run_ended" in told.read_text())
        messages = [json.loads(line) for line in told.read_text().splitlines()]
        assert [m["event"] for m in messages] == events
        if len(events) > 1:
            assert " of 0.29 US dollars" in messages[0]["text"]
            assert messages[0]["money"]["day"] and messages[0]["urgent"]
        assert cloud.daemon.stop() == 0


def test_stop_and_start_at_any_time(cloud):
    cloud.fake.scenario(kind="training", hold="Uploading", beats={s: 3 for s in (
        "Starting", "Downloading", "Training", "Uploading")})
    cloud.start()
    run = cloud.run(cloud.train())
    starts = 0
    while cloud.daemon.job(run, "train")["state"] != "succeeded":
        if starts == 3:
            cloud.lift()
        assert cloud.daemon.stop() == 0
        cloud.daemon.start()
        starts += 1
        wait_for("an answer of AWS, or the end", lambda n=len(cloud.fake.calls()): len(
            cloud.fake.calls()) > n or cloud.daemon.job(run, "train")["state"] == "succeeded")
    job = cloud.daemon.job(run, "train")
    assert starts > 2 and job["attempt"] == 1
    assert [r["name"] for r in cloud.fake.resources("training_job")] == [
        job["sagemaker"]["training_job"]]
    cloud.nothing_is_left()
