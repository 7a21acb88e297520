# SPDX-License-Identifier: MIT
"""A descriptor is closed on exec from its first moment: another thread may start a program between
the call and a later fcntl."""
import re

from tree import c_files, code, judge, text

CALL = re.compile(r"(?<![>.\w])(open|openat|creat|socket|socketpair|accept4?|pipe2?|eventfd|"
                  r"signalfd|epoll_create1?|inotify_init1?|memfd_create|timerfd_create|dup3?|"
                  r"mkstemp|mkostemp|popen|fcntl|open_how \w+ = )[({]")
FOPEN = re.compile(r'\bf(?:re)?open\([^;"]*"([^"]*)"')


def words_of(source, start):
    """What stands inside the bracket that opens before `start`."""
    depth, at = 1, start
    while depth:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(source[at], 0)
        at += 1
    return source[start:at]


def leaves_open(words, call):
    return "CLOEXEC" not in words and (call != "fcntl" or "F_DUPFD" in words)


def test_every_descriptor_is_closed_on_exec():
    ours = [path for path in c_files() if path.parts[0] != "tests"]
    judge("close-on-exec", [
        (path, f"{found.group(1)}({words_of(code(path), found.end())}: no CLOEXEC")
        for path in ours for found in CALL.finditer(code(path))
        if leaves_open(words_of(code(path), found.end()), found.group(1))] + [
        (path, f'fopen(…, "{found.group(1)}"): no "e"')
        for path in ours for found in FOPEN.finditer(text(path)) if "e" not in found.group(1)])
