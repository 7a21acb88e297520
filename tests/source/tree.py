# SPDX-License-Identifier: MIT
"""The project's own files, and the list of exceptions to the rules about them."""
import os
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = re.compile(r"^(\.git|\.venv|\.c?cache|\.[a-z]+_cache|\.hypothesis|build.*|__pycache__|"
                      r"node_modules)$")
SHOWN = 4
EXCEPTIONS = Path(__file__).with_name("exceptions.txt")


@lru_cache(maxsize=None)
def all_files():
    """Every file of the project as a path relative to the root, sorted; no build products."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not NOT_OURS.match(name)]
        found += [Path(folder, name).relative_to(ROOT) for name in names]
    return sorted(path for path in found if path.parts[:2] != ("bench", "results")
                  and path.suffix not in (".pyc", ".gz") and path.name != ".git"
                  and (ROOT / path).is_file())


def files(*suffixes):
    return [path for path in all_files() if path.suffix in suffixes]


def c_files():
    return files(".c", ".h", ".cpp", ".hpp")


@lru_cache(maxsize=None)
def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


@lru_cache(maxsize=None)
def code(path):
    """The text of a C file without comments and without what is inside literals."""

    def blank(match):
        token = match.group()
        newlines = "\n" * token.count("\n")
        return newlines if token.startswith("/") else token[0] + token[-1] + newlines

    return TOKEN.sub(blank, text(path))


def exceptions():
    """{(rule, path): reason} of exceptions.txt."""
    found = {}
    for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            rule, path, reason = line.split(None, 2)
            found[rule, path] = reason
    return found


def judge(rule, violations):
    """Fail with the (path, what) pairs that no exception of `rule` names, the first few of each
    file; and with each exception of `rule` that nothing needs any more."""
    by_file = {}
    for path, what in violations:
        by_file.setdefault(str(path), []).append(what)
    allowed = {path for named, path in exceptions() if named == rule}
    bad = []
    for path, whats in sorted(by_file.items()):
        if path not in allowed:
            bad += [f"{path}: {what}" for what in whats[:SHOWN]]
            bad += [f"{path}: and {len(whats) - SHOWN} more"] if len(whats) > SHOWN else []
    bad += [f"{path}: its exception in exceptions.txt is not needed any more"
            for path in sorted(allowed - by_file.keys())]
    assert not bad, f"{rule}:\n  " + "\n  ".join(bad)
