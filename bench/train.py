#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Training: ours beside transformers' Trainer, tuned (bf16, rows grouped by length, padded only to
the longest of the batch, fused AdamW), with the same model, rows, dropout, batch size, schedule
and number of steps. The two take turns; each figure is the best of its runs.
--quick: 240 rows and one epoch, twice; else 2,500 rows and two epochs, once, with accuracy."""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))

from side import report  # noqa: E402
from execution import Execution  # noqa: E402
from texts import REVIEWS, minilm  # noqa: E402

MAX_LENGTH = 128
SETTINGS = {"train_batch_size": 16, "eval_batch_size": 64, "warmup_steps": 30,
            "learning_rate": 1e-4, "seed": 42}


def prepare(folder, train_rows, test_rows):
    x = Execution(folder / "prep", "preprocess", {
        "model": str(minilm()), "max_length": MAX_LENGTH, "dataset": {
            "path": str(REVIEWS), "text_column": "review", "label_column": "sentiment",
            "labels": ["negative", "positive"], "train_rows": train_rows, "test_rows": test_rows}},
        os.cpu_count()).run()
    assert x.result["train_rows"] == train_rows
    return {split: str(x.work / "output" / split) for split in ("train", "test")}


def peer(channels, epochs, bf16):
    """Runs in a process of its own; prints one JSON object."""
    import datasets
    import torch
    import transformers
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(os.cpu_count())
    columns = ["input_ids", "token_type_ids", "attention_mask", "labels"]
    train, test = (datasets.load_from_disk(channels[s]).select_columns(columns)
                   for s in ("train", "test"))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(minilm(), num_labels=2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm())
    with tempfile.TemporaryDirectory() as out:
        trainer = transformers.Trainer(
            model=model, processing_class=tokenizer, train_dataset=train, eval_dataset=test,
            compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(1)
                                                          == p.label_ids).mean())},
            args=transformers.TrainingArguments(
                output_dir=out, num_train_epochs=epochs, use_cpu=True, bf16=bf16,
                per_device_train_batch_size=SETTINGS["train_batch_size"],
                per_device_eval_batch_size=SETTINGS["eval_batch_size"],
                warmup_steps=SETTINGS["warmup_steps"], learning_rate=SETTINGS["learning_rate"],
                seed=SETTINGS["seed"], eval_strategy="epoch", save_strategy="no",
                logging_steps=10, report_to="none", disable_tqdm=True,
                train_sampling_strategy="group_by_length"))
        start = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - start
    evaluations = [e for e in trainer.state.log_history if "eval_runtime" in e]
    evaluate = sum(float(e["eval_runtime"]) for e in evaluations)
    print(json.dumps({"train_s": seconds - evaluate, "evaluate_s": evaluate,
                      "accuracy": float(evaluations[-1]["eval_accuracy"])}))


def run_peer(channels, epochs, bf16):
    done = subprocess.run([sys.executable, __file__, "--peer",
                           json.dumps([channels, epochs, bf16])],
                          env={"GOMP_SPINCOUNT": "20000", **os.environ},  # as our worker has it
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads([line for line in done.stdout.splitlines() if '"train_s"' in line][-1])


def run_ours(folder, channels, epochs, bf16):
    x = Execution(folder, "train", {
        "model": str(minilm()), "channels": channels,
        "hyperparameters": {**SETTINGS, "epochs": epochs, "save_steps": 0, "logging_steps": 10,
                            "bf16": "on" if bf16 else "off"}}, os.cpu_count()).run()
    evaluate = sum(e["values"]["eval_runtime"] for e in x.of_type("metric")
                   if "eval_runtime" in e["values"])
    return {"train_s": x.result["train_runtime"] - evaluate, "evaluate_s": evaluate,
            "accuracy": x.result["eval_accuracy"]}


def measured(call):
    """What call() returns, with the wall and processor seconds of the whole process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {**result, "job_s": time.monotonic() - start,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def row(who, best, rows, epochs):
    return {"who": who, "training rows/s": round(rows * epochs / best["train_s"], 1),
            "evaluation s": round(best["evaluate_s"], 1), "job s": round(best["job_s"], 1),
            "processor s": round(best["cpu_s"], 1), "accuracy": round(best["accuracy"], 3)}


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*json.loads(sys.argv[2]))
    quick = "--quick" in sys.argv[1:]
    rows, test_rows, epochs, rounds = (240, 64, 1, 2) if quick else (2500, 680, 2, 1)
    bf16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    runs = {"ours": [], "Trainer, tuned": []}
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        channels = prepare(folder, rows, test_rows)
        for i in range(rounds):
            runs["ours"].append(measured(
                lambda: run_ours(folder / f"ours{i}", channels, epochs, bf16)))
            runs["Trainer, tuned"].append(measured(lambda: run_peer(channels, epochs, bf16)))
    best = {who: min(all_runs, key=lambda r: r["train_s"]) for who, all_runs in runs.items()}
    table = [row(who, b, rows, epochs) for who, b in best.items()]
    ratio = best["Trainer, tuned"]["train_s"] / best["ours"]["train_s"]
    report("train", f"training MiniLM-L6 on {rows} reviews of at most {MAX_LENGTH} tokens, "
           f"{epochs} epoch(s), batch 16, {'bf16' if bf16 else 'fp32'}, {os.cpu_count()} cores",
           list(table[0]), table, [
        f"ours / Trainer: {ratio:.2f}",
        "training rows/s: without loading and evaluation; job: the whole process, for ours with "
        "saving the model and its parity sample, for the peer with its imports",
        *([] if quick else ["accuracy on 680 held-out reviews"])])
    return 0


sys.exit(main())
