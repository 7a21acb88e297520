# SPDX-License-Identifier: MIT
"""Memory that runs out while a model trains or answers, and a loss that is not finite."""
import shutil

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file

from execution import Execution
from texts import BUILD
from training import Setup

PRELOAD = BUILD / "tests/parity/libno_memory.so"
pytestmark = pytest.mark.skipif(not PRELOAD.exists(), reason="built without the native engine")
TOKENS = 2048  # the most that go through the network at once
WIDE = 4096  # floats of a token in the feed-forward layer
ROW = 256


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """Activations of the first layer that are much larger than the weights."""
    made = Setup(tmp_path_factory.mktemp("memory"), hidden_size=16, intermediate_size=WIDE,
                 num_attention_heads=2, num_hidden_layers=2, max_position_embeddings=ROW)
    made.train = made.data("long", 0, 24, max_length=ROW)
    made.test = made.data("held", 120, 136, max_length=ROW)
    return made


def trained(setup, where, no_memory_from=None, **hyperparameters):
    spec = setup.spec(bf16="off", logging_steps=1, epochs=2, train_batch_size=12, **hyperparameters)
    env = {} if no_memory_from is None else {"LD_PRELOAD": str(PRELOAD),
                                             "NO_MEMORY_FROM": str(no_memory_from)}
    return Execution(where, "train", spec).run(env=env)


def losses(run):
    return [e["values"]["loss"] for e in run.of_type("metric") if "loss" in e["values"]]


@pytest.mark.skipif(BUILD.name == "build-asan", reason="ASan's own allocator must come first")
def test_memory_that_runs_out_halves_the_micro_batch(setup, tmp_path):
    """The same losses, to the order of the sums, and one warning with the numbers."""
    whole = trained(setup, tmp_path / "whole")
    short = trained(setup, tmp_path / "short", no_memory_from=TOKENS * WIDE * 4 * 5 // 8)
    assert short.status == 0, short.stderr
    assert losses(short) == pytest.approx(losses(whole), abs=1e-4) and len(losses(short)) == 4
    assert short.result["eval_loss"] == pytest.approx(whole.result["eval_loss"], abs=1e-4)
    assert not whole.of_type("warning")
    [warning] = short.of_type("warning")
    assert warning["code"] == "smaller_micro_batch"
    assert "from step 1 on at most 1024 tokens" in warning["message"]


@pytest.mark.skipif(BUILD.name == "build-asan", reason="ASan's own allocator must come first")
def test_one_row_that_does_not_fit_is_an_error(setup, tmp_path):
    run = trained(setup, tmp_path / "x", no_memory_from=ROW * WIDE * 4 - 4096)
    assert run.failure["code"] == "oom"
    for words in ("step 1", "one row alone does not fit", "max_length", "frozen_layers",
                  "a smaller train_batch_size does not help"):
        assert words in run.failure["message"]
    assert not (run.work / "model").exists()


def token_of_one_row(data, row):
    ids = Dataset.load_from_disk(data)["input_ids"]
    others = {i for n, r in enumerate(ids) if n != row for i in r}
    return next(i for i in ids[row] if i not in others)


def test_nan_loss_keeps_the_last_good_checkpoint(setup, tmp_path):
    """The row of the last step has a word whose embedding overflows the layer norm."""
    last = torch.randperm(24, generator=torch.Generator().manual_seed(42)).tolist()[-1]
    model = shutil.copytree(setup.model, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][token_of_one_row(setup.train, last)] = 3e38
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    spec = setup.spec(bf16="off", epochs=1, train_batch_size=4, save_steps=2, logging_steps=1)
    run = Execution(tmp_path / "x", "train", spec | {"model": str(model)}).run()
    assert run.failure["code"] == "nan_loss" and "step 6 of 6" in run.failure["message"]
    kept = sorted((run.work / "checkpoints").iterdir())
    assert [p.name for p in kept] == ["checkpoint-2", "checkpoint-4"]
    for checkpoint in kept:
        for name in ("model", "exp_avg", "exp_avg_sq"):
            tensors = load_file(checkpoint / f"{name}.safetensors")
            assert all(torch.isfinite(t).all() for t in tensors.values())
    assert not (run.work / "model").exists()
