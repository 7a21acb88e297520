# SPDX-License-Identifier: MIT
"""Scripts that report far more than anybody reads: the daemon takes it in bounded shares, keeps a
sample of the points and one warning of a kind, and loses neither the ends nor the extremes."""
import math
import re

import pytest
from trainyardd import daemon_on, wait_for

LINES = 120_000
CHUNK = 128 << 10  # ENGINE_EVENTS_CHUNK
SAMPLE = 10_000  # STORE_METRIC_SAMPLE_MAX
LEAST, GREATEST, NAN = 4_321, 98_765, 77_777

# Speaks to the daemon as workers do.
SCRIPT = f"""\
import json, os, pathlib
work = pathlib.Path(os.environ["TRAINYARD_EXECUTION_DIR"]) / "work"
odd = {{{LEAST}: -3.5, {GREATEST}: 1e6, {NAN}: "NaN"}}
with open(work / "events.ndjson", "a") as f:
    for i in range({LINES}):
        f.write(json.dumps({{"v": 1, "t": "metric", "at": i, "step": i, "epoch": i / 100,
                            "values": {{"loss": odd.get(i, 1 + 1 / (i + 2))}}}}) + "\\n")
        if i % 100 == 0:
            f.write(json.dumps({{"v": 1, "t": "warning", "at": i, "code": "slow",
                                "message": f"warning {{i}}"}}) + "\\n")
    f.write("garbage\\n" * 1000 + "x" * 1_000_000 + "\\n")
    f.write(json.dumps({{"v": 1, "t": "result", "at": 1, "values": {{"answer": 42}}}}) + "\\n")
"""


@pytest.fixture(scope="module")
def chatty(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chatty")
    (directory / "source").mkdir()
    (directory / "source/chatty.py").write_text(SCRIPT)
    with daemon_on(directory) as daemon:
        run = daemon.submit([{"name": "chatty", "kind": "script", "entry_point": "chatty.py",
                              "source_dir": str(directory / "source")}])["id"]
        yield daemon, daemon.wait_job(run, "chatty", "succeeded")


def points_of(daemon, job):
    found, since = [], 0
    while True:
        page = daemon.get(f"/v1/jobs/{job}/metrics", since=since, limit=10_000)
        found += page["items"]
        if not page["items"]:
            return found
        since = page["next_since"]


def test_points_are_thinned_and_not_lost(chatty):
    """Before: 120,000 rows."""
    daemon, job = chatty
    points = points_of(daemon, job["id"])
    steps = [point["step"] for point in points]
    assert SAMPLE / 2 <= len(points) <= SAMPLE + 4
    assert steps == sorted(steps) and steps[0] == 0 and steps[-1] == LINES - 1
    values = {point["step"]: point["values"]["loss"] for point in points}
    assert values[LEAST] == -3.5 and values[GREATEST] == 1e6 and values[NAN] == "NaN"
    stride = 2 ** math.ceil(math.log2(LINES / SAMPLE))
    assert set(range(0, LINES, stride)) <= set(steps)


def test_a_turn_takes_a_bounded_share(chatty):
    """Before: at the end all that was left came in one go, and no other write between."""
    daemon, job = chatty
    shares = [event["points"] for event in daemon.events(job=job["id"])
              if event["kind"] == "metrics"]
    assert sum(shares) == LINES
    shortest = len('{"v": 1, "t": "metric", "at": 0, "step": 0, "epoch": 0.0, '
                   '"values": {"loss": 1.5}}\n')
    assert max(shares) <= CHUNK / shortest and len(shares) > 50


def test_warnings_of_a_kind_are_one(chatty):
    _, job = chatty
    counts = {warning["code"]: warning["count"] for warning in job["warnings"]}
    assert counts == {"slow": LINES // 100, "metrics_thinned": 1}


def test_what_is_no_event_is_logged_once(chatty):
    """Before: a line in the daemon's log for each."""
    daemon, job = chatty
    assert job["outputs"]["metrics"]["answer"] == 42
    log = (daemon.dir / "daemon.log").read_text()
    assert log.count("event_line_skipped") == 1
    assert int(re.search(r"event_lines_skipped execution=\w+ n=(\d+)", log)[1]) > 1000


LIMIT = 1 << 30  # ENGINE_EVENTS_MAX
TAIL = 256 << 10  # ENGINE_EVENTS_TAIL

# Fills its events file, as a sparse one, up to the limit, then goes past it.
LIMIT_SCRIPT = f"""\
import json, os, pathlib, sys, time
work = pathlib.Path(os.environ["TRAINYARD_EXECUTION_DIR"]) / "work"
gate = pathlib.Path(sys.argv[sys.argv.index("--gate") + 1])
file = os.open(work / "events.ndjson", os.O_WRONLY)
def line(**event):
    return b"\\n" + json.dumps({{"v": 1, "at": 1, **event}}).encode() + b"\\n"
def metric(step):
    return line(t="metric", step=step, epoch=step, values={{"loss": 0.5}})
def wait(name):
    while not (gate / name).exists():
        time.sleep(0.02)
os.pwrite(file, metric(1), {LIMIT} - len(metric(1)))
assert os.fstat(file).st_size == {LIMIT}
wait("past")
os.pwrite(file, b"\\n", {LIMIT})
wait("end")
os.pwrite(file, metric(2), {LIMIT} + 1)
os.pwrite(file, line(t="result", values={{"answer": 42}}), {LIMIT} + 2 * {TAIL})
"""


def test_events_at_the_limit_and_past_it(tmp_path):
    """The real limit of 1 GiB; the file is sparse."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source/limit.py").write_text(LIMIT_SCRIPT)
    with daemon_on(tmp_path) as daemon:
        run = daemon.submit([{"name": "job", "kind": "script", "entry_point": "limit.py",
                              "source_dir": str(tmp_path / "source"), "hyperparameters": {
                                  "gate": str(tmp_path)}}])["id"]
        job = daemon.job(run, "job")["id"]
        wait_for("the point before the limit", lambda: points_of(daemon, job))
        assert not daemon.get(f"/v1/jobs/{job}").get("warnings")
        (tmp_path / "past").touch()
        [warning] = wait_for("one byte past it", lambda: daemon.get(
            f"/v1/jobs/{job}").get("warnings"))
        assert warning["code"] == "events_cut" and "1 GiB" in warning["detail"]
        (tmp_path / "end").touch()
        ended = daemon.wait_job(run, "job", "succeeded")
        assert [point["step"] for point in points_of(daemon, job)] == [1]  # the second is left out
        assert ended["outputs"]["metrics"]["answer"] == 42  # and the last lines are read
        assert [(one["code"], one["count"]) for one in ended["warnings"]] == [("events_cut", 1)]
