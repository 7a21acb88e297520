# SPDX-License-Identifier: MIT
"""Tests wait for events, know which answer is right, and keep to their temporary directory."""
import ast
import re

from tree import code, files, judge, text

HELPERS = {"tests/wait.py", "tests/unit/wait.h", "tests/unit/scratch.h"}
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"}
STATUS = {"status", "status_code", "returncode"}
PAUSES = re.compile(r"\b(nanosleep|clock_nanosleep|usleep|sleep|sched_yield|poll\s*\(\s*NULL)\b")
ELSEWHERE = re.compile(r'"/tmp/|\bmk(d|s|os)temp\b')


def of_tests(suffix):
    """The tests themselves: a fake service takes the time that it is told to take."""
    return [path for path in files(suffix) if path.parts[0] == "tests"
            and path.parts[1] not in ("fakes", "source") and str(path) not in HELPERS]


def nodes(kind):
    for path in of_tests(".py"):
        for node in ast.walk(ast.parse(text(path))):
            if isinstance(node, kind):
                yield path, node


def name_of(node):
    """The last name of `a.b.c`, `c`, `a["c"]` or `c()`."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Subscript):
        return getattr(node.slice, "value", None)
    return getattr(node, "attr", getattr(node, "id", None))


def test_no_test_sleeps():
    bad = [(path, f"line {node.lineno}: wait for an event with wait_for()")
           for path, node in nodes(ast.Call) if name_of(node) == "sleep"]
    bad += [(path, f"{found.group()}: wait for an event with wait_until()")
            for path in of_tests(".c") + of_tests(".h") for found in PAUSES.finditer(code(path))]
    judge("sleep", bad)


def test_no_wait_spins():
    """A loop that only asserts takes a core from what it waits for."""
    judge("spin", [(path, f"line {node.lineno}: wait for an event with wait_for()")
                   for path, node in nodes(ast.While)
                   if all(isinstance(part, ast.Assert) for part in node.body)])


def test_no_wait_is_for_a_time():
    """wait_for("the end", lambda: time.time() > end) is a sleep by another name."""
    bad = [(path, f"line {node.lineno}: wait for an event, or change the stored time")
           for path, node in nodes(ast.Call) if name_of(node) == "wait_for"
           and any(name_of(n) in CLOCKS | {"time"} for n in ast.walk(node)
                   if isinstance(n, ast.Call))]
    judge("wait-for-a-time", bad)


def test_no_assertion_about_time_taken():
    judge("time-taken", [
        (path, f"line {node.lineno}: a loaded machine takes any time") for path, node in
        nodes(ast.Assert) if CLOCKS & {name_of(n) for n in ast.walk(node.test)}])


def several(compare):
    """True if more than one status would do."""
    left, op, right = compare.left, compare.ops[0], compare.comparators[0]
    if name_of(left) not in STATUS:
        return False
    if isinstance(op, ast.In):
        return len(getattr(right, "elts", ())) > 1 and \
            all(isinstance(getattr(e, "value", None), int) for e in right.elts)
    return not isinstance(op, (ast.Eq, ast.Is)) and isinstance(getattr(right, "value", None), int)


def test_one_status_is_right():
    judge("status", [(path, f"line {node.lineno}: name the one status that is right")
                     for path, node in nodes(ast.Assert)
                     if any(several(n) for n in ast.walk(node.test) if isinstance(n, ast.Compare))])


def test_one_temporary_directory():
    bad = [(path, f"line {node.lineno}: use tmp_path, or tempfile.TemporaryDirectory")
           for path, node in nodes(ast.Call) if name_of(node) in ("mkdtemp", "mkstemp")]
    bad += [(path, f"{found.group()}: use scratch_make()")
            for path in of_tests(".c") + of_tests(".h") for found in ELSEWHERE.finditer(text(path))]
    judge("temporary", bad)


def test_no_parameter_holds_a_time():
    """Each process of xdist collects by itself: the ids of parameters must not differ. gzip writes
    the time into its header."""
    judge("gzip-time", [(path, f"line {node.lineno}: give gzip.compress mtime=0")
                        for path, node in nodes(ast.Call) if name_of(node) == "compress"
                        and name_of(getattr(node.func, "value", None)) == "gzip"
                        and "mtime" not in {k.arg for k in node.keywords}])
