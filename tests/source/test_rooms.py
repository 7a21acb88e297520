# SPDX-License-Identifier: MIT
"""Each folder has its map, each source file is built, each test runs."""
import re
from pathlib import Path

from tree import ROOT, all_files, c_files, judge, text

README_LIMIT = 40
# Pages for users, and folders that a README above describes.
WITHOUT_README = {".ci", "docs", "tests/unit/fixtures", "tests/faults/script"}


def test_each_folder_has_a_short_readme():
    rooms = {path.parent for path in all_files()} - {Path(".")}
    bad = [(f"{room}/README.md", "is missing") for room in sorted(rooms)
           if str(room) not in WITHOUT_README and room.parts[0] != "examples"
           and not (ROOT / room / "README.md").is_file()]
    bad += [("examples/README.md", "is missing")] if Path("examples/README.md") not in all_files() \
        else []
    bad += [(path, f"{text(path).count(chr(10))} lines, the limit is {README_LIMIT}")
            for path in all_files() if path.name == "README.md" and len(path.parts) > 1
            and text(path).count("\n") > README_LIMIT]
    judge("readme", bad)


MENTIONED = re.compile(r"`((?:[a-z0-9_.]+/)*[a-z0-9_]+\.(?:c|h|cpp|hpp|sql))`")


def test_files_that_the_maps_name_exist():
    """A map may name a file by the end of its path; sqlite3.h is not ours."""
    paths = [f"/{path}" for path in all_files()]
    judge("map", [(path, f"there is no {name}") for path in all_files()
                  if path.name == "README.md" for name in MENTIONED.findall(text(path))
                  if name != "sqlite3.h" and not any(at.endswith(f"/{name}") for at in paths)])


NAMED = re.compile(r"`((?:[a-z_]+/)+[a-z_0-9]+\.[a-z]+)`")


def test_files_that_the_walks_name_exist():
    page = "docs/architecture.md"
    text_of_page = (ROOT / page).read_text(encoding="utf-8")
    judge("walk", [(page, f"there is no {name}") for name in NAMED.findall(text_of_page)
                   if not (ROOT / name).is_file() and not name.startswith("work/")])


IN_QUOTES = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"(?:[a-z_0-9]+/)*[a-z_0-9]+\.(?:c|h|md|json)")
WORD = re.compile(r"[a-z]\w*_\w+")
# Files that an execution has.
OF_EXECUTIONS = {"exit.json", "spec.json"}


def test_what_the_walks_name_exists():
    """Files without a folder, and functions: each is somewhere in the product."""
    page = "docs/architecture.md"
    names = [name.removesuffix("()") for name in
             IN_QUOTES.findall((ROOT / page).read_text(encoding="utf-8"))]
    ends = {"/".join(path.parts[i:]) for path in all_files() for i in range(len(path.parts))}
    words = set().union(*(re.findall(r"\w+", text(path)) for path in c_files()
                          if path.parts[0] not in ("tests", "bench", "examples")))
    judge("walk", [(page, f"there is no {name}") for name in names
                   if FILE.fullmatch(name) and name not in ends | OF_EXECUTIONS
                   or WORD.fullmatch(name) and name not in words])
    assert sum(1 for name in names if WORD.fullmatch(name)) > 15


def test_the_architecture_has_every_folder():
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    said = set(re.findall(r"([a-z_]+)/", page))
    rooms = {path.parts[0] for path in c_files()} | {
        path.parts[1] for path in c_files() if path.parts[0] == "daemon" and len(path.parts) > 2}
    assert sorted(rooms - said) == []


def meson_files():
    """The text of all meson.build files, with the names of loops over 'test_' + name in full."""
    texts = "".join(text(path) for path in all_files() if path.name == "meson.build")
    for names in re.findall(r"^foreach name : \[([^]]+)\]", texts, re.MULTILINE):
        texts += "".join(f"'test_{name}.c' test('{name}', "
                         for name in re.findall(r"'(\w+)'", names))
    return texts


def test_each_source_file_is_built():
    build = meson_files()
    judge("built", [(path, "no meson.build names it") for path in c_files()
                    if path.suffix in (".c", ".cpp") and path.parts[0] != "examples"
                    and not re.search(rf"['/]{re.escape(path.name)}'", build)])


def test_each_unit_test_is_registered():
    tests = set(re.findall(r"test\(\s*'(\w+)'", meson_files()))
    judge("registered", [(path, f"test('{path.stem[5:]}', …) is missing") for path in c_files()
                         if str(path).startswith("tests/unit/test_") and path.suffix != ".h"
                         and path.stem[5:] not in tests])


def test_each_python_test_belongs_to_a_suite():
    runner = text(next(path for path in all_files() if str(path) == "tests/run"))
    suites = re.search(r"^SUITES=\((.*)\)$", runner, re.MULTILINE)[1].split()
    judge("suite", [(path, "is in no folder that tests/run looks into") for path in all_files()
                    if path.parts[0] == "tests" and path.name.startswith("test_")
                    and path.suffix == ".py" and path.parts[1] not in suites])


def test_completion_knows_each_command():
    source = (ROOT / "cli/commands.c").read_text(encoding="utf-8")
    table = re.search(r"commands\[\] = \{\n(.*?)^\};", source, re.MULTILINE | re.DOTALL)[1]
    commands = re.findall(r'^\t\{"([\w-]+)",', table, re.MULTILINE)
    known = re.search(r'_trainyard_commands="([^"]+)"',
                      (ROOT / "cli/completion.bash").read_text(encoding="utf-8"))[1].split()
    assert commands and sorted(known) == sorted(commands)


READS = re.compile(r"\b(?:file_read\w*|json_read_file|fopen)\(|\bopen\([^;]*O_RDONLY")
READERS = ("worker/dataset/", "worker/model/", "worker/tokenizer/", "worker/serve/")


def test_what_users_name_is_opened_beneath_the_roots():
    judge("roots", [(path, f"'{found[0]}': open it with base/roots.h, so that no link leads out")
                    for path in c_files() if str(path).startswith(READERS)
                    for found in READS.finditer(text(path))])


RELEASE = re.compile(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d")


def test_the_changelog_has_the_version():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    build = (ROOT / "meson.build").read_text(encoding="utf-8")
    assert re.search(r"^ +version: '([\d.]+)'", build, re.MULTILINE)[1] in changes
    newest, *releases = re.findall(r"^## (.*)$", changes, re.MULTILINE)
    assert newest == "[Unreleased]"
    assert not [head for head in releases if not RELEASE.fullmatch(head)]
    assert set(re.findall(r"^### (.*)$", changes, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Renamed"}
