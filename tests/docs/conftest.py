# SPDX-License-Identifier: MIT
"""Fixtures of the docs suite: shells with a daemon and the fake of AWS, and a small model."""
import json
import pathlib
import string
import tempfile
from contextlib import ExitStack, contextmanager

import numpy
import pytest
from safetensors.numpy import save_file

from blocks import all_blocks
from console import Console


HIDDEN, INNER, POSITIONS = 32, 32, 128


def _weights(words):
    """{name: shape} of a BERT of one layer with two classes."""
    layer, square = "bert.encoder.layer.0", (HIDDEN, HIDDEN)
    dense = {f"{layer}.attention.self.{name}": square for name in ("query", "key", "value")} | {
        f"{layer}.attention.output.dense": square, f"{layer}.intermediate.dense": (INNER, HIDDEN),
        f"{layer}.output.dense": (HIDDEN, INNER), "bert.pooler.dense": square,
        "classifier": (2, HIDDEN)}
    shapes = {f"bert.embeddings.{name}_embeddings.weight": (rows, HIDDEN) for name, rows in (
        ("word", words), ("position", POSITIONS), ("token_type", 2))}
    for name, shape in dense.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in ("bert.embeddings", f"{layer}.attention.output", f"{layer}.output"):
        shapes |= {f"{name}.LayerNorm.{part}": (HIDDEN,) for part in ("weight", "bias")}
    return shapes


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small BERT with random weights for 128 tokens of a review, in place of minilm."""
    folder = tmp_path_factory.mktemp("minilm")
    letters = string.ascii_lowercase + string.digits + string.punctuation
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "good", "bad", *letters,
             *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    rng = numpy.random.default_rng(0)
    save_file({name: rng.normal(0, 0.02, shape).astype(numpy.float32)
               + numpy.float32(name.endswith("LayerNorm.weight"))
               for name, shape in _weights(len(words)).items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "bert", "architectures": ["BertForSequenceClassification"],
        "vocab_size": len(words), "hidden_size": HIDDEN, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": INNER, "type_vocab_size": 2,
        "max_position_embeddings": POSITIONS, "id2label": {"0": "negative", "1": "positive"}}))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 128}')
    return folder


@contextmanager
def _consoles(model):
    """make(world=False): a shell as a user has it; see console.py."""
    with ExitStack() as made:
        def make(**options):
            # Not pytest's own directory: its names make paths too long for a unix socket.
            folder = made.enter_context(tempfile.TemporaryDirectory(prefix="ty-docs."))
            one = Console(pathlib.Path(folder), model, **options)
            made.callback(one.close)
            return one
        yield make


@pytest.fixture
def console(model):
    with _consoles(model) as make:
        yield make


@pytest.fixture(scope="session")
def world(model):
    """One shell and daemon for the tests that leave nothing behind."""
    with _consoles(model) as make:
        yield make()


def pytest_terminal_summary(terminalreporter):
    """The blocks that no test runs, with the reasons."""
    terminalreporter.section("blocks of the pages that are not run")
    for block in all_blocks():
        if block.reason:
            terminalreporter.line(f"{block}: {block.reason}")
