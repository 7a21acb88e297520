# SPDX-License-Identifier: MIT
"""The log of a training job: all of CloudWatch's lines in the job's log, each once."""
import sqlite3
import threading

import pytest
from sagemaker_rig import CONFIG, words
from trainyardd import wait_for


def lines_of(cloud, job, start="line "):
    return [line for line in cloud.daemon.log(job["id"]).splitlines() if line.startswith(start)]


def test_log_is_whole(cloud):
    lines = [f"line {i}" for i in range(200)]
    cloud.fake.scenario(kind="training", lines=lines, log_lag=2, log_tail=2)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert lines_of(cloud, job) == lines
    log = cloud.daemon.log(job["id"]).splitlines()
    assert "Reporting training SUCCESS" in log[-1]  # written after the end


def test_log_is_whole_over_kills(cloud):
    lines = [f"line {i}" for i in range(300)]
    cloud.fake.scenario(kind="training", lines=lines, beats={"Training": 12}, log_lag=1)
    cloud.start()
    job = cloud.ended_over_kills(cloud.run(cloud.train()))
    assert lines_of(cloud, job) == lines


def test_two_instances(cloud):
    lines = [f"line {i}" for i in range(20)]
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"instance_count": 2})))
    assert job["state"] == "succeeded", words(job)
    for n in (1, 2):
        assert lines_of(cloud, job, f"[algo-{n}] line ") == [f"[algo-{n}] {l}" for l in lines]
    assert cloud.describe(job)["ResourceConfig"]["InstanceCount"] == 2


def test_more_than_a_page(cloud):
    """A page has at most 1 MiB; the fake also gives empty pages with a new token."""
    lines = [f"line {i} " + "x" * 9000 for i in range(300)]
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert lines_of(cloud, job) == lines


def test_log_has_a_greatest_size(cloud):
    lines = [f"line {i} " + "x" * 900 for i in range(300)]
    cloud.fake.scenario(kind="training", lines=lines, beats={"Training": 4})
    cloud.start(base=f"log_max_bytes = 64KiB\n{CONFIG}")
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    log = cloud.daemon.log(job["id"])
    got = lines_of(cloud, job)
    assert got[:-1] == lines[:len(got) - 1] and len(got) < len(lines)
    assert lines[len(got) - 1].startswith(got[-1])
    assert log.count("the log has reached local.log_max_bytes; the rest is in CloudWatch") == 1
    assert len(log) < 66 << 10


def test_log_that_may_not_be_read_is_a_warning(cloud):
    cloud.fake.rule("DescribeLogStreams", "access_denied", times=0)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    said = [e for e in cloud.daemon.events(job=job["id"], kind="warning")]
    assert len(said) == 1 and "DescribeLogStreams" in str(said[0]), said
    assert "is not authorized to perform" in str(said[0])
    cloud.nothing_is_left()


def follow(cloud, job, into, **params):
    with cloud.daemon.ask("GET", f"/v1/jobs/{job}/logs", stream=True,
                          params={"follow": 1, **params}) as answer:
        into.extend(line.decode() for line in answer.iter_lines())


def test_following_ends_after_the_last_line(cloud):
    """Also of one attempt, whose process here has ended long before."""
    lines = [f"line {i}" for i in range(60)]
    cloud.fake.scenario(kind="training", lines=lines, hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")["id"]
    whole, one = [], []
    readers = [threading.Thread(target=follow, args=(cloud, job, whole)),
               threading.Thread(target=follow, args=(cloud, job, one), kwargs={"attempt": 1})]
    for reader in readers:
        reader.start()
    wait_for("the first lines", lambda: "line 0" in whole and "line 0" in one)
    assert all(reader.is_alive() for reader in readers)
    cloud.lift()
    for reader in readers:
        reader.join(60)
        assert not reader.is_alive()
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    for got in (whole, one):
        assert [line for line in got if line.startswith("line ")] == lines
        assert "Reporting training SUCCESS" in got[-1]


def test_more_instances_than_a_page_of_streams(cloud):
    """A page of DescribeLogStreams has 50."""
    cloud.fake.scenario(kind="training", lines=["line 0", "line 1"])
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train(sagemaker={"instance_count": 51})))
    assert job["state"] == "succeeded", words(job)
    for n in range(1, 52):
        assert lines_of(cloud, job, f"[algo-{n}] line ") == [f"[algo-{n}] line 0",
                                                             f"[algo-{n}] line 1"]


def test_following_goes_on_with_the_next_attempt(cloud):
    cloud.fake.scenario(kind="training", lines=["line 0"], fail="AlgorithmError", times=1)
    cloud.start()
    run = cloud.run(cloud.train(retry={"max": 1, "on": ["container_failed"]}))
    got = []
    follow(cloud, cloud.daemon.job(run, "train")["id"], got)
    job = cloud.ended(run)
    assert (job["state"], job["attempt"]) == ("succeeded", 2), words(job)
    at = got.index("[trainyard: the next attempt begins here]")
    assert any("Reporting training FAILURE" in line for line in got[:at])
    assert "Reporting training SUCCESS" in got[-1]


@pytest.mark.parametrize("pad", [0, 9000], ids=["one page", "pages"])
def test_a_token_that_has_expired(cloud, pad):
    """Forward tokens live for a day: without one the stream is read from its head again, and
    nothing of it comes twice."""
    lines = [f"line {i} " + "x" * pad for i in range(300)]
    cloud.fake.scenario(kind="training", lines=lines, beats={"Training": 12}, log_lag=1)
    cloud.fake.rule("GetLogEvents", "error", after=4, times=1, code="InvalidParameterException",
                    message="The specified nextToken is expired.")
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    got = [line for line in cloud.daemon.log(job["id"]).splitlines() if line.startswith("line ")]
    assert got == lines
    assert [c for c in cloud.fake.calls("GetLogEvents") if c["status"] == 400]


@pytest.mark.parametrize("size", [512, 4096])
def test_a_long_token_is_kept_whole(cloud, size):
    """512: it was cut to 511 and refused, so that only the first page was ever read."""
    lines = [f"line {i} " + "x" * 9000 for i in range(300)]
    cloud.fake.admin("POST", "settings", {"log_token_bytes": size})
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert lines_of(cloud, job) == lines


def test_half_a_token_is_never_used(cloud):
    """The first page is read, and a warning of the job says that there is more."""
    lines = [f"line {i} " + "x" * 9000 for i in range(300)]
    cloud.fake.admin("POST", "settings", {"log_token_bytes": 4097})
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    got = lines_of(cloud, job)
    assert 0 < len(got) < 300 and got == lines[:len(got)]
    assert {call["status"] for call in cloud.fake.calls("GetLogEvents")} == {200}
    assert [w["code"] for w in job["warnings"]] == ["log_incomplete"]


@pytest.mark.parametrize("do", ["throttle", "error_500"])
@pytest.mark.parametrize("operation", ["DescribeLogStreams", "GetLogEvents"])
def test_a_log_that_is_given_up_is_a_warning(cloud, operation, do):
    """Before: after ten minutes the job succeeded with an empty log and no word."""
    cloud.fake.scenario(kind="training", lines=["line 0"])
    cloud.fake.rule(operation, do, times=0)
    cloud.start("log_give_up_ms = 300\n")
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    [warning] = job["warnings"]
    assert warning["code"] == "log_incomplete" and "CloudWatch" in warning["detail"]
    cloud.nothing_is_left()


def test_time_without_a_daemon_is_no_attempt_to_read(cloud):
    """Before: a daemon that came back ten minutes after it had seen the end gave the log up."""
    lines = [f"line {i}" for i in range(9)]
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.fake.rule("GetLogEvents", "error_500", times=0)
    cloud.start()
    run = cloud.run(cloud.train())
    cloud.training(run, "Completed")
    cloud.daemon.stop()
    cloud.lift("rules")
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:  # as an older daemon stored it
        changed = db.execute("UPDATE resources SET answer = json_set(answer, '$.over_us', 1) "
                             "WHERE kind = 'training_job'")
        assert changed.rowcount == 1
    cloud.start()
    job = cloud.ended(run)
    assert lines_of(cloud, job) == lines and "warnings" not in job
