# SPDX-License-Identifier: MIT
"""Endpoints on SageMaker by the real daemon against the fake: made in order, checked, asked, and
deleted in the other order, whatever happens on the way."""
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sagemaker_rig import SAMPLES, words
from trainyardd import wait_for

PARITY = json.dumps({"v": 1, "max_length": 128, "samples": SAMPLES})
ORDER = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint", "DeleteEndpoint",
         "DeleteEndpointConfig", "DeleteModel"]


def parts_of_order(fake):
    return [c["operation"] for c in fake.calls() if c["operation"] in ORDER and c["status"] == 200]


def endpoint(cloud, name="imdb"):
    return cloud.daemon.get(f"/v1/endpoints/{name}")


def in_service(cloud, *jobs, **more):
    """A run whose endpoint imdb is in service."""
    run = cloud.run(cloud.deploy(cloud.put_model(), **more), *jobs)
    job = cloud.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    return run


def test_order(cloud):
    cloud.start()
    in_service(cloud)
    assert endpoint(cloud)["state"] == "in_service"
    assert len(cloud.live()) == 3
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    wait_for("its end", lambda: endpoint(cloud)["state"] == "deleted")
    assert parts_of_order(cloud.fake) == ORDER
    cloud.nothing_is_left()


def test_from_a_local_directory(cloud):
    model = cloud.dir / "model"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(str(model))), "deploy")
    assert job["state"] == "succeeded", words(job)
    assert endpoint(cloud)["result"]["parity"] == "skipped"


def test_from_a_prefix(cloud):
    cloud.start()
    cloud.put_model("prefix/config.json")
    job = cloud.ended(cloud.run(cloud.deploy("s3://our-models/prefix/")), "deploy")
    assert job["state"] == "succeeded", words(job)
    model = cloud.fake.client("sagemaker").list_models()["Models"][0]["ModelName"]
    data = cloud.fake.client("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]
    assert data["ModelDataSource"]["S3DataSource"] == {
        "S3Uri": "s3://our-models/prefix/", "S3DataType": "S3Prefix", "CompressionType": "None"}


def test_from_a_training_job(cloud):
    cloud.start()
    trained = cloud.ended(cloud.run(cloud.train()))
    name = cloud.fake.resources("training_job")[0]["name"]
    job = cloud.ended(cloud.run(cloud.deploy({"training_job": name})), "deploy")
    assert job["state"] == "succeeded", words(job)
    model = cloud.fake.client("sagemaker").list_models()["Models"][0]["ModelName"]
    data = cloud.fake.client("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]
    assert data["ModelDataUrl"] == trained["outputs"]["model"]


def test_wrong_answers_are_rolled_back(cloud):
    cloud.fake.scenario(kind="endpoint", wrong_answers=True)
    cloud.start()
    model = cloud.put_model(**{"parity.json": PARITY})
    job = cloud.ended(cloud.run(cloud.deploy(model)), "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", "parity_failed"), words(job)
    assert endpoint(cloud)["state"] == "failed"
    cloud.nothing_is_left()


def test_parity_passes(cloud):
    cloud.start()
    model = cloud.put_model(**{"parity.json": PARITY})
    job = cloud.ended(cloud.run(cloud.deploy(model)), "deploy")
    assert job["state"] == "succeeded", words(job)
    assert endpoint(cloud)["result"]["parity"] == "passed"


@pytest.mark.parametrize("fail, code, part", [
    ("health_check", "health_check_failed", "did not pass the ping health check"),
    ("image", "image_missing", "repository of the image"),
    ("model_data", "data_missing", "model data"),
])
def test_failure(cloud, fail, code, part):
    cloud.fake.scenario(kind="endpoint", fail=fail)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(cloud.put_model())), "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert part in job["reason"]["message"]
    assert endpoint(cloud)["state"] == "failed"
    cloud.nothing_is_left()


def test_no_capacity_is_waited_for(cloud):
    cloud.fake.scenario(kind="endpoint", fail="capacity", times=1)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(cloud.put_model())), "deploy")
    assert (job["state"], job["attempt"]) == ("succeeded", 2), words(job)
    assert len(cloud.live()) == 3


def test_stuck_creating(cloud):
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start("endpoint_timeout = 1s\n")
    run = cloud.run(cloud.deploy(cloud.put_model()))
    wait_for("it to be given up", lambda: cloud.daemon.get("/v1/endpoints")["items"]
             and endpoint(cloud)["state"] == "deleting")
    assert "still Creating after 1s" in endpoint(cloud)["reason"]["message"]
    wait_for("a refused delete", lambda: [c for c in cloud.fake.calls("DeleteEndpoint")
                                          if c["status"] == 400])
    cloud.fake.admin("DELETE", "scenarios")
    job = cloud.ended(run, "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", "timed_out"), words(job)
    cloud.nothing_is_left()


def test_cancelled_while_creating(cloud):
    cloud.fake.scenario(kind="endpoint", beats={"Creating": 5})
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    wait_for("three things", lambda: len(cloud.live()) == 3)
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    job = cloud.ended(run, "deploy")
    assert job["state"] == "cancelled", words(job)
    cloud.nothing_is_left()


def test_deleted_outside(cloud):
    cloud.start()
    in_service(cloud)
    name = next(name for kind, name in cloud.live() if kind == "endpoint")
    cloud.fake.client("sagemaker").delete_endpoint(EndpointName=name)
    wait_for("it to be noticed", lambda: endpoint(cloud)["state"] == "failed")
    assert "outside Trainyard" in endpoint(cloud)["reason"]["message"]
    cloud.nothing_is_left()


def test_lease_and_restart(cloud):
    cloud.start()
    in_service(cloud, lease={"ttl": "2s"})
    cloud.daemon.kill()
    cloud.daemon.start()
    wait_for("the lease's end", lambda: endpoint(cloud)["state"] == "deleted")
    assert endpoint(cloud)["reason"]["code"] == "lease_expired"
    cloud.nothing_is_left()


def runtime(cloud):
    return boto3.client("sagemaker-runtime", region_name="us-east-1",
                        endpoint_url=cloud.daemon.url, aws_access_key_id="any",
                        aws_secret_access_key="any", config=Config(retries={"max_attempts": 0}))


def test_boto3_asks_through_the_daemon(cloud):
    cloud.start()
    in_service(cloud)
    answer = runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=json.dumps(
        {"inputs": ["I love it"]}), ContentType="application/json")
    assert json.loads(answer["Body"].read())[0]["label"]
    cloud.fake.rule("InvokeEndpoint", "model_error", times=1)
    with pytest.raises(ClientError) as failed:
        runtime(cloud).invoke_endpoint(EndpointName="imdb", Body="{}",
                                       ContentType="application/json")
    assert failed.value.response["Error"]["Code"] == "ModelError"
    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    with pytest.raises(ClientError) as missing:
        runtime(cloud).invoke_endpoint(EndpointName="nothing", Body="{}")
    assert missing.value.response["Error"]["Code"] == "ValidationError"


def test_update(cloud):
    cloud.start()
    in_service(cloud)
    old = cloud.live()
    job = cloud.ended(cloud.run(cloud.deploy("s3://our-models/model.tar.gz", on_existing="update")),
                      "deploy")
    assert job["state"] == "succeeded", words(job)
    assert endpoint(cloud)["state"] == "in_service"
    wait_for("the old ones to go", lambda: len(cloud.live()) == 3)
    assert {k for k in old if k[0] == "endpoint"} == {k for k in cloud.live() if k[0] == "endpoint"}
    assert not {k for k in old if k[0] != "endpoint"} & set(cloud.live())
    assert len(cloud.fake.calls("UpdateEndpoint")) == 1
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    cloud.nothing_is_left()


def test_update_that_fails(cloud):
    cloud.start()
    in_service(cloud)
    old = cloud.live()
    cloud.fake.scenario(kind="endpoint", update_fail="health_check")
    job = cloud.ended(cloud.run(cloud.deploy("s3://our-models/model.tar.gz", on_existing="update")),
                      "deploy")
    assert job["state"] == "failed", words(job)
    assert endpoint(cloud)["state"] == "in_service"
    wait_for("the new ones to go", lambda: set(cloud.live()) == set(old))


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_refused_after_a_lost_try(cloud, operation):
    cloud.fake.rule(operation, "drop_before")
    cloud.fake.rule(operation, "error", message="no such thing is allowed here")
    cloud.start(environment={"AWS_MAX_ATTEMPTS": "1"})
    job = cloud.ended(cloud.run(cloud.deploy(cloud.put_model())), "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", "refused"), words(job)
    wait_for("its end", lambda: endpoint(cloud)["state"] == "failed")
    cloud.nothing_is_left()
