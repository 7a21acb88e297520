# SPDX-License-Identifier: MIT
"""Notifications: what is sent to a real HTTP server and to a real program, after which event, once,
and after a crash."""
import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest
from client import short_lived, trainyard
from trainyardd import BUILD, wait_for

SECRET = "topic-nobody-may-read"


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps the requests; answers the statuses of `answers` first, then 200."""

    def __init__(self):
        self.requests, self.answers = [], []
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://user:{SECRET}@127.0.0.1:{self.server_address[1]}/{SECRET}?key={SECRET}"

    def messages(self):
        return [json.loads(body) for _, body in self.requests]

    def wait(self, n):
        wait_for(f"{n} messages, after {self.requests}", lambda: len(self.requests) >= n)
        return self.messages()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((dict(self.headers), body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"no\x1b[31m\xff" if status != 200 else b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def notify(receiver, **keys):
    keys = {"url": receiver.url} | keys
    return "[notify]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def program(folder, text):
    path = folder / "receiver.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_end_of_a_run_is_sent_with_the_log_of_what_failed(receiver, script):
    with short_lived(notify(receiver)) as d:
        good = d.submit([script("hello.py", lines=2)], name="good")
        assert d.wait_run(good["id"])["state"] == "succeeded"
        bad = d.submit([script("exit3.py", name="first"),
                        {**script("hello.py", name="then"), "needs": ["first"]}], name="bad")
        assert d.wait_run(bad["id"])["state"] == "failed"
        succeeded, failed = receiver.wait(2)
        assert (succeeded["event"], succeeded["title"]) == ("run_ended", "good succeeded")
        assert succeeded["run"] == {"id": good["id"], "name": "good", "state": "succeeded"}
        assert not succeeded["urgent"] and "log" not in succeeded and "job" not in succeeded
        assert (failed["event"], failed["title"]) == ("run_ended", "bad failed")
        assert failed["urgent"] and failed["job"]["name"] == "first"
        reason = failed["job"]["reason"]
        assert f"first failed ({reason['code']}): {reason['message']}" in failed["text"]
        assert "then skipped" in failed["text"]
        assert failed["log"] and failed["log"] in d.log(failed["job"]["id"])
        assert succeeded["id"] != failed["id"] and failed["at"].endswith("Z")
        assert SECRET not in (d.dir / "daemon.log").read_text()
    assert len(receiver.requests) == 2  # a failed run is one message


def test_a_job_that_fails_while_its_run_goes_on_is_sent_at_once(receiver, script, gate):
    with short_lived("cpu_slots = 2\n" + notify(receiver)) as d:
        run = d.submit([script("exit3.py", name="bad"), script("wait.py", name="slow", gate=gate)])
        [message] = receiver.wait(1)
        assert message["event"] == "job_failed" and message["urgent"]
        assert message["title"] == "test: bad failed" and message["run"]["state"] == "running"
        assert message["job"]["state"] == "failed" and "spec" not in message["job"]
        (gate / "go").touch()
        assert d.wait_run(run["id"])["state"] == "failed"
        assert receiver.wait(2)[1]["event"] == "run_ended"


def test_what_was_cancelled_and_what_is_not_asked_for_is_not_sent(receiver, script, gate):
    with short_lived(notify(receiver, on="job_failed:disk_low")) as d:
        run = d.submit([script("wait.py", gate=gate)])
        d.ask("POST", f"/v1/runs/{run['id']}/cancel")
        assert d.wait_run(run["id"])["state"] == "cancelled"
        d.wait_run(d.submit([script("hello.py")])["id"])
        d.wait_run(d.submit([script("exit3.py")])["id"])  # its run ends: only run_ended would say
        assert trainyard(d, "notify", "test")[0] == 0
        assert [m["event"] for m in receiver.wait(1)] == ["test"]


def test_a_crash_loses_no_message_and_a_restart_repeats_none(receiver, script):
    with short_lived(notify(receiver)) as d:
        d.wait_run(d.submit([script("hello.py")], name="one")["id"])
        receiver.wait(1)
        wait_for("the note in the database", lambda: "event=notified" in d.log_tail())
        receiver.answers = [503]
        d.wait_run(d.submit([script("hello.py")], name="two")["id"])
        receiver.wait(2)
        d.kill()
        d.start()
        assert [m["title"] for m in receiver.wait(3)] == [
            "one succeeded", "two succeeded", "two succeeded"]
        assert receiver.messages()[1]["id"] == receiver.messages()[2]["id"]
        d.wait_run(d.submit([script("hello.py")], name="three")["id"])
        assert receiver.wait(4)[3]["title"] == "three succeeded"
    assert len(receiver.requests) == 4


def test_a_daemon_begins_with_what_happens_after_its_first_start_with_a_receiver(receiver, script):
    with short_lived() as d:
        d.wait_run(d.submit([script("hello.py")], name="before")["id"])
        d.stop()
        with open(d.dir / "trainyard.conf", "a", encoding="utf-8") as f:
            f.write(notify(receiver))
        d.start()
        d.wait_run(d.submit([script("hello.py")], name="after")["id"])
        assert [m["title"] for m in receiver.wait(1)] == ["after succeeded"]


def test_a_failed_delivery_is_tried_again_and_a_refused_one_is_not(receiver, script):
    receiver.answers = [404, 503]
    with short_lived(notify(receiver)) as d:
        d.wait_run(d.submit([script("hello.py")], name="refused")["id"])
        d.wait_run(d.submit([script("hello.py")], name="later")["id"])
        assert [m["title"] for m in receiver.wait(3)] == [
            "refused succeeded", "later succeeded", "later succeeded"]
        log = (d.dir / "daemon.log").read_text()
        assert "again=no" in log and "again=yes" in log and SECRET not in log


def test_ntfy_and_slack_get_their_form(receiver, script, tmp_path):
    (tmp_path / "call.py").write_text("raise SystemExit('a < b & <!channel>')\n")
    for form in ("ntfy", "slack"):
        with short_lived(notify(receiver, format=form)) as d:
            d.wait_run(d.submit([{**script("call.py"), "source_dir": str(tmp_path)}],
                                name="bad")["id"])
            wait_for("a request", lambda: receiver.requests)
        (headers, body), receiver.requests = receiver.requests[0], []
        if form == "ntfy":  # https://docs.ntfy.sh/publish/
            assert headers["Title"] == "bad failed" and headers["Priority"] == "high"
            assert headers["Tags"] == "warning" and body.startswith(b"The run r1")
        else:  # https://api.slack.com/messaging/webhooks
            assert set(json.loads(body)) == {"text"}
            text = json.loads(body)["text"]
            assert text.startswith("*bad failed*\nThe run r1")
            assert "a &lt; b &amp; &lt;!channel&gt;" in text and "<" not in text


def test_a_program_gets_the_message_and_no_keys(tmp_path, script):
    out = tmp_path / "out"
    path = program(tmp_path, f'{{ cat; env; echo "argument=$1"; }} > {out}.part\n'
                             f"mv {out}.part {out}")
    with short_lived(f"[notify]\ncommand = {path}\n") as d:
        d.stop()
        d.environment |= {"AWS_SECRET_ACCESS_KEY": "geheim", "HOME": "/nonexistent/home"}
        d.start()
        d.wait_run(d.submit([script("hello.py")], name="good")["id"])
        wait_for("the program", out.exists)
        message, *rest = out.read_text().splitlines()
        assert json.loads(message)["title"] == "good succeeded"
        assert {"argument=run_ended", "TRAINYARD_EVENT=run_ended", "TRAINYARD_URGENT=0",
                "TRAINYARD_TITLE=good succeeded", "HOME=/nonexistent/home"} <= set(rest)
        assert "geheim" not in out.read_text()
        assert trainyard(d, "notify", "test") == (0, "notify.command: the test message was "
                                                     "delivered\n")


def test_a_test_says_what_failed(tmp_path, receiver):
    path = program(tmp_path, "echo no bus here >&2; exit 3")
    receiver.answers = [403]
    with short_lived(notify(receiver, command=path)) as d:
        status, text = trainyard(d, "notify", "test")
        assert status == 1
        assert "notify.command: the program exited with status 3: no bus here" in text
        assert f"127.0.0.1:{receiver.server_address[1]} answered 403: no" in text
        assert "\x1b" not in text + (d.dir / "daemon.log").read_text()
        assert SECRET not in text + (d.dir / "daemon.log").read_text()
    with short_lived() as d:
        answer = d.ask("POST", "/v1/notifications/test")
        assert answer.status_code == 409 and "notify.url" in answer.json()["detail"]


def test_a_program_that_hangs_holds_up_no_job_and_no_stop(tmp_path, script):
    path = program(tmp_path, f"echo $$ > {tmp_path}/pid.part\n"
                             f"mv {tmp_path}/pid.part {tmp_path}/pid\nexec sleep 1000")
    with short_lived(f"[notify]\ncommand = {path}\n") as d:
        d.wait_run(d.submit([script("hello.py")])["id"])
        wait_for("the program", (tmp_path / "pid").exists)
        assert d.wait_run(d.submit([script("hello.py")])["id"])["state"] == "succeeded"
        pid = int((tmp_path / "pid").read_text())
    wait_for("the end of the program", lambda: not os.path.exists(f"/proc/{pid}"))


def test_many_messages_become_one(receiver, script):
    with short_lived(notify(receiver)) as d:
        for n in range(23):
            d.wait_run(d.submit([script("hello.py")], name=f"r{n}")["id"])
        assert [m["title"] for m in receiver.wait(20)] == [f"r{n} succeeded" for n in range(20)]
        assert trainyard(d, "notify", "test")[0] == 0
        assert len(receiver.requests) == 21 and receiver.messages()[-1]["event"] == "test"


def test_a_disk_that_is_nearly_full_is_sent_once_a_day(receiver):
    free = shutil.disk_usage("/tmp").free
    with short_lived(f"disk_free_min_bytes = {free * 6 // 10}\n" + notify(receiver)) as d:
        [message] = receiver.wait(1)
        assert message["event"] == "disk_low" and message["urgent"]
        assert message["disk"]["min_bytes"] == free * 6 // 10
        assert message["id"].startswith("disk:2")
        wait_for("the note in the database", lambda: "event=notified" in d.log_tail())
        d.stop()
        d.start()
        assert trainyard(d, "notify", "test")[0] == 0
        assert [m["event"] for m in receiver.messages()] == ["disk_low", "test"]


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(), reason="needs the engine")
def test_a_lease_that_ends_is_sent_once_and_again_after_a_renewal(receiver, tiny_model):
    with short_lived(notify(receiver, on="lease_ending:endpoint_failed")) as d:
        run = d.submit([{"kind": "deploy", "name": "e", "model": str(tiny_model), "endpoint": "e",
                         "lease": {"ttl": "10m"}}])
        assert d.wait_run(run["id"])["state"] == "succeeded"
        [message] = receiver.wait(1)
        assert message["event"] == "lease_ending" and message["endpoint"]["name"] == "e"
        assert message["title"].startswith("endpoint e ends in ")
        assert message["endpoint"]["lease"]["expires_at"] in message["text"]
        d.post("/v1/endpoints/e/renew", {"ttl": "14m"})
        assert receiver.wait(2)[1]["event"] == "lease_ending"
        d.post("/v1/endpoints/e/renew", {"ttl": "2h"})  # far away: nothing
        d.ask("DELETE", "/v1/endpoints/e")
        assert trainyard(d, "notify", "test")[0] == 0
        assert [m["event"] for m in receiver.messages()] == ["lease_ending"] * 2 + ["test"]


@pytest.mark.parametrize("key,value,word", [
    ("command", "bin/x", "absolute path"), ("url", f"ftp://h/{SECRET}", "https://ntfy.sh/TOPIC"),
    ("url", f"https://h/{SECRET} x", "escaped"), ("format", "xml", "json, ntfy or slack"),
    ("on", "run_ended:all", "'all', which is none of run_ended, job_failed")])
def test_a_wrong_value_ends_the_start_and_shows_no_secret(tmp_path, key, value, word):
    conf = tmp_path / "c.conf"
    conf.write_text(f"[notify]\n{key} = {value}\n")
    for check in ([], ["--check"]):
        done = subprocess.run([BUILD / "daemon/trainyardd", "--config", conf, "--data-dir",
                               tmp_path / "data", *check], text=True, capture_output=True,
                              timeout=60, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 1 and f"notify.{key}" in said and word in said
        assert SECRET not in said
