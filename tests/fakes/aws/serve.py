#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stepping fake of SageMaker, its runtime, S3, IAM, STS and CloudWatch Logs on one port.
README.md beside this file says what it can do."""
import argparse
import json
import signal
import sys
import threading

from httpd import Server
from server import App


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--port", type=int, default=0, help="0 picks one (default)")
    p.add_argument("--state", required=True, help="folder that holds everything; made if missing")
    p.add_argument("--seed", type=int, default=1, help="of request ids, keys and probabilities")
    p.add_argument("--tick", type=float, default=1.0,
                   help="seconds between two changes of a status; 0: only by /_fake/step or --auto")
    p.add_argument("--auto", type=int, default=0, help="looks at a thing that make one step of it")
    p.add_argument("--scenario", metavar="FILE",
                   help='JSON: {"rules": […], "scenarios": […], "settings": {}}')
    p.add_argument("--worker", metavar="BUILD_DIR",
                   help="run training jobs and endpoints with the native worker of that build")
    return p.parse_args()


def prepare(app, path):
    with open(path, encoding="utf-8") as f:
        given = json.load(f)
    for rule in given.get("rules", []):
        app.rules.add(rule)
    for scenario in given.get("scenarios", []):
        app.machines.add_scenario(scenario)
    app.state.set(**given.get("settings", {}))


def main():
    o = options()
    app = App(o)
    if o.scenario and not app.state.all("rule") and not app.state.all("scenario"):
        prepare(app, o.scenario)
    server = Server(("127.0.0.1", o.port), app)
    app.start_clock()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    done.wait()
    server.shutdown()
    if app.work:
        app.work.stop_all()
    if app.hosting:
        app.hosting.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
