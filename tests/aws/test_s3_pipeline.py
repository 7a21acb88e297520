# SPDX-License-Identifier: MIT
"""A data set out of S3, tokenised to S3 and to a directory, and a training on both: through the
real daemon and the native worker; the fake stands for S3."""
import pytest

from fake_aws import FakeAws
from texts import minilm
from trainyardd import BUILD, daemon_on

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="needs the native worker")


def test_data_from_s3_and_results_to_both(tmp_path):
    rows, out, home = tmp_path / "rows.csv", tmp_path / "out", tmp_path / "daemon"
    rows.write_text("text,label\n" + "".join(f"film {i},{'good' if i % 2 else 'bad'}\n"
                                             for i in range(40)))
    home.mkdir()
    model = {"model": str(minilm()), "max_length": 16}
    with FakeAws(tmp_path / "fake") as fake, daemon_on(home, environment=fake.environment) as d:
        fake.client("s3").create_bucket(Bucket="data")
        run = d.submit([
            {"name": "data", "kind": "upload", "source": str(rows),
             "destination": "s3://data/rows.csv"},
            {"name": "there", "kind": "preprocess", "target": "sagemaker", "needs": ["data"],
             "dataset": {"s3": "s3://data/rows.csv"}, "output": "s3://data/p", **model},
            {"name": "here", "kind": "preprocess", "dataset": {"path": str(rows)},
             "output": str(out), **model},
            {"name": "train", "kind": "train", "model": str(minilm()),
             "channels": {"train": "${there.train}", "test": "${here.test}"},
             "hyperparameters": {"epochs": 1, "train_batch_size": 8}}])["id"]
        d.wait_job(run, "train", "succeeded")
        there, here = d.job(run, "there")["outputs"], d.job(run, "here")["outputs"]
        assert (there["train"], there["test"]) == ("s3://data/p/train/", "s3://data/p/test/")
        assert (here["train"], here["test"]) == (str(out / "train"), str(out / "test"))
        for part in ("train", "test"):  # the same rows, the same bytes
            for file in (out / part).iterdir():
                if file.suffix != ".arrow":
                    continue
                stored = fake.client("s3").get_object(Bucket="data",
                                                      Key=f"p/{part}/{file.name}")
                assert stored["Body"].read() == file.read_bytes()
