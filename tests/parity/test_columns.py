# SPDX-License-Identifier: MIT
"""Values as other libraries store them in JSONL, Parquet and Arrow, and what `datasets` reads."""
import decimal
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from execution import Execution
from texts import minilm

TEXTS = ["a long text, longer than twelve bytes \u00e9", "short", "exactly12byt", "x" * 5000]
LABELS = ["y", "n", "y", "n"]


def preprocess(tmp_path, path, **dataset):
    both = {"train": {"path": str(path)}, "test": {"path": str(path)}}
    return Execution(tmp_path / "x", "preprocess", {"model": str(minilm()),
                                                    "dataset": both | dataset}).run()


def saved(x):
    assert x.status == 0, x.stderr
    return datasets.load_from_disk(str(x.work / "output/train"))


def columns(x):
    d = saved(x)
    names = d.features["labels"].names
    d = d.with_format(None)
    return list(d["text"]), [names[i] for i in d["labels"]]


def save(folder, table, info=None):
    """A saved data set with exactly this table."""
    folder.mkdir()
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as f:
        with pa.ipc.new_stream(f, table.schema) as stream:
            stream.write_table(table, max_chunksize=3)
    (folder / "state.json").write_text(json.dumps({
        "_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": "0" * 16,
        "_format_columns": None, "_format_kwargs": {}, "_format_type": None,
        "_output_all_columns": False, "_split": "train"}))
    (folder / "dataset_info.json").write_text(json.dumps(info or {}))
    return folder


def store(folder, kind, table, **more):
    if kind == "parquet":
        pq.write_table(table, folder / "d.parquet")
        return folder / "d.parquet"
    return save(folder / "d", table, **more)


@pytest.mark.parametrize("number", [
    "18446744073709551615", "123456789012345678901234567890", "-9223372036854775809", "NaN",
    "Infinity", "-Infinity", "[NaN, {\"y\": Infinity}]"])
def test_an_unused_field_may_hold_any_number_of_python(tmp_path, number):
    (tmp_path / "d.jsonl").write_text(f'{{"text": "a NaN", "x": {number}, "label": "n"}}\n'
                                      '{"text": "b", "label": "y", "x": null}\n')
    theirs = datasets.load_dataset("json", data_files=str(tmp_path / "d.jsonl"), split="train",
                                   cache_dir=str(tmp_path / "cache"))
    assert columns(preprocess(tmp_path, tmp_path / "d.jsonl")) == (theirs["text"][:],
                                                                   theirs["label"][:])


@pytest.mark.parametrize("label,field,words", [
    ("18446744073709551615", "/dataset/label_column", "row 1: the label '1.8446744073709552e+19'"),
    ("Infinity", "/dataset/label_column", "row 1"),
    ("NaN", "/dataset/label_column", "row 1: the label is empty or missing")])
def test_a_label_that_is_no_class_is_refused(tmp_path, label, field, words):
    (tmp_path / "d.jsonl").write_text(f'{{"text": "a", "label": {label}}}\n'
                                      '{"text": "b", "label": 1}\n{"text": "b", "label": 0}\n')
    failure = preprocess(tmp_path, tmp_path / "d.jsonl").failure
    assert failure["field"] == field and words in failure["message"]


def test_a_number_is_no_text(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": 18446744073709551615, "label": 1}\n')
    failure = preprocess(tmp_path, tmp_path / "d.jsonl").failure
    assert failure["field"] == "/dataset/text_column" and "must be a string" in failure["message"]


def test_line_that_is_no_json_is_still_refused(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": NaN, }\n')
    failure = preprocess(tmp_path, tmp_path / "d.jsonl").failure
    assert "row 2 (line 2): the line is not valid JSON" in failure["message"]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
@pytest.mark.parametrize("type_", [
    pa.string_view(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary_view(),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.uint32(), pa.large_string())], ids=str)
def test_texts_of_every_type(tmp_path, kind, type_):
    texts = pa.array(TEXTS)
    texts = texts.dictionary_encode() if pa.types.is_dictionary(type_) else texts
    table = pa.table({"text": texts.cast(type_), "label": pa.array(LABELS).cast(
        type_.value_type if pa.types.is_dictionary(type_) else type_)})
    assert columns(preprocess(tmp_path, store(tmp_path, kind, table))) == (TEXTS, LABELS)


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_null_in_a_dictionary_is_null(tmp_path, kind):
    def encoded(indices, values):
        if kind == "parquet":                       # which has no null in a dictionary
            return pa.array([values[i] for i in indices]).dictionary_encode()
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(values))
    table = pa.table({"text": encoded([0, 1, 2, 0], ["a", None, "c"]),
                      "label": encoded([1, 0, 0, 2], ["y", "n", None])})
    assert table["text"].to_pylist() == ["a", None, "c", "a"]    # pyarrow says null, not ""
    path = store(tmp_path, kind, table)
    x = preprocess(tmp_path / "1", path)
    assert x.failure["field"] == "/dataset/label_column" and "row 4" in x.failure["message"]
    x = preprocess(tmp_path / "2", path, on_bad_row="skip")
    assert columns(x) == (["a", "c"], ["n", "y"])
    assert x.result["rows_without_text"] == x.result["rows_without_label"] == 2


@pytest.mark.parametrize("kind", ["parquet", "saved"])
@pytest.mark.parametrize("values,type_,names", [
    ([3, 1, 3], pa.dictionary(pa.int8(), pa.int64()), ["1", "3"]),
    ([3.0, 1.0, 3.0], pa.float32(), ["1", "3"]),
    ([3, 1, 3], pa.uint8(), ["1", "3"]),
    ([True, False, True], pa.bool_(), ["False", "True"])], ids=str)
def test_labels_of_every_type(tmp_path, kind, values, type_, names):
    array = pa.array(values)
    array = array.dictionary_encode() if pa.types.is_dictionary(type_) else array.cast(type_)
    table = pa.table({"text": ["a", "b", "c"], "label": array})
    d = saved(preprocess(tmp_path, store(tmp_path, kind, table)))
    assert d.features["labels"].names == names
    assert list(d.with_format(None)["labels"]) == [1, 0, 1]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
@pytest.mark.parametrize("name", ["text", "label"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, kind, name):
    """As in CSV; the first one was taken."""
    columns_ = [pa.array(["a", "b"]), pa.array(["y", "n"]), pa.array(["c", "d"])]
    table = pa.Table.from_arrays(columns_, names=["text", "label", name])
    failure = preprocess(tmp_path, store(tmp_path, kind, table)).failure
    assert failure["field"] == f"/dataset/{name}_column" and "twice" in failure["message"]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_column_of_nulls_has_no_texts(tmp_path, kind):
    table = pa.table({"text": pa.nulls(2), "label": ["a", "b"]})
    failure = preprocess(tmp_path, store(tmp_path, kind, table), on_bad_row="skip").failure
    assert failure["field"] == "/dataset/text_column" and "has a text" in failure["message"]


@pytest.mark.parametrize("text", ['{"text": "a",\n "label": "x"}\n',
                                  '{"text": "a", "label": "x"} {"text": "b", "label": "y"}\n'])
def test_objects_that_are_no_lines_are_told(tmp_path, text):
    (tmp_path / "d.jsonl").write_text(text)
    assert "write one whole object per line" in preprocess(
        tmp_path, tmp_path / "d.jsonl").failure["message"]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_column_of_nulls_has_no_labels(tmp_path, kind):
    table = pa.table({"text": ["a", "b"], "label": pa.nulls(2)})
    failure = preprocess(tmp_path, store(tmp_path, kind, table), on_bad_row="skip").failure
    assert "no row of" in failure["message"] and failure["field"] == "/dataset/label_column"


INFO = {"features": {"text": {"dtype": "string", "_type": "Value"},
                     "label": {"names": ["bad", "good"], "_type": "ClassLabel"}}}


def test_class_names_that_stand_only_in_dataset_info(tmp_path):
    folder = save(tmp_path / "d", pa.table({"text": ["a", "b", "c"], "label": [1, 0, 1]}), INFO)
    theirs = datasets.load_from_disk(str(folder)).features["label"]
    assert saved(preprocess(tmp_path, folder)).features["labels"] == theirs
    assert theirs.names == ["bad", "good"]


def test_dataset_info_is_above_the_schema(tmp_path):
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, 1]})
    features = json.loads(json.dumps(INFO).replace("good", "old"))
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": features})})
    folder = save(tmp_path / "d", table, INFO)
    assert datasets.load_from_disk(str(folder)).features["label"].names == ["bad", "good"]
    assert saved(preprocess(tmp_path, folder)).features["labels"].names == ["bad", "good"]


def decimals(*texts):
    return [decimal.Decimal(t) for t in texts]


NUMBERS = [
    ([3.0, 1.0, 3.0], pa.float16()), ([-2.0, 2048.0, -2.0], pa.float16()),
    (decimals("3", "1", "3"), pa.decimal32(5, 0)), (decimals("-7", "1", "-7"), pa.decimal64(9, 2)),
    (decimals("3", "1", "3"), pa.decimal128(38, 0)), (decimals("0", "-1.00"), pa.decimal128(9, 2)),
    (decimals("9223372036854775807", "-9223372036854775808"), pa.decimal128(38, 10)),
    (decimals("3", "101", "9001"), pa.decimal256(76, 40))]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
@pytest.mark.parametrize("values,type_", NUMBERS, ids=str)
def test_half_floats_and_decimals_that_are_whole_are_integers(tmp_path, kind, values, type_):
    """The names are those of the numbers that pyarrow reads back."""
    table = pa.table({"text": ["a", "b", "c"][:len(values)], "label": pa.array(values, type_)})
    path = store(tmp_path, kind, table)
    read = [int(v) for v in table["label"].to_pylist()]
    text, label = columns(preprocess(tmp_path, path))
    assert label == list(map(str, read))
    assert sorted(set(label), key=int) == saved_names(tmp_path)


def saved_names(tmp_path):
    return datasets.load_from_disk(str(tmp_path / "x/work/output/train")).features["labels"].names


@pytest.mark.parametrize("kind", ["parquet", "saved"])
@pytest.mark.parametrize("values,type_,shown", [
    ([1.5, 2.0], pa.float16(), "'1.5'"),
    ([2.0 ** -24, 1.0], pa.float16(), "'5.960464477539063e-08'"),
    ([float("inf"), 1.0], pa.float16(), "'inf'"), ([65504.0, 0.25], pa.float16(), "'0.25'"),
    (decimals("1.50", "2"), pa.decimal128(9, 2), "'1.50'"),
    (decimals("-0.001", "2"), pa.decimal256(70, 3), "'-0.001'"),
    (decimals("9223372036854775808", "2"), pa.decimal128(38, 0), "'9223372036854775808'"),
    (decimals("-" + "9" * 76, "2"), pa.decimal256(76, 0), "'-" + "9" * 76 + "'"),
    (decimals("-0." + "1" * 76, "0"), pa.decimal256(76, 76), "'-0." + "1" * 76 + "'")], ids=str)
def test_half_floats_and_decimals_that_are_no_class_are_refused(tmp_path, kind, values, type_,
                                                                shown):
    table = pa.table({"text": ["a", "b"], "label": pa.array(values, type_)})
    failure = preprocess(tmp_path, store(tmp_path, kind, table)).failure
    assert failure["field"] == "/dataset/label_column" and shown in failure["message"]


def test_decimals_may_be_names(tmp_path):
    table = pa.table({"text": ["a", "b"], "label": pa.array(decimals("0.50", "1.5"),
                                                            pa.decimal128(9, 2))})
    x = preprocess(tmp_path, store(tmp_path, "parquet", table), labels=["0.5", "1.5"])
    assert columns(x) == (["a", "b"], ["0.5", "1.5"])


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_bytes_of_a_fixed_size_are_texts(tmp_path, kind):
    fixed = pa.binary(3)
    table = pa.table({"text": pa.array([b"abc", None, b"\xc3\xa9x"], fixed).slice(0, 3),
                      "label": pa.array([b"neg", b"pos", b"pos"], fixed)})
    x = preprocess(tmp_path, store(tmp_path, kind, table), on_bad_row="skip")
    assert columns(x) == (["abc", "\u00e9x"], ["neg", "pos"])


OTHER = {
    "run_end_encoded": (pa.RunEndEncodedArray.from_arrays([1, 2], ["a", "b"]), "run_end_decode"),
    "list<": (pa.array([["a"], ["b"]]), "write it as strings"),
    "struct<": (pa.array([{"a": 1}, {"a": 2}]), "write it as strings"),
    "timestamp[us]": (pa.array([0, 1], pa.timestamp("us")), "write it as strings"),
    "date32": (pa.array([0, 1], pa.date32()), "write it as strings"),
    "decimal128(9, -2)": (pa.array(decimals("100", "200"), pa.decimal128(9, -2)), "write it")}


@pytest.mark.parametrize("name", ["text", "label"])
@pytest.mark.parametrize("type_", OTHER)
def test_a_column_of_another_type_is_refused_by_its_name(tmp_path, type_, name):
    """It was 'values of another type'."""
    array, remedy = OTHER[type_]
    table = pa.table({"text": ["a", "b"], "label": ["n", "y"]} | {name: array})
    failure = preprocess(tmp_path, store(tmp_path, "saved", table)).failure
    assert failure["field"] == f"/dataset/{name}_column" and failure["code"] == "invalid_input"
    assert f"'{name}' has the Arrow type {type_}" in failure["message"]
    if (type_, name) == ("list<", "label"):
        remedy = "for several classes a row, set dataset.problem_type to multi_label_classification"
    assert remedy in failure["message"]


@pytest.mark.parametrize("type_", [pa.float16(), pa.decimal128(9, 2)], ids=str)
def test_half_floats_and_decimals_are_no_texts(tmp_path, type_):
    table = pa.table({"text": pa.array([1, 2]).cast(pa.float64()).cast(type_), "label": ["n", "y"]})
    failure = preprocess(tmp_path, store(tmp_path, "parquet", table)).failure
    assert failure["field"] == "/dataset/text_column" and str(type_) in failure["message"]
