# SPDX-License-Identifier: MIT
"""Moments at which something that costs money could be forgotten, or a job could wait for ever."""
import sqlite3

import pytest
from sagemaker_rig import CONFIG, words
from fake_aws import ACCOUNT
from trainyardd import wait_for


def test_a_job_that_may_not_be_stopped_is_seen_to_end(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.fake.rule("StopTrainingJob", "access_denied", times=0)
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("it to train", cloud.live)
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    wait_for("two refusals", lambda: len(cloud.fake.calls("StopTrainingJob")) > 1)
    cloud.fake.admin("DELETE", "scenarios")
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["cost"]["reserved_usd"] == "0.00"


def test_nul_in_what_the_service_says(cloud):
    cloud.fake.scenario(kind="training", lines=["one\0line", "\\u0000 is no NUL", "the last"],
                        fail="ClientError: a\0byte")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "failed", words(job)
    assert "a\ufffdbyte" in job["reason"]["message"]
    lines = cloud.daemon.log(job["id"]).splitlines()
    assert [line for line in lines if "line" in line or "NUL" in line or "last" in line][-3:] == [
        "one\ufffdline", "\\u0000 is no NUL", "the last"]


def test_the_daemon_dies_between_a_delete_and_the_end_of_the_staging(cloud):
    """The row says that the endpoint is to go, and the staging has not heard of it."""
    model = cloud.dir / "model"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    cloud.fake.rule("PutObject", "delay", seconds=3)
    cloud.start()
    run = cloud.run(cloud.deploy(str(model)))
    wait_for("the upload", lambda: cloud.fake.calls("CreateBucket") and
             cloud.daemon.get("/v1/endpoints")["items"])
    cloud.daemon.kill()
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:
        db.execute("UPDATE endpoints SET state = 'deleting', wanted = 0, "
                   "reason_code = 'deleted_by_user'")
    cloud.daemon.start()
    job = cloud.ended(run, "deploy")
    assert job["state"] in ("failed", "cancelled"), words(job)
    wait_for("its end", lambda: cloud.daemon.get("/v1/endpoints/imdb")["state"] == "deleted")
    assert not cloud.fake.calls("CreateEndpoint")
    cloud.nothing_is_left()


def test_role_with_a_long_path(cloud):
    path = "a-long-folder-name/" * 20
    role = f"arn:aws:iam::{ACCOUNT}:role/{path}NoSuchRole"
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"role": role})))
    assert (job["state"], job["reason"]["code"]) == ("failed", "role_invalid"), words(job)
    assert role in job["reason"]["message"]


@pytest.mark.parametrize("key, part", [("prefix", "aws.prefix is too long"),
                                       ("bucket", "aws.bucket is longer"),
                                       ("role", "too long for the name or ARN of an IAM role")])
def test_names_that_do_not_fit(cloud, key, part):
    role = "" if key == "role" else "role = SageMakerMain\n"
    cloud.start(f"{key} = {'x' * 600}\n", base=CONFIG.replace("role = SageMakerMain\n", role))
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "failed" and part in job["reason"]["message"], words(job)
    assert len(cloud.fake.calls("GetRole")) < 3
