# SPDX-License-Identifier: MIT
"""The client's keys and clock: looked for, expired, renewed, refused for good, skewed."""

import json
import os
import time

import pytest
from aws_probe import SECRET
from aws_server import Answer, http_date

GOOD = Answer(200, "{}")
HOUR = 3600
PROCESS = """#!/bin/sh
n=$(($(cat {dir}/n) + 1))
echo $n >{dir}/n
cat {dir}/gate >/dev/null
echo '{{"Version":1,"AccessKeyId":"KEY'$n'","SecretAccessKey":"secret",'
echo '"SessionToken":"token'$n'"}}'
"""


@pytest.fixture
def keys(tmp_path):
    """Environment of a credential_process whose n-th run gives KEYn."""
    (tmp_path / "n").write_text("0")
    (tmp_path / "gate").write_text("")
    script = tmp_path / "keys.sh"
    script.write_text(PROCESS.format(dir=tmp_path))
    script.chmod(0o755)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {script}\n")
    return {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None}


def refused(code, status=400):
    return Answer(status, json.dumps({"__type": code, "message": "Not with these."}))


@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken",
                                  "UnrecognizedClientException", "InvalidSignatureException",
                                  "InvalidClientTokenId"])
def test_expired_keys_are_renewed(serve, client, keys, code):
    server = serve(lambda rq: refused(code) if rq.credential()[0] == "KEY1" else GOOD)
    probe = client(server.url, **keys)
    got = probe.ask("sagemaker", "ListModels", attempts_max=1)
    assert (got["result"], got["uncertain"]) == (0, False)
    assert [request.credential()[0] for request in server.requests] == ["KEY1", "KEY2"]
    server.requests[1].check_signature("secret")
    assert server.requests[1].headers["x-amz-security-token"] == "token2"


def test_expired_keys_of_a_head(serve, client, keys):
    """S3 answers it with 400 and no body."""
    server = serve(lambda rq: Answer(400) if rq.credential()[0] == "KEY1" else Answer(200))
    got = client(server.url, **keys).ask("s3", "HeadObject", method="HEAD", bucket="bbb", key="k")
    assert (got["result"], len(server.requests)) == (0, 2)


def test_many_calls_renew_once(serve, client, keys, tmp_path):
    server = serve(lambda rq: refused("ExpiredToken") if rq.credential()[0] == "KEY1" else GOOD)
    probe = client(server.url, **keys)
    calls = [probe.send("sagemaker", "DescribeModel") for _ in range(10)]
    assert [probe.wait(call)["result"] for call in calls] == [0] * 10
    assert int((tmp_path / "n").read_text()) == 2


def test_new_keys_are_tried_once(serve, client, keys):
    server = serve([refused("ExpiredTokenException")])
    got = client(server.url, **keys).ask("sagemaker", "ListModels")
    assert (got["kind"], got["code"]) == ("credentials", "ExpiredTokenException")
    assert [request.credential()[0] for request in server.requests] == ["KEY1", "KEY2"]


def test_new_keys_may_be_throttled(serve, client, keys):
    """To be refused for the keys was not one of the two attempts."""
    server = serve([refused("ExpiredTokenException"), refused("ThrottlingException"), GOOD])
    got = client(server.url, **keys).ask("sagemaker", "ListModels", attempts_max=2)
    assert got["result"] == 0
    assert [r.credential()[0] for r in server.requests] == ["KEY1", "KEY2", "KEY2"]


def test_the_same_keys_again_are_not_sent(serve, client):
    server = serve([refused("UnrecognizedClientException")])
    got = client(server.url).ask("sagemaker", "ListModels")
    assert (got["kind"], got["attempts"], len(server.requests)) == ("credentials", 1, 1)
    assert "Not with these." in got["error"]


def test_calls_wait_for_keys(serve, client, keys, tmp_path):
    (tmp_path / "gate").unlink()
    (tmp_path / "gate").symlink_to(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    server = serve([GOOD])
    probe = client(server.url, **keys)
    calls = [probe.send("sagemaker", "DescribeModel") for _ in range(3)]
    probe.write({"cancel": calls[0]})
    assert probe.wait(calls[0])["result"] == 4107 and not server.requests
    with open(tmp_path / "pipe", "w", encoding="ascii"):  # the process goes on
        pass
    assert [probe.wait(call)["result"] for call in calls[1:]] == [0, 0]


def test_no_keys(serve, client):
    server = serve([GOOD])
    got = client(server.url, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None).ask(
        "sagemaker", "ListModels")
    assert (got["kind"], got["uncertain"], got["attempts"]) == ("credentials", False, 0)
    assert got["error"].startswith("ListModels: ") and not server.requests


def skewed(offset, code, status=403):
    """A service whose clock is `offset` ahead, and which refuses what is off by five minutes."""
    def answer(rq):
        date = {"Date": http_date(time.time() + offset)}
        day, clock = rq.headers["x-amz-date"].rstrip("Z").split("T")
        sent = time.mktime(time.strptime(day + clock, "%Y%m%d%H%M%S")) - time.timezone
        if abs(sent - (time.time() + offset)) < 300:
            return Answer(200, "{}", date)
        return Answer(status, json.dumps({"__type": code, "message": "Signature expired"})
                      if rq.method == "POST" else "", date)
    return answer


@pytest.mark.parametrize("offset", [HOUR, -HOUR, 30 * 24 * HOUR])
@pytest.mark.parametrize("code", ["InvalidSignatureException", "RequestTimeTooSkewed",
                                  "RequestExpired", "SignatureDoesNotMatch"])
def test_clock_skew(serve, client, offset, code):
    server = serve(skewed(offset, code))
    probe = client(server.url)
    assert probe.ask("sagemaker", "ListModels", attempts_max=1)["result"] == 0
    assert probe.ask("sagemaker", "ListModels", attempts_max=1)["attempts"] == 1  # it is remembered
    assert len(server.requests) == 3
    server.requests[-1].check_signature(SECRET)


def test_clock_skew_of_a_head(serve, client):
    server = serve(skewed(HOUR, ""))
    got = client(server.url).ask("s3", "HeadObject", method="HEAD", bucket="bbb", key="k")
    assert (got["result"], len(server.requests)) == (0, 2)


def test_a_right_clock_stays(serve, client):
    server = serve([refused("SignatureDoesNotMatch", 403)])
    got = client(server.url).ask("sagemaker", "ListModels")
    assert (got["kind"], len(server.requests)) == ("credentials", 1)


def test_the_clock_is_set_once(serve, client):
    """A service that refuses everything, each time with another Date."""
    offsets = iter(range(1, 100))
    server = serve(lambda rq: Answer(403, '{"__type":"RequestExpired"}', {
        "Date": http_date(time.time() + next(offsets) * HOUR)}))
    got = client(server.url).ask("sagemaker", "ListModels")
    assert (got["kind"], len(server.requests)) == ("credentials", 2)
