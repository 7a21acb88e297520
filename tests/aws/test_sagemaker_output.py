# SPDX-License-Identifier: MIT
"""`output: s3://…` of a train or script job: its model and output go there, from both targets."""
import json

import pytest
from sagemaker_rig import BUCKET, words

SCRIPT = """
import json, os
with open(os.path.join(os.environ["SM_MODEL_DIR"], "config.json"), "w") as f:
    json.dump({"made": "here"}, f)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "notes.txt"), "w") as f:
    f.write("done")
"""


def keys(cloud):
    found = cloud.fake.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {o["Key"]: o["Size"] for o in found}


@pytest.fixture
def bucket(cloud):
    cloud.fake.client("s3").create_bucket(Bucket=BUCKET)
    (cloud.dir / "source/train.py").write_text(SCRIPT, encoding="utf-8")
    cloud.start()
    return cloud


@pytest.mark.parametrize("output", [f"s3://{BUCKET}/models/", f"s3://{BUCKET}/models"])
def test_there(bucket, output):
    """The seed's s3://bucket/ for models. Before: refused as an unknown field."""
    job = bucket.ended(bucket.run(bucket.train(output=output)))
    assert job["state"] == "succeeded", words(job)
    name = job["sagemaker"]["training_job"]
    assert job["outputs"]["model"] == f"s3://{BUCKET}/models/{name}/output/model.tar.gz"
    assert set(keys(bucket)) == {f"models/{name}/output/{part}.tar.gz"
                                 for part in ("model", "output")}
    items = bucket.daemon.get(f"/v1/jobs/{job['id']}/artifacts")["items"]
    assert {i["uri"] for i in items} == {f"s3://{BUCKET}/{key}" for key in keys(bucket)}


@pytest.mark.parametrize("output", [f"s3://{BUCKET}/models/", f"s3://{BUCKET}/models"])
def test_here(bucket, output, tmp_path):
    """And a later job takes the model from there."""
    run = bucket.run(bucket.train(output=output, target="local"),
                     {"name": "get", "kind": "download", "source": "${train.model}",
                      "destination": str(tmp_path / "model")})
    job = bucket.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert job["outputs"]["model"] == f"s3://{BUCKET}/models/model/"
    assert job["outputs"]["output"] == f"s3://{BUCKET}/models/output/"
    found = keys(bucket)
    assert found["models/model/config.json"] == len(json.dumps({"made": "here"}))
    assert found["models/output/data/notes.txt"] == 4
    assert bucket.ended(run, "get")["state"] == "succeeded"
    assert json.loads((tmp_path / "model/config.json").read_text()) == {"made": "here"}


def test_a_script_that_leaves_no_model(bucket):
    (bucket.dir / "source/train.py").write_text("print('nothing')\n", encoding="utf-8")
    job = bucket.ended(bucket.run(bucket.train(output=f"s3://{BUCKET}/o/", target="local")))
    assert job["state"] == "succeeded", words(job)


@pytest.mark.parametrize("output, part", [("/tmp/models", "s3://"), ("s3://Bad_Bucket/x", ""),
                                          ("models", "s3://")])
def test_elsewhere_is_refused(bucket, output, part):
    answer = bucket.daemon.ask("POST", "/v1/runs", {"jobs": [bucket.train(output=output)]})
    assert answer.status_code == 422, answer.text
    [problem] = answer.json()["errors"]
    assert problem["pointer"] == "/jobs/0/output" and part in problem["detail"], problem


@pytest.mark.parametrize("output", [f"s3://{BUCKET}/models/", f"s3://{BUCKET}/models",
                                    f"s3://{BUCKET}"])
def test_native_training_there(bucket, output, tmp_path):
    """Our own train.py in the container, too; an endpoint and a download take the model from
    there, and what another job of that name left stays."""
    s3 = bucket.fake.client("s3")
    prefix = "" if output == f"s3://{BUCKET}" else "models/"
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}older/output/model.tar.gz", Body=b"old")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="train/rows.csv", Body=b"text,label\n")
    run = bucket.run({"name": "train", "kind": "train", "target": "sagemaker", "model": "org/model",
                      "channels": {"train": "s3://data/train/"}, "max_runtime": "10m",
                      "output": output, "sagemaker": {"instance_type": "ml.g5.xlarge"}},
                     bucket.deploy("${train.model}"),
                     {"name": "get", "kind": "download", "source": "${train.model}",
                      "destination": str(tmp_path / "got")})
    job = bucket.ended(run)
    assert job["state"] == "succeeded", words(job)
    name = job["sagemaker"]["training_job"]
    model = f"{prefix}{name}/output/model.tar.gz"
    assert job["outputs"]["model"] == f"s3://{BUCKET}/{model}"
    made = bucket.fake.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert made["OutputDataConfig"]["S3OutputPath"].rstrip("/") == output.rstrip("/")
    found = keys(bucket)
    assert model in found and found[f"{prefix}older/output/model.tar.gz"] == 3
    deploy, get = bucket.ended(run, "deploy"), bucket.ended(run, "get")
    assert deploy["state"] == "succeeded", words(deploy)
    assert get["state"] == "succeeded", words(get)
    assert any(p.is_file() for p in (tmp_path / "got").rglob("*"))
    bucket.delete()
