# SPDX-License-Identifier: MIT
"""Our ids, type ids and truncation beside those of the installed `tokenizers`."""
from tokenizers import Tokenizer

from texts import encode

SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = [chr(c) for c in range(0x110000) if c not in SURROGATES]


def theirs(model, max_length=0):
    t = Tokenizer.from_file(str(model / "tokenizer.json"))
    t.no_padding()
    t.no_truncation()
    if max_length:
        t.enable_truncation(max_length, strategy="longest_first")
    return t


def lines_of(words, n=64):
    """Texts of n words: a text costs far more than a word, and no word changes its neighbours."""
    return [" ".join(words[at:at + n]) for at in range(0, len(words), n)]


def assert_same(model, texts, pairs=None, max_length=0):
    ours = encode(model, texts, pairs, max_length)
    inputs = list(zip(texts, pairs)) if pairs else texts
    expected = theirs(model, max_length).encode_batch_fast(inputs)
    wrong = [(inputs[i], o[0], e.ids) for i, (o, e) in enumerate(zip(ours, expected))
             if o[0] != e.ids or o[1] != e.type_ids or o[2] != bool(e.overflowing)]
    assert not wrong, f"{len(wrong)} of {len(texts)} differ, the first: {wrong[0]!r}"
