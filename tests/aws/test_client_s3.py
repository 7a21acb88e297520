# SPDX-License-Identifier: MIT
"""The client's S3: keys of every kind, buckets that lie elsewhere, failures behind a 200."""

import hashlib
import urllib.parse

import pytest
from aws_probe import SECRET
from aws_server import DROP, Answer

ODD_KEYS = ["plain", "a b/c", "a+b=c&d", "ü/€/😀", "~'()*!$,;:@.txt", "a//b", "./a/../b", "..", "/a",
            "100%", "%2F", "a?b#c", "tab\tkey", "model/", "-_.~", "\\back", "[x]{y}|^`\"<>", "=",
            "é" * 200]
MOVED = '<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>'
MALFORMED = ("<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is "
             "wrong; expecting 'eu-west-3'</Message><Region>eu-west-3</Region></Error>")
LATE = ["CompleteMultipartUpload", "CopyObject", "UploadPartCopy"]


def put(probe, **more):
    return probe.ask("s3", "PutObject", method="PUT", **{"bucket": "my.bucket", "key": "k"} | more)


@pytest.mark.parametrize("body", ["", "some bytes €"])
def test_odd_keys(serve, client, body):
    server = serve([Answer(200, "", {"ETag": '"e"'})])
    probe = client(server.url)
    for key in ODD_KEYS:
        got = put(probe, key=key, body=body, headers=["Content-Type: text/x", "x-amz-meta-a: b  c"])
        assert (got["result"], got["etag"]) == (0, '"e"'), got
    for key, request in zip(ODD_KEYS, server.requests, strict=True):
        assert urllib.parse.unquote(request.target) == f"/my.bucket/{key}"
        assert request.body == body.encode()
        assert int(request.headers["content-length"]) == len(body.encode())
        request.check_signature(SECRET)


@pytest.mark.parametrize("query", ["uploads=", "list-type=2&prefix=a%2Fb%20c",
                                   "partNumber=1&uploadId=x%2By",
                                   "continuation-token=%3D%3D&list-type=2"])
def test_queries(serve, client, query):
    server = serve([Answer(200)])
    got = client(server.url).ask("s3", "ListObjectsV2", bucket="my.bucket", query=query)
    assert got["result"] == 0 and got["output"] is None
    assert server.requests[0].target == "/my.bucket?" + query
    server.requests[0].check_signature(SECRET)


def test_body_from_a_callback(serve, client):
    """It is asked for again with each attempt; its hash is given or not signed."""
    body = "0123456789" * 60_000
    server = serve([DROP, Answer(200)])
    probe = client(server.url)
    assert put(probe, body=body, read_body=True)["attempts"] == 2
    digest = hashlib.sha256(body.encode()).hexdigest()
    assert put(probe, body=body, read_body=True, payload_hash=digest)["result"] == 0
    hashes = [request.headers["x-amz-content-sha256"] for request in server.requests]
    assert hashes == ["UNSIGNED-PAYLOAD"] * 2 + [digest]
    for request in server.requests:
        assert request.body == body.encode()
        request.check_signature(SECRET)


@pytest.mark.parametrize("answer", [
    Answer(301, MOVED, {"x-amz-bucket-region": "eu-west-3"}),
    Answer(400, MALFORMED), Answer(307, "", {"x-amz-bucket-region": "eu-west-3"})], ids=repr)
def test_bucket_in_another_region(serve, client, answer):
    server = serve([answer, Answer(200)])
    probe = client(server.url)
    assert put(probe, attempts_max=1)["result"] == 0
    assert put(probe)["result"] == 0
    assert put(probe, bucket="another")["result"] == 0
    regions = [request.credential()[2] for request in server.requests]
    assert regions == ["us-east-1", "eu-west-3", "eu-west-3", "us-east-1"]
    for request in server.requests:
        request.check_signature(SECRET)


def test_head_in_another_region(serve, client):
    server = serve([Answer(400, "", {"x-amz-bucket-region": "eu-west-3"}), Answer(200)])
    got = client(server.url).ask("s3", "HeadObject", method="HEAD", bucket="bbb", key="k")
    assert (got["result"], len(server.requests)) == (0, 2)


def test_a_region_that_is_none(serve, client):
    server = serve([Answer(301, MOVED, {"x-amz-bucket-region": "of/the moon"}), Answer(200)])
    probe = client(server.url)
    assert put(probe)["code"] == "PermanentRedirect"
    assert put(probe)["result"] == 0  # and it is not remembered


def test_a_region_is_changed_once(serve, client):
    """Each answers that the bucket is with the other."""
    def answer(request):
        region = {"us-east-1": "eu-west-3"}.get(request.credential()[2], "us-east-1")
        return Answer(301, MOVED, {"x-amz-bucket-region": region})

    server = serve(answer)
    got = put(client(server.url))
    assert (got["kind"], got["code"], len(server.requests)) == ("invalid", "PermanentRedirect", 2)


@pytest.mark.parametrize("operation", LATE)
def test_failure_behind_200(serve, client, operation):
    failed = ("<?xml version='1.0'?>\n"
              "<Error><Code>InternalError</Code><Message>Oh.</Message></Error>")
    server = serve([Answer(200, failed), Answer(200, f"<{operation}Result/>")])
    probe = client(server.url)
    got = probe.ask("s3", operation, method="POST", bucket="bbb", key="k", attempts_max=1)
    assert (got["kind"], got["code"], got["uncertain"]) == ("transient", "InternalError", True)
    server = serve([Answer(200, failed), Answer(200, f"<{operation}Result/>")])
    got = client(server.url).ask("s3", operation, method="POST", bucket="bbb", key="k")
    assert (got["result"], got["attempts"]) == (0, 2)


@pytest.mark.parametrize("operation", LATE)
def test_nothing_behind_200(serve, client, operation):
    probe = client(serve([Answer(200)]).url)
    got = probe.ask("s3", operation, method="POST", bucket="bbb", key="k")
    assert (got["kind"], got["uncertain"]) == ("unreadable", True)


def test_an_object_may_look_like_an_error(serve, client):
    text = "<Error><Code>InternalError</Code></Error>"
    got = client(serve([Answer(200, text)]).url).ask("s3", "GetObject", bucket="bbb", key="k")
    assert (got["result"], got["reply"]) == (0, text)


@pytest.mark.parametrize("status, kind", [(404, "not_found"), (403, "denied"), (400, "invalid"),
                                          (412, "invalid")])
def test_head_has_no_words(serve, client, status, kind):
    got = client(serve([Answer(status)]).url).ask("s3", "HeadObject", method="HEAD", bucket="bbb",
                                                  key="k", attempts_max=1)
    assert (got["kind"], got["code"], got["status"]) == (kind, str(status), status)
    assert got["error"] == f"HeadObject: the service answered {status} without a reason"


def test_stream(serve, client):
    body = "0123456789" * 100_000
    got = client(serve([Answer(500), Answer(200, body)]).url).ask(
        "s3", "GetObject", bucket="bbb", key="k", stream=True, reply_max=1000)
    assert (got["result"], got["attempts"]) == (0, 2)
    assert got["got"] == body and got["reply"] == ""


def test_a_stream_that_breaks_is_not_begun_again(serve, client):
    server = serve([Answer(200, "0123456789", send=4)])
    got = client(server.url).ask("s3", "GetObject", bucket="bbb", key="k", stream=True)
    assert (got["kind"], got["got"], got["attempts"]) == ("transient", "0123", 1)
    server = serve([Answer(200, "0123456789", send=4), Answer(200, "0123456789")])
    got = client(server.url).ask("s3", "GetObject", bucket="bbb", key="k")
    assert (got["result"], got["reply"], got["attempts"]) == (0, "0123456789", 2)


def test_a_stream_that_nobody_wants(serve, client):
    server = serve([Answer(200, "0123456789")])
    got = client(server.url).ask("s3", "GetObject", bucket="bbb", key="k", stream=True,
                                 refuse_data=True)
    assert (got["result"], got["attempts"], len(server.requests)) == (4107, 1, 1)
