# SPDX-License-Identifier: MIT
"""docs/adding.md names each file that a new thing of a kind touches: looked up by an old one."""
import re

import pytest

from tree import ROOT, all_files, text

PAGE = "docs/adding.md"
# Where the names of an example are looked for; pages that tell a story and maps of folders are not
# touched for each new thing.
PLACES = {"api", "aws", "cli", "config", "daemon", "docs", "jobs", "net", "shim", "storage",
          "transfer", "wire", "worker"}
STORIES = {PAGE, "docs/architecture.md", "docs/design.md"}
STEP = re.compile(r"^\d+\. (.*(?:\n   .*)*)", re.MULTILINE)
NAME = re.compile(r"`` (.+?) ``|`([^`]+)`")
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:c|h|def|md|json|sql|py|build|bash|sample))`")


def sections():
    found = []
    for part in (ROOT / PAGE).read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        found.append(pytest.param(body, id=title))
    return found


def listed(body):
    """({files of steps that the example needs}, {files of steps that begin with "if"})."""
    needed, others = set(), set()
    for step in STEP.findall(body):
        first = FILE.match(step)
        found = set(FILE.findall(step))
        # Of a step of the example the files before its colon are meant.
        mine = set(FILE.findall(step.partition(":")[0])) if first else set()
        needed |= mine
        others |= found - mine
    return needed, others


def names(body):
    line = re.search(r"Names: (.*)", body)[1]
    return ["".join(pair) for pair in NAME.findall(line)]


def of_example(body):
    """The files of the tree that have one of the names."""
    pattern = re.compile("|".join(
        (r"(?<!\w)" if name[0].isalpha() else "") + re.escape(name) for name in names(body)))
    return {str(path) for path in all_files() if path.parts[0] in PLACES
            and path.name != "README.md" and str(path) not in STORIES
            and (path.suffix == ".sql" and pattern.search(path.name)
                 or pattern.search(text(path)))}


@pytest.mark.parametrize("body", sections())
def test_each_list_has_every_place(body):
    needed, others = listed(body)
    missing = [name for name in sorted(needed | others) if not (ROOT / name).is_file()]
    assert not missing, f"{PAGE} names files that do not exist"
    fakes = {name for name in needed if name.startswith("tests/")}
    assert sorted(of_example(body) - needed) == [], "these have the example, the list has not"
    assert sorted(needed - fakes - of_example(body)) == [], "the example does not need these"
    assert all(any(name.strip('"') in text_of(path) for name in names(body)) for path in fakes)


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")
