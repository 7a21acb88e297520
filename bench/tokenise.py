#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""WordPiece: our tokeniser beside Hugging Face `tokenizers`, and a whole preprocess job beside
`datasets`. Same reviews, same machine, all cores, same ids (checked); each figure is the best of
three runs, the two sides taking turns."""
import csv
import gzip
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))

from side import report  # noqa: E402
from execution import Execution  # noqa: E402
from texts import REVIEWS, encode, minilm, reviews, run_tokenise, write_texts  # noqa: E402

REPEAT = 4  # times the 3,180 reviews
RUNS = 3


def cpu_seconds():
    """Of this process with its threads, and of its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def best(*sides):
    """[(seconds, cpu seconds, result)] of the fastest run of each side, the sides taking turns.
    A side returns (seconds, result)."""
    runs = [[] for _ in sides]
    for _ in range(RUNS):
        for kept, side in zip(runs, sides):
            before = cpu_seconds()
            seconds, result = side()
            kept.append((seconds, cpu_seconds() - before, result))
    return [(min(k[0] for k in kept), min(k[1] for k in kept), kept[-1][2]) for kept in runs]


def timed(call):
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def row(what, rows, ours, theirs, peer):
    return {"what": what, "ours rows/s": round(rows / ours[0]),
            "peer rows/s": round(rows / theirs[0]), "ratio": round(theirs[0] / ours[0], 1),
            "cpu ratio": round(theirs[1] / ours[1], 1), "peer": peer}


def tokenise(texts, max_length, folder):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(minilm() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    write_texts(folder / "in", texts)

    def run_ours():
        done = run_tokenise(minilm(), max_length, os.cpu_count(), folder / "in", folder / "out")
        return done["encode_s"], None
    ours, theirs = best(run_ours, lambda: timed(lambda: tokenizer.encode_batch_fast(texts)))
    ids = [ids for ids, _, _ in encode(minilm(), texts, None, max_length)]
    assert [e.ids for e in theirs[2]] == ids
    return row(f"tokenise to {max_length}", len(texts), ours, theirs,
               "tokenizers encode_batch_fast")


def preprocess_ours(folder, run):
    spec = {"model": str(minilm()), "max_length": 128, "dataset": {
        "path": str(REVIEWS), "text_column": "review", "label_column": "sentiment",
        "labels": ["negative", "positive"], "train_rows": 2500, "test_rows": 680}}
    x = Execution(folder / f"ours{run}", "preprocess", spec, os.cpu_count())
    seconds, _ = timed(x.run)
    assert x.result["train_rows"] == 2500
    return seconds, None


def preprocess_theirs(folder, run):
    """What the notebook does, from the same file; importing the libraries is not counted."""
    import datasets
    from transformers import AutoTokenizer
    datasets.disable_progress_bars()

    def work():
        tokenizer = AutoTokenizer.from_pretrained(minilm())
        with gzip.open(REVIEWS, "rt", encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        d = datasets.Dataset.from_list(rows).rename_column("sentiment", "labels")
        d = d.class_encode_column("labels").train_test_split(680, 2500, seed=42)
        d = d.map(lambda b: tokenizer(b["review"], truncation=True, max_length=128), batched=True)
        d.set_format("torch", columns=["input_ids", "attention_mask", "labels"])
        d.save_to_disk(str(folder / f"theirs{run}"))
    return timed(work)


def preprocess(folder):
    runs = iter(range(1000))
    ours, theirs = best(lambda: preprocess_ours(folder, next(runs)),
                        lambda: preprocess_theirs(folder, next(runs)))
    return row("a preprocess job, 128 tokens", 3180, ours, theirs, "datasets map, save_to_disk")


def main():
    texts = [text for text, _ in reviews()] * REPEAT
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        rows = [tokenise(texts, 128, folder), tokenise(texts, 512, folder), preprocess(folder)]
    report("tokenise", "texts to token ids, all cores", list(rows[0]), rows, [
        "ids are equal on every row; tokenizers returns Python objects, ours a file of ids",
        "cpu ratio: processor time; ours with starting, reading and writing files",
        "the job: ours with the start of the process, the peer without its imports"])


main()
