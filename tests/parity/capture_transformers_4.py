#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Model directories that transformers 4 has saved, and the ids that its AutoTokenizer gives there,
as saved_by_transformers_4.json.gz beside this file. Run it in a virtual environment of its own:

  python3 -m venv V && V/bin/pip install transformers==4.57.6 pytest
  V/bin/python tests/parity/capture_transformers_4.py [OUT.json.gz]
"""
import gzip
import json
import pathlib
import random
import sys
import tempfile

import transformers
from transformers import AutoTokenizer

import test_tokenizer_layouts as layouts

RANDOM = 120


def all_layouts():
    for base in layouts.READ:
        for name, files in layouts.LAYOUTS.items():
            yield f"{base}, {name}", layouts.layout(base, files)
    for seed in range(RANDOM):
        yield f"random {seed}", layouts.random_layout(random.Random(seed))


def saved(files, use_fast):
    """(files, ids) of the directory after transformers 4 has saved it; None: it cannot read it."""
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as after:
        try:
            folder = layouts.write(pathlib.Path(before), files)
            AutoTokenizer.from_pretrained(folder, use_fast=use_fast).save_pretrained(after)
            layouts.write(pathlib.Path(after), {"config.json": files["config.json"]})
            ids = AutoTokenizer.from_pretrained(after)(layouts.TEXTS)["input_ids"]
        except Exception:  # whatever it is: there are no ids
            return None
        return {f.name: f.read_text(encoding="utf-8") for f in pathlib.Path(after).iterdir()}, ids


def main():
    beside = pathlib.Path(__file__).with_name("saved_by_transformers_4.json.gz")
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else beside
    found = []
    for name, files in all_layouts():
        for kind, use_fast in (("fast", True), ("slow", False)):
            if not use_fast and "vocab.txt" not in files:
                continue
            one = saved(files, use_fast)
            if one:
                found.append({"name": f"{name}, {kind}", "files": one[0], "ids": one[1]})
    text = json.dumps({"version": transformers.__version__, "texts": layouts.TEXTS,
                       "saved": found})
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(found)} directories")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    main()
