#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A fake endpoint server for tests of the engine: answers POST /invocations on work/serve.sock.

The text "crash" in the body kills it; "slow" answers after the file `go` exists in the rig's root.
"""
import json
import os
import signal
import socketserver
import time
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["inputs"] == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if body["inputs"] == "refuse":
            self.answer(400, {"error": "refused as asked"})
        else:
            self.answer(200, [{"label": "fake", "score": 1.0, "echo": body["inputs"]}])

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def event(**fields):
    line = json.dumps({"v": 1, "at": int(time.time() * 1e6), **fields}) + "\n"
    with open("events.ndjson", "a") as f:
        f.write(line)


with open("../spec.json") as f:
    what = json.load(f)["spec"].get("environment", {}).get("DO", "")
if what == "never":
    event(t="failure", code="data_corrupt", message="the model is torn")
    raise SystemExit(1)
with socketserver.ThreadingUnixStreamServer("serve.sock", Handler) as server:
    event(t="result", values={"parity": "skipped"})
    event(t="ready")
    server.serve_forever()
