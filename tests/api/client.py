# SPDX-License-Identifier: MIT
"""Extends tests/trainyardd.py for the API suite: bare connections, waits on the event long poll,
the daemon's memory."""
import http.client
import os
import resource
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest
import trainyardd
from trainyardd import DEADLINE_S, FINAL, wait_for

NO_JOB = "j" + "0" * 19
NO_RUN = "r" + "0" * 19
NO_WEIGHTS = b"\2" + bytes(7) + b"{}"  # a whole model.safetensors, without a tensor


def soft_limit(daemon, spare):
    """Leave the daemon only so many more descriptors."""
    used = {int(fd) for fd in os.listdir(f"/proc/{daemon.process.pid}/fd")}
    limit = [n for n in range(len(used) + spare + 1000) if n not in used][spare]
    hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, hard))


class Daemon(trainyardd.Daemon):
    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def memory(self):
        """(RSS, anonymous) of the daemon in bytes."""
        if trainyardd.SANITIZED:
            pytest.skip("it would be a sanitizer's memory")
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return tuple(int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "RssAnon"))

    def connection(self):
        """A bare connection, for requests that no library would send."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)

    def raw(self, data):
        """Bytes to the server; everything it answers until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as s:
            s.sendall(data)
            parts = []
            while part := s.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def submit_job(self, body):
        answer = self.post("/v1/jobs", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def wait(self, path, check, what):
        """The item at `path` once check(item) is true; waits on its events."""
        key = "job" if path.startswith("/v1/jobs/") else "run"
        identity = path.rsplit("/", 1)[1]
        since = self.get("/v1/events")["next_since"]

        def look():
            nonlocal since
            item = self.get(path)
            if check(item):
                return item
            since = self.get("/v1/events", since=since, wait=10, **{key: identity})["next_since"]
            return None

        return wait_for(f"{what} at {path}", look)

    def wait_state(self, job, *states):
        return self.wait(f"/v1/jobs/{job}", lambda item: item["state"] in states, states)

    def wait_end(self, job):
        return self.wait_state(job, *FINAL)

    def cancel_all(self):
        jobs = self.get("/v1/jobs", state="blocked,queued,starting,running,stopping", limit=500)
        for job in jobs["items"]:
            self.post(f"/v1/jobs/{job['id']}/cancel")
        for job in jobs["items"]:
            self.wait_end(job["id"])

    def finish(self):
        """End all jobs and the daemon, which must end well."""
        if self.process and self.process.poll() is None:
            self.cancel_all()
            assert self.end(signal.SIGTERM) == 0, self.log_tail()
        self.clean_up()


def trainyard(daemon, *words):
    """(exit status, stdout and stderr) of the command line client at this daemon."""
    done = subprocess.run([trainyardd.BUILD / "cli/trainyard", *words], text=True,
                          capture_output=True, env={**os.environ, "TRAINYARD_URL": daemon.url},
                          timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def short_lived(config=""):
    """A daemon that must end well, in a directory that goes with it. Not pytest's own: its names
    make paths too long for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="ty-api.") as directory:
        d = Daemon(directory, config)
        try:
            yield d.start()
            d.finish()
        finally:
            d.clean_up()


def look_saved(folder):
    """Make a submit take the folder for a saved data set; a job would refuse it."""
    for name in ("state.json", "dataset_info.json"):
        (folder / name).write_text("{}")
    return folder


def problem(answer, status, code):
    """The answer is that problem; returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == f"urn:trainyard:{code}", body
    assert body["title"] and body["detail"]
    return body


def check(document, name, value):
    """`value` is as the schema `name` of the document says."""
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]},
        format_checker=jsonschema.FormatChecker()).validate(value)


def closed(document):
    """The same schemas, where an object may have only the fields that are described."""
    def close(schema):
        if isinstance(schema, list):
            return [close(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        out = {key: close(value) for key, value in schema.items()}
        if schema.get("type") == "object" and schema.get("properties"):
            out.setdefault("additionalProperties", False)
        return out
    return {"components": close(document["components"])}
