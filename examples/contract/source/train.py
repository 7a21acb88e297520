# SPDX-License-Identifier: MIT
"""A training script that uses all of the script contract (docs/scripts.md), with the standard
library alone: logistic regression on the points of the channel `train`. It runs unchanged on this
machine and on SageMaker."""
import argparse
import csv
import json
import math
import os
import pathlib
import signal
import sys

MODEL = pathlib.Path(os.environ["SM_MODEL_DIR"])
OUTPUT = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
TRAIN = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"])
CHECKPOINTS = MODEL.parent / "checkpoints"  # /opt/ml/checkpoints


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning_rate", type=float, default=0.5)
    parser.add_argument("--fail_after", type=int, default=0,
                        help="fail once after so many epochs, to see a retry go on")
    return parser.parse_args()


def read_points():
    points = []
    for file in sorted(TRAIN.glob("*.csv")):
        with open(file, newline="", encoding="utf-8") as rows:
            points += [(float(row["x"]), float(row["y"]), int(row["label"]))
                       for row in csv.DictReader(rows)]
    return points


def probability(weights, x, y):
    return 1 / (1 + math.exp(-(weights[0] * x + weights[1] * y + weights[2])))


def train_epoch(weights, points, rate):
    for x, y, label in points:
        error = label - probability(weights, x, y)
        weights = [w + rate * error * v for w, v in zip(weights, (x, y, 1.0))]
    return weights


def evaluate(weights, points):
    """(mean loss, accuracy)"""
    loss = right = 0.0
    for x, y, label in points:
        p = min(max(probability(weights, x, y), 1e-9), 1 - 1e-9)
        loss -= math.log(p if label else 1 - p)
        right += (p > 0.5) == bool(label)
    return loss / len(points), right / len(points)


def newest_checkpoint():
    """(epochs done, weights) of the attempt before, or a beginning."""
    found = sorted(CHECKPOINTS.glob("checkpoint-*/state.json"))
    if not found:
        return 0, [0.0, 0.0, 0.0]
    state = json.loads(found[-1].read_text(encoding="utf-8"))
    print(f"goes on after epoch {state['epoch']}", flush=True)
    return state["epoch"], state["weights"]


def save_checkpoint(epoch, weights):
    """All or nothing: the folder gets its name when it is whole."""
    unfinished = CHECKPOINTS / f".checkpoint-{epoch:06d}"
    unfinished.mkdir(parents=True, exist_ok=True)
    (unfinished / "state.json").write_text(json.dumps({"epoch": epoch, "weights": weights}))
    unfinished.rename(CHECKPOINTS / f"checkpoint-{epoch:06d}")


def main():
    args, stopped = arguments(), []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    points = read_points()
    done, weights = newest_checkpoint()
    resumed = done > 0
    for epoch in range(done + 1, args.epochs + 1):
        weights = train_epoch(weights, points, args.learning_rate)
        loss, accuracy = evaluate(weights, points)
        print({"loss": round(loss, 6), "epoch": float(epoch)}, flush=True)
        print(f"accuracy={accuracy:.4f}", flush=True)
        save_checkpoint(epoch, weights)
        if stopped:
            sys.exit(f"stopped after epoch {epoch}")
        if epoch == args.fail_after and not resumed:
            raise RuntimeError(f"--fail_after {epoch}")
    loss, accuracy = evaluate(weights, points)
    (MODEL / "weights.json").write_text(json.dumps(weights))
    (OUTPUT / "eval_results.txt").write_text(f"eval_loss = {loss}\neval_accuracy = {accuracy}\n")


if __name__ == "__main__":
    main()
