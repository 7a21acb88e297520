# SPDX-License-Identifier: MIT
"""Asks our credential chain and botocore's the same question, and compares the answers."""

import json
import os
import pathlib
import subprocess
import sys

from chain_fake import SECRET, Fake, serving

HERE = pathlib.Path(__file__).resolve().parent
STATIC = f"aws_access_key_id = AKIA-%s\naws_secret_access_key = {SECRET}/%s\n"


def static(name):
    return STATIC % (name, name)


class Chain:
    """A home folder, the fake services, our probe and botocore."""

    def __init__(self, build, home, oracle):
        self.probe = build / "tests/aws/credentials_probe"
        self.home = home
        self.oracle = oracle
        self.fake = None
        (home / ".aws/sso/cache").mkdir(parents=True)

    def write(self, config="", credentials=""):
        (self.home / ".aws/config").write_text(config)
        (self.home / ".aws/credentials").write_text(credentials)

    def env(self, **more):
        base = {"HOME": str(self.home), "PATH": os.environ["PATH"],
                "AWS_EC2_METADATA_DISABLED": "true"}
        return {k: v for k, v in (base | self.fake.env() | more).items() if v is not None}

    def ours(self, profile=None, prefix=(), **more):
        done = subprocess.run([*prefix, self.probe, "keys", *([profile] if profile else [])],
                              env=self.env(**more), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        said = answer.get("error", "") + answer.get("source", "") + done.stderr
        assert SECRET not in said, said
        return answer

    def theirs(self, profile=None, **more):
        question = {"env": self.env(**more), "profile": profile}
        self.oracle.stdin.write(json.dumps(question) + "\n")
        self.oracle.stdin.flush()
        return json.loads(self.oracle.stdout.readline())

    def same(self, expected, profile=None, **more):
        """Both find the key `expected`; the fake's calls of each are compared too."""
        theirs = self.theirs(profile, **more)
        assert theirs.get("id") == expected, theirs
        wanted, self.fake.calls[:] = forms(self.fake), []
        ours = self.ours(profile, **more)
        for name in ("id", "secret", "token"):
            assert ours.get(name) == theirs[name], (name, ours, theirs)
        assert forms(self.fake) == wanted
        self.fake.calls.clear()
        return ours

    def refused(self, words, profile=None, **more):
        """Neither finds keys; ours says `words`."""
        theirs = self.theirs(profile, **more)
        assert "error" in theirs, theirs
        ours = self.ours(profile, **more)
        assert words in ours.get("error", ""), ours
        assert "\n" not in ours["error"]
        self.fake.calls.clear()
        return ours["error"]


def forms(fake):
    """What STS was asked; a session's name that nobody chose is each one's own."""
    out = []
    for form in fake.forms():
        if form.get("RoleSessionName", "").startswith(("botocore-session", "trainyard")):
            form.pop("RoleSessionName")
        out.append(form)
    return out


def start_oracle():
    return subprocess.Popen([sys.executable, HERE / "chain_oracle.py"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


__all__ = ["Chain", "Fake", "SECRET", "forms", "serving", "start_oracle", "static"]
