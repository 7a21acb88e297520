# SPDX-License-Identifier: MIT
"""Folders of CSV and JSON Lines files: the splits, rows and classes of `datasets.load_dataset`."""
import csv
import ctypes
import gzip
import io
import json
import os
import struct

import datasets
import pytest

from execution import Execution
from texts import minilm

COLUMNS = ("text", "label")


def table(name, rows):
    """The bytes of a file of that name; a row is (text, label)."""
    out = io.StringIO()
    if ".json" in name or ".ndjson" in name:
        out.writelines(json.dumps(dict(zip(COLUMNS, row))) + "\n" for row in rows)
    else:
        writer = csv.writer(out, delimiter="\t" if ".tsv" in name else ",", lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    data = out.getvalue().encode()
    return gzip.compress(data, mtime=0) if name.endswith(".gz") else data


def write(folder, *names, labels=(0, 1, 2, 0, 1)):
    """One file per name, of five rows; each text says the file, and has what CSV must quote."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table(name, [(f'{name} row {i}, "a"\nb', label)
                                      for i, label in enumerate(labels)]))
    return folder


def preprocess(tmp_path, path, **dataset):
    return Execution(tmp_path / "x", "preprocess",
                     {"model": str(minilm()), "dataset": {"path": str(path)} | dataset}).run()


def rows(x, split):
    assert x.status == 0, x.stderr
    part = datasets.load_from_disk(str(x.work / "output" / split)).with_format(None)
    return sorted(zip(part["text"], part["labels"]))


def loaded(tmp_path, path, config=None, **args):
    theirs = datasets.load_dataset(str(path), config, cache_dir=str(tmp_path / "cache"), **args)
    return {name: sorted(zip(part["text"], part["label"])) for name, part in theirs.items()}


def card(folder, yaml):
    (folder / "README.md").write_text(f"---\n{yaml}---\n# A data set\n")
    return folder


@pytest.mark.parametrize("names", [
    ("train.csv", "test.csv"),
    ("train.jsonl", "test.json", "dataset_infos.json"),
    ("data/train-00000-of-00002.csv.gz", "data/train-00001-of-00002.csv.gz",
     "data/validation-00000-of-00001.csv.gz"),
    ("x/train/a.ndjson", "x/train/b.ndjson", "x/test/a.ndjson", "notes.txt"),
    ("train/1.tsv", "train/2.tsv", "dev/1.tsv", "train/read.txt")])
def test_a_folder_of_tables_is_read_as_datasets_reads_it(tmp_path, names):
    """Before: refused, with the remedy to name its files."""
    folder = write(tmp_path / "d", *(name for name in names if "infos" not in name))
    if "dataset_infos.json" in names:
        (folder / "dataset_infos.json").write_text("{}")
    theirs = loaded(tmp_path, folder)
    x = preprocess(tmp_path, folder)
    assert rows(x, "train") == theirs.pop("train")
    (_, test), = theirs.items()
    assert rows(x, "test") == test


def test_a_folder_of_one_split_is_split_in_two(tmp_path):
    folder = write(tmp_path / "d", "a.csv", "b.csv")
    theirs = loaded(tmp_path, folder)
    x = preprocess(tmp_path, folder, test_rows=3)
    assert sorted(rows(x, "train") + rows(x, "test")) == theirs["train"]
    assert len(rows(x, "test")) == 3


def test_classes_of_tables_are_those_of_the_card(tmp_path):
    """Texts become the ids that the card gives them, and the names come with the ids."""
    folder = write(tmp_path / "d", "train.csv", "test.csv", labels=["pos", "neg", "pos"])
    card(folder, "dataset_info:\n  features:\n  - name: text\n    dtype: string\n"
                 "  - name: label\n    dtype:\n      class_label:\n        names:\n"
                 "          '0': pos\n          '1': neg\n          '2': new\n")
    theirs = loaded(tmp_path, folder)
    x = preprocess(tmp_path, folder)
    assert rows(x, "train") == theirs["train"] and rows(x, "test") == theirs["test"]
    assert (datasets.load_from_disk(str(x.work / "output/train")).features["labels"].names
            == ["pos", "neg", "new"])


@pytest.mark.parametrize("config", ["a", "b"])
def test_the_card_chooses_among_tables(tmp_path, config):
    folder = write(tmp_path / "d", "a/train.csv", "a/test.csv", "b/train.csv", "b/test.csv")
    card(folder, "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: a/tr*\n"
                 "  - split: test\n    path: a/te*\n- config_name: b\n  data_dir: b\n")
    theirs = loaded(tmp_path, folder, config)
    x = preprocess(tmp_path, folder, config=config)
    assert rows(x, "train") == theirs["train"] and rows(x, "test") == theirs["test"]


def test_configurations_of_tables_are_never_mixed(tmp_path):
    folder = write(tmp_path / "d", "cola/train.csv", "cola/test.csv", "sst2/train.csv",
                   "sst2/test.csv")
    failure = preprocess(tmp_path / "1", folder).failure
    assert (failure["code"], failure["field"]) == ("invalid_input", "/dataset/config")
    assert "name one in dataset.config: 'cola', 'sst2'" in failure["message"]
    x = preprocess(tmp_path / "2", folder, config="sst2")
    assert rows(x, "test") == [(text.replace("test.csv", "sst2/test.csv"), label) for text, label
                               in loaded(tmp_path, write(tmp_path / "e", "train.csv", "test.csv")
                                         )["test"]]


def test_csv_beside_json_lines_is_refused(tmp_path):
    """`datasets` takes the kind of the most files and leaves the others out without a word."""
    folder = write(tmp_path / "d", "train.csv", "test.csv", "more/train.jsonl")
    failure = preprocess(tmp_path, folder).failure
    assert (failure["code"], failure["field"]) == ("invalid_input", "/dataset/path")
    assert "has CSV files (test.csv) and JSON Lines files (more/train.jsonl)" in failure["message"]


def test_a_row_of_a_folder_of_tables_is_named_by_its_file(tmp_path):
    folder = write(tmp_path / "d", "train-00000-of-00002.csv", "train-00001-of-00002.csv")
    with open(folder / "train-00001-of-00002.csv", "a") as f:
        f.write("one,two,three\n")
    failure = preprocess(tmp_path, folder).failure
    assert f"{folder}/train-00001-of-00002.csv, row 6 (line 12): the row has 3 columns" \
        in failure["message"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", "-0a1b2c3d.jsonl"])
@pytest.mark.parametrize("folder, gone", [("", 0), ("data/", 1), ("a/b/", 2)])
def test_a_missing_shard_is_refused(tmp_path, folder, gone, suffix):
    """Before: training on the rows that were left, without a word, as `datasets` does."""
    for split, n in (("train", 3), ("test", 1)):
        names = [f"{folder}{split}-{i:05}-of-{n:05}{suffix}" for i in range(n)]
        if suffix == ".parquet":
            for name in names:
                path = tmp_path / "d" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).to_parquet(path)
        else:
            write(tmp_path / "d", *names)
    x = preprocess(tmp_path / "whole", tmp_path / "d")
    assert x.status == 0, x.stderr
    os.remove(tmp_path / "d" / f"{folder}train-{gone:05}-of-00003{suffix}")
    failure = preprocess(tmp_path, tmp_path / "d").failure
    assert (failure["code"], failure["field"]) == ("invalid_input", "/dataset/path")
    assert f"/d lacks {folder}train-{gone:05}-of-00003, which" in failure["message"]


def test_a_shard_that_the_card_leaves_out_is_not_missed(tmp_path):
    folder = write(tmp_path / "d", *(f"train-{i:05}-of-00002.csv" for i in range(2)), "test.csv")
    card(folder, "configs:\n- config_name: small\n  data_files:\n  - split: train\n"
                 "    path: train-00000*\n  - split: test\n    path: test.csv\n")
    theirs = loaded(tmp_path, folder)
    x = preprocess(tmp_path, folder)
    assert rows(x, "train") == theirs["train"] and len(theirs["train"]) == 5


def test_a_tree_is_walked_once(tmp_path):
    """Before: once to detect it, and once for each split and pass."""
    folder = write(tmp_path / "d", "data/train.csv", "data/test.csv")
    libc = ctypes.CDLL(None)
    fd = libc.inotify_init1(os.O_CLOEXEC)
    opened, is_dir = 0x20, 0x40000000
    try:
        assert libc.inotify_add_watch(fd, os.fsencode(folder / "data"), opened) > 0
        x = preprocess(tmp_path, folder)
        assert x.status == 0, x.stderr
        seen, masks = os.read(fd, 1 << 16), []
        while seen:
            _, mask, _, length = struct.unpack("iIII", seen[:16])
            masks.append(mask)
            seen = seen[16 + length:]
    finally:
        os.close(fd)
    assert masks.count(opened | is_dir) == 1
    assert masks.count(opened) >= 4, "each file is read in both passes"
