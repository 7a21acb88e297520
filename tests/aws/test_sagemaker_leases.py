# SPDX-License-Identifier: MIT
"""What ends an endpoint on SageMaker besides a wish: its lease, idleness; an end once begun is
carried through, over restarts and refusals."""
import sqlite3
import time

import pytest
from sagemaker_rig import seconds, words
from trainyardd import wait_for

MONEY = "[money]\njob_max = 0.1\n"


def moved(cloud, to):
    """When the endpoint came into this state."""
    return next(seconds(event["at"]) for event in cloud.daemon.events()
                if event["kind"] == "endpoint_state" and event["to"] == to)


def is_over(cloud, code, state="deleted"):
    wait_for("its end", lambda: cloud.endpoint()["state"] == state)
    assert cloud.endpoint()["reason"]["code"] == code, cloud.endpoint()["reason"]
    cloud.nothing_is_left()


def test_idle(cloud):
    """Requests through the daemon count."""
    cloud.start()
    cloud.in_service(lease={"ttl": "10m", "idle": "2s"})
    came, last = seconds(cloud.endpoint()["in_service_at"]), 0

    def asked():
        nonlocal last
        before = time.time()
        if cloud.ask('{"inputs": "I love it"}').ok:
            last = before
            return last >= came + 3
        return True

    wait_for("three seconds of questions, or its end", asked)
    is_over(cloud, "idle")
    assert moved(cloud, "deleting") > last + 1.9
    assert "no request came for 2s" in cloud.endpoint()["reason"]["message"]


def test_requests_of_others_count(cloud):
    """Who asks the endpoint without the daemon is in CloudWatch's Invocations, by the minute."""
    cloud.start()
    cloud.in_service(lease={"ttl": "10m", "idle": "61s"})
    name = next(name for kind, name in cloud.live() if kind == "endpoint")
    runtime = cloud.fake.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName=name, Body=b'{"inputs": "Fine."}',
                            ContentType="application/json")
    cloud.daemon.kill()
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:  # long ago, as far as we know
        db.execute("UPDATE endpoints SET last_request_us = last_request_us - 3600000000, "
                   "in_service_us = in_service_us - 3600000000")
    recently = time.time() - 600
    cloud.daemon.start()
    wait_for("CloudWatch to be asked", lambda: cloud.fake.calls("GetMetricStatistics"))
    wait_for("its answer to be stored", lambda: cloud.endpoint()["lease"]["last_request_at"]
             and seconds(cloud.endpoint()["lease"]["last_request_at"]) > recently)
    asked_at = cloud.fake.calls("InvokeEndpoint")[-1]["at"]
    end_of_minute = asked_at // 60 * 60 + 60  # it may have come at the end of its minute
    assert seconds(cloud.endpoint()["lease"]["last_request_at"]) == end_of_minute
    assert cloud.endpoint()["state"] == "in_service"


def test_invocations_that_may_not_be_read(cloud):
    """Then only what goes through the daemon counts."""
    cloud.fake.rule("GetMetricStatistics", "access_denied", times=0)
    cloud.start()
    cloud.in_service(lease={"ttl": "10m", "idle": "1s"})
    is_over(cloud, "idle")
    assert cloud.fake.calls("GetMetricStatistics")


def test_renewal_costs(cloud):
    cloud.start(MONEY)
    cloud.in_service(lease={"ttl": "5m"})
    before = cloud.endpoint()
    answer = cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "20m"})
    assert answer.status_code == 200, answer.text
    after = cloud.endpoint()
    assert after["lease"]["ttl"] == "20m"
    assert after["lease"]["expires_at"] > before["lease"]["expires_at"]
    reserved = float(after["cost"]["reserved_usd"])
    assert reserved > float(before["cost"]["reserved_usd"])
    refused = cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "1d"})
    assert refused.status_code == 409, refused.text
    assert "money.job_max" in refused.json()["detail"]
    assert float(cloud.endpoint()["cost"]["reserved_usd"]) == reserved
    assert cloud.endpoint()["lease"] == after["lease"]
    cloud.delete()
    assert cloud.endpoint()["cost"]["reserved_usd"] == "0.00"


@pytest.mark.parametrize("moment", ["in service", "Creating"])
def test_shorter_lease_gives_money_back(cloud, moment):
    """Before: what was reserved stayed so up to the end."""
    if moment == "Creating":
        cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model(), lease={"ttl": "20h"}))
    cloud.is_called("CreateEndpoint", 200)
    if moment == "in service":
        assert cloud.ended(run, "deploy")["state"] == "succeeded"
    before = float(cloud.endpoint()["cost"]["reserved_usd"])
    assert cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "5h"}).status_code == 200
    assert float(cloud.endpoint()["cost"]["reserved_usd"]) == pytest.approx(before / 4, rel=0.01)
    [day] = cloud.daemon.get("/v1/costs")["days"]
    assert float(day["total_usd"]) == pytest.approx(before / 4, rel=0.01)
    assert cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "20h"}).status_code == 200
    assert float(cloud.endpoint()["cost"]["reserved_usd"]) == pytest.approx(before, rel=0.01)
    cloud.lift()
    cloud.ended(run, "deploy")
    cloud.delete()
    assert cloud.endpoint()["cost"]["reserved_usd"] == "0.00"
    assert 0 < float(cloud.endpoint()["cost"]["settled_usd"]) < before / 4


def test_renewal_beyond_the_longest(cloud):
    cloud.start("[lease]\nttl_max = 1h\n")
    cloud.in_service()
    refused = cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "2h"})
    assert refused.status_code == 422, refused.text
    assert "longer than lease.ttl_max, 1h" in refused.text
    cloud.delete()


def test_renewed_before_it_is_in_service(cloud):
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model(), lease={"ttl": "2s"}))
    cloud.is_called("CreateEndpoint", 200)
    answer = cloud.daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "20m"})
    assert answer.status_code == 200, answer.text
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    lease, came = cloud.endpoint()["lease"], cloud.endpoint()["in_service_at"]
    assert lease["ttl"] == "20m"
    assert abs(seconds(lease["expires_at"]) - seconds(came) - 1200) < 1
    cloud.delete()


def test_there_is_always_a_lease(cloud):
    cloud.start("[lease]\nttl_default = 2s\n")
    cloud.in_service(lease={})
    assert cloud.endpoint()["lease"]["ttl"] == "2s"
    is_over(cloud, "lease_expired")
    job = cloud.deploy("s3://our-models/model.tar.gz")
    for ttl in ("none", "0s", "0", "", None, 0):
        answer = cloud.daemon.ask("POST", "/v1/runs", {
            "name": "test", "jobs": [{**job, "lease": {"ttl": ttl}}]})
        assert answer.status_code == 422, (ttl, answer.text)
        assert "/jobs/0/lease/ttl" in answer.text


def test_needed_endpoint_outlives_its_lease(cloud):
    cloud.start()
    run = cloud.in_service(
        {"name": "ask", "kind": "predict", "endpoint": "${deploy.endpoint}", "inputs": "I love it",
         "held": True}, lease={"ttl": "1s"})
    cloud.another_lease_ends()
    assert cloud.endpoint()["state"] == "in_service"
    cloud.daemon.ask("POST", f"/v1/jobs/{cloud.daemon.job(run, 'ask')['id']}/release")
    ask = cloud.ended(run, "ask")
    assert ask["state"] == "succeeded", words(ask)
    is_over(cloud, "lease_expired")


def test_restart_while_it_is_creating(cloud):
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    cloud.is_called("CreateEndpoint", 200)
    cloud.daemon.kill()
    cloud.daemon.start()
    assert cloud.endpoint()["state"] == "creating"
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    assert len(cloud.fake.calls("CreateEndpoint")) == 1
    cloud.delete()


@pytest.mark.parametrize("moment", ["asked for", "Deleting"])
def test_restart_while_it_is_deleted(cloud, moment):
    cloud.start()
    cloud.in_service()
    if moment == "Deleting":
        cloud.fake.scenario(kind="endpoint", hold="Deleting")
    else:
        cloud.fake.rule("DeleteEndpoint", "hang", times=1)
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    if moment == "Deleting":
        cloud.is_called("DeleteEndpoint", 200)
    else:
        cloud.rule_strikes()
    cloud.daemon.kill()
    cloud.daemon.start()
    assert cloud.endpoint()["state"] == "deleting"
    cloud.fake.admin("DELETE", "scenarios")
    is_over(cloud, "deleted_by_user")


def test_lease_that_ends_while_nobody_is_there(cloud):
    cloud.start()
    cloud.in_service(lease={"ttl": "10m"})
    cloud.daemon.stop()
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:
        db.execute("UPDATE endpoints SET lease_until_us = lease_until_us - 3600000000")
    cloud.daemon.start()
    is_over(cloud, "lease_expired")


@pytest.mark.parametrize("operation", ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"])
def test_no_right_to_delete(cloud, operation):
    """It goes on trying, and says so."""
    cloud.start()
    cloud.in_service()
    cloud.fake.rule(operation, "access_denied", times=0)
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    cloud.is_called(operation, times=3)
    now = cloud.endpoint()
    assert now["state"] == "deleting"
    said = [part["reason"] for part in now["sagemaker"]["resources"]
            if part["reason"] and part["reason"]["code"] == "access_denied"]
    assert said and f"sagemaker:{operation}" in said[0]["message"], now["sagemaker"]
    again = cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    assert again.status_code == 202, again.text
    cloud.fake.admin("DELETE", "rules")
    is_over(cloud, "deleted_by_user")


def test_delete_is_asked_for_again_when_nothing_came_of_it(cloud):
    cloud.start()
    cloud.in_service()
    cloud.fake.rule("DeleteEndpoint", "error_500", times=3)
    cloud.daemon.ask("DELETE", "/v1/endpoints/imdb")
    is_over(cloud, "deleted_by_user")
