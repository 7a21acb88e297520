# SPDX-License-Identifier: MIT
"""Evaluation compares classes by name: the order of the data's classes, names that the model has
besides, and their case change no number. What cannot be compared is refused."""
import json

import pytest
import torch
import transformers
from datasets import Dataset

from execution import Execution
from texts import BUILD
from training import Setup

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")
BEGIN, END = 120, 170


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("label_match"))


@pytest.fixture(scope="module")
def model(setup, tmp_path_factory):
    """A trained model of the classes bad and good."""
    run = Execution(tmp_path_factory.mktemp("run"), "train", setup.spec(epochs=1, bf16="off")).run()
    assert run.status == 0, run.stderr
    return run.work / "model"


@pytest.fixture(scope="module")
def unnamed(model, tmp_path_factory):
    """The same model, whose classes have only ids."""
    folder = tmp_path_factory.mktemp("unnamed")
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def accuracy(setup, model):
    """accuracy(wanted): of transformers' answers, beside a list of the names that are right."""
    net = transformers.AutoModelForSequenceClassification.from_pretrained(model).eval()
    with torch.no_grad():
        logits = [net(input_ids=torch.tensor([row["input_ids"]])).logits
                  for row in Dataset.load_from_disk(setup.test)]
    answers = [net.config.id2label[int(scores.argmax())] for scores in logits]

    def of(wanted):
        pairs = [(a, w) for a, w in zip(answers, wanted) if w is not None]
        return sum(a == w for a, w in pairs) / len(pairs)
    return of


@pytest.fixture
def evaluate(setup, model, tmp_path):
    """evaluate(names, labels): the execution over the test rows with these classes."""
    def run(names, labels, of=model, rows=range(BEGIN, END), **spec):
        data = setup.data(tmp_path.name, BEGIN, END, names=names,
                          labels=[labels.get(value, 0) for value in setup.labels])
        if len(rows) < END - BEGIN:
            Dataset.load_from_disk(data).select([i - BEGIN for i in rows]).save_to_disk(
                str(tmp_path / "some"))
            data = str(tmp_path / "some")
        return Execution(tmp_path / "x", "evaluate",
                         {"model": str(of), "data": data, **spec}).run()
    return run


def true_names(setup):
    return [setup.names[value] for value in setup.labels[BEGIN:END]]


@pytest.mark.parametrize("names, labels, spec", [
    (["bad", "good"], {0: 0, 1: 1}, {}),
    (["good", "bad"], {0: 1, 1: 0}, {}),
    (["BAD", "Good"], {0: 0, 1: 1}, {}),
    (["good", "neutral", "bad"], {0: 2, 1: 0}, {}),
    (["GOOD", "good", "bad"], {0: 2, 1: 1}, {}),
    (["1", "0"], {0: 1, 1: 0}, {"label_map": {"1": "good", "0": "bad"}}),
    (["bad", "great"], {0: 0, 1: 1}, {"label_map": {"great": "good"}}),
    (None, {0: 1, 1: 0}, {"label_map": {"1": "bad", "LABEL_0": "good"}}),
])
def test_evaluate_by_name(setup, accuracy, evaluate, names, labels, spec):
    run = evaluate(names, labels, **spec)
    assert run.result["eval_accuracy"] == pytest.approx(accuracy(true_names(setup)), abs=1e-12)
    assert 0.4 < run.result["eval_accuracy"] < 1  # a swap of the classes would show
    assert "warnings" not in run.result


def test_fewer_classes_than_the_model(setup, accuracy, evaluate):
    rows = [i for i in range(BEGIN, END) if setup.labels[i] == 1]
    run = evaluate(["good"], {}, rows=rows)
    wanted = [name if name == "good" else None for name in true_names(setup)]
    assert run.result["eval_accuracy"] == pytest.approx(accuracy(wanted), abs=1e-12)


@pytest.mark.parametrize("names, of_unnamed", [
    (None, False), (["LABEL_0", "LABEL_1"], False), (["bad", "good"], True)])
def test_one_side_without_names_goes_by_id(setup, unnamed, model, accuracy, evaluate, names,
                                           of_unnamed):
    run = evaluate(names, {0: 0, 1: 1}, of=unnamed if of_unnamed else model)
    assert run.result["eval_accuracy"] == pytest.approx(accuracy(true_names(setup)), abs=1e-12)
    [warning] = run.result["warnings"]
    assert warning["code"] == "labels_by_id"
    assert ("the classes of the model" if of_unnamed else "the classes of the data") in \
        warning["detail"]


@pytest.mark.parametrize("names, labels", [
    (["1", "0"], {0: 1, 1: 0}), (["LABEL_1", "LABEL_0"], {0: 1, 1: 0}), (["1", "5"], {1: 0}),
    (["label_1", "Label_0"], {0: 1, 1: 0})])
def test_numbers_that_are_names_are_the_ids_of_a_model_without(setup, unnamed, accuracy, evaluate,
                                                               names, labels):
    """Rows of some classes alone get the names of their numbers; by place, 1 was class 0."""
    rows = [i for i in range(BEGIN, END) if setup.labels[i] in labels]
    run = evaluate(names, labels, of=unnamed, rows=rows)
    wanted = [setup.names[v] if v in labels else None for v in setup.labels[BEGIN:END]]
    assert run.result["eval_accuracy"] == pytest.approx(accuracy(wanted), abs=1e-12)
    [warning] = run.result["warnings"]
    assert f"class {names[0]} of the data is taken for class 1 of the model" in warning["detail"]


def test_numbers_without_names_are_those_of_a_model(setup, model, accuracy, evaluate,
                                                    tmp_path_factory):
    """As with a model of -1, 0 and 1, and rows of 0 and 1 alone: by place, 0 was class -1."""
    folder = tmp_path_factory.mktemp("numbers")
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"], config["label2id"] = {"0": "1", "1": "0"}, {"1": 0, "0": 1}
    (folder / "config.json").write_text(json.dumps(config))
    run = evaluate(None, {0: 1, 1: 0}, of=folder)
    assert run.result["eval_accuracy"] == pytest.approx(accuracy(true_names(setup)), abs=1e-12)
    assert run.result["warnings"][0]["code"] == "labels_by_id"


def test_both_sides_without_names_are_no_reason_to_warn(unnamed, evaluate):
    assert "warnings" not in evaluate(None, {0: 0, 1: 1}, of=unnamed).result


@pytest.mark.parametrize("names, labels, spec, words, field", [
    (["negative", "positive"], {0: 0, 1: 1}, {},
     ["'negative', 'positive'", "'bad', 'good'", "label_map"], None),
    (["GOOD", "Good", "bad"], {0: 2, 1: 1}, {}, ["'Good'", "label_map"], None),
    (None, {0: 0, 1: 2}, {}, ["the class '2'", "label_map"], None),
    (["bad", "good"], {0: 0, 1: 1}, {"label_map": {"great": "good"}},
     ["the data has no class 'great'", "'bad', 'good'"], "/label_map/great"),
    (["bad", "great"], {0: 0, 1: 1}, {"label_map": {"great": "fine"}},
     ["the model has no class 'fine'", "'bad', 'good'"], "/label_map/great"),
])
def test_what_cannot_be_compared_is_refused(evaluate, names, labels, spec, words, field):
    failure = evaluate(names, labels, **spec).failure
    assert failure["code"] == "invalid_input" and failure.get("field") == field
    for word in words:
        assert word in failure["message"], failure["message"]


def test_test_data_of_a_training_by_name(setup, tmp_path):
    """The classes of the test data are those of the training data, whatever their order."""
    spec = setup.spec(epochs=1, bf16="off")
    same = Execution(tmp_path / "a", "train", spec).run().result
    spec["channels"]["test"] = setup.data("turned", BEGIN, END, names=["Good", "bad"],
                                          labels=[1 - value for value in setup.labels])
    turned = Execution(tmp_path / "b", "train", spec).run().result
    for key in ("eval_accuracy", "eval_f1", "eval_loss"):
        assert turned[key] == pytest.approx(same[key], rel=1e-6), key
