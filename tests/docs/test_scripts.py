# SPDX-License-Identifier: MIT
"""The pipeline of docs/scripts.md, on this machine and on the fake of SageMaker."""
import csv
import json
import pathlib
import re
import runpy
import tarfile

import pytest

from trainyardd import ROOT

PAGE = (ROOT / "docs/scripts.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples/contract"


def run_of(world, target):
    status, said = world.run(f"trainyard submit --quiet examples/contract/{target}.json")
    assert status == 0, said
    run = world.daemon.wait_run(said.strip())
    job = world.daemon.job(run["id"], "train")
    assert job["state"] == "succeeded", json.dumps(job, indent=1)
    return job


def losses(world, job, **which):
    found = world.daemon.get(f"/v1/jobs/{job['id']}/metrics", name="loss", **which)["items"]
    return [point["values"]["loss"] for point in found]


@pytest.fixture
def trained(monkeypatch):
    """(losses by epoch, accuracy), from the script's functions without any target."""
    for name in ("SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR", "SM_CHANNEL_TRAIN"):
        monkeypatch.setenv(name, "/nonexistent")
    scope = runpy.run_path(str(EXAMPLE / "source/train.py"))
    with open(EXAMPLE / "data/points.csv", newline="", encoding="utf-8") as file:
        points = [(float(r["x"]), float(r["y"]), int(r["label"])) for r in csv.DictReader(file)]
    weights, found = [0.0, 0.0, 0.0], []
    for _ in range(5):
        weights = scope["train_epoch"](weights, points, 0.5)
        loss, accuracy = scope["evaluate"](weights, points)
        found.append(round(loss, 6))
    return found, accuracy


def test_here_the_retry_goes_on_from_the_checkpoint(world, trained):
    expected, accuracy = trained
    job = run_of(world, "local")
    assert job["attempt"] == 2
    assert losses(world, job) == expected[3:]
    assert losses(world, job, attempt=1) == expected[:3]
    assert "goes on after epoch 3" in world.daemon.log(job["id"])
    outputs = job["outputs"]
    assert json.loads((pathlib.Path(outputs["model"]) / "weights.json").read_text())
    assert sorted(p.name for p in pathlib.Path(outputs["checkpoints"]).glob("checkpoint-*")) == [
        f"checkpoint-{n:06d}" for n in range(1, 6)]
    assert outputs["metrics"]["eval_accuracy"] == accuracy, outputs


def test_on_sagemaker_the_same_script_gives_the_same_numbers(world, trained, tmp_path):
    expected, _ = trained
    job = run_of(world, "sagemaker")
    assert losses(world, job) == expected
    uri = job["outputs"]["model"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    world.fake.client("s3").download_file(bucket, key, str(tmp_path / "model.tar.gz"))
    with tarfile.open(tmp_path / "model.tar.gz") as archive:
        assert "weights.json" in [pathlib.Path(name).name for name in archive.getnames()]


def test_the_variables_of_the_page_are_those_of_the_contract():
    names = set(re.findall(r"`(?:SM_)([A-Z_]+)`", PAGE)) - {"CHANNEL_NAME", "HP_NAME"}
    contract = (ROOT / "worker/script/contract.c").read_text(encoding="utf-8")
    assert len(names) > 10
    assert not [name for name in names if f'"{name.lower()}"' not in contract]
