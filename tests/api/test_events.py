# SPDX-License-Identifier: MIT
"""The event log and its long poll: nothing is missed, nothing comes twice, many may wait."""
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from client import DEADLINE_S, problem


def held(script):
    return {**script("hello.py"), "held": True}


def all_events(daemon, limit=100, **filters):
    found, since = [], 0
    while True:
        page = daemon.get("/v1/events", since=since, limit=limit, **filters)
        found += page["items"]
        assert page["next_since"] >= since
        if not page["items"] and page["next_since"] == since:
            return found
        since = page["next_since"]


def test_a_job_told_by_its_events(daemon, done):
    events = all_events(daemon, job=done["id"])
    moves = [(e["from"], e["to"]) for e in events if e["kind"] == "job_state"]
    assert moves == [("queued", "starting"), ("starting", "running"), ("running", "succeeded")]
    assert events[0]["kind"] == "job_created"
    assert {e["run"] for e in events} == {done["run"]}
    assert {e["job"] for e in events} == {done["id"]}
    numbers = [e["seq"] for e in events]
    assert numbers == sorted(set(numbers))


def test_page_size_does_not_change_what_is_told(daemon, done):
    whole = [e["seq"] for e in all_events(daemon, run=done["run"], limit=500)]
    for limit in (1, 2, 3, 7):
        assert [e["seq"] for e in all_events(daemon, run=done["run"], limit=limit)] == whole


def test_filters(daemon, script, done):
    kinds = {e["kind"] for e in all_events(daemon, run=done["run"], kind="job_state")}
    assert kinds == {"job_state"}
    assert all_events(daemon, run=done["run"], kind="nothing_like_it") == []


def test_without_since_it_begins_now(daemon, script):
    now = daemon.get("/v1/events")
    assert now["items"] == [] and now["generation"]
    run = daemon.submit([held(script)])
    page = daemon.get("/v1/events", since=now["next_since"], run=run["id"])
    assert page["items"][0]["seq"] > now["next_since"]


def test_wait_ends_at_the_event(daemon, script):
    job = daemon.submit_job(held(script))["id"]
    since = daemon.get("/v1/events")["next_since"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(daemon.get, "/v1/events", since=since, wait=60, job=job)
        daemon.submit([held(script)])  # another job: not what it waits for
        daemon.post(f"/v1/jobs/{job}/release")
        page = waiting.result(DEADLINE_S)
    assert {e["job"] for e in page["items"]} == {job}


def test_wait_ends_with_nothing(daemon, done):
    since = daemon.get("/v1/events")["next_since"]
    page = daemon.get("/v1/events", since=since, wait=1, job=done["id"])
    assert page["items"] == [] and page["next_since"] >= since


def test_a_hundred_long_polls(daemon, script):
    job = daemon.submit_job(held(script))["id"]
    since = daemon.get("/v1/events")["next_since"]
    with ThreadPoolExecutor(100) as pool:
        polls = [pool.submit(daemon.get, "/v1/events", since=since, wait=60, job=job)
                 for _ in range(100)]
        assert daemon.ask("GET", "/healthz").status_code == 200
        daemon.post(f"/v1/jobs/{job}/hold")
        daemon.post(f"/v1/jobs/{job}/cancel")
        pages = [poll.result(DEADLINE_S) for poll in polls]
    assert all(page["items"] for page in pages)
    assert {page["items"][0]["seq"] for page in pages} == {pages[0]["items"][0]["seq"]}


def test_a_watcher_sees_every_event_once(daemon, script):
    """One cursor through the long poll, while submits rain down, against the log afterwards."""
    start = daemon.get("/v1/events")["next_since"]
    stop, seen = threading.Event(), []

    def watch():
        since = start
        while True:
            page = daemon.get("/v1/events", since=since, wait=1, limit=50, kind="run_created")
            seen.extend(e["seq"] for e in page["items"])
            since = page["next_since"]
            if stop.is_set() and not page["items"]:
                return
    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: daemon.submit([held(script)])["id"], range(120)))
    stop.set()
    watcher.join(DEADLINE_S)
    logged = [e["seq"] for e in all_events(daemon, kind="run_created") if e["seq"] > start]
    assert seen == logged
    assert len(logged) >= len(runs)


def test_catching_up_from_the_database(fresh, script):
    """More events than the feed keeps in memory, and a restart: the log is told from the disk."""
    d = fresh()
    for _ in range(4):
        d.submit([{**held(script), "name": f"j{i}"} for i in range(200)])
    before = [e["seq"] for e in all_events(d, limit=500)]
    assert len(before) >= 800
    assert d.stop() == 0
    d.start()
    after = [e["seq"] for e in all_events(d, limit=500)]
    assert after[:len(before)] == before


def test_a_cursor_from_the_future_or_elsewhere_is_gone(daemon):
    now = daemon.get("/v1/events")
    problem(daemon.ask("GET", f"/v1/events?since={now['next_since'] + 10 ** 6}"), 410, "gone")
    problem(daemon.ask("GET", f"/v1/events?since=1&generation={now['generation']}x"), 410, "gone")
    assert daemon.ask("GET", f"/v1/events?since={now['next_since']}"
                             f"&generation={now['generation']}").status_code == 200


def test_a_client_that_goes_away_while_it_waits(daemon, done):
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE_S)
        s.sendall(f"GET /v1/events?wait=60&job={done['id']} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                  .encode())
        s.close()
    assert daemon.ask("GET", "/healthz").status_code == 200


def test_a_stop_answers_those_who_wait(fresh):
    d = fresh()
    waiting = []
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", d.port), timeout=DEADLINE_S)
        s.sendall(b"GET /v1/events?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting.append(s)
    # The requests before this one have been taken from their connections.
    d.get("/v1/events", wait=1)
    assert d.stop() == 0
    answers = [s.recv(12) for s in waiting]
    assert set(answers) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    for s in waiting:
        s.close()
