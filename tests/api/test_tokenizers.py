# SPDX-License-Identifier: MIT
"""A model whose tokenizer the engine would run otherwise than transformers is refused at validate,
for the jobs that run it here, with the file, the field and what to do."""
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from client import look_saved


@pytest.fixture
def model(tiny_model, tmp_path):
    """A copy of the model with other settings: model({"tokenizer_config.json": {…}})."""
    def make(files):
        folder = shutil.copytree(tiny_model, tmp_path / "model", dirs_exist_ok=True)
        for name, settings in files.items():
            path = folder / name
            old = json.loads(path.read_text()) if path.exists() else {}
            path.write_text(json.dumps(old | settings))
        return folder
    return make


def jobs_here(model, data):
    return [{"kind": "preprocess", "model": str(model), "dataset": {"path": str(data)}},
            {"kind": "train", "model": str(model), "channels": {"train": str(data.parent)}},
            {"kind": "deploy", "model": str(model), "endpoint": "never-made"}]


def found(daemon, job):
    answer = daemon.post("/v1/validate", job).json()
    return [(p["pointer"].rsplit("/", 1)[1], p["code"], p["detail"]) for p in answer["problems"]]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data" / "rows.csv"
    path.parent.mkdir()
    look_saved(path.parent)
    path.write_text("text,label\n" + "a film,0\nno film,1\n" * 9)
    return path


@pytest.mark.parametrize("files, words", [
    ({"tokenizer_config.json": {"tokenizer_class": "BertJapaneseTokenizer"}},
     "tokenizer_config.json: tokenizer_class is 'BertJapaneseTokenizer'"),
    ({"tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["mine.Tokenizer", None]}}},
     "tokenizer_config.json: auto_map"),
    ({"tokenizer.json": {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}}},
     "tokenizer.json: model is 'Unigram'"),
    ({"config.json": {"model_type": "xlm-roberta"}}, "config.json: model_type is 'xlm-roberta'"),
    ({"special_tokens_map.json": {"mask_token": 5}}, "special_tokens_map.json: mask_token"),
])
def test_a_foreign_tokenizer_is_refused_at_validate(daemon, model, data, script, files, words):
    folder = model(files)
    for job in jobs_here(folder, data):
        [(field, code, detail)] = found(daemon, job)
        assert (field, code) == ("model", "unsupported")
        assert words in detail and "train the model with a script" in detail
    assert not found(daemon, {**script("hello.py"), "model": str(folder)})


def test_ids_without_embeddings_are_refused_at_validate(daemon, model, data):
    folder = model({"tokenizer_config.json": {"extra_special_tokens": ["[USER]"]}})
    preprocess, *others = jobs_here(folder, data)
    assert not found(daemon, preprocess)  # a script may resize its model
    for job in others:
        [(field, code, detail)] = found(daemon, job)
        assert (field, code) == ("model", "unsupported") and "embedding rows" in detail
    known = model({"tokenizer_config.json": {"extra_special_tokens": ["film"]}})
    for job in jobs_here(known, data):
        assert not found(daemon, job)


def test_a_pipe_in_a_model_does_not_hold_up_the_daemon(daemon, model, data):
    folder = model({})
    os.mkfifo(folder / "added_tokens.json")
    for job in jobs_here(folder, data):
        [(_, code, detail)] = found(daemon, job)
        assert code == "invalid" and "added_tokens.json' is not a regular file" in detail


def peak_kb(daemon):
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def test_a_large_vocabulary_costs_the_daemon_no_memory(daemon, model, data):
    """A process of its own reads it."""
    folder = model({})
    preprocess = jobs_here(folder, data)[0]
    assert not found(daemon, preprocess)
    before = peak_kb(daemon)
    with (folder / "vocab.txt").open("a") as vocabulary:
        vocabulary.writelines(f"word{i}\n" for i in range(400_000))
    assert not found(daemon, preprocess)
    (folder / "added_tokens.json").write_text('["no object"]')
    [(_, code, _)] = found(daemon, preprocess)  # it was looked at
    assert code == "invalid"
    assert peak_kb(daemon) - before < 2048


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "config.json",
                                  "tokenizer_config.json", "model.safetensors"])
def test_a_pointer_of_git_lfs_is_refused_at_validate(daemon, model, data, name):
    """Before: "damaged" when the job ran; on SageMaker a container that never came up."""
    folder = model({})
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n")
    there = {"target": "sagemaker", "sagemaker": {
        "instance_type": "ml.m5.xlarge", "role": "arn:aws:iam::123456789012:role/Trainer"}}
    *jobs, deploy = jobs_here(folder, data)
    for job in [*jobs[name == "model.safetensors":], deploy, {**deploy, **there}]:
        [(field, code, detail)] = found(daemon, job)
        assert (field, code) == ("model", "invalid")
        assert detail == (f"{folder}/{name} is a pointer of Git LFS and not the file itself; "
                          "fetch it with: git lfs pull")
