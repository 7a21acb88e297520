# SPDX-License-Identifier: MIT
"""`trainyard-worker preprocess` against what `datasets` and `transformers` make of the rows."""
import csv
import gzip
import json
import random
import signal

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from execution import Execution
from texts import REVIEWS, minilm, reviews
from wait import DEADLINE_S, wait_for

IMDB = {"path": str(REVIEWS), "text_column": "review", "label_column": "sentiment",
        "labels": ["negative", "positive"]}
ROWS = [("Good film, caf\u00e9.", "pos"), ("bad\n\"very\" bad", "neg"), ("so, so", "neutral"),
        ("x", "pos"), ("[SEP] \u6f22\u5b57", "neg"), ("fine", "neutral"), ("great", "pos"),
        ("poor \U0001f600", "neg"), ("a " * 40, "pos"), ("b", "neg")]


def preprocess(tmp_path, dataset, cpus=2, **spec):
    spec = {"model": str(minilm()), "dataset": dataset} | spec
    return Execution(tmp_path / "x", "preprocess", spec, cpus).run()


def outputs(x):
    assert x.status == 0, x.stderr
    return (datasets.load_from_disk(str(x.work / "output/train")),
            datasets.load_from_disk(str(x.work / "output/test")))


def permutation(n, seed):
    """The documented scheme of worker/dataset/split.h."""
    mask = (1 << 64) - 1
    state = seed

    def below(limit):
        nonlocal state
        while True:
            state = (state + 0x9E3779B97F4A7C15) & mask
            z = state
            z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
            z ^= z >> 31
            if z < mask - mask % limit:
                return z % limit
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def as_datasets_does(tmp_path, texts, labels, names, text_column, max_length, padding, split):
    """Build and save the data set the way the notebook does, and load it again."""
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    d = datasets.Dataset.from_dict({text_column: texts, "label": labels}, split=split)
    d = d.cast_column("label", datasets.ClassLabel(names=names))
    d = d.map(lambda b: tokenizer(b[text_column], truncation=True, max_length=max_length,
                                  padding=padding), batched=True)
    d = d.rename_column("label", "labels")
    d.set_format("torch", columns=["labels", "input_ids", "token_type_ids", "attention_mask"])
    d.save_to_disk(str(tmp_path / "theirs"))
    return datasets.load_from_disk(str(tmp_path / "theirs"))


def assert_equal(ours, theirs):
    assert ours.features == theirs.features
    assert ours.column_names == theirs.column_names
    assert ours.format == theirs.format
    assert ours.split == theirs.split
    assert ours.data.schema.remove_metadata() == theirs.data.schema.remove_metadata()
    assert ours.with_format(None).to_dict() == theirs.with_format(None).to_dict()
    for a, b in zip(ours[:3]["input_ids"], theirs[:3]["input_ids"]):
        assert a.dtype == b.dtype and a.tolist() == b.tolist()


@pytest.mark.parametrize("padding", ["none", "max_length"])
def test_equal_to_what_datasets_saves(tmp_path, padding):
    x = preprocess(tmp_path, IMDB | {"train_rows": 2500, "test_rows": 680, "seed": 42},
                   max_length=128, padding=padding)
    rows, order = reviews(), permutation(3180, 42)
    for ours, part, split in zip(outputs(x), (order[:2500], order[2500:]), ("train", "test")):
        picked = [rows[i] for i in sorted(part)]
        theirs = as_datasets_does(tmp_path / split, [t for t, _ in picked],
                                  [IMDB["labels"].index(label) for _, label in picked],
                                  IMDB["labels"], "review", 128,
                                  padding == "max_length" and "max_length", split)
        assert_equal(ours, theirs)
    batches = list(pa.ipc.open_stream(str(x.work / "output/train/data-00000-of-00001.arrow")))
    assert [b.num_rows for b in batches] == [1000, 1000, 500]
    masks = [mask for d in outputs(x) for mask in d.with_format(None)["attention_mask"]]
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    long = sum(len(ids) > 128 for ids in tokenizer([text for text, _ in rows])["input_ids"])
    assert x.result | {"rows_per_second": 0} == {
        "train_rows": 2500, "test_rows": 680, "labels": 2, "invalid_utf8_rows": 0,
        "rows_without_label": 0, "rows_without_text": 0, "rows_per_second": 0,
        "tokens": sum(map(sum, masks)), "truncated_rows": long}
    assert x.result["rows_per_second"] > 0
    assert [e["phase"] for e in x.of_type("progress") if e["done"] == e["total"]] == \
        ["read", "tokenise", "write"]


def test_our_state_has_what_older_versions_need(tmp_path):
    x = preprocess(tmp_path, IMDB | {"train_rows": 20, "test_rows": 10})
    state = json.loads((x.work / "output/train/state.json").read_text())
    assert set(state) == {"_data_files", "_fingerprint", "_format_columns", "_format_kwargs",
                          "_format_type", "_output_all_columns", "_split"}
    assert len(state["_fingerprint"]) == 16 and int(state["_fingerprint"], 16) >= 0
    info = json.loads((x.work / "output/train/dataset_info.json").read_text())
    assert info["features"]["input_ids"]["_type"] == "Sequence"


def test_same_seed_same_rows_and_another_seed_others(tmp_path):
    a, b, c = (outputs(preprocess(tmp_path / str(i), IMDB | {"train_rows": 50, "test_rows": 20,
                                                             "seed": seed}, cpus=cpus))[0]
               for i, (seed, cpus) in enumerate([(1, 1), (1, 2), (2, 2)]))
    assert a.to_dict() == b.to_dict()
    assert a.to_dict() != c.to_dict()


def write_csv(path, rows, header=("text", "label"), **kwargs):
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="",
                                                       encoding="utf-8") as f:
        w = csv.writer(f, **kwargs)
        w.writerow(header)
        w.writerows(rows)
    return path


def write_source(kind, folder):
    """ROWS in one of the forms we read; returns the path."""
    table = pa.table({"extra": list(range(len(ROWS))), "label": [b for _, b in ROWS],
                      "text": [a for a, _ in ROWS]})
    if kind.startswith("csv"):
        return write_csv(folder / ("d.csv.gz" if "gz" in kind else "d.csv"), ROWS,
                         lineterminator="\n" if "lf" in kind else "\r\n",
                         quoting=csv.QUOTE_ALL if "quoted" in kind else csv.QUOTE_MINIMAL)
    if kind.startswith("jsonl"):
        path = folder / ("d.jsonl.gz" if "gz" in kind else "d.jsonl")
        text = "\n\n".join(json.dumps({"x": None, "label": b, "text": a},
                                      ensure_ascii="ascii" in kind) for a, b in ROWS)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if "gz" in kind else text.encode())
        return path
    if kind == "parquet":
        pq.write_table(table, folder / "d.parquet", row_group_size=3)
        return folder / "d.parquet"
    if kind == "parquet dictionary":
        table = table.set_column(1, "label", table["label"].dictionary_encode())
        pq.write_table(table, folder / "d.parquet")
        return folder / "d.parquet"
    d = datasets.Dataset(table)
    if kind == "saved classlabel":
        d = d.class_encode_column("label")
    if kind == "saved large":
        d = d.cast_column("text", datasets.Value("large_string"))
    d.save_to_disk(str(folder / "saved"), num_shards=3)
    return folder / "saved"


@pytest.mark.parametrize("kind", [
    "csv", "csv lf", "csv quoted", "csv gz", "jsonl", "jsonl ascii", "jsonl gz", "parquet",
    "parquet dictionary", "saved", "saved classlabel", "saved large"])
def test_every_kind_of_source_gives_the_same(tmp_path, kind):
    x = preprocess(tmp_path, {"path": str(write_source(kind, tmp_path)), "train_rows": 8,
                              "test_rows": 2}, max_length=16)
    train, test = outputs(x)
    order = permutation(10, 42)
    names = ["neg", "neutral", "pos"]
    assert train.features["labels"].names == names
    for d, part in ((train, order[:8]), (test, order[8:])):
        assert d.with_format(None)["text"] == [ROWS[i][0] for i in sorted(part)]
        assert d.with_format(None)["labels"] == [names.index(ROWS[i][1]) for i in sorted(part)]
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    expected = tokenizer(train.with_format(None)["text"][:], truncation=True, max_length=16)
    assert train.with_format(None)["input_ids"] == expected["input_ids"]


def make_aclimdb(root, parts=("train", "test")):
    for part in parts:
        for label in ("pos", "neg", "unsup"):
            (root / part / label).mkdir(parents=True)
            for i in range(4):
                (root / part / label / f"{i}_{i + 3}.txt").write_text(f"{part} {label} {i} \u00e9")
        (root / part / "urls_pos.txt").write_text("http://localhost")
    return root


def test_aclimdb_folder(tmp_path):
    train, test = outputs(preprocess(tmp_path, {"path": str(make_aclimdb(tmp_path / "acl"))}))
    assert train.features["labels"].names == ["neg", "pos"]
    assert train.with_format(None)["text"] == [f"train {c} {i} \u00e9" for c in ("neg", "pos")
                                               for i in range(4)]
    assert test.with_format(None)["labels"] == [0] * 4 + [1] * 4


def test_folder_of_classes_is_split(tmp_path):
    root = make_aclimdb(tmp_path / "acl", ("train",))
    train, test = outputs(preprocess(tmp_path, {"path": str(root / "train")}))
    assert (len(train), len(test)) == (7, 1)


def test_dataset_dict_and_parts_of_their_own(tmp_path):
    d = datasets.Dataset.from_dict({"text": [a for a, _ in ROWS], "label": [1, 0] * 5})
    parts = datasets.DatasetDict({"train": d, "test": d.select(range(4))})
    parts.save_to_disk(str(tmp_path / "dd"))
    train, test = outputs(preprocess(tmp_path, {"path": str(tmp_path / "dd"), "train_rows": 6}))
    assert train.with_format(None)["text"] == [ROWS[i][0]
                                               for i in sorted(permutation(10, 42)[:6])]
    assert test.with_format(None)["text"] == [a for a, _ in ROWS[:4]]
    assert train.features["labels"] == datasets.Value("int64")
    a = write_csv(tmp_path / "a.csv", [(t, "yes" if i % 2 else "no") for i, (t, _) in
                                       enumerate(ROWS)])
    b = write_csv(tmp_path / "b.csv", [("x", "yes"), ("y", "maybe")])
    train, test = outputs(preprocess(tmp_path / "2", {"train": {"path": str(a)},
                                                      "test": {"path": str(b)}}))
    assert train.features["labels"].names == ["maybe", "no", "yes"]
    assert test.with_format(None)["labels"] == [2, 0]


def test_text_pairs(tmp_path):
    rng = random.Random(5)
    rows = [("w " * rng.randrange(1, 30), "v " * rng.randrange(1, 30), i % 2) for i in range(200)]
    path = write_csv(tmp_path / "d.csv", rows, ("premise", "hypothesis", "label"))
    train, _ = outputs(preprocess(tmp_path, {"path": str(path), "text_column": "premise",
                                             "text_pair_column": "hypothesis"}, max_length=21))
    train = train.with_format(None)
    tokenizer = AutoTokenizer.from_pretrained(minilm())
    expected = tokenizer(train["premise"][:], train["hypothesis"][:], truncation=True,
                         max_length=21)
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert train[name] == expected[name]
    assert train.column_names == ["premise", "hypothesis", "labels", "input_ids",
                                  "token_type_ids", "attention_mask"]


@pytest.mark.parametrize("values,names,expected", [
    (["1", "0", "1"], None, [1, 0, 1]),
    (["1", "0", "1"], ["bad", "good"], [1, 0, 1]),
    (["good", "bad", "1"], ["bad", "good"], [1, 0, 1]),
    (["5", "3", "5"], ["3", "5"], [1, 0, 1]),
    (["b", "a", "b"], None, [1, 0, 1]),
])
def test_labels(tmp_path, values, names, expected):
    path = write_csv(tmp_path / "d.csv", [("x", v) for v in values])
    test = write_csv(tmp_path / "t.csv", [("x", values[0])])
    dataset = {"train": {"path": str(path)}, "test": {"path": str(test)}}
    train, _ = outputs(preprocess(tmp_path, dataset | ({"labels": names} if names else {})))
    assert train.with_format(None)["labels"] == expected


@pytest.mark.parametrize("names,expected,texts", [
    (None, ["neg", "pos"], [0] * 4 + [1] * 4),
    (["pos", "neg"], ["pos", "neg"], [1] * 4 + [0] * 4),
    (["other", "pos", "neg"], ["other", "pos", "neg"], [2] * 4 + [1] * 4),
    (["bad", "good"], ["bad", "good"], [0] * 4 + [1] * 4),
])
def test_names_of_the_source_decide(tmp_path, names, expected, texts):
    dataset = {"path": str(make_aclimdb(tmp_path / "acl"))}
    train, _ = outputs(preprocess(tmp_path, dataset | ({"labels": names} if names else {})))
    assert train.features["labels"].names == expected
    assert train.with_format(None)["labels"] == texts


def test_parts_whose_classes_are_in_another_order(tmp_path):
    for name, classes in (("a", ["x", "y"]), ("b", ["y", "x"])):
        d = datasets.Dataset.from_dict({"text": ["1", "2", "3"], "label": [0, 1, 0]})
        d.cast_column("label", datasets.ClassLabel(names=classes)).save_to_disk(tmp_path / name)
    dataset = {"train": {"path": str(tmp_path / "a")}, "test": {"path": str(tmp_path / "b")}}
    train, test = outputs(preprocess(tmp_path, dataset))
    assert train.with_format(None)["labels"] == [0, 1, 0]
    assert test.with_format(None)["labels"] == [1, 0, 1]
    x = preprocess(tmp_path / "2", dataset | {"labels": ["x", "z"]})
    assert x.failure["field"] == "/dataset/labels" and "'y'" in x.failure["message"]


def test_defaults(tmp_path):
    x = preprocess(tmp_path, {k: v for k, v in IMDB.items() if k != "labels"})
    train, test = outputs(x)
    assert (len(train), len(test)) == (3180 - 636, 636)
    assert max(map(len, train.with_format(None)["input_ids"])) == 512
    x = preprocess(tmp_path / "2", IMDB | {"train_rows": 3000})
    assert x.result["test_rows"] == 180


def test_model_without_type_ids(tmp_path):
    model = tmp_path / "distilbert"
    model.mkdir()
    (model / "vocab.txt").write_bytes((minilm() / "vocab.txt").read_bytes())
    (model / "config.json").write_text('{"model_type": "distilbert",'
                                       ' "max_position_embeddings": 40}')
    train, _ = outputs(preprocess(tmp_path, IMDB | {"train_rows": 30}, model=str(model)))
    assert train.column_names == ["review", "labels", "input_ids", "attention_mask"]
    assert max(map(len, train.with_format(None)["input_ids"])) == 40


def test_invalid_utf8_is_replaced_and_counted(tmp_path):
    path = tmp_path / "d.csv"
    path.write_bytes(b"text,label\nok,0\nbad \xff byte,1\nok,0\n\xc3,1\nok,1\n")
    x = preprocess(tmp_path, {"path": str(path)})
    assert x.result["invalid_utf8_rows"] == 2
    [warning] = x.of_type("warning")
    assert warning["code"] == "invalid_utf8"
    assert "2 rows" in warning["message"] and "row 2" in warning["message"]
    texts = [t for d in outputs(x) for t in d.with_format(None)["text"]]
    assert sorted(texts) == sorted(["ok", "bad \ufffd byte", "ok", "\ufffd", "ok"])


PATH = "/dataset/path"


def bad_input(tmp_path, name, data, dataset, field, words, code="invalid_input", **spec):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    x = preprocess(tmp_path, {"path": str(tmp_path / name)} | dataset, **spec)
    failure = x.failure
    assert failure["code"] == code, failure
    assert failure.get("field", "") == field, failure
    for word in words:
        assert word in failure["message"], failure
    assert failure["message"].count("\n") == 0
    assert failure["message"] in x.stderr


CSV = b"text,label\na,x\nb,y\nc,x\nd,y\n"


@pytest.mark.parametrize("name,data,dataset,field,words,code", [
    ("no.csv", None, {}, "/dataset/path", ["no.csv", "No such file"], "data_missing"),
    ("e.csv", b"", {}, "/dataset/path", ["is empty"], "invalid_input"),
    ("e.csv", b"text,label\n", {}, "/dataset/path", ["has no rows"], "invalid_input"),
    ("c.csv", CSV, {"text_column": "review"}, "/dataset/text_column",
     ["no column 'review'", "'text', 'label'"], "invalid_input"),
    ("c.csv", CSV, {"label_column": "sentiment"}, "/dataset/label_column",
     ["no column 'sentiment'"], "invalid_input"),
    ("c.csv", CSV, {"text_pair_column": "other"}, "/dataset/text_pair_column",
     ["no column 'other'"], "invalid_input"),
    ("c.csv", b"text,text,label\na,b,c\n", {}, "/dataset/text_column", ["twice"],
     "invalid_input"),
    ("c.csv", CSV, {"labels": ["x", "z"]}, "/dataset/labels",
     ["row 2", "'y'", "'x', 'z'"], "invalid_input"),
    ("c.csv", b"text,label\na,2\nb,0\n", {"labels": ["x", "z"]}, "/dataset/labels",
     ["row 1", "'2'"], "invalid_input"),
    ("c.csv", b"text,label\na,x\nb,\n", {}, "/dataset/label_column", ["row 2", "empty"],
     "invalid_input"),
    ("c.csv", b"text,label\na,x\nb,x\nc,x\n", {}, "/dataset/label_column",
     ["the label 'x'", "two classes"], "invalid_input"),
    ("c.csv", CSV, {"train_rows": 3, "test_rows": 2}, "/dataset/train_rows", ["3 + 2", "has 4"],
     "invalid_input"),
    ("c.csv", CSV, {"test_rows": 4}, "/dataset/test_rows", ["4 of the 4 rows", "leaves none"],
     "invalid_input"),
    ("c.csv", CSV, {"train_rows": 0}, "/dataset/train_rows", ["at least 1"], "invalid_input"),
    ("c.csv", b"text,label\na,x\nb\n", {}, PATH, ["row 2", "line 3", "1 columns"], "invalid_input"),
    ("c.csv", b'text,label\na,x\n"b,y\nc,x\n', {}, PATH, ["line 3", "never closed"],
     "invalid_input"),
    ("c.csv", b'text,label\n"a"b,x\n', {}, PATH, ["line 2", "closing quote"], "invalid_input"),
    ("c.csv.gz", gzip.compress(CSV * 1000, mtime=0)[:-20], {}, PATH, ["gzip", "ends too early"],
     "data_corrupt"),
    ("c.csv.gz", gzip.compress(CSV, mtime=0)[:12] + b"\xff" * 40, {}, PATH, ["gzip"],
     "data_corrupt"),
    ("c.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', {}, PATH, ["row 2", "line 2", "JSON"],
     "invalid_input"),
    ("c.jsonl", b'{"text": "a", "label": "x"}\n[1]\n', {}, PATH, ["row 2", "an object"],
     "invalid_input"),
    ("c.jsonl", b'{"text": 3, "label": "x"}\n', {}, "/dataset/text_column", ["row 1", "a string"],
     "invalid_input"),
    ("c.jsonl", b'{"text": "a", "label": 1.5}\n', {}, "/dataset/label_column", ["row 1"],
     "invalid_input"),
    ("c.jsonl", b'{"text": "a", "label": -1}\n', {}, "/dataset/label_column",
     ["no row", "-1 in all rows"], "invalid_input"),
    ("c.jsonl", b'{"txt": "a", "label": 1}\n', {}, "/dataset/text_column",
     ["row 1", "'txt', 'label'"], "invalid_input"),
    ("c.json", b'[{"text": "a"}]', {}, "/dataset/path", ["one object per line"], "invalid_input"),
    ("c.parquet", b"PAR1" + b"\0" * 100, {}, PATH, ["c.parquet"], "data_corrupt"),
    ("c.parquet", b"hello", {}, "/dataset/path", ["not a Parquet file"], "data_corrupt"),
    ("c.bin", CSV, {}, "/dataset/path", ["kind of the file"], "invalid_input"),
    ("c.csv", CSV, {"text_column": "labels"}, "/dataset/text_column", ["'labels'"],
     "invalid_input"),
    ("c.csv", CSV, {"labels": ["x", "x"]}, "/dataset/labels/1", ["twice"], "invalid_input"),
    ("c.csv", CSV, {"labels": ["x"]}, "/dataset/labels", ["at least two"], "invalid_input"),
])
def test_bad_data(tmp_path, name, data, dataset, field, words, code):
    bad_input(tmp_path, name, data, dataset, field, words, code)


@pytest.mark.parametrize("spec,field,words", [
    ({"max_length": 513}, "/max_length", ["512 positions"]),
    ({"max_length": 1}, "/max_length", ["at least 2"]),
    ({"max_length": "128"}, "/max_length", ["whole number"]),
    ({"padding": "longest"}, "/padding", ["'longest'"]),
])
def test_bad_spec(tmp_path, spec, field, words):
    bad_input(tmp_path, "c.csv", CSV, {}, field, words, **spec)


def test_model_directory_without_a_tokenizer(tmp_path):
    bad_input(tmp_path, "c.csv", CSV, {}, "/model", ["neither tokenizer.json nor vocab.txt"],
              "data_missing", model=str(tmp_path))


def test_broken_parquet_and_arrow_pages(tmp_path):
    good = write_source("parquet", tmp_path).read_bytes()
    for cut in (len(good) // 2, len(good) - 4):
        (tmp_path / str(cut)).mkdir()
        bad_input(tmp_path / str(cut), "cut.parquet", good[:cut], {}, PATH, ["cut.parquet"],
                  "data_corrupt")
    saved = write_source("saved", tmp_path)
    file = next(saved.glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:300])
    x = preprocess(tmp_path / "s", {"path": str(saved)})
    assert x.failure["code"] == "data_corrupt"
    file.unlink()
    x = preprocess(tmp_path / "t", {"path": str(saved)})
    assert x.failure["code"] == "data_missing" and file.name in x.failure["message"]


def test_wrong_column_types(tmp_path):
    pq.write_table(pa.table({"text": [1, 2], "label": [0, 1]}), tmp_path / "a.parquet")
    x = preprocess(tmp_path, {"path": str(tmp_path / "a.parquet")})
    assert x.failure["field"] == "/dataset/text_column"
    assert "the Arrow type int64, but it must hold strings" in x.failure["message"]
    pq.write_table(pa.table({"text": ["a", None], "label": [0, 1]}), tmp_path / "b.parquet")
    x = preprocess(tmp_path / "2", {"path": str(tmp_path / "b.parquet")})
    assert "row 2: a text is empty or null" in x.failure["message"]


def test_stop_is_honoured(tmp_path):
    (tmp_path / "big.csv").write_text("text,label\n" + "".join(
        f"text number {i} \u00e9,{i % 2}\n" for i in range(300_000)))
    x = Execution(tmp_path / "x", "preprocess",
                  {"model": str(minilm()), "dataset": {"path": str(tmp_path / "big.csv")}})
    process = x.start()
    wait_for("its first event", (x.work / "events.ndjson").exists)
    process.send_signal(signal.SIGTERM)
    x.stdout, x.stderr = process.communicate(timeout=DEADLINE_S)
    x.status = process.returncode
    assert x.failure["code"] == "cancelled"


def test_full_disk_is_a_clear_failure(tmp_path):
    def small_files():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    x = Execution(tmp_path / "x", "preprocess",
                  {"model": str(minilm()), "dataset": IMDB}).run(preexec_fn=small_files)
    assert x.failure["code"] == "disk_full"
    assert "data-00000-of-00001.arrow" in x.failure["message"]


def test_model_with_another_kind_of_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text(
        '{"added_tokens": [], "model": {"type": "BPE", "vocab": {}}}')
    bad_input(tmp_path, "c.csv", CSV, {}, "/model", ["BPE", "only WordPiece"], "unsupported",
              model=str(tmp_path))
