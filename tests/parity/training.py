# SPDX-License-Identifier: MIT
"""Shared by the tests of training and evaluation: a small model and tokenised real reviews."""
import shutil

import torch
import transformers
from datasets import ClassLabel, Dataset, Features, Sequence, Value

from execution import Execution
from texts import minilm, reviews

POSITIONS = 64


def save_dataset(path, texts, labels, names, tokenizer, max_length=48):
    tokens = tokenizer(texts, truncation=True, max_length=max_length)
    features = Features({
        "text": Value("string"), "labels": ClassLabel(names=names) if names else Value("int64"),
        "input_ids": Sequence(Value("int32")), "attention_mask": Sequence(Value("int8"))})
    Dataset.from_dict({"text": texts, "labels": labels, "input_ids": tokens["input_ids"],
                       "attention_mask": tokens["attention_mask"]}, features=features
                      ).save_to_disk(str(path))
    return str(path)


class Setup:
    """A small BERT with the real tokeniser, and 120 + 50 real reviews."""

    def __init__(self, root, **config):
        self.root = root
        self.model = root / "model"
        self.model.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(minilm() / name, self.model)
        torch.manual_seed(5)
        transformers.BertForSequenceClassification(transformers.BertConfig(
            vocab_size=30522, **{
                "max_position_embeddings": POSITIONS,
                "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4,
                "num_hidden_layers": 2, **config})).bert.save_pretrained(self.model)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(self.model)
        self.names = ["bad", "good"]
        pairs = reviews()[:170]
        self.texts = [t for t, _ in pairs]
        self.labels = [int(s == "positive") for _, s in pairs]
        self.train = self.data("train", 0, 120)
        self.test = self.data("test", 120, 170)

    def data(self, name, begin, end, labels=None, names="own", **more):
        return save_dataset(self.root / name, self.texts[begin:end],
                            (labels or self.labels)[begin:end],
                            self.names if names == "own" else names, self.tokenizer, **more)

    def spec(self, **hyperparameters):
        return {"model": str(self.model), "channels": {"train": self.train, "test": self.test},
                "hyperparameters": {"epochs": 2, "train_batch_size": 16, "warmup_steps": 3,
                                    "learning_rate": 1e-3, **hyperparameters}}


def tiny_setup(tmp_path_factory, convert):
    """A Setup of one small layer without dropout, its data sets as convert(path, dtype) makes them;
    `head` is its model with the head that our training begins with."""
    made = Setup(tmp_path_factory.mktemp("setup"), hidden_size=16, intermediate_size=32,
                 num_attention_heads=2, num_hidden_layers=1, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0)
    made.train = convert(made.data("small", 0, 38, max_length=16), "float32")
    made.test = convert(made.test, "float64")
    made.head = succeed(tmp_path_factory.mktemp("head"), made, max_steps=1, learning_rate=1e-30,
                        warmup_steps=0, save_steps=0).work / "model"
    return made


def succeed(where, setup, **hyperparameters):
    run = Execution(where, "train", setup.spec(bf16="off", **hyperparameters)).run()
    assert run.status == 0, run.stderr
    return run


def curve(log):
    return [v["loss"] for v in log if "loss" in v]


def losses_of(run):
    return curve(e["values"] for e in run.of_type("metric"))


def trainers_losses(model, tokenizer, train, where, steps, learning_rate):
    """The loss of each step of transformers' Trainer, four rows a step, on the data set `train`."""
    # A mean over the rows: Trainer 5 else takes the loss of each batch for a sum to be scaled.
    model.accepts_loss_kwargs = False
    trainer = transformers.Trainer(
        model=model, train_dataset=Dataset.load_from_disk(train).remove_columns("text"),
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        args=transformers.TrainingArguments(
            output_dir=str(where), max_steps=steps, per_device_train_batch_size=4,
            learning_rate=learning_rate, warmup_steps=3, logging_steps=1, save_strategy="no",
            report_to="none", use_cpu=True, disable_tqdm=True, seed=42))
    trainer.train()
    return curve(trainer.state.log_history)
