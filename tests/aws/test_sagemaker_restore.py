# SPDX-License-Identifier: MIT
"""A restored database, and what was made on SageMaker after its backup: nothing is made twice, and
nothing that costs is made before the user has confirmed the restore."""
import shutil
import sqlite3

from sagemaker_rig import words
from trainyardd import wait_for

def resources(cloud):
    with sqlite3.connect(cloud.daemon.data / "trainyard.db") as db:
        return db.execute("SELECT state, sent_us = 0, tries > 0 FROM resources").fetchall()


def planned(cloud):
    """(run, backup): a training job that the service does not take yet."""
    cloud.fake.rule("CreateTrainingJob", "throttle", times=0)
    cloud.start()
    run = cloud.run(cloud.train())
    wait_for("the refusal in its row", lambda: resources(cloud) == [("planned", 1, 1)])
    return run, cloud.daemon.ask("POST", "/v1/backups").json()["path"]


def put_back(cloud, backup):
    """The database is the backup again, by hand; something was committed after it."""
    cloud.run({**cloud.train("later"), "held": True})
    cloud.daemon.kill()
    for name in ("trainyard.db-wal", "trainyard.db-shm"):
        (cloud.daemon.data / name).unlink(missing_ok=True)
    shutil.copy(backup, cloud.daemon.data / "trainyard.db")
    cloud.daemon.start()
    assert cloud.daemon.get("/v1/restore")["pending"]


def is_checked(cloud):
    wait_for("all resources to be checked",
             lambda: cloud.daemon.get("/v1/restore")["unchecked"] == 0)


def creates(cloud):
    return [call["status"] for call in cloud.fake.calls("CreateTrainingJob")]


def test_what_was_made_after_the_backup_is_adopted(cloud):
    run, backup = planned(cloud)
    cloud.lift("rules")
    assert cloud.ended(run)["state"] == "succeeded"
    before = creates(cloud)
    put_back(cloud, backup)
    job = cloud.ended(run)  # without a confirmation: it costs nothing more
    assert job["state"] == "succeeded", words(job)
    assert creates(cloud) == before and len(cloud.fake.resources("training_job")) == 1
    cloud.nothing_is_left()


def test_what_was_not_made_waits_for_the_confirmation(cloud):
    run, backup = planned(cloud)
    put_back(cloud, backup)
    cloud.lift("rules")
    before = creates(cloud)
    is_checked(cloud)
    described = len(cloud.fake.calls("DescribeTrainingJob"))
    wait_for("another look", lambda: len(cloud.fake.calls("DescribeTrainingJob")) > described)
    assert creates(cloud) == before
    assert cloud.daemon.ask("POST", "/v1/restore/confirm").status_code == 200
    job = cloud.ended(run)
    assert job["state"] == "succeeded", words(job)
    assert creates(cloud) == [*before, 200]
    cloud.nothing_is_left()


def test_while_aws_does_not_answer_only_force_confirms(cloud):
    _, backup = planned(cloud)
    cloud.fake.rule("DescribeTrainingJob", "error_500", times=0)
    put_back(cloud, backup)
    assert cloud.daemon.get("/v1/restore")["unchecked"] == 1
    refused = cloud.daemon.ask("POST", "/v1/restore/confirm")
    assert refused.status_code == 409, refused.text
    assert "trainyard-train-" in refused.json()["detail"] and "force" in refused.json()["detail"]
    forced = cloud.daemon.ask("POST", "/v1/restore/confirm", {"force": True})
    assert forced.status_code == 200 and not forced.json()["pending"]
