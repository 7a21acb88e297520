# SPDX-License-Identifier: MIT
"""A text that is cut without a word becomes a wrong value. The compiler refuses str_copy() and
str_format() without a look at the result (base/str.h); here the same holds for what libc cuts."""
import re

from tree import c_files, code, judge, text

CALL = re.compile(r"\b(?:std::)?(v?snprintf|strncpy|strlcpy|strncat)\s*\(")
TEXT_INSIDE = re.compile(r"%[-0-9.*]*s")


def is_statement(before):
    """Is what comes after `before` a statement, whose value nobody looks at?"""
    if before.endswith(")"):
        depth, at = 1, len(before) - 1
        while depth and at:
            at -= 1
            depth += {")": 1, "(": -1}.get(before[at], 0)
        return before[at:] == "(void)" or before[:at].rstrip().endswith(("if", "for", "while"))
    if before.endswith(":"):
        label = re.split(r"[;{}]", before)[-1].strip()
        return re.fullmatch(r"case [^?]*:|\w+:", label) is not None
    return before.endswith((";", "{", "}", "else"))


def calls(path):
    """(line, function, the whole call, True if nobody looks at its value)."""
    source, blank = text(path), code(path)
    for match in CALL.finditer(blank):
        depth, end = 1, match.end()
        while depth and end < len(blank):
            depth += {"(": 1, ")": -1}.get(blank[end], 0)
            end += 1
        alone = is_statement(blank[:match.start()].rstrip())
        line = blank.count("\n", 0, match.start())
        rows = source.splitlines()[line:line + blank.count("\n", match.start(), end) + 1]
        yield line + 1, match.group(1), "\n".join(rows), alone


def test_nothing_is_cut_without_a_word():
    """snprintf() of numbers into an array that is large enough is allowed."""
    bad = []
    for path in c_files():
        if path.parts[0] in ("tests", "bench"):
            continue
        for line, function, call, alone in calls(path):
            numbers = function == "snprintf" and not TEXT_INSIDE.search(call)
            if function in ("strncpy", "strlcpy", "strncat") or (alone and not numbers):
                bad.append((path, f"line {line}: {function}() may cut; base/str.h has the ways"))
    judge("cut", bad)
