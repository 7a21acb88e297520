# SPDX-License-Identifier: MIT
"""Metrics and progress of a training job out of its CloudWatch lines: the same series as here."""
import contextlib
import json
import pathlib

import pytest
from sagemaker_rig import CONFIG, seconds, words
from trainyardd import wait_for

LINES = [
    "{'loss': 0.69, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.5}",
    "  5%|5         | 1/20\r 10%|#         | 2/20\r{'loss': '0.5', 'epoch': '1.0'}",
    "{'eval_loss': '0.41', 'eval_accuracy': '0.8', 'epoch': '1.0'}",
    "no number here",
    "{'loss': nan, 'eval_f1': 0.75}",
    "{'loss': 0.25, 'epoch': 2.0}",
]
SERIES = [
    (1, 0.5, {"loss": 0.69, "grad_norm": 1.5, "learning_rate": 5e-05, "epoch": 0.5}),
    (2, 1.0, {"loss": 0.5, "epoch": 1.0}),
    (3, 1.0, {"eval_loss": 0.41, "eval_accuracy": 0.8, "epoch": 1.0}),
    (4, None, {"loss": "NaN", "eval_f1": 0.75}),
    (5, 2.0, {"loss": 0.25, "epoch": 2.0}),
]
PROGRESS = {"phase": "train", "unit": "steps", "done": 3, "total": 8, "rate": 1.5,
            "eta_seconds": 4}


def points(cloud, job, **params):
    return cloud.daemon.get(f"/v1/jobs/{job['id']}/metrics", **params)["items"]


def series(cloud, job):
    return [(p["step"], p["epoch"], p["values"]) for p in points(cloud, job)]


def event(kind, **what):
    return "trainyard-event " + json.dumps({"v": 1, "t": kind, **what})


def native(cloud):
    s3 = cloud.fake.client("s3")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="train/rows.csv", Body=b"text,label\n")
    return {"name": "train", "kind": "train", "target": "sagemaker", "model": "org/model",
            "channels": {"train": "s3://data/train/"}, "max_runtime": "10m",
            "sagemaker": {"instance_type": "ml.g5.xlarge"}}


def test_a_script_has_the_same_series_on_both_targets(cloud):
    """Before: one point, step 0, at the end."""
    text = "".join(f"print({line!r}, flush=True)\n" for line in LINES)
    (cloud.dir / "source/train.py").write_text(text, encoding="utf-8")
    cloud.fake.scenario(kind="training", lines=LINES)
    cloud.start()
    run = cloud.run(cloud.train("there"), cloud.train("here", target="local"))
    there, here = cloud.ended(run, "there"), cloud.ended(run, "here")
    assert there["state"] == here["state"] == "succeeded", words(there) + words(here)
    assert series(cloud, here) == SERIES
    assert series(cloud, there) == SERIES
    assert there["outputs"]["metrics"] == {
        "loss": 0.25, "grad_norm": 1.5, "learning_rate": 5e-05, "epoch": 2.0, "eval_loss": 0.41,
        "eval_accuracy": 0.8, "eval_f1": 0.75}
    best = cloud.daemon.get("/v1/jobs", sort="-metrics.eval_accuracy")["items"]
    assert {job["name"] for job in best} == {"here", "there"}
    cloud.nothing_is_left()


def test_definitions_of_the_job(cloud):
    definitions = [{"name": "score", "regex": r"score=([0-9.]+)"}]
    cloud.fake.scenario(kind="training", lines=["score=0.5 loss=1", "'loss': 3", "score=0.75"])
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(metric_definitions=definitions)))
    assert job["state"] == "succeeded", words(job)
    assert series(cloud, job) == [(1, None, {"score": 0.5}), (2, None, {"score": 0.75})]


def test_metrics_while_it_runs_and_when_it_fails(cloud):
    """The time of a point is that of its line."""
    cloud.fake.scenario(kind="training", lines=LINES, hold="Training", fail="AlgorithmError",
                        times=1)
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    wait_for("the first points", lambda: len(points(cloud, job)) == 3)
    assert series(cloud, job) == SERIES[:3]
    said = cloud.daemon.events(job=job["id"], kind="metrics")
    assert sum(e["points"] for e in said) == 3, said
    logs = cloud.fake.client("logs")
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    [stream] = logs.describe_log_streams(**group)["logStreams"]
    times = {e["timestamp"] for e in logs.get_log_events(
        **group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]}
    assert {round(seconds(p["at"]) * 1000) for p in points(cloud, job)} <= times
    cloud.fake.scenario(kind="training", hold=[])  # the rest of the first holds on: it fails
    job = cloud.ended(run)
    assert job["state"] == "failed", words(job)
    assert series(cloud, job)[:3] == SERIES[:3]


def test_points_come_once_over_kills(cloud):
    lines = [f"{{'loss': {i}}}" for i in range(1, 301)]
    cloud.fake.scenario(kind="training", lines=lines, beats={"Training": 12}, log_lag=1)
    cloud.start()
    job = cloud.ended_over_kills(cloud.run(cloud.train()))
    assert series(cloud, job) == [(i, None, {"loss": i}) for i in range(1, 301)]


def test_our_own_script_says_steps_and_progress(cloud):
    lines = ["{'loss': 0.5, 'epoch': 1.0}",
             event("metric", step=10, epoch=1.0, values={"loss": 0.5, "learning_rate": 1e-5}),
             event("progress", **PROGRESS), "trainyard-event {not JSON",
             event("warning", code="warmup_too_long", message="warmup_steps 500 is too long"),
             event("metric", step=20, epoch=2.0, values={"eval_loss": 0.25}), "last"]
    cloud.fake.scenario(kind="training", lines=lines, hold="Training", log_lag=0)
    cloud.start()
    run = cloud.run(native(cloud))
    job = wait_for("progress", lambda: (lambda j: (j.get("progress") or {}).get("done") == 3 and j)(
        cloud.daemon.job(run, "train")))
    assert job["state"] == "running" and job["progress"] == PROGRESS
    cloud.lift()
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert series(cloud, job) == [(10, 1.0, {"loss": 0.5, "learning_rate": 1e-5}),
                                  (20, 2.0, {"eval_loss": 0.25})]
    assert job["warnings"] == [{"code": "warmup_too_long", "count": 1,
                                "detail": "warmup_steps 500 is too long"}]
    log = cloud.daemon.log(job["id"])
    assert "trainyard-event" not in log and "{'loss': 0.5, 'epoch': 1.0}" in log


def test_metrics_behind_the_greatest_size_of_the_log(cloud):
    lines = [f"{{'loss': {i}}} " + "x" * 900 for i in range(1, 301)]
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start(base=f"log_max_bytes = 64KiB\n{CONFIG}")
    job = cloud.ended(cloud.run(cloud.train()))
    assert "the log has reached local.log_max_bytes" in cloud.daemon.log(job["id"])
    assert [p["values"]["loss"] for p in points(cloud, job)] == list(range(1, 301))


def test_instances_that_all_say_the_same_count_once(cloud):
    cloud.fake.scenario(kind="training", lines=LINES)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"instance_count": 3})))
    assert job["state"] == "succeeded", words(job)
    assert series(cloud, job) == SERIES


def test_a_log_that_may_not_be_read_leaves_the_final_metrics(cloud):
    cloud.fake.rule("DescribeLogStreams", "access_denied", times=0)
    cloud.fake.scenario(kind="training", lines=LINES)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    [point] = points(cloud, job)
    assert (point["step"], point["epoch"]) == (0, None)
    assert point["values"]["eval_accuracy"] == job["outputs"]["metrics"]["eval_accuracy"] == 0.8


def test_a_final_metric_that_is_no_number_ends_the_job(cloud):
    """A description with NaN, as Python writes it, was "not valid JSON": the job ran for ever, its
    reservation stayed, and a cancel did not end it."""
    nan, inf = float("nan"), float("inf")
    cloud.fake.rule("DescribeLogStreams", "access_denied", times=0)
    cloud.fake.scenario(kind="training", metrics={"loss": nan, "eval_loss": -inf, "f1": 0.5})
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    wanted = {"loss": "NaN", "eval_loss": "-Infinity", "f1": 0.5}
    assert job["outputs"]["metrics"] == wanted
    assert points(cloud, job)[0]["values"] == wanted
    account = cloud.daemon.get(f"/v1/sagemaker/training-jobs/{job['sagemaker']['training_job']}")
    assert account["metrics"] == wanted


@pytest.mark.parametrize("times, a, regex, said", [
    (1, 800, "(a+a+a+)[bc]", "the regex of metric 'm0' takes too long on a line of the log"),
    (9000, 100, "(a)(?=.{0,60}.{0,60}Q)", "lines of the log were not searched"),
], ids=["a line", "a page"])
def test_expressions_that_take_too_long_hold_nobody_up(cloud, times, a, regex, said):
    evil = [{"name": f"m{i}", "regex": regex} for i in range(2)]
    evil.append({"name": "loss", "regex": "loss=([0-9]+)"})
    cloud.fake.scenario(kind="training", metrics={},
                        lines=["loss=7", *["a" * a + "!"] * times, "loss=8"])
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(metric_definitions=evil)))
    assert job["state"] == "succeeded", words(job)
    assert series(cloud, job)[0] == (1, None, {"loss": 7})
    assert said in json.dumps(cloud.daemon.events(job=job["id"], kind="warning"))


@pytest.mark.parametrize("stream", ["other-job/algo-1-1", "algo-1-1"])
def test_lines_of_other_jobs_are_not_read(cloud, stream):
    logs = cloud.fake.client("logs")
    logs.create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    logs.create_log_stream(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream)
    cloud.fake.scenario(kind="training", lines=LINES[:1])
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert series(cloud, job) == SERIES[:1]


def searches(daemon):
    """True if the thread of the daemon that searches logs runs."""
    for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # others come and go
            if (task / "comm").read_text(encoding="utf-8") == "log-search\n":
                return True
    return False


def test_no_expression_of_a_user_runs_on_the_manager_thread(cloud):
    """Before: no submit was answered while a page was searched, 2 s a start of the long line in the
    worst case. Each of the slow ones takes all the time of a line; a kill in the middle starts
    anew."""
    slow = [{"name": f"slow{i}", "regex": r"(a)(?=.{0,300}.{0,300}Q)"} for i in range(12)]
    lines = ["score=1", "a" * 65536, "(a+)+$ is none", "score=2", "b" * 100, "score=3"]
    cloud.fake.scenario(kind="training", metrics={}, lines=lines)
    cloud.start()
    run = cloud.run(cloud.train(
        metric_definitions=slow + [{"name": "score", "regex": r"score=([0-9.]+)"}]))
    job = cloud.daemon.job(run, "train")
    wait_for("the search", lambda: searches(cloud.daemon))
    other = cloud.run(cloud.train("here", target="local"))
    assert cloud.daemon.get(f"/v1/runs/{other}")["id"] == other
    assert points(cloud, job) == [] and "score" not in cloud.daemon.log(job["id"])  # still searched
    cloud.daemon.kill()
    cloud.daemon.start()
    job = cloud.ended(run)
    assert series(cloud, job) == [(i, None, {"score": i}) for i in (1, 2, 3)]
    assert [line for line in cloud.daemon.log(job["id"]).splitlines() if line in lines] == lines
    [warning] = job["warnings"]
    assert warning["code"] == "slow_metric" and warning["count"] == len(slow)


def test_a_stop_does_not_wait_for_the_search(cloud):
    slow = [{"name": f"slow{i}", "regex": r"(a)(?=.{0,300}.{0,300}Q)"} for i in range(40)]
    cloud.fake.scenario(kind="training", metrics={}, lines=["a" * 65536] * 3,
                        hold="Training")
    cloud.start()
    run = cloud.run(cloud.train(metric_definitions=slow))
    job = cloud.daemon.job(run, "train")
    wait_for("the search", lambda: searches(cloud.daemon))
    cloud.daemon.stop()
    cloud.daemon.start()
    assert "warnings" not in cloud.daemon.get(f"/v1/jobs/{job['id']}")  # nothing half done
    cloud.daemon.ask("POST", f"/v1/runs/{run}/cancel")
    assert cloud.ended(run)["state"] == "cancelled"
    cloud.nothing_is_left()
