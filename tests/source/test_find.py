# SPDX-License-Identifier: MIT
"""tests/run NAME: what a name means, and that it runs that alone."""
import subprocess
import sys

import pytest

from tree import ROOT

THIS = "tests/source/test_find.py"


def find(*names):
    done = subprocess.run([sys.executable, ROOT / "tests/find.py", *names], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("name, found", [
    ("db", "unit db"), ("test_db", "unit db"), ("test_db.c", "unit db"),
    ("tests/unit/test_db.c", "unit db"), ("find", f"source {THIS}"), (THIS, f"source {THIS}"),
    ("a_name_alone", f"source {THIS}::test_a_name_alone"),
    (f"{THIS}::test_a_name_alone", f"source {THIS}::test_a_name_alone"),
    ("test_a_name_alone[x-y]", f"source {THIS}::test_a_name_alone[x-y]")])
def test_one_test(name, found):
    assert find(name) == (0, [found], "")


def test_the_whole_name_comes_before_a_part_of_it():
    status, found, _ = find("store")
    assert status == 0 and found == ["unit store"]
    status, found, _ = find("store_")
    assert status == 0 and "unit store_page" in found and "unit store" not in found


def test_a_case_of_a_unit_program_is_the_program():
    assert find("bad_json_is_corrupt") == (0, ["unit db"], "")


def test_a_name_that_finds_nothing_is_an_error():
    status, found, error = find("find", "the_hole_name_comes_before")
    assert (status, found) == (2, [])
    assert "no test named 'the_hole_name_comes_before'" in error
    assert "the_whole_name_comes_before_a_part_of_it" in error


def run(*arguments):
    done = subprocess.run([ROOT / "tests/run", *arguments], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_name_alone():
    status, lines, error = run("test_no_result_is_an_error")
    assert status == 0, error
    assert lines[-1] == "1 passed, 0 failed, 0 skipped"


def test_wrong_names_run_nothing():
    status, lines, error = run("prun_crsh")
    assert (status, lines) == (2, []) and "near it: prune_crash" in error
    for arguments in (["--fast"], ["source", "prune_crash"]):
        status, lines, error = run(*arguments)
        assert (status, lines) == (2, []) and error.startswith("usage: tests/run")
