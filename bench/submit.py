# SPDX-License-Identifier: MIT
"""Submits per second, each on disk before it is answered.

Ours: POST /v1/runs on the real daemon (validation, run, job and event rows, group commit,
synchronous=FULL). The peer: the smallest honest queue in Python, http.server with threads and one
sqlite3 transaction per submit (one INSERT, the same PRAGMAs), written for this comparison; it
validates nothing beyond JSON and has no runs, events or graph. Both get the same body of 1 KB from
the same client processes, over keep-alive connections on loopback.
"""
import json
import multiprocessing
import re
import selectors
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from side import report  # noqa: E402
from trainyardd import daemon_on  # noqa: E402

CONNECTIONS = [1, 8, 64]
SECONDS = 4
CLIENT_PROCESSES = 1
BODY_BYTES = 1000

# Held, so that nothing but the submit is measured. A job of the native engine would bring in
# the process that reads its files at the submit.
JOB = {"name": "bench", "kind": "script", "held": True, "entry_point": "train.py", "tags": {}}
TAG_MAX = 200


class Peer(BaseHTTPRequestHandler):
    """POST: one durable row."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    local = threading.local()
    path_of_database = ""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = json.loads(body)["jobs"][0]["name"]
        if not hasattr(self.local, "database"):
            self.local.database = sqlite3.connect(self.path_of_database, timeout=60,
                                                  isolation_level=None)
            self.local.database.execute("PRAGMA synchronous=FULL")
        row = self.local.database.execute(
            "INSERT INTO jobs (name, body) VALUES (?, ?) RETURNING id", (name, body)).fetchall()
        answer = json.dumps({"id": row[0][0]}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_):
        """Clients that go away at the end are no news."""


def peer_main(path, ready):
    Peer.path_of_database = path
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT, body BLOB)")
    database.close()
    server = Server(("127.0.0.1", 0), Peer)
    ready.send(server.server_address[1])
    server.serve_forever()


class Connection:
    """One keep-alive connection with one submit on its way."""

    def __init__(self, port, request):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request, self.received, self.start = request, b"", 0.0

    def send(self):
        self.received, self.start = b"", time.monotonic()
        self.socket.sendall(self.request)

    def has_answer(self):
        """Take what has come; whether the answer is whole."""
        self.received += self.socket.recv(65536)
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 201 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(self.received.decode(errors="replace"))
        return len(rest) >= int(re.search(rb"(?i)content-length: (\d+)", head)[1])


def client_process(port, body, connections, start_at, queue):
    """Keep `connections` submits on their way until the time is over."""
    head = ("POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    latencies, until, poll = [], start_at + SECONDS, selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(port, (head + body).encode())
        poll.register(connection.socket, selectors.EVENT_READ, connection)
    time.sleep(max(0.0, start_at - time.monotonic()))
    for key in list(poll.get_map().values()):
        key.data.send()
    while time.monotonic() < until:
        for key, _ in poll.select(0.1):
            if key.data.has_answer():
                latencies.append(time.monotonic() - key.data.start)
                key.data.send()
    queue.put(latencies)


def measure(port, body, connections):
    processes = min(CLIENT_PROCESSES, connections)
    shares = [connections // processes + (i < connections % processes) for i in range(processes)]
    queue, start_at = multiprocessing.Queue(), time.monotonic() + 0.5
    workers = [multiprocessing.Process(target=client_process,
                                       args=(port, body, share, start_at, queue))
               for share in shares]
    for worker in workers:
        worker.start()
    latencies = sorted(latency for _ in workers for latency in queue.get())
    for worker in workers:
        worker.join()
    return {"submits/s": round(len(latencies) / SECONDS),
            "p50 ms": round(1000 * latencies[len(latencies) // 2], 2),
            "p99 ms": round(1000 * latencies[len(latencies) * 99 // 100], 2)}


def rows_of(side, port, body):
    return [{"side": side, "connections": n, **measure(port, body, n)} for n in CONNECTIONS]


def pipeline(folder):
    """A body of BODY_BYTES with files that exist, so that the daemon has all its checks to do."""
    code = Path(folder, "code")
    code.mkdir()
    (code / "train.py").write_text("print('held')\n", encoding="utf-8")
    run = {"name": "bench", "jobs": [{**JOB, "source_dir": str(code)}]}
    tags = run["jobs"][0]["tags"]
    while len(json.dumps(run)) < BODY_BYTES - 20:
        key = f"tag{len(tags)}"
        tags[key] = ""
        tags[key] = "x" * min(TAG_MAX, BODY_BYTES - len(json.dumps(run)))
    return json.dumps(run)


def main():
    with tempfile.TemporaryDirectory() as folder:
        body = pipeline(folder)
        Path(folder, "daemon").mkdir()
        with daemon_on(Path(folder, "daemon")) as daemon:
            rows = rows_of("trainyardd", int(daemon.url.rsplit(":", 1)[1]), body)
        ours, theirs = multiprocessing.Pipe()
        peer = multiprocessing.Process(target=peer_main, args=(f"{folder}/peer.db", theirs))
        peer.start()
        rows += rows_of("python sqlite3 + http.server", ours.recv(), body)
        peer.terminate()
        peer.join()
    report("submit", f"durable submits of {BODY_BYTES} bytes, {SECONDS} s each, clients on the "
           "same machine", ["side", "connections", "submits/s", "p50 ms", "p99 ms"], rows,
           ["one Python process is the client of both, on the same cores: it bounds the faster one",
            "the peer stores one row and checks nothing; ours validates, looks at the files "
            "and stores run, job and events"])


if __name__ == "__main__":
    main()
