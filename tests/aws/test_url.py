# SPDX-License-Identifier: MIT
"""A data set from a URL with its sha256."""
import hashlib
import http.server
import pathlib
import signal
import threading

import pytest

from hub_rig import Rig
from repos import Repo
from wait import DEADLINE_S, wait_for

DATA = b"text,label\n" + b"".join(b"good film %d,%d\n" % (i, i % 2) for i in range(9000))
SHA = hashlib.sha256(DATA).hexdigest()
PATH = "/datasets/acme/rows/resolve/main/my%20rows.csv"


@pytest.fixture
def rig(build, tmp_path):
    made = Rig(build, tmp_path)
    made.hub.add(Repo("dataset", "acme/rows")).commit({"my rows.csv": DATA})
    yield made
    made.hub.close()


@pytest.fixture
def redirects():
    """/N redirects N times, then to `target`."""
    class Handler(http.server.BaseHTTPRequestHandler):
        target = None

        def log_message(self, *args):
            pass

        def do_GET(self):
            left = int(self.path.strip("/"))
            self.send_response(302)
            self.send_header("Location", f"/{left - 1}" if left > 1 else self.target)
            self.send_header("Content-Length", "0")
            self.end_headers()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = "http://127.0.0.1:%d" % server.server_address[1]
    server.handler = Handler
    yield server
    server.shutdown()
    server.server_close()


def test_file_keeps_its_kind_and_is_fetched_once(rig):
    answer = rig.fetch(rig.hub.url + PATH, sha256=SHA.upper())
    path = pathlib.Path(answer["value"])
    assert path.read_bytes() == DATA and path.name == "my_20rows.csv"
    assert answer["bytes"] == answer["expected"] == len(DATA)
    rig.hub.forget()
    other = pathlib.Path(rig.fetch("http://127.0.0.1:9/other.csv", sha256=SHA)["value"])
    assert other.read_bytes() == DATA and other.name == "other.csv" and not rig.hub.calls


def test_entry_that_a_job_wrote_into_is_fetched_again(rig):
    path = pathlib.Path(rig.fetch(rig.hub.url + PATH, sha256=SHA)["value"])
    path.chmod(0o644)
    path.write_bytes(b"changed")
    again = pathlib.Path(rig.fetch(rig.hub.url + PATH, sha256=SHA)["value"])
    assert again.read_bytes() == DATA and path.read_bytes() == b"changed"


@pytest.mark.parametrize("path,sha,reason,words", [
    (PATH, "", "invalid_input", "needs the sha256"),
    (PATH, "0" * 64, "data_corrupt", "checksum of the body is not the expected one, 000"),
    ("/none.csv", SHA, "data_missing", "answers with HTTP status 404")])
def test_refusals(rig, path, sha, reason, words):
    answer = rig.fetch(rig.hub.url + path, sha256=sha)
    assert answer.get("reason") == reason and words in answer["message"], answer


def test_secrets_of_an_address_are_not_told(rig):
    url = rig.hub.url.replace("//", "//me:geheim@") + "/none.csv?sig=geheim"
    answer = rig.fetch(url, sha256=SHA)
    assert "status 404" in answer["message"] and "geheim" not in answer["message"]


def test_nobody_listens(rig):
    answer = rig.fetch("http://127.0.0.1:9/x.csv", sha256=SHA)
    assert answer["reason"] == "transfer_failed" and "127.0.0.1:9" in answer["message"]


def test_redirects_are_limited(rig, redirects):
    redirects.handler.target = rig.hub.url + PATH
    assert "value" in rig.fetch(redirects.url + "/5", sha256=SHA)
    answer = rig.fetch(redirects.url + "/6", sha256="1" * 64)
    assert "redirects more than 5 times" in answer["message"]
    assert answer["reason"] == "data_missing"
    redirects.handler.target = "file:///etc/passwd"
    assert "HTTP status 302" in rig.fetch(redirects.url + "/1", sha256="2" * 64)["message"]


def test_killed_download_goes_on(rig):
    rig.hub.trouble("/resolve/", "hold", after=70000)
    process = rig.start({"from": rig.hub.url + PATH, "sha256": SHA})
    file = rig.tmp / "cache/partial" / SHA / "file"
    wait_for("the first bytes", lambda: file.exists() and file.stat().st_size >= 70000)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=DEADLINE_S)
    rig.hub.forget()
    assert "value" in rig.fetch(rig.hub.url + PATH, sha256=SHA)
    assert [c["range"] for c in rig.calls("hub")] == ["bytes=70000-"]


# ---- what a url may not do ----

@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0.0.0.0",
                                  "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"])
def test_private_addresses_are_refused(rig, host):
    port = rig.hub.url.rsplit(":", 1)[1]
    answer = rig.fetch(f"http://{host}:{port}{PATH}", sha256=SHA, env={"PUBLIC_ONLY": "1"})
    assert answer["reason"] == "url_private", answer
    assert "local.allow_private_urls" in answer["message"]
    assert not rig.hub.calls


def test_a_configured_proxy_is_excepted(rig):
    """The proxy is on this machine; where it goes is its own affair. Another port of it is not."""
    asked = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = {"http_proxy": "http://127.0.0.1:%d" % server.server_address[1], "no_proxy": "",
                 "PUBLIC_ONLY": "1"}
        answer = rig.fetch("http://data.example/rows.csv", sha256=SHA, env=proxy)
        assert pathlib.Path(answer["value"]).read_bytes() == DATA
        assert asked == ["http://data.example/rows.csv"]
        other = rig.fetch(rig.hub.url + PATH, sha256="0" * 64,
                          env=proxy | {"no_proxy": "127.0.0.1"})
        assert other["reason"] == "url_private"
        server.shutdown()


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_has_a_limit(rig, announced):
    class Endless(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            self.send_response(200)
            if announced:
                self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "http://127.0.0.1:%d/rows.csv" % server.server_address[1]
        answer = rig.fetch(url, sha256=SHA, env={"MAX_DOWNLOAD": str(len(DATA) - 1)})
        assert answer["reason"] == "too_large" and "local.max_download" in answer["message"]
        assert not (rig.tmp / "cache/partial" / SHA / "file").exists()
        answer = rig.fetch(url, sha256=SHA, env={"MAX_DOWNLOAD": str(len(DATA))})
        assert pathlib.Path(answer["value"]).read_bytes() == DATA
        server.shutdown()


@pytest.fixture
def answers():
    """Answers with the given ones in turn, the last one for good: status, headers, body."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            given = self.server.given
            status, headers, body = given.pop(0) if len(given) > 1 else given[0]
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = "http://127.0.0.1:%d/rows.csv" % server.server_address[1]
        yield server
        server.shutdown()


def test_what_is_announced_has_the_limit(rig, answers):
    """A body that never comes is not waited for."""
    answers.given = [(200, {"Content-Length": str(len(DATA) + 1)}, DATA[:10])]
    answer = rig.fetch(answers.url, sha256=SHA, env={"MAX_DOWNLOAD": str(len(DATA))})
    assert answer["reason"] == "too_large" and "local.max_download" in answer["message"]
    assert not (rig.tmp / "cache/partial" / SHA / "file").exists()


PAGE = b"<p>" * 100_000


def test_an_error_page_of_any_length_is_an_error(rig, answers):
    """It was taken for a body beyond local.max_download, and not tried again."""
    answers.given = [(404, {}, PAGE)]
    answer = rig.fetch(answers.url, sha256="0" * 64)
    assert answer["reason"] == "data_missing" and "HTTP status 404" in answer["message"], answer
    answers.given = [(503, {}, PAGE), (200, {}, DATA)]
    assert "value" in rig.fetch(answers.url, sha256=SHA)


def test_headers_beyond_measure_are_no_large_body(rig, answers):
    answers.given = [(200, {"X-%d" % n: "a" * 1000 for n in range(40)}, DATA)]
    answer = rig.fetch(answers.url, sha256=SHA)
    assert answer["reason"] == "transfer_failed" and "headers" in answer["message"], answer


# ---- names and redirects that lead into a private network ----

PUBLIC = "93.184.216.34"  # tests/aws/resolver.c sends it to this machine


@pytest.fixture
def outside(rig):
    """outside(host, resolver, sha): fetch from the fake hub under a name of the resolver, where
    only public addresses are allowed."""
    port = rig.hub.url.rsplit(":", 1)[1]

    def fetch(host, resolver="", sha=SHA, at=port, path=PATH):
        names = f"public={PUBLIC};{resolver}"
        return rig.fetch(f"http://{host}:{at}{path}", sha256=sha, env={
            "LD_PRELOAD": str(rig.probe.parent / "resolver.so"), "RESOLVER": names,
            "PUBLIC_ONLY": "1", "no_proxy": "*"})
    fetch.port = port
    return fetch


def test_a_public_name_is_fetched(rig, outside):
    assert pathlib.Path(outside("public.test")["value"]).read_bytes() == DATA


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "2130706433", "0x7f.1", "017700000001", "0.0.0.0", "[::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fd00::1]", "[fe80::1]", "169.254.169.254",
    "10.0.0.1", "inner.test", "six.test"])
def test_a_redirect_to_a_private_address_is_refused(rig, outside, redirects, host):
    redirects.handler.target = f"http://{host}:{outside.port}{PATH}"
    answer = outside("public.test", "inner=192.168.1.1;six=fd12::1", "2" * 64,
                     redirects.server_address[1], "/2")
    assert answer["reason"] == "url_private", answer
    assert not rig.hub.calls


def test_a_redirect_to_a_public_name_is_followed(rig, outside, redirects):
    redirects.handler.target = f"http://public.test:{outside.port}{PATH}"
    answer = outside("public.test", at=redirects.server_address[1], path="/3")
    assert pathlib.Path(answer["value"]).read_bytes() == DATA


@pytest.mark.parametrize("second", ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1"])
def test_a_name_that_becomes_private_is_refused(rig, outside, redirects, second):
    """DNS rebinding: public at the first look-up, private at the one for another port."""
    redirects.handler.target = f"http://rebind1.test:{outside.port}{PATH}"
    for then, reason in ((second, "url_private"), (PUBLIC, None)):
        answer = outside("rebind1.test", f"rebind1={PUBLIC};rebind2={then}",
                         at=redirects.server_address[1], path="/1")
        assert answer.get("reason") == reason, answer
        assert bool(rig.hub.calls) == (reason is None)


def test_a_private_address_behind_a_public_one_is_refused(outside):
    """Nobody listens at the first address of the name; the second one is this machine."""
    answer = outside("both.test", "both=10.255.255.1,127.0.0.1")
    assert answer["reason"] == "url_private", answer
