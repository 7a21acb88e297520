# SPDX-License-Identifier: MIT
"""A shell in which the commands of a page are run as a user types them, and the comparison of what
they print with what the page shows."""
import csv
import gzip
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time

from fake_aws import FakeAws
from trainyardd import BUILD, NO_AWS, ROOT, Daemon
from wait import wait_for

DEADLINE_S = 120
REVIEW_MAX = 24  # characters
END = "-- end of the command --"

# What differs from run to run. Ids and nonces differ, too, but each means the same thing each time.
NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
SHOWN = re.compile(
    r"(?P<id>\b[rjex][0-9a-hjkmnp-tv-z]{19}\b)|(?P<nonce>\btrainyard-[a-z]+-[0-9a-z]{12}\b)|"
    r"(?P<time>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<day>\b\d{4}-\d\d-\d\d\b)|(?P<rest>…)|"
    r"(?P<label>\bpositive\b|\bnegative\b)|(?P<number>" + NUMBER + ")")
# The model of the tests is a small one: it gives the labels of the page, but not always the right.
PATTERNS = {"id": r"[rjex][0-9a-z]{19}", "nonce": r"trainyard-[a-z]+-[0-9a-z]{12}",
            "time": r"\d{4}-\d\d-\d\dT[\d:.]+Z", "day": r"\d{4}-\d\d-\d\d", "rest": ".*?",
            "label": "(?:positive|negative)", "number": NUMBER}


def pattern_of(shown, bound):
    """(regular expression, names of the page in the order of its groups) for what a page shows;
    `bound`: {name of the page: the real one}. A line that begins with a space continues the line
    before it."""
    text = re.sub(r"\n +", "", shown.strip())
    expression, names, end = "", [], 0
    for match in SHOWN.finditer(text):
        kind, word = match.lastgroup, match[0]
        expression += re.escape(text[end:match.start()])
        end = match.end()
        if kind not in ("id", "nonce"):
            expression += PATTERNS[kind]
        elif word in bound:
            expression += re.escape(bound[word])
        elif word in names:
            expression += f"\\{names.index(word) + 1}"
        else:
            expression += f"({PATTERNS[kind]})"
            names.append(word)
    return re.compile(expression + re.escape(text[end:]), re.DOTALL), names


def asks_only(command):
    """True if the command changes nothing: a user would repeat it until the answer has come."""
    return command.startswith("curl ") and " -d " not in command and " -X" not in command


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Console:
    """One shell in a copy of the checkout; with `world`, the daemon of the page runs already, on a
    fake of AWS, with `model` under the name minilm."""

    def __init__(self, directory, model, world=True):
        self.dir, self.bound = directory, {}
        self.home = directory / "checkout"
        self.fake = self.daemon = self.shell = None
        self.lay_out()
        port = free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | NO_AWS
        if world:
            self.start_world(model)
            environment |= self.fake.environment | {"TRAINYARD_URL": self.daemon.url}
            port = int(self.daemon.url.rpartition(":")[2])
        # What a page names on the user's machine, and what stands for it here.
        self.stands_for = {
            "8470": str(port), "5005": str(free_port()), "/tmp/aws": f"{directory}/aws",
            "/tmp/trainyard": f"{directory}/own", "/backup": f"{directory}/backup",
            "/var/lib/trainyard": f"{directory}/daemon/data"}
        (directory / "backup").mkdir()
        environment |= {"PATH": f"{directory}/bin:{environment['PATH']}",
                        "TMPDIR": str(directory)}
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=self.home, env=environment, start_new_session=True)

    def lay_out(self):
        (self.dir / "bin").mkdir()
        self.home.mkdir()
        for program in ("cli/trainyard", "daemon/trainyardd"):
            (self.dir / "bin" / program.rpartition("/")[2]).symlink_to(BUILD / program)
        for entry in ROOT.iterdir():
            if not entry.name.startswith((".git", "build", "examples")):
                (self.home / entry.name).symlink_to(entry)
        (self.home / "build").symlink_to(BUILD)
        shutil.copytree(ROOT / "examples", self.home / "examples")
        self.shorten_reviews(self.home / "examples/imdb/imdb-3180.csv.gz")

    @staticmethod
    def shorten_reviews(path):
        """Cut the texts of the demo's data, so that its pipeline takes seconds."""
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([text[:REVIEW_MAX], label] for text, label in rows)

    def start_world(self, model):
        self.fake = FakeAws(self.dir / "fake", "--worker", BUILD, tick=0.3).start()
        (self.dir / "daemon").mkdir()
        settings = (f"base_dir = {self.home}\n[aws]\npoll_ms = 100\nlog_drain_ms = 500\n"
                    f"[models]\nminilm = {model}\n")
        self.daemon = Daemon(self.dir / "daemon", settings, self.fake.environment).start()

    def here(self, text):
        for name, real in [*self.stands_for.items(), *self.bound.items()]:
            text = text.replace(name, real)
        return text

    def run(self, command, deadline_s=DEADLINE_S):
        """(exit status, output) of one command."""
        typed = f"{{ {command.rstrip()}\n}} </dev/null\necho \"{END} $?\"\n"
        self.shell.stdin.write(typed.encode())
        self.shell.stdin.flush()
        out, until = b"", time.monotonic() + deadline_s
        while True:
            found = re.search(rf"{END} (\d+)\n".encode(), out)
            if found:
                return int(found[1]), out[:found.start()].decode(errors="replace").rstrip("\n")
            ready, _, _ = select.select([self.shell.stdout], [], [], until - time.monotonic())
            assert ready, f"{command}: no end within {deadline_s} s; so far:\n{out.decode()}"
            more = os.read(self.shell.stdout.fileno(), 65536)
            assert more, f"{command}: the shell has ended:\n{out.decode()}"
            out += more

    def play(self, command, shown):
        """Run it; what it prints is what the page shows, now or when a user has looked again."""
        expression, names = pattern_of(self.here(shown), self.bound)

        def look():
            status, out = self.run(self.here(command))
            assert status == 0, f"{command}\nexit status {status}:\n{out}"
            match = expression.fullmatch(out.strip()) if shown else True
            assert match or asks_only(command), \
                f"{command}\nthe page shows:\n{shown}\nit says:\n{out}"
            return match

        match = wait_for(f"{command} to say\n{shown}", look, DEADLINE_S)
        for name, real in zip(names, match.groups() if shown else ()):
            self.bound[name] = real

    def validate(self, spec):
        """What `trainyard validate` says of a spec: (exit status, output)."""
        (self.home / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        return self.run("trainyard validate spec.json")

    def close(self):
        """End the shell with what it has started, the daemon and the fake."""
        if self.shell:
            self.run("kill $(jobs -p) 2>/dev/null; wait")
            self.shell.stdin.close()
            self.shell.wait(DEADLINE_S)
            self.shell.stdout.close()
        if self.daemon:
            self.daemon.clean_up()
        if self.fake:
            self.fake.stop()
