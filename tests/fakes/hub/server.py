# SPDX-License-Identifier: MIT
"""A Hugging Face hub over HTTP on two ports: the hub itself and the host that its large files are
redirected to. See README.md."""
import json
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from repos import File, is_lfs

KINDS = {"models": "model", "datasets": "dataset"}
PIECE = 64 * 1024


class Trouble:
    """What goes wrong with the requests that match: the first `times` of them (0: all)."""

    def __init__(self, match, do, method="", times=1, status=503, after=0, headers=None):
        self.match, self.do, self.method = re.compile(match), do, method
        self.left = times or 1 << 30
        self.status, self.after, self.headers = status, after, headers or {}


class Hub:
    """The state, and both servers. `tokens`: {token: set of gated and private repositories}."""

    def __init__(self, host="127.0.0.1", port=0):
        self.repos, self.tokens, self.troubles, self.calls = [], {}, [], []
        self.lock = threading.Lock()
        self.hub = self.serve(host, port, HubHandler)
        self.cdn = self.serve(host, 0, CdnHandler)
        self.released = threading.Event()

    def serve(self, host, port, handler):
        server = ThreadingHTTPServer((host, port), handler)
        server.daemon_threads = True
        server.fake = self
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    @property
    def url(self):
        return "http://%s:%d" % self.hub.server_address[:2]

    @property
    def cdn_url(self):
        return "http://%s:%d" % self.cdn.server_address[:2]

    def add(self, repo):
        self.repos.append(repo)
        return repo

    def trouble(self, *args, **kwargs):
        self.troubles.append(Trouble(*args, **kwargs))

    def forget(self):
        """No troubles, no calls, nothing held."""
        self.released.set()
        with self.lock:
            self.troubles.clear()
            self.calls.clear()
        self.released = threading.Event()

    def take_trouble(self, method, path):
        with self.lock:
            for trouble in self.troubles:
                if trouble.left > 0 and trouble.match.search(path) and \
                        trouble.method in ("", method):
                    trouble.left -= 1
                    return trouble
        return None

    def close(self):
        self.released.set()
        for server in (self.hub, self.cdn):
            server.shutdown()
            server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    side = ""

    def log_message(self, *args):
        pass

    @property
    def fake(self):
        return self.server.fake

    def answer(self, status, body=b"", headers=None, kind="application/json"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_any(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size)
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        call = {"side": self.side, "method": self.command, "path": path,
                "range": self.headers.get("Range"), "agent": self.headers.get("User-Agent"),
                "authorization": self.headers.get("Authorization")}
        with self.fake.lock:
            self.fake.calls.append(call)
        self.trouble = self.fake.take_trouble(self.command, path)
        try:
            if self.trouble and self.trouble.do == "status":
                self.answer(self.trouble.status, {"error": "made up"}, self.trouble.headers)
            elif self.trouble and self.trouble.do == "drop":
                self.close_connection = True
            else:
                self.route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_any

    def send_bytes(self, data, headers):
        """A file, with ranges. Troubles: "cut" after so many bytes, "hold" there until forget(),
        "spoil" (other bytes), "whole" (ranges are ignored)."""
        do = self.trouble.do if self.trouble else ""
        start, status, wanted = 0, 200, self.headers.get("Range")
        if do == "spoil":
            data = bytes(len(data))
        if wanted and do != "whole":
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
            start = int(match[1])
            if start >= len(data):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            end = min(int(match[2] or len(data) - 1), len(data) - 1)
            headers = headers | {"Content-Range": f"bytes {start}-{end}/{len(data)}"}
            data, status = data[start:end + 1], 206
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data)),
                                       "Accept-Ranges": "bytes"}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = self.trouble.after if do in ("cut", "hold") else len(data)
        for at in range(0, min(stop, len(data)), PIECE):
            self.wfile.write(data[at:min(at + PIECE, stop)])
        self.wfile.flush()
        if do == "hold":
            self.fake.released.wait()
        if do in ("cut", "hold"):
            self.close_connection = True


class CdnHandler(Handler):
    """Signed addresses, as S3 has them: one that comes with an Authorization is refused."""
    side = "cdn"

    def route(self, path):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.headers.get("Authorization"):
            self.answer(400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism "
                             b"allowed</Message></Error>", kind="application/xml")
            return
        if float(query.get("Expires", ["0"])[0]) < time.time():
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>", kind="application/xml")
            return
        for repo in self.fake.repos:
            for files in repo.commits.values():
                for file in files.values():
                    if path == f"/lfs/{file.sha256}":
                        self.send_bytes(file.data, {"ETag": f'"{file.sha256[:32]}-1"'})
                        return
        self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", kind="application/xml")


class HubHandler(Handler):
    side = "hub"

    def refuse(self, status, code, message):
        headers = {"X-Error-Message": message}
        if code:
            headers["X-Error-Code"] = code
        self.answer(status, {"error": message}, headers)

    def route(self, path):
        api = re.fullmatch(r"/api/(models|datasets)/([^/]+(?:/[^/]+)??)"
                           r"(?:/(revision|tree|paths-info)/(.+))?", path)
        resolve = re.fullmatch(r"/(datasets/)?([^/]+(?:/[^/]+)??)/resolve/(.+)", path)
        if path == "/api/whoami-v2":
            self.whoami()
        elif api:
            self.api(KINDS[api[1]], api[2], api[3], api[4])
        elif resolve:
            self.resolve("dataset" if resolve[1] else "model", resolve[2], resolve[3])
        else:
            self.refuse(404, None, "Sorry, we can't find the page you are looking for.")

    def token(self):
        """None without one, else the repositories it may read; False: no such token."""
        header = self.headers.get("Authorization")
        if not header:
            return None
        return self.fake.tokens.get(header.removeprefix("Bearer "), False)

    def whoami(self):
        if not self.token() and self.token() != set():
            self.refuse(401, None, "Invalid credentials in Authorization header")
        else:
            self.answer(200, {"type": "user", "name": "somebody", "orgs": []})

    def open(self, kind, name, files):
        """The repository, if this caller may read it; `files`: its files, not only its card."""
        token = self.token()
        if token is False:
            return self.refuse(401, None, "Invalid credentials in Authorization header")
        repo = next((r for r in self.fake.repos
                     if r.kind == kind and name in (r.id, *r.names)), None)
        hidden = not repo or (repo.private and repo.id not in (token or ()))
        if hidden and token is None:
            return self.refuse(401, "RepoNotFound", "Invalid username or password.")
        if hidden:
            return self.refuse(404, "RepoNotFound", "Repository not found")
        if name != repo.id:
            self.answer(307, b"Temporary Redirect",
                        {"Location": self.path.replace(name, repo.id, 1)}, kind="text/plain")
            return None
        if files and repo.gated and repo.id not in (token or ()):
            status = 401 if token is None else 403
            return self.refuse(status, "GatedRepo",
                               f"Access to {kind} {repo.id} is restricted and you are not in the "
                               "authorized list.")
        return repo

    def revision(self, repo, rest):
        """(sha, files, what follows the revision), which itself may have slashes or be escaped."""
        parts = rest.split("/")
        for n in range(len(parts), 0, -1):
            found = repo.find("/".join(parts[:n]))
            if found:
                return *found, "/".join(parts[n:])
        self.refuse(404, "RevisionNotFound", f"Invalid rev id: {rest}")
        return None

    def api(self, kind, name, call, rest):
        repo = self.open(kind, name, files=call in ("tree", "paths-info"))
        if not repo:
            return
        found = self.revision(repo, rest or "main")
        if not found:
            return
        sha, files, path = found
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if call == "tree":
            entries = repo.entries(sha, path, query.get("recursive", [""])[0].lower() == "true")
            if path and not entries:
                self.refuse(404, "EntryNotFound", f"{path} does not exist on \"{rest}\"")
            else:
                self.answer(200, entries)
        elif call == "paths-info":
            self.paths_info(repo, sha)
        elif path:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {rest}")
        else:
            self.answer(200, repo.info(sha, "blobs" in query))

    def paths_info(self, repo, sha):
        if "json" in self.headers.get("Content-Type", ""):
            paths = json.loads(self.body)["paths"]
        else:
            paths = urllib.parse.parse_qs(self.body.decode())["paths"]
        wanted = {paths} if isinstance(paths, str) else set(paths)
        self.answer(200, [entry for entry in repo.entries(sha) if entry["path"] in wanted])

    def resolve(self, kind, name, rest):
        repo = self.open(kind, name, files=True)
        found = repo and self.revision(repo, rest)
        if not found:
            return
        sha, files, path = found
        file = files.get(path)
        if not file:
            self.answer(404, {"error": "Entry not found"},
                        {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found",
                         "X-Repo-Commit": sha})
            return
        self.send_file(path, file, {"X-Repo-Commit": sha})

    def send_file(self, path, file: File, headers):
        if not is_lfs(path, file):
            self.send_bytes(file.data, headers | {"ETag": f'"{file.blob_id}"'})
            return
        location = f"{self.fake.cdn_url}/lfs/{file.sha256}?Expires={time.time() + 3600:.0f}&Sig=x"
        self.answer(302, b"Found. Redirecting",
                    headers | {"Location": location, "X-Linked-Etag": f'"{file.sha256}"',
                               "X-Linked-Size": str(len(file.data)),
                               "ETag": f'"{file.blob_id}"'}, kind="text/plain")
