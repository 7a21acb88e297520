# SPDX-License-Identifier: MIT
"""Writes the results of a finished training: the model, its answers to a sample of texts
(parity.json), and the metrics. The files are those of our native engine (worker/train)."""
import inspect
import json
import os

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rows import max_tokens

TEXTS = 29  # with the three special ones 32
LONG = 20000  # bytes of the over-long text
EMOJI = "Fun \U0001F600\U0001F44D, caf\u00e9 \u2014 10/10"
RESULTS = ("epoch", "eval_accuracy", "eval_f1", "eval_loss", "eval_precision", "eval_recall",
           "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "train_loss",
           "train_runtime", "train_samples_per_second", "train_steps_per_second", "warmup_steps",
           "best_step", "eval_mse", "eval_rmse", "eval_mae", "eval_r2", "eval_pearson",
           "eval_spearman", "eval_f1_micro", "eval_f1_macro", "eval_precision_micro",
           "eval_recall_micro", "eval_roc_auc_micro", "eval_roc_auc_macro")


def save_model(model, tokenizer, directory):
    """Save the model as safetensors in fp32, which every version reads and our servers need."""
    known = inspect.signature(model.save_pretrained).parameters
    extra = {"safe_serialization": True} if "safe_serialization" in known else {}
    model.float().save_pretrained(directory, **extra)
    tokenizer.save_pretrained(directory)


def texts_of(rows):
    """Select evenly spaced texts (and second texts) of the data, if it has them."""
    columns = [name for name, feature in rows.features.items()
               if getattr(feature, "dtype", None) in ("string", "large_string")][:2]
    if not columns:
        return []
    # TEXTS places, also of fewer rows, as worker/dataset chooses them
    samples = [rows[i * len(rows) // TEXTS] for i in range(TEXTS)]
    return [[sample[name] or "" for name in columns] for sample in samples]


def specials(samples):
    """The cases that a sample of real texts may lack: over-long, empty, emoji."""
    seed = samples[0][0] if samples and samples[0][0] else "good film"
    times = LONG // (len(seed.encode()) + 1) + 1
    return [[f"{seed} " * times], [""], [EMOJI]]


def scores_of(problem_type, logits):
    """As a server answers them."""
    if problem_type == "regression":
        return logits
    if problem_type == "multi_label_classification":
        return torch.sigmoid(logits)
    return torch.softmax(logits, -1)


def write_parity(directory, rows):
    """Load the saved files and run the sample in fp32, as a server does."""
    model = AutoModelForSequenceClassification.from_pretrained(directory).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    limits = [max_tokens(model), tokenizer.model_max_length]
    max_length = min(n for n in limits if n)
    samples, texts = [], texts_of(rows)
    for text in texts + specials(texts):
        encoded = tokenizer(*text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**encoded.to(model.device)).logits[0].double().cpu()
        scores = scores_of(model.config.problem_type, logits)
        best = int(scores.argmax())
        sample = {"text": text[0], "label": model.config.id2label[best],
                  "score": float(scores[best])}
        if len(text) > 1:
            sample["text_pair"] = text[1]
        samples.append(sample)
    write(directory, "parity.json", json.dumps({"v": 1, "dtype": "float32",
                                                "max_length": max_length, "samples": samples},
                                               indent=2) + "\n")


def write(directory, name, text):
    """Write a file that is complete once it has its name."""
    path = os.path.join(directory, name)
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(path + ".tmp", path)


def write_results(directory, values):
    values = {k: values[k] for k in RESULTS if k in values}
    write(directory, "metrics.json", json.dumps(values, indent=2, sort_keys=True) + "\n")
    write(directory, "eval_results.txt",
          "".join(f"{key} = {value!r}\n" for key, value in sorted(values.items())))
