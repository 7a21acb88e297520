# SPDX-License-Identifier: MIT
"""The whole pipeline against moto with its authentication switched on: roles, upload, train, list,
deploy, ask, delete, download.
moto knows no lifecycle (all is done at once), keeps no model and answers what it was told to."""
import json
import urllib.request

import boto3
import pytest
from sagemaker_rig import Cloud, archive, words
from moto_rig import REGION
from wait import DEADLINE_S

ANSWER = [{"label": "positive", "score": 0.93}]


class Moto:
    """What Cloud wants of a fake account."""

    def __init__(self, url, keys):
        self.url, self.keys = url, keys

    @property
    def environment(self):
        return {**self.keys, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true"}

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION,
                            aws_access_key_id=self.keys["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.keys["AWS_SECRET_ACCESS_KEY"])

    def answer_with(self, value):
        """What the next InvokeEndpoint says."""
        body = {"account_id": "123456789012", "region": REGION, "results": [
            {"Body": json.dumps(value), "ContentType": "application/json",
             "InvokedProductionVariant": "AllTraffic", "CustomAttributes": None}]}
        request = urllib.request.Request(
            f"{self.url}/moto-api/static/sagemaker/endpoint-results", json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as reply:
            assert reply.status == 201


@pytest.fixture
def cloud(tmp_path, moto):
    world = Cloud(tmp_path, Moto(*moto))
    try:
        yield world
    finally:
        world.close()


def test_pipeline(cloud):
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket="our-models")
    s3.put_object(Bucket="our-models", Key="model.tar.gz", Body=archive({"config.json": "{}"}))
    for _ in ("the deploy's plain text", "the predict job's"):
        cloud.fake.answer_with(ANSWER)
    cloud.start(base="[aws]\nrole = trainer\npoll_ms = 50\nlog_drain_ms = 0\nsettle_ms = 500\n")
    data = cloud.dir / "data"
    data.mkdir()
    (data / "reviews.csv").write_text("text,label\n", encoding="utf-8")
    assert {r["name"] for r in cloud.daemon.get("/v1/roles")["items"]} == {"other", "trainer"}
    run = cloud.run(
        {"name": "up", "kind": "upload", "source": str(data), "destination": "s3://our-models/d/"},
        cloud.train(channels={"train": "${up.uri}"}),
        cloud.deploy("s3://our-models/model.tar.gz", needs=["train"]),
        {"name": "ask", "kind": "predict", "endpoint": "${deploy.endpoint}", "inputs": "Fine."},
        {"name": "clean", "kind": "delete-endpoint", "endpoint": "${deploy.endpoint}",
         "needs": ["ask"]},
        {"name": "down", "kind": "download", "source": "${up.uri}",
         "destination": str(cloud.dir / "back")})
    for name in ("up", "train", "deploy", "ask", "clean", "down"):
        job = cloud.ended(run, name)
        assert job["state"] == "succeeded", (name, words(job))
    assert (cloud.dir / "back/reviews.csv").read_bytes() == (data / "reviews.csv").read_bytes()
    listed = cloud.daemon.get("/v1/sagemaker/training-jobs")["items"]
    assert [job["status"] for job in listed] == ["Completed"]
    assert cloud.daemon.job(run, "ask")["outputs"]["predictions"] == ANSWER
    sagemaker = cloud.fake.client("sagemaker")
    assert sagemaker.list_endpoints()["Endpoints"] == []
    assert sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert sagemaker.list_models()["Models"] == []
    trained = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert [t["TrainingJobStatus"] for t in trained] == ["Completed"]
