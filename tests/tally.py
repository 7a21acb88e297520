# SPDX-License-Identifier: MIT
"""tally.py FILE [SKIP...]: print "PASSED FAILED SKIPPED" of a JUnit XML file or of meson's
testlog.json.

A meson test is a program: when it spoke TAP (cmocka with CMOCKA_MESSAGE_OUTPUT=TAP) its cases are
counted, and one failure is added when it ended badly without a failed case (a crash, a leak found
at exit); otherwise it counts as one. A skip whose reason is neither in skips.txt nor a SKIP (a
regular expression, too) counts as a failure and is named on stderr. Exit status 1 when the file
holds no result.
"""
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TAP_CASE = re.compile(r"^(not )?ok \d+\b(.*)$", re.MULTILINE)
MESON_SKIP = 77


EXPECTED = [line.split(" | ")[0] for line in
            (Path(__file__).parent / "skips.txt").read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")] + sys.argv[2:]


def unexpected(name, reason):
    """1 if that skip is not in skips.txt, which is said."""
    if any(re.search(pattern, reason) for pattern in EXPECTED):
        return 0
    print(f"unexpected skip: {name}: {reason}", file=sys.stderr)
    return 1


def count_junit(path):
    total = [0, 0, 0]
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        tests, failures, errors, skipped = (
            int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
        wrong = sum(unexpected(f"{case.get('classname')}::{case.get('name')}",
                               case.find("skipped").get("message", ""))
                    for case in suite.iter("testcase") if case.find("skipped") is not None)
        total[0] += tests - failures - errors - skipped
        total[1] += failures + errors + wrong
        total[2] += skipped - wrong
    return total


def count_program(result):
    passed = failed = skipped = 0
    for bad, rest in TAP_CASE.findall(result.get("stdout") or ""):
        if "# SKIP" in rest:  # cmocka writes "not ok" before it
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1
    if result["returncode"] == MESON_SKIP:
        skipped += 1
    elif result["returncode"] != 0 and failed == 0:
        failed += 1
    elif passed + failed + skipped == 0:
        passed += 1
    if skipped and unexpected(result["name"], f"unit {result['name'].split(':')[-1].strip()}"):
        return passed, failed + skipped, 0
    return passed, failed, skipped


def count_meson(path):
    total = [0, 0, 0]
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            total = [a + b for a, b in zip(total, count_program(json.loads(line)))]
    return total


counts = (count_junit if sys.argv[1].endswith(".xml") else count_meson)(sys.argv[1])
print(*counts)
sys.exit(sum(counts) == 0)
