# SPDX-License-Identifier: MIT
"""Money from the reservation to the bill, against the fake of AWS: caps hold jobs back, what is
settled lets them go on."""
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from fake_aws import FakeAws

from client import Daemon, check, closed
from trainyardd import ROOT, wait_for

AWS = """[aws]
role = SageMakerMain
poll_ms = 20
log_drain_ms = 20
wait_ms = 50
"""


@pytest.fixture
def cloud():
    """cloud("day_max = 2\\n"): a fake that moves by step() only, and a daemon that uses it."""
    with ExitStack() as made:
        def make(money):
            directory = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="ty-money.")))
            fake = made.enter_context(FakeAws(directory / "aws"))
            (directory / "d").mkdir()
            d = Daemon(directory / "d", f"transfer_slots = 4\n{AWS}[money]\n{money}",
                       fake.environment)
            made.callback(d.clean_up)
            d.start()
            made.callback(lambda: d.process and d.stop())
            return fake, d
        yield make


@pytest.fixture
def paid(script):
    """A script of an hour on ml.g5.xlarge: 1.408 US dollars at worst."""
    return {**script("hello.py"), "target": "sagemaker", "max_runtime": "1h",
            "sagemaker": {"instance_type": "ml.g5.xlarge"}}


def training(d, job):
    """The job's training job, once its money is reserved."""
    return wait_for(f"the training job of {job}", lambda: d.get(f"/v1/jobs/{job}").get(
        "sagemaker", {}).get("training_job"))


def run_to_end(fake, d, job):
    def ended():
        fake.step(1, training(d, job))
        item = d.get(f"/v1/jobs/{job}")
        return item if item["state"] in ("succeeded", "failed", "cancelled") else None
    return wait_for(f"the end of {job}", ended)


def why(d, job):
    return d.get(f"/v1/jobs/{job}/explain")["reason"]


def test_a_training_without_a_time_is_priced_for_a_day(cloud, paid):
    """One that can never fit is refused at once, with what to change."""
    _, d = cloud("job_max = 10\n")
    del paid["max_runtime"]
    answer = d.post("/v1/jobs", paid)
    assert answer.status_code == 422, answer.text
    error, = answer.json()["errors"]
    assert (error["code"], error["pointer"]) == ("money_cap", "/sagemaker/instance_type")
    for word in ("86400 s", "33.79", "a job may cost 10", "money.job_max", "max_runtime"):
        assert word in error["detail"], error
    assert d.post("/v1/jobs", {**paid, "max_runtime": "7h", "held": True}).status_code == 201


def test_a_job_over_the_day_cap_waits_and_goes_on(cloud, paid):
    fake, d = cloud("day_max = 2\n")
    fake.scenario(kind="training", billable_s=900)
    first, second = d.submit_job(paid)["id"], d.submit_job(paid)["id"]
    training(d, first)
    waits = wait_for("the reason", lambda: (
        lambda r: r if r and r["code"] == "waiting_for_money" else None)(why(d, second)))
    assert "the worst case is 1.408 US dollars; of the day's 2.00, 1.408 is reserved" in (
        waits["message"])
    queued = d.wait(f"/v1/jobs/{second}", lambda item: item["reason"], "the reason of the wait")
    assert queued["state"] == "queued" and queued["reason"]["code"] == "waiting_for_money"
    costs = d.get("/v1/costs")
    assert [(o["job"], o["reserved_usd"]) for o in costs["open"]] == [(first, "1.408")]
    assert len(fake.calls("CreateTrainingJob")) <= 1
    done = run_to_end(fake, d, first)
    assert done["state"] == "succeeded", done["reason"]
    assert done["cost"] == {"reserved_usd": "0.00", "settled_usd": "0.352",
                            "worst_case_usd": "1.408"}
    assert done["sagemaker"]["billable_seconds"] == 900
    ended = run_to_end(fake, d, second)
    assert ended["state"] == "succeeded" and ended["reason"] is None
    costs = d.get("/v1/costs")
    assert costs["open"] == []
    assert costs["month"]["settled_usd"] == "0.704" and costs["month"]["reserved_usd"] == "0.00"
    said = [(e["what"], e["usd"]) for e in d.get("/v1/events", since=0, job=first, kind="money",
                                                 limit=100)["items"]]
    assert said == [("reserve", "1.408"), ("settle", "-1.056")]


def test_what_a_job_on_sagemaker_shows_is_described(cloud, paid):
    """At each moment: openapi.json has every field, and docs/api.md names it."""
    fake, d = cloud("")
    strict, docs = closed(d.get("/openapi.json")), (ROOT / "docs/api.md").read_text()
    job = d.submit_job(paid)["id"]
    training(d, job)
    seen = [d.get(f"/v1/jobs/{job}"), run_to_end(fake, d, job)]
    for item in seen:
        check(strict, "Job", item)
        assert item["sagemaker"]["resources"] == [] or item["state"] == "running"
        assert [field for field in item["sagemaker"] if f"`{field}`" not in docs] == []
    assert seen[1]["sagemaker"]["status"] == "Completed" and "transitions" in seen[1]["sagemaker"]


def test_tries_use_up_the_jobs_cap(cloud, paid):
    fake, d = cloud("job_max = 1.5\n")
    fake.scenario(kind="training", fail="AlgorithmError", billable_s=900)
    job = d.submit_job(paid)["id"]
    assert run_to_end(fake, d, job)["state"] == "failed"
    assert d.post(f"/v1/jobs/{job}/retry").status_code == 200
    failed = d.wait_end(job)
    assert failed["attempt"] == 2 and failed["reason"]["code"] == "money_cap"
    assert "a job may cost 1.50 (money.job_max), and 0.352 is already reserved or spent" in (
        failed["reason"]["message"])
    assert len(fake.calls("CreateTrainingJob")) == 1


def test_a_cancelled_job_pays_what_it_used(cloud, paid):
    fake, d = cloud("")
    job = d.submit_job(paid)["id"]
    name = training(d, job)

    def trains():
        fake.step(1, name)
        return d.get(f"/v1/jobs/{job}")["sagemaker"].get("secondary_status") == "Training"
    fake.scenario(kind="training", hold="Training", billable_s=60)
    wait_for("the training", trains)
    assert d.post(f"/v1/jobs/{job}/cancel").status_code == 200
    assert run_to_end(fake, d, job)["state"] == "cancelled"
    wait_for("the settlement", lambda: d.get("/v1/costs")["open"] == [])
    assert d.get(f"/v1/jobs/{job}")["cost"]["settled_usd"] == "0.023467"  # rounded up
