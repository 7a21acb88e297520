# SPDX-License-Identifier: MIT
"""The lists of docs/adding.md, followed for a key, a route and a migration that nobody needs: a
daemon with all three is compiled from copies of the files of the lists, and has them."""
import json
import re
import shlex
import sqlite3
import subprocess
import sys

import pytest

from trainyardd import BUILD, ROOT, daemon_on

KEY = 'CONFIG_KEY(INT, {section}, dummy_slots, "1", 0, 7, false,\n\t   "Of no use.")\n'
ROW = '\t{"GET", "/v1/dummies", dummies_list, NULL, BODY_NONE, false, "List dummies"},\n'
HANDLER = """
void dummies_list(struct request *rq)
{
\treply_json(rq, 200, json_pack("{s:[]}", "items"));
}
"""
MIGRATION = "CREATE TABLE dummies (name TEXT NOT NULL PRIMARY KEY) STRICT;\n"


def original(path):
    return (ROOT / path).read_text(encoding="utf-8")


def section():
    """The last one of the table of keys: a new key at its end moves no other field."""
    return re.findall(r"^CONFIG_KEY\(\w+, (\w+),", original("config/keys.def"), re.MULTILINE)[-1]


def list_of(title):
    """The text of one list of docs/adding.md."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", original("docs/adding.md"),
                     re.MULTILINE | re.DOTALL)[1]


def edits():
    """{file: its new text}, each after the list that asks for it."""
    routes, handlers = original("api/routes.c"), original("api/handlers.h")
    last = sorted((ROOT / "storage/migrations").glob("*.sql"))[-1].name
    number = f"{int(last[:4]) + 1:04d}"
    made = {
        "A configuration key": {
            "config/keys.def": original("config/keys.def") + KEY.format(section=section())},
        "A route": {
            "api/handlers.h": handlers + "void dummies_list(struct request *rq);\n",
            "api/usage.c": original("api/usage.c") + HANDLER,
            "api/routes.c": routes.replace("table[] = {\n", "table[] = {\n" + ROW)},
        "A migration": {f"storage/migrations/{number}_dummy.sql": MIGRATION}}
    for title, files in made.items():
        for name in files:
            asked = name.replace(f"{number}_dummy", "0013_models")
            assert f"`{asked}`" in list_of(title), f"'{title}' does not name {asked}"
    return {name: text for files in made.values() for name, text in files.items()}


class Copy:
    """Changed files in front of those of the tree, and programs made of both."""

    def __init__(self, directory):
        self.dir, self.objects = directory, []
        commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
        self.commands = {(BUILD / c["file"]).resolve(): shlex.split(c["command"]) for c in commands}

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def compile(self, name, like=None):
        """The object of a file, changed or not, with the options of the build."""
        words = list(self.commands[(ROOT / (like or name)).resolve()])
        changed = self.dir / name
        source = changed if changed.exists() else ROOT / name
        target = self.dir / f"{len(self.objects)}.o"
        words[words.index("-o") + 1], words[words.index("-c") + 1] = target, source
        words[words.index("-o"):words.index("-o")] = ["-MD", "-MF", f"{target}.d"]
        at = next(i for i, word in enumerate(words) if word.startswith("-I"))
        words.insert(at, f"-I{self.dir}")
        subprocess.run(words, cwd=BUILD, check=True)
        self.objects.append(target)

    def link(self, program):
        """The program of the build, with these objects in the place of those of its libraries."""
        asked = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", program], check=True,
                               capture_output=True, text=True)
        words = shlex.split(asked.stdout.strip().splitlines()[-1])
        target = self.dir / program
        target.parent.mkdir(exist_ok=True)
        at = words.index("-o")
        words[at + 1:at + 2] = [target, *self.objects]
        subprocess.run(words, cwd=BUILD, check=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    made = Copy(tmp_path_factory.mktemp("copy"))
    for name, text in edits().items():
        made.write(name, text)
    dummies = sorted(made.dir.glob("storage/migrations/*.sql"))
    files = sorted((ROOT / "storage/migrations").glob("*.sql")) + dummies
    subprocess.run([sys.executable, ROOT / "tools/embed_sql.py", made.dir / "storage/embedded.c",
                    *files], check=True)
    made.compile("storage/embedded.c", like="storage/migrate.c")
    for name in ("api/routes.c", "api/usage.c", *(str(p.relative_to(ROOT)) for p in
                                                  sorted((ROOT / "config").glob("*.c")))):
        made.compile(name)
    made.link("daemon/trainyardd")
    for folder in ("worker", "shim"):
        (made.dir / folder).symlink_to(BUILD / folder)
    return made


def test_the_dummies_are_there(copy, tmp_path):
    with daemon_on(tmp_path, f"[{section()}]\ndummy_slots = 7\n", build=copy.dir) as daemon:
        assert daemon.get("/v1/dummies") == {"items": []}
        assert daemon.ask("POST", "/v1/dummies").status_code == 405
        with sqlite3.connect(daemon.data / "trainyard.db") as db:
            assert db.execute("SELECT count(*) FROM dummies").fetchall() == [(0,)]
            [[version]] = db.execute("PRAGMA user_version").fetchall()
    assert version == len(list((ROOT / "storage/migrations").glob("*.sql"))) + 1


@pytest.mark.parametrize("value, word", [("8", "dummy_slots"), ("one", "dummy_slots")])
def test_the_key_has_its_bounds(copy, tmp_path, value, word):
    (tmp_path / "x.conf").write_text(f"[{section()}]\ndummy_slots = {value}\n", encoding="utf-8")
    done = subprocess.run([copy.dir / "daemon/trainyardd", "--config", tmp_path / "x.conf",
                           "--data-dir", tmp_path, "--check"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and word in done.stdout + done.stderr


def test_the_key_is_in_the_help(copy):
    done = subprocess.run([copy.dir / "daemon/trainyardd", "--help-config"], capture_output=True,
                          text=True, check=True)
    assert "dummy_slots" in done.stdout and "Of no use." in done.stdout
