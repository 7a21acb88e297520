# SPDX-License-Identifier: MIT
"""Lists and items: pages, filters, forms, ETags."""
import pytest

from client import problem


@pytest.fixture(scope="module")
def stock(daemon, script):
    """Nine held runs that nothing else changes: name, tags and kind differ."""
    runs = []
    for i in range(9):
        job = {**script("hello.py", "work"), "held": True}
        runs.append(daemon.submit([job], name=f"stock-{i % 3}"))
    return runs


def ids(page):
    return [item["id"] for item in page["items"]]


def pages(daemon, path, **params):
    found, cursor = [], None
    while True:
        page = daemon.get(path, **params, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= params["limit"]
        found += ids(page)
        cursor = page["next_cursor"]
        if not cursor:
            return found


def test_newest_first_in_pages(daemon, stock):
    mine = [run["id"] for run in reversed(stock)]
    for limit in (1, 2, 4, 100):
        found = pages(daemon, "/v1/runs", limit=limit)
        assert [i for i in found if i in mine] == mine
        assert len(found) == len(set(found))


def test_new_items_do_not_disturb_a_page_walk(daemon, stock, script):
    first = daemon.get("/v1/runs", limit=3, name="stock-1")
    daemon.submit([{**script("hello.py"), "held": True}], name="stock-1x")
    assert len(first["items"]) == 3 and first["next_cursor"] is None


def test_filters(daemon, stock):
    assert set(ids(daemon.get("/v1/runs", name="stock-2"))) == {r["id"] for r in stock[2::3]}
    assert ids(daemon.get("/v1/runs", name="stock")) == []
    assert stock[0]["id"] in ids(daemon.get("/v1/runs", state="queued,running", limit=500))
    assert stock[0]["id"] not in ids(daemon.get("/v1/runs", state="failed", limit=500))
    jobs = daemon.get("/v1/jobs", run=stock[4]["id"])
    assert [job["run"] for job in jobs["items"]] == [stock[4]["id"]]
    assert ids(daemon.get("/v1/jobs", run=stock[4]["id"], kind="train,script")) == ids(jobs)
    assert ids(daemon.get("/v1/jobs", run=stock[4]["id"], kind="train")) == []
    assert ids(daemon.get("/v1/jobs", run=stock[4]["id"], target="local")) == ids(jobs)
    assert ids(daemon.get("/v1/jobs", run=stock[4]["id"], target="sagemaker")) == []
    at = stock[5]["created_at"]
    after = ids(daemon.get("/v1/runs", created_after=at, limit=500))
    assert stock[8]["id"] in after and stock[4]["id"] not in after
    assert ids(daemon.get("/v1/runs", created_before="2001-01-01")) == []


def test_tags(daemon, script):
    job = {**script("hello.py"), "held": True}
    run = daemon.post("/v1/runs", {"name": "tagged", "tags": {"group": "vision", "x": "1"},
                                   "jobs": [job]}).json()
    assert ids(daemon.get("/v1/runs", tag="group:vision")) == [run["id"]]
    assert ids(daemon.get("/v1/runs", tag="group")) == [run["id"]]
    assert ids(daemon.get("/v1/runs", tag="group:audio")) == []


def test_a_tag_that_is_a_path_of_the_daemon(daemon, script):
    """It is stored as it is, also below the data directory, and found as it was written."""
    for i, value in enumerate((f"{daemon.data}/executions/x1/model", "data:/x", "data::/y")):
        run = daemon.post("/v1/runs", {"jobs": [{**script("hello.py"), "held": True}],
                                       "tags": {f"path{i}": value}}).json()
        assert daemon.get(f"/v1/runs/{run['id']}")["tags"] == {f"path{i}": value}
        assert ids(daemon.get("/v1/runs", tag=f"path{i}:{value}")) == [run["id"]]


def test_tags_whose_names_have_colons_are_found(daemon, script):
    job = {**script("hello.py"), "held": True}
    tags = {"cost:center": "a:b", "cost": "center"}
    run = daemon.post("/v1/runs", {"tags": tags, "jobs": [job]}).json()
    for tag in ("cost:center:a:b", "cost:center", "cost"):
        assert ids(daemon.get("/v1/runs", tag=tag)) == [run["id"]], tag
    for tag in ("cost:center:a", "cost:centre", "center", ":"):
        assert ids(daemon.get("/v1/runs", tag=tag)) == [], tag


@pytest.mark.parametrize("name, most", [("tag", 128 + 1 + 256), ("name", 63), ("run", 63)])
def test_a_filter_longer_than_its_limit_is_refused_and_never_cut(daemon, script, name, most):
    job = {**script("hello.py"), "held": True}
    key = "k" * 128
    run = daemon.post("/v1/runs", {"name": "n" * 63, "tags": {key: "v" * 256},
                                   "jobs": [job]}).json()
    longest = {"tag": f"{key}:{'v' * 256}", "name": "n" * 63, "run": "r" * 63}[name]
    assert len(longest) == most
    found = ids(daemon.get("/v1/runs" if name != "run" else "/v1/jobs", **{name: longest}))
    assert (run["id"] in found) == (name != "run")
    body = problem(daemon.ask("GET", "/v1/jobs", params={name: longest + "x"}), 400,
                   "invalid_parameter")
    assert f"'{name}' has {most + 1} bytes" in body["detail"]


def test_short_and_long_forms(daemon, stock):
    short = daemon.get("/v1/jobs", limit=1, view="short")["items"][0]
    assert set(short) == {"id", "name", "state", "created_at", "started_at", "finished_at"}
    listed = daemon.get("/v1/jobs", limit=1)["items"][0]
    assert "spec" not in listed and listed["kind"] and listed["run"]
    assert daemon.get(f"/v1/jobs/{listed['id']}")["spec"]["kind"] == listed["kind"]


def test_a_cursor_belongs_to_its_list(daemon, stock):
    cursor = daemon.get("/v1/runs", limit=1)["next_cursor"]
    assert cursor
    for path in ("/v1/jobs", "/v1/runs?sort=created_at"):
        glue = "&" if "?" in path else "?"
        answer = daemon.ask("GET", f"{path}{glue}cursor={cursor}")
        assert "another list" in problem(answer, 400, "invalid_parameter")["detail"]


@pytest.mark.parametrize("noun", ["runs", "jobs", "endpoints"])
def test_a_list_changes_its_etag_with_states(daemon, script, noun):
    first = daemon.ask("GET", f"/v1/{noun}")
    etag = first.headers["ETag"]
    again = daemon.ask("GET", f"/v1/{noun}", headers={"If-None-Match": etag})
    if again.status_code == 200:  # something of another test has moved
        etag = again.headers["ETag"]
    daemon.submit([{**script("hello.py"), "held": True}])
    changed = daemon.ask("GET", f"/v1/{noun}", headers={"If-None-Match": etag})
    assert changed.status_code == 200 and changed.headers["ETag"] != etag


def test_items_and_their_etags(daemon, script):
    run = daemon.submit([{**script("hello.py"), "held": True}])
    job = run["jobs"][0]["id"]
    for path in (f"/v1/runs/{run['id']}", f"/v1/jobs/{job}"):
        etag = daemon.ask("GET", path).headers["ETag"]
        for header in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
            same = daemon.ask("GET", path, headers={"If-None-Match": header})
            assert same.status_code == 304 and same.content == b"", header
            assert same.headers["ETag"] == etag
        for header in ('"other"', etag[:-1], etag.upper() + "x"):
            assert daemon.ask("GET", path, headers={"If-None-Match": header}).status_code == 200
        assert daemon.post(f"/v1/jobs/{job}/hold",
                           headers={"If-None-Match": etag}).status_code == 200
        daemon.post(f"/v1/jobs/{job}/cancel")
        changed = daemon.ask("GET", path, headers={"If-None-Match": etag})
        assert changed.status_code == 200 and changed.headers["ETag"] != etag
        daemon.post(f"/v1/jobs/{job}/retry")


def test_an_etag_of_another_database_does_not_match(daemon, fresh, script):
    other = fresh("cpu_slots = 1\n")
    a = daemon.ask("GET", "/v1/runs").headers["ETag"]
    b = other.ask("GET", "/v1/runs").headers["ETag"]
    assert a.split("-")[0] != b.split("-")[0]


def test_a_cursor_of_another_database_is_gone(daemon, fresh, script, stock):
    other = fresh()
    for _ in range(2):
        other.submit([{**script("hello.py"), "held": True}])
    cursor = daemon.get("/v1/runs", limit=1)["next_cursor"]
    problem(other.ask("GET", f"/v1/runs?cursor={cursor}"), 410, "gone")


def test_full_view_has_the_spec(daemon, stock):
    [run] = daemon.get("/v1/runs", name="stock-1", limit=1, view="full")["items"]
    assert run["spec"] == daemon.get(f"/v1/runs/{run['id']}/spec")
    assert run["spec"]["name"] == "stock-1" and run["spec"]["jobs"][0]["held"] is True
    [job] = daemon.get("/v1/jobs", run=run["id"], view="full")["items"]
    assert job["spec"] == daemon.get(f"/v1/jobs/{job['id']}")["spec"]
    for path in ("/v1/runs", "/v1/jobs"):
        assert "spec" not in daemon.get(path, limit=1)["items"][0]
    found = pages(daemon, "/v1/jobs", limit=2, view="full")
    assert len(found) == len(set(found)) and job["id"] in found


def test_sort_by_a_metric_that_no_job_has(daemon, script):
    spec = script("lines.py", lines=3) | {"metric_definitions": [
        {"name": "the_line", "regex": "line 0*([0-9]+)"}]}
    job = daemon.wait_end(daemon.submit_job(spec)["id"])
    answer = daemon.ask("GET", "/v1/jobs", params={"sort": "-metrics.the_lime"})
    detail = problem(answer, 400, "invalid_parameter")["detail"]
    assert "no job has a metric 'the_lime'" in detail and "the_line" in detail
    assert ids(daemon.get("/v1/jobs", sort="-metrics.the_line"))[0] == job["id"]
