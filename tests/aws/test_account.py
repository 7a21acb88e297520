# SPDX-License-Identifier: MIT
"""GET /v1/roles and /v1/sagemaker/training-jobs of the real daemon against the fake of AWS."""
import threading
import time

import pytest
from account_rig import checks, words
from client import check, closed
from fake_aws import REGION
from fake_jobs import job
from figures import of, scrape
from trainyardd import wait_for

JOBS = "/v1/sagemaker/training-jobs"
POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


@pytest.fixture
def daemon(fake, started):
    return started(fake.environment)


@pytest.fixture
def strict(daemon):
    return closed(daemon.get("/openapi.json"))


# ---- roles ----

def test_roles_that_sagemaker_may_assume(daemon, strict):
    roles = daemon.get("/v1/roles")["items"]
    names = {r["name"] for r in roles}
    assert {"SageMakerMain", "SageMakerLogsOnly", "SageMakerDenied", "TwoServices"} <= names
    assert not any("Ec2" in name or "Lambda" in name for name in names)
    for role in roles:
        check(strict, "Role", role)
        assert role["trust"] is True and role["arn"].endswith(role["path"] + role["name"])


def test_filters_of_roles(daemon):
    def names(**params):
        return [r["name"] for r in daemon.get("/v1/roles", **params)["items"]]

    assert names(name_contains="sagemakerm") == ["SageMakerMain"]
    assert names(name_contains="nobody") == []
    [service] = names(path_prefix="/service-role/")
    assert service.startswith("AmazonSageMaker-ExecutionRole")
    everything = names()
    for limit in (1, 2, 3):
        assert [r["name"] for r in daemon.walk("/v1/roles", limit=limit)[0]] == everything
    assert daemon.walk("/v1/roles", limit=len(everything))[1] == 1


def test_a_role_that_can_do_all(daemon, strict):
    role = daemon.get("/v1/roles/SageMakerMain")
    check(strict, "RoleDetail", role)
    assert {p["arn"] for p in role["attached_policies"]} >= {POLICY}
    assert all(p["document"]["Statement"] for p in role["attached_policies"])
    assert [p["name"] for p in role["inline_policies"]] == ["pass-itself"]
    assert role["bucket"] == f"sagemaker-{REGION}-123456789012" and role["problems"] == []
    assert checks(role) == {"trust": True, "s3_list": True, "s3_read": True, "s3_write": True,
                            "ecr_login": True, "ecr_pull": True, "logs": True, "metrics": True,
                            "pass_role": "maybe"}
    assert words(role, "s3_read") == f"may read s3://sagemaker-{REGION}-123456789012/"


def test_roles_that_cannot(daemon, strict):
    logs_only = daemon.get("/v1/roles/SageMakerLogsOnly", bucket="mine")
    check(strict, "RoleDetail", logs_only)
    assert checks(logs_only) | {"metrics": None} == {
        "trust": True, "s3_list": False, "s3_read": False, "s3_write": False, "ecr_login": False,
        "ecr_pull": False, "logs": True, "metrics": None, "pass_role": "maybe"}
    assert words(logs_only, "s3_write") == (
        "may not write to s3://mine/: s3:PutObject on arn:aws:s3:::mine/* is not allowed")
    denied = checks(daemon.get("/v1/roles/SageMakerDenied"))
    assert denied["s3_read"] is True and denied["s3_write"] is False
    # the managed policy is about buckets with "sagemaker" in their names
    service = next(r["name"] for r in daemon.get("/v1/roles", path_prefix="/service")["items"])
    assert checks(daemon.get(f"/v1/roles/{service}"))["s3_read"] is True
    assert checks(daemon.get(f"/v1/roles/{service}", bucket="other"))["s3_read"] is not True


def test_configured_bucket(fake, started):
    d = started(fake.environment, "[aws]\nbucket = of-the-team\n")
    assert d.get("/v1/roles/SageMakerMain")["bucket"] == "of-the-team"
    assert d.get("/v1/roles/SageMakerMain", bucket="given")["bucket"] == "given"


def test_policies_that_may_not_be_read(fake, daemon, strict):
    fake.rule("GetPolicyVersion", "access_denied", times=0)
    fake.rule("ListRolePolicies", "access_denied", times=0)
    role = daemon.get("/v1/roles/SageMakerMain")
    check(strict, "RoleDetail", role)
    assert all(p["document"] is None for p in role["attached_policies"])
    assert role["inline_policies"] == [] and "AccessDenied" in " ".join(role["problems"])
    assert set(checks(role).values()) == {True, "maybe"} and checks(role)["trust"] is True
    assert "some policies of the role cannot be read" in words(role, "s3_read")


def test_no_such_role(daemon):
    assert "NoSuchEntity" in daemon.problem("/v1/roles/nobody", 404, "not_found")
    assert "at most 64" in daemon.problem("/v1/roles/" + "x" * 65, 404, "not_found")
    daemon.problem("/v1/roles/" + "x" * 64, 404, "not_found")


# ---- training jobs ----

def test_training_jobs_newest_first(fake, sm, daemon, strict):
    for i in range(5):
        sm.create_training_job(**job(f"job-{i}"))
    fake.step(8, name="job-1")
    jobs = daemon.get(JOBS)["items"]
    for one in jobs:
        check(strict, "TrainingJob", one)
    created = [j["created_at"] for j in jobs]
    assert len(jobs) == 5 and created == sorted(created, reverse=True)
    assert [j["name"] for j in daemon.get(JOBS, status="Completed")["items"]] == ["job-1"]
    assert [j["name"] for j in daemon.get(JOBS, name_contains="b-3")["items"]] == ["job-3"]
    assert daemon.get(JOBS, created_after="2099-01-01")["items"] == []
    assert daemon.get(JOBS, created_before="2001-01-01")["items"] == []
    assert len(daemon.get(JOBS, created_after="2001-01-01", created_before="2099-01-01")
               ["items"]) == 5
    assert daemon.get(JOBS, region="eu-west-1")["items"] == []


def test_pages_that_are_filtered_after_they_are_cut(fake, sm, daemon):
    """220 jobs, pages of 100: the two completed ones are oldest, so pages before are empty."""
    for i in range(220):
        if i == 2:
            fake.step(8)
            fake.scenario(kind="training", fail="AlgorithmError")
        if i % 90 == 89:  # the account may have 100 instances at a time
            fake.step(8)
        sm.create_training_job(**job(f"job-{i:03}"))
    before = len(fake.calls("ListTrainingJobs"))
    done = daemon.get(JOBS, status="Completed")
    assert {j["name"] for j in done["items"]} == {"job-000", "job-001"}
    assert done["next_cursor"] is None
    assert len(fake.calls("ListTrainingJobs")) - before == 3
    everything, pages = daemon.walk(JOBS, limit=70)
    assert len({j["name"] for j in everything}) == len(everything) == 220 and pages >= 4
    assert len(daemon.get(JOBS, limit=220)["items"]) == 220
    assert len(daemon.get(JOBS, limit=1000)["items"]) == 220


def test_one_training_job(fake, sm, daemon, strict):
    fake.scenario(kind="training", metrics={"loss": 0.25}, billable_s=77)
    sm.create_training_job(**job())
    starting = daemon.get(f"{JOBS}/one")
    check(strict, "TrainingJobDetail", starting)
    assert starting["status"] == "InProgress" and starting["model_uri"] is None
    fake.step(8)
    done = daemon.get(f"{JOBS}/one")
    check(strict, "TrainingJobDetail", done)
    said = sm.describe_training_job(TrainingJobName="one")
    assert done["status"] == done["secondary_status"] == "Completed"
    assert done["model_uri"] == said["ModelArtifacts"]["S3ModelArtifacts"]
    assert done["billable_seconds"] == said["BillableTimeInSeconds"] == 77
    assert done["hyperparameters"] == {"epochs": "2"} and done["instance_count"] == 1
    assert done["channels"] == {"train": "s3://fake-bucket/data/"}
    assert [t["status"] for t in done["transitions"]] == [
        t["Status"] for t in said["SecondaryStatusTransitions"]]
    assert done["metrics"] == {m["MetricName"]: pytest.approx(m["Value"])
                               for m in said["FinalMetricDataList"]}


def test_failed_job_says_why(fake, sm, daemon):
    fake.scenario(kind="training", fail="AlgorithmError")
    sm.create_training_job(**job())
    fake.step(8)
    failed = daemon.get(f"{JOBS}/one")
    assert failed["status"] == "Failed" and failed["failure_reason"].startswith("AlgorithmError")


def test_no_such_job(daemon):
    assert "not found" in daemon.problem(f"{JOBS}/nobody", 404, "not_found")
    daemon.problem(f"{JOBS}/nobody/logs", 404, "not_found")
    assert "at most 63" in daemon.problem(f"{JOBS}/{'x' * 64}", 404, "not_found")


# ---- logs ----

def logged(fake, sm, instances=1, lines=None):
    fake.scenario(kind="training", lines=lines or [f"line {i}" for i in range(25)])
    sm.create_training_job(**job())
    fake.step(12)
    logs = fake.client("logs")
    for n in range(2, instances + 1):
        where = {"logGroupName": "/aws/sagemaker/TrainingJobs",
                 "logStreamName": f"one/algo-{n}-1700000000"}
        logs.create_log_stream(**where)
        at = int(time.time() * 1000)
        logs.put_log_events(**where, logEvents=[{"timestamp": at + i, "message": f"{n} {i}"}
                                                for i in range(30)])


def truth(fake):
    """(stream, message) of every event, as boto3 reads them."""
    logs = fake.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    out = []
    for stream in logs.describe_log_streams(logGroupName=group,
                                            logStreamNamePrefix="one/")["logStreams"]:
        name = stream["logStreamName"]
        events = logs.get_log_events(logGroupName=group, logStreamName=name, startFromHead=True)
        out += [(e["timestamp"], name.removeprefix("one/"), e["message"])
                for e in events["events"]]
    return [(s, m) for _, s, m in sorted(out, key=lambda x: x[0])]


def test_no_logs_yet(sm, daemon, strict):
    sm.create_training_job(**job())
    answer = daemon.get(f"{JOBS}/one/logs")
    check(strict, "TrainingJobLogs", answer)
    assert answer["items"] == answer["streams"] == [] and answer["status"] == "InProgress"
    assert daemon.get(f"{JOBS}/one/logs", tail=5)["items"] == []


@pytest.mark.parametrize("instances", [1, 3])
def test_logs(fake, sm, daemon, strict, instances):
    logged(fake, sm, instances)
    expected = truth(fake)
    assert len(expected) >= 25
    answer = daemon.get(f"{JOBS}/one/logs")
    check(strict, "TrainingJobLogs", answer)
    assert len(answer["streams"]) == instances and answer["next_cursor"] is None
    assert all(s.startswith("algo-") for s in answer["streams"])
    found = [(i["stream"], i["message"]) for i in answer["items"]]
    assert sorted(found) == sorted(expected)
    assert [i["at"] for i in answer["items"]] == sorted(i["at"] for i in answer["items"])
    walked = daemon.walk(f"{JOBS}/one/logs", limit=7)[0]
    assert sorted((i["stream"], i["message"]) for i in walked) == sorted(expected)
    tail = daemon.get(f"{JOBS}/one/logs", tail=4)
    assert len(tail["items"]) == 4 and tail["next_cursor"] is None
    newest = sorted(i["at"] for i in answer["items"])[-4:]
    assert [i["at"] for i in tail["items"]] == newest
    assert len(daemon.get(f"{JOBS}/one/logs", tail=10000)["items"]) == len(expected)


def test_long_lines_end_an_answer_early(fake, sm, daemon):
    logged(fake, sm)
    logs = fake.client("logs")
    for n in (2, 3):
        where = {"logGroupName": "/aws/sagemaker/TrainingJobs",
                 "logStreamName": f"one/algo-{n}-1700000000"}
        logs.create_log_stream(**where)
        for i in range(60):
            logs.put_log_events(**where, logEvents=[{
                "timestamp": 4102444800000 + 10 * i + n, "message": f"{n} {i} " + "x" * 200_000}])
    tail = daemon.get(f"{JOBS}/one/logs", tail=10000)["items"]
    assert 40 <= len(tail) <= 42  # 8 MiB of 200 kB
    expected = [f"{n} {i}" for i in range(60) for n in (2, 3)]
    assert [" ".join(t["message"].split()[:2]) for t in tail] == expected[-len(tail):]


def test_tail_or_cursor(daemon):
    assert "one or the other" in daemon.problem(f"{JOBS}/one/logs", 400, "invalid_parameter",
                                                tail=1, limit=1)


# ---- trouble ----

def test_no_credentials(fake, started):
    env = {k: v for k, v in fake.environment.items() if "KEY" not in k}
    d = started(env)
    for path in ("/v1/roles", "/v1/roles/x", JOBS, f"{JOBS}/x", f"{JOBS}/x/logs"):
        assert "there are no AWS credentials" in d.problem(path, 503, "credentials")
    assert d.get("/healthz") == {"status": "ok"}


def test_wrong_secret(fake, started):
    d = started(fake.environment | {"AWS_SECRET_ACCESS_KEY": "not-the-right-one"})
    said = d.problem("/v1/roles", 503, "credentials")
    assert "SignatureDoesNotMatch" in said and "not-the-right-one" not in said


def test_configuration_that_cannot_be_read(fake, started, tmp_path):
    (tmp_path / "config").write_text("[default]\nnonsense\n")
    d = started(fake.environment | {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert f"{tmp_path}/config, line 2" in d.problem("/v1/roles", 503, "credentials")


@pytest.mark.parametrize("do, status, code", [
    ("access_denied", 502, "access_denied"), ("throttle", 503, "throttled"),
    ("error_500", 503, "aws_unreachable"), ("html", 503, "aws_unreachable"),
    ("drop_before", 503, "aws_unreachable"), ("expired_token", 503, "credentials"),
])
@pytest.mark.parametrize("operation, path", [("ListRoles", "/v1/roles"),
                                             ("ListTrainingJobs", JOBS)])
def test_what_aws_says_against_it(fake, daemon, operation, path, do, status, code):
    fake.rule(operation, do, times=0)
    assert operation in daemon.problem(path, status, code)
    fake.reset()
    assert "items" in daemon.get(path)  # the trouble is over


def test_what_passes_is_not_told(fake, daemon):
    for do in ("throttle", "error_500", "drop_before"):
        fake.rule("ListRoles", do, times=1)
        assert daemon.get("/v1/roles")["items"]


def test_each_attempt_is_a_figure(fake, daemon):
    def counts():
        samples = scrape(daemon)
        return {outcome: of(samples, "trainyard_aws_requests_total", service="iam",
                            outcome=outcome)
                for outcome in ("ok", "throttled", "transient", "refused")}

    before = counts()
    fake.rule("ListRoles", "throttle", times=2)
    daemon.get("/v1/roles")
    fake.rule("ListRoles", "error_500", times=1)
    daemon.get("/v1/roles")
    fake.rule("ListRoles", "access_denied", times=1)
    daemon.problem("/v1/roles", 502, "access_denied")
    after = counts()
    assert {name: after[name] - before[name] for name in after} == {
        "ok": 2, "throttled": 2, "transient": 1, "refused": 1}


@pytest.mark.parametrize("path, params, words_", [
    ("/v1/roles", {"cursor": "x"}, "next_cursor"), ("/v1/roles", {"cursor": "101:"}, "next_cursor"),
    ("/v1/roles", {"cursor": "-1:"}, "next_cursor"),
    ("/v1/roles", {"path_prefix": "service"}, "must begin with '/'"),
    ("/v1/roles", {"limit": 1001}, "from 1 to 1000"), ("/v1/roles", {"limit": 0}, "from 1 to"),
    ("/v1/roles", {"name_contains": "x" * 65}, "1 to 64 bytes"),
    ("/v1/roles/SageMakerMain", {"bucket": "ab"}, "3 to 63 bytes"),
    (JOBS, {"status": "completed"}, "did you mean 'Completed'?"),
    (JOBS, {"created_after": "yesterday"}, "must be a time"),
    (JOBS, {"region": "Europe"}, "is not an AWS region"), (JOBS, {"cursor": "0:?"}, "token"),
    (JOBS, {"name_contains": ""}, "1 to 63 bytes"), (f"{JOBS}/x/logs", {"tail": 10001}, "10000"),
])
def test_questions_that_are_wrong(daemon, path, params, words_):
    answer = daemon.ask("GET", path, params=params)
    assert answer.status_code == 400, answer.text
    assert words_ in answer.json()["detail"]


def test_longest_values(daemon):
    assert daemon.get("/v1/roles", name_contains="x" * 64, limit=1000)["items"] == []
    assert daemon.get("/v1/roles", path_prefix="/" + "x" * 510 + "/")["items"] == []
    role = daemon.get("/v1/roles/SageMakerMain", bucket="b" * 63)
    assert role["bucket"] == "b" * 63


def hits(fake):
    [rules] = fake.admin("GET", "rules").values()
    return sum(rule["hits"] for rule in rules)


def test_questions_that_wait_and_a_stop(fake, daemon):
    """Two are asked, 64 wait, the next is refused; a stop answers all that are there."""
    fake.rule("ListRoles", "hang", times=0, seconds=120)
    answers, threads = [], []

    def ask(count):
        for _ in range(count):
            threads.append(threading.Thread(
                target=lambda: answers.append(daemon.ask("GET", "/v1/roles").json())))
            threads[-1].start()

    ask(2)
    wait_for("both to be asked", lambda: hits(fake) == 2)
    ask(68)
    wait_for("four to be refused", lambda: len(answers) == 4)
    assert daemon.get("/healthz") == {"status": "ok"}
    assert {a["type"] for a in answers} == {"urn:trainyard:busy"}
    assert "64 requests" in answers[0]["detail"]
    daemon.stop()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(answers) == 70


# ---- the command line ----

def test_commands(fake, sm, daemon):
    logged(fake, sm, lines=["hello\x1b[31m", "world"])
    assert "SageMakerMain" in daemon.cli("roles")
    assert "SageMakerMain" not in daemon.cli("roles", "--path-prefix", "/service-role/")
    one = daemon.cli("roles", "SageMakerLogsOnly", "--bucket", "mine")
    assert "may not write to s3://mine/" in one and "CloudWatchLogsFullAccess" in one
    assert daemon.cli_json("roles", "SageMakerMain")["name"] == "SageMakerMain"
    assert "one " in daemon.cli("training-jobs", "--created-after", "2001-01-01")
    assert "no training jobs that match" in daemon.cli("training-jobs", "--status", "Failed")
    assert "ml.g5.xlarge" in daemon.cli("training-jobs", "one")
    logs = daemon.cli("training-jobs", "one", "--logs")
    assert "world" in logs and "hello?[31m" in logs
    assert len(daemon.cli("training-jobs", "one", "--logs", "--tail", 1).splitlines()) == 1
    assert "not found" in daemon.cli("training-jobs", "nobody", status=1)
    assert "ValidationError" in daemon.cli("roles", "a/b", status=1)
