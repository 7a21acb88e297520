# SPDX-License-Identifier: MIT
"""Our WordPiece against the installed `tokenizers`: the same ids, type ids and truncation."""
import json
import random
import shutil

import pytest

from texts import encode, minilm, reviews
from tokenizing import CODE_POINTS, assert_same, lines_of, theirs


def variant(tmp_path, change):
    """A copy of the model's tokenizer.json after change(json)."""
    j = json.loads((minilm() / "tokenizer.json").read_text())
    change(j)
    (tmp_path / "tokenizer.json").write_text(json.dumps(j))
    return tmp_path


@pytest.mark.parametrize("max_length", [0, 512, 128])
def test_all_reviews(max_length):
    assert_same(minilm(), [text for text, _ in reviews()], max_length=max_length)


@pytest.mark.parametrize("frame,n", [("{}", None), ("a{}b", None),
                                     ("A {}\u0301\u302e{}", 0x33480)])
def test_every_code_point(frame, n):
    assert_same(minilm(), lines_of([frame.replace("{}", c) for c in CODE_POINTS[:n]]))


def test_every_character_becomes_the_same_characters(tmp_path):
    """With a vocabulary of single characters every case or accent mapped otherwise shows."""
    chars = [c for c in CODE_POINTS if ord(c) < 0x33480 or 0xE0000 <= ord(c) < 0xE1000]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += [prefix + c for c in chars if c not in "\0#" for prefix in ("", "##")]

    def change(j):
        j["model"]["vocab"] = {w: i for i, w in enumerate(words)}
        for t in j["added_tokens"]:
            t["id"] = words.index(t["content"])
        for name, item in j["post_processor"]["special_tokens"].items():
            item["ids"] = [words.index(name)]
    model = variant(tmp_path, change)
    assert_same(model, lines_of([f"a{c}b" for c in chars]))


EDGE = [
    "", " ", "a", "[SEP]", "[sep]", "a[SEP]b", "[CLS] x [MASK][PAD][UNK]", "[[SEP]]", "[SE",
    "a\x85b", "a\x96b", "a\x0bb", "a\x0cb", "a\x00b", "a\tb\nc\rd", "a\u00a0b", "a\u2028b\u2029c",
    "a\u3000b", "a\u200bb", "a\ufeffb", "a\u00adb", "a\ufffdb", "nice<br /><br />film", "\u037e",
    "\u212a", "\u212b", "\u2126", "\u0130stanbul", "stra\u00dfe", "\ufb01sh", "\ud55c\uae00",
    "\u1112\u1161\u11ab", "caf\u00e9", "cafe\u0301", "\u0301\u0301", "a \u0301 b", "\u0903\u0488",
    "\u2764\ufe0f", "\U0001f468\u200d\U0001f469", "$+<=>^`|~", "\u20ac5 \u00a35 \u00d7",
    "x" * 100, "x" * 101, "e\u0301" * 100, "a" + "\u0301" * 101, "\u6f22\u5b57kanji", "\u3042",
    "\U0002b820\U0002b91f\U0002b920", "\uf900\U0002f800", "##ing", "un##able", "don't", "U.S.A.",
    "\U0001d15e\U0001d166\u302e\u0316", "\u302e\U0001d165\u302e", "\u0344\u0390\u1f82", "\u0958",
    "\u1734\u1885\ua9bd\U000111c9\u166d", "\u08e3\u08d4\u2e44", "\U00011938\U0001193a", "\u0345",
]


def test_edge_cases():
    assert_same(minilm(), EDGE)
    assert_same(minilm(), [a + b for a in EDGE for b in EDGE])


def test_lengths_around_the_limit():
    texts = ["hello " * n for n in (0, 1, 124, 125, 126, 127, 128, 509, 510, 511, 600)]
    for max_length in (2, 3, 4, 127, 128, 129, 512):
        assert_same(minilm(), texts, max_length=max_length)


def random_text(rng):
    alphabet = rng.choice([
        "ab c.,!'[]SEP#", "abcdefghij \u0301\u0316\u302e", "the film was [SEP] bad \u00e9\u0130",
        "\u6f22a \u1112\u1161\u11ab\uac00\t\n", None])
    n = int(rng.expovariate(1 / 40))
    if alphabet:
        return "".join(rng.choice(alphabet) for _ in range(n))
    return "".join(rng.choice(CODE_POINTS) for _ in range(n))


def test_random_texts_and_pairs():
    rng = random.Random(1)
    texts = [random_text(rng) for _ in range(4000)]
    pairs = [random_text(rng) for _ in range(4000)]
    assert_same(minilm(), texts)
    assert_same(minilm(), texts, pairs)
    for max_length in (3, 4, 7, 16, 33):
        assert_same(minilm(), texts, pairs, max_length)
        assert_same(minilm(), texts, max_length=max_length)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip", [True, False, None])
@pytest.mark.parametrize("clean,chinese", [(True, False), (False, True)])
def test_normaliser_flags(tmp_path, lowercase, strip, clean, chinese):
    model = variant(tmp_path, lambda j: j["normalizer"].update(
        lowercase=lowercase, strip_accents=strip, clean_text=clean, handle_chinese_chars=chinese))
    rng = random.Random(2)
    assert_same(model, EDGE + [random_text(rng) for _ in range(2000)])
    assert_same(model, [f"a{c}B" for c in CODE_POINTS[:0x30000:7]])


def test_added_tokens(tmp_path):
    def change(j):
        for i, (content, flags) in enumerate([
                ("<x>", {"normalized": False}), ("<x>y", {"normalized": False, "lstrip": True}),
                ("[New]", {"normalized": True}), ("\u00c9t\u00e9", {"normalized": True}),
                ("<r>", {"normalized": False, "rstrip": True}),
                ("two words", {"normalized": True, "lstrip": True, "rstrip": True})]):
            j["added_tokens"].append({"id": 30522 + i, "content": content, "single_word": False,
                                      "lstrip": False, "rstrip": False, "special": False} | flags)
    model = variant(tmp_path, change)
    texts = ["<x>", "a<x>yb", "a  <x>y b", "[new] [NEW] [New]", "\u00e9t\u00e9 ete \u00c9T\u00c9",
             "a<r>  b", "a \u3000two  words", "a \u3000 two words \t b", "two\nwords", "<x<x>>"]
    rng = random.Random(3)
    pieces = texts + [" ", "a", "\u00a0", "[SEP]", "\u0301"]
    texts += ["".join(rng.choice(pieces) for _ in range(rng.randrange(8))) for _ in range(5000)]
    assert_same(model, texts)


def test_small_vocabulary_and_unknown_words(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "ab", "##b", "##bc", "##c", "abcd",
             "\u00e9", "##\u00e9", "b"]

    def change(j):
        j["model"]["vocab"] = {w: i for i, w in enumerate(words)}
        j["model"]["max_input_chars_per_word"] = 6
        for t in j["added_tokens"]:
            t["id"] = words.index(t["content"])
        j["normalizer"]["strip_accents"] = False
        special = j["post_processor"]["special_tokens"]
        for name in ("[CLS]", "[SEP]"):
            special[name]["ids"] = [words.index(name)]
    model = variant(tmp_path, change)
    rng = random.Random(4)
    assert_same(model, ["".join(rng.choice("abcd\u00e9 ") for _ in range(12))
                        for _ in range(5000)])


def test_vocab_txt_alone_gives_the_same_ids(tmp_path):
    shutil.copy(minilm() / "vocab.txt", tmp_path)
    texts = EDGE + [text for text, _ in reviews()[:200]]
    assert encode(tmp_path, texts) == encode(minilm(), texts)


CONFIGS = [
    None, {}, {"do_lower_case": False}, {"do_lower_case": True, "strip_accents": False},
    {"tokenizer_class": "BertTokenizer", "tokenize_chinese_chars": False,
     "model_max_length": 1000000000000000019884624838656},
    {"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "strip_accents": True},
    {"tokenizer_class": "DistilBertTokenizer"}, {"tokenizer_class": "PreTrainedTokenizerFast"},
    {"tokenizer_class": "ElectraTokenizer"}, {"tokenizer_class": "ElectraTokenizerFast"},
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("model_type", ["bert", "distilbert", "electra", None])
@pytest.mark.parametrize("lowercase", [False, "no tokenizer.json"])
def test_the_same_class_and_flags_as_autotokenizer(tmp_path, config, model_type, lowercase):
    from transformers import AutoTokenizer
    shutil.copy(minilm() / "vocab.txt", tmp_path)
    if isinstance(lowercase, bool):
        variant(tmp_path, lambda j: j["normalizer"].update(lowercase=lowercase))
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    try:
        tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    except ValueError:  # a vocab.txt without a class to read it
        assert lowercase == "no tokenizer.json"
        return
    assert [o[0] for o in encode(tmp_path, EDGE)] == tokenizer(EDGE)["input_ids"]


def test_invalid_utf8_counts_as_nothing():
    texts = [b"good \xff\xfe film", b"ab\xc3", b"\xe2\x82 a", b"a\xed\xa0\x80b",
             b"\xf4\x90\x80\x80"]
    clean = [t.decode("utf-8", "replace") for t in texts]
    assert [o[0] for o in encode(minilm(), texts)] == \
        [e.ids for e in theirs(minilm()).encode_batch(clean)]


@pytest.mark.parametrize("change,words", [
    (lambda j: j["model"].update(type="BPE"), "only WordPiece"),
    (lambda j: j.update(normalizer={"type": "NFC"}), "BertNormalizer"),
    (lambda j: j["model"].update(vocab={}), "no model.vocab"),
    (lambda j: j["model"]["vocab"].update(hello=-3), "'hello'"),
    (lambda j: j["added_tokens"][0].update(single_word=True), "single_word"),
    (lambda j: j["post_processor"]["single"].pop(), "template"),
])
def test_unusable_tokenizers_are_refused(tmp_path, change, words):
    model = variant(tmp_path, change)
    with pytest.raises(RuntimeError, match=words):
        encode(model, ["a"])


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(RuntimeError, match="neither tokenizer.json nor vocab.txt"):
        encode(tmp_path, ["a"])
    (tmp_path / "tokenizer.json").write_text('{"model": ')
    with pytest.raises(RuntimeError, match="not valid JSON"):
        encode(tmp_path, ["a"])


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "tokenizer_config.json",
                                  "special_tokens_map.json", "added_tokens.json"])
def test_a_pointer_of_git_lfs_is_named(tmp_path, name):
    """It was "not valid JSON"; three lines of a vocab.txt were three words."""
    model = variant(tmp_path, lambda j: None)
    if name == "vocab.txt":
        (model / "tokenizer.json").unlink()
    (model / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n")
    with pytest.raises(RuntimeError, match=f"{name} is a pointer of Git LFS.*git lfs pull"):
        encode(model, ["a"])
