# SPDX-License-Identifier: MIT
"""Training on SageMaker by the real daemon against the fake: what is sent, what the job shows, what
becomes of its model."""
import json
import re
import subprocess
import tarfile

import pytest
from sagemaker_rig import BUCKET, archive, words
from trainyardd import BUILD, wait_for

HUB_MODEL = "distilbert-base-uncased"


def objects(cloud, bucket):
    pages = cloud.fake.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [o["Key"] for page in pages for o in page.get("Contents", [])]


def place(job):
    """Bucket and prefix of a job's things."""
    return "sagemaker-us-east-1-123456789012", f"trainyard/{job['run']}/{job['id']}/"


def test_script_trains_and_its_model_is_downloaded(cloud, tmp_path):
    cloud.start()
    run = cloud.run(cloud.train(), {"name": "get", "kind": "download", "source": "${train.model}",
                                    "destination": str(tmp_path / "model")})
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    bucket, prefix = place(job)
    name = job["sagemaker"]["training_job"]
    assert job["outputs"]["model"] == f"s3://{bucket}/{prefix}{name}/output/model.tar.gz"
    assert job["outputs"]["output"] == f"s3://{bucket}/{prefix}{name}/output/output.tar.gz"
    assert cloud.ended(run, "get")["state"] == "succeeded"
    assert json.loads((tmp_path / "model/config.json").read_text())["model_type"] == "bert"
    cloud.nothing_is_left()


def test_what_is_sent(cloud, tmp_path):
    """Hyperparameters, tags, the script and channels of both places, as the account has them."""
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="test/rows.csv", Body=b"a,b\n")
    here = tmp_path / "rows"
    (here / "deep").mkdir(parents=True)
    (here / "deep/rows.csv").write_text("text,label\n")
    cloud.start()
    run = cloud.run(cloud.train(
        channels={"train": str(here), "test": f"s3://{BUCKET}/test/"},
        hyperparameters={"epochs": 2, "learning-rate": 1e-4, "fp16": True, "note": "ü b"},
        tags={"team": "nlp", "step": "1"}, environment={"A_WORD": "here"},
        sagemaker={"instance_type": "ml.p3.2xlarge", "volume_gb": 77, "spot": True,
                   "max_wait": "30m"}))
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    bucket, prefix = place(job)
    d = cloud.describe(job)
    sent = d["HyperParameters"]
    assert {k: json.loads(v) for k, v in sent.items() if not k.startswith("sagemaker_")} == {
        "epochs": 2, "learning-rate": 1e-4, "fp16": True, "note": "ü b"}
    assert json.loads(sent["sagemaker_program"]) == "train.py"
    source = json.loads(sent["sagemaker_submit_directory"])
    assert source == f"s3://{bucket}/{prefix}source/sourcedir.tar.gz"
    with tarfile.open(fileobj=s3.get_object(Bucket=bucket, Key=source.split("/", 3)[3])["Body"],
                      mode="r|gz") as tar:
        assert [m.name for m in tar if m.isfile()] == ["train.py"]
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"]
                for c in d["InputDataConfig"]}
    assert channels == {"train": f"s3://{bucket}/{prefix}channels/train/",
                        "test": f"s3://{BUCKET}/test/"}
    assert f"{prefix}channels/train/deep/rows.csv" in objects(cloud, bucket)
    assert d["ResourceConfig"]["VolumeSizeInGB"] == 77
    assert d["Environment"]["A_WORD"] == "here"
    assert d["EnableManagedSpotTraining"] is True
    assert d["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1800}
    assert d["RoleArn"].endswith(":role/SageMakerMain")
    tags = {t["Key"]: t["Value"] for t in cloud.fake.client("sagemaker").list_tags(
        ResourceArn=d["TrainingJobArn"])["Tags"]}
    assert (tags["team"], tags["step"]) == ("nlp", "1")
    assert (tags["trainyard:run"], tags["trainyard:job"]) == (job["run"], job["id"])
    assert d["TrainingJobName"].endswith(tags["trainyard:nonce"])


def test_what_the_job_shows(cloud):
    cloud.fake.scenario(kind="training", lines=["{'eval_loss': 0.25, 'loss': 0.125}"],
                        runtime_s=300, billable_s=240)
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.ended(run)
    s = job["sagemaker"]
    assert (s["state"], s["status"], s["secondary_status"]) == ("ended", "Completed", "Completed")
    assert (s["training_seconds"], s["billable_seconds"]) == (300, 240)
    assert [t["status"] for t in s["transitions"]] == ["Starting", "Downloading", "Training",
                                                       "Uploading", "Completed"]
    assert all(re.fullmatch(r"[-\d]+T[:\d.]+Z", t["started_at"]) and t["message"]
               for t in s["transitions"])
    assert s["reason"] is None and s["resources"] == []
    assert job["outputs"]["metrics"]["eval_loss"] == s["final_metrics"]["eval_loss"] == 0.25
    points = cloud.daemon.get(f"/v1/jobs/{job['id']}/metrics")["items"]
    assert {"eval_loss": 0.25, "loss": 0.125}.items() <= points[-1]["values"].items()
    # an hour of ml.g5.xlarge is 1.408 US dollars; ten minutes were reserved
    assert job["cost"] == {"reserved_usd": "0.00", "settled_usd": "0.093867",
                           "worst_case_usd": "0.234667"}
    cloud.nothing_is_left()


def test_what_a_running_job_shows(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    assert (job["state"], job["sagemaker"]["status"]) == ("running", "InProgress")
    assert job["cost"]["reserved_usd"] == "0.234667"
    assert [r["resource"] for r in job["sagemaker"]["resources"]] == ["training_job"]
    said = cloud.explain(job)["message"]
    assert job["sagemaker"]["training_job"] in said and "InProgress: Training" in said
    cloud.lift()
    assert cloud.ended(run)["state"] == "succeeded"


def native(model, channels, **more):
    return {"name": "train", "kind": "train", "target": "sagemaker", "model": model,
            "channels": channels, "hyperparameters": {"epochs": 2, "learning_rate": 1e-4},
            "max_runtime": "10m", "sagemaker": {"instance_type": "ml.g5.xlarge"}, **more}


@pytest.fixture
def rows(cloud, tmp_path):
    """A channel here and one in S3; the container looks into them, the daemon does not."""
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="test/dataset_info.json", Body=b"{}")
    (tmp_path / "train").mkdir()
    for name in ("dataset_info.json", "state.json"):
        (tmp_path / "train" / name).write_text("{}")
    return {"train": str(tmp_path / "train"), "test": f"s3://{BUCKET}/test/"}


def test_native_spec_with_a_model_of_the_hub(cloud, rows):
    cloud.start()
    job = cloud.ended(cloud.run(native(HUB_MODEL, rows)))
    assert job["state"] == "succeeded", words(job)
    d = cloud.describe(job)
    sent = {k: json.loads(v) for k, v in d["HyperParameters"].items()}
    assert sent["sagemaker_program"] == "train.py" and sent["epochs"] == 2
    assert HUB_MODEL in sent.values()
    assert {c["ChannelName"] for c in d["InputDataConfig"]} == {"train", "test"}
    source = sent["sagemaker_submit_directory"].split("/", 3)
    body = cloud.fake.client("s3").get_object(Bucket=source[2], Key=source[3])["Body"]
    with tarfile.open(fileobj=body, mode="r|gz") as tar:
        assert "train.py" in [m.name for m in tar]
    cloud.nothing_is_left()


def test_native_spec_with_a_model_of_ours(cloud, rows, tmp_path):
    model = tmp_path / "bert"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    cloud.start()
    job = cloud.ended(cloud.run(native(str(model), rows)))
    assert job["state"] == "succeeded", words(job)
    bucket, prefix = place(job)
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"]
                for c in cloud.describe(job)["InputDataConfig"]}
    assert channels["model"] == f"s3://{bucket}/{prefix}model/"
    assert f"{prefix}model/config.json" in objects(cloud, bucket)


def test_model_of_a_training_job_of_the_account(cloud, rows):
    """By the name of the training job, whoever made it, from a job there and a job here."""
    cloud.start()
    first = cloud.ended(cloud.run(cloud.train()))
    name = first["sagemaker"]["training_job"]
    job = cloud.ended(cloud.run(native({"training_job": name}, rows)))
    assert job["state"] == "succeeded", words(job)
    channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"]
                for c in cloud.describe(job)["InputDataConfig"]}
    assert channels["model"] == first["outputs"]["model"]
    run = cloud.run({"name": "train", "kind": "script", "entry_point": "train.py",
                     "model": {"training_job": name}, "source_dir": str(cloud.dir / "source")})
    assert cloud.ended(run)["state"] == "succeeded"
    assert any(c["operation"] == "GetObject" and c["name"].endswith("/output/model.tar.gz")
               for c in cloud.fake.calls())


@pytest.mark.parametrize("state, part", [
    ("none", "this account has no training job 'no-such-job' in this region"),
    ("InProgress", "has no model, because it is InProgress"),
])
def test_training_job_without_a_model(cloud, rows, state, part):
    name = "no-such-job"
    cloud.start()
    if state == "InProgress":
        cloud.fake.scenario(kind="training", hold="Training", times=1)
        first = cloud.run(cloud.train())
        name = cloud.training(first, "Training")["sagemaker"]["training_job"]
    job = cloud.ended(cloud.run(native({"training_job": name}, rows)))
    assert (job["state"], job["reason"]["code"]) == ("failed", "data_missing"), words(job)
    assert part in job["reason"]["message"]


def test_retry_sends_nothing_twice(cloud, tmp_path):
    """A new try has a new name; what lies in S3 already is not sent again."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/rows.csv").write_text("text,label\n")
    cloud.fake.scenario(kind="training", fail="AlgorithmError", times=1)
    cloud.start()
    run = cloud.run(cloud.train(channels={"train": str(tmp_path / "rows")}))
    failed = cloud.ended(run)
    assert (failed["state"], failed["reason"]["code"]) == ("failed", "container_failed")
    before = cloud.sent()
    assert len(before) == 2
    cloud.daemon.ask("POST", f"/v1/jobs/{failed['id']}/retry")
    job = wait_for("the second end", lambda: (lambda j: j["state"] == "succeeded" and j)(
        cloud.daemon.job(run, "train")))
    assert job["attempt"] == 2 and cloud.sent() == before
    assert job["sagemaker"]["training_job"] != failed["sagemaker"]["training_job"]
    assert len(cloud.fake.calls("CreateTrainingJob")) == 2
    cloud.nothing_is_left()


def test_model_archive_of_a_script_is_a_channel(cloud):
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive({"config.json": "{}"}))
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(model=f"s3://{BUCKET}/model.tar.gz")))
    assert job["state"] == "succeeded", words(job)
    [said] = job["warnings"]
    assert "holds the archive model.tar.gz" in said["detail"], said


def test_metrics_that_are_no_numbers(cloud):
    """A loss that is not a number ends no job, and is shown as what it is."""
    cloud.fake.scenario(kind="training", lines=["no metrics"],
                        metrics={"loss": "nan", "best": "inf", "eval_loss": 0.5})
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    assert job["sagemaker"]["final_metrics"]["loss"] == "NaN"
    metrics = job["outputs"]["metrics"]
    assert metrics == {"eval_loss": 0.5, "best": "Infinity", "loss": "NaN"}


def test_names_are_what_the_service_takes(cloud):
    cloud.start()
    names = ["a" * 63, "x.y_z", "9-_.-", "n" + "-" * 40 + "n"]
    run = cloud.run(*(cloud.train(name) for name in names))
    for name in names:
        job = cloud.ended(run, name)
        assert job["state"] == "succeeded", words(job)
        assert re.fullmatch(r"trainyard(-*[a-zA-Z0-9])+", job["sagemaker"]["training_job"])
        assert len(job["sagemaker"]["training_job"]) <= 63
    cloud.nothing_is_left()


def artifacts(cloud, job, **params):
    answer = cloud.daemon.get(f"/v1/jobs/{job['id']}/artifacts", **params)
    assert answer["truncated"] is False
    return answer["items"]


def test_artifacts_are_what_lies_in_s3(cloud):
    """Before: the empty folders of the staging."""
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    bucket, prefix = place(job)
    s3 = cloud.fake.client("s3")
    for key in ("checkpoints/checkpoint-1/model.bin", "checkpoints/", "checkpoints-other/x"):
        s3.put_object(Bucket=bucket, Key=prefix + key, Body=b"12345")
    items = artifacts(cloud, job)
    assert [i["path"] for i in items] == ["output/model.tar.gz", "output/output.tar.gz",
                                          "checkpoints/checkpoint-1/model.bin"]
    assert items[0]["uri"] == job["outputs"]["model"]
    assert items[1]["uri"] == job["outputs"]["output"]
    assert items[2]["size"] == 5 and items[2]["modified_at"] > job["created_at"]
    for wanted in ("checkpoints/check", "check", "output/model", "model", "x" * 2000):
        assert [i["path"] for i in artifacts(cloud, job, prefix=wanted)] == [
            i["path"] for i in items if i["path"].startswith(wanted)]
    answer = cloud.daemon.ask("GET", f"/v1/jobs/{job['id']}/artifacts/output/model.tar.gz")
    assert answer.status_code == 404 and "are in S3" in answer.json()["detail"]
    shown = subprocess.run([BUILD / "cli/trainyard", "--url", cloud.daemon.url, "artifacts",
                            job["id"]], capture_output=True, text=True, check=True)
    assert items[0]["uri"] in shown.stdout


@pytest.mark.parametrize("slash", ["", "/"])
def test_artifacts_of_a_sibling_prefix_are_not_listed(cloud, slash):
    """checkpoint.s3 of a user: `ck` is not the beginning of `ck2`, with and without the slash."""
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket="data")
    for key in ("ck/1", "ck2/1", "ck.bak"):
        s3.put_object(Bucket="data", Key=key, Body=b"1")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(checkpoint={"s3": f"s3://data/ck{slash}"})))
    assert job["state"] == "succeeded", job["reason"]
    items = artifacts(cloud, job, prefix="checkpoints/")
    assert [(i["path"], i["uri"]) for i in items] == [("checkpoints/1", "s3://data/ck/1")]


def test_artifacts_when_s3_does_not_answer(cloud):
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    cloud.fake.rule("ListObjectsV2", "access_denied", times=0)
    answer = cloud.daemon.ask("GET", f"/v1/jobs/{job['id']}/artifacts")
    assert (answer.status_code, answer.json()["type"]) == (502, "urn:trainyard:access_denied")


def test_more_artifacts_than_an_answer_has(cloud):
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    bucket, prefix = place(job)
    s3 = cloud.fake.client("s3")
    path = f"/v1/jobs/{job['id']}/artifacts"
    for i in range(1998):
        s3.put_object(Bucket=bucket, Key=f"{prefix}checkpoints/{i}", Body=b"")
    assert len(artifacts(cloud, job)) == 2000
    s3.put_object(Bucket=bucket, Key=f"{prefix}checkpoints/last", Body=b"")
    answer = cloud.daemon.get(path)
    assert len(answer["items"]) == 2000 and answer["truncated"] is True
