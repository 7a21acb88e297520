# SPDX-License-Identifier: MIT
"""The client (client_probe) as an object: calls go in, results come out."""

import json
import os
import subprocess
import threading

KEY, SECRET = "AKIAEXAMPLE0000000001", "secret/of+the+test"
DEADLINE = 60


class Probe:
    def __init__(self, build, url, region="us-east-1", **env):
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        base = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": url,
                "AWS_DEFAULT_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}
        base |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        env = base | keys | env
        self.process = subprocess.Popen([build / "tests/aws/client_probe"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={k: v for k, v in env.items() if v is not None})
        self.results, self.count = {}, 0
        self.lock = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            result = json.loads(line)
            with self.lock:
                assert result["id"] not in self.results, f"ended twice: {result}"
                self.results[result["id"]] = result
                self.lock.notify_all()

    def write(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def send(self, service, operation, **more):
        self.count += 1
        self.write({"id": str(self.count), "service": service, "operation": operation, **more})
        return str(self.count)

    def wait(self, call):
        with self.lock:
            assert self.lock.wait_for(lambda: call in self.results, DEADLINE), f"{call} never ended"
            return self.results[call]

    def ask(self, service, operation, **more):
        return self.wait(self.send(service, operation, **more))

    def close(self):
        """Every call has ended exactly once, and the program without a complaint."""
        self.process.stdin.close()
        try:
            assert self.process.wait(DEADLINE) == 0
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join()
            self.process.stdout.close()
        assert len(self.results) == self.count
