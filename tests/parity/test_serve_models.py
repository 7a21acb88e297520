# SPDX-License-Identifier: MIT
"""Models whose answers are no numbers, and tokenisers that make ids which the model lacks: refused
when they are deployed; what shows only later is an error of its request alone."""
import concurrent.futures
import json

import pytest
import torch
import transformers

from serving import DEADLINE_S, Server, save, tiny
from texts import BUILD

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="built without the native engine")


def model_without(directory, change):
    torch.manual_seed(3)
    model = transformers.BertForSequenceClassification(tiny())
    with torch.no_grad():
        change(model)
    return save(model, directory)


def failure_of(server):
    server.process.wait(DEADLINE_S)
    assert server.end()[0] == 1
    assert not server.x.of_type("ready")
    return server.x.of_type("failure")[0]


def test_a_model_whose_answers_are_nan_is_not_deployed(tmp_path):
    model = model_without(tmp_path / "m", lambda m: m.classifier.weight.fill_(float("nan")))
    failure = failure_of(Server(tmp_path / "x", model))
    assert failure["code"] == "parity_failed"
    assert "not a number" in failure["message"]


def test_a_tokenizer_with_more_ids_than_the_model_is_not_deployed(tmp_path):
    model = model_without(tmp_path / "m", lambda m: None)
    (model / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "extra_special_tokens": ["[USER]"]}))
    failure = failure_of(Server(tmp_path / "x", model))
    assert failure["code"] == "unsupported"
    assert "ids up to 30522" in failure["message"] and "30522 embedding rows" in failure["message"]


def test_an_answer_that_is_no_number_is_an_error_of_its_request_alone(tmp_path):
    token = transformers.AutoTokenizer.from_pretrained(
        save(transformers.BertForSequenceClassification(tiny()), tmp_path / "t")
    ).convert_tokens_to_ids("zebra")

    def damage(model):
        model.bert.embeddings.word_embeddings.weight[token] = float("nan")
    server = Server(tmp_path / "x", model_without(tmp_path / "m", damage)).wait_ready()

    def ask(i):
        return server.invoke({"inputs": ["a film", "a zebra" if i % 5 == 0 else "a horse"]})
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(60)))
    assert server.end()[0] == 0
    for i, (status, answer) in enumerate(answers):
        assert status == (500 if i % 5 == 0 else 200), (i, answer)
        if status == 500:
            assert "input 1 is not a number" in answer["error"]
        else:
            assert all(0 <= a["score"] <= 1 for a in answer)


@pytest.mark.parametrize("key, value, words", [
    ("num_hidden_layers", 0, "must be a number from 1 to 1000, not 0"),
    ("vocab_size", "30522", "must be a number from 1 to 16777216, not a string"),
    ("max_position_embeddings", 1, "is 1; a row has at least 2 tokens"),
    ("intermediate_size", -1, "not -1"),
])
def test_a_size_that_no_model_has_is_shown(tmp_path, key, value, words):
    model = model_without(tmp_path / "m", lambda m: None)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {key: value}))
    failure = failure_of(Server(tmp_path / "x", model))
    assert f'config.json: "{key}"' in failure["message"] and words in failure["message"]
    assert failure["field"] == "/model" and failure["code"] == "invalid_input"
