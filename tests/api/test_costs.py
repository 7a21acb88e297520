# SPDX-License-Identifier: MIT
"""Money over HTTP and in the command line: worst cases, caps, GET /v1/costs, costs of a job."""
import contextlib
import datetime
import os
import signal
import sqlite3
import subprocess

import pytest

from client import check, closed, problem
from trainyardd import BUILD

G5_HOUR = "1.408"  # jobs/sagemaker/prices.json, us-east-1


def paid(script, **sagemaker):
    return {**script("hello.py"), "target": "sagemaker", "max_runtime": "1h", "held": True,
            "sagemaker": {"instance_type": "ml.g5.xlarge", "role": "SageMakerMain",
                          "region": "us-east-1", **sagemaker}}


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()


def day_number(date):
    return (date - datetime.date(1970, 1, 1)).days


def test_nothing_was_spent(daemon):
    costs = daemon.get("/v1/costs")
    check(closed(daemon.get("/openapi.json")), "Costs", costs)
    zero = {"reserved_usd": "0.00", "settled_usd": "0.00", "total_usd": "0.00"}
    assert costs["today"] == {**zero, "day": costs["today"]["day"], "left_usd": "100.00"}
    assert costs["month"] == {**zero, "month": costs["today"]["day"][:7], "left_usd": "500.00"}
    assert costs["caps"] == {"job_usd": "50.00", "day_usd": "100.00", "month_usd": "500.00"}
    assert costs["days"] == costs["jobs"] == costs["endpoints"] == costs["open"] == []
    assert costs["from"] == costs["today"]["day"][:8] + "01"
    assert daemon.get("/v1/overview")["money"]["caps"] == costs["caps"]


@pytest.mark.parametrize("query, first, last", [
    ({"from": "2024-02-28", "to": "2024-03-01"}, "2024-02-28", "2024-03-01"),
    ({"to": "2024-02-29"}, "2024-02-01", "2024-02-29"),
    ({"from": "2024-02-28T23:30:00-01:00", "to": "2024-02-29T23:59:59.999Z"},
     "2024-02-29", "2024-02-29"),
    ({"from": "2999-01-01"}, "2999-01-01", "2999-01-01"),
    ({"from": "2015-01-02", "to": "2025-01-08"}, "2015-01-02", "2025-01-08"),
])
def test_ranges(daemon, query, first, last):
    costs = daemon.get("/v1/costs", **query)
    assert (costs["from"], costs["to"]) == (first, last)


@pytest.mark.parametrize("query, words", [
    ("from=2024-03-01&to=2024-02-01", "'from' is later than 'to'"),
    ("from=2015-01-01&to=2025-01-08", "more than 3660 days"),
    ("from=yesterday", "must be a time such as"),
])
def test_wrong_ranges(daemon, query, words):
    answer = daemon.ask("GET", f"/v1/costs?{query}")
    assert words in problem(answer, 400, "invalid_parameter")["detail"]


def test_validate_tells_the_worst_case(daemon, script):
    def worst(**sagemaker):
        answer = daemon.post("/v1/validate", paid(script, **sagemaker)).json()
        assert answer["valid"], answer
        return answer["placement"]["jobs"][0]["worst_case_usd"]
    assert worst() == G5_HOUR
    assert worst(instance_count=2) == "2.816"
    assert worst(spot=True, max_wait="5h") == G5_HOUR
    assert float(worst(region="eu-central-1")) > float(G5_HOUR)
    here = daemon.post("/v1/validate", script("hello.py")).json()
    assert "worst_case_usd" not in here["placement"]["jobs"][0]


def test_what_can_never_fit_is_refused(daemon, script):
    before = daemon.get("/v1/runs")["items"]
    job = paid(script, instance_type="ml.p4d.24xlarge", instance_count=2)
    body = problem(daemon.post("/v1/jobs", job), 422, "invalid_spec")
    assert [(e["pointer"], e["code"]) for e in body["errors"]] == [
        ("/sagemaker/instance_type", "money_cap")]
    assert "the worst case is 75.376 US dollars, and a job may cost 50.00 (money.job_max)" in (
        body["detail"])
    jobs = [script("hello.py", "a"), {**job, "name": "b"}]
    run = problem(daemon.post("/v1/runs", {"jobs": jobs}), 422, "invalid_spec")
    assert run["errors"][0]["pointer"] == "/jobs/1/sagemaker/instance_type"
    refused = daemon.post("/v1/validate", job).json()
    assert not refused["valid"] and refused["problems"][0]["code"] == "money_cap"
    unknown = problem(daemon.post("/v1/jobs", paid(script, instance_type="ml.g9.large")), 422,
                      "invalid_spec")
    assert unknown["errors"][0]["code"] == "price_unknown"
    assert '"ml.g9.large=1.23"' in unknown["detail"] and "money.prices" in unknown["detail"]
    assert daemon.get("/v1/runs")["items"] == before


def test_the_configuration_sets_caps_and_prices(fresh, script):
    d = fresh("[money]\njob_max = 9.5\nday_max = none\nmonth_max = none\n"
              "prices = ml.g9.large=4.75, us-east-1/ml.g5.xlarge=9.500001\n")
    costs = d.get("/v1/costs")
    assert costs["caps"] == {"job_usd": "9.50", "day_usd": None, "month_usd": None}
    assert costs["today"]["left_usd"] is None
    assert d.submit_job(paid(script, instance_type="ml.g9.large", instance_count=2))["id"]
    assert problem(d.post("/v1/jobs", paid(script)), 422, "invalid_spec")
    check(closed(d.get("/openapi.json")), "Costs", costs)


@contextlib.contextmanager
def stopped(d):
    """The database of a daemon that is down meanwhile."""
    assert d.end(signal.SIGTERM) == 0
    db = sqlite3.connect(d.dir / "data/trainyard.db")
    with db:
        yield db
    db.close()
    d.start()


def ledger(db, job, reserved, difference, date, name):
    """A training job that is over: its row and its entries, as the store writes them."""
    at = day_number(date) * 86400 * 10**6
    db.execute("INSERT INTO resources (id, kind, state, wanted, name, nonce, region, job, attempt, "
               "status, answer, created_us, ended_us, reserved_micro_usd, difference_micro_usd, "
               "settled_us) VALUES (?, 'training_job', 'ended', 1, ?, 'n', 'us-east-1', ?, 1, "
               "'Completed', '{\"SecondaryStatus\":\"Completed\",\"BillableTimeInSeconds\":900}', "
               "?, ?, ?, ?, ?)",
               ("c" + name, name, job, at, at + 1, reserved, difference, at + 2))
    for what, amount in (("reserve", reserved), ("settle", difference)):
        db.execute("INSERT INTO money (at_us, what, day, resource, job, micro_usd, words) "
                   "VALUES (?, ?, ?, ?, ?, ?, 'w')",
                   (at, what, day_number(date), "c" + name, job, amount))
    db.execute("INSERT INTO money_days VALUES (?, ?, 0)",
               (day_number(date), reserved + difference))


def test_costs_of_jobs_and_days(fresh, script):
    d = fresh()
    first, second = d.submit_job(paid(script)), d.submit_job(paid(script))
    assert first["cost"] == {"reserved_usd": "0.00", "settled_usd": "0.00",
                             "worst_case_usd": G5_HOUR}
    assert "sagemaker" not in first
    now, before = today(), today() - datetime.timedelta(days=40)
    with stopped(d) as db:
        ledger(db, first["id"], 1408000, -1056000, now, "trainyard-a")
        ledger(db, second["id"], 5000000, 0, before, "trainyard-b")
    strict = closed(d.get("/openapi.json"))
    job = d.get(f"/v1/jobs/{first['id']}")
    check(strict, "Job", job)
    assert job["cost"] == {"reserved_usd": "0.00", "settled_usd": "0.352",
                           "worst_case_usd": G5_HOUR}
    assert job["sagemaker"]["training_job"] == "trainyard-a"
    assert job["sagemaker"]["billable_seconds"] == 900
    assert job["sagemaker"]["resources"] == []
    costs = d.get("/v1/costs")
    check(strict, "Costs", costs)
    if today() == now:
        assert costs["today"]["total_usd"] == "0.352" and costs["today"]["left_usd"] == "99.648"
    assert [(j["job"], j["total_usd"]) for j in costs["jobs"]] == [(first["id"], "0.352")]
    all_of_it = d.get("/v1/costs", **{"from": before.isoformat(), "to": now.isoformat()})
    assert [(j["job"], j["total_usd"]) for j in all_of_it["jobs"]] == [
        (second["id"], "5.00"), (first["id"], "0.352")]
    assert [(day["day"], day["settled_usd"]) for day in all_of_it["days"]] == [
        (before.isoformat(), "5.00"), (now.isoformat(), "0.352")]
    assert d.get("/v1/overview")["money"]["month"] == costs["month"]


def cli(d, *words):
    return subprocess.run([BUILD / "cli/trainyard", *words], text=True, capture_output=True,
                          env={**os.environ, "TRAINYARD_URL": d.url}, check=True).stdout


def test_cli(fresh, script):
    d = fresh()
    job = d.submit_job(paid(script))["id"]
    with stopped(d) as db:
        ledger(db, job, 1408000, -1056000, today(), "trainyard-a")
    shown = cli(d, "costs", "--from", (today() - datetime.timedelta(days=1)).isoformat())
    rows = [line.split() for line in shown.splitlines() if line]
    assert rows[0] == ["US", "DOLLARS", "RESERVED", "SETTLED", "TOTAL", "CAP", "LEFT"]
    assert rows[1][1:5] == ["0.00", "0.352", "0.352", "100.00"]
    assert "cap of one job: 50.00" in shown
    assert [job, "job", "queued", "0.00", "0.352", "0.352"] in rows
    assert '"job_usd": "50.00"' in cli(d, "--json", "costs")
    status = cli(d, "status")
    assert "money       0.352 $ today, 99.648 left; 0.352 $ this month" in status
    lines = cli(d, "show", job)
    assert "trainyard-a" in lines and "0.352" in lines and G5_HOUR in lines
