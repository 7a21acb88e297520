# SPDX-License-Identifier: MIT
"""A small and fast HTTP/1.1 server for the fake: threads, kept connections, bodies
that are hashed while they are read, replies out of files, and connections that break on purpose."""
import contextlib
import hashlib
import os
import socket
import socketserver
import struct
import time
import zlib
from base64 import b64encode
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote, unquote_plus

SMALL = 1 << 20
CHUNK = 1 << 18
HEADERS_MAX = 200


class Body:
    """A request's content in memory, or beyond 1 MiB in a file of its own."""

    def __init__(self, folder, headers):
        self.folder = folder
        self.size = 0
        self.parts = []
        self.file = None
        self.path = None
        self.trailer = {}
        self.hashes = {"sha256": hashlib.sha256()}
        if folder:
            self.hashes["md5"] = hashlib.md5(usedforsecurity=False)
        if "x-amz-checksum-sha1" in headers or \
                headers.get("x-amz-trailer") == "x-amz-checksum-sha1":
            self.hashes["sha1"] = hashlib.sha1(usedforsecurity=False)
        self.crc = 0

    def add(self, data):
        self.size += len(data)
        for h in self.hashes.values():
            h.update(data)
        if self.folder:
            self.crc = zlib.crc32(data, self.crc)
        if self.file is None and self.folder and self.size > SMALL:
            self.path = os.path.join(self.folder, f"in-{os.urandom(12).hex()}")
            self.file = open(self.path, "wb")
            self.file.writelines(self.parts)
            self.parts = []
        if self.file:
            self.file.write(data)
        else:
            self.parts.append(data)

    def end(self):
        if self.file:
            self.file.close()
            self.file = None

    def hex(self, name):
        return self.hashes[name].hexdigest()

    def checksum(self, name):
        """As the header x-amz-checksum-NAME has it, None where it is not known here."""
        if name == "crc32":
            return b64encode(struct.pack(">I", self.crc)).decode()
        return b64encode(self.hashes[name].digest()).decode() if name in self.hashes else None

    @property
    def data(self):
        if self.path:
            with open(self.path, "rb") as f:
                return f.read()
        return b"".join(self.parts)

    def move(self, to):
        if self.path:
            os.rename(self.path, to)
            self.path = None
        else:
            with open(to, "wb") as f:
                f.writelines(self.parts)

    def discard(self):
        self.end()
        if self.path:
            with contextlib.suppress(FileNotFoundError):  # moved, or gone with a reset
                os.unlink(self.path)


class Request:
    def __init__(self, method, target, headers, pairs):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.header_pairs = pairs
        self.body = None
        self.params = {}
        for pair in self.query.split("&") if self.query else ():
            name, _, value = pair.partition("=")
            self.params[unquote_plus(name)] = unquote_plus(value)

    def header(self, name, default=None):
        return self.headers.get(name, default)

    @property
    def segments(self):
        return [unquote(s) for s in self.path.split("/")[1:]]


class Response:
    def __init__(self, status=200, body=b"", headers=(), content_type=None, file=None):
        self.status = status
        self.body = body if isinstance(body, bytes) else body.encode()
        self.headers = list(headers)
        if content_type:
            self.headers.append(("Content-Type", content_type))
        self.file = file  # (open file, start, length)
        self.length = None  # of a HEAD's answer
        self.cut = False  # send only half of it


class Drop:
    """No reply at all; `reset` breaks the connection with RST."""

    def __init__(self, reset=False):
        self.reset = reset


class Broken(Exception):
    pass


class Connection(socketserver.StreamRequestHandler):
    rbufsize = CHUNK
    disable_nagle_algorithm = True

    def handle(self):
        try:
            while self.one():
                pass
        except (OSError, Broken, ValueError):
            pass

    def head(self):
        line = self.rfile.readline(65537)
        if not line.strip():
            return None
        method, target, version = line.decode("latin-1").split()
        headers, pairs = {}, []
        for _ in range(HEADERS_MAX):
            line = self.rfile.readline(65537)
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            pairs.append((name, value))
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        request = Request(method, target, headers, pairs)
        request.keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return request

    def read(self, body, size):
        while size:
            data = self.rfile.read(min(size, CHUNK))
            if not data:
                raise Broken
            body.add(data)
            size -= len(data)

    def read_chunked(self, body, line_of):
        while True:
            size = int(line_of().split(b";")[0], 16)
            if not size:
                break
            self.read(body, size)
            line_of()
        while line := line_of():
            name, _, value = line.decode("latin-1").partition(":")
            body.trailer[name.strip().lower()] = value.strip()

    def line(self):
        line = self.rfile.readline(65537)
        if not line:
            raise Broken
        return line.strip()

    def read_body(self, request):
        headers = request.headers
        to_file = "x-amz-content-sha256" in headers
        folder = self.server.app.spool if to_file else None
        body = request.body = Body(folder, headers)
        size = int(headers.get("content-length", 0))
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked" or \
                headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            self.read_chunked(body, self.line)
        else:
            self.read(body, size)
        body.end()

    def one(self):
        request = self.head()
        if request is None:
            return False
        try:
            self.read_body(request)
            response = self.server.app.handle(request, self)
            if isinstance(response, Drop):
                if response.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                               struct.pack("ii", 1, 0))
                    self.connection.close()
                return False
            return self.send(request, response) and request.keep
        finally:
            if request.body:
                request.body.discard()

    def send(self, request, response):
        length = response.file[2] if response.file else len(response.body)
        if response.length is not None:
            length = response.length
        lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"
                 if response.status != 530 else "HTTP/1.1 530 Internal Dependency Exception"]
        lines += [f"{name}: {value}" for name, value in response.headers]
        offset = self.server.app.state.setting("clock_offset_s", 0)
        lines.append(f"Date: {formatdate(time.time() + offset, usegmt=True)}")
        if response.status not in (204, 304):
            lines.append(f"Content-Length: {length}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if request.method == "HEAD":
            self.wfile.write(head)
        elif response.file:
            f, start, length = response.file
            with f:
                self.wfile.write(head)
                if length:
                    self.connection.sendfile(f, start, length // 2 if response.cut else length)
        elif response.cut:
            self.wfile.write(head + response.body[:len(response.body) // 2])
        else:
            self.wfile.write(head + response.body)
        return not response.cut

    def client_gone(self):
        """True if the other side has closed the connection (for replies that never come)."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address, app):
        super().__init__(address, Connection)
        self.app = app
