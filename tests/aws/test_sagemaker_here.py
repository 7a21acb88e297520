# SPDX-License-Identifier: MIT
"""What a spec may name on either target, through the real daemon: one object of S3 as a channel,
models of the hub at a revision, keys for what is sent, checkpoints of scripts."""
import json

import pytest

from sagemaker_rig import Cloud, words
from hub_rig import TOKEN, Rig

MODEL = "distilbert-base-uncased"
LIST_CHANNELS = """
import os, pathlib
found = []
for name in ("one", "many", "model"):
    root = pathlib.Path(os.environ["SM_CHANNEL_" + name.upper()])
    found += [f"{name}/{p.relative_to(root)}" for p in root.rglob("*") if p.is_file()]
out = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
(out / "eval_results.txt").write_text("\\n".join(sorted(found)))
"""
GO_ON = """
import os, pathlib, sys
kept = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints/checkpoint-7"
if not kept.exists():
    kept.mkdir(parents=True)
    (kept / "trainer_state.json").write_text("{}")
    sys.exit("once more")
"""


@pytest.fixture
def world(build, tmp_path, account):
    """An account with a bucket, a hub with a model at two revisions, and a daemon at both."""
    account.reset()
    hub = Rig(build, tmp_path)
    old = hub.add_model()
    hub.first = next(iter(old.commits))
    old.commit({name: file.data for name, file in old.commits[hub.first].items()
                if name != "vocab.txt"})
    cloud = Cloud(tmp_path, account)
    s3 = account.client("s3")
    s3.create_bucket(Bucket="data")
    for key in ("rows.csv", "many/a", "many/b/c", "manyfold"):
        s3.put_object(Bucket="data", Key=key, Body=key.encode())
    cloud.hub = hub
    cloud.start(environment=hub.env(HF_TOKEN=TOKEN))
    try:
        yield cloud
    finally:
        cloud.close()
        hub.hub.close()


def script(world, text, **more):
    (world.dir / "source/train.py").write_text(text, encoding="utf-8")
    return {**world.train(), "target": "local", **more}


def keys(world, bucket, prefix):
    listed = world.fake.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return {o["Key"].removeprefix(prefix) for o in listed.get("Contents", [])}


def described(world):
    """The one training job of the account."""
    client = world.fake.client("sagemaker")
    made, = client.list_training_jobs()["TrainingJobSummaries"]
    return client.describe_training_job(TrainingJobName=made["TrainingJobName"])
KEY = "alias/".ljust(2048, "k")  # the longest that SageMaker takes (botocore: KmsKeyId)


def at(world, revision):
    return {"hub": MODEL, "revision": revision}


def test_a_script_here_gets_it_all(world):
    channels = {"one": "s3://data/rows.csv", "many": "s3://data/many"}
    run = world.run(
        script(world, LIST_CHANNELS, channels=channels, model=at(world, world.hub.first)),
        {"name": "put", "kind": "upload", "source": "${train.output}/eval_results.txt",
         "destination": "s3://data/eval.txt", "sagemaker": {"kms_key": KEY}})
    job = world.ended(run, "put")
    assert job["state"] == "succeeded", words(job) + words(world.daemon.job(run, "train"))
    got = world.fake.client("s3").get_object(Bucket="data", Key="eval.txt")
    found = got["Body"].read().decode().split()
    assert got["SSEKMSKeyId"] == KEY
    assert [f for f in found if not f.startswith("model/")] == ["many/a", "many/b/c",
                                                               "one/rows.csv"]
    assert {"model/config.json", "model/vocab.txt", "model/model.safetensors"} <= set(found)


def test_what_sagemaker_has_packed_is_unpacked_here(world):
    channels = {"one": "${there.model}", "many": "s3://data/many/"}
    run = world.run(world.train(name="there"),
                    script(world, LIST_CHANNELS, channels=channels, model="${there.model}"),
                    {"name": "get", "kind": "upload", "source": "${train.output}/eval_results.txt",
                     "destination": "s3://data/eval.txt"})
    job = world.ended(run, "get")
    assert job["state"] == "succeeded", words(job) + words(world.daemon.job(run, "train"))
    got = world.fake.client("s3").get_object(Bucket="data", Key="eval.txt")
    found = got["Body"].read().decode().split()
    assert "one/config.json" in found and "model/config.json" in found
    assert not [f for f in found if f.endswith(".tar.gz")]


@pytest.mark.parametrize("key, code", [("nothing", "data_missing"), ("nothing/", "prefix_empty")])
def test_a_channel_that_is_not_there(world, key, code):
    run = world.run(script(world, LIST_CHANNELS, channels={"one": f"s3://data/{key}"}))
    job = world.ended(run)
    assert (job["state"], job["reason"]["code"]) == ("failed", code)
    assert "s3://data/nothing" in job["reason"]["message"]


def test_a_script_there_gets_the_hubs_model(world):
    run = world.run(world.train(model=at(world, world.hub.first)))
    job = world.ended(run)
    assert job["state"] == "succeeded", words(job)
    channel, = described(world)["InputDataConfig"]
    uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
    assert channel["ChannelName"] == "model" and uri.endswith("/model/")
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    assert {"config.json", "vocab.txt", "model.safetensors"} <= keys(world, bucket, prefix)


@pytest.mark.parametrize("model, staged", [(MODEL, False), ({"hub": MODEL}, False),
                                           ({"hub": MODEL, "revision": "main"}, True)])
def test_native_training_there(world, model, staged):
    job = {"name": "train", "kind": "train", "target": "sagemaker", "model": model,
           "channels": {"train": "s3://data/many/"},
           "sagemaker": {"instance_type": "ml.g5.xlarge"}, "max_runtime": "10m"}
    ended = world.ended(world.run(job))
    assert ended["state"] == "succeeded", words(ended)
    made = described(world)
    names = {c["ChannelName"] for c in made["InputDataConfig"]}
    assert names == ({"train", "model"} if staged else {"train"})
    assert ("model_name" in made["HyperParameters"]) != staged


def test_an_endpoint_there_of_a_revision(world):
    run = world.run(world.deploy(at(world, world.hub.first)))
    job = world.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    sm = world.fake.client("sagemaker")
    name = sm.list_models()["Models"][0]["ModelName"]
    variables = sm.describe_model(ModelName=name)["PrimaryContainer"]["Environment"]
    assert variables["HF_MODEL_ID"] == MODEL
    assert variables["HF_MODEL_REVISION"] == world.hub.first
    assert world.daemon.get("/v1/endpoints/imdb")["model"] == MODEL


def test_a_revision_that_is_not_there(world):
    job = world.ended(world.run(script(world, LIST_CHANNELS, model=at(world, "v9"))))
    assert (job["state"], job["reason"]["code"]) == ("failed", "data_missing")
    assert "no revision 'v9'" in job["reason"]["message"]


def test_a_script_goes_on_from_its_checkpoints(world):
    run = world.run(script(world, GO_ON))
    job = world.ended(run)
    assert job["state"] == "failed" and "once more" in world.daemon.log(job["id"])
    answer = world.daemon.ask("POST", f"/v1/jobs/{job['id']}/retry")
    assert answer.status_code == 200, answer.text
    again = world.daemon.wait_job(run, "train", "succeeded")
    assert again["attempt"] == 2, json.dumps(again)
