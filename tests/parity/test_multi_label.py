# SPDX-License-Identifier: MIT
"""Several classes a row, from the file to the answer, beside transformers and scikit-learn."""
import json
import warnings

import datasets
import numpy
import pytest
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
NAMES = ["long", "nice", "the", "odd"]
PROBLEM = "multi_label_classification"


def classes_of(text):
    found = [len(text) > 600, "good" in text.lower(), " the " in text, len(text) % 2 == 1]
    return [i for i, yes in enumerate(found) if yes]


def vector(classes, n=len(NAMES)):
    return [float(i in classes) for i in range(n)]


def with_vectors(path, dtype="float32", names=NAMES):
    """The data set with several classes for each row instead of one."""
    data = Dataset.load_from_disk(path)
    rows = [classes_of(t) for t in data["text"]]
    columns = {c: data[c] for c in data.column_names if c != "labels"}
    features = {c: f for c, f in data.features.items() if c != "labels"}
    columns["labels"] = [vector(r) for r in rows]
    features["labels"] = datasets.Sequence(datasets.Value(dtype))
    if names:
        columns["classes"] = rows
        features["classes"] = datasets.Sequence(datasets.ClassLabel(names=names))
    Dataset.from_dict(columns, features=datasets.Features(features)).save_to_disk(path + "-lists")
    return path + "-lists"


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return tiny_setup(tmp_path_factory, with_vectors)


@pytest.fixture(scope="module")
def trained(setup, tmp_path_factory):
    return succeed(tmp_path_factory.mktemp("trained"), setup, logging_steps=1, max_steps=STEPS,
                   save_steps=0, **OPTIONS)


def test_the_loss_curve_is_that_of_trainer(setup, trained, tmp_path):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(setup.head)
    assert model.config.problem_type == PROBLEM
    assert model.config.id2label == dict(enumerate(NAMES))
    theirs = trainers_losses(model, setup.tokenizer, setup.train, tmp_path, STEPS, 3e-3)
    mine = losses_of(trained)
    assert len(mine) == STEPS and mine == pytest.approx(theirs, abs=TOLERANCE)
    assert sum(mine[-10:]) < sum(mine[:10]) * 0.9


def scores(model_dir, texts):
    """The pipeline's score of each class."""
    pipe = transformers.pipeline("text-classification", model=str(model_dir), top_k=None)
    answers = pipe(list(texts), truncation=True, max_length=48)
    return numpy.array([[{a["label"]: a["score"] for a in row}[n] for n in NAMES]
                        for row in answers])


@pytest.fixture(scope="module")
def varied(setup, tmp_path_factory):
    """A model whose answers lie far apart: near ones would be ranked by their last digits."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("varied")
    transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=30522, max_position_embeddings=64, hidden_size=16, intermediate_size=32,
        num_attention_heads=2, num_hidden_layers=1, initializer_range=0.5, problem_type=PROBLEM,
        id2label=dict(enumerate(NAMES)), label2id={n: i for i, n in enumerate(NAMES)},
    )).save_pretrained(folder)
    setup.tokenizer.save_pretrained(folder)
    return folder


def oracle(given, targets):
    answers = given > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that all rows have
        return {
            "accuracy": sklearn.metrics.accuracy_score(targets, answers),
            **{f"f1_{a}": sklearn.metrics.f1_score(targets, answers, average=a, zero_division=0)
               for a in ("micro", "macro")},
            "precision_micro": sklearn.metrics.precision_score(targets, answers, average="micro"),
            "recall_micro": sklearn.metrics.recall_score(targets, answers, average="micro"),
            **{f"roc_auc_{a}": sklearn.metrics.roc_auc_score(targets, given, average=a)
               for a in ("micro", "macro")}}


def test_metrics_are_those_of_scikit_learn(setup, trained, varied, tmp_path):
    data = Dataset.load_from_disk(setup.test)
    targets = numpy.array([vector(classes_of(t)) for t in data["text"]])
    for model, result in ((trained.work / "model", trained.result), (varied, None)):
        given = scores(model, data["text"])
        want = oracle(given, targets.astype(int))
        loss = -(targets * numpy.log(given) + (1 - targets) * numpy.log(1 - given)).mean()
        evaluated = Execution(tmp_path / model.name, "evaluate", {
            "model": str(model), "data": setup.test}).run().result
        for got in (evaluated, result or evaluated):
            assert got["eval_loss"] == pytest.approx(loss, abs=2e-4)
            for name, value in want.items():
                if model == varied or not name.startswith("roc"):
                    assert got[f"eval_{name}"] == pytest.approx(value, abs=2e-4), name
            assert "eval_f1" not in got and "eval_mse" not in got
    assert "'eval_f1_micro': " in trained.stdout


def test_a_class_that_no_row_has_leaves_no_roc_auc(setup, varied, tmp_path):
    data = Dataset.load_from_disk(setup.test)
    some = data.select([i for i, t in enumerate(data["text"]) if 3 not in classes_of(t)])
    some.save_to_disk(tmp_path / "d")
    targets = numpy.array(some["labels"], dtype=int)
    want = oracle(scores(varied, some["text"]), targets)
    run = Execution(tmp_path / "x", "evaluate", {
        "model": str(varied), "data": str(tmp_path / "d")}).run()
    assert numpy.isnan(want["roc_auc_macro"]) and run.result["eval_roc_auc_macro"] == "NaN"
    for name in ("roc_auc_micro", "f1_macro", "accuracy"):
        assert run.result[f"eval_{name}"] == pytest.approx(want[name], abs=2e-4), name


def test_the_best_model_by_a_metric_of_lists(setup, tmp_path):
    spec = setup.spec(bf16="off", max_steps=40, eval_steps=5, load_best_model_at_end=True,
                      metric_for_best_model="f1_macro", **OPTIONS | {"learning_rate": 2e-2})
    run = Execution(tmp_path / "x", "train", spec).run()
    values = [e["values"]["eval_f1_macro"] for e in run.of_type("metric")
              if "eval_f1_macro" in e["values"]]
    assert run.result["eval_f1_macro"] == max(values)


def test_the_server_answers_as_the_pipeline(trained, tmp_path):
    texts = ["A good film.", "bad " * 30, ""]
    want = scores(trained.work / "model", texts)
    server = Server(tmp_path / "x", trained.work / "model").wait_ready()
    best = server.ask(texts, max_length=48)
    every = server.ask(texts, max_length=48, top_k=None)
    softmax = server.ask(texts[:1], max_length=48, top_k=None, function_to_apply="softmax")
    assert server.end()[0] == 0
    for i, row in enumerate(want):
        assert best[i]["label"] == NAMES[row.argmax()]
        assert [a["score"] for a in every[i]] == sorted((a["score"] for a in every[i]),
                                                        reverse=True)
        got = {a["label"]: a["score"] for a in every[i]}
        assert [got[n] for n in NAMES] == pytest.approx(list(row), abs=1e-4)
    assert sum(a["score"] for a in softmax[0]) == pytest.approx(1, abs=1e-5)
    [result] = server.x.of_type("result")
    assert result["values"]["parity"] == "passed"


@pytest.mark.parametrize("option, field", [
    ({"class_weights": "balanced"}, "class_weights"),
    ({"label_smoothing_factor": 0.1}, "label_smoothing_factor"),
    ({"metric_for_best_model": "f1"}, "metric_for_best_model")])
def test_options_of_one_class_a_row_are_refused(setup, tmp_path, option, field):
    run = Execution(tmp_path / "x", "train", setup.spec(**option)).run()
    assert run.failure["field"] == "/hyperparameters/" + field
    assert "lists of classes" in run.failure["message"]


def test_lists_and_classes_are_not_mixed(setup, trained, tmp_path):
    classes = setup.data("classes", 0, 20)
    spec = setup.spec()
    spec["channels"]["test"] = classes
    run = Execution(tmp_path / "a", "train", spec).run()
    assert run.failure["field"] == "/channels/test"
    assert "are classes, one a row" in run.failure["message"]
    run = Execution(tmp_path / "b", "evaluate", {
        "model": str(trained.work / "model"), "data": classes}).run()
    assert PROBLEM in run.failure["message"]


@pytest.mark.parametrize("change, words", [
    ([1.0, 0.5, 0.0, 0.0], "neither 0 nor 1"), ([float("nan")] * 4, "neither 0 nor 1"),
    ([1.0, 0.0], "has 2 numbers"), (None, "null")])
def test_vectors_that_are_none_are_refused(setup, tmp_path, change, words):
    data = Dataset.load_from_disk(setup.train)
    labels = data["labels"][:-1] + [change]
    data = data.remove_columns("labels").add_column("labels", labels)
    data.cast_column("labels", datasets.Sequence(datasets.Value("float32"))).save_to_disk(
        tmp_path / "d")
    spec = setup.spec()
    spec["channels"]["train"] = str(tmp_path / "d")
    run = Execution(tmp_path / "x", "train", spec).run()
    assert "row 38" in run.failure["message"] and words in run.failure["message"]


def test_lists_of_ids_are_no_training_data(setup, tmp_path):
    data = Dataset.load_from_disk(setup.train).remove_columns("labels")
    data.rename_column("classes", "labels").save_to_disk(tmp_path / "d")
    spec = setup.spec()
    spec["channels"]["train"] = str(tmp_path / "d")
    run = Execution(tmp_path / "x", "train", spec).run()
    assert PROBLEM in run.failure["message"] and "not of floats" in run.failure["message"]


def test_classes_of_other_data_are_matched_by_name(setup, trained, tmp_path):
    """The same data with its classes in another order."""
    order = [2, 0, 3, 1]  # new class i is class order[i]
    data = Dataset.load_from_disk(setup.test)
    columns = {c: data[c] for c in data.column_names if c not in ("labels", "classes")}
    columns["labels"] = [[row[i] for i in order] for row in data["labels"]]
    columns["classes"] = [[order.index(i) for i in row] for row in data["classes"]]
    features = data.features.copy()
    features["classes"] = datasets.Sequence(datasets.ClassLabel(names=[NAMES[i] for i in order]))
    Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "d")
    spec = {"model": str(trained.work / "model"), "data": str(tmp_path / "d")}
    run = Execution(tmp_path / "x", "evaluate", spec).run()
    assert run.result["eval_f1_macro"] == pytest.approx(trained.result["eval_f1_macro"])
    features["classes"] = datasets.Sequence(datasets.ClassLabel(names=["x", "y", "z", "w"]))
    Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "e")
    run = Execution(tmp_path / "y", "evaluate", spec | {"data": str(tmp_path / "e")}).run()
    assert "rows of the data have the class 'x'" in run.failure["message"]
    run = Execution(tmp_path / "z", "evaluate", spec | {"data": str(tmp_path / "e"), "label_map": {
        "x": NAMES[2], "y": NAMES[0], "z": NAMES[3], "w": NAMES[1]}}).run()
    assert run.result["eval_f1_macro"] == pytest.approx(trained.result["eval_f1_macro"])


def test_a_resumed_training_ends_with_the_same_weights(setup, tmp_path):
    spec = setup.spec(bf16="off", max_steps=20, save_steps=10, **OPTIONS)
    whole = Execution(tmp_path / "x", "train", spec).run()
    again = Execution(tmp_path / "y", "train", spec,
                      resume=whole.work / "checkpoints/checkpoint-10").run()
    a, b = (load_file(r.work / "model/model.safetensors") for r in (whole, again))
    assert all(torch.equal(a[k], b[k]) for k in a)


# ---- preprocess ----

SETS = [[0], [1, 3], [], [2], [0, 1], [3], [0, 2], [1], [2, 3], [0, 1, 2, 3]]


def preprocess(where, dataset):
    return Execution(where, "preprocess", {
        "model": str(minilm()), "dataset": {"problem_type": PROBLEM, **dataset}}).run()


def parts_of(run):
    assert run.status == 0, run.stderr
    return [datasets.load_from_disk(str(run.work / "output" / n)) for n in ("train", "test")]


def labels_by_text(run):
    return {row["text"]: row["labels"] for part in parts_of(run)
            for row in part.with_format(None, columns=["text", "labels"])}


def save(kind, path, labels):
    texts = [f"text {i}" for i in range(len(labels))]
    if kind == "csv":
        import pandas
        pandas.DataFrame({"text": texts, "label": [json.dumps(v) for v in labels]}).to_csv(
            path, index=False)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"text": t, "label": v}) + "\n"
                                for t, v in zip(texts, labels)))
    else:
        data = Dataset.from_dict({"text": texts, "label": labels})
        data.to_parquet(path) if kind == "parquet" else data.save_to_disk(path)
    return {"path": str(path)}


FORMS = {"names": [[NAMES[i] for i in s] for s in SETS], "ids": SETS,
         "floats": [vector(s) for s in SETS], "bits": [[int(v) for v in vector(s)] for s in SETS],
         "booleans": [[v > 0 for v in vector(s)] for s in SETS]}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "saved"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_in_each_kind_of_file_gives_the_same_vectors(tmp_path, kind, form):
    source = save(kind, tmp_path / f"rows.{kind}", FORMS[form])
    names = NAMES if form == "names" else None
    run = preprocess(tmp_path / "x", source | {"train_rows": 8})
    got = labels_by_text(run)
    order = sorted(names) if names else None
    for i, s in enumerate(SETS):
        want = vector(s) if not names else [float(n in FORMS["names"][i]) for n in order]
        assert got[f"text {i}"] == want
    train = parts_of(run)[0]
    assert train.features["labels"] == datasets.Sequence(datasets.Value("float32"))
    assert train[0]["labels"].dtype == torch.float32  # the torch format, as Trainer reads it
    assert ("classes" in train.column_names) == bool(names)
    if names:
        assert train.features["classes"] == datasets.Sequence(datasets.ClassLabel(names=order))
        for row in train.with_format(None):
            assert vector(row["classes"]) == row["labels"]


def test_labels_name_the_positions(tmp_path):
    source = save("jsonl", tmp_path / "rows.jsonl", FORMS["bits"])
    run = preprocess(tmp_path / "x", source | {"labels": ["4", "3", "2", "1"]})
    assert parts_of(run)[0].features["classes"].feature.names == ["4", "3", "2", "1"]
    assert labels_by_text(run)["text 1"] == vector([1, 3])
    run = preprocess(tmp_path / "y", source | {"labels": ["a", "b", "c"]})
    assert run.failure["field"] == "/dataset/labels" and "4 classes" in run.failure["message"]


def test_the_names_of_the_data_are_kept(tmp_path):
    features = datasets.Features({
        "text": datasets.Value("string"),
        "label": datasets.Sequence(datasets.ClassLabel(names=NAMES))})
    Dataset.from_dict({"text": [f"text {i}" for i in range(10)], "label": SETS},
                      features=features).save_to_disk(tmp_path / "d")
    run = preprocess(tmp_path / "x", {"path": str(tmp_path / "d")})
    assert parts_of(run)[0].features["classes"].feature.names == NAMES
    assert labels_by_text(run) == {f"text {i}": vector(s) for i, s in enumerate(SETS)}


@pytest.mark.parametrize("rows, want", [
    ([[0, 1], [1, 0], [0, 1]], [[0, 1], [1, 0], [0, 1]]),  # a 0 or 1 for each of two classes
    ([[0, 1], [1, 0], [1, 1]], [[0, 1], [1, 0], [1, 1]]),
    ([[0, 1], [1, 0], [2]], [[1, 1, 0], [1, 1, 0], [0, 0, 1]]),  # ids: the third row tells
    ([[1, 0], [0], []], [[1, 1], [1, 0], [0, 0]])])
def test_two_numbers_do_not_tell_what_they_are(tmp_path, rows, want):
    for i, order in enumerate(([0, 1, 2], [2, 1, 0])):
        source = save("jsonl", tmp_path / f"{i}.jsonl", [rows[k] for k in order])
        got = labels_by_text(preprocess(tmp_path / str(i), source))
        assert [got[f"text {order.index(k)}"] for k in range(3)] == want


@pytest.mark.parametrize("bad, words", [
    ("good", "is not a list"), ("[1, {}]", "is not a list"), ("[0, null]", "empty or null"),
    ("[0.5, 0]", "'0.5', which is neither"), ("[-1]", "the id -1"), ("[true, 2]", "mixes true"),
    ("[1, 1, 0]", "but row 1 has a list of classes"), ("3", "is not a list")])
def test_lists_that_are_none(tmp_path, bad, words):
    rows = "".join(f'text {i},"{json.dumps(s)}"\n' for i, s in enumerate(SETS))
    (tmp_path / "rows.csv").write_text(f'text,label\n{rows}last,"{bad}"\n')
    run = preprocess(tmp_path / "x", {"path": str(tmp_path / "rows.csv")})
    assert run.failure["field"] == "/dataset/label_column"
    assert words in run.failure["message"] and "row 11" in run.failure["message"]


def test_vectors_of_another_length(tmp_path):
    source = save("jsonl", tmp_path / "rows.jsonl", [[1, 0, 1], [0, 0, 1], [1, 0]])
    run = preprocess(tmp_path / "x", source)
    assert "row 3" in run.failure["message"]
    assert "row 1 has a 0 or 1 for each of 3" in run.failure["message"]


def test_rows_without_a_list_are_left_out(tmp_path):
    source = save("jsonl", tmp_path / "rows.jsonl", FORMS["ids"] + [None])
    run = preprocess(tmp_path / "x", source)
    assert "row 11" in run.failure["message"] and "without a label" in run.failure["message"]
    run = preprocess(tmp_path / "y", source | {"on_bad_row": "skip"})
    assert run.result["rows_without_label"] == 1 and len(labels_by_text(run)) == 10


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_lists_without_problem_type_are_refused_with_the_remedy(tmp_path, kind):
    source = save(kind, tmp_path / f"rows.{kind}", FORMS["ids"])
    run = preprocess(tmp_path / "x", source | {"problem_type": "single_label_classification"})
    assert run.failure["field"] == "/dataset/label_column" and PROBLEM in run.failure["message"]


@pytest.mark.parametrize("more, field", [({"no_label": 1}, "/dataset/no_label"),
                                         ({"text_column": "classes"}, "/dataset/text_column")])
def test_a_dataset_that_contradicts_itself(tmp_path, more, field):
    source = save("jsonl", tmp_path / "rows.jsonl", FORMS["ids"])
    run = preprocess(tmp_path / "x", source | more)
    assert run.failure["field"] == field


def test_no_class_in_any_training_row(tmp_path):
    source = save("jsonl", tmp_path / "rows.jsonl", [[], [], []])
    run = preprocess(tmp_path / "x", source)
    assert "no class applies to any" in run.failure["message"]
