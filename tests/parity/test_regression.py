# SPDX-License-Identifier: MIT
"""Regression, from the file to the answer, beside transformers, scikit-learn and scipy."""
import math

import datasets
import numpy
import pandas
import pytest
import scipy.stats
import sklearn.metrics
import torch
import transformers
from datasets import Dataset
from safetensors.torch import load_file

from execution import Execution
from serving import Server
from texts import BUILD, minilm
from training import losses_of, succeed, tiny_setup, trainers_losses

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")
STEPS = 100
TOLERANCE = 1e-3
OPTIONS = {"train_batch_size": 4, "learning_rate": 3e-3, "warmup_steps": 3}
METRICS = ("mse", "rmse", "mae", "r2", "pearson", "spearman")


def with_numbers(path, dtype="float32"):
    """The data set with a number for each row instead of a class."""
    data = Dataset.load_from_disk(path)
    numbers = [round(len(t) % 50 / 10 - 2, 2) for t in data["text"]]
    data = data.remove_columns("labels").add_column("labels", numbers)
    data.cast_column("labels", datasets.Value(dtype)).save_to_disk(path + "-numbers")
    return path + "-numbers"


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return tiny_setup(tmp_path_factory, with_numbers)


@pytest.fixture(scope="module")
def trained(setup, tmp_path_factory):
    return succeed(tmp_path_factory.mktemp("trained"), setup, logging_steps=1, max_steps=STEPS,
                   save_steps=0, **OPTIONS)


def test_the_loss_curve_is_that_of_trainer(setup, trained, tmp_path):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(setup.head)
    assert model.config.problem_type == "regression" and model.config.num_labels == 1
    theirs = trainers_losses(model, setup.tokenizer, setup.train, tmp_path, STEPS, 3e-3)
    mine = losses_of(trained)
    assert len(mine) == STEPS and mine == pytest.approx(theirs, abs=TOLERANCE)
    assert min(mine) < mine[0] / 2


def oracle(predicted, targets):
    mse = sklearn.metrics.mean_squared_error(targets, predicted)
    return {"mse": mse, "rmse": math.sqrt(mse),
            "mae": sklearn.metrics.mean_absolute_error(targets, predicted),
            "r2": sklearn.metrics.r2_score(targets, predicted),
            "pearson": scipy.stats.pearsonr(targets, predicted)[0],
            "spearman": scipy.stats.spearmanr(targets, predicted)[0]}


def answers(model_dir, texts):
    """What the pipeline says, which is the plain output for a regression."""
    pipe = transformers.pipeline("text-classification", model=str(model_dir))
    return pipe(list(texts), truncation=True, max_length=48)


def test_metrics_are_those_of_scikit_learn_and_scipy(setup, trained, tmp_path):
    data = Dataset.load_from_disk(setup.test)
    predicted = numpy.array([a["score"] for a in answers(trained.work / "model", data["text"])])
    want = oracle(predicted, numpy.array(data["labels"]))
    evaluated = Execution(tmp_path / "x", "evaluate", {
        "model": str(trained.work / "model"), "data": setup.test}).run()
    for result in (trained.result, evaluated.result):
        assert result["eval_loss"] == result["eval_mse"]
        for name in METRICS:
            assert result[f"eval_{name}"] == pytest.approx(want[name], abs=2e-4), name
        assert "eval_accuracy" not in result
    assert "'eval_spearman': " in trained.stdout


def test_the_best_model_by_a_metric_of_numbers(setup, tmp_path):
    for metric, pick in (("mae", min), ("eval_pearson", max)):
        spec = setup.spec(bf16="off", max_steps=40, eval_steps=5, load_best_model_at_end=True,
                          metric_for_best_model=metric, **OPTIONS | {"learning_rate": 2e-2})
        run = Execution(tmp_path / metric, "train", spec).run()
        name = "eval_" + metric.removeprefix("eval_")
        values = [e["values"][name] for e in run.of_type("metric") if name in e["values"]]
        assert run.result[name] == pick(values)


def test_the_server_answers_as_the_pipeline(trained, tmp_path):
    texts = ["A good film.", "bad " * 30, ""]
    want = answers(trained.work / "model", texts)
    assert all(abs(a["score"] - 1 / (1 + math.exp(-a["score"]))) > 1e-2 for a in want)
    server = Server(tmp_path / "x", trained.work / "model").wait_ready()
    got = server.ask(texts, max_length=48)
    all_labels = server.ask(texts[0], top_k=None)
    raw = server.ask(texts[0], function_to_apply="sigmoid")
    assert server.end()[0] == 0
    assert [a["label"] for a in got] == ["LABEL_0"] * 3
    assert [a["score"] for a in got] == pytest.approx([a["score"] for a in want], abs=1e-4)
    assert all_labels == [got[0]]
    assert raw[0]["score"] == pytest.approx(1 / (1 + math.exp(-want[0]["score"])), abs=1e-4)
    [result] = server.x.of_type("result")  # of the check of parity.json
    assert result["values"]["parity"] == "passed"


@pytest.mark.parametrize("problem", [None, "regression"])
def test_one_label_of_another_trainer_is_served(setup, tmp_path, problem):
    """Without problem_type one label is a sigmoid, as in the pipeline."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(setup.head)
    model.config.problem_type = problem
    model.save_pretrained(tmp_path / "m")
    setup.tokenizer.save_pretrained(tmp_path / "m")
    server = Server(tmp_path / "x", tmp_path / "m").wait_ready()
    got = server.ask("A good film.", max_length=48)
    assert server.end()[0] == 0
    want = answers(tmp_path / "m", ["A good film."])
    assert got[0]["score"] == pytest.approx(want[0]["score"], abs=1e-4)


@pytest.mark.parametrize("option, field", [
    ({"class_weights": "balanced"}, "class_weights"),
    ({"label_smoothing_factor": 0.1}, "label_smoothing_factor"),
    ({"metric_for_best_model": "f1"}, "metric_for_best_model")])
def test_options_of_classes_are_refused(setup, tmp_path, option, field):
    run = Execution(tmp_path / "x", "train", setup.spec(**option)).run()
    assert run.failure["field"] == "/hyperparameters/" + field
    assert "the labels are numbers" in run.failure["message"]


def test_numbers_and_classes_are_not_mixed(setup, trained, tmp_path):
    classes = setup.data("classes", 0, 20)
    spec = setup.spec()
    spec["channels"]["test"] = classes
    run = Execution(tmp_path / "a", "train", spec).run()
    assert run.failure["field"] == "/channels/test" and "are classes" in run.failure["message"]
    run = Execution(tmp_path / "b", "evaluate", {
        "model": str(trained.work / "model"), "data": classes}).run()
    assert "problem_type regression" in run.failure["message"]


@pytest.mark.parametrize("number, words", [(float("nan"), "NaN"), (float("inf"), "not a finite")])
def test_numbers_that_are_none_are_refused(setup, tmp_path, number, words):
    data = Dataset.load_from_disk(setup.train)
    labels = data["labels"][:-1] + [number]
    data.remove_columns("labels").add_column("labels", labels).save_to_disk(tmp_path / "d")
    spec = setup.spec()
    spec["channels"]["train"] = str(tmp_path / "d")
    run = Execution(tmp_path / "x", "train", spec).run()
    assert "row 38" in run.failure["message"] and words in run.failure["message"]


ROWS = [("good film", 4.5), ("bad film", -1.25), ("so so", 0), ("x", 3), ("y", 1e-3),
        ("fine", 2.75), ("great", 5), ("poor", -1), ("a", 0.1), ("b", 12345.678)]


def preprocess(where, dataset):
    dataset = {"problem_type": "regression", **dataset}
    return Execution(where, "preprocess", {"model": str(minilm()), "dataset": dataset}).run()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "saved"])
def test_preprocess_keeps_the_numbers_of_each_kind_of_file(tmp_path, kind):
    frame = pandas.DataFrame(ROWS, columns=["text", "label"])
    path = tmp_path / f"rows.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        Dataset.from_pandas(frame).save_to_disk(path)
    run = preprocess(tmp_path / "x", {"path": str(path), "train_rows": 8})
    assert run.status == 0, run.stderr
    parts = [datasets.load_from_disk(str(run.work / "output" / n)) for n in ("train", "test")]
    assert [len(p) for p in parts] == [8, 2]
    want = {text: numpy.float32(number) for text, number in ROWS}
    for part in parts:
        assert part.features["labels"] == datasets.Value("float32")
        assert part[0]["labels"].dtype == torch.float32  # the torch format, as Trainer reads it
        for row in part.with_format(None, columns=["text", "labels"]):
            assert numpy.float32(row["labels"]) == want[row["text"]]


@pytest.mark.parametrize("bad, words", [
    ("good", "the label 'good' is not a finite number"), ("true", "'true' is not a finite"),
    ("1e39", "'1e39' is not a finite"), ("0x10", "'0x10' is not"), ("inf", "'inf' is not"),
    ("", "the label is empty or missing")])
def test_labels_that_are_no_numbers(tmp_path, bad, words):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{t},{n}\n" for t, n in ROWS) + f"last,{bad}\n")
    run = preprocess(tmp_path / "x", {"path": str(path)})
    assert run.failure["field"] == "/dataset/label_column"
    assert words in run.failure["message"] and "row 11" in run.failure["message"]


def test_rows_without_a_number_are_left_out(tmp_path):
    """No value, no_label, and -1 in a whole split."""
    rows = "".join(f"{t},{n}\n" for t, n in ROWS)
    (tmp_path / "train.csv").write_text("text,label\n" + rows + "last,NA\nlast,99\n")
    (tmp_path / "test.csv").write_text("text,label\na,-1\nb,-1.0\n")
    dataset = {"train": {"path": str(tmp_path / "train.csv")},
               "test": {"path": str(tmp_path / "train.csv")}, "no_label": 99,
               "on_bad_row": "skip"}
    run = preprocess(tmp_path / "x", dataset)
    assert run.result["train_rows"] == 10 and run.result["rows_without_label"] == 4
    run = preprocess(tmp_path / "y", dataset | {"test": {"path": str(tmp_path / "test.csv")}})
    assert "no row of" in run.failure["message"]


@pytest.mark.parametrize("more, field", [
    ({"labels": ["a", "b"]}, "/dataset/labels"), ({"problem_type": "x"}, "/dataset/problem_type")])
def test_a_dataset_that_contradicts_itself(tmp_path, more, field):
    (tmp_path / "rows.csv").write_text("text,label\na,1\nb,2\n")
    run = preprocess(tmp_path / "x", {"path": str(tmp_path / "rows.csv"), **more})
    assert run.failure["field"] == field


def test_names_of_classes_are_no_numbers(tmp_path):
    names = datasets.Features({"text": datasets.Value("string"),
                               "label": datasets.ClassLabel(names=["a", "b"])})
    Dataset.from_dict({"text": ["a", "b"] * 3, "label": [0, 1] * 3}, features=names
                      ).save_to_disk(tmp_path / "d")
    run = preprocess(tmp_path / "x", {"path": str(tmp_path / "d")})
    assert run.failure["field"] == "/dataset/problem_type"
    assert "names of classes" in run.failure["message"]


def test_a_resumed_regression_ends_with_the_same_weights(setup, tmp_path):
    spec = setup.spec(bf16="off", max_steps=20, save_steps=10, **OPTIONS)
    whole = Execution(tmp_path / "x", "train", spec).run()
    again = Execution(tmp_path / "y", "train", spec,
                      resume=whole.work / "checkpoints/checkpoint-10").run()
    a, b = (load_file(r.work / "model/model.safetensors") for r in (whole, again))
    assert all(torch.equal(a[k], b[k]) for k in a)
