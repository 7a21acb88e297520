#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fake endpoint server for tests of the engine: answers POST /invocations on work/serve.sock.

The text "crash" kills it; "slow" is answered when the file that GO of the spec's environment names
is there. NAME is its label. DO "never": it fails; "wait": it is ready when that file is there.
SIGTERM: it answers what has come, and ends.
"""
import json
import os
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["inputs"] == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if body["inputs"] == "slow":
            event(t="warning", code="slow", message="a slow question has come")
            wait()
        if body["inputs"] == "refuse":
            self.answer(400, {"error": "refused as asked"})
        else:
            self.answer(200, [{"label": environment.get("NAME", "fake"), "score": 1.0,
                               "echo": body["inputs"]}])

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "fake")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def event(**fields):
    line = json.dumps({"v": 1, "at": int(time.time() * 1e6), **fields}) + "\n"
    with open("events.ndjson", "a") as f:
        f.write(line)


def wait():
    while not os.path.exists(environment["GO"]):
        time.sleep(0.02)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = False  # the end waits for them


with open("../spec.json") as f:
    environment = json.load(f)["spec"].get("environment", {})
what = environment.get("DO", "")
if what == "never":
    event(t="failure", code="data_corrupt", message="the model is torn")
    raise SystemExit(1)
if what == "wait":
    wait()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with Server("serve.sock", Handler) as server:
    event(t="result", values={"parity": "skipped"})
    event(t="ready")
    server.serve_forever()
