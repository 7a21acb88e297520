# SPDX-License-Identifier: MIT
"""Whole jobs through the real daemon with data sets and models by name: the fake hub stands for the
hub, everything else is real."""
import hashlib
import io
import json
import re
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub_rig import TOKEN, Rig
from repos import Repo
from trainyardd import BUILD, ROOT, daemon_on

pytestmark = pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                                reason="needs the native worker")
CSV = b"text,label\n" + b"".join(b"good film %d,%s\n" % (i, b"yes" if i % 2 else b"no")
                                 for i in range(40))


@pytest.fixture
def rig(build, tmp_path):
    made = Rig(build, tmp_path)
    made.add_model()
    made.hub.add(Repo("dataset", "acme/rows")).commit({"rows.csv": CSV})
    yield made
    made.hub.close()


@pytest.fixture
def daemon(rig, tmp_path):
    home = tmp_path / "daemon"
    home.mkdir()
    with daemon_on(home, "allow_private_urls = 1\n", rig.env(HF_TOKEN=TOKEN)) as started:
        yield started


def prepare(dataset, **more):
    return {"name": "prep", "kind": "preprocess", "model": "distilbert-base-uncased",
            "dataset": dataset, "max_length": 16} | more


TRAIN = {"name": "train", "kind": "train", "model": "distilbert-base-uncased",
         "channels": {"train": "${prep.train}", "test": "${prep.test}"},
         "hyperparameters": {"epochs": 1, "train_batch_size": 8}}


def test_data_set_and_model_by_name(rig, daemon):
    run = daemon.submit([prepare({"hub": "imdb"}), TRAIN])["id"]
    train = daemon.wait_job(run, "train", "succeeded")
    config = json.loads((Path(train["outputs"]["model"]) / "config.json").read_text())
    assert config["id2label"] == {"0": "neg", "1": "pos"}
    prep = daemon.job(run, "prep")
    info = json.loads((Path(prep["outputs"]["test"]) / "dataset_info.json").read_text())
    assert info["features"]["labels"]["names"] == ["neg", "pos"]
    # the weights came once, for train; nothing went to the other host with the token
    weights = [c for c in rig.calls("cdn", "GET")]
    assert weights and not [c for c in weights if c["authorization"]]
    assert {c["authorization"] for c in rig.calls("hub")} == {f"Bearer {TOKEN}"}
    rig.hub.forget()
    again = daemon.submit([prepare({"hub": "stanfordnlp/imdb", "split": "train"})])["id"]
    daemon.wait_job(again, "prep", "succeeded")
    assert not rig.calls("cdn")
    assert TOKEN not in daemon.ask("GET", f"/v1/jobs/{prep['id']}").text
    assert TOKEN.encode() not in (daemon.data / "trainyard.db").read_bytes()


def test_the_token_goes_to_no_hub_that_a_job_names(rig, daemon):
    """Before: a job's HF_ENDPOINT got the daemon's token."""
    for variables in ({}, {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"}):
        rig.hub.forget()
        other = rig.hub.url.replace("127.0.0.1", "localhost")
        assert other != rig.hub.url
        run = daemon.submit([prepare({"hub": "imdb", "split": "train"},
                                     environment={"HF_ENDPOINT": other, **variables})])["id"]
        daemon.wait_job(run, "prep", "succeeded")
        assert rig.calls("hub") and not [c for c in rig.calls("hub") if c["authorization"]]
    rig.hub.forget()
    run = daemon.submit([prepare({"hub": "imdb", "split": "train"},
                                 environment={"HF_ENDPOINT": rig.hub.url + "/"})])["id"]
    daemon.wait_job(run, "prep", "succeeded")
    assert {c["authorization"] for c in rig.calls("hub")} == {f"Bearer {TOKEN}"}


def glue_part(first, rows, labels):
    table = pa.table({"text": [f"sentence {i}" for i in range(first, first + rows)],
                      "label": pa.array([labels[i % len(labels)] for i in range(rows)])})
    features = {"text": {"dtype": "string", "_type": "Value"},
                "label": {"names": ["negative", "positive"], "_type": "ClassLabel"}}
    table = table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def test_a_hub_test_split_without_labels_gives_way_to_validation(rig, daemon):
    rig.hub.add(Repo("dataset", "acme/glue")).commit({
        "sst2/train-00000-of-00001.parquet": glue_part(0, 12, [0, 1]),
        "sst2/validation-00000-of-00001.parquet": glue_part(20, 6, [1, 0]),
        "sst2/test-00000-of-00001.parquet": glue_part(40, 8, [-1])})
    run = daemon.submit([prepare({"hub": "acme/glue", "config": "sst2"})])["id"]
    prep = daemon.wait_job(run, "prep", "succeeded")
    table = datasets.load_from_disk(prep["outputs"]["test"]).with_format(None)
    assert list(table["text"]) == [f"sentence {i}" for i in range(20, 26)]
    assert list(table["labels"]) == [1, 0] * 3
    warned = [w for w in prep["warnings"] if w["code"] == "test_unlabelled"]
    assert len(warned) == 1 and "test_split" in warned[0]["detail"]
    glue = {"hub": "acme/glue", "config": "sst2"}
    run = daemon.submit([prepare(glue | {"test_split": "validation"})])["id"]
    prep = daemon.wait_job(run, "prep", "succeeded")
    assert datasets.load_from_disk(prep["outputs"]["test"]).num_rows == 6
    run = daemon.submit([prepare(glue | {"test_split": "dev"})])["id"]
    reason = daemon.wait_job(run, "prep", "failed")["reason"]
    assert "no split 'dev'; it has 'train', 'validation', 'test'" in reason["message"]


def test_url_with_its_checksum(rig, daemon):
    url = rig.hub.url + "/datasets/acme/rows/resolve/main/rows.csv"
    sha = hashlib.sha256(CSV).hexdigest()
    run = daemon.submit([prepare({"url": url, "sha256": sha})])["id"]
    prep = daemon.wait_job(run, "prep", "succeeded")
    info = json.loads((Path(prep["outputs"]["train"]) / "dataset_info.json").read_text())
    assert info["features"]["labels"]["names"] == ["no", "yes"]
    assert (daemon.data / "cache" / sha).is_dir()
    run = daemon.submit([prepare({"url": url, "sha256": "0" * 64})])["id"]
    failed = daemon.wait_job(run, "prep", "failed")
    assert failed["reason"]["code"] == "data_corrupt" and "checksum" in failed["reason"]["message"]


def test_a_url_of_this_machine_needs_a_setting(rig, tmp_path):
    url = rig.hub.url + "/datasets/acme/rows/resolve/main/rows.csv"
    with daemon_on(tmp_path, environment=rig.env(HF_TOKEN=TOKEN)) as daemon:
        run = daemon.submit([prepare({"url": url, "sha256": hashlib.sha256(CSV).hexdigest()})])
        reason = daemon.wait_job(run["id"], "prep", "failed")["reason"]
    assert reason["code"] == "url_private" and "local.allow_private_urls" in reason["message"]
    assert not rig.calls("hub")


def test_refusal_of_the_hub_is_the_jobs_reason(rig, daemon):
    run = daemon.submit([prepare({"hub": "no/such"})])["id"]
    reason = daemon.wait_job(run, "prep", "failed")["reason"]
    assert reason["code"] == "data_missing" and "does not have the data set 'no/such'" in \
        reason["message"]
    run = daemon.submit([prepare({"hub": "imdb", "split": "dev"})])["id"]
    reason = daemon.wait_job(run, "prep", "failed")["reason"]
    assert "no split 'dev'; it has 'train', 'test', 'unsupervised'" in reason["message"]


def test_the_daemon_hands_on_what_the_client_reads():
    read = (ROOT / "transfer/hub/env.c").read_text()
    names = set(re.findall(r'"((?:HF|HUGGING|TRANSFORMERS|XDG)[A-Z_]+)"', read))
    handed = "".join(file.read_text() for file in sorted((ROOT / "daemon").rglob("transfer*.c")))
    assert "HF_ENDPOINT" in names and len(names) > 8
    assert not [name for name in names if f'"{name}"' not in handed]
