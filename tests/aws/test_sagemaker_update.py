# SPDX-License-Identifier: MIT
"""An endpoint on SageMaker gets another model (on_existing: update): it answers all the time, and
whatever goes wrong on the way, it is what it was before or gone, and nothing else is left."""
import json

import pytest
from sagemaker_rig import BUCKET, SAMPLES, archive, seconds, words
from trainyardd import wait_for

PARITY = json.dumps({"v": 1, "max_length": 128, "samples": SAMPLES})


def names(live, *kinds):
    return {name for kind, name in live if kind in kinds}


def put_second(cloud):
    """Another model, with samples that it was asked when it was trained."""
    cloud.fake.client("s3").put_object(Bucket=BUCKET, Key="second.tar.gz", Body=archive(
        {"config.json": "{}", "parity.json": PARITY}))
    return f"s3://{BUCKET}/second.tar.gz"


def used_config(cloud):
    client = cloud.fake.client("sagemaker")
    [name] = names(cloud.live(), "endpoint")
    return client.describe_endpoint(EndpointName=name)["EndpointConfigName"]


def is_as_before(cloud, old):
    """In service with what it had; of the update nothing is left."""
    wait_for("the new ones to go", lambda: set(cloud.live()) == set(old))
    assert cloud.endpoint()["state"] == "in_service"
    assert used_config(cloud) in names(old, "endpoint_config")
    assert not cloud.fake.admin("GET", "resources")["violations"]
    assert cloud.ask('{"inputs": "I love it"}').status_code == 200
    cloud.delete()
    assert cloud.endpoint()["cost"]["reserved_usd"] == "0.00"


def is_the_new_one(cloud, old):
    wait_for("the old ones to go", lambda: len(cloud.live()) == 3)
    live = cloud.live()
    assert names(live, "endpoint") == names(old, "endpoint")
    assert not names(live, "model", "endpoint_config") & names(old, "model", "endpoint_config")
    assert used_config(cloud) in names(live, "endpoint_config")
    assert cloud.endpoint()["state"] == "in_service"
    cloud.delete()


def fails(cloud, run, code, part=""):
    job = cloud.ended(run, "deploy")
    assert (job["state"], job["reason"]["code"]) == ("failed", code), words(job)
    assert part in job["reason"]["message"], words(job)
    return job


def test_it_answers_meanwhile_and_gets_a_new_lease(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    before = float(cloud.endpoint()["cost"]["reserved_usd"])
    run = cloud.held_update(lease={"ttl": "20m", "idle": "15m"})
    assert cloud.endpoint()["state"] == "updating"
    assert cloud.ask('{"inputs": "I love it"}').status_code == 200
    assert float(cloud.endpoint()["cost"]["reserved_usd"]) > before
    cloud.fake.admin("DELETE", "scenarios")
    job = cloud.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    end = cloud.endpoint()
    assert (end["lease"]["ttl"], end["lease"]["idle"]) == ("20m", "15m")
    assert (end["job"], end["run"]) == (job["id"], run)
    is_the_new_one(cloud, old)
    assert cloud.endpoint()["cost"]["reserved_usd"] == "0.00"


def test_it_waits_for_money(cloud):
    """What was reserved for the old one comes back with its end: then it is a plain deploy."""
    cloud.start("[money]\nday_max = 0.05\n")
    cloud.in_service()
    first = cloud.live()
    run = cloud.update()
    cloud.waits(run, "waiting_for_money", "deploy")
    assert cloud.endpoint()["state"] == "in_service" and cloud.live() == first
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    job = cloud.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    assert not cloud.fake.calls("UpdateEndpoint")
    cloud.delete()


def test_killed_and_asked(cloud):
    """It answers during an update also after the daemon was killed."""
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    run = cloud.held_update()
    cloud.daemon.kill()
    cloud.daemon.start()
    assert cloud.endpoint()["state"] == "updating"
    assert cloud.ask('{"inputs": "I love it"}').status_code == 200
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    is_the_new_one(cloud, old)


def test_lease_that_ends_during_an_update(cloud):
    """The update gives a new one; when it fails, the old one is over."""
    cloud.start()
    cloud.in_service()
    run = cloud.held_update()
    answer = cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "1s"})
    assert answer.status_code == 200, answer.text
    cloud.another_lease_ends()
    assert cloud.endpoint()["state"] == "updating"
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    assert cloud.ended(run, "deploy")["state"] == "cancelled"
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("its end", lambda: cloud.endpoint()["state"] == "deleted")
    assert cloud.endpoint()["reason"]["code"] == "lease_expired"
    cloud.nothing_is_left()


def test_none_there_is_a_plain_deploy(cloud):
    cloud.start()
    cloud.put_model()
    job = cloud.ended(cloud.update(), "deploy")
    assert job["state"] == "succeeded", words(job)
    assert not cloud.fake.calls("UpdateEndpoint")
    cloud.delete()


def test_model_that_answers_wrongly_is_taken_back(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.scenario(kind="endpoint", wrong_answers=True)
    fails(cloud, cloud.update(put_second(cloud)), "parity_failed", "I love it")
    cloud.is_called("UpdateEndpoint", 200, times=2)
    is_as_before(cloud, old)


def test_model_that_cannot_be_taken_back(cloud):
    """What runs is neither checked nor wanted: it goes."""
    cloud.start()
    cloud.in_service()
    cloud.fake.scenario(kind="endpoint", wrong_answers=True)
    cloud.fake.rule("UpdateEndpoint", "error", after=1, times=0, code="ValidationException",
                    message="no way back", status=400)
    fails(cloud, cloud.update(put_second(cloud)), "parity_failed")
    wait_for("its end", lambda: cloud.endpoint()["state"] == "failed")
    assert "no way back" in cloud.endpoint()["reason"]["message"]
    cloud.nothing_is_left()


def test_rollback_that_fails(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.scenario(kind="endpoint", update_fail="health_check", rollback_fail=True)
    fails(cloud, cloud.update(), "health_check_failed", "could neither update endpoint")
    wait_for("its end", lambda: cloud.endpoint()["state"] == "failed")
    cloud.nothing_is_left()


@pytest.mark.parametrize("operation, do, code", [
    ("UpdateEndpoint", "access_denied", "access_denied"),
    ("CreateModel", "access_denied", "access_denied"),
    ("CreateEndpointConfig", "access_denied", "access_denied"),
    ("InvokeEndpoint", "model_error", "container_failed"),
])
def test_refusals(cloud, operation, do, code):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule(operation, do, times=1)
    fails(cloud, cloud.update(put_second(cloud)), code)
    is_as_before(cloud, old)


def test_refused_after_an_unclear_try(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule("CreateModel", "drop_before", times=1)
    cloud.fake.rule("CreateModel", "access_denied", times=0)
    fails(cloud, cloud.update(), "access_denied")
    is_as_before(cloud, old)


def test_no_quota_is_waited_for(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule("UpdateEndpoint", "quota", times=1)
    job = cloud.ended(cloud.update(), "deploy")
    assert (job["state"], job["attempt"]) == ("succeeded", 2), words(job)
    is_the_new_one(cloud, old)


def late_update(cloud):
    """An update that comes about after its job has failed; the way back is not asked for yet."""
    cloud.fake.scenario(kind="endpoint", hold="Updating")
    cloud.fake.rule("UpdateEndpoint", "throttle", after=1, times=0)
    old = used_config(cloud)
    run = cloud.update()
    cloud.is_called("UpdateEndpoint", 200)
    fails(cloud, run, "timed_out")
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("the update", lambda: used_config(cloud) != old)


@pytest.mark.parametrize("trouble", ["refused", "taken back"])
def test_no_place_for_the_way_back_is_waited_for(cloud, trouble):
    """It goes on with what it has, and goes back when there is room."""
    cloud.start("endpoint_timeout = 1s\n")
    cloud.in_service()
    old = cloud.live()
    late_update(cloud)
    if trouble == "refused":
        cloud.fake.rule("UpdateEndpoint", "quota", times=0)
    else:
        cloud.fake.scenario(kind="endpoint", update_fail="capacity")
    [slow] = [r for r in cloud.fake.admin("GET", "rules")["items"] if r["do"] == "throttle"]
    cloud.fake.admin("DELETE", f"rules/{slow['id']}")
    if trouble == "refused":
        cloud.is_called("UpdateEndpoint", 400, 3)
    else:
        cloud.is_called("UpdateEndpoint", 200, 4)
    assert cloud.endpoint()["state"] == "in_service"
    cloud.fake.admin("DELETE", "rules")
    cloud.fake.admin("DELETE", "scenarios")
    is_as_before(cloud, old)


def test_model_that_is_not_there(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    job = cloud.ended(cloud.update(f"s3://{BUCKET}/nothing.tar.gz"), "deploy")
    assert job["state"] == "failed" and "nothing.tar.gz" in job["reason"]["message"], words(job)
    is_as_before(cloud, old)


def test_reply_that_is_lost(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule("UpdateEndpoint", "drop_after", times=1)
    job = cloud.ended(cloud.update(), "deploy")
    assert job["state"] == "succeeded", words(job)
    is_the_new_one(cloud, old)


def test_older_state_after_an_update_is_no_roll_back(cloud):
    """For settle_ms a describe may show what was before the UpdateEndpoint."""
    cloud.start("settle_ms = 120000")
    cloud.in_service()
    old = cloud.live()
    [name] = names(old, "endpoint")
    before = cloud.fake.client("sagemaker").describe_endpoint(EndpointName=name)
    del before["ResponseMetadata"]
    cloud.fake.rule("DescribeEndpoint", "answer", times=0,
                    message=json.dumps(before, default=lambda at: at.timestamp()))
    run = cloud.update()
    cloud.is_called("UpdateEndpoint", 200)
    asked = len(cloud.fake.calls("DescribeEndpoint"))
    wait_for("three looks", lambda: len(cloud.fake.calls("DescribeEndpoint")) >= asked + 3)
    cloud.fake.admin("DELETE", "rules")
    job = cloud.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    assert len(cloud.fake.calls("UpdateEndpoint")) == 1
    is_the_new_one(cloud, old)


def test_stuck(cloud):
    cloud.start("endpoint_timeout = 1s\n")
    cloud.in_service()
    old = cloud.live()
    cloud.fake.scenario(kind="endpoint", hold="Updating")
    fails(cloud, cloud.update(), "timed_out", "is still Updating, 1s after its update began")
    assert cloud.endpoint()["state"] == "in_service"
    cloud.fake.admin("DELETE", "scenarios")
    is_as_before(cloud, old)


@pytest.mark.parametrize("waits_for", ["GetObject", "InvokeEndpoint"], ids=["staged", "checked"])
def test_cancelled_while_it_is(cloud, waits_for):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule(waits_for, "hang", times=0)
    run = cloud.update(put_second(cloud))
    cloud.rule_strikes()
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    assert cloud.ended(run, "deploy")["state"] == "cancelled"
    cloud.fake.admin("DELETE", "rules")
    wait_for("the way back", lambda: used_config(cloud) in names(old, "endpoint_config"))
    is_as_before(cloud, old)


def test_cancelled_while_it_updates(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    run = cloud.held_update()
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    assert cloud.ended(run, "deploy")["state"] == "cancelled"
    cloud.fake.admin("DELETE", "scenarios")
    is_as_before(cloud, old)


@pytest.mark.parametrize("operation, do", [
    ("CreateModel", "hang"), ("CreateEndpointConfig", "hang_after"), ("UpdateEndpoint", "hang"),
    ("UpdateEndpoint", "hang_after"), ("InvokeEndpoint", "hang"), ("DeleteEndpointConfig", "hang"),
])
def test_killed(cloud, operation, do):
    """The daemon dies while it waits for the answer to this call."""
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    cloud.fake.rule(operation, do, times=1)
    run = cloud.update(put_second(cloud))
    cloud.rule_strikes()
    cloud.daemon.kill()
    cloud.daemon.start()
    job = cloud.ended(run, "deploy")
    assert job["state"] == "succeeded", words(job)
    is_the_new_one(cloud, old)


def test_two_at_once(cloud):
    cloud.start()
    cloud.in_service()
    old = cloud.live()
    first = cloud.held_update()
    fails(cloud, cloud.update(), "endpoint_taken", "endpoint 'imdb' is updating")
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(first, "deploy")["state"] == "succeeded"
    is_the_new_one(cloud, old)


def test_deleted_while_it_is_staged(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("GetObject", "hang", times=0)
    run = cloud.update(put_second(cloud))
    cloud.rule_strikes()
    cloud.delete()
    fails(cloud, run, "endpoint_missing", "endpoint 'imdb' was deleted during its update")


def test_deleted_while_it_updates(cloud):
    cloud.start()
    cloud.in_service()
    run = cloud.held_update()
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    fails(cloud, run, "deleted_by_user", "endpoint 'imdb' was deleted during its update")
    cloud.is_called("DeleteEndpoint", 400)
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("its end", lambda: cloud.endpoint()["state"] == "deleted")
    cloud.nothing_is_left()


def test_deleted_outside_while_it_updates(cloud):
    cloud.start()
    cloud.in_service()
    [name] = names(cloud.live(), "endpoint")
    cloud.fake.rule("CreateModel", "throttle", times=0)
    run = cloud.update()
    cloud.is_called("CreateModel")
    cloud.fake.client("sagemaker").delete_endpoint(EndpointName=name)
    fails(cloud, run, "killed", "deleted it outside Trainyard")
    cloud.fake.admin("DELETE", "rules")
    cloud.nothing_is_left()


def roll_back(cloud):
    answer = cloud.daemon.ask("POST", "/v1/endpoints/imdb/rollback")
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return answer.json()


def test_roll_back(cloud):
    """To the model before, which is made anew: its own are gone; then forward again."""
    cloud.start()
    cloud.in_service()
    refused = cloud.daemon.ask("POST", "/v1/endpoints/imdb/rollback")
    assert refused.status_code == 409 and "has not been updated" in refused.json()["detail"]
    first, second = cloud.endpoint()["model"], put_second(cloud)
    assert cloud.ended(cloud.update(second), "deploy")["state"] == "succeeded"
    for model in (first, second):
        wait_for("the old ones to go", lambda: len(cloud.live()) == 3)
        old = cloud.live()
        job = cloud.ended(roll_back(cloud)["run"], "rollback")
        assert job["state"] == "succeeded", words(job)
        assert cloud.endpoint()["model"] == model
        wait_for("the old ones to go", lambda: len(cloud.live()) == 3)
        assert names(cloud.live(), "endpoint") == names(old, "endpoint")
        assert not names(cloud.live(), "model") & names(old, "model")
    cloud.delete()
    assert cloud.daemon.ask("POST", "/v1/endpoints/imdb/rollback").status_code == 404


def test_no_roll_back_in_an_update(cloud):
    cloud.start()
    cloud.in_service()
    assert cloud.ended(cloud.update(), "deploy")["state"] == "succeeded"
    run = cloud.held_update(2)
    refused = cloud.daemon.ask("POST", "/v1/endpoints/imdb/rollback")
    assert refused.status_code == 409 and "is updating" in refused.json()["detail"]
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    cloud.delete()
