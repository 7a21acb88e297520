# SPDX-License-Identifier: MIT
"""The files a job has made: the list, downloads, ranges, and the ways out of the directory."""
import os
import resource

import pytest

from client import problem, soft_limit
from trainyardd import wait_for

WEIGHTS = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def base(daemon, script):
    job = daemon.wait_end(daemon.submit_job(script("files.py"))["id"])
    assert job["state"] == "succeeded", job
    return f"/v1/jobs/{job['id']}/artifacts"


def test_the_list(daemon, base):
    answer = daemon.get(base)
    assert answer["truncated"] is False
    sizes = {item["path"]: item["size"] for item in answer["items"]}
    assert sizes["model/weights.bin"] == len(WEIGHTS)
    assert sizes["model/config.json"] == 8
    assert sizes["model/empty"] == 0
    assert "model/sub/ünïcode name.txt" in sizes
    # Links and pipes are not files of the job.
    assert not any(name in path for path in sizes for name in ("outside", "inside", "etc", "pipe"))
    assert all(item["modified_at"].endswith("Z") for item in answer["items"])


NOT_UTF8 = {r"model/caf\xe9.txt": b"caf\xe9.txt",
            r"model/d\xff/é \xf0\x9f": b"d\xff/\xc3\xa9 \xf0\x9f"}


def test_names_that_are_not_utf8_are_listed_and_served(daemon, base):
    """Before: they were left out of the list, and could not be had."""
    items = {item["path"]: item for item in daemon.get(base)["items"]}
    assert {path for path, item in items.items() if item.get("escaped")} == set(NOT_UTF8)
    for path, content in NOT_UTF8.items():
        assert items[path]["size"] == len(content)
        assert daemon.ask("GET", f"{base}/{path}").content == content
    # A name that only looks so is itself.
    assert daemon.ask("GET", base + r"/model/plain\xe9").content == rb"plain\xe9"
    listed = daemon.get(base, prefix=r"model/d\xff/")["items"]
    assert [item["path"] for item in listed] == [r"model/d\xff/é \xf0\x9f"]


def work_of(daemon, base):
    job = base.split("/")[3]
    return next(spec.parent / "work" for spec in daemon.data.glob("executions/*/spec.json")
                if job in spec.read_text())


def test_a_path_beyond_measure_is_not_cut(daemon, base):
    """Before: its first 1023 bytes were opened. A long name that needs escapes was not found."""
    work = work_of(daemon, base)
    name = b"output/" + b"/".join([b"d" * 200] * 5)
    name += b"/\xff" + b"a" * (1023 - len(name) - 2)
    path = os.fsencode(work) + b"/" + name
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"found")
    shown = name.decode("latin-1").replace("\xff", r"\xff")
    assert daemon.ask("GET", f"{base}/{shown}").content == b"found"
    problem(daemon.ask("GET", f"{base}/{shown}a"), 404, "not_found")
    (work / "output" / os.fsdecode(b"\xfe" * 200)).write_bytes(b"long")
    assert daemon.ask("GET", f"{base}/output/" + r"\xfe" * 200).content == b"long"


def steady(daemon):
    """A check: the daemon has as many descriptors as at the five looks before."""
    seen = []

    def look():
        seen.append(len(os.listdir(f"/proc/{daemon.process.pid}/fd")))
        return len(seen) > 5 and len(set(seen[-6:])) == 1
    return look


@pytest.mark.parametrize("path, spare", [("/model/config.json", 0), ("/model/config.json", 1),
                                         ("", 0), ("", 2)])
def test_without_descriptors_no_file_is_said_to_be_gone(daemon, base, path, spare):
    """Before: 410, 404 for the file itself, and a list without what could not be read."""
    limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    connection = daemon.connection()
    for tries, status in ((1, 200), (2, 503), (3, 200)):
        if status == 503:
            wait_for("the end of what others have closed", steady(daemon))
            soft_limit(daemon, spare)
        connection.request("GET", f"{base}{path}")
        answer = connection.getresponse()
        body = answer.read()
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
        assert answer.status == status, (tries, body)


def test_the_list_by_prefix(daemon, base):
    def paths(prefix):
        return {item["path"] for item in daemon.get(base, prefix=prefix)["items"]}
    assert paths("model/s") == {"model/sub/ünïcode name.txt"}
    assert paths("model/config.json") == {"model/config.json"}
    assert paths("nothing") == set()
    assert paths("../") == set()


def test_downloads(daemon, base):
    answer = daemon.ask("GET", f"{base}/model/weights.bin")
    assert answer.content == WEIGHTS
    assert answer.headers["Content-Length"] == str(len(WEIGHTS))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert daemon.get(f"{base}/model/config.json") == {"a": 1}
    assert daemon.ask("GET", f"{base}/model/empty").content == b""
    assert daemon.ask("GET", f"{base}/model/sub/ünïcode name.txt").text == "text"
    assert daemon.ask("GET", f"{base}/model/inside").content == b'{"a": 1}'
    head = daemon.ask("HEAD", f"{base}/model/weights.bin")
    assert head.headers["Content-Length"] == str(len(WEIGHTS)) and head.content == b""


def test_a_change_within_a_second_is_another_file(daemon, base):
    """Of the same size, and by its time less than a microsecond later."""
    job = base.split("/")[3]
    path = next(file for file in daemon.data.glob("executions/*/work/model/weights.bin")
                if job in (file.parents[2] / "spec.json").read_text())
    tags = []
    for ns in (1, 2):
        os.utime(path, ns=(ns, ns))
        tags.append(daemon.ask("GET", f"{base}/model/weights.bin").headers["ETag"])
    assert tags[0] != tags[1]


def test_a_download_is_not_sent_twice(daemon, base):
    etag = daemon.ask("GET", f"{base}/model/weights.bin").headers["ETag"]
    again = daemon.ask("GET", f"{base}/model/weights.bin", headers={"If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""


@pytest.mark.parametrize("header, start, end", [
    ("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), ("bytes=1048570-", 1048570, 1048576),
    ("bytes=-6", 1048570, 1048576), ("bytes=5-99999999", 5, 1048576),
])
def test_ranges(daemon, base, header, start, end):
    answer = daemon.ask("GET", f"{base}/model/weights.bin", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == WEIGHTS[start:end]
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(WEIGHTS)}"


def test_ranges_that_are_not_there(daemon, base):
    answer = daemon.ask("GET", f"{base}/model/weights.bin", headers={"Range": "bytes=1048576-"})
    problem(answer, 416, "out_of_range")
    assert answer.headers["Content-Range"] == "bytes */1048576"
    for header in ("bytes=9-1", "lines=1-2", "bytes=1-2,5-6"):
        whole = daemon.ask("GET", f"{base}/model/weights.bin", headers={"Range": header})
        assert whole.status_code == 200 and len(whole.content) == len(WEIGHTS)


@pytest.mark.parametrize("path", [
    "../log", "model/../../log", "model/../../spec.json", "model/%2e%2e/%2e%2e/log",
    "model/..%2f..%2flog", "%2e%2e%2flog", "/etc/passwd", "%2fetc%2fpasswd", "model//etc/passwd",
    "model/./config.json", "log", "spec.json", "events.ndjson", "work/model/config.json", "",
    "model", "model/", "model/sub", "model/outside",
    r"model/\x2e\x2e/events.ndjson", "model/etc/passwd", "model/etc", "model/pipe",
    "model/nothing", "modelx/config.json", "model/config.json/x", "model/" + "d/" * 40 + "x",
    "model/" + "n" * 300,
])
def test_what_is_not_given_out(daemon, base, path):
    connection = daemon.connection()
    connection.request("GET", f"{base}/{path}")
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 404, body[:200]
    assert b"root:" not in body


def test_a_job_that_has_not_run(daemon, script):
    job = daemon.submit_job({**script("hello.py"), "held": True})["id"]
    problem(daemon.ask("GET", f"/v1/jobs/{job}/artifacts"), 404, "not_found")
    problem(daemon.ask("GET", f"/v1/jobs/{job}/artifacts/model/x"), 404, "not_found")


def test_metrics_of_a_job_without_any(daemon, done):
    answer = daemon.get(f"/v1/jobs/{done['id']}/metrics")
    assert answer == {"items": [], "next_since": 0}
