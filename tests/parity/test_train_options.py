# SPDX-License-Identifier: MIT
"""The training options of Trainer: the loss curve of 100 steps, without dropout and in fp32, lies
within 1e-3 of that of transformers' Trainer, which starts from the same weights."""
import numpy
import pytest
import torch
import transformers
from datasets import Dataset
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight

from execution import Execution
from texts import BUILD
from training import Setup, curve, losses_of

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")
STEPS = 100
BATCH = 4
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """Without dropout; 38 rows and batches of 4: the last batch of an epoch has 2 rows."""
    made = Setup(tmp_path_factory.mktemp("options"), hidden_size=16, intermediate_size=32,
                 num_attention_heads=2, num_hidden_layers=1, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0)
    made.train = made.data("small", 0, 38, max_length=16)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the model is tiny
    yield made
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def head(setup, tmp_path_factory):
    """The weights that the native engine starts from: those after one step of no size."""
    spec = setup.spec(max_steps=1, learning_rate=1e-30, warmup_steps=0, bf16="off", save_steps=0)
    return Execution(tmp_path_factory.mktemp("head"), "train", spec).run().work / "model"


def ours(setup, where, **hyperparameters):
    spec = setup.spec(bf16="off", logging_steps=1, **{
        "learning_rate": 3e-3, "train_batch_size": BATCH, "save_steps": 0, **hyperparameters})
    run = Execution(where, "train", spec).run()
    assert run.status == 0, run.stderr
    return run


class Weighted(transformers.Trainer):
    """A loss that counts each class by scikit-learn's balanced weights."""
    class_weights = None

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        if self.class_weights is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs, **kwargs)
        logits = model(**{k: v for k, v in inputs.items() if k != "labels"}).logits
        return torch.nn.functional.cross_entropy(logits, inputs["labels"],
                                                 weight=self.class_weights)


def freeze(model, layers):
    model.base_model.embeddings.requires_grad_(False)
    if hasattr(model.base_model, "embeddings_project"):
        model.base_model.embeddings_project.requires_grad_(False)
    for layer in model.base_model.encoder.layer[:layers]:
        layer.requires_grad_(False)


def trainers(setup, head, where, steps=STEPS, weights=None, callbacks=(), frozen=None,
             **arguments):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(head)
    if frozen is not None:
        freeze(model, frozen)
    # A mean over the rows: Trainer 5 else takes the loss of each batch for a sum to be scaled.
    model.accepts_loss_kwargs = False

    def without_text(path):
        return Dataset.load_from_disk(path).remove_columns("text")
    trainer = Weighted(
        model=model, train_dataset=without_text(setup.train), eval_dataset=without_text(setup.test),
        data_collator=transformers.DataCollatorWithPadding(setup.tokenizer),
        callbacks=list(callbacks),
        compute_metrics=lambda p: {"accuracy": accuracy_score(p[1], p[0].argmax(1))},
        args=transformers.TrainingArguments(
            output_dir=str(where), **{
                "max_steps": steps, "per_device_train_batch_size": BATCH, "learning_rate": 3e-3,
                "warmup_steps": 3, "logging_steps": 1, "save_strategy": "no", "report_to": "none",
                "use_cpu": True, "disable_tqdm": True, "seed": 42, **arguments}))
    trainer.class_weights = weights
    trainer.train()
    return trainer


def check(setup, head, tmp_path, *, both=None, **mine):
    theirs = curve(trainers(setup, head, tmp_path / "t", **(both or {})).state.log_history)
    got = losses_of(ours(setup, tmp_path / "x", max_steps=STEPS, **(both or {}), **mine))
    assert len(got) == len(theirs) == STEPS
    assert got == pytest.approx(theirs, abs=TOLERANCE)
    assert min(got) < got[0] - 0.1  # it learns: else every curve is alike


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant_with_warmup"])
def test_lr_scheduler_type(setup, head, tmp_path, schedule):
    check(setup, head, tmp_path, both={"lr_scheduler_type": schedule})


def test_max_steps_replaces_epochs(setup, tmp_path):
    run = ours(setup, tmp_path / "x", max_steps=11, epochs=1)
    assert len(losses_of(run)) == 11 and run.result["epoch"] == pytest.approx(11 / 10)


def test_label_smoothing_factor(setup, head, tmp_path):
    """The loss of the evaluation is smoothed, too."""
    theirs = trainers(setup, head, tmp_path / "t", label_smoothing_factor=0.2)
    mine = ours(setup, tmp_path / "x", max_steps=STEPS, label_smoothing_factor=0.2)
    assert losses_of(mine) == pytest.approx(curve(theirs.state.log_history), abs=TOLERANCE)
    data = Dataset.load_from_disk(setup.test).remove_columns("text")
    assert mine.result["eval_loss"] == pytest.approx(theirs.evaluate(data)["eval_loss"],
                                                     abs=TOLERANCE)


def test_gradient_accumulation_steps(setup, head, tmp_path):
    """Ten batches an epoch, the last of 2 rows: steps of 3, 3, 3 and 1 of them."""
    check(setup, head, tmp_path, both={"gradient_accumulation_steps": 3})
    run = ours(setup, tmp_path / "epochs", gradient_accumulation_steps=3, epochs=2)
    assert len(losses_of(run)) == 8 and run.result["epoch"] == 2


def test_class_weights(setup, head, tmp_path, monkeypatch):
    """Of 38 rows 6 have the first class."""
    labels = [0 if i < 6 else 1 for i in range(170)]
    monkeypatch.setattr(setup, "train", setup.data("rare", 0, 38, labels=labels, max_length=16))
    weights = compute_class_weight("balanced", classes=numpy.array([0, 1]), y=labels[:38])
    theirs = trainers(setup, head, tmp_path / "t", weights=torch.tensor(weights).float(),
                      gradient_accumulation_steps=2)
    mine = ours(setup, tmp_path / "x", max_steps=STEPS, class_weights="balanced",
                gradient_accumulation_steps=2)
    assert losses_of(mine) == pytest.approx(curve(theirs.state.log_history), abs=TOLERANCE)
    assert mine.result["eval_loss"] == pytest.approx(theirs.evaluate()["eval_loss"], abs=TOLERANCE)


def test_class_weights_by_name(setup, head, tmp_path, monkeypatch):
    labels = [0 if i < 6 else 1 for i in range(170)]
    monkeypatch.setattr(setup, "train", setup.data("named", 0, 38, labels=labels, max_length=16))
    theirs = trainers(setup, head, tmp_path / "t", weights=torch.tensor([2.5, 0.75]),
                      gradient_accumulation_steps=2)
    mine = ours(setup, tmp_path / "x", max_steps=STEPS, gradient_accumulation_steps=2,
                class_weights={"good": 0.75, "bad": 2.5})
    assert losses_of(mine) == pytest.approx(curve(theirs.state.log_history), abs=TOLERANCE)
    assert mine.result["eval_loss"] == pytest.approx(theirs.evaluate()["eval_loss"], abs=TOLERANCE)


@pytest.mark.parametrize("weights, words", [
    ({"good": 2}, "no weight for 'bad'; give each class one"),
    ({"good": 2, "bad": 1, "Bad": 1}, "names 'Bad', but the classes of the data are 'bad', 'good'"),
    ({"good": 0, "bad": 1}, "the weight of class 'good' must be a number above 0"),
])
def test_class_weights_that_are_refused(setup, tmp_path, weights, words):
    run = Execution(tmp_path / "x", "train", setup.spec(class_weights=weights)).run()
    assert run.failure["code"] == "invalid_input" and words in run.failure["message"]
    assert run.failure["field"].startswith("/hyperparameters/class_weights")


@pytest.fixture(scope="module", params=["bert", "electra"])
def deep(request, tmp_path_factory):
    """Three layers; the electra's embeddings are narrower than its layers."""
    made = Setup(tmp_path_factory.mktemp(request.param), hidden_size=32, intermediate_size=32,
                 num_attention_heads=2, num_hidden_layers=3, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0)
    if request.param == "electra":
        transformers.ElectraModel(transformers.ElectraConfig(
            vocab_size=30522, embedding_size=16, hidden_size=32, intermediate_size=32,
            num_attention_heads=2, num_hidden_layers=3, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, max_position_embeddings=64)).save_pretrained(
                made.model)
    made.train = made.data("small", 0, 38, max_length=16)
    spec = made.spec(max_steps=1, learning_rate=1e-30, warmup_steps=0, bf16="off", save_steps=0)
    made.head = Execution(tmp_path_factory.mktemp("head"), "train", spec).run().work / "model"
    return made


def trained_names(head, frozen):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(head)
    freeze(model, frozen)
    return {name for name, p in model.named_parameters() if p.requires_grad}


def changed(deep, run):
    """The weights of the base model that are not bit-equal after the training."""
    before = load_file(deep.model / "model.safetensors")
    after = load_file(run.work / "model/model.safetensors")
    prefix = "bert" if "bert.pooler.dense.bias" in after else "electra"
    return {f"{prefix}.{name}" for name in before
            if not torch.equal(before[name], after[f"{prefix}.{name}"])}


@pytest.mark.parametrize("frozen", [0, 2, 3])
def test_frozen_layers(deep, tmp_path, frozen):
    """Trainer's curve; the frozen weights are bit-equal and have no optimiser state."""
    options = {"weight_decay": 0.1, "max_grad_norm": 0.5}
    theirs = trainers(deep, deep.head, tmp_path / "t", frozen=frozen, **options)
    mine = ours(deep, tmp_path / "x", max_steps=STEPS, frozen_layers=frozen,
                **{**options, "save_steps": 60})
    assert losses_of(mine) == pytest.approx(curve(theirs.state.log_history), abs=TOLERANCE)
    trained = trained_names(deep.head, frozen)
    assert changed(deep, mine) == {name for name in trained if "classifier" not in name}
    after = load_file(mine.work / "model/model.safetensors")
    kept = mine.work / "checkpoints/checkpoint-60"
    for name in ("exp_avg.safetensors", "exp_avg_sq.safetensors"):
        assert set(load_file(kept / name)) == trained
    spec = deep.spec(bf16="off", logging_steps=1, learning_rate=3e-3, train_batch_size=BATCH,
                     max_steps=STEPS, frozen_layers=frozen, save_steps=60, **options)
    again = Execution(tmp_path / "y", "train", spec, resume=kept).run()
    resumed = load_file(again.work / "model/model.safetensors")
    assert all(torch.equal(resumed[name], after[name]) for name in after)


def test_frozen_layers_in_bfloat16(deep, tmp_path):
    run = Execution(tmp_path / "x", "train", deep.spec(bf16="on", frozen_layers=2)).run()
    assert changed(deep, run) == {n for n in trained_names(deep.head, 2) if "classifier" not in n}


def test_more_frozen_layers_than_the_model_has(setup, tmp_path):
    run = Execution(tmp_path / "x", "train", setup.spec(frozen_layers=2)).run()
    assert run.failure["field"] == "/hyperparameters/frozen_layers"
    assert "the model has 1 layers" in run.failure["message"]


BEST = {"eval_steps": 5, "learning_rate": 2e-2, "load_best_model_at_end": True}


def evaluations(run):
    return {e["step"]: e["values"] for e in run.of_type("metric") if "eval_loss" in e["values"]}


@pytest.mark.parametrize("metric", ["loss", "eval_accuracy"])
def test_load_best_model_at_end(setup, head, tmp_path, metric):
    """Too high a learning rate: the best evaluation is not the last one."""
    best = {**BEST, "metric_for_best_model": metric}
    theirs = trainers(setup, head, tmp_path / "t", steps=40, eval_strategy="steps",
                      save_strategy="steps", save_steps=5, **best)
    mine = ours(setup, tmp_path / "x", max_steps=40, save_steps=20, **best)
    assert theirs.state.best_global_step < 40
    assert mine.result["best_step"] == theirs.state.best_global_step
    at_best = evaluations(mine)[mine.result["best_step"]]
    for name in ("eval_loss", "eval_accuracy", "eval_f1"):
        assert mine.result[name] == at_best[name]
    assert mine.result["eval_loss"] == pytest.approx(theirs.evaluate()["eval_loss"], abs=TOLERANCE)
    got = load_file(mine.work / "model/model.safetensors")
    for name, value in theirs.model.state_dict().items():
        assert torch.allclose(got[name], value, atol=1e-3), name


@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_early_stopping(setup, head, tmp_path, threshold):
    stop = transformers.EarlyStoppingCallback(2, threshold)
    theirs = trainers(setup, head, tmp_path / "t", callbacks=[stop], eval_strategy="steps",
                      save_strategy="steps", save_steps=5, **BEST)
    mine = ours(setup, tmp_path / "x", max_steps=STEPS, early_stopping_patience=2, save_steps=1000,
                early_stopping_threshold=threshold, **BEST)
    assert theirs.state.global_step < STEPS
    assert max(evaluations(mine)) == theirs.state.global_step
    assert mine.result["best_step"] == theirs.state.best_global_step
    assert "stopped early after step %d" % theirs.state.global_step in mine.stdout


def checkpoints_of(run):
    return sorted(int(p.name.split("-")[1]) for p in (run.work / "checkpoints").iterdir())


def test_checkpoints_that_are_kept(setup, tmp_path):
    """The newest, and the best one beside them."""
    spec = setup.spec(bf16="off", max_steps=40, train_batch_size=BATCH, save_steps=10,
                      save_total_limit=1, **BEST)
    run = Execution(tmp_path / "x", "train", spec).run()
    best = run.result["best_step"]
    assert best < 30 and checkpoints_of(run) == [best, 30]
    spec = setup.spec(bf16="off", max_steps=40, train_batch_size=BATCH, save_steps=10,
                      save_total_limit=3)
    assert checkpoints_of(Execution(tmp_path / "y", "train", spec).run()) == [10, 20, 30]


def test_the_best_model_outlives_its_attempt(setup, tmp_path):
    """Resumed after the best evaluation, from a checkpoint of another directory, and once more."""
    spec = setup.spec(bf16="off", max_steps=40, train_batch_size=BATCH, save_steps=10,
                      early_stopping_patience=20, **BEST)
    whole = Execution(tmp_path / "whole", "train", spec).run()
    best = whole.result["best_step"]
    assert best not in (20, 30, 40)
    resume = whole.work / "checkpoints/checkpoint-30"
    for name in ("second", "third"):
        run = Execution(tmp_path / name, "train", spec, resume=resume).run()
        assert run.status == 0, run.stderr
        assert checkpoints_of(run) == [best, 30]
        assert run.result["best_step"] == best
        a, b = (load_file(r.work / "model/model.safetensors") for r in (whole, run))
        assert all(torch.equal(a[k], b[k]) for k in a)
        resume = run.work / "checkpoints/checkpoint-30"


def test_a_damaged_best_model_ends_the_resume(setup, tmp_path):
    """At once, not at the end of the training."""
    spec = setup.spec(bf16="off", max_steps=40, train_batch_size=BATCH, save_steps=10,
                      early_stopping_patience=20, **BEST)
    whole = Execution(tmp_path / "whole", "train", spec).run()
    folder = whole.work / "checkpoints"
    weights = folder / f"checkpoint-{whole.result['best_step']}" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    run = Execution(tmp_path / "x", "train", spec, resume=folder / "checkpoint-30").run()
    assert run.failure["code"] == "data_corrupt" and "model.safetensors" in run.failure["message"]
    assert not run.of_type("metric")
