# SPDX-License-Identifier: MIT
"""Starts the fake of AWS (tests/fakes/aws), and has boto3 clients, admin calls, and the environment
that points any client to the fake."""
import json
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.request

FAKE = pathlib.Path(__file__).resolve().parent / "fakes/aws/serve.py"
KEY, SECRET = "AKIAFAKEEXAMPLE0001", "fakesecret0001"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerMain"
REGION = "us-east-1"


class FakeAws:
    """One fake on a port of its own. tick=0 and auto=0: it moves only by step()."""

    def __init__(self, state, *args, tick=0, auto=0, port=0):
        self.state = pathlib.Path(state)
        self.args = [str(a) for a in args]
        self.tick, self.auto, self.port = tick, auto, port
        self.process = None

    def start(self):
        self.state.mkdir(parents=True, exist_ok=True)
        self.err = open(self.state / "stderr", "ab")
        self.process = subprocess.Popen(
            [sys.executable, str(FAKE), "--port", str(self.port), "--state", str(self.state),
             "--tick", str(self.tick), "--auto", str(self.auto), *self.args],
            stdout=subprocess.PIPE, stderr=self.err, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), (self.state / "stderr").read_text()
        self.url = line.split()[-1]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process.stdout.close()
            self.err.close()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def environment(self):
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def client(self, service, region=REGION, key=KEY, secret=SECRET, token=None, retries=1,
               validation=True, **config):
        import boto3
        from botocore.config import Config
        return boto3.client(service, region_name=region, endpoint_url=self.url,
                            aws_access_key_id=key, aws_secret_access_key=secret,
                            aws_session_token=token,
                            config=Config(retries={"total_max_attempts": retries},
                                          parameter_validation=validation, **config))

    def admin(self, method, path, body=None):
        """An admin call: fake.admin("POST", "rules", [{…}])."""
        request = urllib.request.Request(f"{self.url}/_fake/{path}", method=method,
                                         data=json.dumps(body or {}).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as e:
            raise AssertionError(e.read().decode()) from None

    def rule(self, operation, do, **more):
        return self.admin("POST", "rules", [{"operation": operation, "do": do, **more}])

    def scenario(self, **what):
        return self.admin("POST", "scenarios", [what])

    def step(self, count=1, name=None):
        self.admin("POST", "step", {"count": count, **({"name": name} if name else {})})

    def calls(self, operation=None):
        rows = self.admin("GET", "calls")["calls"]
        return [c for c in rows if operation in (None, c["operation"])]

    def resources(self, kind=None):
        rows = self.admin("GET", "resources")["resources"]
        return [r for r in rows if kind in (None, r["kind"])]

    def reset(self):
        self.admin("POST", "reset")


KINDS = ("training_job", "model", "endpoint_config", "endpoint")


def live_in(fake):
    """Everything in the account that is there and not over, as {(kind, name): its tags}."""
    found = fake.admin("GET", "resources")["resources"]
    return {(r["kind"], r["name"]): r["tags"] for r in found
            if r["kind"] in KINDS and not r.get("over")}
