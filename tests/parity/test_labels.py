# SPDX-License-Identifier: MIT
"""Which classes a data set has: one rule for every kind of source, whatever the order of rows."""
import csv
import json
import math
import random

import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from execution import Execution
from test_preprocess import permutation
from texts import minilm

KINDS = ["csv", "jsonl", "parquet", "saved"]


def write(path, kind, labels, features=None):
    """A file of that kind with one numbered text for each label; None is what the kind has."""
    texts = [f"text {i}" for i in range(len(labels))]
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "csv":
        with open(path, "w", newline="", encoding="utf-8") as f:
            csv.writer(f).writerows([["text", "label"], *zip(texts, labels)])
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"text": t, "label": v}) + "\n"
                                for t, v in zip(texts, labels)))
    elif kind == "parquet":
        pq.write_table(pa.table({"text": texts, "label": pa.array(labels)}), path)
    else:
        d = datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)
        d.save_to_disk(str(path))
    return path


def preprocess(tmp_path, **dataset):
    return Execution(tmp_path / "x", "preprocess",
                     {"model": str(minilm()), "dataset": dataset}).run()


def run(tmp_path, labels, /, kind="csv", test=None, **dataset):
    """Train on rows with those labels; `test` are the labels of a test file, else the same."""
    suffix = "" if kind == "saved" else f".{kind}"
    train = write(tmp_path / f"train{suffix}", kind, labels)
    test = write(tmp_path / f"test{suffix}", kind, labels if test is None else test)
    return preprocess(tmp_path, train={"path": str(train)}, test={"path": str(test)}, **dataset)


def saved(x, split="train"):
    assert x.status == 0, x.stderr
    return datasets.load_from_disk(str(x.work / "output" / split)).with_format(None)


def classes(x, split="train"):
    """(names or None, ids in the order of rows)"""
    d = saved(x, split)
    return getattr(d.features["labels"], "names", None), list(d["labels"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values,names", [
    ([0, 1, 2, 1], None),
    ([1, 2, 3, 4], ["1", "2", "3", "4"]),
    ([101, 205, 9001, 101], ["101", "205", "9001"]),
    ([-1, 0, 1, 0], ["-1", "0", "1"]),
    ([1.0, 10.0, 2.0, 1.0], ["1", "2", "10"]),
    ([True, False, True], ["False", "True"]),
    (["b", "\u00e9", "B", "a", "10"], ["10", "B", "a", "b", "\u00e9"]),
])
def test_the_same_values_are_the_same_classes_in_every_kind(tmp_path, kind, values, names):
    rows = random.Random(kind).sample(values, len(values))
    got, ids = classes(run(tmp_path, rows, kind))
    assert got == names
    texts = names or [str(i) for i in range(len(set(values)))]
    plain = [int(v) if isinstance(v, float) else v for v in rows]
    assert [texts[i] for i in ids] == [str(v) for v in plain]


@pytest.mark.parametrize("labels,count", [([1, 2, 3, 4], 4), ([101, 205, 9001], 3)])
def test_labels_from_1_to_4_are_four_classes(tmp_path, labels, count):
    assert run(tmp_path, labels).result["labels"] == count


@pytest.mark.parametrize("labels", [[-1, 1, 2, 0], [0, 1, 2, -1]])
def test_minus_one_beside_more_classes_is_refused_in_any_order(tmp_path, labels):
    failure = run(tmp_path, labels).failure
    assert failure["field"] == "/dataset/no_label" and failure["code"] == "invalid_input"
    assert "set no_label to -1" in failure["message"] and "labels" in failure["message"]


@pytest.mark.parametrize("labels", [["1", "2", "3", "N/A"], ["N/A", "3", "2", "1"]])
def test_a_missing_label_does_not_depend_on_the_order_of_rows(tmp_path, labels):
    x = run(tmp_path, labels)
    assert x.failure["field"] == "/dataset/label_column"
    assert f"row {labels.index('N/A') + 1}" in x.failure["message"]
    assert "set on_bad_row to skip" in x.failure["message"]
    x = run(tmp_path / "2", labels, on_bad_row="skip")
    theirs = datasets.load_dataset("csv", data_files=str(tmp_path / "2/train.csv"), split="train",
                                   cache_dir=str(tmp_path / "cache"))
    assert classes(x) == (["1", "2", "3"],
                          [int(v) - 1 for v in theirs["label"] if v is not None])
    assert x.result["labels"] == 3 and x.result["rows_without_label"] == 2
    [warning] = x.of_type("warning")
    assert warning["code"] == "rows_without_label" and "row" in warning["message"]
    assert [w["code"] for w in x.result["warnings"]] == ["rows_without_label"]
    assert "3 classes: '1', '2', '3'" in x.stdout


@pytest.mark.parametrize("word", ["NA", "N/A", "NaN", "null", "None", "", "nan", "NULL"])
def test_the_words_for_missing_are_those_of_pandas(tmp_path, word):
    x = run(tmp_path, ["a", word, "b"], on_bad_row="skip")
    theirs = datasets.load_dataset("csv", data_files=str(tmp_path / "train.csv"), split="train",
                                   cache_dir=str(tmp_path / "cache"))["label"]
    assert [["a", "b"][i] for i in classes(x)[1]] == [v for v in theirs if v is not None]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "saved"])
def test_null_labels_are_left_out_and_counted(tmp_path, kind):
    x = run(tmp_path, ["b", None, "NA", "a"], kind, on_bad_row="skip")
    assert classes(x) == (["NA", "a", "b"], [2, 0, 1])
    assert x.result["rows_without_label"] == 2 and x.result["train_rows"] == 3


def test_empty_texts_are_left_out_and_counted(tmp_path):
    rows = "text,label\na,x\n,y\nb,y\n\" \u3000\",new\nc,x\n"
    (tmp_path / "d.csv").write_text(rows, encoding="utf-8")
    both = {"train": {"path": str(tmp_path / "d.csv")}, "test": {"path": str(tmp_path / "d.csv")}}
    failure = preprocess(tmp_path / "1", **both).failure
    assert failure["field"] == "/dataset/text_column" and "row 2" in failure["message"]
    x = preprocess(tmp_path / "2", **both, on_bad_row="skip")
    assert x.result["rows_without_text"] == 4 and x.result["labels"] == 2
    assert list(saved(x)["text"]) == list(saved(x, "test")["text"]) == ["a", "b", "c"]
    assert [w["code"] for w in x.of_type("warning")] == ["rows_without_text"]


def test_rows_that_are_left_out_take_no_part_in_the_split(tmp_path):
    labels = ["a", "b", None, "a", "b", "a", "", "b", "a", "b"]
    path = write(tmp_path / "d.csv", "csv", labels)
    x = preprocess(tmp_path, path=str(path), on_bad_row="skip", train_rows=4)
    good = [(f"text {i}", "ab".index(v)) for i, v in enumerate(labels) if v]
    order = permutation(len(good), 42)
    for split, part in (("train", order[:4]), ("test", order[4:])):
        d = saved(x, split)
        assert list(zip(d["text"], d["labels"])) == [good[i] for i in sorted(part)]


def test_a_row_without_the_key_has_no_label(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "a"}\n{"text": "b", "label": "x"}\n'
                                      '{"label": "y", "text": "c"}\n{"label": "y"}\n')
    file = {"path": str(tmp_path / "d.jsonl")}
    x = preprocess(tmp_path, train=file, test=file, on_bad_row="skip")
    assert x.result["rows_without_label"] == x.result["rows_without_text"] == 2
    assert list(saved(x)["text"]) == ["b", "c"]


def test_uint64_labels_are_never_minus_one(tmp_path):
    table = pa.table({"text": ["a", "b"], "label": pa.array([2**64 - 1, 1], pa.uint64())})
    pq.write_table(table, tmp_path / "d.parquet")
    failure = preprocess(tmp_path, path=str(tmp_path / "d.parquet")).failure
    assert "18446744073709551615" in failure["message"]


def test_a_split_of_its_own_without_labels_is_refused(tmp_path):
    failure = run(tmp_path, [0, 1, 1], test=[-1, -1], on_bad_row="skip").failure
    assert failure["field"] == "/dataset/label_column" and "test.csv" in failure["message"]


def model_of(folder, id2label):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta", "id2label": id2label}))
    return str(folder)


@pytest.mark.parametrize("train, test, name", [
    (["a", "b"], ["a", "c", "d"], "c"), ([0, 1], [0, 1, 2], "2"), (["a", "b"], ["0", "1"], "0")])
def test_classes_of_the_test_rows_alone_are_told(tmp_path, train, test, name):
    """No model can learn them: the accuracy was low without a word."""
    x = run(tmp_path, train, test=test)
    [warning] = x.of_type("warning")
    assert warning["code"] == "classes_only_in_test" and f"'{name}'" in warning["message"]
    assert [w["code"] for w in x.result["warnings"]] == ["classes_only_in_test"]
    assert not run(tmp_path / "2", train + test, test=test).of_type("warning")


@pytest.mark.parametrize("label", ["9223372036854775808", "18446744073709551615", "1e400", "1e17"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_number_too_large_is_not_called_a_fraction(tmp_path, kind, label):
    path = tmp_path / f"d.{kind}"
    path.write_text(f"text,label\na,1\nb,{label}\n" if kind == "csv" else
                    f'{{"text": "a", "label": 1}}\n{{"text": "b", "label": {label}}}\n')
    failure = preprocess(tmp_path, path=str(path)).failure
    assert "too large for a class" in failure["message"] and "row 2" in failure["message"]


@pytest.mark.parametrize("label", ["inf", "-Infinity", "+INF"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_infinity_among_numbers_is_no_class(tmp_path, kind, label):
    path = write(tmp_path / f"d.{kind}", kind, ["1", label, "0"])
    theirs = pandas.read_csv(write(tmp_path / "theirs.csv", "csv", ["1", label, "0"]))["label"]
    assert theirs.dtype == float and not math.isfinite(theirs[1])
    failure = preprocess(tmp_path, path=str(path)).failure
    assert failure["field"] == "/dataset/label_column"
    assert f"row 2: the label '{label}' is too large for a class" in failure["message"]


def test_infinity_of_json_is_shown_as_it_is(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "a", "label": -Infinity}\n{"text": "b", "label": 1}\n')
    assert "the label '-inf'" in preprocess(tmp_path, path=str(path)).failure["message"]


def test_infinity_among_texts_is_a_text(tmp_path):
    assert classes(run(tmp_path, ["inf", "fin", "inf"])) == (["fin", "inf"], [1, 0, 1])


def test_a_label_of_white_space_is_none(tmp_path):
    x = run(tmp_path, ["a", "\u00a0", " \u3000", "b"], on_bad_row="skip")
    assert classes(x) == (["a", "b"], [0, 1]) and x.result["rows_without_label"] == 4


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_label_with_a_nul_is_not_called_wrong_utf8(tmp_path, kind):
    failure = run(tmp_path, ["a", "b\0c"], kind).failure
    assert "NUL" in failure["message"] and failure["field"] == "/dataset/label_column"


def test_labels_of_a_model(tmp_path):
    """The classes of the model in its order, also those that no row has."""
    model = model_of(tmp_path / "m", {"1": "neg", "0": "pos", "2": "mixed"})
    names, ids = classes(run(tmp_path, ["neg", "pos", "neg"], labels=model))
    assert (names, ids) == (["pos", "neg", "mixed"], [1, 0, 1])


@pytest.mark.parametrize("id2label, words", [
    ({"0": "pos", "1": "neg"}, ["'so so'", "known labels"]),
    ({"0": "pos", "2": "so so"}, ["config.json", 'no name for "1"']),
    ({}, ["config.json", "names no classes"]),
])
def test_labels_of_a_model_that_lacks_one(tmp_path, id2label, words):
    x = run(tmp_path, ["pos", "so so"], labels=model_of(tmp_path / "m", id2label))
    assert x.failure["field"] == "/dataset/labels"
    for word in words:
        assert word in x.failure["message"], x.failure["message"]


def test_numbers_as_names_of_a_model(tmp_path):
    """transformers keeps id2label {"0": 5} as the number; here it is the name 5."""
    model = model_of(tmp_path / "m", {"0": 5, "1": 3})
    names, ids = classes(run(tmp_path, [3, 5, 3], labels=model))
    assert (names, ids) == (["5", "3"], [1, 0, 1])


@pytest.mark.parametrize("names, codes", [(["POSITIVE", "NEGATIVE"], []),
                                          (["LABEL_0", "LABEL_1"], ["labels_by_id"])])
def test_class_label_of_the_data_in_the_order_of_a_model(tmp_path, names, codes):
    """Without names in the model the ids decide, and the job says so."""
    model = model_of(tmp_path / "m", dict(enumerate(names)))
    theirs = datasets.ClassLabel(names=["negative", "positive"])
    features = datasets.Features({"text": datasets.Value("string"), "label": theirs})
    file = {"path": str(write(tmp_path / "d", "saved", [0, 1, 1], features))}
    x = preprocess(tmp_path, train=file, test=file, labels=model)
    assert classes(x) == (names, [0, 1, 1] if codes else [1, 0, 0])
    assert [w["code"] for w in x.result.get("warnings", [])] == codes
