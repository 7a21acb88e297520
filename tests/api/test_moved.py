# SPDX-License-Identifier: MIT
"""A data directory that was moved while the daemon was down: all of it works at the new place."""
import pytest
from trainyardd import BUILD, wait_for


def move(daemon, name):
    daemon.stop()
    daemon.data = daemon.data.rename(daemon.dir / name)
    daemon.start()


def test_moved_data_directory(fresh, tmp_path):
    (tmp_path / "make.py").write_text(
        "import os, pathlib\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'weights').write_text('w')\n"
        "print('made')\n")
    (tmp_path / "use.py").write_text(
        "import os, pathlib\n"
        "folder = pathlib.Path(os.environ['SM_CHANNEL_TRAIN'])\n"
        "print(folder, (folder / 'weights').read_text())\n")
    common = {"kind": "script", "source_dir": str(tmp_path)}
    daemon = fresh()
    run = daemon.submit([
        {**common, "name": "make", "entry_point": "make.py"},
        {**common, "name": "use", "entry_point": "use.py", "held": True,
         "channels": {"train": "${make.model}"}}])
    made, use = (job["id"] for job in run["jobs"])
    daemon.wait_end(made)
    move(daemon, "elsewhere")
    job = daemon.get(f"/v1/jobs/{made}")
    assert job["outputs"]["model"].startswith(f"{daemon.data}/executions/")
    assert job["spec"]["source_dir"].startswith(f"{daemon.data}/sources/")
    assert "made" in daemon.log(made)
    names = [item["path"] for item in daemon.get(f"/v1/jobs/{made}/artifacts")["items"]]
    assert "model/weights" in names, names
    # One that is queued still: its source_dir and what it needs lie at the new place.
    assert daemon.post(f"/v1/jobs/{use}/release").status_code == 200
    assert daemon.wait_end(use)["state"] == "succeeded", daemon.log(use)
    assert " w" in daemon.log(use)
    # And a retry of what ran before the move.
    move(daemon, "again")
    clone = daemon.submit([{**common, "name": "use", "entry_point": "use.py",
                            "channels": {"train": job["outputs"]["model"].replace(
                                str(daemon.dir / "elsewhere"), str(daemon.data))}}])
    assert daemon.wait_end(clone["jobs"][0]["id"])["state"] == "succeeded"


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="needs the native worker: endpoints here are served by it")
def test_moved_data_directory_restarts_its_endpoints(fresh, tmp_path, tiny_model):
    (tmp_path / "make.py").write_text(
        "import os, shutil\n"
        f"shutil.copytree({str(tiny_model)!r}, os.environ['SM_MODEL_DIR'], dirs_exist_ok=True)\n")
    daemon = fresh()
    run = daemon.submit([
        {"name": "make", "kind": "script", "source_dir": str(tmp_path), "entry_point": "make.py"},
        {"name": "serve", "kind": "deploy", "model": "${make.model}", "endpoint": "moved"}])
    assert daemon.wait_end(run["jobs"][1]["id"])["state"] == "succeeded"
    daemon.stop()
    daemon.end_processes()  # as a reboot does
    daemon.data = daemon.data.rename(daemon.dir / "elsewhere")
    daemon.start()
    wait_for("the restart", lambda: daemon.get("/v1/endpoints/moved")["state"] == "in_service" and
             daemon.post("/v1/endpoints/moved/invocations",
                         {"inputs": "a fine film"}).status_code == 200)
    assert daemon.get("/v1/endpoints/moved")["model"].startswith(f"{daemon.data}/executions/")
