# SPDX-License-Identifier: MIT
"""Files of the product need each other in one direction: no circle of files, in any folder. A file
needs another one if it names a function or an object that the other one defines, and a header that
it includes declares the name."""
import re
from collections import defaultdict
from functools import lru_cache
from pathlib import Path

from tree import ROOT, code, files, judge, text

NOT_PRODUCT = ("tests", "bench", "examples", "tools")
# A function ends with a "{" in the first column, an object begins there: "type name = ".
FUNCTION = re.compile(r"^(?!#)([A-Za-z][^;{}#]*?)\b(\w+)\([^;{}]*\)[^;{}()]*\n\{$", re.MULTILINE)
OBJECT = re.compile(r"^([a-z][\w *]*?)\b(\w+)(?:\[[^\]]*\])*(?: =\s|;$)", re.MULTILINE)
NAME = re.compile(r"(?<![\w.>])(?<!struct )(?<!enum )(?<!case )[A-Za-z_]\w+\b")
CALL = re.compile(r"\b([A-Za-z_]\w+)\(")
EXTERN = re.compile(r"^extern ([^;()]*);", re.MULTILINE)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
HIDDEN = re.compile(r"\b(?:static|extern|typedef|return|goto|else)\b")


def definitions(path):
    """Names that other files may use, and those that only this one has."""
    shared, own = set(), set()
    for kind in FUNCTION, OBJECT:
        for before, name in kind.findall(code(path)):
            (own if HIDDEN.search(before) else shared).add(name)
    return shared, own


@lru_cache(maxsize=None)
def included(path):
    """The project's headers that a file includes, at once or by others."""
    found, todo = set(), [path]
    while todo:
        for name in INCLUDE.findall(text(todo.pop())):
            header = Path(name)
            if header not in found and (ROOT / header).is_file():
                found.add(header)
                todo.append(header)
    return found


@lru_cache(maxsize=None)
def declared(header):
    return set(CALL.findall(code(header))).union(*map(NAME.findall, EXTERN.findall(code(header))))


def used(path):
    """In C++ only calls: a local may have the name of a method."""
    return set((CALL if path.suffix == ".cpp" else NAME).findall(code(path)))


def arrows():
    """{file: {file that it needs: names}}."""
    sources = [path for path in files(".c", ".cpp") if path.parts[0] not in NOT_PRODUCT]
    known = {path: definitions(path) for path in sources}
    homes = defaultdict(set)
    for path, (shared, _) in known.items():
        for name in shared:
            homes[name].add(path)
    graph = {path: defaultdict(set) for path in sources}
    for path, (shared, own) in known.items():
        seen = set().union(*map(declared, included(path)))
        for name in (used(path) & seen) - shared - own:
            if len(homes[name]) == 1:  # else the programs that have it are not linked together
                graph[path][next(iter(homes[name]))].add(name)
    return graph


def reach(graph, start):
    """All files that `start` needs, at once or by others."""
    found, todo = set(), [start]
    while todo:
        for path in graph[todo.pop()]:
            if path not in found:
                found.add(path)
                todo.append(path)
    return found


def circles(graph):
    """(file, what it needs of a file that needs it)."""
    needs = {path: reach(graph, path) for path in graph}
    return [(path, f"{other} needs it, too: {', '.join(sorted(names))}")
            for path in sorted(graph) for other, names in sorted(graph[path].items())
            if path in needs[other]]


def test_no_circle_of_files():
    graph = arrows()
    assert sum(map(len, graph.values())) > 1000  # the files are read as they should be
    judge("circle", circles(graph))


def test_a_circle_is_seen():
    ring = {"a": {"b": {"b_do"}}, "b": {"c": {"c_do"}}, "c": {"b": {"b_undo"}}}
    assert circles(ring) == [("b", "c needs it, too: c_do"), ("c", "b needs it, too: b_undo")]


ORDERED = "A file needs only files below it"
LISTED = re.compile(r"`(\w+\.c)`|^ \*   (\w+\.c) ", re.MULTILINE)


def listed(page):
    """The files of a list from the top, those of one line in any order: {file: line}."""
    after = text(page).split(ORDERED)[1]
    lines = [line for line in after.splitlines() if line.startswith(("|", " *   "))]
    return {page.parent / (table or comment): number for number, line in enumerate(lines)
            for table, comment in LISTED.findall(line)}


def test_lists_of_files_are_in_order():
    graph, bad = arrows(), []
    for page in files(".md", ".h"):
        if page.parts[0] in NOT_PRODUCT or ORDERED not in text(page):
            continue
        order = listed(page)
        folder = {path for path in graph if path.parent == page.parent}
        bad += [(page, f"there is no list of {path}") for path in sorted(folder - set(order))]
        bad += [(page, f"{path.name} stands below {other.name}, which it needs")
                for path in sorted(order) for other in sorted(graph[path])
                if order.get(other, order[path]) < order[path]]
    judge("order", bad)
