# SPDX-License-Identifier: MIT
"""Scripts that report far more than anybody reads: the daemon takes it in bounded shares, keeps a
sample of the points and one warning of a kind, and loses neither the ends nor the extremes."""
import math
import re

import pytest
from trainyardd import daemon_on

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
