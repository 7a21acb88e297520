# SPDX-License-Identifier: MIT
"""Folders of Parquet files: the same splits, rows and classes as `datasets.load_dataset` finds."""
import json
import random
import subprocess

import datasets
import pytest
from datasets.data_files import DataFilesDict, get_data_patterns

from execution import Execution
from texts import BUILD, minilm

FEATURES = datasets.Features({"text": datasets.Value("string"),
                              "label": datasets.ClassLabel(names=["neg", "pos"])})
PARTS = ["train", "test", "validation", "dev", "val", "training", "eval", "a", "plain_text", "data",
         "x-train", "my_test_set", "test2", "contest", "retrain", "v1.0", "train-final", "__x",
         "testing 3", ".hidden", "unsup", "TRAIN"]
NAMES = ["0000.parquet", "train.parquet", "test-00000-of-00001.parquet", "dev_1.parquet",
         "train-00000-of-00002.parquet", "train-00001-of-00002-abc.parquet", "latest.parquet",
         "my.test.parquet", "unsup-00000-of-00001.parquet", "val1.parquet", "x.train",
         "a b.parquet", "trainer.parquet", ".test.parquet", "x-00000-of-00001"]


def ours(paths, *args):
    out = subprocess.run([BUILD / "tests/parity/split_probe", *args], input="\n".join(paths),
                         text=True, capture_output=True, check=True).stdout
    return json.loads(out)


def relative(files, root):
    return sorted({str(f)[len(str(root)) + 1:] for f in files})


def tree(rng, folder):
    """A few empty files with names that say something or nothing."""
    paths = set()
    for _ in range(rng.randint(1, 7)):
        parts = rng.sample(PARTS, rng.choice([0, 0, 1, 1, 2]))
        paths.add("/".join([*parts, rng.choice(NAMES)]))
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return sorted(paths)


def test_splits_are_those_of_datasets(tmp_path):
    rng, kinds = random.Random(7), set()
    for number in range(150):
        folder = tmp_path / f"t{number}" / "files"
        folder.mkdir(parents=True)
        paths = tree(rng, folder)
        try:
            patterns = get_data_patterns(str(folder))
            theirs = DataFilesDict.from_patterns(patterns, base_path=str(folder))
            theirs = {str(split): relative(files, folder) for split, files in theirs.items()}
        except FileNotFoundError:
            theirs = {}
        assert ours(paths) == theirs, paths
        kinds.add(tuple(theirs))
    assert len(kinds) > 6


@pytest.mark.parametrize("pattern", [
    "**", "*", "*.parquet", "a/*", "a/**", "**/train*", "**/*.parquet", "a/**/0000.parquet",
    "train-*", "*/train-?????-of-?????.parquet", "[ab]/*", "data/train.parquet", "__x/*",
    "**/test/**", "*/*/*"])
def test_patterns_are_those_of_datasets(tmp_path, pattern):
    rng = random.Random(pattern)
    for number in range(25):
        folder = tmp_path / f"t{number}" / "files"
        folder.mkdir(parents=True)
        paths = tree(rng, folder)
        try:
            theirs = relative(datasets.data_files.resolve_pattern(pattern, str(folder)), folder)
        except FileNotFoundError:
            theirs = []
        assert ours(paths, pattern).get("all", []) == theirs, paths


def rows(first, n, features=FEATURES):
    return datasets.Dataset.from_dict(
        {"text": [f"text number {i}" for i in range(first, first + n)],
         "label": [i % 2 for i in range(first, first + n)]}, features=features)


def write(folder, files):
    for path, part in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(folder / path)
    return folder


def preprocess(tmp_path, dataset):
    return Execution(tmp_path / "x", "preprocess",
                     {"model": str(minilm()), "dataset": dataset}).run()


def saved(x, split):
    assert x.status == 0, x.stderr
    return datasets.load_from_disk(str(x.work / "output" / split)).with_format(None)


@pytest.mark.parametrize("names", [
    ("plain_text/train-00000-of-00002.parquet", "plain_text/train-00001-of-00002.parquet",
     "plain_text/test-00000-of-00001.parquet", "README.md"),
    ("train/0000.parquet", "train/0001.parquet", "validation/0000.parquet", "x.txt"),
    ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet",
     "data/test-00000-of-00001.parquet", "data/unsupervised-00000-of-00001.parquet")])
def test_rows_and_classes_are_those_of_load_dataset(tmp_path, names):
    folder = write(tmp_path / "d", dict(zip(names[:3], (rows(0, 7), rows(7, 5), rows(12, 4)))))
    if names[3].endswith(".parquet"):
        write(folder, {names[3]: rows(90, 3)})
    else:
        (folder / names[3]).write_text("no data")
    theirs = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    x = preprocess(tmp_path, {"path": str(folder)})
    for split, name in (("train", "train"), ("test", next(s for s in theirs if s != "train" and
                                                          s != "unsupervised"))):
        mine = saved(x, split)
        assert mine["text"][:] == theirs[name]["text"][:]
        assert mine["labels"][:] == theirs[name]["label"][:]
        assert mine.features["labels"] == theirs[name].features["label"]


def test_links_of_the_hubs_cache_are_files(tmp_path):
    write(tmp_path / "blobs", {"one": rows(0, 8), "two": rows(8, 2)})
    snapshot = tmp_path / "snapshots/c0ffee/plain_text"
    snapshot.mkdir(parents=True)
    (snapshot / "train-00000-of-00001.parquet").symlink_to("../../../blobs/one")
    (snapshot / "test-00000-of-00001.parquet").symlink_to("../../../blobs/two")
    x = preprocess(tmp_path, {"path": str(snapshot.parent)})
    assert [len(saved(x, s)) for s in ("train", "test")] == [8, 2]


def test_one_split_is_split_in_two(tmp_path):
    folder = write(tmp_path / "d", {"train-00000-of-00001.parquet": rows(0, 10)})
    x = preprocess(tmp_path, {"path": str(folder)})
    assert [len(saved(x, s)) for s in ("train", "test")] == [8, 2]


def test_without_class_names_integers_stay_integers(tmp_path):
    plain = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value("int64")})
    folder = write(tmp_path / "d", {"train.parquet": rows(0, 8, plain),
                                    "test.parquet": rows(8, 4, plain)})
    x = preprocess(tmp_path, {"path": str(folder)})
    assert saved(x, "train").features["labels"] == datasets.Value("int64")


@pytest.mark.parametrize("files,code,words", [
    (["test/0.parquet", "validation/0.parquet"], "invalid_input",
     "of the splits 'validation', 'test', but not both train and test"),
    (["train.parquet", "test.parquet"], "data_corrupt", "train.parquet")])
def test_bad_trees(tmp_path, files, code, words):
    for path in files:
        (tmp_path / "d" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / path).write_bytes(b"nonsense")
    failure = preprocess(tmp_path, {"path": str(tmp_path / "d")}).failure
    assert words in failure["message"] and failure["code"] == code, failure


def shards(folder, *tables):
    for i, (names, labels) in enumerate(tables):
        kind = datasets.ClassLabel(names=names) if names else datasets.Value("int64")
        datasets.Dataset.from_dict(
            {"text": [f"text {i} {k}" for k in range(len(labels))], "label": labels},
            features=datasets.Features({"text": datasets.Value("string"), "label": kind})
        ).to_parquet(str(folder / f"train-{i:05}-of-{len(tables):05}.parquet"))
    return folder


@pytest.mark.parametrize("names", [["pos", "neg"], ["neg", "pos", "new"], ["neg"]])
def test_files_of_a_split_with_other_classes_are_refused(tmp_path, names):
    """An id would mean another class in each file; `datasets` takes the names of the first."""
    (tmp_path / "d").mkdir()
    folder = shards(tmp_path / "d", (["neg", "pos"], [0, 1, 1]), (names, [0, 0, 0]))
    failure = preprocess(tmp_path, {"path": str(folder), "train_rows": 5}).failure
    assert failure["field"] == "/dataset/label_column"
    for words in ("train-00001-of-00002.parquet names the classes", "train-00000-of-00002.parquet",
                  "write both files with the same ClassLabel"):
        assert words in failure["message"]


@pytest.mark.parametrize("names", [["neg", "pos"], None])
def test_files_of_a_split_with_the_same_classes_are_read(tmp_path, names):
    (tmp_path / "d").mkdir()
    folder = shards(tmp_path / "d", (["neg", "pos"], [0, 1, 1]), (names, [0, 1, 0, 1]))
    x = preprocess(tmp_path, {"path": str(folder), "train_rows": 5})
    assert x.status == 0, x.stderr
    theirs = datasets.load_dataset("parquet", data_dir=str(folder), split="train",
                                   cache_dir=str(tmp_path / "cache"))
    both = [datasets.load_from_disk(str(x.work / "output" / part)).with_format(None)
            for part in ("train", "test")]
    got = {text: label for part in both for text, label in zip(part["text"], part["labels"])}
    assert got == dict(zip(theirs["text"], theirs["label"]))


def test_a_file_of_a_split_without_the_column_is_named(tmp_path):
    (tmp_path / "d").mkdir()
    folder = shards(tmp_path / "d", (None, [0, 1, 1]), (None, [0, 1, 0]))
    datasets.Dataset.from_dict({"body": ["a"], "label": [0]}).to_parquet(
        str(folder / "train-00001-of-00002.parquet"))
    failure = preprocess(tmp_path, {"path": str(folder), "train_rows": 5}).failure
    assert failure["field"] == "/dataset/text_column"
    assert (f"{folder}/train-00001-of-00002.parquet has no column 'text'; it has 'body', 'label'"
            in failure["message"])
