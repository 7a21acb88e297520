# SPDX-License-Identifier: MIT
"""CSV as it is found: other encodings, delimiters and quotes; beside what pandas reads."""
import bz2
import codecs
import csv
import gzip
import lzma

import datasets
import pandas
import pytest

from execution import Execution
from texts import minilm

ROWS = [("good, really", "pos"), ("bad; so bad", "neg"), ('he said "no"', "neg"), ("fine", "pos")]


def preprocess(tmp_path, path, **dataset):
    both = {"train": {"path": str(path)}, "test": {"path": str(path)}}
    return Execution(tmp_path / "x", "preprocess", {"model": str(minilm()),
                                                    "dataset": both | dataset}).run()


def rows(x):
    assert x.status == 0, x.stderr
    d = datasets.load_from_disk(str(x.work / "output/train"))
    names = d.features["labels"].names
    d = d.with_format(None)
    return list(zip(d["text"], [names[i] for i in d["labels"]]))


def write(path, delimiter, **style):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f, delimiter=delimiter, **style).writerows([("text", "label"), *ROWS])
    return path


@pytest.mark.parametrize("encoding,mark,said", [
    ("utf-16-le", codecs.BOM_UTF16_LE, "UTF-16, little-endian"),
    ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16, big-endian"),
    ("utf-16-le", b"", "UTF-16, little-endian"),
    ("utf-16-be", b"", "UTF-16, big-endian"),
    ("utf-32-le", codecs.BOM_UTF32_LE, "UTF-32, little-endian"),
    ("utf-32-be", b"", "UTF-32, big-endian")])
@pytest.mark.parametrize("name,text", [
    ("d.csv", "text,label\na,x\n"), ("d.tsv", "text\tlabel\na\tx\n"),
    ("d.jsonl", '{"text": "a", "label": "x"}\n')])
def test_another_encoding_is_named(tmp_path, encoding, mark, said, name, text):
    (tmp_path / name).write_bytes(mark + text.encode(encoding))
    failure = preprocess(tmp_path, tmp_path / name).failure
    assert said in failure["message"] and "iconv" in failure["message"]
    assert name in failure["message"] and failure["code"] == "invalid_input"


def test_a_workbook_that_is_named_csv_is_told(tmp_path):
    (tmp_path / "d.csv").write_bytes(b"PK\x03\x04 and more")
    assert "zip archive" in preprocess(tmp_path, tmp_path / "d.csv").failure["message"]


def test_bytes_of_windows_are_counted_and_the_remedy_said(tmp_path):
    (tmp_path / "d.csv").write_bytes("text,label\ncaf\u00e9,x\nb,y\n".encode("cp1252"))
    x = preprocess(tmp_path, tmp_path / "d.csv")
    [warning] = x.of_type("warning")
    assert x.result["invalid_utf8_rows"] == 2 and "Windows-1252" in warning["message"]
    (tmp_path / "d.csv").write_bytes("t\u00e9xt,label\na,x\n".encode("cp1252"))
    assert "no column 'text'" in preprocess(tmp_path / "2",
                                            tmp_path / "d.csv").failure["message"]


@pytest.mark.parametrize("name", ["d.csv", "d.tsv", "d.txt"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path, name, delimiter):
    path = write(tmp_path / name, delimiter)
    theirs = pandas.read_csv(path, sep=delimiter)
    assert rows(preprocess(tmp_path, path)) == list(zip(theirs["text"], theirs["label"])) == ROWS


def test_a_delimiter_that_is_found_is_said(tmp_path):
    assert "delimiter ';'" in preprocess(tmp_path, write(tmp_path / "d.csv", ";")).stdout


@pytest.mark.parametrize("delimiter", ["\x01", ":", "^", " "])
def test_any_delimiter_can_be_named(tmp_path, delimiter):
    path = write(tmp_path / "d.csv", delimiter)
    assert rows(preprocess(tmp_path / "1", path, delimiter=delimiter)) == ROWS
    failure = preprocess(tmp_path / "2", path).failure
    assert failure["field"] == "/dataset/text_column"
    assert "dataset.delimiter" in failure["message"]


def test_a_missing_column_shows_the_columns_of_the_likely_delimiter(tmp_path):
    (tmp_path / "d.csv").write_text("review;sentiment\na;x\n")
    message = preprocess(tmp_path, tmp_path / "d.csv").failure["message"]
    assert "it has 'review', 'sentiment'" in message and "the delimiter is ';'" in message


def test_a_row_with_the_delimiter_in_its_text_names_it(tmp_path):
    (tmp_path / "d.csv").write_text("text,label\nwell, yes,x\n")
    message = preprocess(tmp_path, tmp_path / "d.csv").failure["message"]
    assert "row 1 (line 2): the row has 3 columns" in message and "the delimiter is ','" in message


def test_a_header_of_too_many_columns_is_no_other_delimiter(tmp_path):
    (tmp_path / "d.csv").write_text(",".join(["text", "label", *map(str, range(4095))]) + "\n")
    assert "more than 4096 columns" in preprocess(tmp_path, tmp_path / "d.csv").failure["message"]
    wide = ";".join(["text", "label", *(f"{i},{i}" for i in range(4000))])
    (tmp_path / "d.csv").write_text(f"{wide}\na;x{';' * 4000}\nb;y{';' * 4000}\n")
    assert rows(preprocess(tmp_path / "2", tmp_path / "d.csv")) == [("a", "x"), ("b", "y")]


STRAY = 'text\tlabel\n"so good\tpos\nnot "so" good\tneg\n"\tneg\nfine"\tpos\n'


def test_tsv_with_stray_quotes_is_read_without_quoting(tmp_path):
    (tmp_path / "d.tsv").write_text(STRAY)
    theirs = pandas.read_csv(tmp_path / "d.tsv", sep="\t", quoting=csv.QUOTE_NONE)
    assert rows(preprocess(tmp_path, tmp_path / "d.tsv", quoting="none")) == \
        list(zip(theirs["text"], theirs["label"]))
    failure = preprocess(tmp_path / "2", tmp_path / "d.tsv").failure
    assert "line 3" in failure["message"] and "dataset.quoting to 'none'" in failure["message"]


def test_rows_that_stray_quotes_swallow_are_told(tmp_path):
    (tmp_path / "d.tsv").write_text('text\tlabel\na\tx\n"one\ty\ntwo\tx\nthree"\ty\nb\tx\n')
    x = preprocess(tmp_path, tmp_path / "d.tsv")
    assert x.result["train_rows"] == 3                # pandas makes three rows of it, too
    assert len(pandas.read_csv(tmp_path / "d.tsv", sep="\t")) == 3
    warnings = {w["code"]: w["message"] for w in x.of_type("warning")}
    assert "from line 3" in warnings["quoted_lines"]
    assert "quoting to 'none'" in warnings["quoted_lines"]


@pytest.mark.parametrize("option", [{"delimiter": ";"}, {"quoting": "none"}])
def test_options_of_csv_are_refused_elsewhere(tmp_path, option):
    (tmp_path / "d.jsonl").write_text('{"text": "a", "label": "x"}\n')
    failure = preprocess(tmp_path, tmp_path / "d.jsonl", **option).failure
    assert failure["field"] == f"/dataset/{list(option)[0]}" and "CSV" in failure["message"]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n"


@pytest.mark.parametrize("name, content, words", [
    ("d.csv", POINTER, "a pointer of Git LFS and not the file itself; fetch it with: git lfs pull"),
    ("d.jsonl", POINTER, "a pointer of Git LFS"),
    ("d.parquet", POINTER, "a pointer of Git LFS"),
    ("d.csv.bz2", bz2.compress(b"text,label\n"), "packed with bzip2, but must be text; unpack it"),
    ("d.csv.xz", lzma.compress(b"text,label\n"), "packed with xz"),
    ("d.arrow", b"\xff\xff\xff\xff", "an Arrow file; name the folder of a saved data set"),
    ("d.feather", b"ARROW1\0\0", "an Arrow file"),
    ("d.parquet", b"PARE\0\0\0\0PARE", "an encrypted Parquet file; write it without encryption"),
    ("d.dat", b"text,label\n", "not known; name it .csv, .tsv, .jsonl"),
])
def test_a_file_of_another_kind_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    failure = preprocess(tmp_path, path).failure
    assert words in failure["message"] and str(path) in failure["message"]
    assert failure["field"] == "/dataset/train/path"


@pytest.mark.parametrize("name, delimiter", [("D.CSV", ","), ("D.Tsv", "\t"), ("D.TXT", ";")])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, name, delimiter):
    path = write(tmp_path / name, delimiter)
    theirs = pandas.read_csv(path, sep=delimiter)
    assert rows(preprocess(tmp_path, path)) == list(zip(theirs["text"], theirs["label"]))


@pytest.mark.parametrize("name, text", [
    ("d.csv", "text,label\na\n"), ("d.csv", 'text,label\n"a"b,1\n'),
    ("d.csv", 'text,label\n"a,1\n'),
    ("d.csv.gz", gzip.compress(b"text,label\na,1\n", mtime=0)[:-6]),
    ("d.jsonl", '{"text": "a",}\n'), ("d.jsonl", "[1]\n"), ("d.jsonl", '{"a": 1, "a": 2}\n'),
    ("d.parquet", "PAR1"),
])
def test_an_error_in_the_rows_names_the_field(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    failure = preprocess(tmp_path, path).failure
    assert failure["field"] == "/dataset/train/path" and str(path) in failure["message"]


@pytest.mark.parametrize("line, remedy", [
    ('{"a": 1, "a": 2}', "give each key once"), ('{"a\\u0000": 1}', "rename the key"),
    ('{"a": ' + "[" * 3000 + "]" * 3000 + "}", "nest its values less deeply"),
    ('{"a": 1', "write one whole object per line"),
])
def test_the_remedy_for_a_line_fits_its_error(tmp_path, line, remedy):
    path = tmp_path / "d.jsonl"
    path.write_text(line + "\n")
    assert remedy in preprocess(tmp_path, path).failure["message"]
