# SPDX-License-Identifier: MIT
"""RoBERTa and MPNet from preprocess to the endpoint beside transformers: Trainer's loss curve, the
trained folder in AutoModel and AutoTokenizer, pairs, and rows as long as its positions allow."""
import importlib
import json

import pytest
import torch
import transformers
from datasets import load_from_disk
from tokenizers import ByteLevelBPETokenizer

import mpnet
from execution import Execution
from serving import Server
from texts import BUILD, ROOT, reviews
from training import losses_of, save_dataset, trainers_losses

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")
POSITIONS = 34  # 32 tokens
STEPS = 100
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The model is tiny."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


SIZES = {"max_position_embeddings": POSITIONS, "hidden_size": 32, "intermediate_size": 64,
         "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_dropout_prob": 0.0,
         "attention_probs_dropout_prob": 0.0}


def save_roberta(folder):
    """With vocab.json and merges.txt."""
    learnt = ByteLevelBPETokenizer()
    learnt.train_from_iterator([text for text, _ in reviews()[:200]], vocab_size=1000,
                               special_tokens=SPECIAL, show_progress=False)
    learnt.save_model(str(folder))
    torch.manual_seed(5)
    transformers.RobertaForSequenceClassification(transformers.RobertaConfig(
        vocab_size=1000, type_vocab_size=1, **SIZES)).roberta.save_pretrained(folder)


def save_mpnet(folder):
    mpnet.save_tokenizer(folder)
    torch.manual_seed(5)
    transformers.MPNetForSequenceClassification(transformers.MPNetConfig(
        vocab_size=len(mpnet.vocabulary()), **SIZES)).mpnet.save_pretrained(folder)


@pytest.fixture(scope="module", params=[save_roberta, save_mpnet],
                ids=lambda save: save.__name__.removeprefix("save_"))
def model(request, tmp_path_factory):
    """A base model without dropout."""
    folder = tmp_path_factory.mktemp("model")
    request.param(folder)
    return folder


@pytest.fixture(scope="module")
def data(model, tmp_path_factory):
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    rows = reviews()[:58]
    folder = tmp_path_factory.mktemp("data")

    def save(name, part):
        return save_dataset(folder / name, [t for t, _ in part],
                            [int(s == "positive") for _, s in part], ["bad", "good"], tokenizer,
                            max_length=POSITIONS - 2)
    return {"train": save("train", rows[:38]), "test": save("test", rows[38:])}


def train(where, model, data, **hyperparameters):
    run = Execution(where, "train", {"model": str(model), "channels": data, "hyperparameters": {
        "train_batch_size": 4, "bf16": "off", "logging_steps": 1, "save_steps": 0,
        "learning_rate": 1e-3, "warmup_steps": 3, **hyperparameters}}).run()
    assert run.status == 0, run.stderr
    return run


@pytest.fixture(scope="module")
def trained(model, data, tmp_path_factory):
    return train(tmp_path_factory.mktemp("run"), model, data, max_steps=STEPS)


def test_the_loss_curve_is_trainers(model, data, trained, tmp_path):
    head = train(tmp_path / "x", model, data, max_steps=1, learning_rate=1e-30, warmup_steps=0)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(head.work / "model")
    want = trainers_losses(theirs, transformers.AutoTokenizer.from_pretrained(model), data["train"],
                           tmp_path / "t", STEPS, 1e-3)
    got = losses_of(trained)
    assert len(got) == STEPS and got == pytest.approx(want, abs=1e-3)
    assert min(got) < got[0] - 0.1


@pytest.fixture(scope="module")
def saved(trained):
    """The trained folder as transformers reads it: (folder, model, tokenizer)."""
    folder = trained.work / "model"
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    return folder, model.eval(), transformers.AutoTokenizer.from_pretrained(folder)


def scores(saved, *text):
    _, model, tokenizer = saved
    batch = tokenizer(*text, truncation=True, max_length=POSITIONS - 2, return_tensors="pt")
    with torch.no_grad():
        return model(**batch).logits[0].softmax(0)


def test_the_trained_folder_is_that_of_transformers(model, saved):
    folder, read, tokenizer = saved
    architecture = {"roberta": "RobertaForSequenceClassification",
                    "mpnet": "MPNetForSequenceClassification"}[read.config.model_type]
    assert type(read).__name__ == architecture and read.config.architectures == [architecture]
    assert read.config.id2label == {0: "bad", 1: "good"}
    texts = [t for t, _ in reviews()[:50]]
    before = transformers.AutoTokenizer.from_pretrained(model)
    assert tokenizer(texts)["input_ids"] == before(texts)["input_ids"]
    for s in json.loads((folder / "parity.json").read_text())["samples"]:
        p = scores(saved, s["text"])
        assert s["label"] == read.config.id2label[int(p.argmax())]
        assert s["score"] == pytest.approx(float(p.max()), abs=1e-4)


def test_the_endpoint_answers_as_transformers(saved, tmp_path):
    server = Server(tmp_path / "x", saved[0]).wait_ready()
    texts = [t for t, _ in reviews()[60:72]] + ["", " a <pad> b <mask>", "\u00e9t\u00e9 \u6f22"]
    pairs = [{"text": a, "text_pair": b} for a, b in zip(texts, texts[::-1])]
    answers = server.ask(texts), server.ask(pairs)
    assert server.end()[0] == 0
    for got, inputs in zip(answers, ([(t,) for t in texts], list(zip(texts, texts[::-1])))):
        for answer, text in zip(got, inputs, strict=True):
            p = scores(saved, *text)
            assert answer["label"] == saved[1].config.id2label[int(p.argmax())]
            assert answer["score"] == pytest.approx(float(p.max()), abs=1e-4)


def preprocess(where, model, data, **more):
    return Execution(where, "preprocess", {"model": str(model), "dataset": {"path": str(data)},
                                           **more}).run()


def test_preprocess_cuts_at_the_positions_that_are_left(model, tmp_path):
    """514 positions are 512 tokens; model_max_length is in no file here."""
    texts = [t for t, _ in reviews()[:40]]
    (tmp_path / "rows.jsonl").write_text("".join(
        json.dumps({"text": t, "label": i % 2}) + "\n" for i, t in enumerate(texts)))
    run = preprocess(tmp_path / "x", model, tmp_path / "rows.jsonl")
    assert run.status == 0, run.stderr
    rows = load_from_disk(str(run.work / "output/train")).with_format(None)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    want = tokenizer(list(rows["text"]), truncation=True, max_length=POSITIONS - 2)
    assert "token_type_ids" not in rows.column_names and "token_type_ids" not in want
    assert list(rows["input_ids"]) == want["input_ids"]
    assert max(map(len, want["input_ids"])) == POSITIONS - 2
    long = preprocess(tmp_path / "y", model, tmp_path / "rows.jsonl", max_length=POSITIONS - 1)
    [failure] = long.of_type("failure")
    assert f"max_length is {POSITIONS - 1}" in failure["message"]
    assert f"has {POSITIONS - 2} positions" in failure["message"]


@pytest.mark.parametrize("pad, words", [
    (POSITIONS - 3, None), (POSITIONS - 2, '"pad_token_id" is 32; {} counts positions'),
    (None, '"pad_token_id" is -1')])
def test_a_padding_that_leaves_no_positions_is_refused(data, saved, tmp_path, pad, words):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in saved[0].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "parity.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": pad}))
    run = Execution(tmp_path / "x", "evaluate",
                    {"model": str(folder), "data": data["test"]}).run()
    [failure] = run.of_type("failure")
    words = (words or "the model has only 2 positions").format(config["model_type"])
    assert words in failure["message"]


def test_the_container_counts_the_positions_alike(saved, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "worker/sagemaker_script"))
    max_tokens = importlib.import_module("rows").max_tokens
    bert = transformers.BertForSequenceClassification(transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        vocab_size=9, max_position_embeddings=33))
    assert (max_tokens(saved[1]), max_tokens(bert)) == (POSITIONS - 2, 33)
