# SPDX-License-Identifier: MIT
"""Fine-tune a text classifier with transformers' Trainer: the script of Hugging Face's first
SageMaker notebook (same arguments, same outputs), for transformers 4.26 to 5. Runs unchanged on
Trainyard's local target and on SageMaker.

Beyond the original: it goes on from the newest checkpoint, stops in good order on SIGTERM, and
keeps checkpoints out of the model directory.
"""
import argparse
import inspect
import logging
import os
import signal
import sys

import numpy as np
from datasets import load_from_disk
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, Trainer,
                          TrainerCallback, TrainingArguments)
from transformers.trainer_utils import get_last_checkpoint

logger = logging.getLogger(__name__)


def parse_args():
    p = argparse.ArgumentParser()
    # Hyperparameters come as command line arguments.
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--train_batch_size", type=int, default=32)
    p.add_argument("--eval_batch_size", type=int, default=64)
    p.add_argument("--warmup_steps", type=int, default=500)
    p.add_argument("--model_name", type=str)
    p.add_argument("--learning_rate", type=str, default=5e-5)
    # Directories come from the environment.
    p.add_argument("--output_data_dir", type=str, default=os.environ["SM_OUTPUT_DATA_DIR"])
    p.add_argument("--model_dir", type=str, default=os.environ["SM_MODEL_DIR"])
    p.add_argument("--n_gpus", type=str, default=os.environ["SM_NUM_GPUS"])
    p.add_argument("--training_dir", type=str, default=os.environ["SM_CHANNEL_TRAIN"])
    p.add_argument("--test_dir", type=str, default=os.environ["SM_CHANNEL_TEST"])
    args, _ = p.parse_known_args()
    args.model_name = args.model_name or os.environ.get("SM_CHANNEL_MODEL")
    if not args.model_name:
        p.error("give --model_name, or a model")
    return args


def compute_metrics(pred):
    labels, answers = pred.label_ids, pred.predictions.argmax(-1)
    average = "binary" if pred.predictions.shape[-1] == 2 else "macro"
    precision, recall, f1, _ = precision_recall_fscore_support(labels, answers, average=average,
                                                               zero_division=0)
    return {"accuracy": accuracy_score(labels, answers), "f1": f1, "precision": precision,
            "recall": recall}


class StopOnSigterm(TrainerCallback):
    """A stop request ends the training after the step at hand, with a checkpoint."""

    def __init__(self):
        self.asked = False
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_):
        self.asked = True

    def on_step_end(self, args, state, control, **kwargs):
        if self.asked:
            control.should_save = control.should_training_stop = True
        return control


def accepted(function, **by_name):
    """Of several names for the same argument, those that this version has."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in by_name.items() if name in known}


def main():
    args = parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout,
                        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
    train, test = load_from_disk(args.training_dir), load_from_disk(args.test_dir)
    logger.info("loaded train_dataset length is: %d", len(train))
    logger.info("loaded test_dataset length is: %d", len(test))

    classes = int(np.max(train["labels"])) + 1
    model = AutoModelForSequenceClassification.from_pretrained(args.model_name,
                                                               num_labels=max(classes, 2))
    tokenizer = AutoTokenizer.from_pretrained(args.model_name)
    checkpoints = os.path.join(os.path.dirname(args.model_dir.rstrip("/")), "checkpoints")
    training_args = TrainingArguments(
        output_dir=checkpoints,
        num_train_epochs=args.epochs,
        per_device_train_batch_size=args.train_batch_size,
        per_device_eval_batch_size=args.eval_batch_size,
        warmup_steps=args.warmup_steps,
        learning_rate=float(args.learning_rate),
        save_strategy="epoch",
        save_total_limit=2,
        logging_steps=10,
        report_to=[],
        **accepted(TrainingArguments, eval_strategy="epoch") or {"evaluation_strategy": "epoch"})
    stop = StopOnSigterm()
    trainer = Trainer(model=model, args=training_args, compute_metrics=compute_metrics,
                      train_dataset=train, eval_dataset=test, callbacks=[stop],
                      **accepted(Trainer, processing_class=tokenizer) or {"tokenizer": tokenizer})

    last = get_last_checkpoint(checkpoints) if os.path.isdir(checkpoints) else None
    trainer.train(resume_from_checkpoint=last)
    if stop.asked:
        last = get_last_checkpoint(checkpoints)
        sys.exit(f"stopped by SIGTERM; the newest checkpoint is {last}")

    results = trainer.evaluate(eval_dataset=test)
    with open(os.path.join(args.output_data_dir, "eval_results.txt"), "w") as f:
        print("***** Eval results *****")
        for key, value in sorted(results.items()):
            f.write(f"{key} = {value}\n")
    trainer.save_model(args.model_dir)


if __name__ == "__main__":
    main()
