# SPDX-License-Identifier: MIT
"""The control plane under load: submits, lists, overview and queue, with an empty and a full queue.

wrk keeps the given connections busy. Each submit is on disk before its 201, on our side and on
that of the peers: a Python http.server with one sqlite3 transaction a submit (submit.py), and
beanstalkd with -f0 (one fsync a put, no JSON, no graph; its client is Python, one process).
`--against DIR`: the same load on another build's trainyardd, alternating with ours, so that a
change is measured beside the state before.
"""
import argparse
import json
import multiprocessing
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import submit  # noqa: E402
from side import report  # noqa: E402
from trainyardd import BUILD, daemon_on  # noqa: E402

CONNECTIONS = [1, 64, 256]
READS = [("list of 50", "/v1/jobs?limit=50"), ("overview", "/v1/overview"),
         ("queue", "/v1/queue?limit=50")]
JOBS_IN_A_RUN = 50  # of the runs that fill the queue
POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = assert(io.open("{body}"))
wrk.body = file:read("*a")
"""
WHOLE = """
function response(status) if status ~= {status} then bad = bad + 1 end end
local threads = {{}}
function setup(thread) table.insert(threads, thread); thread:set("bad", 0) end
function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  local e = summary.errors
  bad = bad + e.connect + e.read + e.write + e.timeout
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), bad))
end
"""


def wrk(folder, url, connections, seconds, body=None):
    """Requests a second, p50 and p99 in ms; an error or another status ends the bench."""
    script = Path(folder, "wrk.lua")
    script.write_text((POST.format(body=body) if body else "") +
                      WHOLE.format(status=201 if body else 200), encoding="utf-8")
    out = subprocess.run(["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s",
                          "-s", script, url], capture_output=True, text=True, check=True).stdout
    requests, duration, p50, p99, bad = map(float, re.search(r"RESULT (.*)", out)[1].split())
    if bad:
        raise RuntimeError(f"{bad:.0f} bad answers of {url}:\n{out}")
    return {"per s": round(requests / duration * 1e6), "p50 ms": round(p50 / 1000, 2),
            "p99 ms": round(p99 / 1000, 2), "requests": requests}


def cpu_us(pid):
    """CPU time of a process so far, of all its threads, in microseconds."""
    return sum(int(task.read_text(encoding="ascii").split()[0])
               for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1000


class Side:
    """One daemon with its load's body."""

    def __init__(self, name, folder, build):
        self.name, self.folder = name, Path(folder)
        self.folder.mkdir()
        self.body = self.folder / "body.json"
        self.body.write_text(submit.pipeline(self.folder), encoding="utf-8")
        (self.folder / "daemon").mkdir()
        self.context = daemon_on(self.folder / "daemon", build=build)
        self.daemon = self.context.__enter__()

    def fill(self, jobs):
        """Submit held jobs until there are `jobs`."""
        run = json.loads(self.body.read_text(encoding="utf-8"))
        job = run["jobs"][0]
        run["jobs"] = [{**job, "name": f"job{i}"} for i in range(JOBS_IN_A_RUN)]
        have = sum(self.daemon.get("/v1/overview")["counts"]["jobs"].values())
        for _ in range(0, jobs - have, JOBS_IN_A_RUN):
            self.daemon.submit(run["jobs"])

    def loaded(self, *load):
        """One load, with the daemon's CPU time for a request: steadier than the clock."""
        before = cpu_us(self.daemon.process.pid)
        row = wrk(self.folder, *load)
        used = cpu_us(self.daemon.process.pid) - before
        return {**row, "CPU us": round(used / max(1, row["requests"]))}

    def posts(self, connections, seconds):
        return self.loaded(self.daemon.url + "/v1/runs", connections, seconds, self.body)

    def gets(self, path, connections, seconds):
        return self.loaded(self.daemon.url + path, connections, seconds)


def puts(port, connections, seconds, body):
    """beanstalkd: one put on its way on each connection."""
    request = b"put 0 0 60 %d\r\n%s\r\n" % (len(body), body)
    poll, latencies, starts = selectors.DefaultSelector(), [], {}
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(client, selectors.EVENT_READ)
        starts[client] = time.monotonic()
        client.sendall(request)
    began = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        for key, _ in poll.select(0.1):
            if not key.fileobj.recv(4096).startswith(b"INSERTED"):
                raise RuntimeError("beanstalkd refused a put")
            latencies.append(time.monotonic() - starts[key.fileobj])
            starts[key.fileobj] = time.monotonic()
            key.fileobj.sendall(request)
    for key in list(poll.get_map().values()):
        key.fileobj.close()
    latencies.sort()
    return {"per s": round(len(latencies) / (now - began)),
            "p50 ms": round(1000 * latencies[len(latencies) // 2], 2),
            "p99 ms": round(1000 * latencies[len(latencies) * 99 // 100], 2)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def middle(rows):
    return sorted(rows, key=lambda row: row["per s"])[len(rows) // 2]


def rounds(sides, what, one, args):
    """The median of the rounds for each side; the sides alternate within a round."""
    got = {name: [] for name, _ in sides}
    for _ in range(args.rounds):
        for name, side in sides:
            got[name].append(one(side))
    return [{"side": name, "load": what, **middle(rows)} for name, rows in got.items()]


def peers(folder, body, args):
    ours, theirs = multiprocessing.Pipe()
    python = multiprocessing.Process(target=submit.peer_main, args=(f"{folder}/peer.db", theirs))
    python.start()
    url, rows = f"http://127.0.0.1:{ours.recv()}/", []
    for n in args.connections:
        rows += rounds([("python sqlite3 + http.server", url)], f"submits, {n} connections",
                       lambda at, n=n: wrk(folder, at, n, args.seconds, body), args)
    python.terminate()
    python.join()
    if not shutil.which("beanstalkd"):
        return rows
    port, jobs = free_port(), Path(folder, "beanstalkd")
    jobs.mkdir()
    queue = subprocess.Popen(["beanstalkd", "-l", "127.0.0.1", "-p", str(port), "-b", jobs,
                              "-f0"])
    try:
        while subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"],
                             capture_output=True, check=False).returncode:
            pass
        for n in args.connections:
            rows += rounds([("beanstalkd -f0", port)], f"submits, {n} connections",
                           lambda at, n=n: puts(at, n, args.seconds, body.read_bytes()),
                           args)
    finally:
        queue.terminate()
        queue.wait()
    return rows


def loads(sides, args):
    rows = []
    for n in args.connections:
        rows += rounds(sides, f"submits, {n} connections",
                       lambda side, n=n: side.posts(n, args.seconds), args)
    for _, side in sides:
        side.fill(args.jobs)
    full = f"{args.jobs} held jobs"
    rows += rounds(sides, f"submits, 1 connection, {full}",
                   lambda side: side.posts(1, args.seconds), args)
    for what, path in READS:
        for n in [1, 64]:
            rows += rounds(sides, f"{what}, {n} connection{'s' * (n > 1)}, {full}",
                           lambda side, path=path, n=n: side.gets(path, n, args.seconds), args)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="build directory of the state before")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    parser.add_argument("--no-peers", action="store_true")
    args = parser.parse_args()
    builds = [("trainyardd", BUILD)] + ([("before", args.against)] if args.against else [])
    with tempfile.TemporaryDirectory() as folder:
        sides = [(name, Side(name, Path(folder, name), build)) for name, build in builds]
        rows = loads(sides, args)
        for _, side in sides:
            side.context.__exit__(None, None, None)
        if not args.no_peers:
            rows += peers(folder, sides[0][1].body, args)
    report("control", f"medians of {args.rounds} rounds of {args.seconds} s, wrk on the same "
           "machine",
           ["side", "load", "per s", "p50 ms", "p99 ms", "CPU us"], rows,
           ["the peers store one row or record and check nothing; ours validates, looks at the "
            "files and stores run, job and events"])


if __name__ == "__main__":
    main()
