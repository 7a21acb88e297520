# SPDX-License-Identifier: MIT
"""Keys from a container's and an instance's metadata service, beside botocore's."""

import pathlib
import subprocess
import sys
import threading
import time

import pytest

from chain import SECRET, static
from chain_fake import keys

ON = {"AWS_EC2_METADATA_DISABLED": None}
PATHS = ["/latest/api/token", "/latest/meta-data/iam/security-credentials/",
         "/latest/meta-data/iam/security-credentials/instance-role"]


def container(aws, path="/creds"):
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.fake.url + path}


# ---- container ----

def test_container(aws):
    answer = aws.same("ASIA-container", **container(aws))
    assert answer["source"] == "the container's role" and answer["expires"] > time.time()
    aws.ours(**container(aws))
    [(method, path, headers, _)] = aws.fake.calls
    assert (method, path, headers["Accept"]) == ("GET", "/creds", "application/json")
    assert "Authorization" not in headers


def test_container_token(aws, tmp_path):
    aws.fake.container_token = f"Bearer {SECRET}"
    (tmp_path / "token").write_text(aws.fake.container_token)
    aws.same("ASIA-container", **container(aws),
             AWS_CONTAINER_AUTHORIZATION_TOKEN=aws.fake.container_token)
    aws.same("ASIA-container", **container(aws), AWS_CONTAINER_AUTHORIZATION_TOKEN="other",
             AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"))
    aws.refused("answered with HTTP status 401", **container(aws),
                AWS_CONTAINER_AUTHORIZATION_TOKEN=SECRET)
    (tmp_path / "token").write_text(aws.fake.container_token + "\nHost: evil")
    aws.refused("a line break", **container(aws),
                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "token"))
    aws.refused("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ", **container(aws),
                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / "gone"))


def test_container_that_stumbles_is_asked_three_times(aws):
    tries = []

    def answer(handler):
        tries.append(handler.path)
        return (500, "busy") if len(tries) < 3 else (200, keys("third"))

    aws.fake.answers["/creds"] = answer
    assert aws.ours(**container(aws))["id"] == "ASIA-third"
    aws.fake.answers["/creds"] = lambda handler: tries.append(1) or (500, "busy")
    tries.clear()
    aws.refused("answered with HTTP status 500", **container(aws))
    assert len(tries) == 6  # both of us


@pytest.mark.parametrize("body", [SECRET, "{}", '{"AccessKeyId": "x"}'])
def test_container_that_answers_nonsense(aws, body):
    aws.fake.answers["/creds"] = (200, body)
    aws.refused("the container's credentials service", **container(aws))


@pytest.mark.parametrize("url", [
    "http://127.evil.example/x", "http://localhost:80@evil.example/", "http://evil.example/x",
    "http://169.254.169.254/x", "http://localhost.evil.example/", "ftp://127.0.0.1/",
    "http://[fd00:ec2::24]/", "http://[::2]/x", "http://127.0.0.1.evil.example/", "creds",
    "http://evil.example?http://localhost/", "http://evil.example#@localhost/",
    "http://127.0.0.1%2eevil.example/", "http://[::1].evil.example/", "http://[::1",
])
def test_hosts_that_may_not_be_asked(aws, url):
    said = aws.ours(AWS_CONTAINER_CREDENTIALS_FULL_URI=url)["error"]
    assert "must be https, or http to this machine" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.1"])
def test_hosts_that_may(aws, host):
    port = aws.fake.server_address[1]
    url = f"http://{host}:{port}/creds?a=b"
    answer = aws.ours(AWS_CONTAINER_CREDENTIALS_FULL_URI=url)
    if host == "127.8.9.1":  # allowed; the fake listens on one address only
        assert "must be" not in answer["error"]
    else:
        assert answer["id"] == "ASIA-container" and aws.fake.calls[0][1] == "/creds?a=b"


def test_relative_must_be_a_path(aws):
    said = aws.ours(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=".evil.example/x")["error"]
    assert "must begin with '/'" in said


@pytest.mark.parametrize("name", ["FULL", "RELATIVE"])
def test_half_an_address_is_never_asked(aws, name):
    """An address of more than 1,023 bytes was cut, and another path was asked."""
    given = container(aws, "/creds?")["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    given += "a" * (1023 - len(given))
    if name == "FULL":
        aws.same("ASIA-container", AWS_CONTAINER_CREDENTIALS_FULL_URI=given)
    else:
        given = "/" + "a" * 1023
    said = aws.ours(**{f"AWS_CONTAINER_CREDENTIALS_{name}_URI": given + "a"})["error"]
    assert f"AWS_CONTAINER_CREDENTIALS_{name}_URI has more than" in said
    assert not aws.fake.calls


# ---- instance ----

def test_half_a_token_or_role_is_never_used(aws):
    """A token of more than 485 bytes was cut, and the service refused it."""
    aws.fake.imds_token = "t" * 1024
    aws.fake.role = "r" * 255
    aws.fake.answers[PATHS[1] + aws.fake.role] = (200, keys("long"))
    aws.same("ASIA-long", **ON)
    aws.fake.role += "r"
    aws.ours(**ON)
    assert [p for _, p, _, _ in aws.fake.calls] == PATHS[:2]
    aws.fake.calls.clear()
    aws.fake.imds_token += "t"
    aws.ours(**ON)
    assert [p for _, p, _, _ in aws.fake.calls] == PATHS[:1]
    aws.fake.calls.clear()
    aws.ours(**ON, AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.fake.url + "/" + "a" * 1000)
    assert not aws.fake.calls


def test_instance_with_token(aws):
    assert " by v2" in aws.same("ASIA-instance-role", **ON)["token"]
    answer = aws.ours(**ON)
    assert answer["source"] == "the instance's role"
    assert [(m, p) for m, p, _, _ in aws.fake.calls] == list(zip(["PUT", "GET", "GET"], PATHS))


@pytest.mark.parametrize("status", [403, 404, 405])
def test_instance_too_old_for_tokens(aws, status):
    aws.fake.token_status = status
    assert " by v1" in aws.same("ASIA-instance-role", **ON)["token"]
    aws.refused("there are no AWS credentials", **ON, AWS_EC2_METADATA_V1_DISABLED="true")
    aws.write("[default]\nec2_metadata_v1_disabled = true\n")
    aws.refused("there are no AWS credentials", **ON)


def test_token_that_does_not_get_through(aws):
    """The answer to PUT has a hop limit of 1 and is lost in a container's network."""
    over = threading.Event()

    def lost(handler):
        over.wait(60)
        return 200, "late"

    aws.fake.answers["/latest/api/token"] = lost
    aws.fake.token_status = 403
    env = ON | {"AWS_METADATA_SERVICE_TIMEOUT": "1"}
    assert " by v1" in aws.same("ASIA-instance-role", **env)["token"]
    over.set()


def test_instance_says_no(aws):
    aws.fake.token_status = 400
    aws.refused("there are no AWS credentials", **ON)
    aws.fake.token_status = 200
    aws.fake.role = None
    aws.refused("there are no AWS credentials", **ON)


def test_instance_is_switched_off(aws):
    for word in ("true", "True"):
        aws.refused("there are no AWS credentials", AWS_EC2_METADATA_DISABLED=word)
    assert not aws.fake.calls


def test_role_that_ec2_may_not_assume(aws):
    aws.fake.answers[PATHS[2]] = (200, {"Code": "AssumeRoleUnauthorizedAccess", "Message": "no"})
    aws.refused("there are no AWS credentials", **ON)


def test_attempts(aws):
    tries = []

    def answer(handler):
        tries.append(1)
        return (500, "") if len(tries) % 2 else (200, "instance-role")

    aws.fake.answers[PATHS[1]] = answer
    aws.same("ASIA-instance-role", **ON, AWS_METADATA_SERVICE_NUM_ATTEMPTS="2")
    for _ in range(2):  # one attempt each: the first fails
        tries.clear()
        assert "there are no AWS credentials" in aws.ours(**ON)["error"]


def test_endpoint_from_the_profile(aws):
    aws.write(f"[default]\nec2_metadata_service_endpoint = {aws.fake.url}\n")
    aws.same("ASIA-instance-role", **ON, AWS_EC2_METADATA_SERVICE_ENDPOINT=None)


@pytest.mark.parametrize("expires", [-3600, 300])
def test_stale_keys_are_used_a_while_longer(aws, expires):
    aws.fake.expires = expires
    answer = aws.same("ASIA-instance-role", **ON)
    assert 15 * 60 + 110 < answer["expires"] - time.time() < 15 * 60 + 601


def test_fresh_keys_keep_their_end(aws):
    aws.fake.expires = 7200
    assert 7100 < aws.ours(**ON)["expires"] - time.time() <= 7200


# ---- the fixed addresses, in a network of their own ----

IN_A_NETWORK = ["unshare", "-rn", "sh", "-c",
                "ip link set lo up && ip addr add 169.254.170.2/32 dev"
                " lo && ip addr add 169.254.169.254/32 dev lo && exec \"$0\" \"$@\""]


def test_fixed_addresses(aws, tmp_path):
    """Servers on 169.254.170.2:80 and 169.254.169.254:80 of a network that nothing else sees."""
    here = pathlib.Path(__file__).resolve().parent
    script = tmp_path / "both.py"
    script.write_text(f"""
import subprocess, sys, threading
sys.path.insert(0, {str(here)!r})
import chain_fake, http.server
class At(chain_fake.Fake):
    def __init__(self, host):
        http.server.ThreadingHTTPServer.__init__(self, (host, 80), chain_fake.Handler)
        self.calls, self.answers, self.expires, self.token_status = [], {{}}, 3600.0, 200
        self.imds_token, self.container_token, self.role = "t", None, "instance-role"
for host in ("169.254.170.2", "169.254.169.254"):
    fake = At(host)
    threading.Thread(target=fake.serve_forever, daemon=True).start()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
""")
    if subprocess.run([*IN_A_NETWORK, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace on this machine")
    prefix = [*IN_A_NETWORK, sys.executable, str(script)]
    found = aws.ours(prefix=prefix, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/creds?id=1")
    assert found["id"] == "ASIA-container"
    found = aws.ours(prefix=prefix, **ON, AWS_EC2_METADATA_SERVICE_ENDPOINT=None)
    assert found["id"] == "ASIA-instance-role"


def test_keys_of_a_profile_need_no_metadata(aws):
    aws.write("[default]\n" + static("config"))
    aws.same("AKIA-config", **ON)
    assert not aws.fake.calls
