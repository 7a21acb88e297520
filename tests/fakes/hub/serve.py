# SPDX-License-Identifier: MIT
"""serve.py ROOT [--port N]: a hub whose repositories are the folders ROOT/models/OWNER/NAME and
ROOT/datasets/OWNER/NAME. Prints `listening on URL`, and serves until it is killed."""
import argparse
import json
import pathlib
import signal

from repos import Repo
from server import Hub

SETTINGS = "repo.json"


def load(hub, root):
    """NAME/repo.json, if any: {"names", "private", "gated", "card"}; the rest are files."""
    for plural, kind in (("models", "model"), ("datasets", "dataset")):
        for folder in sorted((root / plural).glob("*/*")):
            settings = folder / SETTINGS
            given = json.loads(settings.read_text()) if settings.is_file() else {}
            repo = hub.add(Repo(kind, f"{folder.parent.name}/{folder.name}", **given))
            repo.commit({path.relative_to(folder).as_posix(): path.read_bytes()
                         for path in folder.rglob("*") if path.is_file() and path != settings})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", action="append", default=[], metavar="TOKEN",
                        help="a token that may read everything")
    args = parser.parse_args()
    hub = Hub(port=args.port)
    load(hub, args.root)
    hub.tokens = {token: {repo.id for repo in hub.repos} for token in args.token}
    print(f"listening on {hub.url}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
