# SPDX-License-Identifier: MIT
"""GET /metrics, read by Prometheus' own client library, beside what the other routes say."""
import pytest

from client import problem
from figures import histogram, of, scrape


def test_figures_of_jobs(daemon, script):
    before = scrape(daemon)
    for entry, state in (("hello.py", "succeeded"), ("exit3.py", "failed")):
        run = daemon.submit([script(entry)])["id"]
        assert daemon.wait_run(run)["state"] == state
    after = scrape(daemon)

    for state in ("succeeded", "failed"):
        for name in ("trainyard_jobs", "trainyard_jobs_ended_total"):
            labels = {"kind": "script", "state": state}
            assert of(after, name, **labels) == of(before, name, **labels) + 1
    for name in ("trainyard_job_queue_seconds", "trainyard_job_duration_seconds"):
        count, total = histogram(after, name, kind="script")
        assert count == histogram(before, name, kind="script")[0] + 2
        assert total > histogram(before, name, kind="script")[1] >= 0
    commits, _ = histogram(after, "trainyard_commit_seconds")
    transactions, length = histogram(after, "trainyard_transaction_seconds")
    assert commits == transactions > histogram(before, "trainyard_commit_seconds")[0]
    assert length >= of(after, "trainyard_commit_seconds_sum")


def test_figures_are_those_of_the_overview(daemon, script):
    daemon.wait_run(daemon.submit([script("hello.py")])["id"])
    overview = daemon.ask("GET", "/v1/overview").json()
    samples = scrape(daemon)

    for state, n in overview["counts"]["jobs"].items():
        assert n == sum(value for key, value in samples.items()
                        if key[0] == "trainyard_jobs" and dict(key[1:])["state"] == state)
    for name in ("runs", "endpoints"):
        for state, n in overview["counts"][name].items():
            assert of(samples, f"trainyard_{name}", state=state) == n
    slots = overview["devices"]["cpu_slots"]
    assert of(samples, "trainyard_cpu_slots", part="total") == slots["total"]
    assert of(samples, "trainyard_info", version=overview["version"]) == 1
    assert of(samples, "trainyard_ready") == 1
    assert of(samples, "process_open_fds") < of(samples, "process_max_fds")
    assert 1 << 20 < of(samples, "process_resident_memory_bytes") < 1 << 30


def test_replies_are_counted_by_route(daemon):
    def counts():
        samples = scrape(daemon)
        return [of(samples, "trainyard_http_requests_total", **labels) or 0 for labels in (
            {"method": "GET", "route": "/v1/runs/{run}", "status": "4xx"},
            {"method": "", "route": "", "status": "4xx"},
            {"method": "GET", "route": "/metrics", "status": "2xx"})]

    before = counts()
    problem(daemon.ask("GET", "/v1/runs/no-id"), 404, "not_found")
    problem(daemon.ask("GET", "/no/such/route"), 404, "no_such_route")
    assert [b - a for a, b in zip(before, counts())] == [1, 1, 1]


@pytest.mark.parametrize("query, status", [("?x=1", 400), ("", 200)])
def test_scrape_takes_no_parameter(daemon, query, status):
    assert daemon.ask("GET", "/metrics" + query).status_code == status
