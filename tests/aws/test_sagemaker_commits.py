# SPDX-License-Identifier: MIT
"""The database refuses what an answer means, for a while: nothing is made twice, paid twice or
forgotten, and the service is not asked in a loop."""
import sqlite3

import pytest
from sagemaker_rig import words
from trainyardd import wait_for

REFUSES = {
    "that it is sent": "UPDATE ON resources WHEN NEW.sent_us != OLD.sent_us",
    "that it is there": "UPDATE ON resources WHEN NEW.state = 'present' AND OLD.state != 'present'",
    "what it is doing": "UPDATE ON resources WHEN NEW.asked_us != OLD.asked_us",
    "the log": "INSERT ON resource_logs",
    "the end": "UPDATE ON resources WHEN NEW.state = 'ended'",
    "the settlement": "INSERT ON money WHEN NEW.what = 'settle'",
    "the end of the job": "UPDATE ON jobs WHEN NEW.state = 'succeeded'",
}
FAILED_TURNS = 3


def change(cloud, text):
    with sqlite3.connect(cloud.daemon.data / "trainyard.db", timeout=30) as db:
        db.execute(text)


def failed_turns(cloud):
    return (cloud.daemon.dir / "daemon.log").read_text(errors="replace").count("event=txn_failed")


@pytest.mark.parametrize("what", REFUSES)
def test_a_training_job_while_nothing_is_written(cloud, what):
    lines = [f"line {i}" for i in range(50)]
    cloud.fake.scenario(kind="training", lines=lines)
    cloud.start()
    change(cloud, f"CREATE TRIGGER full BEFORE {REFUSES[what]} "
                  "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    run = cloud.run(cloud.train())
    wait_for("transactions that fail", lambda: failed_turns(cloud) >= FAILED_TURNS)
    change(cloud, "DROP TRIGGER full")
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert (job["attempt"], len(cloud.fake.resources("training_job"))) == (1, 1)
    log = cloud.daemon.log(job["id"]).splitlines()
    assert [line for line in log if line.startswith("line ")] == lines
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:
        assert [row[0] for row in db.execute("SELECT what FROM money ORDER BY n")] == [
            "reserve", "settle"]
    cloud.nothing_is_left()


def test_no_intent_without_its_money(cloud):
    cloud.start()
    change(cloud, "CREATE TRIGGER full BEFORE INSERT ON money "
                  "BEGIN SELECT RAISE(ABORT, 'the ledger is full'); END")
    run = cloud.run(cloud.train())
    job = cloud.ended(run)
    assert job["state"] == "failed", words(job)
    change(cloud, "DROP TRIGGER full")
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:
        wait_for("its row to be over", lambda: [("refused", 0)] == db.execute(
            "SELECT state, wanted FROM resources").fetchall())
    assert not cloud.fake.calls("CreateTrainingJob")


def test_the_service_is_not_asked_in_a_loop(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("it to train", cloud.live)
    change(cloud, "CREATE TRIGGER full BEFORE UPDATE ON resources "
                  "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    wait_for("transactions that fail", lambda: failed_turns(cloud) > 0)
    before = len(cloud.fake.calls("DescribeTrainingJob"))
    asked = wait_for("questions", lambda: (lambda c: len(c) > before + 3 and c)(
        cloud.fake.calls("DescribeTrainingJob")))[before:]
    times = [call["at"] for call in asked]
    assert times[-1] - times[0] > 0.3, times  # in a loop: within a tenth of that
    change(cloud, "DROP TRIGGER full")
    cloud.fake.admin("DELETE", "scenarios")
    assert cloud.ended(run)["state"] == "succeeded"


def test_a_prediction_while_nothing_is_written(cloud):
    cloud.start()
    run = cloud.run(cloud.deploy(cloud.put_model()))
    assert cloud.ended(run, "deploy")["state"] == "succeeded"
    change(cloud, "CREATE TRIGGER full BEFORE UPDATE ON jobs WHEN NEW.state = 'succeeded' "
                  "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    run = cloud.run({"name": "ask", "kind": "predict", "endpoint": "imdb", "inputs": "I love it"})
    wait_for("transactions that fail", lambda: failed_turns(cloud) > 0)
    change(cloud, "DROP TRIGGER full")
    assert cloud.ended(run, "ask")["state"] == "succeeded"
