# SPDX-License-Identifier: MIT
"""The uploads of examples/imdb/local-upload.json, through the real daemon to the fake of S3; a
script that leaves what a training leaves stands for the training."""
import json

from fake_aws import FakeAws
from trainyardd import ROOT, daemon_on

SCRIPT = """
import os, pathlib
model, output = (pathlib.Path(os.environ[k]) for k in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR"))
(model / "config.json").write_text("{}")
(model / "model.safetensors").write_bytes(bytes(range(256)) * 4096)
(output / "eval_results.txt").write_text("eval_accuracy = 0.5\\n")
"""


def test_what_the_training_left_lies_in_s3(tmp_path):
    source, home = tmp_path / "src", tmp_path / "daemon"
    source.mkdir()
    home.mkdir()
    (source / "train.py").write_text(SCRIPT)
    example = json.loads((ROOT / "examples/imdb/local-upload.json").read_text())
    uploads = [{**job, "needs": []} for job in example["jobs"] if job["kind"] == "upload"]
    with FakeAws(tmp_path / "fake") as fake, daemon_on(home, environment=fake.environment) as d:
        s3 = fake.client("s3")
        s3.create_bucket(Bucket="my-bucket")
        run = d.submit([{"name": "train", "kind": "script", "source_dir": str(source),
                         "entry_point": "train.py"}, *uploads])["id"]
        for job in uploads:
            d.wait_job(run, job["name"], "succeeded")
            assert d.job(run, job["name"])["outputs"]["uri"] == job["destination"]
        keys = {item["Key"] for item in s3.list_objects_v2(Bucket="my-bucket")["Contents"]}
        assert {"imdb/model/config.json", "imdb/model/model.safetensors",
                "imdb/output/eval_results.txt"} <= keys
        body = s3.get_object(Bucket="my-bucket", Key="imdb/model/model.safetensors")["Body"]
        assert body.read() == bytes(range(256)) * 4096
