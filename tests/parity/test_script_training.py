# SPDX-License-Identifier: MIT
"""The example of a training script (examples/script), run by the real shim and worker."""
import subprocess
import sys

import pytest

from script_run import ROOT, events_of, run
from wait import wait_for


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A tiny random BERT and two data sets whose answer is one word, as Trainer wants them."""
    import datasets
    import transformers
    where = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", *"abcdefgh"]
    (where / "model").mkdir()
    (where / "model/vocab.txt").write_text("\n".join(words) + "\n")
    tokenizer = transformers.BertTokenizerFast(str(where / "model/vocab.txt"))
    tokenizer.save_pretrained(where / "model")
    transformers.set_seed(1)
    transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32)).save_pretrained(where / "model")
    for name, rows in (("train", 96), ("test", 32)):
        texts = [f"{'abcdefgh'[i % 8]} {'good' if i % 2 else 'bad'}" for i in range(rows)]
        ids = tokenizer(texts)
        made = datasets.Dataset.from_dict({"labels": [i % 2 for i in range(rows)],
                                           "input_ids": ids["input_ids"],
                                           "attention_mask": ids["attention_mask"]})
        made.with_format("torch").save_to_disk(where / name)
    return where


def trainer_script(script, tiny, **more):
    code = (ROOT / "examples/script/train.py").read_text()
    hyperparameters = {"epochs": 2, "train_batch_size": 8, "eval_batch_size": 16, "warmup_steps": 4,
                       "learning_rate": 5e-3, "not_known": 1, **more.pop("hyperparameters", {})}
    return script({"train.py": code}, model=str(tiny / "model"), hyperparameters=hyperparameters,
                  channels={n: str(tiny / n) for n in ("train", "test")}, **more)


def check_trained(x):
    import transformers
    values = [e["values"] for e in events_of(x) if e["t"] == "metric"]
    assert len([v for v in values if "loss" in v]) == 2  # 24 steps, a line every 10
    evals = [v for v in values if "eval_accuracy" in v]
    assert [v["epoch"] for v in evals] == [1, 2]
    result = [e for e in events_of(x) if e["t"] == "result"][0]["values"]
    text = (x.dir / "work/output/eval_results.txt").read_text()
    assert f"eval_accuracy = {result['eval_accuracy']}" in text
    assert result["eval_accuracy"] > 0.9 and result["eval_loss"] < 0.7
    transformers.AutoModelForSequenceClassification.from_pretrained(x.dir / "work/model")
    transformers.AutoTokenizer.from_pretrained(x.dir / "work/model")
    assert not list((x.dir / "work/model").glob("checkpoint-*"))
    assert sorted(p.name for p in (x.dir / "work/checkpoints").iterdir()) == ["checkpoint-12",
                                                                             "checkpoint-24"]


def test_example_trains(script, tiny):
    check_trained(run(trainer_script(script, tiny)))


def test_example_stops_and_goes_on(script, tiny):
    x = trainer_script(script, tiny, hyperparameters={"epochs": 2000}).start()
    wait_for("a metric", lambda: any(e["t"] == "metric" for e in events_of(x))
             if (x.dir / "work/events.ndjson").exists() else False)
    x.stop(60000)
    record = x.record()
    assert (record["cause"], record["code"]) == ("stopped", 1), x.log()
    step = int(x.log().split("the newest checkpoint is ")[1].split()[0].rsplit("-", 1)[1])
    epochs = step // 12 + 1
    y = run(trainer_script(script, tiny, hyperparameters={"epochs": epochs},
                           message={"resume": str(x.dir / "work/checkpoints")}))
    assert (y.dir / f"work/checkpoints/checkpoint-{epochs * 12}").is_dir()


OLDEST = ["transformers==4.26.1", "tokenizers==0.13.3", "huggingface-hub==0.25.2",
          "datasets==4.0.0"]


def test_example_trains_with_transformers_4(script, tiny, tmp_path):
    """The oldest version that the reference notebook names."""
    made = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                           "--target", tmp_path / "site", *OLDEST], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"pip cannot install {OLDEST}: {made.stderr[-300:]}")
    check_trained(run(trainer_script(script, tiny,
                                     environment={"PYTHONPATH": str(tmp_path / "site")})))
