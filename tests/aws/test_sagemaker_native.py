# SPDX-License-Identifier: MIT
"""The native engine with inputs that lie in S3, on the hub and with training jobs of the account,
through the real daemon; endpoints here come back when nothing of them is left in the cache."""
import json
import os
import shutil
import signal

import pytest

from sagemaker_rig import Cloud, archive, words
from hub_rig import TOKEN, Rig, model_files
from trainyardd import BUILD, processes_below, wait_for

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="needs the native worker")
HUB = {"hub": "distilbert-base-uncased", "revision": "main"}
NEEDED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
          "vocab.txt")


@pytest.fixture
def world(build, tmp_path, account):
    """One model in all places: on the hub, below s3://data/tree/, as an archive, of a job."""
    account.reset()
    hub = Rig(build, tmp_path)
    hub.add_model()
    s3 = account.client("s3")
    s3.create_bucket(Bucket="data")
    files = {name: model_files()[name] for name in NEEDED}
    for name, text in files.items():
        s3.put_object(Bucket="data", Key=f"tree/{name}", Body=text)
    s3.put_object(Bucket="data", Key="m.tar.gz", Body=archive(files))
    for part in ("train", "test"):
        rows = "".join(f"good film {i},{'yes' if i % 2 else 'no'}\n" for i in range(12))
        s3.put_object(Bucket="data", Key=f"{part}.csv", Body=("text,label\n" + rows).encode())
    cloud = Cloud(tmp_path, account)
    cloud.start(environment=hub.env(HF_TOKEN=TOKEN))
    try:
        yield cloud
    finally:
        cloud.close()
        hub.hub.close()


def trained(world):
    """{"training_job": name} of a job of the account whose archive is the one model."""
    job = world.ended(world.run(world.train(name="there")), "there")
    assert job["state"] == "succeeded", words(job)
    sagemaker, s3 = world.fake.client("sagemaker"), world.fake.client("s3")
    made, = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    artifacts = sagemaker.describe_training_job(TrainingJobName=made["TrainingJobName"])
    uri = artifacts["ModelArtifacts"]["S3ModelArtifacts"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": "data", "Key": "m.tar.gz"})
    return {"training_job": made["TrainingJobName"]}


def test_splits_data_and_models_from_everywhere(world):
    models = {"hub": HUB, "tree": "s3://data/tree/", "tar": "s3://data/m.tar.gz",
              "job": trained(world)}
    dataset = {part: {"path": f"s3://data/{part}.csv"} for part in ("train", "test")}
    run = world.run(
        {"name": "prep", "kind": "preprocess", "model": "s3://data/tree", "max_length": 16,
         "dataset": dataset, "output": "s3://data/p", "sagemaker": {"kms_key": "alias/ours"}},
        *({"name": name, "kind": "evaluate", "model": model, "data": "${prep.test}"}
          for name, model in models.items()),
        {"name": "put", "kind": "upload", "source": "${tree.metrics}",
         "destination": "s3://data/metrics.json"})
    results = []
    for name in models:
        job = world.ended(run, name)
        assert job["state"] == "succeeded", words(job) + words(world.daemon.job(run, "prep"))
        results.append(job["outputs"]["metrics"]["eval_loss"])
    assert len(set(results)) == 1
    assert world.ended(run, "put")["state"] == "succeeded"
    s3 = world.fake.client("s3")
    sent = json.load(s3.get_object(Bucket="data", Key="metrics.json")["Body"])
    assert sent["eval_loss"] == results[0]
    listed = s3.list_objects_v2(Bucket="data", Prefix="p/test/")["Contents"]
    for item in listed:
        assert s3.head_object(Bucket="data", Key=item["Key"])["SSEKMSKeyId"] == "alias/ours"


def test_endpoints_come_back_without_the_cache(world):
    models = {"hub": HUB, "tar": "s3://data/m.tar.gz", "job": trained(world)}
    daemon = world.daemon
    run = world.run(*({"name": name, "kind": "deploy", "model": model, "endpoint": name,
                       "lease": {"ttl": "1h"}, "local": {"cpus": 1}}
                      for name, model in models.items()))
    for name in models:
        job = world.ended(run, name)
        assert job["state"] == "succeeded", words(job)

    def answers():
        return {name: daemon.ask("POST", f"/v1/endpoints/{name}/invocations",
                                 {"inputs": "good film"}).json() for name in models}

    before = answers()
    assert len({str(answer) for answer in before.values()}) == 1, before
    daemon.kill()
    for pid in processes_below(daemon.data):
        os.kill(pid, signal.SIGKILL)
    wait_for("the servers to end", lambda: not processes_below(daemon.data))
    shutil.rmtree(daemon.data / "cache")
    for folder in (daemon.data / "executions").glob("*/work/inputs"):
        shutil.rmtree(folder)
    daemon.start()
    # The first moment of the start still has the old state, in which all were in service.
    wait_for("each to answer as before", lambda: answers() == before)


def training(output, **more):
    """A preprocess job and a native training whose results go to `output`."""
    dataset = {part: {"path": f"s3://data/{part}.csv"} for part in ("train", "test")}
    return ({"name": "prep", "kind": "preprocess", "model": "s3://data/tree/", "max_length": 16,
             "dataset": dataset},
            {"name": "train", "kind": "train", "model": "s3://data/tree/", "output": output,
             "channels": {"train": "${prep.train}", "test": "${prep.test}"},
             "hyperparameters": {"epochs": 1, "bf16": "off"}, **more})


def below(world, prefix):
    """{key without the prefix: bytes}"""
    s3 = world.fake.client("s3")
    listed = s3.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
    return {o["Key"].removeprefix(prefix): s3.get_object(Bucket="data", Key=o["Key"])["Body"].read()
            for o in listed}


def test_native_training_puts_its_model_and_results_into_s3(world):
    """And what refers to the model takes it from there."""
    run = world.run(*training("s3://data/out"),
                    {"name": "check", "kind": "evaluate", "model": "${train.model}",
                     "data": "${prep.test}"})
    job = world.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["outputs"]["model"] == "s3://data/out/model/"
    assert job["outputs"]["output"] == "s3://data/out/output/"
    found = below(world, "out/")
    work = next(path for path in (world.daemon.data / "executions").glob("*/work")
                if (path / "model/model.safetensors").exists())
    here = {p.relative_to(work).as_posix(): p.read_bytes() for part in ("model", "output")
            for p in (work / part).rglob("*") if p.is_file()}
    assert found == here
    assert {"model/config.json", "model/model.safetensors", "output/metrics.json",
            "output/eval_results.txt"} <= set(found)
    check = world.ended(run, "check")
    assert check["outputs"]["metrics"]["eval_accuracy"] == \
        job["outputs"]["metrics"]["eval_accuracy"]


def test_a_killed_training_sends_no_file_twice(world):
    """kill -9 of all while its results are sent; the retry sends what was not there."""
    world.fake.rule("PutObject", "delay", seconds=0.3, times=0)
    run = world.run(*training("s3://data/out/", retry={"max": 2, "on": ["shim_lost", "killed"]}))

    def sent():
        return [c["name"].removeprefix("data/out/") for c in world.fake.calls("PutObject")
                if c["name"].startswith("data/out/") and c["status"] == 200]

    wait_for("a file in S3", sent)
    world.daemon.kill()
    for pid in processes_below(world.daemon.data):
        os.kill(pid, signal.SIGKILL)
    wait_for("the end of all", lambda: not processes_below(world.daemon.data))
    before = below(world, "out/")
    first = sent()
    assert before
    world.daemon.start()
    job = world.ended(run)
    assert job["state"] == "succeeded" and job["attempt"] == 2, words(job)
    after = below(world, "out/")
    assert not [key for key in sent()[len(first):] if before.get(key) == after[key]]
    assert {"model/model.safetensors", "output/metrics.json"} <= set(after)
