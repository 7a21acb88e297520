# SPDX-License-Identifier: MIT
"""MPNet's tokeniser beside `tokenizers` and AutoTokenizer: WordPiece with RoBERTa's special tokens.
The network is in test_model.py, training and serving in test_roberta.py."""
import json
import random

import pytest
import transformers

from mpnet import save_tokenizer, save_vocab
from test_tokenizer import EDGE, random_text
from texts import encode, reviews
from tokenizing import CODE_POINTS, assert_same, lines_of

SPECIAL = ["<s>", "</s>", "<pad>", "<mask>", "[UNK]", "<unk>", "[CLS]", "<S>", "<MASK>",
           " <mask>", "<mask> ", "a<mask>b", "  \t<mask>", "<s></s></s>", "\u3000<mask>"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tokenizer(tmp_path_factory.mktemp("mpnet"))


@pytest.mark.parametrize("max_length", [0, 512, 128])
def test_all_reviews(model, max_length):
    assert_same(model, [text for text, _ in reviews()], max_length=max_length)


def test_every_code_point(model):
    assert_same(model, lines_of([f"a{c}b" for c in CODE_POINTS]))


def test_edge_cases(model):
    assert_same(model, EDGE + SPECIAL)
    assert_same(model, [a + b for a in EDGE + SPECIAL for b in SPECIAL])


def test_random_texts_and_pairs(model):
    rng = random.Random(1)
    texts = [random_text(rng) + rng.choice(SPECIAL + [""]) for _ in range(1500)]
    pairs = [random_text(rng) for _ in range(1500)]
    assert_same(model, texts)
    assert_same(model, texts, pairs)
    for max_length in (4, 5, 7, 16, 33):
        assert_same(model, texts, pairs, max_length)
        assert_same(model, texts, max_length=max_length)


@pytest.mark.parametrize("settings", [
    {}, {"do_lower_case": False}, {"strip_accents": False}, {"tokenize_chinese_chars": False},
    {"mask_token": "<film>"}, {"mask_token": "film"},
    {"tokenizer_class": "MPNetTokenizerFast"}, {"model_max_length": 9}])
@pytest.mark.parametrize("source", ["tokenizer.json", "vocab.txt"])
def test_the_same_ids_as_autotokenizer(model, tmp_path, settings, source):
    save_vocab(tmp_path)
    if source == "tokenizer.json":
        (tmp_path / source).write_bytes((model / source).read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "MPNetTokenizer"} | settings))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = EDGE + SPECIAL + ["Caf\u00e9 <film> film \u6f22", "a film"]
    pairs = texts[::-1]
    for one in ((texts,), (texts, pairs)):
        want = theirs(*one, add_special_tokens=True)["input_ids"]
        assert [row[0] for row in encode(tmp_path, *one)] == want
