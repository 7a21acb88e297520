# SPDX-License-Identifier: MIT
"""Logs: windows, following to the end, the gap of a cut log, clients that go away or are slow."""
import re
import socket
import threading

import pytest

from client import DEADLINE_S, problem


LINES = "".join(f"line {i:06d}\n" for i in range(1000))
NO_OPT_ML = "warning: the script gets no /opt/ml"


@pytest.fixture(scope="module")
def lines(daemon, script):
    """A job whose log has 1000 lines of 12 bytes, after the one that names the command."""
    job = daemon.wait_end(daemon.submit_job(script("lines.py", lines=1000))["id"])
    assert job["state"] == "succeeded", job
    return f"/v1/jobs/{job['id']}/logs"


@pytest.fixture(scope="module")
def whole(daemon, lines):
    text = daemon.ask("GET", lines).text
    assert said(text) == LINES.splitlines()
    return text


def said(text):
    """The lines of the script itself; before them stands the command, and a warning where mount
    namespaces are forbidden."""
    first, *rest = text.splitlines()
    if first.startswith(NO_OPT_ML):
        first, *rest = rest
    assert first.startswith("Invoking script: ")
    return rest


def test_a_whole_log(daemon, lines, whole):
    answer = daemon.ask("GET", lines)
    assert answer.text == whole
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Log-Offset"] == "0"
    assert answer.headers["X-Log-Next-Offset"] == str(len(whole))
    assert answer.headers["X-Attempt"] == "1"


# Places are counted from the end of the log: -12 is the start of its last line.
@pytest.mark.parametrize("query, start, end", [
    ("offset={-12}", -12, 0), ("offset={0}", 0, 0), ("offset={-6}&limit=3", -6, -3),
    ("offset={-1}&limit=100", -1, 0), ("tail=0", 0, 0), ("tail=1", -12, 0), ("tail=10", -120, 0),
    ("tail=1000", -12000, 0), ("tail=5&limit=12", -60, -48),
])
def test_windows(daemon, lines, whole, query, start, end):
    size = len(whole)
    query = re.sub(r"\{(-?\d+)\}", lambda match: str(size + int(match[1])), query)
    answer = daemon.ask("GET", f"{lines}?{query}")
    assert answer.text == whole[size + start:size + end]
    assert answer.headers["X-Log-Offset"] == str(size + start)
    assert answer.headers["X-Log-Next-Offset"] == str(size + end)


@pytest.mark.parametrize("query", ["offset=0", "tail=1001", "tail=10000", "limit=99999999"])
def test_windows_of_everything(daemon, lines, whole, query):
    assert daemon.ask("GET", f"{lines}?{query}").text == whole


def test_wrong_windows(daemon, lines, whole):
    problem(daemon.ask("GET", f"{lines}?offset={len(whole) + 1}"), 416, "out_of_range")
    problem(daemon.ask("GET", f"{lines}?offset=1&tail=1"), 400, "invalid_parameter")
    problem(daemon.ask("GET", f"{lines}?follow=1&limit=1"), 400, "invalid_parameter")
    problem(daemon.ask("GET", f"{lines}?attempt=2"), 404, "not_found")


def test_reading_page_by_page(daemon, lines, whole):
    text, offset = "", 0
    while len(text) < len(whole):
        answer = daemon.ask("GET", f"{lines}?offset={offset}&limit=777")
        text += answer.text
        offset = int(answer.headers["X-Log-Next-Offset"])
    assert text == whole


def test_following_an_ended_job_ends_at_once(daemon, lines, whole):
    assert daemon.ask("GET", f"{lines}?follow=1").text == whole
    assert daemon.ask("GET", f"{lines}?follow=1&tail=1").text == whole[-12:]


def follow(daemon, job, query=""):
    return daemon.ask("GET", f"/v1/jobs/{job}/logs?follow=1{query}", stream=True)


def test_following_shows_lines_as_they_come_and_ends(daemon, script, gate):
    job = daemon.submit_job(script("wait.py", gate=gate))["id"]
    answer = follow(daemon, job)
    parts = answer.iter_lines(chunk_size=1)
    first = next(parts)
    if first.startswith(NO_OPT_ML.encode()):
        first = next(parts)
    assert first.startswith(b"Invoking script: ")
    assert next(parts) == b"started"
    for i in range(3):
        (gate / f"say{i}.tmp").write_text(f"word {i}")
        (gate / f"say{i}.tmp").rename(gate / f"say{i}")
        assert next(parts) == f"word {i}".encode()
    (gate / "go").touch()
    assert list(parts) == [b"ended"]
    assert daemon.wait_end(job)["state"] == "succeeded"


def test_following_begins_before_the_job_does(daemon, script):
    job = daemon.submit_job({**script("hello.py"), "held": True})["id"]
    answer = follow(daemon, job)
    assert "X-Attempt" not in answer.headers
    daemon.post(f"/v1/jobs/{job}/release")
    assert sorted(said(answer.text)) == ["hello", "to stderr"]


def test_following_a_job_that_never_starts(daemon, script):
    job = daemon.submit_job({**script("hello.py"), "held": True})["id"]
    answer = follow(daemon, job)
    daemon.post(f"/v1/jobs/{job}/cancel")
    assert answer.content == b""
    assert daemon.ask("GET", f"/v1/jobs/{job}/logs").content == b""


def test_following_goes_on_with_the_next_attempt(daemon, script):
    job = daemon.wait_end(daemon.submit_job(script("exit3.py"))["id"])["id"]
    run = daemon.get(f"/v1/jobs/{job}")["run"]
    daemon.post(f"/v1/jobs/{job}/retry")
    daemon.wait_run(run)
    assert said(daemon.ask("GET", f"/v1/jobs/{job}/logs?follow=1").text)[0] == "about to fail"


def test_a_client_that_goes_away_frees_its_place(daemon, script, gate):
    """64 followers are the limit; places of clients that went away are found again."""
    job = daemon.submit_job(script("wait.py", gate=gate))["id"]
    daemon.wait_state(job, "running")
    followers = [follow(daemon, job) for _ in range(64)]
    assert {answer.status_code for answer in followers} == {200}
    refused = follow(daemon, job)
    problem(refused, 429, "too_many_followers")
    assert refused.headers["Retry-After"]
    for answer in followers[:32]:
        answer.close()
    for _ in range(DEADLINE_S * 4):
        again = follow(daemon, job)
        if again.status_code == 200:
            break
        daemon.get("/v1/events", wait=1)
    assert again.status_code == 200
    (gate / "go").touch()
    for answer in [*followers[32:], again]:
        assert said(answer.text) == ["started", "ended"]


def test_a_slow_client_holds_nobody_up(daemon, script):
    job = daemon.wait_end(daemon.submit_job(script("lines.py", lines=400000))["id"])
    assert job["state"] == "succeeded"
    path = f"/v1/jobs/{job['id']}/logs"
    slow = socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE_S)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert slow.recv(15) == b"HTTP/1.1 200 OK"
    answer = daemon.ask("GET", path)
    assert len(said(answer.text)) == 400000
    slow.close()


def test_a_cut_log_says_what_is_missing(fresh, script):
    d = fresh("cpu_slots = 1\nlog_max_bytes = 128KiB\n")
    job = d.wait_end(d.submit_job(script("lines.py", lines=200000))["id"])["id"]
    text = d.log(job)
    notice = [line for line in text.splitlines() if line.startswith("[trainyard: ")]
    assert len(notice) == 1 and notice[0].endswith(" bytes of the log were cut here]")
    cut = int(notice[0].split()[1])
    head = text.splitlines()[0]
    assert said(text)[0] == "line 000000" and text.endswith("line 199999\n")
    assert "\0" not in text
    assert len(text) - len(head) - 1 - len(notice[0]) - 2 + cut == 200000 * 12
    assert d.ask("GET", f"/v1/jobs/{job}/logs?follow=1").text == text
    assert d.ask("GET", f"/v1/jobs/{job}/logs?tail=2").text == "line 199998\nline 199999\n"


def test_a_stop_ends_followers(fresh, script, gate):
    d = fresh()
    job = d.submit_job(script("wait.py", gate=gate))["id"]
    d.wait_state(job, "running")
    answer, cut = follow(d, job), []

    def read():
        try:
            cut.append(answer.content)
        except Exception as error:
            cut.append(error)
    reader = threading.Thread(target=read)
    reader.start()
    assert d.stop() == 0
    reader.join(DEADLINE_S)
    # Not a clean end: the log goes on, and the client must be able to tell.
    assert isinstance(cut[0], Exception)
    d.start()
    (gate / "go").touch()
    assert d.wait_end(job)["state"] == "succeeded"
