# SPDX-License-Identifier: MIT
"""The tokenised data sets of a job: rows without padding, their labels, the metrics over them.
The rules are those of our native engine (worker/dataset, worker/train)."""
import math
import re

import datasets
import numpy as np
import torch

import events

COLUMNS = ("input_ids", "attention_mask", "token_type_ids")


class BadInput(Exception):
    """An error that the user can correct; the text is one sentence."""


def load(directory, what):
    """A saved Dataset as plain Python values."""
    try:
        rows = datasets.load_from_disk(directory)
    except FileNotFoundError as e:
        raise BadInput(f"the channel '{what}' holds no data set saved by preprocess or by "
                       f"datasets: {e}") from e
    except ValueError as e:  # a type of column that it does not know
        raise BadInput(f"datasets {datasets.__version__} of this container cannot read the channel "
                       f"'{what}', maybe because a newer one saved it: {e}") from e
    if not hasattr(rows, "column_names") or isinstance(rows.column_names, dict):
        raise BadInput(f"the channel '{what}' holds several splits; give one of them")
    missing = [c for c in ("labels", "input_ids", "attention_mask") if c not in rows.column_names]
    if missing:
        raise BadInput(f"the data of channel '{what}' has no column '{missing[0]}'; it has "
                       f"{', '.join(rows.column_names)}")
    if len(rows) == 0:
        raise BadInput(f"the data of channel '{what}' has no rows")
    return rows.with_format(None)


def kind_of(rows):
    """What the labels are: "numbers" of a regression are floats, "lists" of several classes a row
    lists of floats, and else each is one of the "classes"."""
    feature = rows.features["labels"]
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    if item is not None:
        if not str(getattr(item, "dtype", "")).startswith("float"):
            raise BadInput("the labels are lists, but not of floats; preprocess the texts with "
                           "dataset.problem_type multi_label_classification")
        return "lists"
    return "numbers" if str(getattr(feature, "dtype", "")).startswith("float") else "classes"


def check_kinds(train, test):
    """Both data sets must have labels of one kind; returns it."""
    kinds = [kind_of(rows) for rows in (train, test) if rows is not None]
    if len(set(kinds)) > 1:
        raise BadInput(f"the labels of the training data are {kinds[0]}, but those of the test "
                       f"data are {kinds[1]}; preprocess both with the same problem_type")
    return kinds[0]


def check_numbers(rows, what):
    """Each number must be finite."""
    if rows is not None and not np.isfinite(np.asarray(rows["labels"], dtype=np.float32)).all():
        raise BadInput(f"a label of the {what} data is not a finite number of 32 bits")


def vector_names(rows):
    """The names of the classes of vectors, which the column `classes` has; None if unknown."""
    feature = rows.features.get("classes")
    item = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
    return getattr(item, "names", None)


def check_vectors(rows, what, names):
    """Each row must have a 0 or 1 for each class."""
    for i, label in enumerate(rows["labels"]):
        if label is None or len(label) != len(names):
            raise BadInput(f"row {i} of the {what} data has {len(label or [])} numbers as its "
                           f"label, but there are {len(names)} classes")
        if any(v not in (0, 1) for v in label):
            raise BadInput(f"a label of row {i} of the {what} data is neither 0 nor 1")


def label_vectors(train, test):
    """Check the vectors of both data sets; returns the names of the model's classes and the test
    rows, with their vectors in the order of those names."""
    own = vector_names(train)
    names = own or [f"LABEL_{i}" for i in range(len(train[0]["labels"] or []))]
    if not names:
        raise BadInput("row 0 of the training data has an empty label")
    check_vectors(train, "training", names)
    theirs = vector_names(test) if test is not None else None
    if test is not None:
        check_vectors(test, "test", theirs or names)
    if not own or not theirs or own == theirs:
        return names, test
    ids = ids_by_name(theirs, names)
    vectors = []
    for label in test["labels"]:
        used = [i for i, v in enumerate(label) if v]
        if any(ids[i] is None for i in used):
            missing = [theirs[i] for i in used if ids[i] is None]
            raise BadInput(f"the model has the classes {names}, but rows of the test data have "
                           f"the class {missing}; preprocess both data sets with the same "
                           "'labels'")
        vectors.append([float(k in {ids[i] for i in used}) for k in range(len(names))])
    return names, test.remove_columns("labels").add_column("labels", vectors)


def class_names(rows):
    """The names of the classes by id; None if they have only ids (LABEL_0, … are no names)."""
    names = getattr(rows.features["labels"], "names", None)
    return names if names and names != [f"LABEL_{i}" for i in range(len(names))] else None


def label_names(train, test):
    """The names of the model's classes, by id: those of the training data, else LABEL_n."""
    ids = [np.asarray(rows["labels"]) for rows in (train, test) if rows is not None]
    if len(np.unique(ids[0])) < 2:
        raise BadInput("all rows of the training data have the same label; a classifier needs at "
                       "least two classes")
    names = getattr(train.features["labels"], "names", None)
    if not names:
        alone = test is None or getattr(test.features["labels"], "names", None)
        last = max(int(labels.max()) for labels in (ids[:1] if alone else ids))
        names = [f"LABEL_{i}" for i in range(last + 1)]
    if ids[0].min() < 0 or ids[0].max() >= len(names):
        raise BadInput(f"a label is out of range; there are {len(names)} classes")
    return names


def ids_by_name(own, names):
    """The id in `names` of each name in `own`, or None. Case counts, unless exactly one name of
    each side is equal without it."""
    low, own_low = [name.lower() for name in names], [name.lower() for name in own]
    return [names.index(name) if name in names else low.index(name.lower())
            if low.count(name.lower()) == own_low.count(name.lower()) == 1 else None
            for name in own]


def said_id(name):
    """The id in a class name: 7 for "7" and "LABEL_7"; None if the name has no id."""
    said = re.fullmatch("(?:LABEL_)?(0|[1-9][0-9]*)", name, re.ASCII)
    return int(said[1]) if said else None


def ids_by_id(own, n, names, used):
    """The id in `names` of each of n classes, if only one side has names. If all names are ids of
    the other side, these ids decide; otherwise the index does."""
    if own:
        ids = [said_id(name) for name in own]
        ids = [i if i is not None and i < len(names) else None for i in ids]
    else:
        said = [said_id(name) for name in names]
        ids = [said.index(i) if i in said else None for i in range(n)]
    if any(ids[i] is None for i in used):
        ids = [i if i < len(names) else None for i in range(n)]
    return ids


def match_labels(test, train, names):
    """Map the test rows' labels to the training data's classes: by name if both have names."""
    own, labels = class_names(test), np.asarray(test["labels"])
    used = np.unique(labels)
    if own and class_names(train):
        ids = ids_by_name(own, names)
    else:
        if bool(own) != bool(class_names(train)):
            events.warn("labels_by_id",
                        f"the classes of the {'training' if own else 'test'} data have no names: "
                        "classes are compared by id")
        n = len(own) if own else int(labels.max()) + 1
        ids = ids_by_id(own, n, names, used)
        own = own or [str(i) for i in range(n)]
    missing = [own[i] for i in used if i < 0 or ids[i] is None]
    if missing:
        raise BadInput(f"the model has the classes {names}, but rows of the test data have the "
                       f"class {missing}; preprocess both data sets with the same 'labels'")
    return test.remove_columns("labels").add_column("labels", [ids[i] for i in labels])


def max_tokens(model):
    """The longest row that the model has positions for; None if its configuration does not say.
    RoBERTa's positions count from padding_idx + 1."""
    positions = getattr(model.config, "max_position_embeddings", None)
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return positions if positions is None or padding is None else positions - padding - 1


def check_against(rows, what, model, max_length):
    """Check that the rows, cut to max_length, fit the model's positions and vocabulary."""
    positions = max_tokens(model)
    vocabulary = model.get_input_embeddings().num_embeddings
    for i, row in enumerate(rows):
        ids = [t for t, m in zip(row["input_ids"], row["attention_mask"]) if m][:max_length]
        if not ids:
            raise BadInput(f"row {i} of the {what} data has no tokens")
        if positions and len(ids) > positions:
            raise BadInput(f"the {what} data has rows of {len(ids)} tokens but the model only "
                           f"{positions} positions; preprocess with max_length {positions} or less")
        if max(ids) >= vocabulary:
            raise BadInput(f"token id {max(ids)} of row {i} of the {what} data is not in the "
                           f"model's vocabulary of {vocabulary}: was it made with another model's "
                           "tokenizer?")


class Collator:
    """Make a batch as long as its longest row; padding of the data is dropped."""

    def __init__(self, tokenizer, max_length, kind="classes"):
        self.tokenizer, self.max_length = tokenizer, max_length
        self.labels_type = torch.int64 if kind == "classes" else torch.float32

    def __call__(self, features):
        cut = []
        for row in features:
            keep = [i for i, m in enumerate(row["attention_mask"]) if m][:self.max_length]
            cut.append({name: [row[name][i] for i in keep] for name in COLUMNS if name in row})
        batch = self.tokenizer.pad(cut, padding=True, return_tensors="pt")
        batch["labels"] = torch.tensor([row["labels"] for row in features],
                                       dtype=self.labels_type)
        return batch


def correlation(a, b):
    """Pearson's coefficient; NaN if a side is constant or there are fewer than two rows."""
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a * a).sum()) * np.sqrt((b * b).sum())
    return float(np.clip((a * b).sum() / spread, -1, 1)) if len(a) > 1 and spread > 0 else math.nan


def ranks(values):
    """From 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts - 1) / 2)[inverse]


def number_metrics(prediction):
    """Those of a regression, as scikit-learn and scipy compute them."""
    logits, targets = prediction.predictions, np.asarray(prediction.label_ids, dtype=np.float64)
    if isinstance(logits, tuple):
        logits = logits[0]
    given = np.asarray(logits, dtype=np.float64).reshape(-1)
    errors, spread = given - targets, ((targets - targets.mean()) ** 2).sum()
    squares = (errors ** 2).sum()
    r2 = math.nan if len(targets) < 2 else (
        1 - squares / spread if spread > 0 else float(squares == 0))
    mse = float(squares / len(targets))
    return {"mse": mse, "rmse": math.sqrt(mse), "mae": float(np.abs(errors).mean()),
            "r2": float(r2), "pearson": correlation(given, targets),
            "spearman": correlation(ranks(given), ranks(targets))}


def metrics(prediction):
    """Accuracy, precision, recall and F1: of class 1 if there are two classes, else the mean over
    the classes that occur. A division by zero gives 0."""
    logits, labels = prediction.predictions, prediction.label_ids
    if isinstance(logits, tuple):
        logits = logits[0]
    answers, classes = logits.argmax(-1), logits.shape[-1]
    parts = []
    for c in [1] if classes == 2 else range(classes):
        hits = int(((answers == c) & (labels == c)).sum())
        given, true = int((answers == c).sum()), int((labels == c).sum())
        if classes > 2 and given + true == 0:
            continue
        parts.append((hits / given if given else 0.0, hits / true if true else 0.0,
                      2 * hits / (given + true) if given + true else 0.0))
    precision, recall, f1 = (sum(p[i] for p in parts) / len(parts) for i in range(3))
    return {"accuracy": float((answers == labels).mean()), "f1": f1, "precision": precision,
            "recall": recall}


def area(logits, applies):
    """The area under the ROC curve: the part of the pairs of one that applies and one that does
    not in which the first has the greater logit; equal ones count half. NaN without such pairs."""
    yes, no = int(applies.sum()), int((~applies).sum())
    if not yes or not no:
        return math.nan
    return float((ranks(logits)[applies].sum() - yes * (yes + 1) / 2) / (yes * no))


def list_metrics(prediction):
    """Those of several classes a row, as scikit-learn computes them; a class applies if its logit
    is above 0. A division by zero gives 0."""
    logits, targets = prediction.predictions, np.asarray(prediction.label_ids) > 0
    if isinstance(logits, tuple):
        logits = logits[0]
    answers = np.asarray(logits) > 0
    hits, given, true = ((a.sum(0)) for a in (answers & targets, answers, targets))
    both = given + true
    each = np.where(both > 0, 2 * hits / np.maximum(both, 1), 0.0)

    def ratio(a, b):
        return float(a / b) if b else 0.0

    return {"accuracy": float((answers == targets).all(1).mean()),
            "f1_micro": ratio(2 * hits.sum(), both.sum()), "f1_macro": float(each.mean()),
            "precision_micro": ratio(hits.sum(), given.sum()),
            "recall_micro": ratio(hits.sum(), true.sum()),
            "roc_auc_micro": area(np.asarray(logits).reshape(-1), targets.reshape(-1)),
            "roc_auc_macro": float(np.mean([area(np.asarray(logits)[:, i], targets[:, i])
                                            for i in range(targets.shape[1])]))}
