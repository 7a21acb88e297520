# SPDX-License-Identifier: MIT
"""dataset_open() on data sets that `datasets` saved, and on broken ones."""
import json
import random
import subprocess

import datasets
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, LargeList, List, Value

from texts import BUILD

RNG = random.Random(1)
ROWS = [[RNG.randrange(1, 30000) for _ in range(RNG.randrange(1, 9))] for _ in range(2500)]
LABELS = [RNG.randrange(3) for _ in ROWS]
TEXTS = [f"text {i} \u00e9" for i in range(len(ROWS))]


def probe(path, samples=0):
    return subprocess.run([BUILD / "tests/parity/dataset_probe", str(path), str(samples)],
                          capture_output=True, text=True)


def opened(path, samples=0):
    done = probe(path, samples)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(path, *words):
    done = probe(path)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr, done.stderr


def save(path, columns, features=None, shards=1):
    d = Dataset.from_dict(columns, features=Features(features) if features else None)
    d.save_to_disk(str(path), num_shards=shards)
    return path


def plain(rows=ROWS):
    return {"text": TEXTS[:len(rows)], "labels": LABELS[:len(rows)], "input_ids": rows,
            "attention_mask": [[1] * len(r) for r in rows]}


LISTS = {
    "int32": List(Value("int32")), "int64": List(Value("int64")), "uint16": List(Value("uint16")),
    "large": LargeList(Value("int64")),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("shards", [1, 4])
def test_kinds_of_lists_and_shards(tmp_path, kind, shards):
    features = {"text": Value("string"), "labels": Value("int64"), "input_ids": LISTS[kind],
                "attention_mask": LargeList(Value("int8")) if kind == "large"
                else List(Value("int8"))}
    got = opened(save(tmp_path / "d", plain(), features, shards))
    assert [r["ids"] for r in got["rows"]] == ROWS
    assert [r["label"] for r in got["rows"]] == LABELS
    assert got["rows"][0]["types"] is None and got["names"] is None and got["labels_n"] == 3
    assert got["tokens"] == sum(map(len, ROWS)) and got["longest"] == max(map(len, ROWS))


@pytest.mark.parametrize("fixed", [False, True])
def test_padding_is_dropped(tmp_path, fixed):
    columns = {
        "labels": LABELS,
        "input_ids": [r + [0] * (10 - len(r)) for r in ROWS],
        "token_type_ids": [[0] + [1] * (len(r) - 1) + [0] * (10 - len(r)) for r in ROWS],
        "attention_mask": [[1] * len(r) + [0] * (10 - len(r)) for r in ROWS],
    }
    length = 10 if fixed else -1
    features = {"labels": ClassLabel(names=["a", "b", "c", "d"]),
                "input_ids": List(Value("int64"), length=length),
                "token_type_ids": List(Value("int64"), length=length),
                "attention_mask": List(Value("int64"), length=length)}
    got = opened(save(tmp_path / "d", columns, features))
    assert [r["ids"] for r in got["rows"]] == ROWS
    assert [r["types"] for r in got["rows"]] == [[0] + [1] * (len(r) - 1) for r in ROWS]
    assert got["names"] == ["a", "b", "c", "d"] and got["labels_n"] == 4


def test_label_and_no_mask_are_enough(tmp_path):
    got = opened(save(tmp_path / "d", {"label": LABELS, "input_ids": ROWS}))
    assert [r["label"] for r in got["rows"]] == LABELS
    assert [r["ids"] for r in got["rows"]] == ROWS


def test_samples_are_evenly_spaced(tmp_path):
    path = save(tmp_path / "d", plain() | {"other": [t.upper() for t in TEXTS]}, shards=3)
    got = opened(path, 7)
    assert got["samples"] == [[i * 2500 // 7, TEXTS[i * 2500 // 7],
                               TEXTS[i * 2500 // 7].upper()] for i in range(7)]
    assert len(opened(path, 5000)["samples"]) == 2500
    assert opened(save(tmp_path / "e", {"labels": [0], "input_ids": [[1]]}), 3)["samples"] == []


def test_columns_missing_or_of_the_wrong_type(tmp_path):
    refused(save(tmp_path / "a", {"labels": [0], "text": ["x"]}), "no column 'input_ids'",
            "'labels', 'text'")
    refused(save(tmp_path / "b", {"input_ids": [[1]]}), "no column 'labels'")
    refused(save(tmp_path / "c", {"labels": [0], "input_ids": ["1"]}), "'input_ids' holds strings")
    refused(save(tmp_path / "d", {"labels": ["x"], "input_ids": [[1]]}), "'labels' holds strings")
    refused(save(tmp_path / "e", {"labels": [[0]], "input_ids": [[1]]}),
            "lists, but not of floats", "problem_type multi_label_classification")


def test_floats_are_the_numbers_of_a_regression(tmp_path):
    got = opened(save(tmp_path / "d", {"labels": [0.5, -2.0], "input_ids": [[1], [2]]}))
    assert [row["label"] for row in got["rows"]] == [0.5, -2.0]
    refused(save(tmp_path / "e", {"labels": [0.5, float("nan")], "input_ids": [[1], [2]]}), "row 2")


def test_values_that_cannot_be(tmp_path):
    refused(save(tmp_path / "a", {"labels": [0, -1], "input_ids": [[1], [2]]}), "row 2", "label")
    refused(save(tmp_path / "b", {"labels": [0, None], "input_ids": [[1], [2]]}), "row 2", "null")
    for ids, word in (([-2], "token id"), ([], "no tokens"), (None, "null")):
        refused(save(tmp_path / word, {"labels": [0, 1], "input_ids": [[1], ids]}), "row 2", word)
    refused(save(tmp_path / "f", {"labels": [0], "input_ids": [[1, 2]], "attention_mask": [[1]]}),
            "row 1", "differ in length")
    refused(save(tmp_path / "g", {"labels": [20000], "input_ids": [[1]]}), "row 1", "range")


def test_directories_that_are_none(tmp_path):
    refused(tmp_path / "nothing", "not a saved data set")
    d = Dataset.from_dict({"labels": [0], "input_ids": [[1]]})
    datasets.DatasetDict({"train": d}).save_to_disk(str(tmp_path / "dict"))
    refused(tmp_path / "dict", "DatasetDict", "train")
    empty = Dataset.from_dict({"labels": [], "input_ids": []},
                              features=Features({"labels": Value("int64"),
                                                 "input_ids": List(Value("int32"))}))
    empty.save_to_disk(str(tmp_path / "empty"))
    refused(tmp_path / "empty", "no rows")


def test_state_that_points_elsewhere(tmp_path):
    path = save(tmp_path / "d", plain(ROWS[:3]))
    state = json.loads((path / "state.json").read_text())
    for name in ("../d/data-00000-of-00001.arrow", "/etc/hostname", 7):
        state["_data_files"] = [{"filename": name}]
        (path / "state.json").write_text(json.dumps(state))
        refused(path, "not inside the data set")
    (path / "state.json").write_text("[")
    refused(path, "is not JSON")


def test_damaged_arrow_files(tmp_path):
    """Any damage is an error or other values, never a crash."""
    path = save(tmp_path / "d", plain(ROWS[:40]))
    file = path / "data-00000-of-00001.arrow"
    good = file.read_bytes()
    rng = random.Random(2)
    for round_ in range(150):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if round_ % 5 == 0:
            del data[rng.randrange(len(data)):]
        file.write_bytes(data)
        done = probe(path)
        assert done.returncode in (0, 1), (done.returncode, done.stderr)


def test_file_format_is_not_taken_for_the_stream_format(tmp_path):
    path = save(tmp_path / "d", plain(ROWS[:3]))
    table = pa.table({"labels": [0], "input_ids": [[1]]})
    with pa.ipc.new_file(str(path / "data-00000-of-00001.arrow"), table.schema) as f:
        f.write_table(table)
    refused(path, "data-00000-of-00001.arrow")


def test_class_names_that_stand_only_in_dataset_info(tmp_path):
    features = {"labels": ClassLabel(names=["a", "b", "c"]), "input_ids": List(Value("int32"))}
    path = save(tmp_path / "d", {"labels": LABELS, "input_ids": ROWS}, features)
    [file] = path.glob("*.arrow")
    table = pa.ipc.open_stream(file.read_bytes()).read_all().replace_schema_metadata(None)
    with pa.OSFile(str(file), "wb") as f, pa.ipc.new_stream(f, table.schema) as stream:
        stream.write_table(table)
    assert datasets.load_from_disk(str(path)).features["labels"].names == ["a", "b", "c"]
    assert opened(path)["names"] == ["a", "b", "c"]


def test_null_in_a_dictionary_of_labels_is_null(tmp_path):
    path = save(tmp_path / "d", {"labels": [1, 0, 1], "input_ids": ROWS[:3]})
    [file] = path.glob("*.arrow")
    for values, words in (([1, 0, 2], None), ([1, None, 2], "row 2: the label is null")):
        labels = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), pa.array(values))
        table = pa.table({"labels": labels, "input_ids": ROWS[:3]})
        with pa.OSFile(str(file), "wb") as f, pa.ipc.new_stream(f, table.schema) as stream:
            stream.write_table(table)
        if words:
            refused(path, words)
        else:
            assert [r["label"] for r in opened(path)["rows"]] == values
