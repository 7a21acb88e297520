# SPDX-License-Identifier: MIT
"""HTTP itself: methods, paths, parameters, headers, limits, hosts, origins, the unix socket."""
import http.client
import os
import socket
import stat
import subprocess

import pytest
import requests

from client import NO_JOB, NO_RUN, problem
from trainyardd import BUILD

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path, near", [
    ("/v1/run", "/v1/runs"),
    (f"/v1/job/{NO_JOB}", f"/v1/jobs/{NO_JOB}"),
    (f"/v1/jobs/{NO_JOB}/log", f"/v1/jobs/{NO_JOB}/logs"),
    ("/v1/overviev", "/v1/overview"),
    ("/nothing/like/it/here", "/openapi.json"),
    ("/", "/openapi.json"),
    ("/v1/runs/", ""),
    ("//v1/runs", ""),
])
def test_unknown_routes(daemon, path, near):
    assert near in problem(daemon.ask("GET", path), 404, "no_such_route")["detail"]


@pytest.mark.parametrize("method, path, allow", [
    ("DELETE", "/v1/runs", "POST, GET, HEAD"),
    ("PUT", f"/v1/jobs/{NO_JOB}", "GET, HEAD"),
    ("GET", f"/v1/jobs/{NO_JOB}/cancel", "POST"),
    ("POST", "/v1/events", "GET, HEAD"),
    ("OPTIONS", "/healthz", "GET, HEAD"),
    ("BREW", "/healthz", "GET, HEAD"),
])
def test_wrong_methods(daemon, method, path, allow):
    answer = daemon.ask(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("path, words", [
    ("/v1/runs?stat=queued", "did you mean 'state'"),
    ("/v1/version?x=1", "no query parameter 'x'"),
    ("/v1/runs?limit=1&limit=2", "twice"),
    ("/v1/runs?state=runing", "did you mean 'running'"),
    ("/v1/runs?state=queued,,", "has the unknown value ''"),
    ("/v1/jobs?kind=trian", "did you mean 'train'"),
    ("/v1/jobs?target=moon", "local or sagemaker"),
    ("/v1/runs?limit=0", "from 1 to 500"),
    ("/v1/runs?limit=501", "from 1 to 500"),
    ("/v1/runs?limit=ten", "not 'ten'"),
    ("/v1/runs?limit=%201", "from 1 to 500"),
    ("/v1/runs?limit=99999999999999999999", "from 1 to 500"),
    ("/v1/runs?created_after=yesterday", "2026-01-31"),
    ("/v1/runs?view=long", "short or full"),
    ("/v1/runs?sort=name", "created_at"),
    (f"/v1/jobs/{NO_JOB}/logs?follow=yes", "1, 0, true or false"),
    (f"/v1/jobs/{NO_JOB}/logs?offset=-1", "offset"),
    (f"/v1/jobs/{NO_JOB}/logs?tail=10001", "10000"),
    (f"/v1/jobs/{NO_JOB}/metrics?attempt=0", "from 1"),
    ("/v1/events?wait=61", "from 0 to 60"),
    ("/v1/events?since=-1", "since"),
    ("/v1/events?kind=" + "k" * 40, "too long"),
    ("/v1/queue?limit=501", "from 1 to 500"),
])
def test_wrong_parameters(daemon, path, words):
    answer = daemon.ask("GET", path)
    unknown = "did you mean 'state'" in words or "no query parameter" in words
    body = problem(answer, 400, "unknown_parameter" if unknown else "invalid_parameter")
    assert words in body["detail"]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%00", "a" * 3000, "1", "-1", "eyJ4IjoxfQ=="])
@pytest.mark.parametrize("noun", ["runs", "jobs", "endpoints"])
def test_wrong_cursors(daemon, noun, cursor):
    answer = daemon.ask("GET", f"/v1/{noun}?cursor={cursor}")
    problem(answer, 400, "invalid_url" if cursor == "%00" else "invalid_parameter")


@pytest.mark.parametrize("path, words", [
    ("/v1/runs/nope", "not the id of a run"),
    ("/v1/jobs/nope", "not the id of a job"),
    (f"/v1/jobs/{NO_RUN}", f"/v1/runs/{NO_RUN}"),
    (f"/v1/runs/{NO_JOB}", f"/v1/jobs/{NO_JOB}"),
    (f"/v1/runs/{NO_RUN}", NO_RUN),
    (f"/v1/jobs/{NO_JOB}", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/attempts", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/explain", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/logs", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/logs?follow=1", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/metrics", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/artifacts", NO_JOB),
    (f"/v1/jobs/{NO_JOB}/artifacts/model/a", NO_JOB),
    ("/v1/endpoints/nope", "nope"),
    ("/v1/endpoints/nope/logs", "nope"),
    ("/v1/endpoints/" + "n" * 64, "n" * 64),
])
def test_what_is_not_there(daemon, path, words):
    assert words in problem(daemon.ask("GET", path), 404, "not_found")["detail"]


@pytest.mark.parametrize("path", [
    f"/v1/runs/{NO_RUN}/cancel", f"/v1/runs/{NO_RUN}/retry", f"/v1/jobs/{NO_JOB}/cancel",
    f"/v1/jobs/{NO_JOB}/retry", f"/v1/jobs/{NO_JOB}/hold", f"/v1/jobs/{NO_JOB}/release",
    "/v1/endpoints/nope/renew", "/v1/endpoints/nope/invocations",
])
def test_actions_on_what_is_not_there(daemon, path):
    problem(daemon.post(path), 404, "not_found")


def test_bodies_of_actions(daemon):
    path = f"/v1/jobs/{NO_JOB}/cancel"
    problem(daemon.post(path, {}), 404, "not_found")
    body = problem(daemon.post(path, {"force": True}), 422, "invalid_body")
    assert body["errors"][0]["pointer"] == "/force"
    problem(daemon.ask("POST", path, data=b"{}" + b" " * 4096, headers=JSON), 413, "too_large")
    renew = "/v1/endpoints/nope/renew"
    body = problem(daemon.post(renew, {"tll": "1h"}), 422, "invalid_body")
    assert "did you mean 'ttl'" in body["errors"][0]["detail"]
    for ttl in ("soon", "", "-1h", "0s", 60, None):
        problem(daemon.post(renew, {"ttl": ttl}), 422, "invalid_body")
    problem(daemon.ask("GET", "/v1/version", data=b"x"), 400, "unexpected_body")


@pytest.mark.parametrize("headers", [
    {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain"}, {},
    {"Content-Type": "text/plain;application/json"},
])
def test_wrong_content_type(daemon, headers):
    problem(daemon.ask("POST", "/v1/runs", data=b'{"jobs":[]}', headers=headers), 415,
            "unsupported_media_type")


def test_body_at_the_limit_and_one_past_it(daemon):
    limit = 8 << 20
    padding = b" " * (limit - 2)
    answer = daemon.ask("POST", "/v1/validate", data=b"{}" + padding, headers=JSON)
    assert answer.status_code == 200, answer.text
    body = problem(daemon.ask("POST", "/v1/validate", data=b"{} " + padding, headers=JSON), 413,
                   "too_large")
    assert str(limit) in body["detail"]


def test_chunked_body_past_the_limit(daemon):
    def chunks():
        yield b"{}"
        for _ in range(81):
            yield b" " * 105000
    problem(daemon.ask("POST", "/v1/validate", data=chunks(), headers=JSON), 413, "too_large")


def test_expect_is_answered_before_the_body(daemon):
    head = (b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert daemon.raw(head).startswith(b"HTTP/1.1 413 ")


def test_a_huge_announced_body_is_not_read(daemon):
    head = (b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999999\r\n\r\n")
    assert daemon.raw(head).startswith(b"HTTP/1.1 413 ")


def test_url_at_the_limit_and_one_past_it(daemon):
    path = "/v1/runs/"
    assert daemon.ask("GET", path + "a" * (4096 - len(path))).status_code == 404
    problem(daemon.ask("GET", path + "a" * (4097 - len(path))), 414, "invalid_url")


@pytest.mark.parametrize("path", ["/v1/%zz", "/v1/%", "/v1/%4", "/v1/runs%00", "/v1/%ff",
                                  "/v1/runs?name=%00", "/v1/runs?name=%ff", "/v1/runs?%zz=1"])
def test_bad_escapes(daemon, path):
    connection = daemon.connection()
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"urn:trainyard:invalid_url" in answer.read()


def test_escapes_are_decoded(daemon):
    assert daemon.ask("GET", "/v1/%72uns?%6cimit=%31").status_code == 200


@pytest.mark.parametrize("query", ["&" * 4000, "&".join(["a"] * 2000), "a=b&" * 17,
                                   "&".join(["name=x"] * 3000)])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_many_parameters_are_answered(daemon, method, query):
    """libmicrohttpd ran out of the connection's memory, and neither replied nor closed for 60 s."""
    answer = daemon.raw(method + b" /v1/runs?" + query.encode() + b" HTTP/1.1\r\n" + HOST
                        + b"Content-Length: 2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1, answer
    assert b"\r\nConnection: close\r\n" in answer and b"urn:trainyard:invalid_url" in answer
    assert b"more than 16 parameters" in answer


def test_parameters_at_the_limit(daemon):
    answer = daemon.ask("GET", "/v1/runs?" + "&" * 14 + "limit=1")
    assert answer.status_code == 200, answer.text


def test_headers_beyond_the_limit(daemon):
    assert daemon.ask("GET", "/v1/version", headers={"X-Big": "a" * 8000}).status_code == 200
    assert daemon.ask("GET", "/v1/version", headers={"X-Big": "a" * 40000}).status_code == 431
    assert daemon.ask("GET", "/v1/version").status_code == 200


@pytest.mark.parametrize("data", [
    b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET /v1/version HTTP/9.9\r\n\r\n",
    b"GET /v1/version HTTP/1.1\r\n\r\n", b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: -5\r\n\r\n{}",
    b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
])
def test_nonsense_on_the_wire(daemon, data):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        first = s.recv(4096)
    assert not first or first.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 4"))
    assert daemon.ask("GET", "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 1000,
                                  b"GET /v1/runs HTTP/1.1\r\nHost: loc", b"\r\n\r\n",
                                  b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                  b"application/json\r\nContent-Length: 50\r\n\r\n{"])
def test_requests_that_never_end(daemon, data):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as s:
            s.sendall(data)
    assert daemon.ask("GET", "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("127.0.0.1:9", 200), ("[::1]:8470", 200), ("evil.example", 403),
    ("localhost.evil.example", 403), ("192.168.1.1", 403),
])
def test_hosts(daemon, host, status):
    assert daemon.ask("GET", "/v1/version", headers={"Host": host}).status_code == status


POST = b"POST /v1/validate HTTP/1.1\r\nContent-Type: application/json\r\n"
HOST = b"Host: localhost\r\n"


def one_answer(daemon, data):
    """The only answer to these bytes, after which the daemon closes: (status, body)."""
    answer = daemon.raw(data)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower(), answer
    assert answer.count(b"\r\nDate: ") == 1
    return int(head.split()[1]), body


@pytest.mark.parametrize("head", [
    HOST + HOST, HOST + b"host: evil.example\r\n",
    HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n",
    HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n",
    HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    HOST + b"Content-Length : 2\r\n", HOST + b"Content-Length: 2\r\nX Y: 1\r\n",
    HOST + b"Content-Length: 2\r\nX-A: \x1b[2J\r\n",
    HOST + b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
    b"", b"Host:\r\n", b"Host: localhost:evil.com\r\n",
    b"Host: localhost:99999\r\n", b"Host: localhost:80:80\r\n",
    b"Host: [::1]evil.com\r\n", b"Host: [::1]:evil.com\r\n", b"Host: :80\r\n",
])
def test_ambiguous_heads_are_refused(daemon, head):
    """RFC 9112, 11.2: different readers would take them differently. The connection is closed: a
    second request behind it is not read."""
    status, body = one_answer(daemon, POST + head + b"\r\n{}GET /healthz HTTP/1.1\r\n\r\n")
    assert (status, b"urn:trainyard:invalid_header" in body) == (400, True), body


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip", b"identity", b"chunked, chunked"])
def test_other_transfer_codings_are_refused(daemon, coding):
    answer = daemon.raw(POST + HOST + b"Transfer-Encoding: " + coding + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer


@pytest.mark.parametrize("path", ["/v1/validate", "/v1/endpoints/x/invocations"])
def test_unknown_content_encodings(daemon, path):
    for encoding in ("gzip", "br", "deflate", "identity, gzip"):
        problem(daemon.ask("POST", path, data=b"{}", headers=JSON | {"Content-Encoding": encoding}),
                415, "unsupported_media_type")
    answer = daemon.ask("POST", "/v1/validate", data=b"{}",
                        headers=JSON | {"Content-Encoding": "identity"})
    assert answer.status_code == 200


def test_our_limits_come_before_the_library_s(daemon):
    head = b"GET /v1/version HTTP/1.1\r\n" + HOST
    line = b"GET /v1/runs?name=" + b"a" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    assert b"urn:trainyard:invalid_url" in daemon.raw(line[:-2] + b"Connection: close\r\n\r\n")
    used = len("Hostlocalhost")
    most = b"X-A: " + b"a" * (16384 - used - len("X-A")) + b"\r\n"
    connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
    with connection as s:
        s.sendall(head + most + b"\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
    status, body = one_answer(daemon, head + most[:-2] + b"a\r\n\r\n")
    assert (status, b"urn:trainyard:headers_too_large" in body) == (431, True), body
    many = b"".join(b"X-%d: a\r\n" % i for i in range(63))
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as s:
        s.sendall(head + many + b"\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
    status, body = one_answer(daemon, head + many + b"X-Z: a\r\n\r\n")
    assert (status, b"urn:trainyard:headers_too_large" in body) == (431, True), body


def test_nothing_after_a_refused_first_line_is_read(daemon):
    """Where such a request ends was not checked, and what followed was taken for another one."""
    head = b"GET /v1/%zz HTTP/1.1\r\n" + HOST
    inner = b"GET /v1/version HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    for framing in (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
                    b"Content-Length: 0\r\nContent-Length: 7\r\n\r\n", b"\r\n"):
        answer = daemon.raw(head + framing + inner)
        assert b"urn:trainyard:invalid_url" in answer and answer.count(b"HTTP/1.1 ") == 1, answer
        assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("data, status", [
    (b"GET /v1/version HTTP/9.9\r\n" + HOST + b"\r\n", 505),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET /v1/version HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n", 431),
])
def test_what_the_library_alone_answers_closes(daemon, data, status):
    """docs/api.md names these: no problem document, and the connection is closed."""
    try:
        assert one_answer(daemon, data)[0] == status
    except ConnectionResetError:  # it closes on bytes that it has not read
        assert len(data) > 32768


def test_counts_are_checked_before_anything_is_built(fresh):
    """{"jobs": [{}, {}, ...]} of 7.8 MB took 1.19 GB and 5 s."""
    d = fresh()
    body = b'{"jobs":[' + b"{}," * 2_600_000 + b"{}]}"
    answer = problem(d.ask("POST", "/v1/validate", data=body, headers=JSON), 413, "too_large")
    assert "100000 objects" in answer["detail"] or "500000 values" in answer["detail"]
    assert d.memory()[1] < 64 << 20
    numbers = b'{"jobs":[' + b"1," * 499_997 + b"1]}"
    answer = d.ask("POST", "/v1/validate", data=numbers, headers=JSON)
    assert answer.status_code == 200 and not answer.json()["valid"]
    problem(d.ask("POST", "/v1/validate", data=numbers[:-2] + b",1]}", headers=JSON), 413,
            "too_large")


def test_origins(daemon):
    path = f"/v1/jobs/{NO_JOB}/cancel"
    problem(daemon.post(path, headers={"Origin": "http://evil.example"}), 403, "forbidden_origin")
    problem(daemon.post(path, headers={"Origin": "null"}), 403, "forbidden_origin")
    problem(daemon.post(path, headers={"Origin": daemon.url}), 404, "not_found")
    assert daemon.ask("GET", "/v1/version",
                      headers={"Origin": "http://evil.example"}).status_code == 200


@pytest.mark.parametrize("method, path", [
    ("DELETE", "/v1/endpoints/none"), ("POST", "/v1/endpoints/none/renew"),
    ("POST", "/v1/runs"), ("POST", "/v1/validate"), ("PUT", "/v1/runs"), ("PATCH", "/v1/runs"),
])
def test_pages_of_other_sites_change_nothing(daemon, method, path):
    for origin in ("http://evil.example", "null", "http://localhost.evil.example", "",
                   daemon.url + ".evil.example", daemon.url.replace("http:", "file:")):
        problem(daemon.ask(method, path, {}, headers={"Origin": origin}), 403, "forbidden_origin")


def listens_at(process):
    """The local addresses of a process's listening TCP sockets, as /proc/net has them."""
    mine = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{process.pid}/fd")}
    found = []
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}", encoding="ascii").readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in mine:
                found.append(fields[1].split(":")[0])
    return found


def test_it_listens_on_loopback_alone(daemon):
    assert listens_at(daemon.process) == ["0100007F"]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0",
                                     "128.0.0.1:0", "126.255.255.255:0"])
def test_it_listens_nowhere_else(tmp_path, address):
    done = subprocess.run([BUILD / "daemon/trainyardd", "--config", "/dev/null", "--data-dir",
                           tmp_path / "data", "--listen", address, "--socket", ""],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "listening on" not in done.stdout
    assert "beyond loopback" in done.stderr, done.stderr


def start_on(socket_path, data):
    """A daemon that is expected to refuse this socket."""
    done = subprocess.run([BUILD / "daemon/trainyardd", "--config", "/dev/null", "--data-dir", data,
                           "--listen", "127.0.0.1:0", "--socket", socket_path],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "listening on" not in done.stdout
    return done.stderr


def test_the_socket_of_a_live_daemon_is_not_taken_over(daemon, tmp_path):
    path = daemon.dir / "trainyard.sock"
    before = path.stat().st_ino
    assert "on which another daemon listens" in start_on(path, tmp_path / "data")
    assert path.stat().st_ino == before
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200


def test_a_file_in_the_place_of_the_socket_stays(tmp_path):
    path = tmp_path / "trainyard.sock"
    path.write_text("somebody's", encoding="utf-8")
    assert "which is a file and no socket" in start_on(path, tmp_path / "data")
    assert path.read_text(encoding="utf-8") == "somebody's"


@pytest.mark.parametrize("path", ["/v1/version", "/v1/runs", "/openapi.json", "/v1/nothing"])
def test_head_is_get_without_a_body(daemon, path):
    get, head = daemon.ask("GET", path), daemon.ask("HEAD", path)
    assert head.status_code == get.status_code
    assert head.content == b""
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.headers.get(name) == get.headers.get(name)


def test_one_connection_serves_many_requests(daemon):
    connection = daemon.connection()
    for path, status in (("/v1/version", 200), ("/v1/nothing", 404), ("/v1/runs", 200),
                         ("/v1/runs?x=1", 400), ("/healthz", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is not None, f"closed after {path}"


def test_the_unix_socket(daemon):
    path = daemon.dir / "trainyard.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    connection = http.client.HTTPConnection("anything", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request("GET", "/v1/version")
    assert connection.getresponse().status == 200


def test_a_stale_socket_is_replaced(fresh):
    d = fresh()
    d.kill()
    assert (d.dir / "trainyard.sock").exists()
    d.start()
    assert d.ask("GET", "/healthz").status_code == 200


def test_the_socket_goes_with_the_daemon(fresh):
    d = fresh()
    assert d.stop() == 0
    assert not (d.dir / "trainyard.sock").exists()
    with pytest.raises(requests.ConnectionError):
        d.ask("GET", "/healthz")
