# SPDX-License-Identifier: MIT
"""Our byte-level BPE against the installed `tokenizers` and AutoTokenizer: the same ids, type ids
and truncation, from tokenizer.json and from vocab.json with merges.txt."""
import json
import random
import shutil

import pytest
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, RobertaTokenizer

from texts import encode, reviews, write_texts, run_tokenise
from tokenizing import CODE_POINTS, assert_same, theirs

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CONFIG = {"model_type": "roberta", "vocab_size": 6000, "max_position_embeddings": 514}


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """vocab.json and merges.txt as a model of 2019 has them, learnt from real reviews."""
    folder = tmp_path_factory.mktemp("files")
    trained = ByteLevelBPETokenizer()
    other = ["\u00e9t\u00e9 \u6f22\u5b57 \ud55c\uae00 \U0001f468\u200d\U0001f469 caf\u00e9"] * 9
    trained.train_from_iterator([text for text, _ in reviews()[:700]] + other, vocab_size=6000,
                                min_frequency=2, special_tokens=SPECIAL, show_progress=False)
    trained.save_model(str(folder))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def saved(files, folder, **settings):
    """The folder that save_pretrained writes, with tokenizer.json."""
    RobertaTokenizer.from_pretrained(files, **settings).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


@pytest.fixture(scope="session")
def model(files, tmp_path_factory):
    return saved(files, tmp_path_factory.mktemp("model"), model_max_length=512)


@pytest.mark.parametrize("max_length", [0, 512, 128])
def test_all_reviews(model, max_length):
    assert_same(model, [text for text, _ in reviews()], max_length=max_length)


def test_every_code_point(model):
    """Beside a letter, a number, another character and spaces: each class shows. Of the planes
    without characters one of 16 is enough."""
    frames = [f"a{c}1{c}! {c}{c} \n{c}\n" for c in CODE_POINTS
              if not 0x40000 <= ord(c) < 0xE0000 and ord(c) < 0xE1000 or ord(c) % 16 == 0]
    assert_same(model, ["".join(frames[at:at + 32]) for at in range(0, len(frames), 32)])


EDGE = [
    "", " ", "  ", "a", " a", "a ", " a ", "\n", "\n\n", "a\n", "a\n\nb", "a \n b", "a  b", "a   b",
    " \u3000a", "\u3000 a", "\t a", "a\u00a0b", "a\u2028b", "a\x85b", "a\x1cb", "a\u200bb",
    "a\u180eb", "it's", "it'S", "don't", "I'll've", "'s", " 's", "''s", "'re'", "'r", "'v", "'",
    "x'd", "'lla", "1's", "!'m", "12ab", "a1b2", "a1 b2", "\u00bd\u2460\u0663", "!?", " !?", "a!b",
    "\u00e9", "e\u0301", "a\u0301b", "\u6f22\u5b57", "\ud55c\uae00", "\U0001f468\u200d\U0001f469",
    "<s>", "</s>", "<mask>", "a <mask> b", "a  <mask>", "<mask>a", "<pad>", "<unk>", "<s", "s>",
    "<s><s>", "a</s>b", "<MASK>", "\x00", "a\x00b", "\ufffd", "\U0010ffff", "x" * 40, "ab" * 300,
    "\u0130", "\u01c5", "\u2163", "\u1c89\u1c8a", "\U00010d40", "\U0002ebf0", "\U00016ea0",
]


def test_edge_cases(model):
    assert_same(model, EDGE)
    assert_same(model, [a + b for a in EDGE for b in EDGE])


def random_text(rng):
    alphabet = rng.choice([
        "ab c.,!'stremvdl1 ", "abcdefghij  \n\t\u3000", "the film was bad's \u00e9\u0130",
        "\u6f22a \u1112\u1161\u11ab\uac00\t\n1\u0663",
        ["<s>", "</s>", "<mask>", " ", "a", "<", ">"], None])
    n = int(rng.expovariate(1 / 40))
    if alphabet:
        return "".join(rng.choice(alphabet) for _ in range(n))
    return "".join(rng.choice(CODE_POINTS) for _ in range(n))


def test_random_texts_and_pairs(model):
    rng = random.Random(1)
    texts = [random_text(rng) for _ in range(4000)]
    pairs = [random_text(rng) for _ in range(4000)]
    assert_same(model, texts)
    assert_same(model, texts, pairs)
    for max_length in (2, 3, 16, 33):
        assert_same(model, texts, max_length=max_length)
    for max_length in (4, 5, 7, 33):  # `tokenizers` makes all pairs of what it cuts off
        few = [i for i in range(600) if len(texts[i]) + len(pairs[i]) < 40]
        assert_same(model, [texts[i] for i in few], [pairs[i] for i in few], max_length)


def test_a_prefix_space_goes_before_each_part(files, tmp_path):
    model = saved(files, tmp_path, add_prefix_space=True)
    rng = random.Random(2)
    assert_same(model, EDGE + [a + b for a in EDGE for b in EDGE])
    assert_same(model, [random_text(rng) for _ in range(2000)])


def test_a_word_of_a_megabyte(model):
    """Its merges take n log n steps: with n * n this test would not end."""
    rng = random.Random(3)
    assert_same(model, ["a" * 1_000_000, "".join(rng.choice("abcdest") for _ in range(1_000_000))])


def test_the_cache_of_words_holds_no_other_words(model):
    """Many more words than it has slots, with the longest that it keeps and one byte more."""
    rng = random.Random(4)
    words = ["".join(rng.choice("abcdefghi") for _ in range(rng.choice([3, 4, 5, 29, 30, 31])))
             for _ in range(60_000)]
    assert_same(model, [" ".join(rng.choice(words) for _ in range(200)) for _ in range(1000)])


@pytest.mark.parametrize("settings", [
    {}, {"add_prefix_space": True}, {"tokenizer_class": "RobertaTokenizerFast"},
    {"mask_token": "<m>"}, {"model_max_length": 64}, {"extra_special_tokens": ["<url>"]},
    {"cls_token": "<pad>"}, {"unk_token": None}, {"pad_token": None},
    {"model_input_names": ["input_ids", "token_type_ids"]}])
@pytest.mark.parametrize("source", ["tokenizer.json", "vocab.json"])
def test_the_same_ids_as_autotokenizer(files, model, tmp_path, settings, source):
    for path in (model if source == "tokenizer.json" else files).iterdir():
        shutil.copy(path, tmp_path)
    config = {"tokenizer_class": "RobertaTokenizer"} if source == "tokenizer.json" else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | settings))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    texts = EDGE + ["a <m> b", "see <url>now", "<url> <url>"]
    try:
        ours = encode(tmp_path, texts)
    except RuntimeError as e:  # transformers 4 would take the template of the file
        assert "cls_token" in settings and source == "tokenizer.json"
        assert "gives cls_token the id" in str(e)
        return
    assert [o[0] for o in ours] == tokenizer(texts)["input_ids"]
    pairs = tokenizer(texts, texts[::-1], truncation="longest_first", max_length=9)
    ours = encode(tmp_path, texts, texts[::-1], 9)
    assert [o[0] for o in ours] == pairs["input_ids"]
    if "token_type_ids" in pairs:
        assert [o[1] for o in ours] == pairs["token_type_ids"]


def test_a_mask_takes_the_space_before_it(files, tmp_path):
    """As tokenizer.json of transformers 4 says; in vocab.json and merges.txt nothing says so."""
    from tokenizers import AddedToken
    mask = AddedToken("<mask>", lstrip=True, special=True)
    model = saved(files, tmp_path, mask_token=mask)
    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = ["a  <mask> b", " <mask>", "<mask> <mask>"]
    assert [o[0] for o in encode(model, texts)] == tokenizer(texts)["input_ids"]
    assert len(encode(model, texts)[1][0]) == 3


def test_invalid_utf8_counts_as_the_replacement_character(model):
    texts = [b"good \xff\xfe film", b"ab\xc3", b"\xe2\x82 a", b"a\xed\xa0\x80b", b"\xff" * 40,
             b"\xf4\x90\x80\x80", b" \xff", b"a\xff\xc3\xa9"]
    clean = [t.decode("utf-8", "replace") for t in texts]
    assert [o[0] for o in encode(model, texts)] == \
        [e.ids for e in theirs(model).encode_batch(clean)]


def test_threads_give_the_same_ids(model, tmp_path):
    write_texts(tmp_path / "in", [text for text, _ in reviews()[:500]])
    for threads in (1, 4):
        run_tokenise(model, 0, threads, tmp_path / "in", tmp_path / f"out{threads}")
    assert (tmp_path / "out1").read_bytes() == (tmp_path / "out4").read_bytes()


def changed(model, tmp_path, change):
    j = json.loads((model / "tokenizer.json").read_text())
    change(j)
    for path in model.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(j))
    return tmp_path


UNIGRAM = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}


@pytest.mark.parametrize("change, words", [
    (lambda j: j.update(model=UNIGRAM), "model/type is 'Unigram'; RobertaTokenizer takes BPE"),
    (lambda j: j["model"].update(dropout=0.1), "model/dropout is set"),
    (lambda j: j["model"].update(end_of_word_suffix="</w>"), "model/end_of_word_suffix is set"),
    (lambda j: j["model"].update(continuing_subword_prefix="##"), "continuing_subword_prefix"),
    (lambda j: j["model"].update(byte_fallback=True), "model/byte_fallback is set"),
    (lambda j: j["model"].update(ignore_merges=True), "model/ignore_merges is set"),
    (lambda j: j.update(normalizer={"type": "NFC"}), "normalizer is 'NFC'"),
    (lambda j: j.update(pre_tokenizer={"type": "Metaspace"}), "pre_tokenizer is 'Metaspace'"),
    (lambda j: j["pre_tokenizer"].update(use_regex=False), "pre_tokenizer/use_regex is false"),
    (lambda j: j.update(post_processor={"type": "ByteLevel"}), "post_processor is 'ByteLevel'"),
    (lambda j: j["model"]["vocab"].pop("\u0100"), "no '\u0100' .byte 0."),
    (lambda j: j["post_processor"].update(sep=["</s>", 77]), "gives sep_token the id 77"),
    (lambda j: j["added_tokens"][0].update(single_word=True), "single_word"),
])
def test_what_would_give_other_ids_is_refused(model, tmp_path, change, words):
    with pytest.raises(RuntimeError, match=rf"/tokenizer.json: .*{words}.*with a script"):
        encode(changed(model, tmp_path, change), ["a"])


@pytest.mark.parametrize("change, words", [
    (lambda j: j["model"].update(merges=None), "no model.merges"),
    (lambda j: j["model"]["merges"].append(["a", "b", "c"]), "is not two pieces"),
    (lambda j: j["model"]["merges"].append("a  b"), "is not two pieces"),
    (lambda j: j["model"]["merges"].append(["a", "nowhere"]), "not in the vocabulary"),
    (lambda j: j["model"]["vocab"].update(a=-1), "the id of 'a'"),
    (lambda j: j["model"].update(vocab={}), "no model.vocab"),
    (lambda j: j.pop("added_tokens"), "no added_tokens"),
])
def test_damaged_tokenizers_are_refused(model, tmp_path, change, words):
    with pytest.raises(RuntimeError, match=words):
        encode(changed(model, tmp_path, change), ["a"])


@pytest.mark.parametrize("name, text, words", [
    ("merges.txt", None, "neither tokenizer.json nor both of vocab.json and merges.txt"),
    ("vocab.json", None, "neither tokenizer.json nor both of vocab.json and merges.txt"),
    ("vocab.json", "{", "vocab.json is not valid JSON"),
    ("vocab.json", "[]", "vocab.json has no vocabulary"),
    ("merges.txt", "#version: 0.2\na b\n\n", "merges.txt: merge 1 is not two pieces"),
    ("merges.txt", "nowhere b\n", "merges.txt: merge 0 has a piece"),
    ("tokenizer_config.json", '{"add_prefix_space": 1}', "add_prefix_space is a number"),
    ("tokenizer_config.json", '{"cls_token": null}', "cls_token is null"),
])
def test_damaged_files_are_refused(files, tmp_path, name, text, words):
    for path in files.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(RuntimeError, match=words):
        encode(tmp_path, ["a"])


def test_old_lines_of_merges(files, model, tmp_path):
    """Windows' line ends, a second line of the version, and merges as "a b" in tokenizer.json."""
    for path in files.iterdir():
        shutil.copy(path, tmp_path)
    merges = (files / "merges.txt").read_text().splitlines()
    (tmp_path / "merges.txt").write_bytes("\r\n".join(merges[:3] + ["#version: x"] + merges[3:])
                                          .encode())
    assert encode(tmp_path, EDGE) == encode(files, EDGE)
    (tmp_path / "old").mkdir()
    old = changed(model, tmp_path / "old", lambda j: j["model"].update(
        merges=[" ".join(m) for m in j["model"]["merges"]]))
    assert encode(old, EDGE) == encode(model, EDGE)
