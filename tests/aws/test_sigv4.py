# SPDX-License-Identifier: MIT
"""The signer beside an independent one (botocore's) and the published S3 examples."""

import datetime
import json
import random
import subprocess

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from wait import DEADLINE_S

REQUESTS = 6000
NOW = 1_790_000_000  # a fixed time: both signers get the same
SEED = 20130524


@pytest.fixture(scope="module")
def sign(build):
    """Ask the probe: a dict in, {"canonical","lines"} out."""
    probe = subprocess.Popen([build / "tests/aws/sigv4_probe"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)

    def ask(request):
        probe.stdin.write(json.dumps(request) + "\n")
        probe.stdin.flush()
        return json.loads(probe.stdout.readline())

    yield ask
    probe.stdin.close()
    assert probe.wait(DEADLINE_S) == 0


class FixedTime(datetime.datetime):
    at = NOW

    @classmethod
    def utcnow(cls):
        return datetime.datetime.fromtimestamp(cls.at, datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(cls.at, tz or datetime.timezone.utc)


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch):
    def current(remove_tzinfo=True):
        now = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
        return now.replace(tzinfo=None) if remove_tzinfo else now

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", current)
    else:
        monkeypatch.setattr(botocore.auth.datetime, "datetime", FixedTime)


def oracle(rq):
    """Canonical request and Authorization as botocore makes them."""
    keys = botocore.credentials.Credentials(rq["key"], rq["secret"], rq["token"] or None)
    url = f"https://{rq['host']}{rq['path']}" + (f"?{rq['query']}" if rq["query"] else "")
    request = botocore.awsrequest.AWSRequest(rq["method"], url, data=rq["body"].encode())
    for name, value in rq["headers"]:
        request.headers[name] = value
    if rq["s3"]:
        request.context["client_config"] = None
        signer = botocore.auth.S3SigV4Auth(keys, rq["service"], rq["region"])
        request.context["payload_signing_enabled"] = True
    else:
        signer = botocore.auth.SigV4Auth(keys, rq["service"], rq["region"])
    seen = {}
    canonical_request = signer.canonical_request

    def keep(r):
        seen["canonical"] = canonical_request(r)
        return seen["canonical"]

    signer.canonical_request = keep
    signer.add_auth(request)
    return seen["canonical"], request.headers["Authorization"]


PIECES = ["a", "Z9", "..", ".", "", "~x", "-_.", "%20", "%C3%BC", "%2F", "%25", "%2B", "%3D%3D",
          "training-job", "model.tar.gz", "%27%28%29%2A%21", "endpoints", "%E2%82%AC"]
NAMES = ["prefix", "list-type", "uploads", "uploadId", "partNumber", "a", "A", "a-b", "a%20b",
         "max-keys", "%C3%A9", "x-id"]
VALUES = ["", "1", "2", "a%2Fb", "%20", "%7E", "~", "z.z", "%2B%2B", "%E2%82%AC", "A", "a"]
HEADERS = ["content-type", "Content-MD5", "X-Amz-Target", "x-amz-meta-note", "Accept", "Range",
           "x-amz-acl", "If-None-Match", "amz-sdk-invocation-id", "User-Agent", "Expect"]
TEXTS = ["application/json", "two  spaces", " outer ", "a\tb", "bytes=0-9", "*", "", "x" * 300,
         "\"quoted\"", "a,b", "SageMaker.CreateTrainingJob"]


def generate(rng):
    s3 = rng.random() < 0.4
    path = "/" + "/".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))
    if path.startswith("//"):  # a URL that begins so has another host
        path = "/." + path if not s3 else "/k" + path
    query = "&".join(rng.choice(NAMES) + ("=" + rng.choice(VALUES) if rng.random() < 0.85 else "")
                     for _ in range(rng.randint(0, 6)))
    names = rng.sample(HEADERS, rng.randint(0, 6))
    return {
        "method": rng.choice(["GET", "PUT", "POST", "DELETE", "HEAD"]),
        "host": rng.choice(["api.sagemaker.eu-west-1.amazonaws.com", "127.0.0.1:5987",
                            "my-bucket.s3.eu-central-1.amazonaws.com", "localhost:1"]),
        "path": path, "query": query,
        "headers": [[name, rng.choice(TEXTS)] for name in names],
        "body": rng.choice(["", "{}", "Action=ListRoles&Version=2010-05-08", "ü€\n", "x" * 1000]),
        "key": "AKIA" + "".join(rng.choices("ABCDEFGH234567", k=16)),
        "secret": "".join(rng.choices("abcXYZ0189/+", k=40)),
        "token": rng.choice(["", "", "IQoJb3Jp+/=" * rng.randint(1, 60)]),
        "service": "s3" if s3 else rng.choice(["sagemaker", "iam", "sts", "logs"]),
        "region": rng.choice(["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]),
        "s3": s3, "now": NOW,
    }


def authorization(lines):
    return next(line.split(": ", 1)[1] for line in lines.splitlines()
                if line.startswith("Authorization: "))


def test_agrees_with_botocore(sign):
    rng = random.Random(SEED)
    for i in range(REQUESTS):
        rq = generate(rng)
        canonical, auth = oracle(rq)
        ours = sign(rq)
        assert ours.get("canonical") == canonical, (i, rq)
        assert authorization(ours["lines"]) == auth, (i, rq)


DOC = {"key": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
       "token": "", "service": "s3", "region": "us-east-1", "s3": True, "query": "", "body": "",
       "host": "examplebucket.s3.amazonaws.com", "now": 1369353600, "headers": []}


@pytest.mark.parametrize("change, signature", [
    ({"method": "GET", "path": "/test.txt", "headers": [["Range", "bytes=0-9"]]},
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ({"method": "PUT", "path": "/test%24file.text", "body": "Welcome to Amazon S3.",
      "headers": [["Date", "Fri, 24 May 2013 00:00:00 GMT"],
                  ["x-amz-storage-class", "REDUCED_REDUNDANCY"]]},
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ({"method": "GET", "path": "/", "query": "lifecycle"},
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ({"method": "GET", "path": "/", "query": "max-keys=2&prefix=J"},
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
], ids=["get-range", "put", "get-lifecycle", "list"])
def test_published_s3_examples(sign, change, signature):
    """docs.aws.amazon.com, "Signature Calculations for the Authorization Header"."""
    assert authorization(sign(DOC | change)["lines"]).endswith("Signature=" + signature)


def test_limits(sign):
    headers = [[f"x-amz-meta-{i}", "v"] for i in range(61)]
    rq = DOC | {"method": "GET", "path": "/"}
    assert "lines" in sign(rq | {"headers": headers})  # and 3 of the signature's own: 64
    assert "64 headers" in sign(rq | {"headers": headers + [["x-amz-meta-61", "v"]]})["error"]
    query = "&".join(f"k{i}=" for i in range(256))
    assert "lines" in sign(rq | {"query": query})
    assert "too long" in sign(rq | {"query": query + "&z="})["error"]
