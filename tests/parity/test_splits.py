# SPDX-License-Identifier: MIT
"""Which split of a source is the test set: the one that is named, else test, else validation."""
import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from execution import Execution
from texts import minilm

CLASSES = datasets.Features({"text": datasets.Value("string"),
                             "label": datasets.ClassLabel(names=["no", "yes"])})
PLAIN = datasets.Features({"text": datasets.Value("string"), "label": datasets.Value("int64")})


def part(name, labels, features):
    return datasets.Dataset.from_dict(
        {"text": [f"{name} {i}" for i in range(len(labels))], "label": labels}, features=features)


def source(path, kind, features=CLASSES, **splits):
    """A DatasetDict, a folder of Parquet files or one of class folders, with those labels."""
    parts = {name: part(name, labels, features) for name, labels in splits.items()}
    if kind == "dict":
        datasets.DatasetDict(parts).save_to_disk(str(path))
    elif kind == "parquet":
        for name, d in parts.items():
            (path / "data").mkdir(parents=True, exist_ok=True)
            d.to_parquet(path / f"data/{name}-00000-of-00001.parquet")
    else:
        for name, labels in splits.items():
            for i, label in enumerate(labels):
                (path / name / str(label)).mkdir(parents=True, exist_ok=True)
                (path / name / str(label) / f"{i}.txt").write_text(f"{name} {i}")
    return path


def preprocess(tmp_path, path, **dataset):
    return Execution(tmp_path / "x", "preprocess", {"model": str(minilm()),
                                                    "dataset": {"path": str(path)} | dataset}).run()


def texts(x, split):
    assert x.status == 0, x.stderr
    return list(datasets.load_from_disk(str(x.work / "output" / split)).with_format(None)["text"])


@pytest.mark.parametrize("kind", ["dict", "parquet"])
@pytest.mark.parametrize("features", [CLASSES, PLAIN])
def test_a_test_split_without_labels_gives_way_to_validation(tmp_path, kind, features):
    path = source(tmp_path / "d", kind, features, train=[0, 1, 0], validation=[1, 0],
                  test=[-1, -1, -1])
    x = preprocess(tmp_path, path)
    assert texts(x, "train") == ["train 0", "train 1", "train 2"]
    assert texts(x, "test") == ["validation 0", "validation 1"]
    [warning] = x.of_type("warning")
    assert warning["code"] == "test_unlabelled" and "validation" in warning["message"]
    assert x.result["labels"] == 2 and x.result["rows_without_label"] == 0


def test_a_split_that_is_not_used_is_not_counted(tmp_path):
    """The bytes of its texts are no trouble, and its path is gone."""
    (tmp_path / "d").mkdir()
    for name, word, labels in (("train", b"a", [0, 1]), ("validation", b"b", [1, 0]),
                               ("test", b"caf\xe9", [-1, -1])):
        table = pa.table({"text": pa.array([word, word], pa.binary()).view(pa.string()),
                          "label": labels})
        pq.write_table(table, tmp_path / "d" / f"{name}-00000-of-00001.parquet")
    x = preprocess(tmp_path, tmp_path / "d")
    assert texts(x, "test") == ["b", "b"]
    assert x.result["invalid_utf8_rows"] == 0
    assert [w["code"] for w in x.of_type("warning")] == ["test_unlabelled"]


def test_a_test_split_that_is_named_does_not_give_way(tmp_path):
    path = source(tmp_path / "d", "dict", train=[0, 1, 0], validation=[1, 0], test=[-1, -1])
    x = preprocess(tmp_path / "1", path, test_split="test", on_bad_row="skip")
    assert x.failure["field"] == "/dataset/label_column"
    assert "/test has" in x.failure["message"] and "test_split" in x.failure["message"]
    x = preprocess(tmp_path / "2", path, test_split="validation")
    assert texts(x, "test") == ["validation 0", "validation 1"] and not x.of_type("warning")


@pytest.mark.parametrize("kind", ["dict", "parquet", "folders"])
def test_train_and_validation_without_a_test_split(tmp_path, kind):
    path = source(tmp_path / "d", kind, train=[0, 1, 0], validation=[1, 0])
    x = preprocess(tmp_path, path)
    assert len(texts(x, "train")) == 3
    assert sorted(texts(x, "test")) == ["validation 0", "validation 1"]


@pytest.mark.parametrize("kind", ["dict", "parquet", "folders"])
def test_test_split_names_any_split(tmp_path, kind):
    path = source(tmp_path / "d", kind, train=[0, 1, 0], validation_matched=[1, 0],
                  validation_mismatched=[0, 1, 1])
    x = preprocess(tmp_path / "1", path, test_split="validation_mismatched")
    assert len(texts(x, "test")) == 3
    for number, (wrong, said) in enumerate([("dev", "'train', 'validation_matched'"),
                                            ("train", "not a split to test on")]):
        failure = preprocess(tmp_path / f"bad{number}", path, test_split=wrong).failure
        assert failure["field"] == "/dataset/test_split" and said in failure["message"]
    if kind != "folders":                 # there they could be classes
        failure = preprocess(tmp_path / "2", path).failure
        assert failure["field"] == "/dataset/path" and "dataset.test_split" in failure["message"]


def test_one_split_alone_is_split_in_two(tmp_path):
    x = preprocess(tmp_path, source(tmp_path / "d", "dict", only=[0, 1] * 5))
    assert (len(texts(x, "train")), len(texts(x, "test"))) == (8, 2)


@pytest.mark.parametrize("kind", ["dict", "file"])
def test_test_split_of_a_source_without_splits_is_refused(tmp_path, kind):
    path = tmp_path / "d.csv"
    if kind == "file":
        path.write_text("text,label\na,x\nb,y\n")
    else:
        path = source(tmp_path / "d", "dict", only=[0, 1] * 5)
    failure = preprocess(tmp_path, path, test_split="test").failure
    assert failure["field"] == "/dataset/test_split" and failure["code"] == "invalid_input"
