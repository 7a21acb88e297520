# SPDX-License-Identifier: MIT
"""The train and evaluate commands: Trainer's order and schedule, results that the Python libraries
read, checkpoints and resume, and what bad input, a full disk or a diverging loss end in."""
import hashlib
import json
import math
import resource
import shutil
import signal

import numpy
import pytest
import torch
import transformers
from datasets import Dataset
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from execution import Execution
from texts import BUILD, encode
from training import POSITIONS, Setup

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")

@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return Setup(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def trained(setup, tmp_path_factory):
    return Execution(tmp_path_factory.mktemp("run"), "train",
                     setup.spec(logging_steps=1, bf16="off")).run()


def weights_of(execution):
    return load_file(execution.work / "model/model.safetensors")


def test_results_and_files(setup, trained):
    result = trained.result
    assert result["epoch"] == 2
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                 "parity.json"):
        assert (trained.work / "model" / name).is_file(), name
    metrics = json.loads((trained.work / "output/metrics.json").read_text())
    assert metrics == result
    lines = (trained.work / "output/eval_results.txt").read_text().splitlines()
    assert lines == sorted(lines)
    values = {k: float(v) for k, v in (line.split(" = ") for line in lines)}
    assert values == metrics
    config = json.loads((trained.work / "model/config.json").read_text())
    assert config["id2label"] == {"0": "bad", "1": "good"}
    assert config["label2id"] == {"bad": 0, "good": 1}
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["problem_type"] == "single_label_classification"
    assert config["dtype"] == "float32"


def test_metrics_stream(trained):
    steps = [e for e in trained.of_type("metric") if "loss" in e["values"]]
    assert [e["step"] for e in steps] == list(range(1, 17))
    rates = [e["values"]["learning_rate"] for e in steps]
    total, warmup = 16, 3
    assert rates == pytest.approx([1e-3 * (k / warmup if k < warmup else
                                           (total - k) / (total - warmup)) for k in range(total)])
    for e in steps:
        assert e["values"]["rows_per_second"] > 0 and e["values"]["tokens_per_second"] > 0
        assert e["values"]["grad_norm"] > 0
    evaluations = [e for e in trained.of_type("metric") if "eval_loss" in e["values"]]
    assert [e["epoch"] for e in evaluations] == [1, 2]
    progress = [e for e in trained.of_type("progress") if e["phase"] == "train"]
    assert (progress[-1]["done"], progress[-1]["total"]) == (16, 16)
    assert "{'loss': " in trained.stdout and "{'eval_loss': " in trained.stdout


def test_saved_model_loads_in_transformers(setup, trained):
    """AutoModel and AutoTokenizer read it without a complaint, and the metrics we reported are
    those that scikit-learn computes from its logits."""
    saved = trained.work / "model"
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        saved, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    model.eval()
    logits = []
    with torch.no_grad():
        for text in setup.texts[120:]:
            batch = tokenizer(text, truncation=True, max_length=48, return_tensors="pt")
            logits.append(model(**batch).logits[0])
    logits, labels = torch.stack(logits), torch.tensor(setup.labels[120:])
    predicted = logits.argmax(1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="binary",
                                                               zero_division=0)
    result = trained.result
    assert result["eval_accuracy"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    assert result["eval_f1"] == pytest.approx(f1, abs=1e-12)
    assert result["eval_precision"] == pytest.approx(precision, abs=1e-12)
    assert result["eval_recall"] == pytest.approx(recall, abs=1e-12)
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    assert result["eval_loss"] == pytest.approx(loss, rel=1e-4)


def test_parity_sample(trained):
    saved = trained.work / "model"
    parity = json.loads((saved / "parity.json").read_text())
    assert parity["v"] == 1 and parity["max_length"] == POSITIONS
    assert len(parity["samples"]) == 32
    texts = [s["text"] for s in parity["samples"]]
    assert "" in texts and max(map(len, texts)) > 10000 and any("\U0001f600" in t for t in texts)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(saved).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
    for s in parity["samples"]:
        batch = tokenizer(s["text"], truncation=True, max_length=POSITIONS, return_tensors="pt")
        with torch.no_grad():
            p = model(**batch).logits[0].softmax(0)
        assert s["label"] == model.config.id2label[int(p.argmax())]
        assert s["score"] == pytest.approx(float(p.max()), abs=1e-4)


def test_first_epoch_follows_the_sampler(setup, tmp_path):
    """With a learning rate of almost 0 and no dropout each step's loss is that of the rows which
    accelerate's sampler would take."""
    model = tmp_path / "nodrop"
    shutil.copytree(setup.model, model)
    config = json.loads((model / "config.json").read_text())
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (model / "config.json").write_text(json.dumps(config))
    spec = setup.spec(learning_rate=1e-12, logging_steps=1, bf16="off", seed=7, epochs=2)
    spec["model"] = str(model)
    run = Execution(tmp_path / "x", "train", spec).run()
    losses = [e["values"]["loss"] for e in run.of_type("metric") if "loss" in e["values"]]
    reference = transformers.AutoModelForSequenceClassification.from_pretrained(
        run.work / "model").eval()
    data = Dataset.load_from_disk(setup.train)
    want = []
    for epoch in range(2):
        g = torch.Generator()
        g.manual_seed(7 + epoch)
        order = torch.randperm(120, generator=g).tolist()
        for at in range(0, 120, 16):
            rows = data[order[at:at + 16]]
            batch = setup.tokenizer.pad({k: rows[k] for k in ("input_ids", "attention_mask")},
                                        return_tensors="pt")
            with torch.no_grad():
                want.append(reference(**batch, labels=torch.tensor(rows["labels"])).loss.item())
    assert losses == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("bf16", ["off", "on"])
def test_training_learns(setup, tmp_path, bf16):
    spec = setup.spec(epochs=10, bf16=bf16, logging_steps=1000)
    spec["channels"]["test"] = setup.train
    assert Execution(tmp_path / "x", "train", spec).run().result["eval_accuracy"] >= 0.95


def test_checkpoints_and_resume(setup, tmp_path):
    """A run stopped by SIGTERM and resumed ends with the weights of one that was not."""
    spec = setup.spec(epochs=6, save_steps=5, logging_steps=1)
    whole = Execution(tmp_path / "whole", "train", spec).run()
    assert whole.result["epoch"] == 6
    kept = sorted(int(p.name.split("-")[1]) for p in (whole.work / "checkpoints").iterdir())
    assert kept == [40, 45]
    assert [e["step"] for e in whole.of_type("checkpoint")] == list(range(5, 48, 5))

    part = Execution(tmp_path / "part", "train", spec)
    process = part.start()
    for line in process.stdout:  # stop it in the middle
        if "'epoch': 1.5" in line or "'epoch': 2" in line:
            process.send_signal(signal.SIGTERM)
            break
    part.stdout, part.stderr = process.communicate(timeout=120)
    part.status = process.returncode
    assert part.failure["code"] == "cancelled"
    assert not (part.work / "model").exists()
    newest = part.work / part.of_type("checkpoint")[-1]["path"]
    step = int(newest.name.split("-")[1])
    assert 12 <= step < 48

    rest = Execution(tmp_path / "rest", "train", spec, resume=newest).run()
    first = next(e for e in rest.of_type("metric") if "loss" in e["values"])
    assert first["step"] == step + 1
    a, b = weights_of(whole), weights_of(rest)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert rest.result["train_loss"] == pytest.approx(whole.result["train_loss"], rel=1e-12)


@pytest.fixture(scope="module")
def checkpoint(setup, tmp_path_factory):
    run = Execution(tmp_path_factory.mktemp("cp"), "train", setup.spec(save_steps=8)).run()
    return run.work / run.of_type("checkpoint")[-1]["path"]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_manifest_names_every_file(checkpoint):
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    assert set(manifest["files"]) == {p.name for p in checkpoint.iterdir()} - {"manifest.json"}
    for name, entry in manifest["files"].items():
        data = (checkpoint / name).read_bytes()
        assert entry == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("damage, word", [
    (lambda d: flip(d / "exp_avg.safetensors"), "exp_avg.safetensors"),
    (lambda d: (d / "model.safetensors").unlink(), "model.safetensors"),
    (lambda d: (d / "manifest.json").unlink(), "manifest.json"),
])
def test_torn_checkpoint_is_refused(setup, checkpoint, tmp_path, damage, word):
    torn = tmp_path / "checkpoint-8"
    shutil.copytree(checkpoint, torn)
    damage(torn)
    run = Execution(tmp_path / "x", "train", setup.spec(save_steps=8), resume=torn).run()
    failure = run.failure
    assert failure["code"] == "data_corrupt"
    assert word in failure["message"] and str(torn) in failure["message"]


def test_checkpoint_of_another_run_is_refused(setup, checkpoint, tmp_path):
    run = Execution(tmp_path / "x", "train", setup.spec(save_steps=8, seed=1),
                    resume=checkpoint).run()
    assert "other settings" in run.failure["message"]


def test_evaluate_equals_the_last_evaluation(setup, trained, tmp_path):
    run = Execution(tmp_path / "x", "evaluate",
                    {"model": str(trained.work / "model"), "data": setup.test}).run()
    for key in ("eval_loss", "eval_accuracy", "eval_f1", "eval_precision", "eval_recall"):
        assert run.result[key] == pytest.approx(trained.result[key], rel=1e-5), key
    assert json.loads((run.work / "output/metrics.json").read_text()) == run.result


def test_ids_with_gaps_and_no_names_are_told(setup, tmp_path):
    spec = setup.spec(epochs=1, bf16="off")
    spec["channels"] = {"train": setup.data("gaps", 0, 12, labels=[1, 4] * 85, names=None)}
    run = Execution(tmp_path / "t", "train", spec).run()
    [warning] = [w for w in run.result["warnings"] if w["code"] == "classes_without_rows"]
    assert "2 labels" in warning["detail"] and "5 classes" in warning["detail"]


def test_evaluate_three_classes_macro(setup, tmp_path):
    names = ["a", "b", "c", "never"]
    labels = [i % 3 for i in range(170)]
    train = setup.data("train3", 0, 120, labels=labels, names=names)
    spec = setup.spec(epochs=1, bf16="off")
    spec["channels"] = {"train": train}
    run = Execution(tmp_path / "t", "train", spec).run()
    assert "eval_loss" not in run.result
    test = setup.data("test3", 120, 170, labels=labels, names=names)
    result = Execution(tmp_path / "e", "evaluate", {"model": str(run.work / "model"), "data": test,
                                                    "batch_size": 7}).run().result
    model = transformers.AutoModelForSequenceClassification.from_pretrained(run.work / "model")
    assert model.config.id2label == dict(enumerate(names))
    data, predicted = Dataset.load_from_disk(test), []
    with torch.no_grad():
        for row in data:
            predicted.append(int(model.eval()(input_ids=torch.tensor([row["input_ids"]])).logits
                                 .argmax()))
    precision, recall, f1, _ = precision_recall_fscore_support(
        data["labels"], predicted, average="macro", zero_division=0)
    assert result["eval_f1"] == pytest.approx(f1, abs=1e-12)
    assert result["eval_precision"] == pytest.approx(precision, abs=1e-12)
    assert result["eval_recall"] == pytest.approx(recall, abs=1e-12)


def test_evaluate_refuses_answers_that_are_no_numbers(setup, trained, tmp_path):
    model = shutil.copytree(trained.work / "model", tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["classifier.bias"][1] = float("nan")
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    failure = Execution(tmp_path / "x", "evaluate",
                        {"model": str(model), "data": setup.test}).run().failure
    assert failure["code"] == "nan_loss" and "row 0 is not a number" in failure["message"]


@pytest.mark.parametrize("files", [
    {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "model_max_length": 48},
     "special_tokens_map.json": {"mask_token": {"content": "<m>", "lstrip": True, "rstrip": False,
                                                "single_word": False, "normalized": False}}},
    {"added_tokens.json": {"[USER]": 30522, "two words": 30523}},
    {"config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
     "tokenizer_config.json": {"extra_special_tokens": ["[USER]"], "max_len": 40}},
])
def test_the_tokenizer_is_the_same_after_a_training(setup, tmp_path, files):
    model = shutil.copytree(setup.model, tmp_path / "model")
    (model / "tokenizer_config.json").unlink()
    bert = transformers.BertModel.from_pretrained(model)
    bert.resize_token_embeddings(30530)
    bert.save_pretrained(model)
    for name, settings in files.items():
        old = json.loads((model / name).read_text()) if name == "config.json" else {}
        (model / name).write_text(json.dumps(old | settings))
    spec = setup.spec(epochs=1) | {"model": str(model)}
    run = Execution(tmp_path / "x", "train", spec).run()
    assert run.status == 0, run.stderr
    before, after = (transformers.AutoTokenizer.from_pretrained(d)
                     for d in (model, run.work / "model"))
    texts = setup.texts[:5] + ["i [USER] like  two words <m> [MASK] x"]
    assert before(texts)["input_ids"] == after(texts)["input_ids"]
    assert before.model_max_length == after.model_max_length
    assert [o[0] for o in encode(model, texts)] == before(texts)["input_ids"]


def test_diverging_loss(setup, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(setup.model, model)
    config = json.loads((model / "config.json").read_text())
    config["initializer_range"] = 3e38  # the new head overflows
    (model / "config.json").write_text(json.dumps(config))
    spec = setup.spec(logging_steps=1)
    spec["model"] = str(model)
    run = Execution(tmp_path / "x", "train", spec).run()
    assert run.failure["code"] == "nan_loss"
    assert "step 1 of 16" in run.failure["message"]
    assert not (run.work / "model").exists()


def test_full_disk(setup, tmp_path):
    """A file size limit stands for the full disk: the model's file does not fit."""
    run = Execution(tmp_path / "x", "train", setup.spec(epochs=1, save_steps=0))
    run.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    assert run.failure["code"] == "disk_full"
    assert not (run.work / "model").exists() and not (run.work / "model.tmp").exists()


def no_tokenizer(s, spec):
    model = s.root / "bare"
    shutil.copytree(s.model, model, ignore=lambda *_: {"tokenizer.json", "vocab.txt"})
    spec["model"] = str(model)


def more_tokens(s, spec):
    """A special token for which the model has no row of embeddings."""
    model = s.root / "more"
    shutil.copytree(s.model, model)
    config = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps(
        config | {"additional_special_tokens": ["[USER]"]}))
    (model / "special_tokens_map.json").unlink(missing_ok=True)
    spec["model"] = str(model)


@pytest.mark.parametrize("change, code, words", [
    (lambda s, spec: spec["channels"].update(train=str(s.root / "none")), "data_missing", ["none"]),
    (lambda s, spec: spec["channels"].update(train=s.data("one", 0, 20, labels=[1] * 170)),
     "invalid_input", ["label 1", "two classes"]),
    (lambda s, spec: spec["channels"].update(train=s.data("long", 0, 20, max_length=100)),
     "invalid_input", ["100 tokens", str(POSITIONS)]),
    (lambda s, spec: spec["channels"].update(test=s.data("other", 0, 20, names=["x", "y"])),
     "invalid_input", ["test data", "'bad', 'good'", "'y'", "the same 'labels'"]),
    (lambda s, spec: spec.update(model=str(s.root)), "data_missing", ["config.json"]),
    (no_tokenizer, "data_missing", ["tokenizer.json", "vocab.txt"]),
    (more_tokens, "unsupported", ["ids up to 30522", "30522 embedding rows"]),
    (lambda s, spec: spec["hyperparameters"].update(learning_rate=0), "invalid_input",
     ["learning_rate"]),
    (lambda s, spec: spec["hyperparameters"].update(train_batch_size=0), "invalid_input",
     ["train_batch_size"]),
])
def test_bad_input(setup, tmp_path, change, code, words):
    spec = setup.spec()
    shutil.rmtree(setup.root / "long", ignore_errors=True)
    change(setup, spec)
    failure = Execution(tmp_path / "x", "train", spec).run().failure
    assert failure["code"] == code
    for word in words:
        assert word in failure["message"], failure["message"]


def test_max_length_cuts_rows(setup, tmp_path):
    spec = setup.spec(epochs=1, max_length=20, logging_steps=1)
    spec["channels"]["train"] = setup.data("longer", 0, 120, max_length=100)
    run = Execution(tmp_path / "x", "train", spec).run()
    assert run.result["epoch"] == 1
    assert "2400 tokens" in run.stdout


def test_gpu(setup, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    run = Execution(tmp_path / "x", "train", setup.spec(epochs=10))
    spec = json.loads((run.dir / "spec.json").read_text())
    spec["resources"]["devices"] = ["0"]
    (run.dir / "spec.json").write_text(json.dumps(spec))
    result = run.run().result
    assert "on cuda" in run.stdout
    assert math.isfinite(result["eval_loss"]) and numpy.isfinite(result["train_loss"])
