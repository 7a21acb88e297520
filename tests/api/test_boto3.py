# SPDX-License-Identifier: MIT
"""boto3's client of SageMaker's runtime, at the daemon, asks a model that is served here."""
import csv
import io
import json

import pytest
from trainyardd import BUILD, wait_for

boto3 = pytest.importorskip("boto3")
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="needs the native worker: endpoints here are served by it")


@pytest.fixture(scope="module")
def runtime(daemon, tiny_model):
    run = daemon.submit([{"name": "deploy", "kind": "deploy", "model": str(tiny_model),
                          "endpoint": "boto", "lease": {"ttl": "1h"}}])
    job = daemon.wait_end(run["jobs"][0]["id"])
    assert job["state"] == "succeeded", job["reason"]
    yield boto3.client("sagemaker-runtime", region_name="us-east-1", endpoint_url=daemon.url,
                       aws_access_key_id="any", aws_secret_access_key="any",
                       config=Config(retries={"max_attempts": 0}))
    daemon.ask("DELETE", "/v1/endpoints/boto")
    wait_for("its end", lambda: daemon.get("/v1/endpoints/boto")["state"] == "deleted")


def ask(runtime, body, **more):
    return runtime.invoke_endpoint(EndpointName=more.pop("EndpointName", "boto"),
                                   Body=json.dumps(body), ContentType="application/json", **more)


def test_answers(runtime, daemon):
    answer = ask(runtime, {"inputs": ["a fine film", "a bad film"]})
    assert answer["ContentType"].startswith("application/json")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    got = json.loads(answer["Body"].read())
    assert [one["label"] in ("pos", "neg") for one in got] == [True, True]
    ours = daemon.post("/v1/endpoints/boto/invocations", {"inputs": ["a fine film", "a bad film"]})
    assert got == ours.json()


def test_csv_to_the_model_and_back(runtime):
    """Both types pass the daemon: the answers are those of the same texts as JSON."""
    asked = runtime.invoke_endpoint(EndpointName="boto", Body='inputs\n"a fine, fine film"\nbad\n',
                                    ContentType="text/csv", Accept="text/csv")
    assert asked["ContentType"] == "text/csv"
    got = list(csv.DictReader(io.StringIO(asked["Body"].read().decode(), newline="")))
    want = json.loads(ask(runtime, {"inputs": ["a fine, fine film", "bad"]})["Body"].read())
    assert [(one["label"], float(one["score"])) for one in got] == \
        [(one["label"], pytest.approx(one["score"], abs=1e-5)) for one in want]


def test_error_of_the_model(runtime):
    with pytest.raises(ClientError) as failed:
        ask(runtime, {"inputs": 5})
    said = failed.value.response
    assert said["Error"]["Code"] == "ModelError"
    assert said["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert said["OriginalStatusCode"] == 400 and said["OriginalMessage"]


def test_headers_of_invoke_endpoint(runtime, daemon):
    """One variant with one model: what would choose another is 400, as the service answers."""
    answer = ask(runtime, {"inputs": "a"}, TargetVariant="AllTraffic", InferenceId="id-1",
                 CustomAttributes="x" * 1024)
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    for more, part in [({"TargetVariant": "Other"}, "variant 'Other'"),
                       ({"TargetModel": "m.tar.gz"}, "Target-Model"),
                       ({"TargetContainerHostname": "second"}, "Target-Container-Hostname"),
                       ({"CustomAttributes": "x" * 1025}, "1025 characters; use at most 1024")]:
        with pytest.raises(ClientError) as failed:
            ask(runtime, {"inputs": "a"}, **more)
        said = failed.value.response
        assert said["Error"]["Code"] == "ValidationError" and part in said["Error"]["Message"]
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 400
    ours = daemon.ask("POST", "/v1/endpoints/boto/invocations", {"inputs": "a"},
                      headers={"X-Amzn-SageMaker-Target-Variant": "Other"})
    assert ours.status_code == 400 and "variant 'Other'" in ours.json()["detail"]


def test_endpoint_that_is_not_there(runtime):
    with pytest.raises(ClientError) as failed:
        ask(runtime, {"inputs": "a"}, EndpointName="nothing")
    assert failed.value.response["Error"]["Code"] == "ValidationError"
    assert "not found" in failed.value.response["Error"]["Message"]


@pytest.mark.parametrize("on_existing", ["fail", "update"])
def test_its_name_is_taken_on_sagemaker_too(runtime, daemon, tiny_model, on_existing):
    """What is served here can be neither doubled nor updated by what is served there."""
    answer = daemon.post("/v1/runs", {"name": "test", "jobs": [
        {"name": "deploy", "kind": "deploy", "target": "sagemaker", "model": str(tiny_model),
         "endpoint": "boto", "on_existing": on_existing, "lease": {"ttl": "10m"},
         "sagemaker": {"instance_type": "ml.m5.xlarge", "region": "us-east-1", "role": "Any"}}]})
    assert answer.status_code == 422, answer.text
    [problem] = answer.json()["errors"]
    assert (problem["pointer"], problem["code"]) == ("/jobs/0/endpoint", "endpoint_taken")
    assert ("local" in problem["detail"]) == (on_existing == "update")
