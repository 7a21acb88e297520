# SPDX-License-Identifier: MIT
"""Dummies of the things that docs/adding.md is about, made after its lists, and programs that are
compiled from changed copies of files in front of those of the tree."""
import json
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from trainyardd import BUILD, ROOT

KEY = 'CONFIG_KEY(INT, {section}, dummy_slots, "1", 0, 7, false,\n\t   "Of no use.")\n'
ROW = '\t{"GET", "/v1/dummies", dummies_list, NULL, BODY_NONE, false, "List dummies"},\n'
HANDLER = """
void dummies_list(struct request *rq)
{
\treply_json(rq, 200, json_pack("{s:[]}", "items"));
}
"""
MIGRATION = "CREATE TABLE dummies (name TEXT NOT NULL PRIMARY KEY) STRICT;\n"
WORK = """#include "worker/worker.h"

#include "worker/report.h"

int dummy_main(struct worker *w, struct err *reterr)
{
\treport_result(w->report, json_pack("{si}", "answer", 42));
\treturn 0;
}
"""
FAMILY = ("bert", "Bert"), ("dummy", "Dummy")


def original(path):
    return (ROOT / path).read_text(encoding="utf-8")


def section():
    """The last one of the table of keys: a new key at its end moves no other field."""
    return re.findall(r"^CONFIG_KEY\(\w+, (\w+),", original("config/keys.def"), re.MULTILINE)[-1]


def list_of(title):
    """The text of one list of docs/adding.md."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", original("docs/adding.md"),
                     re.MULTILINE | re.DOTALL)[1]


def changed(path, *changes):
    """The text of a file with (old, new) applied; each old one is there once at least."""
    text = original(path)
    for old, new in changes:
        assert old in text, f"{path}: {old}"
        text = text.replace(old, new, 1)
    return text


def after(list_title, files, **asked):
    """The files, if the list names each; `asked`: what the list names in place of a new file."""
    for name in files:
        like = asked.get(name.rpartition("/")[2].partition(".")[0], name)
        assert f"`{like}`" in list_of(list_title), f"'{list_title}' does not name {like}"
    return files


def key():
    return after("A configuration key", {
        "config/keys.def": original("config/keys.def") + KEY.format(section=section())})


def route():
    return after("A route", {
        "api/handlers.h": original("api/handlers.h") + "void dummies_list(struct request *rq);\n",
        "api/usage.c": original("api/usage.c") + HANDLER,
        "api/routes.c": changed("api/routes.c", ("table[] = {\n", "table[] = {\n" + ROW))})


def migration():
    last = sorted((ROOT / "storage/migrations").glob("*.sql"))[-1].name
    name = f"{int(last[:4]) + 1:04d}_dummy"
    return after("A migration", {f"storage/migrations/{name}.sql": MIGRATION},
                 **{name: "storage/migrations/0013_models.sql"})


def kind():
    return after("A job kind", {
        "jobs/kind.h": changed("jobs/kind.h", ("\tJOB_KINDS_,", "\tJOB_DUMMY,\n\tJOB_KINDS_,")),
        "jobs/kind.c": changed("jobs/kind.c", ("kinds[JOB_KINDS_] = {", "kinds[JOB_KINDS_] = {\n"
                                               '\t[JOB_DUMMY] = {"dummy", true, {NULL}, {NULL}},')),
        "jobs/spec/fields.c": changed(
            "jobs/spec/fields.c", ("TIMED = ", "TIMED = SPEC_MODE(JOB_DUMMY) | "),
            ("words_kind[] = {", 'words_kind[] = {"dummy", ')),
        "worker/main.c": changed("worker/main.c", ("commands[] = {\n",
                                                   'commands[] = {\n\t{"dummy", dummy_main},\n')),
        "worker/dummy.c": WORK,
        "worker/worker.h": original("worker/worker.h")
        + "int dummy_main(struct worker *w, struct err *reterr);\n"},
        dummy="worker/train/evaluate.c")


def family():
    def renamed(text):
        for old, new in zip(*FAMILY):
            text = text.replace(old, new)
        return text

    return after("A model family", {
        "worker/model/family_dummy.c": renamed(original("worker/model/family_bert.c")),
        "worker/model/family.h": changed(
            "worker/model/family.h", ("family family_bert,", "family family_dummy, family_bert,")),
        "worker/model/family.c": changed("worker/model/family.c",
                                         ("families[] = {", "families[] = {&family_dummy, "))},
        family_dummy="worker/model/family_electra.c")


def users(*words):
    """The C files of the product that have one of the words."""
    rooms = ("jobs", "wire", "storage", "api", "daemon", "worker", "cli")
    files = [path for room in rooms for path in sorted((ROOT / room).rglob("*.c"))]
    return [str(path.relative_to(ROOT)) for path in files
            if any(word in path.read_text(encoding="utf-8") for word in words)]


class Copy:
    """Changed files in front of those of the tree, and programs made of both."""

    def __init__(self, directory, *changes):
        self.dir = directory
        self.files = {name: text for files in changes for name, text in files.items()}
        self.commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
        for name, text in self.files.items():
            self.write(name, text)

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def compile(self, program, name, like):
        """The object of a file, changed or not, with the options that the build has for it."""
        found = [c for c in self.commands if (BUILD / c["file"]).resolve() == ROOT / like]
        words = shlex.split(next((c for c in found if f" {program}.p/" in c["command"]),
                                 found[0])["command"])
        source = self.dir / name if (self.dir / name).exists() else ROOT / name
        target = self.dir / f"{name.replace('/', '.')}.o"
        words[words.index("-o") + 1], words[words.index("-c") + 1] = target, source
        words[words.index("-o"):words.index("-o")] = ["-MD", "-MF", f"{target}.d"]
        at = next(i for i, word in enumerate(words) if word.startswith("-I"))
        words.insert(at, f"-I{self.dir}")
        subprocess.run(words, cwd=BUILD, check=True)
        return target

    def link(self, program, names):
        """The program of the build with these files in the place of those of its libraries.
        `names`: (a file without compile options, a file whose options it takes)."""
        pairs = [(name, name) if isinstance(name, str) else name for name in names]
        with ThreadPoolExecutor(2) as threads:
            objects = list(threads.map(lambda pair: self.compile(program, *pair), pairs))
        asked = subprocess.run(["ninja", "-C", BUILD, "-t", "commands", program], check=True,
                               capture_output=True, text=True)
        words = shlex.split(asked.stdout.strip().splitlines()[-1])
        target = self.dir / program
        target.parent.mkdir(exist_ok=True)
        at = words.index("-o")
        own = {f"{program}.p/{name.rpartition('/')[2]}.o" for name, _ in pairs}
        words[at + 1:at + 2] = [target, *objects]
        subprocess.run([word for word in words if word not in own], cwd=BUILD, check=True)
