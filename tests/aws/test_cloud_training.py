# SPDX-License-Identifier: MIT
"""Training on SageMaker by the real daemon against the fake: what each end and each trouble means
for the job, and that nothing is left that costs money."""
import pytest
from cloud_rig import account, cloud, words  # noqa: F401
from trainyardd import wait_for


def test_script_trains(cloud):
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["outputs"]["model"].endswith("/output/model.tar.gz")
    assert job["sagemaker"]["status"] == "Completed"
    assert job["cost"]["reserved_usd"] == "0.00"
    cloud.nothing_is_left()


@pytest.mark.parametrize("fail, code", [
    ("AlgorithmError", "container_failed"),
    ("ClientError: No S3 objects found under S3 URL \"s3://b/x\" given in input data source",
     "data_missing"),
    ("InternalServerError", "internal"),
    ("ClientError: Cannot pull image: image does not exist", "image_missing"),
])
def test_failure(cloud, fail, code):
    cloud.fake.scenario(kind="training", fail=fail)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert fail.split(":")[0] in job["reason"]["message"]
    cloud.nothing_is_left()


@pytest.mark.parametrize("trouble, code", [("quota", "quota"), ("capacity", "capacity")])
def test_no_room_is_waited_for(cloud, trouble, code):
    cloud.fake.rule("CreateTrainingJob", trouble, times=1)
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("the refusal", lambda: cloud.daemon.job(run, "train")["reason"]
             and cloud.daemon.job(run, "train")["reason"]["code"] == code)
    job = cloud.ended(run)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    cloud.nothing_is_left()


def test_cancel(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("it to train", lambda: cloud.live())
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled")
    cloud.nothing_is_left()


def test_stopped_outside_is_no_success(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    name = wait_for("it to train", cloud.live).popitem()[0][1]
    cloud.fake.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("failed", "killed")
    assert "stopped outside Trainyard" in job["reason"]["message"]


@pytest.mark.parametrize("role, code, part", [
    ("NoSuchRole", "role_invalid", "there is no IAM role 'NoSuchRole'"),
    ("arn:aws:iam::123456789012:role/NoSuchRole", "role_invalid", "role"),
])
def test_bad_role(cloud, role, code, part):
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"role": role})))
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert part in job["reason"]["message"]
    cloud.nothing_is_left()


def test_bucket_that_is_not_there(cloud):
    cloud.start("bucket = there-is-no-such-bucket\n")
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", "bucket_missing"), words(job)


def test_bucket_of_another_region(cloud):
    cloud.fake.admin("POST", "buckets", {"name": "far-away-bucket", "region": "eu-west-1"})
    cloud.start("bucket = far-away-bucket\n")
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", "bucket_region"), words(job)


def test_unknown_instance_type(cloud):
    cloud.start("[money]\nprices = ml.g99.huge=1.0\n")
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"instance_type": "ml.g99.huge"})))
    assert (job["state"], job["reason"]["code"]) == ("failed", "instance_type_invalid"), words(job)


def test_no_credentials(cloud):
    cloud.start(environment={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
                             "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE":
                             "/nowhere"})
    run = cloud.run(cloud.train())
    cloud.waits(run, "waiting_for_credentials")


def test_expired_token_pauses_only_this_target(cloud):
    cloud.fake.rule("CreateTrainingJob", "expired_token", times=3)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)


def test_log_is_whole(cloud):
    lines = [f"line {i}" for i in range(200)]
    cloud.fake.scenario(kind="training", lines=lines, log_lag=2, log_tail=2)
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.ended(run)
    got = [line for line in cloud.daemon.log(job["id"]).splitlines() if line.startswith("line ")]
    assert got == lines


def test_log_is_whole_over_kills(cloud):
    lines = [f"line {i}" for i in range(300)]
    cloud.fake.scenario(kind="training", lines=lines, beats={"Training": 12}, log_lag=1)
    cloud.start()
    run = cloud.run(cloud.train())
    for _ in range(4):
        wait_for("some time to pass", lambda before=len(cloud.fake.calls("GetLogEvents")): len(
            cloud.fake.calls("GetLogEvents")) > before or
            cloud.daemon.job(run, "train")["state"] == "succeeded")
        cloud.daemon.kill()
        cloud.daemon.start()
    job = cloud.ended(run)
    got = [line for line in cloud.daemon.log(job["id"]).splitlines() if line.startswith("line ")]
    assert got == lines
