# SPDX-License-Identifier: MIT
"""Train a text classifier in Hugging Face's container, as our native engine does it: the same
hyperparameters (docs/specs.md), channels and results. For transformers 4.26 to 5, on one instance
or, started by torchrun, on several.

The script resumes from the newest complete checkpoint. On SIGTERM it saves one and stops.
"""
import argparse
import glob
import inspect
import logging
import math
import os
import re
import signal
import sys
import tarfile
import tempfile
import time
import urllib.parse
import zipfile

import torch
import transformers
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, Trainer,
                          TrainerCallback, TrainingArguments, set_seed)

import events
import results
import rows
from rows import BadInput

LOG_POINTS = 50
LESS_IS_BETTER = ("loss", "mse", "mae")  # rmse, too
METRICS = {
    "classes": ("loss", "accuracy", "f1", "precision", "recall"),
    "numbers": ("loss", "mse", "rmse", "mae", "r2", "pearson", "spearman"),
    "lists": ("loss", "accuracy", "f1_micro", "f1_macro", "precision_micro", "recall_micro",
              "roc_auc_micro", "roc_auc_macro")}
PROBLEMS = {"classes": "single_label_classification", "numbers": "regression",
            "lists": "multi_label_classification"}
COMPUTE = {"classes": rows.metrics, "numbers": rows.number_metrics, "lists": rows.list_metrics}
STOP_STEPS = 10  # several processes agree on a stop every so many steps
FAILURE_MAX = 1024  # characters that SageMaker shows
PROGRESS_EVERY_S = 1
logger = logging.getLogger("train")


def yes_or_no(text):
    """The container's toolkit writes True, JSON true."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return text.lower() == "true"


def class_weights(text):
    """none, balanced, or a weight for each class: "a=1,b%20c=2.5"."""
    if text in ("none", "balanced"):
        return text
    weights = {}
    for item in text.split(","):
        name, _, number = item.rpartition("=")
        try:
            weights[urllib.parse.unquote(name)] = float(number)
        except ValueError as e:
            raise argparse.ArgumentTypeError(f"'{item}' is no weight of a class: {e}") from e
    return weights


def parse_args(argv):
    p = argparse.ArgumentParser(allow_abbrev=False)
    p.add_argument("--epochs", type=float, default=3)
    p.add_argument("--max_steps", type=int)
    p.add_argument("--train_batch_size", type=int, default=32)
    p.add_argument("--gradient_accumulation_steps", type=int, default=1)
    p.add_argument("--eval_batch_size", type=int, default=64)
    p.add_argument("--warmup_steps", type=int)
    p.add_argument("--warmup_ratio", type=float)
    p.add_argument("--learning_rate", type=float, default=5e-5)
    p.add_argument("--lr_scheduler_type", default="linear",
                   choices=["linear", "cosine", "constant_with_warmup"])
    p.add_argument("--seed", type=int, default=42)
    p.add_argument("--max_length", type=int)
    p.add_argument("--weight_decay", type=float, default=0.0)
    p.add_argument("--max_grad_norm", type=float, default=1.0)
    p.add_argument("--label_smoothing_factor", type=float, default=0.0)
    p.add_argument("--class_weights", type=class_weights, default="none")
    p.add_argument("--frozen_layers", type=int)
    p.add_argument("--bf16", choices=["auto", "on", "off"], default="auto")
    p.add_argument("--logging_steps", type=int)
    p.add_argument("--eval_steps", type=int)
    p.add_argument("--save_steps", type=int)
    p.add_argument("--save_total_limit", type=int, default=2)
    p.add_argument("--load_best_model_at_end", type=yes_or_no, default=False)
    p.add_argument("--metric_for_best_model", default="loss")
    p.add_argument("--early_stopping_patience", type=int)
    p.add_argument("--early_stopping_threshold", type=float, default=0.0)
    p.add_argument("--model_name", help="on the hub, when there is no channel 'model'")
    p.add_argument("--checkpoint_dir", help="where SageMaker keeps a copy of on S3")
    return p.parse_args(argv)


def model_source(args):
    """The directory or name to load from. An archive in the channel is unpacked."""
    channel = os.environ.get("SM_CHANNEL_MODEL")
    if not channel:
        if args.model_name:
            return args.model_name
        raise BadInput("give a model: a channel 'model', or the hyperparameter model_name")
    archives = glob.glob(os.path.join(channel, "*.tar.gz"))
    if os.path.exists(os.path.join(channel, "config.json")) or len(archives) != 1:
        return channel
    target = tempfile.mkdtemp(prefix="model-")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter")
                                      else {}))
    return target


def use_bf16(wish):
    if wish == "auto":
        return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
    return wish == "on"


def per_device(batch, devices):
    """Rows of one device: train_batch_size counts the whole step, over all devices."""
    if batch % devices:
        events.warn("batch_rounded",
                    f"train_batch_size {batch} cannot be divided by {devices} devices: a step has "
                    f"{math.ceil(batch / devices) * devices} rows")
    return math.ceil(batch / devices)


def accepted(function, **by_name):
    """Keep those of several names for one argument that this version has."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in by_name.items() if name in known}


def cpu_arguments(world):
    if torch.cuda.is_available():
        return {}
    chosen = (accepted(TrainingArguments, use_cpu=True)
              or accepted(TrainingArguments, no_cuda=True))
    return {**chosen, **({"ddp_backend": "gloo"} if world > 1 else {})}


def warmup_of(args, steps):
    """Warm-up as in our engine: the steps, else the ratio, else 500 or a tenth of the run."""
    if args.warmup_steps is not None:
        return args.warmup_steps
    if args.warmup_ratio is not None:
        return math.ceil(steps * args.warmup_ratio)
    return min(500, math.ceil(steps / 10))


def training_arguments(args, checkpoints, train_rows, evaluate):
    world = int(os.environ.get("WORLD_SIZE", "1"))
    devices = world if world > 1 else max(1, torch.cuda.device_count())
    batch = per_device(args.train_batch_size, devices)
    batches = math.ceil(train_rows / (batch * devices))
    steps = args.max_steps or math.ceil(
        args.epochs * math.ceil(batches / args.gradient_accumulation_steps))
    save = {"save_strategy": "epoch"} if args.save_steps is None else (
        {"save_strategy": "steps", "save_steps": args.save_steps} if args.save_steps
        else {"save_strategy": "no"})
    warmup = warmup_of(args, steps)
    if warmup >= steps:
        events.warn("warmup_too_long",
                    f"warmup_steps {warmup} is not less than the run's {steps} steps: the "
                    f"learning rate never reaches {args.learning_rate:g}")
    when = "epoch" if evaluate else "no"
    arguments = TrainingArguments(
        output_dir=checkpoints, num_train_epochs=args.epochs,
        max_steps=args.max_steps or -1, lr_scheduler_type=args.lr_scheduler_type,
        per_device_train_batch_size=batch, per_device_eval_batch_size=args.eval_batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        learning_rate=args.learning_rate, warmup_steps=warmup,
        weight_decay=args.weight_decay, max_grad_norm=args.max_grad_norm, seed=args.seed,
        label_smoothing_factor=args.label_smoothing_factor,
        bf16=use_bf16(args.bf16), logging_strategy="steps",
        logging_steps=args.logging_steps or max(1, math.ceil(steps / LOG_POINTS)),
        logging_nan_inf_filter=False, save_total_limit=args.save_total_limit, disable_tqdm=True,
        report_to="none", ddp_find_unused_parameters=False, **save, **cpu_arguments(world),
        **(accepted(TrainingArguments, eval_strategy=when) or {"evaluation_strategy": when}),
        **accepted(TrainingArguments, save_safetensors=True))
    if evaluate:
        arguments.metric_for_best_model = args.metric_for_best_model
        arguments.greater_is_better = not args.metric_for_best_model.endswith(LESS_IS_BETTER)
    # Not an argument of the constructor: that wants a checkpoint for each evaluation, while `Watch`
    # asks for one after the best so far.
    arguments.load_best_model_at_end = args.load_best_model_at_end
    return arguments


class WeightedTrainer(Trainer):
    """A Trainer whose loss in training weighs each class."""

    class_weights = None

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        if self.class_weights is None or not model.training:
            return super().compute_loss(model, inputs, return_outputs, **kwargs)
        labels = inputs["labels"]
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(
            outputs.logits.float(), labels, weight=self.class_weights.to(outputs.logits.device))
        return (loss, outputs) if return_outputs else loss


def balanced_weights(labels, classes):
    counts = torch.bincount(torch.tensor(labels), minlength=classes).double()
    weights = len(labels) / (int((counts > 0).sum()) * counts)
    return torch.where(counts > 0, weights, torch.zeros(())).float()


def listed(names):
    return ", ".join(f"'{name}'" for name in names)[:300]


def named_weights(by_name, names):
    """The given weight of each class; a class without one is an error."""
    unknown = [n for n in by_name if n not in names]
    if unknown:
        raise BadInput(f"class_weights names '{unknown[0]}', but the classes of the data are "
                       f"{listed(names)}")
    missing = [n for n in names if n not in by_name]
    if missing:
        raise BadInput(f"class_weights has no weight for {listed(missing)}; give each "
                       "class one, such as 1")
    return torch.tensor([by_name[n] for n in names]).float()


def freeze(model, layers):
    """Make the embeddings and the first layers constant."""
    base = model.base_model
    stack = getattr(getattr(base, "encoder", None) or getattr(base, "transformer", None), "layer",
                    None)
    if stack is None or not hasattr(base, "embeddings"):
        raise BadInput(f"frozen_layers does not work with a model of type "
                       f"'{model.config.model_type}'; remove it")
    if layers > len(stack):
        raise BadInput(f"frozen_layers is {layers}, but the model has {len(stack)} layers; give "
                       "at most that")
    parts = [base.embeddings, *stack[:layers]]
    if hasattr(base, "embeddings_project"):
        parts.append(base.embeddings_project)
    relative = getattr(getattr(base, "encoder", None), "relative_attention_bias", None)
    if relative is not None:  # of MPNet: embeddings of distances
        parts.append(relative)
    for part in parts:
        part.requires_grad_(False)


def judge(values, greater_is_better, threshold):
    """Of the evaluations so far: whether the last one is the best, and how many in a row were not
    better by the threshold, as transformers' EarlyStoppingCallback counts them."""
    best, misses, is_best = None, 0, False
    for value in values:
        is_best = best is None or (value > best if greater_is_better else value < best)
        gained = best is None or (is_best and abs(value - best) > threshold)
        misses = 0 if gained else misses + 1
        best = value if is_best else best
    return is_best, misses


class Watch(TrainerCallback):
    """Handles evaluations between the epochs, the best of them and early stopping, a loss that is
    not finite, and SIGTERM."""

    def __init__(self, args):
        self.eval_steps, self.save, self.stopped = args.eval_steps, args.save_steps != 0, False
        self.keep_best = args.load_best_model_at_end
        self.metric = "eval_" + args.metric_for_best_model.removeprefix("eval_")
        self.patience, self.threshold = args.early_stopping_patience, args.early_stopping_threshold
        self.evaluated_step, self.evaluation = None, {}
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopped = True

    def must_stop(self, args, step):
        """Make all processes stop at the same step, because SIGTERM may reach some a step later."""
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            if step % STOP_STEPS:
                return False
            heard = torch.tensor([int(self.stopped)], device=args.device)
            torch.distributed.all_reduce(heard, op=torch.distributed.ReduceOp.MAX)
            self.stopped = bool(heard.item())
        return self.stopped

    def on_step_end(self, args, state, control, **kwargs):
        if self.eval_steps and state.global_step % self.eval_steps == 0:
            control.should_evaluate = True
        if self.must_stop(args, state.global_step):
            control.should_training_stop = True
            control.should_save = self.save
        return control

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        self.evaluated_step, self.evaluation = state.global_step, dict(metrics or {})
        best, misses = judge([v[self.metric] for v in state.log_history if self.metric in v],
                             args.greater_is_better, self.threshold)
        if best and self.keep_best:
            control.should_save = True
        if self.patience and misses >= self.patience:
            control.should_training_stop = True
        return control

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.evaluated_step == state.global_step:
            control.should_evaluate = False  # eval_steps has just done it
        return control

    def on_log(self, args, state, control, logs=None, **kwargs):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(float(loss)):
            raise BadInput(f"the loss is not finite at step {state.global_step} of "
                           f'{state.max_steps}; try a lower learning_rate or bf16 "off"')


class Report(TrainerCallback):
    """Reports steps, metrics and progress to the daemon, as our native engine does."""

    def __init__(self):
        self.said = self.began = 0.0
        self.first = 0

    def on_train_begin(self, args, state, control, **kwargs):
        self.began, self.first = time.monotonic(), state.global_step

    def on_step_end(self, args, state, control, **kwargs):
        now, step, total = time.monotonic(), state.global_step, state.max_steps
        if not state.is_world_process_zero or (step < total
                                               and now - self.said < PROGRESS_EVERY_S):
            return
        self.said = now
        rate = (step - self.first) / max(now - self.began, 1e-6)
        events.say("progress", phase="train", unit="steps", done=step, total=total, rate=rate,
                  eta_seconds=(total - step) / rate)

    def on_log(self, args, state, control, logs=None, **kwargs):
        values = {k: float(v) for k, v in (logs or {}).items()
                  if k in ("loss", "grad_norm", "learning_rate") or k.startswith("eval_")}
        if values and state.is_world_process_zero:
            events.say("metric", step=state.global_step, epoch=state.epoch,
                      values={k: v for k, v in values.items() if math.isfinite(v)})


def weights_complete(path):
    """True if the file is complete: safetensors name their length, others are zip archives."""
    if not path.endswith(".safetensors"):
        return zipfile.is_zipfile(path)
    from safetensors import SafetensorError, safe_open
    try:
        with safe_open(path, "pt"):
            return True
    except (SafetensorError, OSError):
        return False


def newest_checkpoint(directory):
    """The newest complete checkpoint; an interrupted machine may leave a part of one."""
    found = [(int(m[1]), path) for path in glob.glob(os.path.join(directory, "checkpoint-*"))
             if (m := re.search(r"checkpoint-(\d+)$", path))]
    for _, path in sorted(found, reverse=True):
        weights = [w for w in ("model.safetensors", "pytorch_model.bin")
                   if os.path.exists(os.path.join(path, w))]
        if (weights and weights_complete(os.path.join(path, weights[0]))
                and os.path.exists(os.path.join(path, "trainer_state.json"))
                and zipfile.is_zipfile(os.path.join(path, "optimizer.pt"))
                and os.path.exists(os.path.join(path, "scheduler.pt"))):
            return path
        logger.warning("%s is not complete, ignoring it", path)
    return None


def check_options(args, kind):
    """Refuse options that do not fit the labels."""
    if kind != "classes" and args.class_weights != "none":
        raise BadInput(f"class_weights needs one class a row, and the labels are {kind}; remove it")
    if kind != "classes" and args.label_smoothing_factor:
        raise BadInput("label_smoothing_factor needs one class a row, and the labels are "
                       f"{kind}; remove it")
    metric = args.metric_for_best_model.removeprefix("eval_")
    if metric not in METRICS[kind]:
        raise BadInput(f"metric_for_best_model '{metric}' has no meaning if the labels are {kind}; "
                       "remove it")


def read_labels(train, test, kind):
    """Check the labels; returns the names of the model's classes, and the test rows with the
    classes of the training data."""
    if kind == "numbers":
        rows.check_numbers(train, "training")
        rows.check_numbers(test, "test")
        return ["LABEL_0"], test
    if kind == "lists":
        return rows.label_vectors(train, test)
    names = rows.label_names(train, test)
    return names, rows.match_labels(test, train, names) if test is not None else None


def open_model(args, names, problem_type):
    source = model_source(args)
    set_seed(args.seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=len(names), id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)}, ignore_mismatched_sizes=True)
    except (OSError, ValueError) as e:
        raise BadInput(f"cannot load the model from {source}: {e}") from e
    model.config.problem_type = problem_type
    return model.float(), tokenizer


def make_trainer(args, checkpoints, watch):
    if not os.environ.get("SM_CHANNEL_TRAIN"):
        raise BadInput("there is no channel 'train'")
    train = rows.load(os.environ["SM_CHANNEL_TRAIN"], "train")
    test = os.environ.get("SM_CHANNEL_TEST")
    test = rows.load(test, "test") if test else None
    kind = rows.check_kinds(train, test)
    check_options(args, kind)
    names, test = read_labels(train, test, kind)
    model, tokenizer = open_model(args, names, PROBLEMS[kind])
    if args.frozen_layers is not None:
        freeze(model, args.frozen_layers)
    for data, what in ((train, "training"), (test, "test")):
        if data is not None:
            rows.check_against(data, what, model, args.max_length)
    logger.info("training on %d rows, testing on %d; transformers %s, torch %s", len(train),
                len(test) if test is not None else 0, transformers.__version__, torch.__version__)
    arguments = training_arguments(args, checkpoints, len(train), test is not None)
    # A mean over the rows of a batch: Trainer else takes it for a sum that it must scale.
    model.accepts_loss_kwargs = False
    trainer = WeightedTrainer(
        model=model, args=arguments, train_dataset=train, eval_dataset=test,
        data_collator=rows.Collator(tokenizer, args.max_length, kind),
        compute_metrics=COMPUTE[kind],
        callbacks=[watch, Report()],
        **(accepted(Trainer, processing_class=tokenizer) or {"tokenizer": tokenizer}))
    if args.class_weights == "balanced":
        trainer.class_weights = balanced_weights(train["labels"], len(names))
    elif args.class_weights != "none":
        trainer.class_weights = named_weights(args.class_weights, names)
    return trainer


def finish(trainer, tokenizer, values):
    """Save in the first process only."""
    model_dir, data_dir = os.environ["SM_MODEL_DIR"], os.environ["SM_OUTPUT_DATA_DIR"]
    if not trainer.is_world_process_zero():
        return
    os.makedirs(data_dir, exist_ok=True)
    results.write_results(data_dir, values)
    model = trainer.accelerator.unwrap_model(trainer.model) if hasattr(
        trainer, "accelerator") else trainer.model
    results.save_model(model, tokenizer, model_dir)
    data = trainer.eval_dataset if trainer.eval_dataset is not None else trainer.train_dataset
    results.write_parity(model_dir, data)
    for key, value in sorted(values.items()):
        print(f"{key} = {value}")


def best_step(state):
    """Of the checkpoint that Trainer has loaded at the end."""
    found = re.search(r"checkpoint-(\d+)$", state.best_model_checkpoint or "")
    return int(found[1]) if found else None


def train(args):
    checkpoints = args.checkpoint_dir or os.path.join(
        os.path.dirname(os.environ["SM_MODEL_DIR"].rstrip("/")), "checkpoints")
    watch = Watch(args)
    trainer = make_trainer(args, checkpoints, watch)
    last = newest_checkpoint(checkpoints)
    if last:
        logger.info("resuming from %s", last)
    outcome = trainer.train(resume_from_checkpoint=last)
    if watch.stopped:
        raise SystemExit(128 + signal.SIGTERM)
    values = dict(outcome.metrics) | {"warmup_steps": trainer.args.warmup_steps}
    best = best_step(trainer.state) if args.load_best_model_at_end else None
    if trainer.eval_dataset is not None and (
            watch.evaluated_step != trainer.state.global_step
            or best not in (None, trainer.state.global_step)):
        trainer.evaluate()
    values.update(watch.evaluation)
    if best is not None:
        values["best_step"] = best
    values["epoch"] = trainer.state.epoch
    finish(trainer, trainer.data_collator.tokenizer, values)


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stdout,
                        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
    failure = os.path.join(os.path.dirname(os.environ["SM_MODEL_DIR"].rstrip("/")), "output",
                           "failure")
    try:
        train(parse_args(sys.argv[1:]))
    except Exception as e:
        text = str(e) if isinstance(e, BadInput) else f"{type(e).__name__}: {e}"
        os.makedirs(os.path.dirname(failure), exist_ok=True)
        with open(failure, "w", encoding="utf-8") as f:
            f.write(text[:FAILURE_MAX])
        if isinstance(e, BadInput):
            sys.exit(text)  # the toolkit shows what stands on stderr
        raise


if __name__ == "__main__":
    main()
