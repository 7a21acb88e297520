# SPDX-License-Identifier: MIT
"""Sentences of comments are short."""
import re

from tree import TOKEN, c_files, judge, text

WORDS_MAX = 25
# Items of a list, paragraphs and cells of a table end, too.
END = re.compile(r"[.;:]\s+|[.;:]$|\n\s*(?:-|\n)|\S {2,}")
WORD = re.compile(r"\S*[A-Za-z0-9]\S*")


def sentences(comment):
    lines = [re.sub(r"^\s*\*? ?", "", line) for line in comment[2:].removesuffix("*/").split("\n")]
    return END.split("\n".join(lines))


def long_sentences(path):
    for match in TOKEN.finditer(text(path)):
        if match.group().startswith("/"):
            line = text(path).count("\n", 0, match.start()) + 1
            for sentence in sentences(match.group()):
                words = WORD.findall(sentence)
                if len(words) > WORDS_MAX:
                    yield line, words


def test_sentences_are_short():
    judge("sentence", [(path, f"line {line}: {len(words)} words: {' '.join(words[:6])} …")
                       for path in c_files() for line, words in long_sentences(path)])
