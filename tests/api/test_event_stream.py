# SPDX-License-Identifier: MIT
"""GET /v1/events as server-sent events: the same events as the list has, in order, once; the places
at which a stream begins; what a browser would do after a cut."""
import http.client
import json
import socket
import threading

import pytest

from client import short_lived
from trainyardd import DEADLINE_S, SANITIZED, wait_for

WATCHERS_MAX = 1024


class Stream:
    """An EventSource: parses as the standard says, knows the last id."""

    def __init__(self, daemon, path="/v1/events", **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=DEADLINE_S)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream"} | {
            name.replace("_", "-"): value for name, value in headers.items()})
        self.answer = self.connection.getresponse()
        self.last_id, self.comments, self.retry = None, 0, None

    def __enter__(self):
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """(event, data) of the next dispatch; None at the end of the stream."""
        event, data = "message", []
        while line := self.answer.readline().decode():
            line = line.rstrip("\n")
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    return event, json.loads("\n".join(data))
            elif not field:
                self.comments += 1
                return "comment", None
            elif field == "event":
                event = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
            elif field == "retry":
                self.retry = int(value)
        return None

    def take(self, n):
        events = []
        while len(events) < n:
            kind, data = self.next()
            if kind != "comment":
                assert kind == "message", (kind, data)
                events.append(data)
        return events


@pytest.fixture
def d():
    with short_lived() as daemon:
        yield daemon


def run_one(daemon, script, name="hello"):
    assert daemon.wait_run(daemon.submit([script("hello.py")], name=name)["id"])["state"] == (
        "succeeded")


def listed(daemon, since, **filters):
    return daemon.get("/v1/events", since=since, limit=500, **filters)["items"]


def test_a_stream_has_what_the_list_has(d, script):
    with Stream(d, "/v1/events?since=0") as stream:
        run_one(d, script)
        expected = listed(d, 0)
        assert stream.take(len(expected)) == expected
        generation, seq = stream.last_id.split(".")
        assert generation == d.get("/v1/events")["generation"]
        assert int(seq) == expected[-1]["seq"] and stream.retry == 1000


def test_a_stream_begins_now_and_goes_on_behind_the_last_event(d, script):
    run_one(d, script, "before")
    with Stream(d) as stream:
        run = d.submit([script("hello.py")], name="during")["id"]
        first = stream.take(3)
        assert first[0]["kind"] == "run_created" and first[0]["run"] == run
        last = stream.last_id
    d.wait_run(run)
    expected = listed(d, first[-1]["seq"])
    with Stream(d, Last_Event_ID=last) as stream:  # as a browser does after a cut
        assert stream.take(len(expected)) == expected
    with Stream(d, "/v1/events?since=0", Last_Event_ID=last) as stream:  # the header wins
        assert stream.take(1) == expected[:1]


def test_filters(d, script):
    run_one(d, script)
    run = d.submit([script("hello.py")])["id"]
    d.wait_run(run)
    for filters in ({"run": run}, {"kind": "job_state"}, {"run": run, "kind": "job_state"}):
        query = "&".join(f"{key}={value}" for key, value in filters.items())
        expected = listed(d, 0, **filters)
        with Stream(d, f"/v1/events?since=0&{query}") as stream:
            assert stream.take(len(expected)) == expected


def test_more_events_than_memory_has(d, script):
    for _ in range(3):
        d.submit([{**script("hello.py", name=f"j{i}"), "held": True} for i in range(250)])
    last = d.get("/v1/events")["next_since"]
    assert last > 512  # those before come from the database
    with Stream(d, "/v1/events?since=0") as stream:
        events = stream.take(last)
        assert [event["seq"] for event in events] == list(range(1, last + 1))
        d.submit([{**script("hello.py"), "held": True}])
        assert stream.take(1)[0]["seq"] == last + 1


@pytest.mark.parametrize("position", [
    {"Last_Event_ID": "0123456789abcdef.1"}, {"Last_Event_ID": "nonsense"},
    {"Last_Event_ID": "{generation}.999999"}, {"path": "/v1/events?since=999999"},
    {"path": "/v1/events?since=1&generation=other"}])
def test_a_position_that_is_not_kept_is_a_reset_inside_a_200(d, script, position):
    run_one(d, script)
    now = d.get("/v1/events")
    position = {key: value.format(generation=now["generation"]) for key, value in position.items()}
    with Stream(d, **position) as stream:
        kind, data = stream.next()
        assert (kind, data) == ("reset", {"seq": now["next_since"],
                                          "generation": now["generation"]})
        run = d.submit([script("hello.py")])["id"]
        assert stream.take(1)[0]["run"] == run
        d.wait_run(run)


def test_a_quiet_stream_has_a_beat_and_a_stop_ends_it(d):
    with Stream(d) as stream:
        assert stream.next() == ("comment", None)  # after 15 s
        ended = []
        thread = threading.Thread(target=lambda: ended.append(stream.next()))
        thread.start()
        assert d.stop() == 0
        thread.join(DEADLINE_S)
        assert ended == [None]
        d.start()


def test_a_client_that_leaves_or_does_not_read_holds_up_nobody(d, script):
    gone = Stream(d)
    gone.connection.sock.close()
    deaf = socket.create_connection(("127.0.0.1", d.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /v1/events?since=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 b"Accept: text/event-stream\r\n\r\n")
    for _ in range(100):
        d.submit([{**script("hello.py"), "held": True}])
    with Stream(d) as stream:
        run = d.submit([script("hello.py")])["id"]
        assert stream.take(1)[0]["run"] == run
    deaf.close()


@pytest.mark.skipif(SANITIZED, reason="it would be a sanitizer's memory")
def test_a_thousand_watchers_and_not_one_more(script):
    with short_lived(f"[http]\nconnections_max = {WATCHERS_MAX + 64}\n"
                     "connections_per_peer = 0\n") as d:
        before = d.memory()[0]
        streams = [Stream(d) for _ in range(WATCHERS_MAX)]
        try:
            one_more = Stream(d)
            assert one_more.answer.status == 429 and one_more.answer.getheader("Retry-After")
            one_more.connection.close()
            run = d.submit([{**script("hello.py"), "held": True}])["id"]
            for stream in streams:
                assert stream.take(1)[0]["run"] == run
            assert d.memory()[0] - before < 64 << 20
        finally:
            for stream in streams:
                stream.connection.close()
        wait_for("room for another", lambda: room(d))


def room(daemon):
    stream = Stream(daemon)
    stream.connection.close()
    return stream.answer.status == 200


def test_the_list_stays_the_list(d):
    for accept in ("application/json", "*/*"):
        answer = d.ask("GET", "/v1/events", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == "application/json" and answer.json()["items"] == []
