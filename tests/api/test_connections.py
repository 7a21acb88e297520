# SPDX-License-Identifier: MIT
"""Places, shares and memory of connections: floods of half requests, peers that take too much, too
few descriptors. What counts is that the next normal client is answered."""
import contextlib
import os
import resource
import socket
import subprocess
import sys

import pytest
from client import soft_limit
from trainyardd import wait_for

HALVES = {
    "nothing": b"",
    "line": b"POST /v1/runs HTTP/1.1\r\n",
    "head": b"POST /v1/runs HTTP/1.1\r\nHost: local",
    "body": b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{",
    "chunk": b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
}
LONG_POLL = b"GET /v1/events?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROMPTLY_S = 2  # the promise: a normal client is answered within this


@contextlib.contextmanager
def many():
    """A list of sockets, closed at the end; with room for them in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets = []
    try:
        yield sockets
    finally:
        for s in sockets:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(daemon, door, source=None):
    if door == "tcp":
        return socket.create_connection(("127.0.0.1", daemon.port), timeout=60,
                                        source_address=source and (source, 0))
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    wait_for("the socket's queue", lambda: connected(s, str(daemon.dir / "trainyard.sock")))
    return s


def connected(s, path):
    try:
        s.connect(path)
        return True
    except BlockingIOError:  # the queue is full just now
        return False


def healthz(s, timeout_s=60):
    s.settimeout(timeout_s)
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = part = s.recv(4096)
    while part and not answer.endswith(b"}\n"):
        part = s.recv(4096)
        answer += part
    return answer


def closed(s):
    """Has the daemon closed this connection?"""
    s.setblocking(False)
    try:
        return s.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        s.settimeout(60)


def unread(daemon, s):
    """Bytes of this connection that the daemon has not read yet."""
    ends = (f"0100007F:{daemon.port:04X}", f"0100007F:{s.getsockname()[1]:04X}")
    for line in open("/proc/net/tcp", encoding="ascii"):
        fields = line.split()
        if tuple(fields[1:3]) == ends:
            return int(fields[4].split(":")[1], 16)
    return 0


@pytest.mark.parametrize("door", ["tcp", "unix"])
@pytest.mark.parametrize("half", HALVES)
def test_a_flood_of_half_requests(fresh, door, half):
    """5,000 of them, held open and then left: a normal client is answered all the while."""
    d = fresh()
    with many() as sockets:
        for _ in range(5000):
            sockets.append(connect(d, door))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sockets[-1].send(HALVES[half])
        with connect(d, door) as s:
            assert healthz(s, PROMPTLY_S).startswith(b"HTTP/1.1 200 ")
        for s in sockets:
            s.close()
        with connect(d, door) as s:
            assert healthz(s, PROMPTLY_S).startswith(b"HTTP/1.1 200 ")
    wait_for("all places to be free", lambda: open_sockets(d) <= 8)


def open_sockets(daemon):
    """How many sockets the daemon has open."""
    found = 0
    for entry in os.scandir(f"/proc/{daemon.process.pid}/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(entry.path).startswith("socket:")
    return found


def test_half_requests_that_have_left_hold_no_place(fresh):
    """They came with their end in one: libmicrohttpd waits for an edge that never comes, and kept
    each for 60 s in CLOSE_WAIT."""
    d = fresh()
    before = open_sockets(d)
    for _ in range(200):
        with connect(d, "tcp") as s:
            s.sendall(HALVES["head"])
    wait_for("the places to be free", lambda: open_sockets(d) <= before, 20)


def test_a_half_closed_client_gets_its_answer(fresh):
    d = fresh()
    with connect(d, "tcp") as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_the_oldest_makes_room(fresh):
    d = fresh("\n[http]\nconnections_max = 8\nconnections_per_peer = 0\n")
    before = open_sockets(d)
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(8):
            sockets.append(stack.enter_context(connect(d, "tcp")))
        wait_for("all to be taken in", lambda: open_sockets(d) >= before + 8)
        assert not closed(sockets[0])
        ninth = stack.enter_context(connect(d, "tcp"))
        assert healthz(ninth).startswith(b"HTTP/1.1 200 ")
        wait_for("the oldest to be closed", lambda: closed(sockets[0]))
        for s in sockets[1:]:
            assert healthz(s).startswith(b"HTTP/1.1 200 ")


def test_answered_ones_keep_their_places(fresh):
    d = fresh("\n[http]\nconnections_max = 8\nconnections_per_peer = 0\n")
    with contextlib.ExitStack() as stack:
        polls = [stack.enter_context(connect(d, "tcp")) for _ in range(8)]
        for s in polls:
            s.sendall(LONG_POLL)
        wait_for("all to be read", lambda: not any(unread(d, s) for s in polls))
        late = stack.enter_context(connect(d, "tcp"))
        late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not any(closed(s) for s in polls)
        polls[3].close()  # a client that leaves
        late.settimeout(30)
        assert late.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert sum(closed(s) for s in polls if s.fileno() >= 0) == 0


def test_one_address_cannot_take_all_places(fresh):
    d = fresh("\n[http]\nconnections_max = 16\nconnections_per_peer = 4\n")
    with contextlib.ExitStack() as stack:
        polls = [stack.enter_context(connect(d, "tcp")) for _ in range(4)]
        for s in polls:
            s.sendall(LONG_POLL)

        def asked():
            with connect(d, "tcp") as s:
                return healthz(s)
        wait_for("all to be read", lambda: not any(unread(d, s) for s in polls))
        refusal = wait_for("a refusal", lambda: (lambda a: a if b" 503 " in a else None)(asked()))
        assert b"urn:trainyard:busy" in refusal and b"127.0.0.1" in refusal
        assert b"onnection: close" in refusal
        with connect(d, "tcp", source="127.0.0.2") as other:
            assert healthz(other).startswith(b"HTTP/1.1 200 ")
        polls[0].close()
        wait_for("the share to be free", lambda: asked().startswith(b"HTTP/1.1 200 "))


def test_one_process_cannot_take_the_socket(fresh):
    d = fresh("\n[http]\nconnections_max = 16\nconnections_per_peer = 4\n")
    with contextlib.ExitStack() as stack:
        polls = []

        def refused():
            polls[:] = [s for s in polls if not closed(s)]
            while len(polls) < 4:
                polls.append(stack.enter_context(connect(d, "unix")))
                polls[-1].sendall(LONG_POLL)
            with connect(d, "unix") as s:
                return b"urn:trainyard:busy" in healthz(s)
        wait_for("a refusal", refused)
        other = subprocess.run(
            [sys.executable, "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n"
             "s.connect(sys.argv[1])\n"
             "s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')\n"
             "print(s.recv(4096))", d.dir / "trainyard.sock"],
            capture_output=True, text=True, timeout=60, check=True)
        assert "HTTP/1.1 200 " in other.stdout


def test_without_descriptors_half_requests_make_room(fresh):
    d = fresh()
    soft_limit(d, 5)
    with many() as sockets:
        for _ in range(60):
            sockets.append(connect(d, "tcp"))
            sockets[-1].send(HALVES["head"])
        with connect(d, "tcp") as s:
            assert healthz(s).startswith(b"HTTP/1.1 200 ")


def test_without_descriptors_clients_wait(fresh):
    """All descriptors are in use by requests that are answered: the next client waits until one
    has ended, the daemon does not spin, and says what is short."""
    d = fresh("\n[http]\nthreads = 1\n")
    d.get("/v1/events")  # its thread's reader of the database is open
    with connect(d, "tcp") as first, contextlib.ExitStack() as stack:
        assert healthz(first).startswith(b"HTTP/1.1 200 ")
        soft_limit(d, 3)
        polls = [stack.enter_context(connect(d, "tcp")) for _ in range(3)]
        for s in polls:
            s.sendall(LONG_POLL)
        first.sendall(LONG_POLL)
        wait_for("all to be read", lambda: not any(unread(d, s) for s in [*polls, first]))
        late = stack.enter_context(connect(d, "tcp"))
        late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for("the warning", lambda: "event=accept_pauses" in d.log_tail())
        assert not closed(late)
        polls[0].close()
        assert late.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert d.log_tail().count("event=accept_pauses") == 1


def test_bodies_share_one_budget(fresh):
    """40 half-sent bodies of 7 MB took 288 MB."""
    d = fresh()
    size = 7_000_000
    head = (b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % (size + 1))
    with many() as sockets:
        for _ in range(40):
            s = connect(d, "tcp")
            sockets.append(s)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(head + b"{" + b" " * (size - 1))
        assert d.memory()[1] < 160 << 20
        # Bodies that have stalled give way.
        wait_for("a whole body to fit", lambda: d.ask(
            "POST", "/v1/validate", data=b"{}" + b" " * (7 << 20),
            headers={"Content-Type": "application/json"}).status_code == 200)
        assert d.memory()[1] < 160 << 20
