# SPDX-License-Identifier: MIT
"""Fixtures that several files use are in a conftest.py, and the README beside it lists them."""
import ast
import re
from functools import lru_cache

from tree import ROOT, files, judge, text

ROWS = re.compile(r"^\| (`.*?) \|", re.MULTILINE)


@lru_cache(maxsize=None)
def trees():
    """(path, syntax tree) of each Python file of the tests."""
    return [(path, ast.parse(text(path))) for path in files(".py")
            if path.parts[0] == "tests" and path.parts[1] not in ("fakes", "source")]


def fixtures(tree):
    """Names of the fixtures that a file defines."""
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)
            and any("fixture" in ast.unparse(d).split("(")[0] for d in node.decorator_list)}


def test_no_fixture_is_imported():
    """A fixture that is imported hides behind the argument of its name."""
    found = trees()
    shared = {path.parent: fixtures(tree) for path, tree in found if path.name == "conftest.py"}
    bad = [(path, f"{name}: move the fixture to {path.parent}/conftest.py")
           for path, tree in found if not path.name.startswith(("test_", "conftest"))
           for name in sorted(fixtures(tree))]
    bad += [(path, f"{alias.name}: the fixture of {path.parent}/conftest.py needs no import")
            for path, tree in found for node in tree.body if isinstance(node, ast.ImportFrom)
            for alias in node.names if alias.name in shared.get(path.parent, ())]
    bad += [(path, "noqa: F811: a fixture of conftest.py does not need it")
            for path, _ in found if "noqa: F811" in text(path)]
    judge("fixture", bad)


def test_each_shared_fixture_is_in_the_index():
    bad = []
    for path, tree in trees():
        if path.name != "conftest.py":
            continue
        readme = path.with_name("README.md")
        index = (ROOT / readme).read_text(encoding="utf-8").partition("| fixture |")[2]
        listed = {name for row in ROWS.findall(index) for name in re.findall(r"`(\w+)`", row)}
        bad += [(readme, f"{name} of {path} is not in its table of fixtures")
                for name in sorted(fixtures(tree) - listed)]
        bad += [(readme, f"{path} has no fixture {name}")
                for name in sorted(listed - fixtures(tree))]
    judge("fixture-index", bad)
