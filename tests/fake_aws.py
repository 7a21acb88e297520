# SPDX-License-Identifier: MIT
"""The fake AWS as a process, and what its account holds beside the rows of a daemon's database."""
import json
import sqlite3
import subprocess

import requests
from trainyardd import PYTHON, ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAFAKEEXAMPLE0001", "AWS_SECRET_ACCESS_KEY": "fakesecret0001",
        "AWS_DEFAULT_REGION": "us-east-1"}
KINDS = ("training_job", "model", "endpoint_config", "endpoint")


class FakeAws:
    """tests/fakes/aws on a port of its own."""

    def __init__(self, directory, *options):
        self.process = subprocess.Popen(
            [PYTHON, ROOT / "tests/fakes/aws/serve.py", "--state", directory / "aws", *options],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.session = requests.Session()

    def environment(self):
        return {**KEYS, "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def admin(self, method, noun, body=None):
        answer = self.session.request(method, f"{self.url}/_fake/{noun}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def live(self):
        """Everything that is there and not over, as {(kind, name): its tags}."""
        return {(r["kind"], r["name"]): r["tags"] for r in self.admin("GET", "resources")["resources"]
                if r["kind"] in KINDS and not r.get("over")}

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


def rows_of(data):
    """The rows of a database whose daemon is dead."""
    with sqlite3.connect(data / "trainyard.db") as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM cloud")]


def rows_text(rows):
    return json.dumps([{k: r[k] for k in ("kind", "name", "state", "wanted", "sent_us", "status")}
                       for r in rows], indent=1)
