# SPDX-License-Identifier: MIT
"""Keys that stay fresh: looked for again ahead of their end, and when a service refused them."""

import json
import subprocess
import time

import pytest

from chain_fake import jwt, keys

WAIT = 60  # seconds; the keyring's own pauses are much shorter
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
        end = time.monotonic() + WAIT
        while "looked for" in (answer := self.ask("get")).get("error", "") or not good(answer):
            assert time.monotonic() < end, answer
            time.sleep(0.05)
        return answer

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
    time.sleep(6)  # longer than the keyring's longest sleep: 16 minutes ahead is not yet time
    assert k.ask("get")["id"] == "ASIA-first"
    k.ask("clock 90")
    assert k.until(lambda a: a["id"] == "ASIA-second")["expires"] > time.time() + 14000


def test_old_keys_do_until_they_end(aws, keyring):
    """A refresh that fails keeps what is there; at its end it is said that there are none."""
    aws.fake.answers[ROLE_PATH] = role_keys("first", 7200)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    end = time.monotonic() + WAIT
    while not (changes := k.ask("changes")["changes"]):  # said after the keys are there
        assert time.monotonic() < end
    aws.fake.answers[ROLE_PATH] = (500, "")
    aws.fake.calls.clear()
    k.ask(f"clock {7200 - 10 * 60}")
    end = time.monotonic() + WAIT
    while not any(path == ROLE_PATH for _, path, _, _ in aws.fake.calls):
        assert time.monotonic() < end
        time.sleep(0.05)
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
    aws.fake.answers["/latest/api/token"] = lambda handler: time.sleep(3) or (200, "late")
    k = keyring(**ON, AWS_METADATA_SERVICE_TIMEOUT="2")
    while not aws.fake.calls:
        time.sleep(0.01)
    assert "looked for" in k.ask("get")["error"]
    k.end()


def test_short_lived_keys_are_not_asked_for_all_the_time(aws, keyring):
    """A life shorter than twice the advance: the next look is at half of it."""
    aws.fake.answers[ROLE_PATH] = role_keys("first", 1900)
    k = keyring(**ON)
    assert k.ask("wait")["id"] == "ASIA-first"
    aws.fake.answers[ROLE_PATH] = role_keys("second", 7200)
    k.ask("clock 900")
    time.sleep(6)
    assert k.ask("get")["id"] == "ASIA-first"
    k.ask("clock 120")
    assert k.until(lambda a: a["id"] == "ASIA-second")
