# SPDX-License-Identifier: MIT
"""A retried script finds its checkpoints, and goes on counting the points of its metrics."""
import pytest

SCRIPT = """
import os, pathlib, sys
checkpoints = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
resumes = (checkpoints / "state").exists()
if "keep" in sys.argv:
    (checkpoints / "state").write_text("here")
for i in range(2 if resumes else 3):
    print(f"loss={i}.5", flush=True)
sys.exit(0 if resumes else 3)
"""


@pytest.mark.parametrize("keep, second", [("keep", [4, 5]), ("none", [1, 2, 3])])
def test_metrics_go_on_counting_after_a_resume(daemon, tmp_path, keep, second):
    (tmp_path / "train.py").write_text(SCRIPT)
    job = daemon.wait_end(daemon.submit_job({
        "kind": "script", "entry_point": "train.py", "source_dir": str(tmp_path),
        "hyperparameters": {"mode": keep}, "retry": {"max": 0},
        "metric_definitions": [{"name": "loss", "regex": "loss=([0-9.]+)"}]})["id"])
    assert job["state"] == "failed", job
    assert daemon.post(f"/v1/jobs/{job['id']}/retry").status_code == 200
    job = daemon.wait_end(job["id"])
    steps = {n: [point["step"] for point in
                 daemon.get(f"/v1/jobs/{job['id']}/metrics", attempt=n)["items"]] for n in (1, 2)}
    assert steps == {1: [1, 2, 3], 2: second}


LAST = """
import os, pathlib, shutil, sys
checkpoints = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
found = sorted(path.name for path in checkpoints.iterdir())
print("found", *found, flush=True)
if not found:
    (checkpoints / "state").write_text("here")
else:
    (checkpoints / "state").unlink()  # as if it had ended before it had any
sys.exit(3)
"""


def test_a_retry_finds_what_any_attempt_before_has_left(daemon, tmp_path):
    """Before: only what the last one had left, so that the third began anew."""
    (tmp_path / "train.py").write_text(LAST)
    job = daemon.wait_end(daemon.submit_job({
        "kind": "script", "entry_point": "train.py", "source_dir": str(tmp_path),
        "retry": {"max": 0}})["id"])
    for attempt in (2, 3):
        assert daemon.post(f"/v1/jobs/{job['id']}/retry").status_code == 200
        job = daemon.wait_end(job["id"])
        assert job["attempt"] == attempt
        assert "found state" in daemon.log(job["id"]).splitlines(), attempt
