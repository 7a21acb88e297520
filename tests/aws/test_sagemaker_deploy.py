# SPDX-License-Identifier: MIT
"""The ways to and from an endpoint on SageMaker: kinds of models and of capacity, refusals, names
that are taken, cancels and deletes at every stage. Nothing is left that costs money."""
import json

import pytest
from sagemaker_rig import BUCKET, SAMPLES, archive, words
from trainyardd import BUILD, wait_for

MODEL = f"s3://{BUCKET}/model.tar.gz"
CLEAN = {"name": "clean", "kind": "delete-endpoint", "endpoint": "${deploy.endpoint}"}
CREATES = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]


def request_of(cloud, operation, key):
    """A part of what SageMaker knows of the only model, config or endpoint."""
    kind = {"model": "Model", "endpoint_config": "EndpointConfig"}[operation]
    [name] = [name for made, name in cloud.live() if made == operation]
    client = cloud.fake.client("sagemaker")
    describe = {"Model": client.describe_model, "EndpointConfig": client.describe_endpoint_config}
    return describe[kind](**{f"{kind}Name": name})[key]


def fails(cloud, run, code, part=""):
    job = cloud.ended(run, "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert part in job["reason"]["message"], words(job)
    assert cloud.endpoint()["state"] == "failed"
    cloud.nothing_is_left()


def test_model_of_the_hub(cloud):
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy("distilbert/distilbert-base-uncased")), "deploy")
    assert job["state"] == "succeeded", words(job)
    container = request_of(cloud, "model", "PrimaryContainer")
    assert container["Environment"]["HF_MODEL_ID"] == "distilbert/distilbert-base-uncased"
    assert "ModelDataUrl" not in container and "ModelDataSource" not in container
    assert cloud.endpoint()["result"]["parity"] == "skipped"
    assert len(cloud.fake.calls("InvokeEndpoint")) == 1
    cloud.delete()


def test_serverless(cloud):
    cloud.start()
    spec = cloud.deploy(cloud.put_model())
    spec["sagemaker"] = {"serverless": {"memory_mb": 3072, "max_concurrency": 2}}
    job = cloud.ended(cloud.run(spec), "deploy")
    assert job["state"] == "succeeded", words(job)
    [variant] = request_of(cloud, "endpoint_config", "ProductionVariants")
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 2}
    assert "InstanceType" not in variant
    assert float(job["cost"]["reserved_usd"]) > 0
    assert cloud.ask('{"inputs": "I love it"}').status_code == 200
    cloud.delete()


@pytest.mark.parametrize("operation", CREATES)
def test_no_quota_is_waited_for(cloud, operation):
    cloud.fake.rule(operation, "quota", times=1)
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    wait_for("the refusal", lambda: (cloud.daemon.job(run, "deploy")["reason"] or {}).get(
        "code") == "quota")
    job = cloud.ended(run, "deploy")
    assert (job["state"], job["attempt"]) == ("succeeded", 2), words(job)
    assert len(cloud.live()) == 3
    cloud.delete()


@pytest.mark.parametrize("operation", CREATES)
def test_no_right_to_create(cloud, operation):
    cloud.fake.rule(operation, "access_denied", times=0)
    cloud.start()
    fails(cloud, cloud.run(cloud.deploy(cloud.put_model())), "access_denied",
          f"sagemaker:{operation}")


@pytest.mark.parametrize("operation", CREATES)
def test_refused_after_an_unclear_try(cloud, operation):
    """It may exist all the same: it is looked for before the deploy is given up."""
    cloud.fake.rule(operation, "drop_before", times=1)
    cloud.fake.rule(operation, "access_denied", times=0)
    cloud.start()
    fails(cloud, cloud.run(cloud.deploy(cloud.put_model())), "access_denied")
    assert len(cloud.fake.calls(operation.replace("Create", "Describe"))) > 1


@pytest.mark.parametrize("operation", CREATES)
def test_made_refused_and_not_seen_for_a_while(cloud, operation):
    """Whether it is taken up or given up: nobody pays for what nobody knows."""
    cloud.fake.rule(operation, "drop_after", times=1)
    cloud.fake.rule(operation, "access_denied", times=0)
    cloud.fake.rule(operation.replace("Create", "Describe"), "stale", times=2)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(cloud.put_model())), "deploy")
    if job["state"] == "succeeded":
        assert len(cloud.live()) == 3
        cloud.delete()
    else:
        assert job["reason"]["code"] == "access_denied", words(job)
        cloud.nothing_is_left()


@pytest.mark.parametrize("operation", CREATES)
@pytest.mark.parametrize("do", ["error_500", "drop_after", "hang_after"])
def test_trouble_makes_no_second_one(cloud, operation, do):
    cloud.fake.rule(operation, do, times=1, **({"seconds": 0.2} if do == "hang_after" else {}))
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(cloud.put_model())), "deploy")
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert len(cloud.live()) == 3
    cloud.delete()


@pytest.mark.parametrize("sample", [True, False], ids=["parity.json", "none"])
@pytest.mark.parametrize("do, code", [("access_denied", "predict_failed"),
                                      ("model_not_ready", "predict_failed"),
                                      ("model_error", "container_failed")])
def test_endpoint_that_does_not_answer(cloud, do, code, sample):
    """In service for SageMaker, but not for us: it does not stay. Before: without parity.json it
    did."""
    cloud.fake.rule("InvokeEndpoint", do, times=0)
    cloud.start()
    model = cloud.put_model(**{"parity.json": json.dumps(
        {"v": 1, "max_length": 128, "samples": SAMPLES})} if sample else {})
    fails(cloud, cloud.run(cloud.deploy(model)), code, "is in service but does not answer")


@pytest.mark.parametrize("files", [
    {"model/config.json": "{}", "model/model.safetensors": ""},
    {"code/inference.py": "def model_fn(d): pass\n"},
    {},
], ids=["a folder", "only code", "empty"])
def test_archive_whose_layout_is_wrong(cloud, files):
    """The container does not come up: the reason says what may be wrong."""
    cloud.start()
    cloud.put_model()
    cloud.fake.client("s3").put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive(files))
    fails(cloud, cloud.run(cloud.deploy(MODEL)), "health_check_failed",
          "must be at the root of the model")


@pytest.mark.parametrize("answer", ['[{"label":"A","score":null}]', '[{"label":"A","score":NaN}]',
                                    "<html>"])
def test_plain_text_whose_answer_is_none(cloud, answer):
    cloud.fake.rule("InvokeEndpoint", "answer", times=0, message=answer)
    cloud.start()
    fails(cloud, cloud.run(cloud.deploy(cloud.put_model())), "container_failed")


def test_another_task_is_not_asked(cloud):
    """Its inputs are not known: a plain text could be wrong."""
    cloud.fake.rule("InvokeEndpoint", "model_error", times=0)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.deploy(
        cloud.put_model(), environment={"HF_TASK": "question-answering"})), "deploy")
    assert job["state"] == "succeeded", words(job)
    assert "HF_TASK" in cloud.endpoint()["result"]["parity_reason"]
    assert not cloud.fake.calls("InvokeEndpoint")
    cloud.delete()


def test_archive_that_is_none(cloud):
    cloud.start()
    cloud.put_model()
    cloud.fake.client("s3").put_object(Bucket=BUCKET, Key="bad.tar.gz", Body=b"not an archive")
    job = cloud.ended(cloud.run(cloud.deploy(f"s3://{BUCKET}/bad.tar.gz")), "deploy")
    assert job["state"] == "failed" and "bad.tar.gz" in job["reason"]["message"], words(job)
    cloud.nothing_is_left()


def test_name_is_taken(cloud):
    """At the submit, for a deploy there and for one here."""
    cloud.start()
    cloud.in_service()
    native = (BUILD / "worker/trainyard-native").exists()
    for target in ("sagemaker", "local")[:1 + native]:
        job = {**cloud.deploy(MODEL), "target": target}
        answer = cloud.daemon.ask("POST", "/v1/runs", {"name": "test", "jobs": [job]})
        assert answer.status_code == 422, answer.text
        assert "endpoint named 'imdb' is live" in answer.text
    cloud.delete()


def test_name_is_taken_meanwhile(cloud):
    """At the start: of two that were submitted, one gets it."""
    cloud.start()
    cloud.put_model()
    runs = [cloud.run(cloud.deploy(MODEL, held=True)) for _ in range(2)]
    for run in runs:
        cloud.daemon.ask("POST", f"/v1/jobs/{cloud.daemon.job(run, 'deploy')['id']}/release")
    jobs = [cloud.ended(run, "deploy") for run in runs]
    assert sorted(job["state"] for job in jobs) == ["failed", "succeeded"]
    [failed] = [job for job in jobs if job["state"] == "failed"]
    assert failed["reason"]["code"] == "endpoint_taken", words(failed)
    assert len(cloud.live()) == 3
    cloud.delete()


@pytest.mark.parametrize("how", ["cancel", "delete"])
@pytest.mark.parametrize("where", ["fetch", "push"])
def test_stopped_while_it_is_staged(cloud, where, how):
    model = MODEL
    cloud.put_model()
    if where == "push":
        (cloud.dir / "model").mkdir()
        (cloud.dir / "model/config.json").write_text("{}", encoding="utf-8")
        model = str(cloud.dir / "model")
    cloud.fake.rule("GetObject" if where == "fetch" else "PutObject", "hang", times=0)
    cloud.start()
    run = cloud.run(cloud.deploy(model))
    cloud.rule_strikes()
    if how == "cancel":
        cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    else:
        assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    job = cloud.ended(run, "deploy")
    assert job["state"] == ("cancelled" if how == "cancel" else "failed"), words(job)
    assert job["reason"]["code"] == ("cancelled" if how == "cancel" else "deleted_by_user")
    assert cloud.endpoint()["state"] == "deleted"
    assert not [c for c in cloud.fake.calls() if c["operation"] in CREATES]
    cloud.nothing_is_left()


def test_delete_job_while_it_is_creating(cloud):
    """The wish is kept, over a kill too, until SageMaker allows it."""
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    cloud.is_called("CreateEndpoint", 200)
    clean = cloud.run({**CLEAN, "endpoint": "imdb"})
    cloud.is_called("DeleteEndpoint", 400)
    assert cloud.endpoint()["state"] == "deleting"
    assert cloud.endpoint()["sagemaker"]["status"] == "waiting to be deleted"
    cloud.daemon.kill()
    cloud.daemon.start()
    cloud.is_called("DeleteEndpoint", 400, times=3)
    assert len(cloud.live()) == 3
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(clean, "clean")["state"] == "succeeded"
    job = cloud.ended(run, "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", "deleted_by_user"), words(job)
    assert cloud.endpoint()["state"] == "deleted"
    cloud.nothing_is_left()


def test_deleted_twice(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.scenario(kind="endpoint", hold="Deleting")
    runs = [cloud.run({**CLEAN, "endpoint": "imdb"}) for _ in range(2)]
    cloud.is_called("DeleteEndpoint", 200)
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    cloud.fake.admin("DELETE", "scenarios")
    assert [cloud.ended(run, "clean")["state"] for run in runs] == ["succeeded"] * 2
    cloud.nothing_is_left()
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 404
    job = cloud.ended(cloud.run({**CLEAN, "endpoint": "imdb"}), "clean")
    assert (job["state"], job["reason"]["code"]) == ("failed", "endpoint_missing"), words(job)


@pytest.mark.parametrize("moment", ["staging", "Creating", "in service"])
def test_cancelled_run_leaves_nothing(cloud, moment):
    cloud.put_model()
    if moment == "staging":
        cloud.fake.rule("GetObject", "hang", times=0)
    elif moment == "Creating":
        cloud.fake.scenario(kind="endpoint", beats={"Creating": 4})
    cloud.start()
    ask = {"name": "ask", "kind": "predict", "endpoint": "${deploy.endpoint}", "inputs": "I",
           "held": True}
    run = cloud.run(cloud.deploy(MODEL), ask, {**CLEAN, "needs": ["ask"]})
    if moment == "staging":
        cloud.rule_strikes()
    elif moment == "Creating":
        cloud.is_called("CreateEndpoint", 200)
    else:
        assert cloud.ended(run, "deploy")["state"] == "succeeded"
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    cloud.daemon.wait_run(run)
    assert cloud.ended(run, "ask")["state"] == "cancelled"
    assert cloud.endpoint()["state"] == "deleted"
    cloud.nothing_is_left()


def test_deleted_while_it_is_checked(cloud):
    """What costs does not wait for an answer that nobody wants any more."""
    model = cloud.put_model(**{"parity.json": json.dumps({"v": 1, "samples": SAMPLES})})
    cloud.fake.rule("InvokeEndpoint", "hang", times=0)
    cloud.start()
    run = cloud.run(cloud.deploy(model))
    cloud.rule_strikes()
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    wait_for("its end at SageMaker", lambda: not cloud.live(), 40)  # the check may take 70 s
    assert cloud.ended(run, "deploy")["state"] == "failed"
    cloud.nothing_is_left()


def test_endpoint_of_a_failed_run_is_deleted(cloud):
    cloud.fake.rule("InvokeEndpoint", "model_error", times=0, after=1)  # the deploy has asked
    cloud.start()
    run = cloud.in_service({"name": "ask", "kind": "predict", "endpoint": "${deploy.endpoint}",
                            "inputs": "I love it"}, {**CLEAN, "needs": ["ask"]})
    assert cloud.ended(run, "ask")["state"] == "failed"
    assert cloud.ended(run, "clean")["state"] == "succeeded"
    cloud.nothing_is_left()
