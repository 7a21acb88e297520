# SPDX-License-Identifier: MIT
"""How a training job can end, and what waits for room, for AWS or for credentials: each with its
state, its reason, and nothing left that costs money."""
import math

import pytest
from sagemaker_rig import words
from trainyardd import wait_for


def cancel(cloud, job):
    answer = cloud.daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("fail, code", [
    ("AlgorithmError", "container_failed"),
    ("AlgorithmError: ExecuteUserScriptError: CapacityError in image AccessDenied",
     "container_failed"),
    ("AlgorithmError: torch.cuda.OutOfMemoryError: CUDA out of memory", "oom"),
    ("ClientError", "oom"),
    ("ClientError: No S3 objects found under S3 URL \"s3://b/images\" given in input data source",
     "data_missing"),
    ("InternalServerError", "internal"),
    ("ClientError: Cannot pull algorithm container. Either the image does not exist or its "
     "permissions are incorrect.", "image_missing"),
])
def test_failure(cloud, fail, code):
    cloud.fake.scenario(kind="training", fail=fail)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert job["sagemaker"]["training_job"] in job["reason"]["message"]
    assert job["sagemaker"]["failure_reason"] in job["reason"]["message"]
    assert job["cost"]["reserved_usd"] == "0.00"
    cloud.nothing_is_left()


@pytest.mark.parametrize("hold", ["Starting", "Downloading", "Training"])
def test_cancel(cloud, hold):
    cloud.fake.scenario(kind="training", hold=hold)
    cloud.start()
    run = cloud.run(cloud.train())
    cancel(cloud, cloud.training(run, hold))
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled")
    assert job["sagemaker"]["status"] == "Stopped"
    assert job["cost"]["reserved_usd"] == "0.00"
    assert (job["cost"]["settled_usd"] == "0.00") == (hold != "Training")
    cloud.nothing_is_left()


def test_cancel_that_comes_too_late(cloud):
    """Facts win: what completed in spite of the stop is a success."""
    cloud.fake.scenario(kind="training", hold="Training", ignore_stop=True)
    cloud.start()
    run = cloud.run(cloud.train())
    cancel(cloud, cloud.training(run, "Training"))
    assert cloud.daemon.job(run, "train")["state"] in ("stopping", "succeeded")
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["outputs"]["model"].endswith("/output/model.tar.gz")
    assert len(cloud.fake.calls("StopTrainingJob")) >= 1


def test_cancel_during_the_staging(cloud):
    cloud.fake.rule("PutObject", "delay", seconds=20, times=0)
    cloud.start()
    run = cloud.run(cloud.train())
    cancel(cloud, cloud.daemon.wait_job(run, "train", "running"))
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled"), words(job)
    assert not cloud.fake.calls("CreateTrainingJob") and "sagemaker" not in job
    cloud.nothing_is_left()


def test_cancel_during_the_create(cloud):
    cloud.fake.rule("CreateTrainingJob", "delay", seconds=1)
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("the intent", lambda: "sagemaker" in cloud.daemon.job(run, "train"))
    cancel(cloud, cloud.daemon.job(run, "train"))
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled"), words(job)
    cloud.nothing_is_left()


def test_stopped_outside_is_no_success(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    name = cloud.training(run, "Training")["sagemaker"]["training_job"]
    cloud.fake.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("failed", "killed")
    assert "somebody stopped training job" in job["reason"]["message"]


def test_deleted_right_after_its_end(cloud):
    """While the tail of its log is read: what was seen of it counts."""
    cloud.fake.scenario(kind="training", billable_s=60)
    cloud.start("log_drain_ms = 1500\n")
    run = cloud.run(cloud.train())
    name = cloud.training(run, "Completed")["sagemaker"]["training_job"]
    cloud.fake.client("sagemaker").delete_training_job(TrainingJobName=name)
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["outputs"]["model"].endswith("/output/model.tar.gz")
    assert job["cost"]["settled_usd"] == "0.023467"


def test_max_runtime(cloud):
    cloud.fake.scenario(kind="training", runtime_s=601)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", "timed_out"), words(job)
    assert "max_runtime" in job["reason"]["message"]
    assert job["sagemaker"]["secondary_status"] == "MaxRuntimeExceeded"
    cloud.nothing_is_left()


def test_max_wait(cloud):
    cloud.fake.scenario(kind="training", hold="Starting")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(max_runtime="1s",
                                            sagemaker={"spot": True, "max_wait": "1s"})))
    assert (job["state"], job["reason"]["code"]) == ("failed", "max_wait_exceeded"), words(job)
    assert "sagemaker.max_wait" in job["reason"]["message"]
    cloud.nothing_is_left()


def test_spot_interruption_goes_on(cloud):
    cloud.fake.scenario(kind="training", interrupt=2)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"spot": True, "max_wait": "20m"})))
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    seen = [t["status"] for t in job["sagemaker"]["transitions"]]
    assert seen.count("Interrupted") == 2 and seen[-1] == "Completed"
    assert cloud.describe(job)["CheckpointConfig"]["S3Uri"].endswith("/checkpoints/")
    cloud.nothing_is_left()


def test_capacity_is_waited_for(cloud):
    """It fails in Starting, for want of instances, until there are some."""
    cloud.fake.scenario(kind="training", fail="CapacityError")
    cloud.start()
    run = cloud.run(cloud.train())
    job = wait_for("the failure", lambda: (lambda j: j["state"] == "queued" and j["reason"]
                                           and j["reason"]["code"] == "capacity" and j)(
        cloud.daemon.job(run, "train")))
    assert "Unable to provision requested ML compute capacity" in job["reason"]["message"]
    why = cloud.explain(job)
    assert why["code"] == "waiting_for_capacity"
    assert why["message"].startswith("the next attempt starts at 20")
    cloud.lift()
    job = cloud.ended(run)
    assert job["state"] == "succeeded" and job["attempt"] > 1, words(job)
    assert len(cloud.sent()) == 1
    cloud.nothing_is_left()


def test_refused_capacity_is_waited_for(cloud):
    cloud.fake.rule("CreateTrainingJob", "error", code="ValidationException", times=1,
                    message="Unable to provision requested ML compute capacity for this type.")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["attempt"]) == ("succeeded", 2), words(job)


def test_quota_holds_back_nobody_else(cloud):
    cloud.fake.admin("POST", "settings", {"quotas": {"training": {"ml.g5.xlarge": 0}}})
    cloud.start()
    run = cloud.run(cloud.train(), cloud.train("other", sagemaker={
        "instance_type": "ml.g5.2xlarge"}))
    assert cloud.ended(run, "other")["state"] == "succeeded"
    job = wait_for("the refusal", lambda: (lambda j: j["state"] == "queued" and j["reason"]
                                           and j)(cloud.daemon.job(run, "train")))
    assert job["reason"]["code"] == "quota" and "account-level service limit" in words(job)
    assert cloud.explain(job)["code"] == "waiting_for_quota"
    assert job["cost"]["reserved_usd"] == "0.00"
    cloud.fake.admin("POST", "settings", {"quotas": {}})
    assert cloud.ended(run)["state"] == "succeeded"
    cloud.nothing_is_left()


def test_throttling_for_a_while(cloud):
    cloud.fake.rule("CreateTrainingJob", "throttle", times=2)
    cloud.fake.rule("DescribeTrainingJob", "throttle", times=1)
    cloud.fake.rule("DescribeLogStreams", "throttle", times=1)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert job["sagemaker"]["reason"] is None
    assert len(cloud.fake.resources("training_job")) == 1


def test_lost_reply_then_a_refusal(cloud):
    """The create was carried out, its reply lost; describing it does not find it yet, and the next
    try is refused by the quota that it has used up itself: it is found and goes on."""
    cloud.fake.rule("CreateTrainingJob", "drop_after", times=1)
    cloud.fake.rule("CreateTrainingJob", "quota", times=2)
    cloud.fake.rule("DescribeTrainingJob", "stale", times=2)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert len(cloud.fake.calls("CreateTrainingJob")) == 3
    assert not cloud.fake.calls("StopTrainingJob")
    cloud.nothing_is_left()


def test_lost_reply_then_another_refusal(cloud):
    """As above, but refused for good: what is found all the same is stopped, and the job says why
    it was refused."""
    cloud.fake.rule("CreateTrainingJob", "drop_after", times=1)
    cloud.fake.rule("CreateTrainingJob", "access_denied", times=2)
    cloud.fake.rule("DescribeTrainingJob", "stale", times=2)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["reason"]["code"]) == ("failed", "access_denied"), words(job)
    assert "CreateTrainingJob" in job["reason"]["message"]
    assert cloud.fake.calls("StopTrainingJob")
    cloud.nothing_is_left()


def test_lost_reply_then_a_cancel(cloud):
    """What may be there is looked for after the cancel, too, and stopped."""
    cloud.fake.rule("CreateTrainingJob", "drop_after", times=1)
    cloud.fake.rule("CreateTrainingJob", "quota", times=2)
    cloud.fake.rule("DescribeTrainingJob", "stale", times=0)
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start("settle_ms = 60000\n")
    run = cloud.run(cloud.train())
    job = wait_for("the refusal", lambda: (lambda j: j["sagemaker"]["reason"]["code"] == "quota"
                                           and len(cloud.fake.calls("CreateTrainingJob")) == 3 and j
                                           if j.get("sagemaker", {}).get("reason") else None)(
        cloud.daemon.job(run, "train")))
    cancel(cloud, job)
    assert cloud.live()
    cloud.lift("rules")
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled"), words(job)
    cloud.nothing_is_left()


def test_cancel_while_the_token_is_expired(cloud):
    """The stop is sent as soon as there are keys again; until then it is said what it waits for."""
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    cloud.fake.rule("*", "expired_token", times=0)
    cancel(cloud, job)
    wait_for("the reason", lambda: cloud.explain(job)["code"] == "waiting_for_credentials")
    assert cloud.daemon.job(run, "train")["state"] == "stopping" and cloud.live()
    cloud.lift("rules")
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("cancelled", "cancelled"), words(job)
    cloud.nothing_is_left()


def test_exists_and_is_not_found(cloud):
    """What the create says is there, and the describe does not find yet, is looked for slowly."""
    cloud.fake.rule("CreateTrainingJob", "drop_after", times=1)
    cloud.fake.rule("DescribeTrainingJob", "stale", times=6)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert len(cloud.fake.resources("training_job")) == 1


def test_an_account_that_answers_badly(cloud):
    """Errors, pages of proxies, half replies and lost ones, each of every tenth call."""
    for do in ("error_500", "error_503", "html", "cut", "drop_after", "reset", "throttle"):
        cloud.fake.rule("*TrainingJob", do, times=0, probability=0.08)
        cloud.fake.rule("*Log*", do, times=0, probability=0.08)
    cloud.fake.scenario(kind="training", lines=[f"line {i}" for i in range(50)])
    cloud.start()
    names = [f"train{i}" for i in range(4)]
    run = cloud.run(*(cloud.train(name) for name in names))
    for name in names:
        job = cloud.ended(run, name)
        assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
        got = [l for l in cloud.daemon.log(job["id"]).splitlines() if l.startswith("line ")]
        assert got == [f"line {i}" for i in range(50)]
    assert len(cloud.fake.resources("training_job")) == len(names)
    cloud.nothing_is_left()


def test_retry_after_a_cancel(cloud):
    cloud.fake.scenario(kind="training", hold="Training", times=1)
    cloud.start()
    run = cloud.run(cloud.train())
    first = cloud.training(run, "Training")
    cancel(cloud, first)
    assert cloud.ended(run)["state"] == "cancelled"
    assert cloud.daemon.ask("POST", f"/v1/jobs/{first['id']}/retry").status_code == 200
    job = wait_for("the second end", lambda: (lambda j: j["state"] == "succeeded" and j)(
        cloud.daemon.job(run, "train")))
    assert job["attempt"] == 2 and job["sagemaker"]["status"] == "Completed"
    assert job["sagemaker"]["training_job"] != first["sagemaker"]["training_job"]
    cloud.nothing_is_left()


def test_described_without_billable_seconds(cloud):
    """Settled by start and end. Before: 0.00."""
    cloud.fake.scenario(kind="training", billable_s=None)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    d = cloud.describe(job)
    assert "BillableTimeInSeconds" not in d
    trained = math.ceil((d["TrainingEndTime"] - d["TrainingStartTime"]).total_seconds())
    assert float(job["cost"]["settled_usd"]) == pytest.approx(trained * 1.408 / 3600, abs=1e-6)
    assert trained > 0


def test_warm_pool(cloud):
    """Instances that are kept warm cost as long as they are: that is reserved and settled, too."""
    cloud.fake.scenario(kind="training", runtime_s=300, billable_s=300)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"keep_alive": "5m"})))
    assert job["state"] == "succeeded", words(job)
    assert cloud.describe(job)["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 300
    assert job["sagemaker"]["warm_pool"]["status"] == "Available"
    assert job["cost"] == {"reserved_usd": "0.00", "settled_usd": "0.234667",  # 600 s
                           "worst_case_usd": "0.352"}  # 900 s
