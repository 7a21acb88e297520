# SPDX-License-Identifier: MIT
"""A daemon that queries the account of the fake of AWS."""
import json
import subprocess

import trainyardd
from trainyardd import BUILD


class Account(trainyardd.Daemon):
    def problem(self, path, status, code, **params):
        """The sentence of a refusal."""
        answer = self.ask("GET", path, params=params)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert body["type"] == f"urn:trainyard:{code}", body
        assert answer.headers["Content-Type"] == "application/problem+json"
        return body["detail"]

    def walk(self, path, **params):
        """All pages; none may have more than `limit`."""
        items, cursor, pages = [], None, 0
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            assert len(page["items"]) <= params.get("limit", 100)
            items += page["items"]
            cursor = page["next_cursor"]
            pages += 1
            if not cursor:
                return items, pages

    def cli(self, *words, status=0):
        done = subprocess.run([BUILD / "cli/trainyard", "--url", self.url, *map(str, words)],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def cli_json(self, *words):
        return json.loads(self.cli("--json", *words))


def checks(role):
    return {c["need"]: c["allowed"] for c in role["checks"]}


def words(role, need):
    return next(c["words"] for c in role["checks"] if c["need"] == need)
