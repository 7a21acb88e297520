# SPDX-License-Identifier: MIT
"""Packed text files, beside what Python's gzip, with which pandas and `datasets` read, says."""
import gzip
import zlib

import pytest

from execution import Execution
from texts import minilm

HEADER = {"csv": "text,label\n", "jsonl": ""}
ROW = {"csv": "{},{}\n", "jsonl": '{{"text": "{}", "label": "{}"}}\n'}


def packed(data):
    return gzip.compress(data, mtime=0)


def lines(kind, *names):
    return "".join(ROW[kind].format(f"text {n}", n) for n in names).encode()


def preprocess(tmp_path, path):
    both = {"train": {"path": str(path)}, "test": {"path": str(path)}}
    return Execution(tmp_path / "x", "preprocess", {"model": str(minilm()), "dataset": both}).run()


def python_reads(path):
    try:
        return gzip.decompress(path.read_bytes()).count(b"text ")
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None


@pytest.mark.parametrize("kind,tail,words", [
    ("csv", b"", None), ("jsonl", b"\0", None), ("csv", b"\0" * 600000, None),
    ("csv", packed(b""), None),
    ("csv", b"\n", "bytes behind its end"), ("jsonl", b"\0\0x", "bytes behind its end"),
    ("csv", b"\x1f", "bytes behind its end"), ("jsonl", b"\x1f\x8b", "bytes behind its end"),
    ("csv", b"\x1f\x8b\x08", "ends too early"),
    ("csv", b"text c,c\n", "bytes behind its end"),
    ("jsonl", b"\x1f\x8b" + b"\xff" * 40, "not a whole gzip file"),
    ("csv", packed(b"x" * 99)[:-1], "ends too early"),
    ("csv", packed(b"x" * 99)[:-8] + b"\0" * 8, "not a whole gzip file")])
def test_bytes_behind_the_end_of_a_gzip_file_are_refused(tmp_path, kind, tail, words):
    """They were ignored without a word; zeros alone are padding."""
    path = tmp_path / f"d.{kind}.gz"
    path.write_bytes(packed(HEADER[kind].encode() + lines(kind, "a", "b", "a")) + tail)
    x = preprocess(tmp_path, path)
    if words is None:
        assert x.result["train_rows"] == 3 == python_reads(path)
        return
    assert python_reads(path) is None
    assert x.failure["code"] == "data_corrupt" and words in x.failure["message"]
    assert str(path) in x.failure["message"]


@pytest.mark.parametrize("kind,between", [("csv", b""), ("jsonl", b"\0" * 11)])
def test_every_member_of_a_gzip_file_is_read(tmp_path, kind, between):
    """As bgzip and `cat a.gz b.gz` make them: rows may run over the seam, a member may be empty."""
    text = HEADER[kind].encode() + lines(kind, *"abcabca" * 9000)
    cuts = [0, 1, 7, 7, len(text) // 2, len(text) - 1, len(text)]
    parts = [text[a:b] for a, b in zip(cuts, cuts[1:])]
    path = tmp_path / f"d.{kind}.gz"
    path.write_bytes(between.join(map(packed, parts)))
    assert preprocess(tmp_path, path).result["train_rows"] == 63000 == python_reads(path)


@pytest.mark.parametrize("data", [b"", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x08"], ids=repr)
def test_a_file_that_is_only_the_head_of_gzip_is_refused(tmp_path, data):
    path = tmp_path / "d.csv.gz"
    path.write_bytes(data)
    x = preprocess(tmp_path, path)
    assert x.status == 1 and str(path) in x.failure["message"]
