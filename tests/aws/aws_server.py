# SPDX-License-Identifier: MIT
"""A service whose answers a test chooses. It uses real sockets, so that an answer can also be late,
incomplete or missing. Requests are recorded unchanged."""

import contextlib
import dataclasses
import hashlib
import itertools
import re
import socket
import threading
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials

DEADLINE = 60


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes | str = b""
    headers: dict = dataclasses.field(default_factory=dict)
    send: int | None = None  # so many bytes of the body, then the connection is closed



class Trouble:
    """No answer; named, so that the tests have the same names in every process."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


DROP = Trouble("DROP")  # read the request, close the connection
HANG = Trouble("HANG")  # read the request, say nothing until the server ends


class Request:
    def __init__(self, head, body):
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        pairs = [line.partition(":")[::2] for line in lines if line]
        self.headers = {name.lower(): value.strip() for name, value in pairs}
        self.body = body

    def operation(self):
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    def credential(self):
        """Key id, day, region, service of the Authorization header."""
        return re.search(r"Credential=([^,]+)", self.headers["authorization"])[1].split("/")[:4]

    def check_signature(self, secret):
        """As a service would: sign what came again, with botocore's signer."""
        key, day, region, service = self.credential()
        names = re.search(r"SignedHeaders=([^,]+)", self.headers["authorization"])[1].split(";")
        token = self.headers.get("x-amz-security-token")
        signer = (botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth)(
            botocore.credentials.Credentials(key, secret, token), service, region)
        url = f"http://{self.headers['host']}{self.target}"
        rq = botocore.awsrequest.AWSRequest(self.method, url, data=self.body)
        for name in names:
            rq.headers[name] = self.headers[name]
        rq.context["timestamp"] = self.headers["x-amz-date"]
        if service == "s3" and self.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD":
            assert self.headers["x-amz-content-sha256"] == hashlib.sha256(self.body).hexdigest()
        text = signer.string_to_sign(rq, signer.canonical_request(rq))
        theirs = re.search(r"Signature=(\w+)", self.headers["authorization"])[1]
        assert theirs == signer.signature(text, rq), signer.canonical_request(rq)
        assert self.headers["x-amz-date"].startswith(day)
        missing = {n for n in self.headers if n.startswith("x-amz-")} - set(names)
        assert not missing, f"not signed: {missing}"


class Server:
    """answers: a list, the last of it for ever; or a function of the request."""

    def __init__(self, answers):
        self.answers = answers if callable(answers) else self._in_turn(answers)
        self.requests = []
        self.lock = threading.Condition()
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _in_turn(answers):
        turn = itertools.chain(answers, itertools.repeat(answers[-1]))
        return lambda request: next(turn)

    def wait_for(self, count):
        with self.lock:
            assert self.lock.wait_for(lambda: len(self.requests) >= count, DEADLINE)

    def close(self):
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with self.lock:
                    self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    pending += data
                head, _, pending = pending.partition(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
                length = int(length[1]) if length else 0
                while len(pending) < length:
                    data = connection.recv(1 << 16)
                    if not data:
                        return
                    pending += data
                request = Request(head, pending[:length])
                pending = pending[length:]
                if not self._answer(connection, request):
                    return

    def _answer(self, connection, request):
        with self.lock:
            self.requests.append(request)
            answer = self.answers(request)
            self.lock.notify_all()
        if answer is DROP:
            return False
        if answer is HANG:
            connection.recv(1)  # until the other side, or close(), ends it
            return False
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        headers = {"Content-Length": len(body), "Date": http_date(time.time())} | answer.headers
        text = f"HTTP/1.1 {answer.status} Because\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        if request.method == "HEAD":
            body = b""
        connection.sendall(text.encode() + body[:answer.send])
        return answer.send is None


def http_date(at):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
