# SPDX-License-Identifier: MIT
"""Keys that are missing, expire or are replaced: only this target waits, it is said, and it goes on
by itself; and they are written nowhere."""
import http.server
import json
import subprocess
import threading

import pytest
from sagemaker_rig import words
from fake_aws import KEY, SECRET
from trainyardd import wait_for

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def local(cloud):
    return {"name": "here", "kind": "script", "entry_point": "train.py",
            "source_dir": str(cloud.dir / "source")}


def test_no_credentials(cloud):
    cloud.start(environment=NO_KEYS)
    run = cloud.run(cloud.train(), local(cloud))
    cloud.waits(run, "waiting_for_credentials")
    assert cloud.ended(run, "here")["state"] == "succeeded"
    job = wait_for("the job to say it", lambda: (lambda j: j["reason"] and j)(
        cloud.daemon.job(run, "train")))
    assert (job["state"], job["reason"]["code"]) == ("queued", "waiting_for_credentials")
    assert "AWS_ACCESS_KEY_ID" in job["reason"]["message"]


class Nobody(http.server.BaseHTTPRequestHandler):
    """A metadata service that knows no role."""

    def do_GET(self):
        self.server.asked += 1
        self.send_error(404)

    do_PUT = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def nobody():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nobody) as server:
        server.asked = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_machine_without_aws_settings_says_so_once(cloud, nobody):
    """Before: a warning at each of 2,880 tries a day; and aws.wait_ms was not honoured, so that
    the tries awaited here took minutes."""
    cloud.start("wait_ms = 50", environment={
        **NO_KEYS, "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{nobody.server_address[1]}"})
    wait_for("ten tries", lambda: nobody.asked >= 20)  # each asks for a token, then a role
    log = (cloud.daemon.dir / "daemon.log").read_text()
    assert log.count("sagemaker_not_configured") == 1
    assert "aws_keys_missing" not in log and log.count("there are no AWS credentials") == 1


def test_expired_token_holds_back_only_this_target(cloud):
    """Before the start: the job waits and says why, others go on; so does it, by itself."""
    cloud.fake.rule("*", "expired_token", times=0)
    cloud.start()
    run = cloud.run(cloud.train(), local(cloud))
    cloud.waits(run, "waiting_for_credentials")
    wait_for("the reason", lambda: "expired" in cloud.explain(
        cloud.daemon.job(run, "train"))["message"])
    assert cloud.ended(run, "here")["state"] == "succeeded"
    cloud.lift("rules")
    job = cloud.ended(run)
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    cloud.nothing_is_left()


@pytest.mark.parametrize("operation, times", [("CreateTrainingJob", 3), ("PutObject", 1),
                                              ("GetLogEvents", 3)])
def test_expired_token_in_the_middle(cloud, operation, times):
    cloud.fake.rule(operation, "expired_token", times=times)
    cloud.start()
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    assert len(cloud.fake.resources("training_job")) == 1


def test_expired_token_while_it_trains(cloud):
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start()
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    cloud.fake.rule("*", "expired_token", times=0)
    wait_for("the reason", lambda: cloud.explain(job)["code"] == "waiting_for_credentials")
    assert cloud.daemon.job(run, "train")["state"] == "running"
    here = cloud.run(local(cloud))
    assert cloud.ended(here, "here")["state"] == "succeeded"
    cloud.lift()
    cloud.lift("rules")
    job = cloud.ended(run)
    assert job["state"] == "succeeded" and job["sagemaker"]["reason"] is None, words(job)


def keys_of(name, secret):
    return f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {secret}\n"


def test_keys_in_a_file_are_replaced(cloud, tmp_path):
    """As a login that writes ~/.aws/credentials does: the daemon is not told and goes on."""
    file = tmp_path / "credentials"
    cloud.fake.admin("POST", "keys", {"key": "AKIAFAKEOLD000000001", "secret": "oldsecret",
                                      "user": "old"})
    file.write_text(keys_of("AKIAFAKEOLD000000001", "oldsecret"))
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start(environment={**NO_KEYS, "AWS_SHARED_CREDENTIALS_FILE": str(file)})
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    cloud.fake.admin("DELETE", "keys/AKIAFAKEOLD000000001")
    wait_for("the reason", lambda: cloud.explain(job)["code"] == "waiting_for_credentials")
    waits = cloud.run(cloud.train("second"))
    cloud.waits(waits, "waiting_for_credentials", "second")
    file.write_text(keys_of(KEY, SECRET))
    cloud.lift()
    for at, name in ((run, "train"), (waits, "second")):
        job = cloud.ended(at, name)
        assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    cloud.nothing_is_left()


def test_other_keys_after_a_restart(cloud):
    """The training job goes on meanwhile, and is found again."""
    cloud.fake.admin("POST", "keys", {"key": "AKIAFAKEOLD000000001", "secret": "oldsecret",
                                      "user": "old"})
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start(environment={"AWS_ACCESS_KEY_ID": "AKIAFAKEOLD000000001",
                             "AWS_SECRET_ACCESS_KEY": "oldsecret"})
    run = cloud.run(cloud.train())
    job = cloud.training(run, "Training")
    cloud.fake.admin("DELETE", "keys/AKIAFAKEOLD000000001")
    wait_for("the reason", lambda: cloud.explain(job)["code"] == "waiting_for_credentials")
    assert cloud.daemon.stop() == 0
    cloud.lift()
    cloud.start()
    job = cloud.ended(run)
    assert (job["state"], job["attempt"]) == ("succeeded", 1), words(job)
    assert len(cloud.fake.calls("CreateTrainingJob")) == 1


def test_keys_are_written_nowhere(cloud):
    """Neither the log nor the database nor what is handed to processes has the secret."""
    cloud.start("[log]\nlevel = debug\n")
    job = cloud.ended(cloud.run(cloud.train()))
    assert job["state"] == "succeeded", words(job)
    cloud.daemon.stop()
    found = subprocess.run(["grep", "-rlaF", SECRET, str(cloud.daemon.dir)],
                           stdout=subprocess.PIPE, text=True, check=False)
    assert found.stdout == "" and found.returncode == 1
    assert SECRET not in json.dumps(cloud.fake.calls())
