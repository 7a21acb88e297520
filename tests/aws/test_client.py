# SPDX-License-Identifier: MIT
"""The client against a service that throttles, fails, hangs, hides its answer or sends too much."""

import errno
import json
import socket
import time

import pytest
from aws_probe import DEADLINE, KEY, SECRET
from aws_server import DROP, HANG, Answer

ERR_EXISTS, ERR_LIMIT, ERR_UNAVAILABLE, ERR_CANCELLED = 4098, 4100, 4104, 4107
RETRY_COST, RETRY_QUOTA = 5, 500
DESCRIBE = {"TrainingJobName": "a-job"}
GOOD = Answer(200, '{"TrainingJobStatus":"InProgress"}', {"x-amzn-RequestId": "request-1"})


def refused(code, message="No.", status=400):
    return Answer(status, json.dumps({"__type": code, "Message": message}))


def test_json_call(serve, client):
    server = serve([GOOD])
    got = client(server.url).ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    assert got["result"] == 0 and got["kind"] == "none" and got["attempts"] == 1
    assert got["output"] == {"TrainingJobStatus": "InProgress"} and got["request_id"] == "request-1"
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/", json.dumps(
        DESCRIBE, separators=(",", ":")).encode())
    assert request.headers["content-type"] == "application/x-amz-json-1.1"
    assert request.headers["x-amz-target"] == "SageMaker.DescribeTrainingJob"
    assert request.credential()[2:] == ["us-east-1", "sagemaker"]
    request.check_signature(SECRET)


@pytest.mark.parametrize("body", ["", "{}"])
def test_empty_answers_are_good(serve, client, body):
    probe = client(serve([Answer(200, body)]).url)
    got = probe.ask("logs", "DeleteLogStream", input={"logStreamName": "x"})
    assert (got["result"], got["output"]) == (0, {})


@pytest.mark.parametrize("first", [
    refused("ThrottlingException", "Rate exceeded"),
    refused("com.amazonaws.sagemaker#InternalFailure:", status=500),
    Answer(503, "<html>busy</html>", {"Content-Type": "text/html"}), DROP], ids=repr)
def test_tries_again(serve, client, first):
    server = serve([first, GOOD])
    got = client(server.url).ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    assert (got["result"], got["attempts"], got["uncertain"]) == (0, 2, False)
    one, two = server.requests
    assert one.headers["amz-sdk-invocation-id"] == two.headers["amz-sdk-invocation-id"]
    assert [r.headers["amz-sdk-request"] for r in (one, two)] == ["attempt=1; max=3",
                                                                  "attempt=2; max=3"]
    assert one.body == two.body
    two.check_signature(SECRET)


def test_waits_as_long_as_it_is_asked_to(serve, client):
    """Its own wait before a second attempt is below one second."""
    later = Answer(503, "{}", {"x-amz-retry-after": "2500"})
    probe = client(serve([later, GOOD]).url)
    asked = time.monotonic()
    got = probe.ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    assert (got["result"], got["attempts"]) == (0, 2)
    assert time.monotonic() - asked >= 2.5


def test_invocations_differ(serve, client):
    server = serve([GOOD])
    probe = client(server.url)
    for _ in range(2):
        probe.ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    assert len({r.headers["amz-sdk-invocation-id"] for r in server.requests}) == 2


@pytest.mark.parametrize("answer, kind, uncertain, status", [
    (refused("ThrottlingException"), "throttled", False, 400),
    (Answer(503, "<Error><Code>SlowDown</Code></Error>"), "throttled", False, 503),
    (Answer(502, "<html>bad gateway</html>"), "transient", True, 502),
    (DROP, "transient", True, 0)], ids=repr)
def test_gives_up_after_the_last_attempt(serve, client, answer, kind, uncertain, status):
    server = serve([answer])
    probe = client(server.url, AWS_MAX_ATTEMPTS="2")
    got = probe.ask("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    assert got["result"] > 0 and got["error"].startswith("CreateTrainingJob: ")
    assert (got["kind"], got["uncertain"], got["status"]) == (kind, uncertain, status)
    assert got["attempts"] == len(server.requests) == 2


def test_a_wrong_request_is_not_tried_again(serve, client):
    server = serve([refused("ValidationException", "1 validation error detected")])
    got = client(server.url).ask("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    assert (got["kind"], got["uncertain"], len(server.requests)) == ("invalid", False, 1)
    assert got["error"] == "CreateTrainingJob: ValidationException: 1 validation error detected"


def test_a_lost_answer_leaves_doubt(serve, client):
    """The second attempt says that the thing exists: nobody but we may have made it."""
    server = serve([DROP, refused("ResourceInUse", "Training job names must be unique")])
    got = client(server.url).ask("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    assert (got["result"], got["kind"], got["uncertain"]) == (ERR_EXISTS, "exists", True)
    server = serve([refused("ResourceInUse", "Training job names must be unique")])
    got = client(server.url).ask("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    assert (got["kind"], got["uncertain"]) == ("exists", False)


def test_a_kept_connection_that_is_closed_is_an_attempt(serve, client):
    """curl would send it again by itself, and nobody would know that it was sent twice."""
    server = serve([GOOD, DROP, GOOD])
    probe = client(server.url)
    probe.ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    got = probe.ask("sagemaker", "CreateTrainingJob", input=DESCRIBE, attempts_max=1)
    assert (got["result"], got["kind"], got["uncertain"]) == (errno.EIO, "transient", True)
    assert len(server.requests) == 2


def test_hang(serve, client):
    server = serve([HANG])
    got = client(server.url).ask("sagemaker", "CreateTrainingJob", input=DESCRIBE, timeout_ms=300,
                                 attempts_max=2)
    assert (got["result"], got["kind"], got["uncertain"]) == (errno.ETIMEDOUT, "transient", True)
    assert len(server.requests) == 2


def test_nobody_listens(client):
    with socket.socket() as ours:  # bound, so that nobody else gets the port; it does not listen
        ours.bind(("127.0.0.1", 0))
        got = client(f"http://127.0.0.1:{ours.getsockname()[1]}").ask(
            "sagemaker", "CreateTrainingJob", attempts_max=1)
    assert (got["result"], got["kind"], got["uncertain"]) == (ERR_UNAVAILABLE, "transient", False)


@pytest.mark.parametrize("body", ["<html>hello</html>", "[1]", '{"a":', '"x"', "\x00"])
def test_an_answer_that_is_not_one(serve, client, body):
    server = serve([Answer(200, body)])
    got = client(server.url).ask("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    assert (got["kind"], got["uncertain"], got["output"]) == ("unreadable", True, None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("more, kind", [(0, "none"), (1, "unreadable")])
def test_reply_limit(serve, client, more, kind):
    limit = 300_000
    body = '{"a":"' + "x" * (limit + more - 8) + '"}'
    got = client(serve([Answer(200, body)]).url).ask("sagemaker", "ListModels", reply_max=limit)
    assert (len(body) - more, got["kind"]) == (limit, kind)
    assert got["result"] == (ERR_LIMIT if more else 0) and got["uncertain"] is bool(more)


def test_quota_of_retries(serve, client):
    """500 tokens are 100 retries, whoever needs them; each success gives one token back."""
    bad = {"yes": True}
    server = serve(lambda request: Answer(500) if bad else Answer(200))
    probe = client(server.url)
    calls = [probe.send("s3", "PutObject", method="PUT", bucket="bbb", key=str(i))
             for i in range(70)]
    assert sum(probe.wait(call)["attempts"] for call in calls) == 70 + RETRY_QUOTA // RETRY_COST
    assert len(server.requests) == 70 + RETRY_QUOTA // RETRY_COST
    got = probe.ask("s3", "GetObject", bucket="bbb", key="x")
    assert (got["kind"], got["attempts"]) == ("transient", 1)
    got = probe.ask("sagemaker", "DescribeModel", attempts_max=2)
    assert got["attempts"] == 2  # another service has its own
    bad.clear()
    for _ in range(RETRY_COST):
        assert probe.ask("s3", "GetObject", bucket="bbb", key="x")["result"] == 0
    bad["yes"] = True
    assert probe.ask("s3", "GetObject", bucket="bbb", key="x")["attempts"] == 2


def test_cancel_while_it_hangs(serve, client):
    server = serve([HANG])
    probe = client(server.url)
    call = probe.send("sagemaker", "CreateTrainingJob", input=DESCRIBE)
    server.wait_for(1)
    probe.write({"cancel": call})
    got = probe.wait(call)
    assert (got["result"], got["uncertain"]) == (ERR_CANCELLED, True)
    assert len(server.requests) == 1


def test_cancel_while_it_waits_for_its_place(serve, client):
    """The listing has two places a second: the last call would wait longer than this test does."""
    server = serve([Answer(200, "{}")])
    probe = client(server.url)
    calls = [probe.send("sagemaker", "ListTrainingJobs") for _ in range(4 * DEADLINE)]
    probe.wait(calls[0])
    for call in calls[3:]:
        probe.write({"cancel": call})
    for call in calls[10:]:
        got = probe.wait(call)
        assert (got["result"], got["attempts"], got["uncertain"]) == (ERR_CANCELLED, 0, False)
    for call in calls:
        probe.wait(call)
    assert len(server.requests) < 10


def test_cancel_between_attempts(serve, client):
    server = serve([Answer(500)])
    probe = client(server.url)
    calls = [probe.send("s3", "GetObject", bucket="bbb", key="x", attempts_max=100)
             for _ in range(5)]
    server.wait_for(10)
    for call in calls:
        probe.write({"cancel": call})
    for call in calls:
        got = probe.wait(call)
        assert (got["result"], got["uncertain"]) == (ERR_CANCELLED, True)


def test_cancel_of_what_has_ended_is_nothing(serve, client):
    server = serve([GOOD])
    probe = client(server.url)
    call = probe.send("sagemaker", "DescribeTrainingJob", input=DESCRIBE)
    probe.wait(call)
    probe.write({"cancel": call})
    assert probe.ask("sagemaker", "DescribeTrainingJob", input=DESCRIBE)["result"] == 0


def test_stop_ends_every_call(serve, client):
    server = serve(lambda request: HANG if request.operation() == "DescribeTrainingJob" else GOOD)
    probe = client(server.url)
    calls = [probe.send("sagemaker", "DescribeTrainingJob", input=DESCRIBE) for _ in range(3)]
    server.wait_for(3)
    calls += [probe.send("sagemaker", "ListTrainingJobs") for _ in range(20)]
    probe.write({"stop": True})
    calls.append(probe.send("sagemaker", "DescribeTrainingJob", input=DESCRIBE))
    ends = [probe.wait(call) for call in calls]
    assert {got["result"] for got in ends} <= {0, ERR_UNAVAILABLE}
    assert [got["result"] for got in ends[:3]] == [ERR_UNAVAILABLE] * 3
    assert all(got["uncertain"] for got in ends[:3])
    assert (ends[-1]["result"], ends[-1]["uncertain"]) == (ERR_UNAVAILABLE, False)
    assert "stopping" in ends[-1]["error"]


def test_secrets_are_not_repeated(serve, client):
    """Services repeat what they would have signed, the session token in it."""
    token = "token/" + "t" * 300
    message = ("The request signature we calculated does not match.\n\nThe Canonical String for "
               f"this request should have been\n'POST\nx-amz-security-token:{token}\n'")
    server = serve([refused("InvalidSignatureException", message, 403),
                    refused("ValidationException", f"what is {token}?"),
                    refused("ValidationException", f"what is {SECRET}?")])
    probe = client(server.url, AWS_SESSION_TOKEN=token)
    got = probe.ask("sagemaker", "ListModels")
    assert got["kind"] == "credentials"
    assert got["message"] == "The request signature we calculated does not match."
    for _ in range(2):
        assert probe.ask("sagemaker", "ListModels")["message"] == "what is"
    said = json.dumps([got | {"reply": ""} for got in probe.results.values()])
    assert token not in said and SECRET not in said
    assert server.requests[0].headers["x-amz-security-token"] == token
    assert server.requests[0].credential()[0] == KEY


def test_header_lines_cannot_be_smuggled(serve, client):
    server = serve([GOOD])
    probe = client(server.url)
    for line in ["X-A: b\r\nX-C: d", "no colon", ": empty"]:
        got = probe.ask("s3", "GetObject", bucket="bbb", key="x", headers=[line])
        assert got["kind"] == "invalid" and not server.requests


def test_no_region(serve, client):
    server = serve([GOOD])
    got = client(server.url, region="").ask("sagemaker", "ListModels")
    assert got["kind"] == "invalid" and "no AWS region" in got["error"] and not server.requests
