# SPDX-License-Identifier: MIT
"""find.py NAME...: print the tests of these names, one a line, for tests/run: "SUITE WHAT".

A name is that of a unit program, of a test file, of a test function or of a case of a unit program.
The whole name (with or without "test_") comes first, then part of a file's name, then part of a
function's: the first of the three that finds something is what NAME means. A path, and
PATH::FUNCTION, work as for pytest, and so does the [CASE] of a parametrised test after any name.
Exit status 2 if a name finds nothing; the nearest names are then on stderr.

find.py --targets BUILD SUITE...: print the targets of ninja that tests of these suites need.
"""
import difflib
import json
import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FUNCTION = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
CASE = re.compile(r"^static void (\w+)\(void \*\*\w+\)$", re.MULTILINE)
OF_ONE_SUITE = {"aws", "parity"}
NEAREST = 5
LIKE = 0.6


class Test:
    """A test, or a file of tests: its names, and what tests/run needs to run it."""

    def __init__(self, suite, what, name):
        self.suite, self.what, self.name = suite, what, name

    def __str__(self):
        return f"{self.suite} {self.what}"


def all_tests():
    """(files, functions) as lists of Test. A case of a unit program stands for the program."""
    files, functions = [], []
    for path in sorted(TESTS.glob("*/test_*")):
        suite, text = path.parent.name, path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            what = f"tests/{suite}/{path.name}"
            functions += [Test(suite, f"{what}::{name}", name) for name in FUNCTION.findall(text)]
        elif path.suffix == ".c" and suite == "unit":
            what = path.stem.removeprefix("test_")
            functions += [Test(suite, what, name) for name in CASE.findall(text)]
        else:
            continue
        files.append(Test(suite, what, path.stem))
    return files, functions


def bare(name):
    return name.removeprefix("test_")


def of_path(path, function, files, functions):
    """What PATH or PATH::FUNCTION means."""
    *folders, name = Path(path).parts
    found = [f for f in files if Path(name).stem == f.name and folders[-1:] == [f.suite]]
    if not function:
        return found
    return [t for t in functions if t.name == function
            and any(t.what.partition("::")[0] == f.what for f in found)]


def find(name, files, functions):
    """The tests that a name means; none is an empty list."""
    path, _, function = name.partition("::")
    if "/" in path:
        return of_path(path, function, files, functions)
    part = Path(name).stem if name.endswith((".py", ".c")) else name
    return ([t for t in files + functions if bare(t.name) == bare(part)]
            or [t for t in files if part in t.name] or [t for t in functions if part in t.name])


def nearest(name, tests):
    """The names that have most of its words, and then the most of its letters in order."""
    word = bare(Path(name).stem)
    parts = [part for part in word.split("_") if len(part) > 2]
    scores = {other: (sum(part in other for part in parts),
                      difflib.SequenceMatcher(None, word, other).ratio())
              for other in {bare(test.name) for test in tests}}
    near = [other for other, (words, letters) in scores.items() if words or letters > LIKE]
    return sorted(near, key=scores.get, reverse=True)[:NEAREST]


def print_tests(names):
    files, functions = all_tests()
    chosen = {}
    for name in names:
        name, bracket, case = name.partition("[")
        found = find(name, files, functions)
        if not found:
            near = nearest(name, files + functions)
            print(f"there is no suite and no test named '{name}'"
                  + (f"; near it: {', '.join(near)}" if near else ""), file=sys.stderr)
            return 2
        chosen |= {f"{test}{bracket}{case}": None for test in found}
    print(*chosen, sep="\n")
    return 0


def print_targets(build, suites):
    targets = json.loads((Path(build) / "meson-info/intro-targets.json").read_text())
    for target in targets:
        folder = Path(target["defined_in"]).parent
        if (target["type"] == "executable" and folder.name not in ("unit", "bench")
                and (folder.name not in OF_ONE_SUITE or folder.parent.name != "tests"
                     or folder.name in suites)):
            print(*(Path(name).relative_to(Path(build).resolve()) for name in target["filename"]),
                  sep="\n")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--targets"]:
        sys.exit(print_targets(sys.argv[2], sys.argv[3:]))
    sys.exit(print_tests(sys.argv[1:]))
