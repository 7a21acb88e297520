# SPDX-License-Identifier: MIT
"""The training options of Trainer: the loss curve of 100 steps, without dropout and in fp32, lies
within 1e-3 of that of transformers' Trainer, which starts from the same weights."""
import pytest
import torch
import transformers
from datasets import Dataset

from execution import Execution
from texts import BUILD
from training import Setup

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


def curve(log):
    return [v["loss"] for v in log if "loss" in v]


def ours(setup, where, **hyperparameters):
    spec = setup.spec(bf16="off", logging_steps=1, save_steps=0,
                      **{"learning_rate": 3e-3, "train_batch_size": BATCH, **hyperparameters})
    run = Execution(where, "train", spec).run()
    assert run.status == 0, run.stderr
    return run


def trainers(setup, head, where, steps=STEPS, **arguments):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(head)
    # A mean over the rows: Trainer 5 else takes the loss of each batch for a sum to be scaled.
    model.accepts_loss_kwargs = False
    data = Dataset.load_from_disk(setup.train).remove_columns("text")
    trainer = transformers.Trainer(
        model=model, train_dataset=data,
        data_collator=transformers.DataCollatorWithPadding(setup.tokenizer),
        args=transformers.TrainingArguments(
            output_dir=str(where), max_steps=steps, per_device_train_batch_size=BATCH,
            learning_rate=3e-3, warmup_steps=arguments.pop("warmup_steps", 3), logging_steps=1,
            save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True, seed=42,
            **arguments))
    trainer.train()
    return trainer


def losses_of(run):
    return curve(e["values"] for e in run.of_type("metric"))


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
