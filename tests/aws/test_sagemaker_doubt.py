# SPDX-License-Identifier: MIT
"""Whose a thing is, whether it is gone, and whether an endpoint answers as its model did: the
single lines that decide, each with an account in which the other decision costs something."""
import json

import pytest
from adopt_rig import DEPLOY_PARTS, adopt
from sagemaker_rig import BUCKET, SAMPLES, words
from fake_aws import ROLE
from fake_jobs import SERVING
from trainyardd import wait_for

NONCE = "trainyard:nonce"


def test_not_found_is_not_believed_before_settle_ms(cloud):
    """More misses in a row than mean "gone" later: the job goes on, and is not started twice."""
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.fake.rule("DescribeTrainingJob", "stale", times=8)
    cloud.start("settle_ms = 120000")
    run = cloud.run(cloud.train())
    wait_for("eight misses", lambda: cloud.fake.admin("GET", "rules")["items"][0]["hits"] == 8)
    cloud.training(run, "Training")
    cloud.lift()
    job = cloud.ended(run)
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert len(cloud.fake.calls("CreateTrainingJob")) == 1


def unclear(cloud):
    """A run whose training job surely was not made, though the daemon cannot know: its body."""
    cloud.fake.rule("CreateTrainingJob", "drop_before", times=1)
    cloud.fake.rule("DescribeTrainingJob", "error_500", times=0)
    run = cloud.run(cloud.train())
    cloud.is_called("DescribeTrainingJob")
    name = cloud.daemon.job(run, "train")["sagemaker"]["training_job"]
    return run, {"TrainingJobName": name, "RoleArn": ROLE, "AlgorithmSpecification": {
        "TrainingImage": SERVING, "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1,
                           "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60}}


@pytest.mark.parametrize("tags", [[], [{"Key": NONCE, "Value": "a" * 12}],
                                  [{"Key": NONCE.upper(), "Value": "{nonce}"}]],
                         ids=["none", "another", "another key"])
def test_our_name_with_another_nonce_is_not_ours(cloud, tags):
    """It is neither taken over nor stopped: somebody else pays for it."""
    cloud.fake.client("s3").create_bucket(Bucket=BUCKET)
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start(environment={"AWS_MAX_ATTEMPTS": "1"})
    client = cloud.fake.client("sagemaker")
    run, body = unclear(cloud)
    name = body["TrainingJobName"]
    client.create_training_job(**body, Tags=[
        {**tag, "Value": tag["Value"].format(nonce=name[-12:])} for tag in tags])
    cloud.lift("rules")
    job = cloud.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("failed", "refused"), words(job)
    assert "is taken by a training_job that this daemon did not make" in job["reason"]["message"]
    assert set(cloud.live()) == {("training_job", name)}
    assert not cloud.fake.calls("StopTrainingJob")
    client.stop_training_job(TrainingJobName=name)
    cloud.lift()


def test_copied_tags_do_not_make_it_ours(lost):
    """Of the same kind, with all of our tags: only the nonce in the name is missing."""
    client = lost.fake.client("sagemaker")
    tags = {kind: [{"Key": k, "Value": v} for k, v in own.items()]
            for (kind, _), own in lost.live().items()}
    image = client.describe_model(ModelName=client.list_models()["Models"][0]["ModelName"])
    name = "trainyard-imdb-copy"
    client.create_model(ModelName=name, PrimaryContainer=image["PrimaryContainer"],
                        ExecutionRoleArn=image["ExecutionRoleArn"], Tags=tags["model"])
    client.create_endpoint_config(
        EndpointConfigName=name, Tags=tags["endpoint_config"], ProductionVariants=[
            {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.xlarge",
             "InitialInstanceCount": 1}])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags["endpoint"])
    counts = adopt(lost.daemon, "delete", "--yes").counts()
    assert (counts["found"], counts["not_ours"]) == (4, 3)
    lost.daemon.start()
    wait_for("ours to go", lambda: set(lost.live()) == {(kind, name) for kind in DEPLOY_PARTS})


@pytest.mark.parametrize("label, score, good", [
    ("positive", 0.9, True), ("positive", 0.919, True), ("positive", 0.881, True),
    ("positive", 0.921, False), ("positive", 0.879, False), ("positive", 0.75, False),
    ("negative", 0.9, False)])
def test_parity_looks_at_label_and_score(cloud, label, score, good):
    """0.02 is the tolerance, and another label is another answer."""
    [sample] = SAMPLES
    assert (sample["label"], sample["score"]) == ("positive", 0.9)
    cloud.fake.rule("InvokeEndpoint", "answer", times=0,
                    message=json.dumps([{"label": label, "score": score}]))
    cloud.start()
    model = cloud.put_model(**{"parity.json": json.dumps({"v": 1, "samples": SAMPLES})})
    job = cloud.ended(cloud.run(cloud.deploy(model)), "deploy")
    if good:
        assert job["state"] == "succeeded", words(job)
        cloud.delete()
    else:
        assert (job["state"], job["reason"]["code"]) == ("failed", "parity_failed"), words(job)
        cloud.nothing_is_left()


@pytest.mark.parametrize("score, good", [(0.505, True), (0.49, True), (0.53, False)])
def test_parity_near_a_tie(cloud, score, good):
    """The other label may win there, if the score is near."""
    cloud.fake.rule("InvokeEndpoint", "answer", times=0,
                    message=json.dumps([{"label": "negative", "score": score}]))
    cloud.start()
    sample = {"text": "so so", "label": "positive", "score": 0.501}
    model = cloud.put_model(**{"parity.json": json.dumps({"v": 1, "samples": [sample]})})
    job = cloud.ended(cloud.run(cloud.deploy(model)), "deploy")
    assert job["state"] == ("succeeded" if good else "failed"), words(job)
