# SPDX-License-Identifier: MIT
"""What is probably not meant is said wherever a person looks: in the API, in the results, by
`show`, `wait` and `submit --wait`."""
import json
import os
import subprocess

import pytest
from trainyardd import BUILD, DEADLINE_S

LABELS = {"fine": "pos", "bad": "neg"}


@pytest.fixture(scope="module")
def pipeline(tiny_model, tmp_path_factory):
    """pipeline(hyperparameters): preprocess and train of 45 steps, two words to tell apart."""
    folder = tmp_path_factory.mktemp("pipeline")
    (folder / "data.csv").write_text("text,label\n" + "".join(
        f"a {word} film {i},{label}\n" for i in range(200) for word, label in LABELS.items()))

    def make(**hyperparameters):
        hyperparameters = {"epochs": 1, "train_batch_size": 8, "learning_rate": 1e-2,
                           **hyperparameters}
        path = folder / "pipeline.json"
        path.write_text(json.dumps({"name": "warm", "jobs": [
            {"name": "prep", "kind": "preprocess", "model": str(tiny_model), "max_length": 16,
             "dataset": {"path": str(folder / "data.csv"), "train_rows": 360, "test_rows": 40}},
            {"name": "train", "kind": "train", "model": str(tiny_model),
             "channels": {"train": "${prep.train}", "test": "${prep.test}"},
             "hyperparameters": hyperparameters}]}))
        return path
    return make


def command(daemon, *words):
    done = subprocess.run(
        [BUILD / "cli/trainyard", *map(str, words)], capture_output=True, text=True, check=False,
        timeout=DEADLINE_S, env={**os.environ, "TRAINYARD_URL": daemon.url})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def trained(daemon, run):
    [job] = [job for job in daemon.get(f"/v1/runs/{run}")["jobs"] if job["name"] == "train"]
    return daemon.get(f"/v1/jobs/{job['id']}")


def test_a_warm_up_longer_than_the_run_is_said_everywhere(daemon, pipeline):
    out, err = command(daemon, "submit", "--wait", pipeline(warmup_steps=500))
    run, words = out.split()[0], "warmup_steps 500 is not less than the run's 45 steps"
    assert f"warning: train: {words}" in err
    job = trained(daemon, run)
    [warning] = job["warnings"]
    assert warning["code"] == "warmup_too_long" and warning["count"] == 1
    assert warning["detail"].startswith(words)
    metrics = job["outputs"]["metrics"]
    assert metrics["warmup_steps"] == 500 and metrics["warnings"] == job["warnings"]
    with open(os.path.join(job["outputs"]["output"], "metrics.json"), encoding="utf-8") as f:
        assert json.load(f)["warnings"] == job["warnings"]
    with open(os.path.join(job["outputs"]["output"], "eval_results.txt"), encoding="utf-8") as f:
        assert "warnings" not in f.read()
    for known in (daemon.get(f"/v1/runs/{run}")["jobs"], daemon.get("/v1/jobs", run=run)["items"],
                  daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]):
        assert job["warnings"] in [item.get("warnings") for item in known]
    assert f"warning     train: {words}" in command(daemon, "show", run)[0]
    assert f"warning     {words}" in command(daemon, "show", job["id"])[0]
    assert f"warning: train: {words}" in command(daemon, "wait", run)[1]
    assert f"warning: train: {words}" in command(daemon, "wait", job["id"])[1]


def test_the_default_warm_up_fits_the_run(daemon, pipeline):
    """500 steps of warm-up leave a run of 45 steps untrained; a tenth of the run does not."""
    out, err = command(daemon, "submit", "--wait", pipeline())
    job = trained(daemon, out.split()[0])
    assert "warning" not in err and "warnings" not in job, job
    assert job["outputs"]["metrics"]["warmup_steps"] == 5
    assert job["outputs"]["metrics"]["eval_accuracy"] == 1
    job = trained(daemon, command(daemon, "submit", "--wait", pipeline(warmup_ratio=0.5))[0]
                  .split()[0])
    assert job["outputs"]["metrics"]["warmup_steps"] == 23  # ceil(22.5), as Trainer rounds
