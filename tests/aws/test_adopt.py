# SPDX-License-Identifier: MIT
"""The database is lost, the account is not: `trainyardd --adopt` finds by tags what was made, takes
it in or deletes it, and touches nothing else. The real daemon against the fake."""
import json
import os
import pty
import shutil
import signal
import sqlite3
import time

import pytest
from adopt_rig import (DEPLOY_PARTS, SHORT_LEASE, Adopt, adopt, foreign, live_rows, lose, mutations,
                       rows)
from trainyardd import wait_for

# ---- list ----

def test_list_shows_what_costs_money(lost):
    before = mutations(lost.fake)
    command = adopt(lost.daemon, "list")
    counts = command.counts()
    assert counts | {"usd_per_hour": ""} == {
        "mode": "list", "found": 4, "known": 0, "unknown": 4, "not_ours": 0, "usd_per_hour": "",
        "endpoints": 0, "training_jobs": 0, "parts": 0, "to_delete": 0, "left": 0}
    assert float(counts["usd_per_hour"]) > 0.2
    table = command.out.splitlines()
    assert table[0].split()[:5] == ["KIND", "NAME", "STATUS", "CREATED", "AGE"]
    [endpoint] = [line.split() for line in table if line.startswith("endpoint ")]
    assert endpoint[2] == "InService" and "imdb" in endpoint and lost.run_of_deploy in endpoint
    [training] = [line.split() for line in table if line.startswith("training_job ")]
    assert training[1] == lost.training and training[2] == "InProgress"
    assert float(endpoint[-1]) + float(training[-1]) == float(counts["usd_per_hour"])
    assert mutations(lost.fake) == before and not live_rows(lost.daemon)


def test_list_is_the_default(lost):
    assert Adopt(lost.daemon, "--adopt").counts()["mode"] == "list"


def test_refused_while_a_daemon_runs(cloud):
    cloud.start()
    command = adopt(cloud.daemon, "list").wait()
    assert command.status == 1 and "in use by another trainyardd" in command.err


@pytest.mark.parametrize("args, said", [(["--adopt=steal"], "--adopt=steal"),
                                        (["--yes"], "belongs to --adopt or --restore"),
                                        (["--region", "eu-west-1"], "belong to --adopt")])
def test_wrong_command_lines(cloud, args, said):
    cloud.start()
    command = Adopt(cloud.daemon, *args).wait()
    assert command.status == 1 and said in command.err


def test_refused_keys_change_nothing(lost):
    lost.fake.rule("ListTags", "access_denied", times=0)
    command = adopt(lost.daemon, "delete").wait()
    assert command.status == 1 and "ListTags" in command.err
    assert len(lost.live()) == 4 and not live_rows(lost.daemon)


# ---- adopt ----

def test_what_was_adopted_works(lost):
    others = foreign(lost)
    counts = adopt(lost.daemon, "adopt").counts()
    assert (counts["endpoints"], counts["parts"], counts["training_jobs"], counts["to_delete"],
            counts["not_ours"]) == (1, 2, 1, 0, 6)
    again = adopt(lost.daemon, "adopt").counts()
    assert (again["known"], again["unknown"], again["endpoints"], again["parts"]) == (4, 0, 0, 0)
    assert len(rows(lost.daemon)) == 4 and len(rows(lost.daemon, "endpoints")) == 1
    daemon = lost.daemon.start()
    item = daemon.get("/v1/endpoints/imdb")
    assert item["state"] == "in_service" and item["target"] == "sagemaker" and item["job"] is None
    assert item["lease"]["ttl"] == "1h" and item["model"].endswith("model.tar.gz")
    assert float(item["cost"]["reserved_usd"]) > 0
    answer = daemon.ask("POST", "/v1/endpoints/imdb/invocations", {"inputs": "I love it"})
    assert answer.status_code == 200 and answer.json()[0]["label"]
    asks = daemon.submit([{"name": "ask", "kind": "predict", "endpoint": "imdb", "inputs": "x"}])
    assert daemon.wait_run(asks["id"])["state"] == "succeeded"
    assert daemon.ask("POST", "/v1/endpoints/imdb/renew", {"ttl": "2h"}).status_code == 200
    assert daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    wait_for("its end", lambda: daemon.get("/v1/endpoints/imdb")["state"] == "deleted")
    wait_for("only the others", lambda: set(lost.live()) == others
             | {("training_job", lost.training)})
    assert {(r["kind"], r["name"]) for r in lost.fake.resources()} >= others
    assert float(daemon.get("/v1/endpoints/imdb")["cost"]["settled_usd"]) >= 0
    assert {r["kind"]: bool(r["settled_us"]) for r in rows(daemon) if r["reserved_micro_usd"]} == {
        "endpoint": True, "training_job": False}  # the second is at work still


def test_the_lease_reaps_what_was_adopted(lost):
    lost.start(base=SHORT_LEASE.format("2s")).stop()  # only for its configuration
    adopt(lost.daemon, "adopt").counts()
    lost.daemon.start()
    wait_for("its end", lambda: lost.daemon.get("/v1/endpoints/imdb")["state"] == "deleted")
    assert lost.daemon.get("/v1/endpoints/imdb")["reason"]["code"] == "lease_expired"
    wait_for("the parts' end", lambda: set(lost.live()) == {("training_job", lost.training)})


def test_an_adopted_training_job_is_followed(lost):
    """To its end, and its cost is in the ledger: ten minutes of ml.g5.xlarge at worst."""
    adopt(lost.daemon, "adopt").counts()
    lost.daemon.start()
    days = {name: time.strftime("%Y-%m-%d", time.gmtime(time.time() + shift * 86400))
            for name, shift in (("from", -2), ("to", 2))}
    [open_row] = [o for o in lost.daemon.get("/v1/costs", **days)["open"]
                  if o["resource"] == "training_job"]
    assert (open_row["name"], open_row["job"]) == (lost.training, None)
    assert float(open_row["reserved_usd"]) == pytest.approx(1.408 / 6, abs=1e-5)
    lost.fake.admin("DELETE", "scenarios")
    wait_for("its end in the database", lambda: [
        r["state"] for r in rows(lost.daemon) if r["kind"] == "training_job"] == ["ended"])
    assert lost.fake.client("sagemaker").describe_training_job(
        TrainingJobName=lost.training)["TrainingJobStatus"] == "Completed"
    costs = lost.daemon.get("/v1/costs", **days)
    assert "training_job" not in [o["resource"] for o in costs["open"]]
    [billed] = [b["seconds"] for b in lost.fake.admin("GET", "billing")["items"]
                if b["name"] == lost.training]
    settled = sum(float(day["settled_usd"]) for day in costs["days"])
    assert settled == pytest.approx(1.408 * billed / 3600, abs=1e-5)


def test_an_adopted_training_job_can_be_stopped(lost):
    adopt(lost.daemon, "adopt").counts()
    lost.fake.admin("DELETE", "scenarios")
    counts = adopt(lost.daemon, "delete").counts()
    assert (counts["known"], counts["to_delete"], counts["left"]) == (4, 1, 0)
    assert set(kind for kind, _ in lost.live()) == DEPLOY_PARTS


def test_an_adopted_endpoint_can_be_updated(lost):
    adopt(lost.daemon, "adopt").counts()
    old = {name for kind, name in lost.live() if kind != "training_job"}
    lost.daemon.start()
    run = lost.run(lost.deploy(lost.put_model("other.tar.gz"), on_existing="update"))
    assert lost.ended(run, "deploy")["state"] == "succeeded"
    wait_for("the old parts' end", lambda: len(lost.live()) == 4)
    client = lost.fake.client("sagemaker")
    used = client.describe_endpoint(EndpointName=next(iter(old)))["EndpointConfigName"]
    assert used not in old
    assert lost.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    wait_for("the end", lambda: set(lost.live()) == {("training_job", lost.training)})


def test_an_update_that_fails_goes_back_to_what_was_adopted(lost):
    adopt(lost.daemon, "adopt").counts()
    old = {name for kind, name in lost.live() if kind != "training_job"}
    lost.daemon.start()
    lost.fake.scenario(kind="endpoint", update_fail="The image could not be pulled")
    run = lost.run(lost.deploy(lost.put_model("other.tar.gz"), on_existing="update"))
    assert lost.ended(run, "deploy")["state"] == "failed"
    wait_for("the new parts' end", lambda: len(lost.live()) == 4)
    assert lost.daemon.get("/v1/endpoints/imdb")["state"] == "in_service"
    assert {name for kind, name in lost.live() if kind != "training_job"} == old


def creating(cloud):
    cloud.fake.scenario(kind="endpoint", hold="Creating")
    cloud.start()
    cloud.run(cloud.deploy(cloud.put_model()))
    wait_for("the endpoint", lambda: cloud.fake.resources("endpoint"))
    lose(cloud.daemon)
    assert adopt(cloud.daemon, "adopt").counts()["endpoints"] == 1
    return cloud.daemon.start()


def test_an_endpoint_that_is_still_coming_up(cloud):
    daemon = creating(cloud)
    assert daemon.get("/v1/endpoints/imdb")["state"] == "creating"
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("its service", lambda: daemon.get("/v1/endpoints/imdb")["state"] == "in_service")
    item = daemon.get("/v1/endpoints/imdb")
    assert item["lease"]["expires_at"] and item["result"]["parity"] == "skipped"


def test_an_endpoint_that_fails(cloud):
    daemon = creating(cloud)
    cloud.fake.scenario(kind="endpoint",
                        fail="The primary container did not pass the ping health check")
    cloud.fake.scenario(kind="endpoint", hold=[])
    wait_for("its end", lambda: daemon.get("/v1/endpoints/imdb")["state"] == "failed")
    assert daemon.get("/v1/endpoints/imdb")["reason"]["code"] == "health_check_failed"
    cloud.nothing_is_left()


def test_adopted_in_the_middle_of_an_update(cloud):
    """Which config wins is not known yet: both stay until it is."""
    cloud.start()
    cloud.run(cloud.deploy(cloud.put_model()))
    wait_for("its service", lambda: [r for r in cloud.fake.resources("endpoint")
                                     if r["status"] == "InService"])
    wait_for("it here", lambda: cloud.daemon.get("/v1/endpoints/imdb")["state"] == "in_service")
    cloud.fake.scenario(kind="endpoint", hold="Updating")
    cloud.run(cloud.deploy(cloud.put_model("other.tar.gz"), on_existing="update"))
    wait_for("the update", lambda: cloud.fake.resources("endpoint")[0]["status"] == "Updating")
    lose(cloud.daemon)
    counts = adopt(cloud.daemon, "adopt").counts()
    assert (counts["endpoints"], counts["parts"], counts["to_delete"]) == (1, 4, 0)
    cloud.daemon.start()
    assert cloud.daemon.get("/v1/endpoints/imdb")["state"] == "in_service"
    cloud.fake.admin("DELETE", "scenarios")
    wait_for("the old parts' end", lambda: len(cloud.live()) == 3)
    [endpoint] = cloud.fake.resources("endpoint")
    config = cloud.fake.client("sagemaker").describe_endpoint(
        EndpointName=endpoint["name"])["EndpointConfigName"]
    assert config != endpoint["name"] and ("endpoint_config", config) in cloud.live()
    assert len([c for c in cloud.fake.calls("UpdateEndpoint") if c["status"] == 200]) == 1
    assert cloud.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    cloud.nothing_is_left()


def test_parts_without_an_endpoint_go(lost):
    client = lost.fake.client("sagemaker")
    [name] = [name for kind, name in lost.live() if kind == "endpoint"]
    client.delete_endpoint(EndpointName=name)
    wait_for("its end", lambda: not client.list_endpoints()["Endpoints"])
    counts = adopt(lost.daemon, "adopt").counts()
    assert (counts["endpoints"], counts["to_delete"], counts["left"]) == (0, 2, 2)
    lost.daemon.start()
    wait_for("their end", lambda: set(lost.live()) == {("training_job", lost.training)})
    order = [c["operation"] for c in lost.fake.calls() if c["operation"].startswith("Delete")]
    assert order == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]


def test_two_installations(lost):
    lost.start()
    deploys = lost.run(lost.deploy(lost.put_model("two.tar.gz"), endpoint="imdb"))
    assert lost.ended(deploys, "deploy")["state"] == "succeeded"
    first, second = sorted({tags["trainyard:install"] for tags in lost.live().values()})
    lose(lost.daemon)
    refused = adopt(lost.daemon, "delete").wait()
    assert refused.status == 1 and "--install" in refused.err and len(lost.live()) == 7
    assert not live_rows(lost.daemon)
    adopt(lost.daemon, "adopt", "--install", "all").counts()
    names = sorted(r["name"] for r in rows(lost.daemon, "endpoints"))
    assert len(names) == 2 and names[0] == "imdb" and names[1].startswith("trainyard-imdb-")
    shutil.rmtree(lost.daemon.data)
    lost.fake.admin("DELETE", "scenarios")
    assert adopt(lost.daemon, "delete", "--install", second).counts()["left"] == 0
    assert {tags["trainyard:install"] for tags in lost.live().values()} == {first}


def test_half_a_nonce_is_not_ours(lost):
    """A tag's value was cut to the length of a nonce, and somebody else's endpoint was taken."""
    client = lost.fake.client("sagemaker")
    [(name, tags)] = [(name, tags) for (kind, name), tags in lost.live().items()
                      if kind == "endpoint"]
    client.add_tags(ResourceArn=client.describe_endpoint(EndpointName=name)["EndpointArn"],
                    Tags=[{"Key": "trainyard:nonce", "Value": tags["trainyard:nonce"] + "x"}])
    counts = adopt(lost.daemon, "list").counts()
    assert (counts["found"], counts["not_ours"]) == (3, 1)


def test_another_region(lost):
    lost.daemon.environment |= {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert adopt(lost.daemon, "list").counts()["found"] == 0
    assert adopt(lost.daemon, "list", "--region", "us-east-1").counts()["found"] == 4
    assert adopt(lost.daemon, "adopt", "--region", "us-east-1").counts()["endpoints"] == 1
    lost.daemon.start()
    assert lost.daemon.ask("POST", "/v1/endpoints/imdb/invocations",
                           {"inputs": "x"}).status_code == 200
    assert lost.daemon.ask("DELETE", "/v1/endpoints/imdb").status_code == 202
    wait_for("the end", lambda: set(lost.live()) == {("training_job", lost.training)})


# ---- delete ----

def test_delete_leaves_an_empty_account(lost):
    others = foreign(lost)
    lost.fake.admin("DELETE", "scenarios")
    command = adopt(lost.daemon, "delete")
    counts = command.counts()
    assert (counts["to_delete"], counts["left"], counts["not_ours"]) == (4, 0, 6)
    assert "4 still there" in command.out
    assert set(lost.live()) == others
    touched = {name for operation, name in mutations(lost.fake)
               if operation.startswith(("Delete", "Stop"))}
    assert not touched & {name for _, name in others}
    order = [c["operation"] for c in lost.fake.calls() if c["operation"].startswith("Delete")]
    assert order == ["DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel"]
    assert {r["state"] for r in rows(lost.daemon)} == {"ended"}
    assert not rows(lost.daemon, "money")  # nothing was reserved, nothing is settled
    again = adopt(lost.daemon, "delete").counts()
    assert (again["found"], again["to_delete"]) == (0, 0)


def test_delete_leaves_what_is_known(lost):
    adopt(lost.daemon, "adopt").counts()
    with sqlite3.connect(lost.daemon.data / "trainyard.db") as db:
        db.execute("DELETE FROM resources WHERE kind = 'training_job'")
    lost.fake.admin("DELETE", "scenarios")
    assert adopt(lost.daemon, "delete").counts()["to_delete"] == 1
    assert {kind for kind, _ in lost.live()} == DEPLOY_PARTS
    lost.daemon.start()
    assert lost.daemon.get("/v1/endpoints/imdb")["state"] == "in_service"


def test_killed_at_any_moment(lost):
    """While it lists, while it deletes; the next one, or the next daemon, goes on."""
    lost.fake.rule("ListTags", "hang", after=1)
    command = adopt(lost.daemon, "delete")
    wait_for("the hang", lambda: len(lost.fake.calls("ListTags")) >= 1)
    command.process.kill()
    command.wait()
    assert not live_rows(lost.daemon) and len(lost.live()) == 4
    lost.fake.admin("DELETE", "rules")
    lost.fake.rule("Delete*", "error_500", times=0)
    lost.fake.rule("Stop*", "drop_after", times=2)
    command = adopt(lost.daemon, "delete")
    wait_for("the intent", lambda: (lost.daemon.data / "trainyard.db").exists()
             and len(live_rows(lost.daemon)) == 4)
    wait_for("a try", lambda: lost.fake.calls("DeleteEndpoint"))
    command.process.kill()
    command.wait()
    assert DEPLOY_PARTS <= {kind for kind, _ in lost.live()}
    command = adopt(lost.daemon, "delete")
    wait_for("more tries", lambda: len(lost.fake.calls("DeleteEndpoint")) > 3)
    command.process.send_signal(signal.SIGTERM)
    command.wait()
    assert command.status == 1 and "the next start of the daemon deletes the rest" in command.err
    assert json.loads(command.out.splitlines()[-1])["left"] > 0
    lost.fake.admin("DELETE", "rules")
    lost.fake.admin("DELETE", "scenarios")
    assert len(rows(lost.daemon)) == 4
    lost.daemon.start()
    lost.nothing_is_left()
    lost.daemon.stop()
    assert len(rows(lost.daemon)) == 4


def test_replies_are_lost(lost):
    lost.fake.admin("DELETE", "scenarios")
    for operation in ("Delete*", "Stop*"):
        lost.fake.rule(operation, "drop_after", probability=0.5, times=0)
    lost.fake.rule("Describe*", "stale", probability=0.1, times=0)
    lost.fake.rule("List*", "throttle", probability=0.2, times=0)
    assert adopt(lost.daemon, "delete").counts()["left"] == 0
    lost.nothing_is_left()


def test_many_are_paged(cloud):
    client = cloud.fake.client("sagemaker")
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    cloud.daemon.stop()
    model = client.list_models()["Models"][0]["ModelName"]
    about = client.describe_model(ModelName=model)
    tags = {**cloud.live()["model", model]}
    for i in range(120):
        nonce = f"{i:012d}"
        client.create_model(ModelName=f"trainyard-many-{nonce}",
                            PrimaryContainer=about["PrimaryContainer"],
                            ExecutionRoleArn=about["ExecutionRoleArn"],
                            Tags=[{"Key": k, "Value": v} for k, v in
                                  {**tags, "trainyard:nonce": nonce}.items()])
    counts = adopt(cloud.daemon, "list").counts()
    assert (counts["found"], counts["known"]) == (123, 3)
    assert len(cloud.fake.calls("ListModels")) >= 3


# ---- asking ----

@pytest.mark.parametrize("answer, args, left", [("n\n", [], 4), ("y\n", [], 0), ("", ["--yes"], 0)])
def test_a_terminal_is_asked(lost, answer, args, left):
    if not left:
        lost.fake.admin("DELETE", "scenarios")
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        command = Adopt(lost.daemon, "--adopt=delete", *args, stdin=theirs).wait()
    finally:
        os.close(ours)
        os.close(theirs)
    assert ("Go on?" in command.out) == (not args)
    assert (command.status == 0) == (left == 0) and len(lost.live()) == left
    assert left == 0 or "nothing was changed" in command.err


def test_without_keys(cloud):
    cloud.start().stop()
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del cloud.daemon.environment[key]
    command = adopt(cloud.daemon, "list").wait()
    assert command.status == 1 and "credentials" in command.err, command.err
