# SPDX-License-Identifier: MIT
"""The real `trainyard-worker serve` on its socket, and small models for it."""
import http.client
import json
import os
import signal
import socket

import torch
import transformers

from execution import Execution
from texts import minilm
from wait import wait_for

DEADLINE_S = 120


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        fd = os.open(self.path.parent, os.O_RDONLY)
        try:
            self.sock.connect(f"/proc/self/fd/{fd}/{self.path.name}")
        finally:
            os.close(fd)


class Server:
    def __init__(self, directory, model, cpus=2, **spec):
        self.x = Execution(directory, "serve", {"model": str(model), **spec}, cpus=cpus)
        self.process = self.x.start()
        self.path = self.x.work / "serve.sock"

    def wait_ready(self):
        events = self.x.work / "events.ndjson"

        def ready():
            assert self.process.poll() is None, f"not ready: {self.end()}"
            return events.exists() and '"t":"ready"' in events.read_text()

        wait_for("the server", ready)
        return self

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, parsed body or text, headers)"""
        c = connection or UnixConnection(self.path)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        is_json = r.headers["Content-Type"] == "application/json"
        got = r.status, json.loads(r.read()) if is_json else r.read().decode(), r.headers
        if not connection:
            c.close()
        return got

    def invoke(self, payload, connection=None):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.request("POST", "/invocations", body, {"Content-Type": "application/json"},
                            connection)[:2]

    def ask(self, inputs, **parameters):
        payload = {"inputs": inputs}
        if parameters:
            payload["parameters"] = parameters
        status, answer = self.invoke(payload)
        assert status == 200, answer
        return answer

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.x.stdout, self.x.stderr = self.process.communicate(timeout=DEADLINE_S)
        except Exception:
            self.process.kill()
            self.process.communicate()
            raise
        self.x.status = self.process.returncode
        return self.x.status, self.x.stdout + self.x.stderr


def save(model, directory):
    with torch.no_grad():  # answers that differ from text to text
        for p in model.classifier.parameters():
            p.mul_(4)
    model.eval().save_pretrained(directory)
    transformers.AutoTokenizer.from_pretrained(minilm()).save_pretrained(directory)
    return directory


def tiny(**more):
    return transformers.BertConfig(**{
        "vocab_size": 30522, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 128, **more})
