# SPDX-License-Identifier: MIT
"""Fenced blocks of the pages, and the mark of a block that no test runs: a comment on the line
before it, which the reader does not see: `<!-- not run: the reason -->`."""
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from trainyardd import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- not run: (\S.*\S) -->\n\Z")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PROMPT = "$ "


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str
    reason: str  # why it is not run; "": it is
    heading: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def pages():
    """Every page that the project has, as paths relative to its root."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    return sorted(listed.split())


def blocks_of(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        before = text[:match.start()]
        mark = MARK.search(before)
        yield Block(page, before.count("\n") + 1, match[1], match[2], mark[1] if mark else "",
                    ([""] + HEADING.findall(before))[-1])


def all_blocks():
    return [block for page in pages() for block in blocks_of(page)]


def is_whole(command):
    """True if the shell needs no further line."""
    said = subprocess.run(["bash", "-n"], input=command, capture_output=True, text=True).stderr
    return not command.rstrip("\n").endswith("\\") and "unexpected EOF" not in said


def commands_of(block):
    """[(command, what the page shows as its output)]; one command if there are no prompts."""
    lines = block.text.splitlines()
    if not any(line.startswith(PROMPT) for line in lines):
        return [(block.text, "")]
    found = []
    for line in lines:
        if line.startswith(PROMPT):
            found.append([line.removeprefix(PROMPT), ""])
        elif not is_whole(found[-1][0] + "\n"):
            found[-1][0] += "\n" + line
        elif line.strip():
            found[-1][1] += line + "\n"
    return found


def inline_commands():
    """(page, line, text) of each `trainyard …` and `trainyardd …` within a text."""
    for page in pages():
        text = FENCE.sub(lambda m: "\n" * m[0].count("\n"),
                         Path(ROOT / page).read_text(encoding="utf-8"))
        for match in re.finditer(r"`(?:build/cli/|build/daemon/)?(trainyardd? [^`]+)`", text):
            yield page, text.count("\n", 0, match.start()) + 1, match[1]
