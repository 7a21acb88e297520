# SPDX-License-Identifier: MIT
"""A tokeniser of MPNet with the real word pieces of a BERT model."""
import json

import transformers

from texts import minilm


def vocabulary():
    """As microsoft/mpnet-base has it: RoBERTa's special tokens around BERT's vocabulary."""
    words = (minilm() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return ["<s>", "<pad>", "</s>", "<unk>", *words, "<mask>"]


def save_vocab(folder):
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "mpnet"}))
    return folder


def save_tokenizer(folder):
    """tokenizer.json and tokenizer_config.json, as transformers writes them."""
    transformers.AutoTokenizer.from_pretrained(save_vocab(folder)).save_pretrained(folder)
    return folder
