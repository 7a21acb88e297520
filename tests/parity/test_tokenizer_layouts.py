# SPDX-License-Identifier: MIT
"""Settings of a tokenizer outside of tokenizer.json: the same ids as AutoTokenizer, or a refusal
that names the file. Layouts are named ones, and many that are made at random."""
import gzip
import json
import pathlib
import random
import re

import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from texts import encode, facts

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "i", "like", "user", "##s", "[", "]", "<",
         ">", "film", "the", "##r", "u", "##se", "m", "##ask", "x", "y", "##y", "##x", "e", "te",
         "##te", "a", "##a", "two", "word", "##word", "\u00e9t\u00e9", "ete", "!", "token", "url",
         "[url]"]
SPECIAL = ["[USER]", "[URL]", "<x>", "<x>y", "two word", "[MASK]", "[SEP]", "user", "\u00c9t\u00e9",
           "[url]", "mask", "i", " film", "m s", "!", "<m>", "film"]
NAMED = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]
SAVED_BY_4 = pathlib.Path(__file__).with_name("saved_by_transformers_4.json.gz")
REFUSAL = re.compile(r"/(\w+\.json|vocab\.txt): .*train the model with a script")


def text(rng):
    pieces = SPECIAL + WORDS[5:] + [" ", "  ", "\u3000", "", "\t", "ETE", "[user]", "[Mask]", "S"]
    return "".join(rng.choice(pieces) + rng.choice(["", " ", "  "])
                   for _ in range(rng.randrange(1, 9)))


TEXTS = ["", "i [USER] like", "i like [MASK]  film", "[USER][URL]", "<x>y <x> y", "two  word",
         "two word film", "\u00e9t\u00e9 \u00c9t\u00e9 ETE", "user users [user]", "mask [MASK] m s",
         "[url] [URL]", "x  [SEP] \u3000y", "  film  film", "!  !"]
TEXTS += [text(random.Random(seed)) for seed in range(60)]


def tokenizer_json(added=(), template=True, unk="[UNK]", **normalizer):
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token=unk))
    t.normalizer = normalizers.BertNormalizer(**normalizer)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if template:
        t.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    for token in added:
        t.add_tokens([token])
    return json.loads(t.to_str())


VOCAB = "".join(w + "\n" for w in WORDS)
BERT = {"model_type": "bert", "vocab_size": 60}
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}


def write(folder, files):
    for name, content in files.items():
        data = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(data, encoding="utf-8")
    return folder


def theirs(folder):
    """Ids of TEXTS, or None: AutoTokenizer itself fails."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return tokenizer(TEXTS)["input_ids"], tokenizer
    except Exception:  # whatever it is: there are no ids to compare with
        return None, None


def ours(folder):
    """Ids of TEXTS, or the refusal."""
    try:
        return [o[0] for o in encode(folder, TEXTS)], None
    except RuntimeError as e:
        return None, str(e)


LAYOUTS = {
    "additional_special_tokens": {
        "tokenizer_config.json": {"additional_special_tokens": ["[USER]"]}},
    "extra_special_tokens": {"tokenizer_config.json": {"extra_special_tokens": ["[USER]", "<x>"]}},
    "extra_special_tokens, named": {
        "tokenizer_config.json": {"extra_special_tokens": {"image_token": "[USER]"}}},
    "a name of the model's own": {"tokenizer_config.json": {"image_token": "[USER]"}},
    "added_tokens.json": {"added_tokens.json": {"[USER]": 39, "<x>": 38}},
    "added_tokens.json and its name": {
        "added_tokens.json": {"[USER]": 38},
        "special_tokens_map.json": {"additional_special_tokens": ["[USER]"]}},
    "special_tokens_map.json": {
        "special_tokens_map.json": {"additional_special_tokens": ["[USER]"]}},
    "special_tokens_map.json, lstrip": {
        "special_tokens_map.json": {"mask_token": {"content": "<m>", **FLAGS, "lstrip": True}}},
    "special_tokens_map.json, extra": {
        "special_tokens_map.json": {"extra_special_tokens": [{"content": "<x>", **FLAGS}]}},
    "mask_token": {"tokenizer_config.json": {"mask_token": "<m>"}},
    "mask_token, typed": {"tokenizer_config.json": {
        "mask_token": {"__type": "AddedToken", "content": "<m>", **FLAGS, "lstrip": True}}},
    "mask_token, none": {"tokenizer_config.json": {"mask_token": None}},
    "cls and sep": {"tokenizer_config.json": {"cls_token": "<x>", "sep_token": "!"}},
    "added_tokens_decoder": {"tokenizer_config.json": {"added_tokens_decoder": {
        str(i): {"content": w, **FLAGS, "special": True}
        for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])} | {
            "38": {"content": "[USER]", **FLAGS, "rstrip": True, "special": False}}}},
    "added_tokens_decoder with other ids": {"tokenizer_config.json": {"added_tokens_decoder": {
        "50": {"content": "[USER]", **FLAGS, "special": True},
        "45": {"content": "<x>", **FLAGS, "normalized": True, "special": False}}}},
    "do_lower_case": {"tokenizer_config.json": {"do_lower_case": False, "strip_accents": True}},
}
READ = ["vocab.txt", "tokenizer.json", "PreTrainedTokenizerFast"]


def layout(base, files):
    files = {"config.json": BERT} | files
    if base == "vocab.txt":
        return {"vocab.txt": VOCAB} | files
    if base != "tokenizer.json":
        files = files | {"tokenizer_config.json": files.get("tokenizer_config.json", {})
                         | {"tokenizer_class": base}}
    special = [AddedToken(w, special=True) for w in WORDS[:5]]
    return {"tokenizer.json": tokenizer_json(special)} | files


@pytest.mark.parametrize("base", READ)
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_settings_of_each_file_count(tmp_path, base, name):
    folder = write(tmp_path, layout(base, LAYOUTS[name]))
    expected, _ = theirs(folder)
    assert expected
    ids, refusal = ours(folder)
    if refusal:  # transformers 4 and 5 differ: see load_json.c and load_special.c
        assert REFUSAL.search(refusal), refusal
        assert (base, name) == ("tokenizer.json", "cls and sep") or name.startswith("a name")
    else:
        assert ids == expected


def test_the_class_of_another_family_decides_not_the_type_of_the_model(tmp_path):
    folder = write(tmp_path, layout("vocab.txt", {
        "tokenizer_config.json": {"tokenizer_class": "MPNetTokenizerFast"}}))
    expected, tokenizer = theirs(folder)
    assert expected[1][0] == tokenizer.convert_tokens_to_ids("<s>")
    assert ours(folder) == (expected, None)


@pytest.mark.parametrize("files,words", [
    ({"tokenizer_config.json": {"tokenizer_class": "BertJapaneseTokenizer"}},
     "tokenizer_config.json: tokenizer_class is 'BertJapaneseTokenizer'"),
    ({"tokenizer_config.json": {"tokenizer_class": "BartTokenizer"}}, "'BartTokenizer'"),
    ({"tokenizer_config.json": {"tokenizer_class": "DebertaV2TokenizerFast"}},
     "'DebertaV2TokenizerFast'"),
    ({"tokenizer_config.json": {"tokenizer_class": "MyTokenizer"}}, "'MyTokenizer'"),
    ({"tokenizer_config.json": {"tokenizer_class": ["BertTokenizer"]}},
     "tokenizer_class is a list"),
    ({"config.json": BERT | {"tokenizer_class": "XLMRobertaTokenizer"}},
     "/config.json: tokenizer_class is 'XLMRobertaTokenizer'"),
    ({"config.json": {"model_type": "albert"}}, "/config.json: model_type is 'albert'"),
    ({"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["tokenizer.Mine", None]}}},
     "tokenizer_config.json: auto_map"),
    ({"tokenizer_config.json": {"auto_map": ["tokenizer.Mine", None]}}, "auto_map"),
    ({"tokenizer_config.json": {"split_special_tokens": True}}, "split_special_tokens is set"),
    ({"tokenizer_config.json": {"fast_tokenizer_files": ["tokenizer.4.json"]}},
     "fast_tokenizer_files is set"),
    ({"tokenizer_config.json": {"truncation_side": "left"}}, "truncation_side is 'left'"),
    ({"tokenizer_config.json": {"model_max_length": -1}}, "model_max_length"),
    ({"tokenizer_config.json": {"do_lower_case": "no"}}, "do_lower_case is a string"),
    ({"tokenizer_config.json": {"cls_token": None}}, "cls_token is null"),
    ({"tokenizer_config.json": {"mask_token": {"content": "<m>"}}}, "mask_token is an object"),
    ({"tokenizer_config.json": {"extra_special_tokens": "[USER]"}},
     "extra_special_tokens is a string"),
    ({"special_tokens_map.json": {"mask_token": ["<m>"]}}, "special_tokens_map.json: mask_token"),
    ({"special_tokens_map.json": {"additional_special_tokens": [{"content": "[USER]"}]}},
     "special_tokens_map.json: additional_special_tokens is an object"),
    ({"added_tokens.json": {"[USER]": "38"}}, "added_tokens.json: the id of '\\[USER\\]'"),
    ({"tokenizer.model": "spm"}, "tokenizer.model: there is such a file"),
    ({"tokenizer_config.json": {"image_token": "[USER]"}},
     "tokenizer_config.json: image_token is '\\[USER\\]', which transformers 5 adds"),
    ({"special_tokens_map.json": {"own_token": "film"}}, "special_tokens_map.json: own_token"),
    ({"tokenizer_config.json": {"added_tokens_decoder": {
        "20": {"content": "[SEP]", **FLAGS, "special": True}}}},
     "tokenizer_config.json: the file gives sep_token the id 20, but the vocabulary gives it 3"),
])
def test_what_would_give_other_ids_is_refused(tmp_path, files, words):
    folder = write(tmp_path, layout("vocab.txt", files))
    assert re.search(words, ours(folder)[1])


@pytest.mark.parametrize("change,words", [
    (lambda j: j.update(truncation={"direction": "Left", "max_length": 8, "stride": 0,
                                    "strategy": "LongestFirst"}), "truncation/direction is 'Left'"),
    (lambda j: j["model"].update(max_input_chars_per_word=7), "max_input_chars_per_word is 7"),
    (lambda j: j["model"].update(continuing_subword_prefix="@@"), "continuing_subword_prefix"),
    (lambda j: j["model"].update(unk_token="<"), "model/unk_token is '<'"),
    (lambda j: j["normalizer"].update(clean_text=False), "clean_text"),
    (lambda j: j.pop("added_tokens"), "no added_tokens"),
    (lambda j: j["post_processor"]["special_tokens"]["[CLS]"].update(ids=[9]),
     "tokenizer.json: the file gives cls_token the id 9, but the vocabulary gives it 2"),
])
def test_a_file_that_bert_tokenizer_reads_otherwise_is_refused(tmp_path, change, words):
    j = tokenizer_json()
    change(j)
    folder = write(tmp_path, {"tokenizer.json": j, "config.json": BERT})
    assert re.search(words, ours(folder)[1])


def random_flags(rng, content, special=None):
    return {"content": content, "single_word": rng.random() < 0.05, "lstrip": rng.random() < 0.3,
            "rstrip": rng.random() < 0.3, "normalized": rng.random() < 0.4} | (
                {} if special is None else {"special": special})


def random_value(rng):
    content = rng.choice(SPECIAL)
    typed = {"__type": "AddedToken"} | random_flags(rng, content, True)
    return rng.choice([content, content, typed])


def random_config(rng):
    config = {}
    if rng.random() < 0.6:
        config["tokenizer_class"] = rng.choice(["BertTokenizer", "BertTokenizerFast",
                                                "DistilBertTokenizer", "PreTrainedTokenizerFast",
                                                "ElectraTokenizer"])
    for key in NAMED:
        if rng.random() < 0.15:
            config[key] = None if rng.random() < 0.1 else random_value(rng)
    for key, value in {
            "additional_special_tokens": [random_value(rng) for _ in range(rng.randrange(3))],
            "extra_special_tokens": rng.choice([
                None, [], [random_value(rng)], {"image_token": rng.choice(SPECIAL)}]),
            "video_token": random_value(rng), "do_lower_case": rng.random() < 0.5,
            "strip_accents": rng.choice([None, True, False]), "model_max_length": 16,
            "added_tokens_decoder": {
                str(rng.randrange(60)): random_flags(rng, rng.choice(SPECIAL), rng.random() < 0.5)
                for _ in range(rng.randrange(4))}}.items():
        if rng.random() < 0.25:
            config[key] = value
    return config


def random_special_map(rng):
    special = {key: rng.choice([rng.choice(SPECIAL), random_flags(rng, rng.choice(SPECIAL))])
               for key in NAMED + ["own_token"] if rng.random() < 0.25}
    if rng.random() < 0.4:
        special["additional_special_tokens"] = rng.sample(SPECIAL, 2)
    if rng.random() < 0.3:
        special["extra_special_tokens"] = rng.choice([
            rng.sample(SPECIAL, 1), {"own": "[URL]"}, [random_flags(rng, rng.choice(SPECIAL))]])
    return special


def random_layout(rng):
    files = {"config.json": {"model_type": rng.choice(["bert", "distilbert", "electra"])}}
    if rng.random() < 0.6:
        added = [AddedToken(**random_flags(rng, rng.choice(SPECIAL), rng.random() < 0.5))
                 for _ in range(rng.randrange(4))]
        specials = [AddedToken(w, special=True) for w in WORDS[:5] if rng.random() < 0.9]
        files["tokenizer.json"] = tokenizer_json(specials + added, lowercase=rng.random() < 0.5)
        for token in files["tokenizer.json"]["added_tokens"]:
            if rng.random() < 0.1:  # ids of the file are not what decides
                token["id"] = rng.randrange(60)
    else:
        files["vocab.txt"] = VOCAB
    if rng.random() < 0.7:
        files["tokenizer_config.json"] = random_config(rng)
    if rng.random() < 0.4:
        files["special_tokens_map.json"] = random_special_map(rng)
    if rng.random() < 0.4:
        files["added_tokens.json"] = {w: rng.randrange(60) for w in rng.sample(SPECIAL, 2)}
    return files


def assert_same_facts(folder, tokenizer):
    found = facts(folder)
    assert found["vocab_size"] == max(tokenizer.get_vocab().values()) + 1
    assert found["model_max_length"] == (tokenizer.model_max_length
                                         if tokenizer.model_max_length < 1e9 else 0)


def test_random_layouts(tmp_path):
    same = refused = failed = 0
    for seed in range(700):
        folder = tmp_path / str(seed)
        folder.mkdir()
        files = random_layout(random.Random(seed))
        write(folder, files)
        expected, tokenizer = theirs(folder)
        ids, refusal = ours(folder)
        failed += expected is None
        refused += refusal is not None
        assert refusal or expected, files
        if refusal:
            assert REFUSAL.search(refusal), refusal
            continue
        wrong = [(t, o, e) for t, o, e in zip(TEXTS, ids, expected) if o != e]
        assert not wrong, (seed, wrong[0], files)
        assert_same_facts(folder, tokenizer)
        same += 1
    assert same > 300 and refused - failed < 250, (same, refused, failed)


def test_directories_that_transformers_4_has_saved(tmp_path):
    """Its AutoTokenizer's ids (capture_transformers_4.py), or a refusal where 5 gives others."""
    captured = json.loads(gzip.decompress(SAVED_BY_4.read_bytes()))
    same = 0
    for number, one in enumerate(captured["saved"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, one["files"])
        try:
            ids = [o[0] for o in encode(folder, captured["texts"])]
        except RuntimeError as e:
            assert REFUSAL.search(str(e)), e
            continue
        wrong = [(t, o, e) for t, o, e in zip(captured["texts"], ids, one["ids"]) if o != e]
        assert not wrong, (one["name"], wrong[0])
        same += 1
    assert same > 120 and len(captured["saved"]) - same < 60, (same, len(captured["saved"]))
