# SPDX-License-Identifier: MIT
"""What is special to a service: query parameters and XML, the runtime's errors, the logs' target,
and what each error means."""

import json
import urllib.parse

import pytest
from aws_probe import SECRET
from aws_server import Answer

ROLES = """<ListRolesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListRolesResult>
<IsTruncated>true</IsTruncated><Marker>next</Marker><Roles><member><RoleName>a&amp;b</RoleName>
<Tags><member><Key>k</Key><Value/></member></Tags></member></Roles></ListRolesResult>
<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></ListRolesResponse>"""
DENIED = """<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User may not.
</Message></Error><RequestId>id-2</RequestId></ErrorResponse>"""


def test_query_protocol(serve, client):
    server = serve([Answer(200, ROLES)])
    given = {"PathPrefix": "/a b/ü+", "MaxItems": 10, "OnlyAttached": True, "Nothing": None,
             "Tags": [{"Key": "a", "Value": "1=2"}, {"Key": "b", "Value": "&"}], "Empty": [],
             "Names": ["x", "y"]}
    got = client(server.url, region="eu-west-1").ask("iam", "ListRoles", input=given)
    assert got["output"] == {
        "IsTruncated": "true", "Marker": "next", "Roles": {"member": [
            {"RoleName": "a&b", "Tags": {"member": [{"Key": "k", "Value": ""}]}}]}}
    (request,) = server.requests
    assert request.headers["content-type"] == "application/x-www-form-urlencoded; charset=utf-8"
    assert urllib.parse.parse_qsl(request.body.decode(), strict_parsing=True) == [
        ("Action", "ListRoles"), ("Version", "2010-05-08"), ("PathPrefix", "/a b/ü+"),
        ("MaxItems", "10"), ("OnlyAttached", "true"), ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "1=2"), ("Tags.member.2.Key", "b"), ("Tags.member.2.Value", "&"),
        ("Names.member.1", "x"), ("Names.member.2", "y")]
    assert request.credential()[2:] == ["us-east-1", "iam"]  # one for all regions
    request.check_signature(SECRET)


@pytest.mark.parametrize("service, body", [
    ("iam", "<DeleteRoleResponse><ResponseMetadata/></DeleteRoleResponse>"),
    ("sts", "<XResponse><XResult/></XResponse>")])
def test_query_without_a_result(serve, client, service, body):
    got = client(serve([Answer(200, body)]).url).ask(service, "DeleteRole")
    assert (got["result"], got["output"]) == (0, {})


def test_query_error(serve, client):
    got = client(serve([Answer(403, DENIED)]).url).ask("sts", "GetCallerIdentity")
    assert (got["kind"], got["code"], got["request_id"]) == ("denied", "AccessDenied", "id-2")
    assert got["error"] == "GetCallerIdentity: AccessDenied: User may not."


@pytest.mark.parametrize("body", ["<html>", "{}", "<!DOCTYPE x [<!ENTITY a 'b'>]><a>&a;</a>", ""])
def test_query_unreadable(serve, client, body):
    got = client(serve([Answer(200, body)]).url).ask("iam", "CreateRole")
    assert (got["kind"], got["uncertain"]) == ("unreadable", True)


@pytest.mark.parametrize("service", ["sagemaker", "logs", "iam", "sts", "s3"])
@pytest.mark.parametrize("around", ["{}", "<ErrorResponse>{}</ErrorResponse>",
                                    "<Response><Errors>{}</Errors></Response>"])
def test_xml_errors_of_every_service(serve, client, service, around):
    """What stands before a service may refuse in its own words."""
    text = around.format("<Error><Code>SignatureDoesNotMatch</Code><Message>M.</Message></Error>")
    got = client(serve([Answer(403, text)]).url).ask(service, "GetX")
    assert (got["kind"], got["code"]) == ("credentials", "SignatureDoesNotMatch")


def test_logs(serve, client):
    server = serve([Answer(200, '{"events":[]}')])
    assert client(server.url).ask("logs", "GetLogEvents", input={})["output"] == {"events": []}
    assert server.requests[0].headers["x-amz-target"] == "Logs_20140328.GetLogEvents"
    assert server.requests[0].credential()[3] == "logs"


def invoke(probe, **more):
    return probe.ask("runtime", "InvokeEndpoint", method="POST", body='{"inputs":"a"}',
                     path="/endpoints/my-endpoint/invocations",
                     headers=["Content-Type: application/json", "Accept: */*"], **more)


def test_runtime(serve, client):
    server = serve([Answer(200, '[{"label":"x"}]', {"Content-Type": "application/json"})])
    got = invoke(client(server.url))
    assert (got["result"], got["output"], got["reply"]) == (0, None, '[{"label":"x"}]')
    (request,) = server.requests
    assert request.target == "/endpoints/my-endpoint/invocations"
    assert request.credential()[3] == "sagemaker"
    assert request.headers["accept"] == "*/*"
    request.check_signature(SECRET)


@pytest.mark.parametrize("status, header, body, code, kind", [
    (424, "ModelError", {"Message": "Received server error (500)"}, "ModelError", "model"),
    (424, None, {}, "424", "model"),
    (400, "ValidationError:http://x", {"message": "Endpoint e of account 1 not found."},
     "ValidationError", "not_found"),
    (400, "ValidationError", {"code": "Other", "message": "wrong"}, "ValidationError", "invalid"),
    (429, "ModelNotReadyException", {}, "ModelNotReadyException", "transient"),
    (530, "InternalDependencyException", {}, "InternalDependencyException", "transient"),
    (503, None, {"code": "ServiceUnavailable"}, "ServiceUnavailable", "transient")])
def test_runtime_errors(serve, client, status, header, body, code, kind):
    headers = {"x-amzn-ErrorType": header} if header else {}
    got = invoke(client(serve([Answer(status, json.dumps(body), headers)]).url), attempts_max=1)
    assert (got["code"], got["kind"], got["status"]) == (code, kind, status)


V = "ValidationException"


@pytest.mark.parametrize("operation, code, message, kind", [
    ("DescribeTrainingJob", V, "Requested resource not found.", "not_found"),
    ("DescribeProcessingJob", V, "Could not find requested job with name: x", "not_found"),
    ("DeleteEndpoint", V, 'Could not find endpoint "arn:aws:sagemaker:x".', "not_found"),
    ("DescribeModel", V, "Could not find model \"arn:x\".", "not_found"),
    ("CreateModel", V, "Could not find model data at s3://b/k.", "invalid"),
    ("DescribeTrainingJob", "ResourceNotFound", "", "not_found"),
    ("CreateModel", V, "Cannot create already existing model \"arn:x\".", "exists"),
    ("CreateTrainingJob", "ResourceInUse", "Training job names must be unique", "exists"),
    ("DeleteTrainingJob", "ResourceInUse", "It runs.", "in_progress"),
    ("DeleteEndpoint", V, 'Cannot update in-progress endpoint "arn:x".', "in_progress"),
    ("UpdateEndpoint", V, 'Cannot update in-progress endpoint "arn:x".', "in_progress"),
    ("StopTrainingJob", V, "The request was rejected because the training job is in status "
     "Stopped.", "terminal"),
    ("CreateTrainingJob", V, "Could not assume role arn:x. Please ensure that the role exists and "
     "allows principal 'sagemaker.amazonaws.com'", "role"),
    ("CreateTrainingJob", "ResourceLimitExceeded", "The account-level service limit 'ml.p3' is 0 "
     "Instances", "quota"),
    ("CreateEndpoint", V, "Unable to provision requested ML compute capacity.", "capacity"),
    ("CreateTrainingJob", "ThrottlingException", "Rate exceeded", "throttled"),
    ("ListModels", "aws#TooManyRequestsException:x", "", "throttled"),
    ("ListModels", "AccessDeniedException", "User: x is not authorized", "denied"),
    ("ListModels", "ExpiredTokenException", "", "credentials"),
    ("ListModels", "UnrecognizedClientException", "The security token is invalid", "credentials"),
    ("CreateModel", V, "1 validation error detected: Value 'x' failed", "invalid"),
    ("CreateModel", "", "", "invalid")])
def test_what_errors_mean(serve, client, operation, code, message, kind):
    body = {"__type": code, "message": message} if code else {}
    got = client(serve([Answer(400, json.dumps(body))]).url).ask("sagemaker", operation,
                                                                  attempts_max=1)
    assert got["kind"] == kind and got["uncertain"] is False


@pytest.mark.parametrize("operation, status, code, kind", [
    ("GetObject", 404, "NoSuchKey", "not_found"), ("GetObject", 404, "NoSuchBucket", "not_found"),
    ("PutObject", 412, "PreconditionFailed", "exists"),
    ("GetObject", 412, "PreconditionFailed", "invalid"),
    ("PutObject", 409, "ConditionalRequestConflict", "transient"),
    ("CreateBucket", 409, "BucketAlreadyOwnedByYou", "exists"),
    ("CreateBucket", 409, "OperationAborted", "throttled"),
    ("PutObject", 503, "SlowDown", "throttled"), ("PutObject", 400, "RequestTimeout", "transient"),
    ("PutObject", 403, "InvalidAccessKeyId", "credentials"),
    ("PutObject", 403, "AccessDenied", "denied")])
def test_what_errors_of_s3_mean(serve, client, operation, status, code, kind):
    body = f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>M.</Message></Error>"
    got = client(serve([Answer(status, body)]).url).ask("s3", operation, method="PUT", bucket="bbb",
                                                        key="k", attempts_max=1)
    assert (got["kind"], got["code"]) == (kind, code)
    assert got["error"] == f"{operation}: {code}: M."


def test_request_ids(serve, client):
    for service, header in (("sagemaker", "x-amzn-RequestId"), ("s3", "x-amz-request-id")):
        server = serve([Answer(400, "", {header: "id-9"})])
        assert client(server.url).ask(service, "GetX")["request_id"] == "id-9"
