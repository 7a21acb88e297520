# SPDX-License-Identifier: MIT
"""Keys that stay fresh: looked for again ahead of their end, and when a service refused them."""

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest

from chain_fake import jwt, keys
from wait import wait_for

WAIT = 60  # seconds
ON = {"AWS_EC2_METADATA_DISABLED": None}
ROLE_PATH = "/latest/meta-data/iam/security-credentials/instance-role"


class Keyring:
    def __init__(self, aws, **env):
        self.process = subprocess.Popen([aws.probe, "keyring"], env=aws.env(**env), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def until(self, good):
        def look():
            answer = self.ask("get")
            return "looking for" not in answer.get("error", "") and good(answer) and answer

        return wait_for("keys that are good", look)

    def looks(self):
        """How often the keyring's thread has slept; it looks at the clock after each sleep."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            status = (task / "status").read_text()
            if status.startswith("Name:\taws-keys\n"):
                return int(status.rpartition("\nvoluntary_ctxt_switches:")[2].split()[0])
        raise AssertionError("the keyring has no thread")

    def looks_again(self):
        """Until it has looked, with the clock as it is now."""
        before = self.looks()
        wait_for("two looks", lambda: self.looks() >= before + 2)

    def end(self):
        self.process.stdin.close()
        said = self.process.stderr.read()
        assert self.process.wait(WAIT) == 0, said
        return said


@pytest.fixture
def keyring(aws):
    made = []

    def make(**env):
        made.append(Keyring(aws, **env))
        return made[-1]

    yield make
    for one in made:
        if not one.process.stdin.closed:
            said = one.end()
            assert "verySecretValue" not in said, said


def role_keys(name, expires):
    def answer(handler):
        return 200, {"Code": "Success"} | keys(name, expires=expires)

    return answer


def test_looks_again_ahead_of_the_end(aws, keyring):
    aws.fake.answers[ROLE_PATH] = role_keys("first", 7200)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    aws.fake.answers[ROLE_PATH] = role_keys("second", 14400)
    k.ask(f"clock {7200 - 16 * 60}")
    k.looks_again()  # 16 minutes ahead is not yet time
    assert k.ask("get")["id"] == "ASIA-first"
    k.ask("clock 90")
    assert k.until(lambda a: a["id"] == "ASIA-second")["expires"] > time.time() + 14000


def test_old_keys_do_until_they_end(aws, keyring):
    """A refresh that fails keeps what is there; at its end it is said that there are none."""
    aws.fake.answers[ROLE_PATH] = role_keys("first", 7200)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    changes = wait_for("word of the keys", lambda: k.ask("changes")["changes"])
    aws.fake.answers[ROLE_PATH] = (500, "")
    aws.fake.calls.clear()
    k.ask(f"clock {7200 - 10 * 60}")
    wait_for("its question", lambda: any(path == ROLE_PATH for _, path, _, _ in aws.fake.calls))
    assert k.ask("get")["id"] == "ASIA-first"
    k.ask("clock 650")
    assert "there are no AWS credentials" in k.until(
        lambda a: "there are no" in a.get("error", ""))["error"]
    assert k.ask("changes")["changes"] == changes + 1
    aws.fake.answers[ROLE_PATH] = role_keys("back", 90000)
    k.ask("clock 40")
    assert k.until(lambda a: a.get("id"))["id"] == "ASIA-back"
    assert k.ask("changes")["changes"] == changes + 2
    assert "event=aws_keys_missing" in k.end()


def test_expired_keys_are_not_handed_out(aws, keyring):
    """Also before the thread has noticed: after a sleep of the machine it looks in seconds."""
    aws.fake.answers[ROLE_PATH] = role_keys("first", 3600)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    aws.fake.answers[ROLE_PATH] = (500, "")
    k.ask("clock 3595")  # five seconds before their end: a call would come too late
    said = k.ask("get")
    assert "id" not in said and ("expired" in said["error"] or "there are no" in said["error"])


def test_stale_keys_of_an_instance_go_on(aws, keyring):
    """The service repeats keys that have ended: they are used, and it is asked again in minutes."""
    aws.fake.answers[ROLE_PATH] = role_keys("old", -60)
    k = keyring(**ON)
    answer = k.ask("wait")
    assert answer["id"] == "ASIA-old" and answer["expires"] > time.time() + 900
    aws.fake.answers[ROLE_PATH] = role_keys("new", 7200)
    k.ask("clock 760")
    assert k.until(lambda a: a.get("id") == "ASIA-new")


def test_refused_keys_are_looked_for_again(aws, keyring, tmp_path):
    token = tmp_path / "token"
    token.write_text(jwt("one"))
    k = keyring(AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
                AWS_ROLE_ARN="arn:aws:iam::123456789012:role/Pod")
    assert k.ask("wait")["token"].endswith(jwt("one"))
    token.write_text(jwt("two"))  # the file is read again each time
    k.ask("refused")
    first = k.until(lambda a: a.get("token", "").endswith(jwt("two")))
    asked = len(aws.fake.calls)
    for _ in range(20):  # believed once in five seconds
        k.ask("refused")
    assert k.ask("get") == first and len(aws.fake.calls) <= asked + 1


def test_refused_and_none_others(aws, keyring, tmp_path):
    token = tmp_path / "token"
    token.write_text(jwt("one"))
    k = keyring(AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
                AWS_ROLE_ARN="arn:aws:iam::123456789012:role/Pod")
    assert k.ask("wait")["id"] == "ASIA-Pod"
    aws.fake.sts_error = (403, "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>Token "
                          "expired</Message></Error></ErrorResponse>")
    k.ask("refused")
    assert "STS refused (ExpiredToken)" in k.until(lambda a: "error" in a)["error"]


def test_nothing_there_then_a_role(aws, keyring):
    aws.fake.role = None
    k = keyring(**ON)
    assert "there are no AWS credentials" in k.ask("wait")["error"]
    aws.fake.role = "instance-role"
    k.ask("clock 31")
    assert k.until(lambda a: a.get("id"))["id"] == "ASIA-instance-role"


def test_ends_while_it_asks(aws, keyring):
    """The net thread ends first here; a keyring that waits for an answer must not hang."""
    over = threading.Event()
    aws.fake.answers["/latest/api/token"] = lambda handler: (over.wait(WAIT) and 200, "late")
    k = keyring(**ON, AWS_METADATA_SERVICE_TIMEOUT="2")
    wait_for("its question", lambda: aws.fake.calls)
    assert "looking for" in k.ask("get")["error"]
    k.end()
    over.set()


def test_short_lived_keys_are_not_asked_for_all_the_time(aws, keyring):
    """A life shorter than twice the advance: the next look is at half of it."""
    aws.fake.answers[ROLE_PATH] = role_keys("first", 1900)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    aws.fake.answers[ROLE_PATH] = role_keys("second", 7200)
    k.ask("clock 900")
    k.looks_again()
    assert k.ask("get")["id"] == "ASIA-first"
    k.ask("clock 120")
    assert k.until(lambda a: a["id"] == "ASIA-second")
