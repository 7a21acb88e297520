# SPDX-License-Identifier: MIT
"""Class names that stand only in the card of a folder of Parquet files, beside `datasets`."""
import json
import os

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from execution import Execution
from texts import minilm

LABEL = "dataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n    "
NAMES = LABEL + "dtype:\n      class_label:\n        names:\n          "
TWO = NAMES + "'0': neg\n          '1': pos\n"


def readme(yaml, end="\n", before="", after="# A data set\n"):
    return f"{before}---\n{yaml}---\n{after}".replace("\n", end)


def folder(tmp_path, files, labels=(1, 0, 1), names=None):
    d = tmp_path / "d"
    d.mkdir()
    features = {"text": datasets.Value("string"),
                "label": datasets.ClassLabel(names=names) if names else
                datasets.Value("string" if isinstance(labels[0], str) else "int64")}
    table = pa.table({"text": ["a", "b", "c"], "label": list(labels)})
    if names:
        table = table.cast(datasets.Features(features).arrow_schema)
    for part in ("train", "test"):
        pq.write_table(table, d / f"{part}-00000-of-00001.parquet")
    for name, text in files.items():
        (d / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return d


def preprocess(tmp_path, d, **dataset):
    return Execution(tmp_path / "x", "preprocess", {
        "model": str(minilm()), "dataset": {"path": str(d)} | dataset}).run()


def ours(x):
    assert x.status == 0, x.stderr
    d = datasets.load_from_disk(str(x.work / "output/train"))
    return getattr(d.features["labels"], "names", None), list(d.with_format(None)["labels"])


def theirs(tmp_path, d, config=None):
    d = datasets.load_dataset(str(d), config, split="train", cache_dir=str(tmp_path / "cache"))
    label = d.features["label"]
    names = None
    if hasattr(label, "names"):
        names = [label.int2str(i) for i in range(label.num_classes)]
    return names, list(d.with_format(None)["label"])


CONFIGS = """configs:
- config_name: old
  data_files: [{split: train, path: train-*}, {split: test, path: test-*}]
- config_name: new
  default: true
  data_files: [{split: train, path: train-*}, {split: test, path: test-*}]
dataset_info:
- config_name: old
  features: [{name: text, dtype: string}, {name: label, dtype: {class_label: {names: [a, b]}}}]
- config_name: new
  features: [{name: text, dtype: string}, {name: label, dtype: {class_label: {names: [c, d]}}}]
"""
LEGACY = {"d": {"features": {"text": {"dtype": "string", "_type": "Value"},
                             "label": {"names": ["x", "y"], "_type": "ClassLabel"}}}}
CARDS = {
    "by id": readme(TWO),
    "by whole numbers": readme(NAMES + "0: neg\n          1: pos\n"),
    "ids out of order": readme(NAMES + "'1': pos\n          '0': neg\n"),
    "a list": readme(NAMES + "- neg\n          - pos\n"),
    "class_label beside the name": readme(
        LABEL + "class_label:\n      names: {'0': neg, '1': pos}\n"),
    "more than the rows have": readme(TWO + "          '2': mixed\n"),
    "yes and no are booleans": readme(NAMES + "'0': no\n          '1': yes\n"),
    "whole numbers as names": readme(NAMES + "'0': 1\n          '1': -5\n"),
    "quoted": readme(NAMES + "'0': 'no'\n          '1': \"4.0\\u00e9\"\n"),
    "words that look like numbers": readme(NAMES + "'0': 1e5\n          '1': 1-star\n"),
    "windows lines": readme(TWO, end="\r\n"),
    "blank lines before": readme(TWO, before="\n \n"),
    "a mark of UTF-8 before": readme(TWO, before="\ufeff"),
    "no header": TWO,
    "an unended header": "---\n" + TWO,
    "an empty header": "---\n---\n",
    "other keys": readme("license: mit\ntags: [a]\n" + TWO + "size: 3.5\nmade: 2020-01-01\n"),
    "as JSON": readme(json.dumps({"dataset_info": {"features": [
        {"name": "text", "dtype": "string"},
        {"name": "label", "dtype": {"class_label": {"names": {"0": "n\u00e9", "1": "p"}}}}
    ]}}) + "\n"),
    "an anchor": readme("x: &n {'0': neg, '1': pos}\n" + LABEL +
                        "dtype:\n      class_label:\n        names: *n\n"),
    "a key that is there twice": readme(TWO.replace("pos", "old") + "dataset_info:" +
                                        TWO.split(":", 1)[1]),
    "no class": readme(LABEL + "dtype: int64\n"),
    "of a default configuration": readme(CONFIGS),
    "other bytes after the header": readme(TWO) + "\0 \ufffd ---\n",
}


@pytest.mark.parametrize("card", CARDS)
def test_class_names_that_stand_only_in_the_card(tmp_path, card):
    """They were LABEL_0 and LABEL_1."""
    d = folder(tmp_path, {"README.md": CARDS[card]})
    assert ours(preprocess(tmp_path, d)) == theirs(tmp_path, d)


@pytest.mark.parametrize("files", [
    {".huggingface.yaml": TWO},
    {"README.md": readme(TWO), ".huggingface.yaml": TWO.replace("pos", "qos")},
    {"dataset_infos.json": json.dumps(LEGACY)},
    {"README.md": readme(TWO), "dataset_infos.json": json.dumps(LEGACY)}], ids=str)
def test_class_names_beside_the_card(tmp_path, files):
    d = folder(tmp_path, files)
    names, labels = ours(preprocess(tmp_path, d))
    assert (names, labels) == theirs(tmp_path, d)
    assert names and labels == [1, 0, 1]


def test_texts_are_the_names_of_the_card(tmp_path):
    d = folder(tmp_path, {"README.md": readme(TWO)}, labels=["pos", "neg", "pos"])
    assert ours(preprocess(tmp_path, d)) == theirs(tmp_path, d) == (["neg", "pos"], [1, 0, 1])


@pytest.mark.parametrize("card", ["by id", "no class", "no header"])
def test_the_card_is_above_the_file(tmp_path, card):
    d = folder(tmp_path, {"README.md": CARDS[card]}, names=["old", "new"])
    assert ours(preprocess(tmp_path, d)) == theirs(tmp_path, d)


def test_a_label_that_the_card_lacks_is_refused(tmp_path):
    d = folder(tmp_path, {"README.md": readme(TWO)}, labels=(0, 1, 2))
    failure = preprocess(tmp_path, d).failure
    assert "the label is 2, but the data name 2 classes" in failure["message"]


def bomb():
    """Aliases of aliases: 10 lines that are 10^9 values."""
    lines = ["a0: &a0 [x]"]
    for i in range(1, 10):
        lines.append(f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("yaml,words", [
    (bomb(), "1000000 values"), ("a: " + "[" * 70 + "]" * 70 + "\n", "64 levels"),
    ("a: " + "[" * 5000 + "\n", "line"), ("a: &a [*a]\n", "levels"), ("a: *b\n", "alias"),
    ("\tdataset_info: 1\n", "line"), ("- a list\n", "must be a mapping"),
    ("a: 1\n...\nb: 2\n", "document start"), ("? [a]\n: b\n", "key"),
    ("a: !!python/object:os.system x\n", "tags"), ("b: &b {c: 1}\na:\n  <<: *b\n", "merge keys"),
    ("a: \"\\0\"\n", "NUL"), (NAMES + "'0': neg\n          '2': pos\n", "one is missing"),
    (NAMES + "'0': 1.5\n          '1': pos\n", "put them in quotes"),
    (NAMES + "'0': neg\n          '1': [a]\n", "put them in quotes"),
    (LABEL + "dtype:\n      class_label: {}\n", "must be a list, or a mapping"),
    (LABEL + "dtype:\n      class_label: {num_classes: 99999999999}\n", "must be a list, or"),
    (LABEL + "dtype:\n      class_label: {names_file: /etc/passwd}\n", "must be a list, or"),
    (NAMES + "'0': a\n          '1': a\n", "given twice"),
    ("#" * (4 << 20) + "\n", "larger than 4 MiB")], ids=range(20))
def test_a_card_that_cannot_be_read_is_refused(tmp_path, yaml, words):
    d = folder(tmp_path, {"README.md": readme(yaml)})
    failure = preprocess(tmp_path, d).failure
    assert words in failure["message"] and failure["code"] in ("invalid_input", "too_large")
    assert str(d) in failure["message"] and len(failure["message"]) < 800


def test_a_card_that_is_a_pipe_or_a_folder_holds_up_nothing(tmp_path):
    d = folder(tmp_path, {})
    os.mkfifo(d / "README.md")
    x = preprocess(tmp_path, d)
    assert x.status == 1 and "README.md" in x.failure["message"]


def test_a_single_file_has_no_card(tmp_path):
    """As load_dataset("parquet", data_files=…)."""
    d = folder(tmp_path, {"README.md": readme(TWO)})
    both = {part: {"path": str(d / f"{part}-00000-of-00001.parquet")} for part in ("train", "test")}
    x = Execution(tmp_path / "x", "preprocess", {"model": str(minilm()), "dataset": both}).run()
    assert ours(x) == (None, [1, 0, 1])
