# SPDX-License-Identifier: MIT
"""Requests to an endpoint on SageMaker through the daemon, on its own path and on SageMaker's."""
import hashlib
import json

import boto3
import pytest
from aws_server import Answer, Server
from botocore.exceptions import ClientError
from sagemaker_rig import runtime, words
from trainyardd import wait_for

BODY_MAX = 6291456
LOVE = '{"inputs": "I love it"}'


@pytest.fixture
def container(cloud):
    """What SageMaker's runtime gets and answers, in place of the fake's; an endpoint is there."""
    server = Server(lambda request: Answer(
        body='[{"label": "positive", "score": 0.9}]',
        headers={"Content-Type": request.headers.get("accept", ""),
                 "x-Amzn-Invoked-Production-Variant": "Green",
                 "X-Amzn-SageMaker-Custom-Attributes": "seen"}))
    cloud.start(environment={"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url})
    cloud.in_service()
    yield server
    server.close()


def test_types_pass_through(cloud, container):
    answer = cloud.ask("a,b\n", Content_Type="text/csv", Accept="application/jsonlines")
    assert answer.status_code == 200 and answer.json()[0]["label"] == "positive"
    assert answer.headers["Content-Type"] == "application/jsonlines"
    request = container.requests[-1]
    [name] = [name for kind, name in cloud.live() if kind == "endpoint"]
    assert request.target == f"/endpoints/{name}/invocations"
    assert request.headers["content-type"] == "text/csv"
    assert request.headers["accept"] == "application/jsonlines"
    assert request.body == b"a,b\n"
    assert request.credential()[2:4] == ["us-east-1", "sagemaker"]


SENT = {"CustomAttributes": "trace=1; a b", "InferenceId": "id-7", "TargetVariant": "AllTraffic",
        "TargetModel": "other.tar.gz", "TargetContainerHostname": "second",
        "EnableExplanations": "`true`", "InferenceComponentName": "part",
        "SessionId": "NEW_SESSION"}


def test_headers_pass_through(cloud, container):
    """All of InvokeEndpoint's, and the answer's. Before: none, and the variant was made up."""
    shape = runtime(cloud).meta.service_model.operation_model("InvokeEndpoint")
    names = {n: m.serialization["name"] for n, m in shape.input_shape.members.items()
             if m.serialization.get("location") == "header"}
    assert set(names) - set(SENT) <= {"ContentType", "Accept", "PrefixAwareId"}
    answer = runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=LOVE, **SENT)
    request = container.requests[-1]
    for member, value in SENT.items():
        assert request.headers[names[member].lower()] == value, member
    assert answer["InvokedProductionVariant"] == "Green"
    assert answer["CustomAttributes"] == "seen"
    ours = cloud.ask(LOVE, X_Amzn_SageMaker_Inference_Id="id-8")
    assert container.requests[-1].headers["x-amzn-sagemaker-inference-id"] == "id-8"
    assert ours.headers["X-Amzn-SageMaker-Custom-Attributes"] == "seen"
    assert ours.headers["x-Amzn-Invoked-Production-Variant"] == "Green"


def test_an_answer_in_the_last_second_arrives(cloud):
    """SageMaker gives a model 60 s and tells SDKs to wait 70. Before: an answer that came when our
    60 s were over was our 504. The limit here is a millisecond, so each answer is late."""
    said = boto3.client("sagemaker-runtime", region_name="us-east-1").meta.service_model \
        .operation_model("InvokeEndpoint").documentation
    assert "60 seconds before responding" in said and "should be set to be 70 seconds" in said

    def work(request):
        hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000)
        return Answer(body='[{"label": "positive", "score": 0.9}]')

    server = Server(work)
    try:
        cloud.start(environment={"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": server.url,
                                 "TRAINYARD_PREDICT_TIMEOUT_MS": "1"})
        cloud.in_service()
        answer = cloud.ask(LOVE)
        assert answer.status_code == 200, answer.text
    finally:
        server.close()


@pytest.mark.parametrize("name", ["Content-Type", "Accept"])
def test_a_long_type_is_passed_whole_or_refused(cloud, container, name):
    """1024 characters, as InvokeEndpoint takes them. Before: cut after 127."""
    shape = runtime(cloud).meta.service_model.operation_model("InvokeEndpoint").input_shape
    [limit] = [m.metadata["max"] for m in shape.members.values()
               if m.serialization.get("name") == name]
    whole = "text/csv; q=".ljust(limit, "a")
    cloud.ask("a,b\n", **{name.replace("-", "_"): whole})
    assert container.requests[-1].headers[name.lower()] == whole
    answer = cloud.ask("a,b\n", **{name.replace("-", "_"): whole + "a"})
    assert answer.status_code == 400
    assert f"the header {name} has {limit + 1} characters" in answer.json()["detail"]


def test_variant_that_is_not_there(cloud):
    """400 ValidationError, as the service says it. Before: 200."""
    cloud.start()
    cloud.in_service()
    for more in ({"TargetVariant": "Other"}, {"TargetModel": "m.tar.gz"}):
        with pytest.raises(ClientError) as failed:
            runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=LOVE, **more)
        said = failed.value.response
        assert said["Error"]["Code"] == "ValidationError"
        assert said["ResponseMetadata"]["HTTPStatusCode"] == 400
    answer = cloud.ask(LOVE, X_Amzn_SageMaker_Target_Variant="Other")
    assert answer.status_code == 400 and "Variant Other" in answer.json()["detail"]


CUT = [
    ({"inputs": "a"}, {"inputs": "a", "parameters": {"truncation": True}}),
    ({"inputs": ["a", "b"], "parameters": {"top_k": 2}},
     {"inputs": ["a", "b"], "parameters": {"top_k": 2, "truncation": True}}),
    ({"inputs": "a", "parameters": {"truncation": False}},
     {"inputs": "a", "parameters": {"truncation": False}}),
    ({"inputs": "a", "parameters": None}, {"inputs": "a", "parameters": None}),
    ({"text": "a"}, {"text": "a"}),
    ([{"inputs": "a"}], [{"inputs": "a"}]),
]


def test_long_texts_are_cut(cloud, container):
    for path in ("/v1/endpoints/imdb/invocations", "/endpoints/imdb/invocations"):
        for body, sent in CUT:
            answer = cloud.daemon.ask("POST", path, body)
            assert answer.status_code == 200, answer.text
            assert json.loads(container.requests[-1].body) == sent, body


def test_other_types_are_not_touched(cloud, container):
    for kind, changed in (("application/json; charset=utf-8", True), ("Application/JSON", True),
                          ("application/jsonlines", False), ("application/json-seq", False),
                          ("text/plain", False)):
        assert cloud.ask(LOVE, Content_Type=kind).status_code == 200
        assert (container.requests[-1].body != LOVE.encode()) == changed, kind


def test_no_json_passes_as_it_is(cloud, container):
    for body in ('{"inputs": ', "", "null"):
        assert cloud.ask(body, Content_Type="application/json").status_code == 200
        assert container.requests[-1].body == body.encode()


def body_of(size):
    frame = len('{"inputs":""}')
    return json.dumps({"inputs": "x" * (size - frame)}, separators=(",", ":"))


def test_largest_body(cloud):
    """It passes as it came: with one more parameter it would be too large."""
    cloud.start()
    cloud.in_service()
    body = body_of(BODY_MAX)
    assert len(body) == BODY_MAX
    answer = cloud.ask(body, Content_Type="application/json")
    assert answer.status_code == 200, answer.text
    asked = len(cloud.fake.calls("InvokeEndpoint"))
    for path, status in (("/v1/endpoints/imdb/invocations", 413),
                         ("/endpoints/imdb/invocations", 400)):
        refused = cloud.daemon.ask("POST", path, data=body + " ")
        assert refused.status_code == status, refused.text
        assert f"larger than {BODY_MAX} bytes" in refused.text
    assert len(cloud.fake.calls("InvokeEndpoint")) == asked


def test_errors_of_the_container(cloud):
    """On our path as the container gave them, on SageMaker's as SageMaker does."""
    cloud.start()
    cloud.in_service()
    answer = cloud.ask('{"inputs": 5}', Content_Type="application/json")
    assert answer.status_code == 400
    assert "text input must be of type" in answer.json()["message"]
    with pytest.raises(ClientError) as failed:
        runtime(cloud).invoke_endpoint(EndpointName="imdb", Body='{"inputs": 5}',
                                       ContentType="application/json")
    said = failed.value.response
    assert (said["Error"]["Code"], said["OriginalStatusCode"]) == ("ModelError", 400)
    assert "text input must be of type" in said["OriginalMessage"]


@pytest.mark.parametrize("do, ours, code", [
    ("model_not_ready", 409, "ModelNotReadyException"),
    ("access_denied", 503, None),
    ("throttle", 503, None),
])
def test_errors_of_the_service(cloud, do, ours, code):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("InvokeEndpoint", do, times=0)
    answer = cloud.ask(LOVE, Content_Type="application/json")
    assert answer.status_code == ours, answer.text
    assert answer.json()["detail"]
    if code:
        with pytest.raises(ClientError) as failed:
            runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=LOVE)
        assert failed.value.response["Error"]["Code"] == code
    cloud.fake.admin("DELETE", "rules")
    assert cloud.ask(LOVE, Content_Type="application/json").status_code == 200


def test_gone_outside(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("InvokeEndpoint", "error", times=0, status=400, code="ValidationError",
                    message="Endpoint x of account 123456789012 not found.")
    assert cloud.ask(LOVE, Content_Type="application/json").status_code == 404
    with pytest.raises(ClientError) as failed:
        runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=LOVE)
    assert failed.value.response["Error"]["Code"] == "ValidationError"


def test_not_in_service(cloud):
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    cloud.run(cloud.deploy(cloud.put_model()))
    cloud.is_called("CreateEndpoint", 200)
    answer = cloud.ask(LOVE)
    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        "endpoint 'imdb' is creating, not in service; GET /v1/endpoints/imdb gives the reason")
    with pytest.raises(ClientError) as failed:
        runtime(cloud).invoke_endpoint(EndpointName="imdb", Body=LOVE)
    assert failed.value.response["Error"]["Code"] == "ModelNotReadyException"
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("it to be in service", lambda: cloud.endpoint()["state"] == "in_service")
    cloud.delete()
    assert cloud.ask(LOVE).status_code == 404


def predict(endpoint="${deploy.endpoint}", **more):
    return {"name": "ask", "kind": "predict", "endpoint": endpoint, "inputs": ["I love it", "b"],
            **more}


def test_predict_job(cloud):
    cloud.start()
    run = cloud.in_service(predict())
    job = cloud.ended(run, "ask")
    assert job["state"] == "succeeded", words(job)
    answers = job["outputs"]["predictions"]
    assert len(answers) == 2 and all(0 <= a["score"] <= 1 for a in answers)


def test_predict_job_is_told_the_containers_words(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("InvokeEndpoint", "model_error", times=0)
    job = cloud.ended(cloud.run(predict("imdb")), "ask")
    assert (job["state"], job["reason"]["code"]) == ("failed", "predict_failed"), words(job)
    assert job["reason"]["message"].startswith("endpoint 'imdb' answered 500: ")


def test_predict_job_waits_until_it_is_ready(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("InvokeEndpoint", "model_not_ready", times=2)
    job = cloud.ended(cloud.run(predict("imdb")), "ask")
    assert job["state"] == "succeeded", words(job)


def test_predict_job_without_endpoint(cloud):
    cloud.start()
    job = cloud.ended(cloud.run(predict("imdb")), "ask")
    assert (job["state"], job["reason"]["code"]) == ("failed", "endpoint_missing"), words(job)


def test_predict_job_over_a_kill(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("InvokeEndpoint", "hang", times=1)
    run = cloud.run(predict("imdb"))
    cloud.rule_strikes()
    cloud.daemon.kill()
    cloud.daemon.start()
    assert cloud.ended(run, "ask")["state"] == "succeeded"


SERVERLESS_BODY_MAX = 4 * 1024 * 1024   # "4 MB", as the fake says with its source


def test_a_serverless_endpoint_takes_smaller_bodies(cloud):
    """4 MB where an instance takes 6. Before: the service was asked, and its 413 was a 500 here."""
    cloud.start()
    less = cloud.deploy(cloud.put_model())
    less["sagemaker"] = {"serverless": {"memory_mb": 2048, "max_concurrency": 1}}
    assert cloud.ended(cloud.run(less), "deploy")["state"] == "succeeded"
    body = body_of(SERVERLESS_BODY_MAX)
    assert cloud.ask(body, Content_Type="application/json").status_code == 200
    asked = len(cloud.fake.calls("InvokeEndpoint"))
    for path, status in (("/v1/endpoints/imdb/invocations", 413),
                         ("/endpoints/imdb/invocations", 400)):
        refused = cloud.daemon.ask("POST", path, data=body + " ")
        assert refused.status_code == status, refused.text
        assert f"larger than {SERVERLESS_BODY_MAX} bytes" in refused.text
        assert "a serverless endpoint" in refused.text
    predict = {"name": "p", "kind": "predict", "endpoint": "imdb"}
    for over in (0, 1):
        text = "x" * (SERVERLESS_BODY_MAX - len('{"inputs":""}') + over)
        job = predict | {"inputs": text}
        found = cloud.daemon.ask("POST", "/v1/validate", job).json()["problems"]
        assert [p["pointer"] for p in found] == ["/inputs"] * over, found
    assert "a serverless endpoint takes 4194304" in found[0]["detail"]
    both = [less | {"endpoint": "new"}, job | {"endpoint": "${deploy.endpoint}"}]
    found = cloud.daemon.ask("POST", "/v1/validate", {"name": "r", "jobs": both}).json()["problems"]
    assert [p["pointer"] for p in found] == ["/jobs/1/inputs"], found
    assert len(cloud.fake.calls("InvokeEndpoint")) == asked
    cloud.delete()


def test_a_request_for_a_serverless_endpoint_of_another_run_fails_with_the_limit(cloud):
    """The endpoint is not known at the submit: no try after another until the time is over."""
    cloud.start()
    less = cloud.deploy(cloud.put_model())
    less["sagemaker"] = {"serverless": {"memory_mb": 2048, "max_concurrency": 1}}
    text = "x" * (SERVERLESS_BODY_MAX - len('{"inputs":""}') + 1)
    run = cloud.run({"name": "p", "kind": "predict", "endpoint": "imdb", "inputs": text,
                     "held": True})
    assert cloud.ended(cloud.run(less), "deploy")["state"] == "succeeded"
    cloud.daemon.ask("POST", f"/v1/jobs/{cloud.daemon.job(run, 'p')['id']}/release")
    job = cloud.ended(run, "p")
    assert (job["state"], job["reason"]["code"]) == ("failed", "invalid_input")
    assert "larger than 4194304 bytes" in job["reason"]["message"]
    cloud.delete()


def test_the_fake_refuses_what_serverless_refuses(cloud):
    cloud.start()
    less = cloud.deploy(cloud.put_model())
    less["sagemaker"] = {"serverless": {"memory_mb": 2048, "max_concurrency": 1}}
    assert cloud.ended(cloud.run(less), "deploy")["state"] == "succeeded"
    [name] = [name for kind, name in cloud.live() if kind == "endpoint"]
    service = cloud.fake.client("sagemaker-runtime")
    for over in (0, 1):
        ask = dict(EndpointName=name, ContentType="application/json",
                   Body=body_of(SERVERLESS_BODY_MAX + over))
        if not over:
            assert service.invoke_endpoint(**ask)["ResponseMetadata"]["HTTPStatusCode"] == 200
            continue
        with pytest.raises(ClientError, match="exceeded the limit of 4194304"):
            service.invoke_endpoint(**ask)
    cloud.delete()
