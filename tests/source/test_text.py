# SPDX-License-Identifier: MIT
"""Rules about the text of each file: heads, sizes, banned functions, format, left-overs."""
import ast
import re
import subprocess
import warnings
from shutil import which

import pytest
from tree import ROOT, TOKEN, all_files, c_files, code, files, judge, text

FILE_AIM, FILE_LIMIT = 400, 800
HEADER_LIMIT = 200
FUNCTION_AIM, FUNCTION_LIMIT = 50, 80
LINE_LIMIT = 100
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|sscanf|"
                    r"alloca|system|popen)\s*\(")
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
# Names of package registries, and paths of one machine.
PLACES = re.compile(r"pypi|pythonhosted|npmjs|deb\.debian|/work/(main|wt-|shared)|/opt/wheels",
                    re.IGNORECASE)
HEAD = re.compile(r"/\* SPDX[^*]*\*/\n(?:/\* clang-format off \*/\n)?/\*")
QUESTION = re.compile(r"[\w)\]\"]\?(?=\s|$|\*/)")
DOCSTRING = re.compile(r'^\s*"""[^"].*?"""', re.MULTILINE | re.DOTALL)
SHELL = re.compile(rb"#!.*\b(ba)?sh\b")
NOT_FUNCTIONS = ("namespace", "class", "struct", "extern", "enum", "union")


def functions(path):
    """(first line, name line, lines) of each function body: '{' to '}' in the first column."""
    lines = text(path).splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and not lines[number - 2].startswith(NOT_FUNCTIONS):
            start = number
        elif line.startswith("}") and start:
            yield start, lines[start - 2].strip(), number - start - 1
            start = None


def test_files_are_short():
    bad, long = [], []
    for path in [*c_files(), *files(".py", ".sh", ".ts", ".tsx")]:
        count = text(path).count("\n")
        limit = HEADER_LIMIT if path.suffix == ".h" else FILE_LIMIT
        if count > limit:
            bad.append((path, f"{count} lines, the limit is {limit}"))
        elif count > FILE_AIM:
            long.append(f"{path} ({count})")
    if long:
        warnings.warn(f"files of more than {FILE_AIM} lines: {', '.join(long)}")
    judge("file-size", bad)


def test_functions_are_short():
    bad, long = [], []
    for path in c_files():
        for line, name, count in functions(path):
            if count > FUNCTION_LIMIT:
                bad.append((path, f"line {line}: {count} lines, not {FUNCTION_LIMIT}: {name}"))
            elif count > FUNCTION_AIM:
                long.append(f"{path}:{line} ({count})")
    if long:
        warnings.warn(f"functions of more than {FUNCTION_AIM} lines: {', '.join(long)}")
    judge("function-size", bad)


def test_lines_are_not_too_long():
    judge("line-size", [(path, f"line {number} has {len(line.expandtabs(8))} columns")
                        for path in [*c_files(), *files(".py", ".sh")]
                        for number, line in enumerate(text(path).splitlines(), 1)
                        if len(line.expandtabs(8)) > LINE_LIMIT])


def test_no_banned_function():
    judge("banned", [(path, f"line {code(path).count(chr(10), 0, match.start()) + 1}: {match[1]}()")
                     for path in c_files() for match in BANNED.finditer(code(path))])


def test_json_is_written_in_one_place():
    """base/json_text.c writes numbers in their shortest form; Jansson, its oracle, does not."""
    judge("json-dump", [(path, "use json_text, json_line or json_pretty") for path in c_files()
                        if "json_dump" in code(path)
                        and str(path) not in ("base/json_text.c", "tests/unit/test_base_json.c")])


def test_each_file_names_its_licence():
    scripts = [path for path in all_files() if path.suffix in ("", ".sh")
               and (ROOT / path).read_bytes()[:2] == b"#!"]
    judge("spdx", [(path, "no 'SPDX-License-Identifier: MIT' in its first lines")
                   for path in [*c_files(), *files(".py"), *scripts]
                   if "SPDX-License-Identifier: MIT" not in "\n".join(text(path).split("\n")[:3])])


def test_each_file_has_a_head():
    """A comment after the licence, or a docstring, says what lives in the file."""
    judge("head", [(path, "has no comment about the file after its licence line")
                   for path in c_files() if not HEAD.match(text(path))]
          + [(path, "has no docstring") for path in files(".py") if text(path)
             and not ast.get_docstring(ast.parse(text(path)))])


def test_headers_are_guarded():
    judge("pragma-once", [(path, "has no '#pragma once'") for path in files(".h", ".hpp")
                          if "\n#pragma once\n" not in text(path)])


def test_nothing_is_left_over():
    judge("left-over", [(path, f"line {text(path).count(chr(10), 0, match.start()) + 1}: {match[0]}"
                               " without the number of an issue, as in FIXME(#12)")
                        for path in [*c_files(), *files(".py", ".sh", ".md", ".build", ".ts")]
                        for match in LEFT_OVER.finditer(text(path)) if path.name != "test_text.py"])


def test_no_comment_asks():
    bad = []
    for path in c_files():
        for match in TOKEN.finditer(text(path)):
            if match.group().startswith("/") and QUESTION.search(match.group()):
                line = text(path).count("\n", 0, match.start()) + 1
                bad.append((path, f"line {line}: a comment states ('True if …'), it asks nothing"))
    for path in files(".py"):
        bad += [(path, "a docstring states ('True if …'), it asks nothing")
                for said in DOCSTRING.findall(text(path)) if QUESTION.search(said)]
    judge("question", bad)


def test_no_place_is_named():
    checked = [path for path in all_files() if path.suffix in
               (".c", ".h", ".cpp", ".py", ".sh", ".md", ".build", ".txt", ".json", ".def", "")]
    judge("place", [(path, f"names '{match[0]}'") for path in checked
                    for match in PLACES.finditer(text(path)) if path.name != "test_text.py"])


def test_lines_end_cleanly():
    checked = [*c_files(), *files(".py", ".sh", ".md", ".build", ".sql", ".def")]
    bad = [(path, f"line {number} ends with blanks") for path in checked
           for number, line in enumerate(text(path).split("\n"), 1) if line != line.rstrip()]
    judge("blank-end", bad + [(path, "does not end with a newline") for path in checked
                              if text(path) and not text(path).endswith("\n")])


def test_format():
    tool = which("clang-format-14")
    if not tool:
        pytest.skip("clang-format-14 is not installed")
    done = subprocess.run([tool, "--dry-run", "-Werror", *map(str, c_files())], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.MULTILINE)))
    judge("format", [(path, f"run clang-format-14 -i {path}") for path in bad])
    assert done.returncode == 0 or bad, done.stderr


def test_scripts_parse():
    bad = []
    for path in all_files():
        if path.suffix in ("", ".sh") and SHELL.match((ROOT / path).read_bytes()[:40]):
            done = subprocess.run(["bash", "-n", str(path)], cwd=ROOT, capture_output=True,
                                  text=True, check=False)
            bad += [(path, done.stderr.strip())] if done.returncode else []
    judge("shell", bad)
