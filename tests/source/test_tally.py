# SPDX-License-Identifier: MIT
"""The counting behind the last line of tests/run."""
import json
import subprocess
import sys

from tree import ROOT


def tally(tmp_path, name, content):
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    done = subprocess.run([sys.executable, ROOT / "tests/tally.py", file], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout.strip()


def program(stdout, returncode=0, name="store_file"):
    return json.dumps({"name": name, "stdout": stdout, "returncode": returncode})


def test_cases_of_a_program_are_counted(tmp_path):
    log = program("1..3\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP c\nnot ok 4 # SKIP d\n", 1)
    assert tally(tmp_path, "testlog.json", log) == (0, "1 1 2")


def test_a_crash_after_good_cases_is_a_failure(tmp_path):
    assert tally(tmp_path, "testlog.json", program("1..1\nok 1 - a\n", -6)) == (0, "1 1 0")


def test_a_program_without_cases_counts_as_one(tmp_path):
    log = "\n".join([program("hello"), program(None, 1), program("", 77)])
    assert tally(tmp_path, "testlog.json", log) == (0, "1 1 1")


def test_junit(tmp_path):
    xml = '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3"/></testsuites>'
    assert tally(tmp_path, "x.xml", xml) == (0, "3 3 3")


def test_no_result_is_an_error(tmp_path):
    assert tally(tmp_path, "testlog.json", "") == (1, "0 0 0")
    assert tally(tmp_path, "x.xml", "<testsuites/>") == (1, "0 0 0")


def junit(reason):
    return (f'<testsuites><testsuite tests="2" failures="0" errors="0" skipped="1">'
            f'<testcase classname="a" name="b"/><testcase classname="a" name="c">'
            f'<skipped message="{reason}"/></testcase></testsuite></testsuites>')


def test_a_skip_that_nobody_expects_is_a_failure(tmp_path):
    assert tally(tmp_path, "x.xml", junit("no GPU")) == (0, "1 0 1")
    assert tally(tmp_path, "x.xml", junit("built without the native engine")) == (0, "1 1 0")
    log = program("ok 1 - a\nok 2 # SKIP b\n", name="some")
    assert tally(tmp_path, "testlog.json", log) == (0, "1 1 0")
