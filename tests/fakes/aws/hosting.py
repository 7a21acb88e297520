# SPDX-License-Identifier: MIT
"""--worker: endpoints that really answer: `trainyard-worker serve` on the model out of S3, reached
through its unix socket."""
import contextlib
import hashlib
import http.client
import os
import pathlib
import shutil
import socket
import tarfile
import time

import models
from process import Worker, fetch, reap

READY_S = 300
ANSWER_S = 60
NOT_HEALTHY = ("The primary container for production variant {} did not pass the ping health "
               "check. Please check CloudWatch logs for this endpoint.")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=ANSWER_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        fd = os.open(self.path.parent, os.O_RDONLY)
        try:  # a socket's path has at most 108 bytes
            self.sock.connect(f"/proc/self/fd/{fd}/{self.path.name}")
        finally:
            os.close(fd)


class Host:
    """One model server."""

    def __init__(self, app, build, directory, name, container):
        self.dir = pathlib.Path(directory)
        shutil.rmtree(self.dir, ignore_errors=True)
        model = self.dir / "model"
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        if source and source["S3DataType"] == "S3Prefix":
            fetch(app, source["S3Uri"], model, True)
        else:
            uri = source["S3Uri"] if source else container["ModelDataUrl"]
            fetch(app, uri, self.dir / "tar", False)
            with tarfile.open(next((self.dir / "tar").iterdir())) as tar:
                tar.extractall(model, filter="data")
        self.worker = Worker(build, self.dir / "x", "serve", name, {"model": str(model)})
        self.began = time.monotonic()

    def state(self):
        if not self.worker.running() or time.monotonic() - self.began > READY_S:
            return "dead"
        return "ready" if self.worker.events("ready") else "wait"

    def ask(self, body, content_type):
        c = UnixConnection(self.worker.work / "serve.sock")
        try:
            c.request("POST", "/invocations", body, {"Content-Type": content_type})
            r = c.getresponse()
            return r.status, r.read()
        except OSError as e:
            return 500, f"worker died: {e}"
        finally:
            c.close()

    def stop(self):
        with contextlib.suppress(OSError):
            self.worker.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


class Hosting:
    def __init__(self, app, build):
        self.app = app
        self.build = pathlib.Path(build).resolve()
        self.hosts = {}
        reap(os.path.join(app.state.dir, "host"))

    def start(self, endpoint, shot):
        """None: it is ready; "wait"; else why it cannot be."""
        key = (endpoint["arn"], shot["config"])
        variant = shot["variants"][0]["variant"]["VariantName"]
        if key not in self.hosts:
            container = models.containers(shot["variants"][0]["model"])[0]
            if "ModelDataUrl" not in container and "ModelDataSource" not in container:
                return "A model of the hub cannot be served here: the fake has no network."
            number = hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]
            try:
                self.hosts[key] = Host(self.app, self.build, os.path.join(
                    self.app.state.dir, "host", number), endpoint["name"], container)
            except tarfile.TarError:
                return NOT_HEALTHY.format(variant)
        state = self.hosts[key].state()
        if state == "dead":
            self.log(endpoint, variant, self.hosts[key])
            self.hosts.pop(key).stop()
            return NOT_HEALTHY.format(variant)
        if state == "wait":
            return "wait"
        self.log(endpoint, variant, self.hosts[key])
        return None

    def log(self, endpoint, variant, host):
        """What the container printed, and why it failed."""
        text = (host.worker.dir / "log").read_text(errors="replace")
        lines = text.splitlines() + [e.get("message", "") for e in host.worker.events("failure")]
        for line in lines:
            self.app.logs.write(f"/aws/sagemaker/Endpoints/{endpoint['name']}",
                                f"{variant}/i-0fake", line, region=endpoint["region"])

    def only(self, endpoint):
        """Of this endpoint's servers only the one of its present configuration goes on."""
        for key in [k for k in self.hosts if k[0] == endpoint["arn"] and
                    k[1] != endpoint["config"]]:
            self.hosts.pop(key).stop()

    def ask(self, endpoint, request):
        key = (endpoint["arn"], endpoint["config"])
        end = time.monotonic() + READY_S
        with self.app.state.lock:
            while (why := self.start(endpoint, endpoint)) == "wait" and time.monotonic() < end:
                time.sleep(0.02)
            host = self.hosts.get(key)
        if why or not host:
            return 503, "Prediction failed"
        return host.ask(request.body.data, request.header("content-type", "application/json"))

    def stop(self, endpoint):
        for key in [k for k in self.hosts if k[0] == endpoint["arn"]]:
            self.hosts.pop(key).stop()

    def stop_all(self):
        for host in self.hosts.values():
            host.stop()
        self.hosts.clear()
