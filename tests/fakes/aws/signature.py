# SPDX-License-Identifier: MIT
"""Finds the signer of a request: botocore's own signers compute the signature, too."""
import calendar
import hmac
import re
import time

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from errors import ACCOUNT, Fault

AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/]+)/([^/]+)/"
                           r"aws4_request, *SignedHeaders=([^, ]+), *Signature=([0-9a-f]{64})$")
SKEW_S = 300
S3_SKEW_S = 900
KEY, SECRET = "AKIAFAKEEXAMPLE0001", "fakesecret0001"


class Caller:
    def __init__(self, key, service, region):
        self.key = key
        self.service = service
        self.region = region
        self.record = {}


class _Precomputed:
    """The body's hash is already known: it was computed while the body came in."""

    def payload(self, request):
        return request.context["payload"]


class _Plain(_Precomputed, SigV4Auth):
    pass


class _S3(_Precomputed, S3SigV4Auth):
    pass


def scope(request):
    """(key, date, region, service, signed headers, signature) of the request, None if unsigned."""
    found = AUTHORIZATION.match(request.header("authorization", ""))
    return found.groups() if found else None


def words(service):
    """The codes (and statuses) of one protocol for the same mistakes."""
    if service == "s3":
        return {"unknown": ("InvalidAccessKeyId", 403), "wrong": ("SignatureDoesNotMatch", 403),
                "expired": ("ExpiredToken", 400), "token": ("InvalidToken", 400),
                "skew": ("RequestTimeTooSkewed", 403)}
    if service in ("iam", "sts", "monitoring"):
        return {"unknown": ("InvalidClientTokenId", 403), "wrong": ("SignatureDoesNotMatch", 403),
                "expired": ("ExpiredToken", 403), "token": ("InvalidClientTokenId", 403),
                "skew": ("SignatureDoesNotMatch", 403)}
    return {"unknown": ("UnrecognizedClientException", 400),
            "wrong": ("InvalidSignatureException", 400), "expired": ("ExpiredTokenException", 400),
            "token": ("UnrecognizedClientException", 400),
            "skew": ("InvalidSignatureException", 400)}


def fail(service, what, message):
    code, status = words(service)[what]
    raise Fault(code, message, status)


def verify(request, state):
    """The caller, or a Fault in the words of the service that the credential scope names."""
    parts = scope(request)
    if not parts:
        raise Fault("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    key, date, region, service, signed, signature = parts
    record = state.get("key", key)
    if not record:
        fail(service, "unknown", "The security token included in the request is invalid."
             if service != "s3" else
             "The AWS Access Key Id you provided does not exist in our records.")
    if record.get("token") and request.header("x-amz-security-token") != record["token"]:
        fail(service, "token", "The security token included in the request is invalid")
    stamp = request.header("x-amz-date", "")
    if not re.fullmatch(date + r"T\d{6}Z", stamp):
        fail(service, "wrong", "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
             f"version of date from HTTP: '{date}' != '{stamp[:8]}'")
    check_clock(service, stamp, state)
    if record.get("expires") and record["expires"] <= state.now():
        fail(service, "expired", "The security token included in the request is expired"
             if service != "s3" else "The provided token has expired.")
    check_payload(request, service)
    if not hmac.compare_digest(compute(request, record, parts, stamp), signature):
        fail(service, "wrong", "The request signature we calculated does not match the signature "
             "you provided. Check your AWS Secret Access Key and signing method. Consult the "
             "service documentation for details.")
    caller = Caller(key, service, region)
    caller.record = record
    return caller


def check_clock(service, stamp, state):
    at = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    now = state.now()
    limit = S3_SKEW_S if service == "s3" else SKEW_S
    if abs(now - at) <= limit:
        return
    server = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if service == "s3":
        fail(service, "skew", "The difference between the request time and the current time is "
             "too large.")
    if at < now:
        fail(service, "skew", f"Signature expired: {stamp} is now earlier than {server} (… - 5 "
             "min.)")
    fail(service, "skew", f"Signature not yet current: {stamp} is still later than {server} (… + 5 "
         "min.)")


def check_payload(request, service):
    said = request.header("x-amz-content-sha256")
    if service == "s3" and not said:
        raise Fault("InvalidRequest", "Missing required header for this request: "
                    "x-amz-content-sha256")
    if said and len(said) == 64 and said != request.body.hex("sha256"):
        raise Fault("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does "
                    "not match what was computed.")


def compute(request, record, parts, stamp):
    key, _, region, service, signed, _ = parts
    names = signed.split(";")
    if "host" not in names:
        return ""
    target = request.path + ("?" + request.query if request.query else "")
    again = AWSRequest(method=request.method, url=f"http://{request.header('host')}{target}")
    for name, value in request.header_pairs:
        if name in names:
            again.headers.add_header(name, value)
    if sorted(set(again.headers.keys())) != sorted(names) or "authorization" in names:
        return ""
    again.context["timestamp"] = stamp
    again.context["payload"] = request.header("x-amz-content-sha256") or \
        request.body.hex("sha256")
    signer = (_S3 if service == "s3" else _Plain)(Credentials(key, record["secret"]), service,
                                                  region)
    canonical = signer.canonical_request(again)
    return signer.signature(signer.string_to_sign(again, canonical), again)


def preload(state):
    if not state.get("key", KEY):
        state.put("key", KEY, {"secret": SECRET, "id": "AIDAFAKEEXAMPLE00001",
                               "principal": f"arn:aws:iam::{ACCOUNT}:user/trainyard"})
