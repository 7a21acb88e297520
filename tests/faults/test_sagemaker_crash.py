# SPDX-License-Identifier: MIT
"""No paid orphan, no duplicate: the daemon dies at every named point around every call to the fake
AWS, which meanwhile loses replies after success, fails and forgets for a moment what it has just
made. After each death what lives in the account is compared with the rows of the database."""
import json
import os
import random
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest
import requests
from fake_aws import FakeAws, live_in
from trainyardd import ROOT, Daemon, wait_for

BUILD = Path(os.environ.get("TRAINYARD_FAULTS_BUILD", ROOT / "build-faults"))
POINTS = ["sagemaker.call.before", "sagemaker.call.sent", "sagemaker.call.answered",
          "sagemaker.call.stored", "txn.commit.before", "txn.commit.after"]
CRASHES = int(os.environ.get("TRAINYARD_SAGEMAKER_CRASHES", "520"))  # for each of SEEDS
SEEDS = [1, 2, 3, 4]
RUNS_AT_A_TIME = 6
STANDING = 3  # endpoints that stay and are updated
UPDATES = 3  # that the service must have carried out, for each of SEEDS
SHORT, LONG = 5, 30  # at which passage of its point a daemon dies, at the latest
CONFIG = """
transfer_slots = 4
[aws]
role = SageMakerMain
poll_ms = 20
log_drain_ms = 20
settle_ms = 1500
wait_ms = 50
[money]
job_max = 100
day_max = none
month_max = none
"""
# All that hides whether something was made: the reply is lost, is a 500, is half, comes too late.
HIDES = {"drop_after": 0.15, "error_after": 0.1, "cut": 0.1, "hang_after": 0.05}
CREATES = ["CreateTrainingJob", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
TROUBLE = [
    *({"operation": operation, "do": do, "probability": probability, "times": 0,
       **({"seconds": 0.2} if do == "hang_after" else {})}
      for operation in CREATES for do, probability in HIDES.items()),
    {"operation": "Create*", "do": "error_500", "probability": 0.1, "times": 0},
    {"operation": "Stop*", "do": "drop_after", "probability": 0.3, "times": 0},
    {"operation": "Delete*", "do": "drop_after", "probability": 0.3, "times": 0},
    {"operation": "Describe*", "do": "stale", "probability": 0.03, "times": 0},
    {"operation": "*Endpoint*", "do": "throttle", "probability": 0.05, "times": 0},
    {"operation": "Create*", "do": "quota", "probability": 0.05, "times": 0},
    {"operation": "UpdateEndpoint", "do": "drop_after", "probability": 0.3, "times": 0},
    {"operation": "UpdateEndpoint", "do": "quota", "probability": 0.05, "times": 0},
]
# Of some endpoints SageMaker takes every update back.
TAKEN_BACK = [{"kind": "endpoint", "match": {"name": f"*-stays-*{digit}-*"},
               "update_fail": "health_check"} for digit in (0, 5)]
MODEL = "s3://crash-models/model.tar.gz"

pytestmark = [pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                 reason="needs a build with -Dfaults=true in build-faults/"),
              pytest.mark.timeout(1800)]


def train(source):
    return [{"name": "train", "kind": "script", "target": "sagemaker", "entry_point": "train.py",
             "source_dir": str(source), "max_runtime": "10m",
             "sagemaker": {"instance_type": "ml.g5.xlarge"}}]


def deploy(number):
    return [{"name": "deploy", "kind": "deploy", "target": "sagemaker", "model": MODEL,
             "endpoint": f"crash-{number}", "lease": {"ttl": "10m"},
             "sagemaker": {"instance_type": "ml.m5.xlarge"}},
            {"name": "clean", "kind": "delete-endpoint", "endpoint": "${deploy.endpoint}",
             "needs": [{"job": "deploy", "when": "always"}]}]


def stand(number):
    """A deploy that stays, to be updated by others."""
    return deploy(f"stays-{number}")[:1]


def update(endpoint):
    [job, _] = deploy("")
    return [{**job, "name": "update", "endpoint": endpoint, "on_existing": "update"}]


def rows_of(data):
    """The rows of a database whose daemon is dead."""
    with sqlite3.connect(data / "trainyard.db") as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM resources")]


def rows_text(rows):
    shown = ("kind", "name", "state", "wanted", "sent_us", "ended_us", "status", "arn",
             "reason_message")
    return json.dumps([{key: r[key] for key in shown} for r in rows], indent=1)


class World:
    """One daemon's data directory, one fake account, and the deaths."""

    def __init__(self, directory, seed):
        self.random = random.Random(seed)
        self.fake = FakeAws(directory / "aws", "--seed", seed, auto=1).start()
        self.put_model()
        (directory / "daemon").mkdir()
        self.source = directory / "source"
        self.source.mkdir()
        (self.source / "train.py").write_text("print('hello')\n", encoding="utf-8")
        self.daemon = Daemon(directory / "daemon", CONFIG, self.fake.environment, BUILD)
        self.crashes = self.submitted = 0
        self.points = Counter()
        self.kinds = Counter()  # of what the service has made

    def put_model(self):
        s3 = self.fake.client("s3")
        s3.create_bucket(Bucket="crash-models")
        s3.put_object(Bucket="crash-models", Key="model.tar.gz",
                      Body=(Path(__file__).parent / "model.tar.gz").read_bytes())

    def is_dead(self):
        return self.daemon.process.poll() is not None

    def start(self, point=None):
        self.daemon.environment.pop("TRAINYARD_FAULT", None)
        if point:
            self.daemon.environment["TRAINYARD_FAULT"] = point
        self.daemon.start(wait=False)
        line = self.daemon.process.stdout.readline()
        self.daemon.url = line.split()[-1] if line else None

    def open_runs(self):
        return [run for run in self.daemon.get("/v1/runs", limit=100)["items"]
                if run["state"] not in ("succeeded", "failed", "cancelled")]

    def standing(self, *states):
        """Names of the endpoints that stay: those in these states, or the live ones."""
        return [e["name"] for e in self.daemon.get("/v1/endpoints", limit=100)["items"]
                if "-stays-" in e["name"] and e["state"] in (
                    states or ("creating", "in_service", "updating", "deleting"))]

    def stand_some(self):
        self.start()
        for number in range(STANDING):
            self.daemon.submit(stand(number))
        wait_for("them to stand", lambda: len(self.standing("in_service")) == STANDING)
        self.submitted = STANDING
        for name in self.standing():
            self.daemon.submit(update(name))
        self.daemon.stop()

    def next_run(self):
        ready = self.standing("in_service")
        if len(self.standing()) < STANDING and self.random.random() < 0.5:
            return stand(self.submitted)
        if ready and self.random.random() < 0.7:
            return update(self.random.choice(ready))
        return self.random.choice([train(self.source), deploy(self.submitted)])

    def stir(self):
        """Keep some runs open; now and then cancel one, or delete an endpoint."""
        try:
            runs = self.open_runs()
            for _ in range(RUNS_AT_A_TIME - len(runs)):
                self.submitted += 1
                self.daemon.submit(self.next_run())
            if runs and self.random.random() < 0.06:
                self.daemon.ask("POST", f"/v1/runs/{self.random.choice(runs)['id']}/cancel")
            for name in self.standing():
                if self.random.random() < 0.01:
                    self.daemon.ask("DELETE", f"/v1/endpoints/{name}")
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            pass  # it died; the next life goes on

    def live_until_death(self):
        point = self.random.choice(POINTS)
        self.start(f"{point}:{self.random.randint(1, self.random.choice((SHORT, LONG)))}")
        if self.daemon.url and not self.is_dead():
            self.stir()
        wait_for(f"a death at {point}", self.is_dead)
        self.daemon.end(9)
        self.crashes += 1
        self.points[point] += 1
        self.check()

    def check(self):
        """Every live thing has one row that knows it may be there; every row that says it is there
        and wanted has its thing; no attempt has two."""
        rows = rows_of(self.daemon.data)
        live = live_in(self.fake)
        known = {(r["kind"], r["name"]) for r in rows
                 if r["state"] not in ("ended", "refused") and r["sent_us"]}
        orphans = set(live) - known
        assert not orphans, f"orphans: {orphans}\n{rows_text(rows)}"
        said = {(r["kind"], r["name"]) for r in rows if r["state"] == "present" and r["wanted"]}
        everything = {(r["kind"], r["name"])
                      for r in self.fake.admin("GET", "resources")["resources"]}
        assert said <= everything, f"not there: {said - everything}"
        owners = Counter((tags["trainyard:job"], kind, tags["trainyard:nonce"])
                         for (kind, _), tags in live.items())
        assert not [o for o, n in owners.items() if n > 1], owners
        assert len({r["name"] + r["kind"] for r in rows}) == len(rows)

    def settle(self):
        """No more trouble: everything comes to its end, and nothing is left."""
        self.fake.admin("DELETE", "rules")
        assert not self.fake.admin("GET", "resources")["violations"]
        self.start()
        wait_for("the end of all runs", lambda: not self.open_runs())
        for name in self.standing():
            self.daemon.ask("DELETE", f"/v1/endpoints/{name}")
        wait_for("the end of all endpoints", lambda: not self.standing())
        wait_for("an empty account", lambda: not live_in(self.fake))
        self.daemon.stop()
        rows = rows_of(self.daemon.data)
        assert {r["state"] for r in rows} <= {"ended", "refused"}, rows_text(rows)
        assert not self.fake.admin("GET", "resources")["violations"]
        self.nothing_was_made_twice(rows)
        self.money_is_settled()

    def made(self):
        """Each (kind, name) that the service has ever made, also what is deleted by now, as often
        as it was made: a create that was carried out, whatever its reply."""
        carried_out = ("drop_after", "error_after", "cut", "hang_after", None)
        kinds = {"CreateTrainingJob": "training_job", "CreateModel": "model",
                 "CreateEndpointConfig": "endpoint_config", "CreateEndpoint": "endpoint"}
        done = Counter()
        for line in (self.fake.state / "calls.ndjson").read_text().splitlines():
            call = json.loads(line)
            if call["operation"] in kinds and call.get("rule") in carried_out and (
                    call["status"] in (0, 200) or (call["status"] == 500 and "rule" in call)):
                done[kinds[call["operation"]], call["name"]] += 1
        return done

    def nothing_was_made_twice(self, rows):
        """By attempt and kind: an attempt has one training job, or one model, one config and one
        endpoint; a name is made once."""
        owners = {(r["kind"], r["name"]): (r["job"], r["attempt"], r["kind"]) for r in rows}
        made = self.made()
        assert set(made) <= set(owners), set(made) - set(owners)
        assert not [thing for thing, n in made.items() if n > 1], made
        attempts = Counter(owners[thing] for thing in made)
        assert not [owner for owner, n in attempts.items() if n > 1], attempts
        self.kinds.update(kind for kind, _ in made)

    def money_is_settled(self):
        with sqlite3.connect(self.daemon.data / "trainyard.db") as db:
            open_rows = db.execute(
                "SELECT name FROM resources WHERE reserved_micro_usd > 0 "
                "AND settled_us = 0").fetchall()
        assert not open_rows

    def updates_taken(self):
        """UpdateEndpoint calls that the service has carried out, heard of or not."""
        return sum(call["status"] in (0, 200) for call in self.fake.calls("UpdateEndpoint"))

    def updates(self):
        """How the updates ended, of a daemon that is dead."""
        with sqlite3.connect(self.daemon.data / "trainyard.db") as db:
            return Counter(state for (state,) in db.execute(
                "SELECT state FROM jobs WHERE name = 'update'"))

    def close(self):
        self.daemon.clean_up()
        self.fake.stop()


def crash_often(directory, seed, said):
    world = World(directory, seed)
    try:
        world.stand_some()
        world.fake.admin("POST", "rules", TROUBLE)
        world.fake.admin("POST", "scenarios", TAKEN_BACK)
        while world.crashes < CRASHES:
            world.live_until_death()
        world.settle()
        said[seed] = {"crashes": world.crashes, "runs": world.submitted, "points": world.points,
                      "updates": world.updates(), "made": world.kinds,
                      "updates taken": world.updates_taken()}
    except BaseException as e:
        said[seed] = e
        raise
    finally:
        world.close()


def test_what_lives_is_what_the_rows_say(tmp_path):
    """At least 2,000 deaths over all seeds, each with an account of its own at the same time."""
    said = {}
    threads = []
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        threads.append(threading.Thread(target=crash_often,
                                        args=(tmp_path / str(seed), seed, said)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    failures = [value for value in said.values() if isinstance(value, BaseException)]
    if failures:
        raise failures[0]
    points = sum((value["points"] for value in said.values()), Counter())
    print(json.dumps({str(seed): value for seed, value in said.items()}))
    assert all(value["updates taken"] >= UPDATES for value in said.values())
    made = sum((value["made"] for value in said.values()), Counter())
    assert set(made) == {"training_job", "model", "endpoint_config", "endpoint"}
    assert set(points) == set(POINTS)
    assert sum(points.values()) >= 4 * CRASHES
