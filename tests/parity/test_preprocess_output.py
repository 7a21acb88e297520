# SPDX-License-Identifier: MIT
"""`trainyard-worker preprocess` with an `output` of its own: the same data sets, there when they
are whole, and nothing else is touched."""
import datasets
import pytest

from execution import Execution
from texts import minilm


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "".join(f"film {i},{'good' if i % 2 else 'bad'}\n"
                                             for i in range(20)))
    return file


def preprocess(directory, rows, seed=1, **spec):
    spec = {"model": str(minilm()), "dataset": {"path": str(rows), "seed": seed}} | spec
    return Execution(directory, "preprocess", spec).run()


def tokens(root):
    return [datasets.load_from_disk(str(root / part)).with_format(None)["input_ids"][:]
            for part in ("train", "test")]


def test_the_same_data_sets_at_another_place(tmp_path, rows):
    own = preprocess(tmp_path / "own", rows)
    assert own.status == 0, own.stderr
    out = tmp_path / "new/deep"
    x = preprocess(tmp_path / "x", rows, output=str(out))
    assert x.status == 0, x.stderr
    assert tokens(out) == tokens(own.work / "output")
    assert sorted(p.name for p in out.iterdir()) == ["test", "train"]
    assert not (x.work / "output/train").exists()


def test_an_older_data_set_is_replaced_and_kept_after_a_failure(tmp_path, rows):
    out = tmp_path / "out"
    (out / "other").mkdir(parents=True)
    assert preprocess(tmp_path / "1", rows, seed=1, output=str(out)).status == 0
    first = tokens(out)
    assert preprocess(tmp_path / "2", rows, seed=2, output=str(out)).status == 0
    second = tokens(out)
    assert first != second
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\nfilm,good\n\"film,bad\n")
    assert preprocess(tmp_path / "3", bad, output=str(out)).status == 1
    assert tokens(out) == second
    assert (out / "other").is_dir()


def test_what_is_no_data_set_is_never_replaced(tmp_path, rows):
    out = tmp_path / "out"
    (out / "test").mkdir(parents=True)
    (out / "test/thesis.txt").write_text("years of work")
    x = preprocess(tmp_path / "x", rows, output=str(out))
    assert x.failure["code"] == "invalid_input"
    assert "not a saved data set" in x.failure["message"]
    assert (out / "test/thesis.txt").read_text() == "years of work"
    assert not (out / "train").exists()
