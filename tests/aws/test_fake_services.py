# SPDX-License-Identifier: MIT
"""The fake of AWS (tests/fakes/aws), seen by boto3: signatures, IAM, STS, Logs, the runtime, and
trouble on order."""
import http.client
import json
import time
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

from fake_aws import ACCOUNT, KEY, ROLE, FakeAws
from fake_jobs import BUCKET, LOGS, ask, deployed, fails, job, signed, trained
from wait import wait_for

LOST = (botocore.exceptions.ConnectionClosedError, botocore.exceptions.ReadTimeoutError,
        botocore.exceptions.ResponseStreamingError, botocore.exceptions.HTTPClientError)


# who signed it

@pytest.mark.parametrize("service,call,wrong,unknown", [
    ("sagemaker", lambda c: c.list_models(), "InvalidSignatureException",
     "UnrecognizedClientException"),
    ("logs", lambda c: c.describe_log_groups(), "InvalidSignatureException",
     "UnrecognizedClientException"),
    ("iam", lambda c: c.list_roles(), "SignatureDoesNotMatch", "InvalidClientTokenId"),
    ("sts", lambda c: c.get_caller_identity(), "SignatureDoesNotMatch", "InvalidClientTokenId"),
    ("s3", lambda c: c.list_buckets(), "SignatureDoesNotMatch", "InvalidAccessKeyId")])
def test_signatures(fake, service, call, wrong, unknown):
    call(fake.client(service))
    fails(wrong, lambda: call(fake.client(service, secret="wrong")))
    fails(unknown, lambda: call(fake.client(service, key="AKIANOBODY")))


def test_a_changed_body_is_seen(fake):
    client = fake.client("sagemaker")
    client.meta.events.register("before-send.sagemaker.*", lambda request, **_: setattr(
        request, "body", request.body.replace(b"one", b"two")))
    fails("InvalidSignatureException", client.describe_training_job, TrainingJobName="one")
    s3 = fake.client("s3")
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: setattr(
        request, "body", b"zzzz"))
    fails("XAmzContentSHA256Mismatch", s3.put_object, Bucket=BUCKET, Key="k", Body=b"aaaa")


def test_unsigned(fake):
    request = urllib.request.Request(fake.url + "/", b"{}", {
        "X-Amz-Target": "SageMaker.ListModels"})
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(request)
    assert e.value.code == 403 and b"MissingAuthenticationToken" in e.value.read()


@pytest.mark.parametrize("service,call,code", [
    ("sagemaker", lambda c: c.list_models(), "InvalidSignatureException"),
    ("s3", lambda c: c.list_buckets(), "RequestTimeTooSkewed")])
def test_the_clock(fake, service, call, code):
    fake.admin("POST", "settings", {"clock_offset_s": 3600})
    message = fails(code, lambda: call(fake.client(service)))
    fake.admin("POST", "settings", {"clock_offset_s": -3600})
    assert message != fails(code, lambda: call(fake.client(service))) or service == "s3"


def test_keys_with_rights_and_an_end(fake):
    read_only = {"Statement": [{"Effect": "Allow", "Action": "sagemaker:List*", "Resource": "*"}]}
    fake.admin("POST", "keys", {"key": "AKIAREADER", "secret": "s", "user": "reader",
                                "policies": [read_only]})
    reader = fake.client("sagemaker", key="AKIAREADER", secret="s")
    reader.list_models()
    fails("AccessDeniedException", reader.describe_model, "is not authorized to perform: "
          "sagemaker:DescribeModel", ModelName="m")
    fake.admin("POST", "keys", {"key": "ASIASHORT", "secret": "s", "token": "t", "expires_in": -1})
    fails("ExpiredTokenException",
          fake.client("sagemaker", key="ASIASHORT", secret="s", token="t").list_models)
    fails("UnrecognizedClientException",
          fake.client("sagemaker", key="ASIASHORT", secret="s", token="u").list_models)


# IAM and STS

def test_roles_and_policies(fake):
    iam = fake.client("iam")
    roles = {r["RoleName"]: r for page in iam.get_paginator("list_roles").paginate(
        PaginationConfig={"PageSize": 3}) for r in page["Roles"]}
    trusted = [n for n, r in roles.items() if "sagemaker.amazonaws.com" in json.dumps(
        r["AssumeRolePolicyDocument"])]
    assert "SageMakerMain" in trusted and "LambdaBasic" not in trusted
    assert roles["SageMakerMain"]["Arn"] == ROLE
    assert "Tags" not in roles["SageMakerMain"]
    assert iam.get_role(RoleName="SageMakerMain")["Role"]["Tags"]
    assert [r["RoleName"] for r in iam.list_roles(PathPrefix="/service-role/")["Roles"]] == \
        ["AmazonSageMaker-ExecutionRole-20260101T000000"]
    attached = iam.list_attached_role_policies(RoleName="SageMakerMain")["AttachedPolicies"]
    policy = iam.get_policy(PolicyArn=attached[0]["PolicyArn"])["Policy"]
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
    assert version["PolicyVersion"]["Document"]["Statement"]
    [inline] = iam.list_role_policies(RoleName="SageMakerMain")["PolicyNames"]
    document = iam.get_role_policy(RoleName="SageMakerMain", PolicyName=inline)["PolicyDocument"]
    assert document["Statement"][0]["Action"] == "iam:PassRole"
    for call, more in ((iam.get_role, {}), (iam.list_attached_role_policies, {}),
                       (iam.get_role_policy, {"PolicyName": "p"})):
        fails("NoSuchEntity", call, RoleName="Nobody", **more)
    fails("NoSuchEntity", iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/Nothing")


def test_short_lived_keys(fake):
    sts = fake.client("sts", validation=False)
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    fails("AccessDenied", sts.assume_role, RoleArn=ROLE, RoleSessionName="mine")
    operator = f"arn:aws:iam::{ACCOUNT}:role/Operator"
    keys = sts.assume_role(RoleArn=operator, RoleSessionName="mine",
                           DurationSeconds=900)["Credentials"]
    fails("ValidationError", sts.assume_role, "'durationSeconds'", RoleArn=operator,
          RoleSessionName="mine", DurationSeconds=5)

    def client(service):
        return fake.client(service, key=keys["AccessKeyId"], secret=keys["SecretAccessKey"],
                           token=keys["SessionToken"])
    assert client("sts").get_caller_identity()["Arn"] == \
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/mine"
    client("sagemaker").list_models()
    fake.admin("POST", "settings", {"clock_offset_s": 200})
    assert client("iam").get_role(RoleName="Operator")
    fake.admin("POST", "settings", {"clock_offset_s": 0})
    web = fake.client("sts").assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/WebOperator", RoleSessionName="web",
        WebIdentityToken="fake-web-identity-token")
    assert web["Credentials"]["AccessKeyId"].startswith("ASIA")
    fails("InvalidIdentityToken", fake.client("sts").assume_role_with_web_identity,
          RoleArn=f"arn:aws:iam::{ACCOUNT}:role/WebOperator", RoleSessionName="web",
          WebIdentityToken="forged")


# logs

def stream_of(fake, name="one"):
    rows = fake.client("logs").describe_log_streams(logGroupName=LOGS,
                                                    logStreamNamePrefix=name + "/")["logStreams"]
    return [s["logStreamName"] for s in rows]


def follow(logs, stream, token=None, limit=2):
    """Lines up to the first repeated token, that token, and the pages that were empty before."""
    lines, empty = [], 0
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=LOGS, logStreamName=stream, startFromHead=True,
                                   limit=limit, **more)
        lines += [e["message"] for e in page["events"]]
        if page["nextForwardToken"] == token:
            return lines, token, empty
        empty += not page["events"]
        token = page["nextForwardToken"]


def test_logs_come_late_and_in_odd_pages(fake, sm):
    logs = fake.client("logs")
    fails("ResourceNotFoundException", logs.get_log_events, logGroupName=LOGS,
          logStreamName="one/algo-1-1")
    wanted = [f"line {n}" for n in range(12)]
    fake.scenario(kind="training", lines=wanted, log_lag=1, log_tail=3)
    sm.create_training_job(**job())
    fake.step(2)
    fails("ResourceNotFoundException", logs.describe_log_streams, logGroupName=LOGS)
    fake.step()
    [stream] = stream_of(fake)
    assert stream.startswith("one/algo-1-")
    first, token, empty = follow(logs, stream)
    assert first == wanted[:6]
    fake.step(2)
    assert sm.describe_training_job(TrainingJobName="one")["TrainingJobStatus"] == "Completed"
    second, token, more_empty = follow(logs, stream, token)
    assert first + second == wanted and empty + more_empty > 0
    assert follow(logs, stream, token)[:2] == ([], token)
    fake.step(3)
    tail, token, _ = follow(logs, stream, token)
    assert tail == ["sagemaker-training-toolkit INFO     Reporting training SUCCESS"]
    fails("InvalidParameterException", logs.get_log_events, logGroupName=LOGS,
          logStreamName=stream, nextToken=token)
    end = logs.get_log_events(logGroupName=LOGS, logStreamName=stream, limit=1)["events"]
    assert [e["message"] for e in end] == tail
    found = logs.filter_log_events(logGroupName=LOGS, logStreamNames=[stream], limit=5)
    assert len(found["events"]) == 5 and found["nextToken"]
    assert len({e["eventId"] for e in found["events"]}) == 5


def test_own_groups_and_streams(fake):
    logs = fake.client("logs")
    logs.create_log_group(logGroupName="g")
    fails("ResourceAlreadyExistsException", logs.create_log_group, logGroupName="g")
    for name in "abc":
        logs.create_log_stream(logGroupName="g", logStreamName=name)
    logs.put_log_events(logGroupName="g", logStreamName="b", logEvents=[
        {"timestamp": int(time.time() * 1000), "message": "hello"}])
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName="g", PaginationConfig={"PageSize": 2})
    assert [s["logStreamName"] for p in pages for s in p["logStreams"]] == ["a", "b", "c"]
    newest = logs.describe_log_streams(logGroupName="g", orderBy="LastEventTime", descending=True)
    assert newest["logStreams"][0]["logStreamName"] == "b"
    fails("InvalidParameterException", logs.describe_log_streams, logGroupName="g",
          orderBy="LastEventTime", logStreamNamePrefix="b")
    logs.delete_log_group(logGroupName="g")
    fails("ResourceNotFoundException", logs.describe_log_streams, logGroupName="g")


# answers

def test_answers_agree_with_the_model(fake, sm):
    import io
    import tarfile
    uri = trained(fake, sm)
    deployed(fake, sm, ModelDataUrl=uri)
    fake.step()
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    data = fake.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert json.load(tar.extractfile("config.json"))["model_type"] == "bert"
        samples = json.load(tar.extractfile("parity.json"))["samples"]
    answers = ask(fake, {"inputs": [s["text"] for s in samples]})
    assert answers == [{"label": s["label"], "score": s["score"]} for s in samples]
    [one] = ask(fake, {"inputs": samples[0]["text"]})
    assert one == answers[0]
    both = ask(fake, {"inputs": "new words", "parameters": {"top_k": None}})
    assert len(both) == 2 and abs(sum(a["score"] for a in both) - 1) < 1e-9
    fake.scenario(kind="endpoint", wrong_answers=True)
    assert ask(fake, {"inputs": samples[0]["text"]}) != [one]


def test_the_model_fails(fake, sm):
    deployed(fake, sm)
    fake.step()
    runtime = fake.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as e:
        runtime.invoke_endpoint(EndpointName="e", Body=b'{"inputs": 5}')
    response = e.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 400 and "Received client error (400)" in str(e.value)
    assert json.loads(response["OriginalMessage"])["type"] == "InternalServerException"
    fake.rule("InvokeEndpoint", "model_not_ready")
    with pytest.raises(runtime.exceptions.ModelNotReadyException):
        runtime.invoke_endpoint(EndpointName="e", Body=b'{"inputs": "x"}')
    fails("ValidationError", runtime.invoke_endpoint, "Endpoint none of account",
          EndpointName="none", Body=b"{}")


# trouble

@pytest.mark.parametrize("do,code,status", [
    ("throttle", "ThrottlingException", 400), ("error_500", "InternalFailure", 500),
    ("error_503", "ServiceUnavailable", 503), ("html", "502", 502),
    ("expired_token", "ExpiredTokenException", 400),
    ("access_denied", "AccessDeniedException", 400), ("quota", "ResourceLimitExceeded", 400),
    ("stale", "ValidationException", 400)])
def test_ordered_answers(fake, sm, do, code, status):
    sm.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={
        "Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/mine:1"})
    fake.rule("Describe*", do, match={"name": "m*"}, after=1, times=2)
    sm.describe_model(ModelName="m")
    for _ in range(2):
        with pytest.raises(botocore.exceptions.ClientError) as e:
            sm.describe_model(ModelName="m")
        assert e.value.response["Error"]["Code"] == code
        assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    sm.describe_model(ModelName="m")
    assert [c.get("rule") for c in fake.calls("DescribeModel")] == [None, do, do, None]


@pytest.mark.parametrize("service,call,code", [
    ("s3", lambda c: c.list_buckets(), "SlowDown"),
    ("iam", lambda c: c.list_roles(), "Throttling"),
    ("logs", lambda c: c.describe_log_groups(), "ThrottlingException")])
def test_each_service_throttles_in_its_words(fake, service, call, code):
    fake.rule("*", "throttle")
    fails(code, lambda: call(fake.client(service)))
    call(fake.client(service))


@pytest.mark.parametrize("do,carried_out", [
    ("drop_before", False), ("reset", False), ("hang", False), ("drop_after", True),
    ("reset_after", True), ("hang_after", True)])
def test_lost_replies(fake, sm, do, carried_out):
    client = fake.client("sagemaker", read_timeout=1)
    fake.rule("CreateTrainingJob", do, match={"name": "o*"})
    with pytest.raises(LOST):
        client.create_training_job(**job())
    if carried_out:
        fails("ResourceInUse", client.create_training_job, **job())
    else:
        client.create_training_job(**job())
    assert [r["name"] for r in fake.resources("training_job")] == ["one"]


def test_half_a_reply(fake, sm):
    fake.rule("CreateTrainingJob", "cut")
    with urllib.request.urlopen(signed(fake, "SageMaker.CreateTrainingJob", job())) as reply:
        with pytest.raises(http.client.IncompleteRead):
            reply.read()
    assert [r["name"] for r in fake.resources("training_job")] == ["one"]


def test_an_error_after_the_deed(fake, sm):
    fake.rule("CreateTrainingJob", "error_after")
    fails("InternalFailure", sm.create_training_job, **job())
    assert [r["name"] for r in fake.resources("training_job")] == ["one"]


def test_capacity(fake, sm):
    fake.rule("CreateTrainingJob", "capacity")
    fake.rule("CreateEndpoint", "capacity")
    sm.create_training_job(**job())
    deployed(fake, sm)
    fake.step(4)
    d = sm.describe_training_job(TrainingJobName="one")
    assert d["FailureReason"].startswith("CapacityError") and "BillableTimeInSeconds" not in d
    assert "InsufficientInstanceCapacity" in sm.describe_endpoint(EndpointName="e")["FailureReason"]


def test_lists_may_be_behind(fake, sm):
    fake.rule("ListTrainingJobs", "stale_list")
    sm.create_training_job(**job())
    assert sm.list_training_jobs()["TrainingJobSummaries"] == []
    assert len(sm.list_training_jobs()["TrainingJobSummaries"]) == 1


def test_no_secret_is_kept(fake, sm):
    sm.create_training_job(**job(Environment={"HF_TOKEN": "hf_secret"}))
    record = json.dumps(fake.admin("GET", "calls")) + (fake.state / "calls.ndjson").read_text()
    assert KEY in record and "hf_secret" not in record and "fakesecret" not in record


def test_bad_orders_are_refused(fake):
    for path, body in (("rules", {"do": "explode"}), ("rules", {"do": "hang", "shoes": 1}),
                       ("scenarios", {"kind": "moon"}), ("scenarios", {"hodl": "Training"}),
                       ("settings", {"shoes": 1}), ("shoes", {})):
        with pytest.raises(AssertionError):
            fake.admin("POST", path, body)


def test_a_clock_of_its_own(tmp_path):
    with FakeAws(tmp_path / "s", tick=0.05) as fake:
        fake.client("s3").create_bucket(Bucket=BUCKET)
        fake.client("s3").put_object(Bucket=BUCKET, Key="data/x", Body=b"")
        sm = fake.client("sagemaker")
        sm.create_training_job(**job())
        wait_for("its end", lambda: sm.describe_training_job(TrainingJobName="one")[
            "TrainingJobStatus"] == "Completed")


def test_looks_move_things(tmp_path):
    with FakeAws(tmp_path / "s", auto=2) as fake:
        fake.client("s3").create_bucket(Bucket=BUCKET)
        fake.client("s3").put_object(Bucket=BUCKET, Key="data/x", Body=b"")
        sm = fake.client("sagemaker")
        sm.create_training_job(**job())
        seen = [sm.describe_training_job(TrainingJobName="one")["SecondaryStatus"]
                for _ in range(9)]
        assert seen == ["Starting"] * 2 + ["Downloading"] * 2 + ["Training"] * 2 + [
            "Uploading"] * 2 + ["Completed"]


def test_the_same_seed_makes_the_same_world(tmp_path):
    def world(name, seed):
        with FakeAws(tmp_path / name, "--seed", seed) as fake:
            fake.client("s3").create_bucket(Bucket=BUCKET)
            fake.client("s3").put_object(Bucket=BUCKET, Key="data/x", Body=b"")
            fake.rule("ListModels", "throttle", times=0, probability=0.5)
            sm, struck = fake.client("sagemaker"), []
            for _ in range(20):
                try:
                    sm.list_models()
                    struck.append(False)
                except botocore.exceptions.ClientError:
                    struck.append(True)
            trained(fake, sm)
            d = sm.describe_training_job(TrainingJobName="one")
            return struck, [m["Value"] for m in d["FinalMetricDataList"]]
    assert world("a", 5) == world("b", 5)
    assert world("c", 6) != world("d", 7)
