# SPDX-License-Identifier: MIT
"""What takes the disk: `trainyard du` and its route, beside du(1)."""
import subprocess

import pytest

from client import NO_RUN, check, problem
from trainyardd import BUILD

SCRIPT = """\
import os, pathlib
model = pathlib.Path(os.environ['SM_MODEL_DIR'])
(model / 'weights').write_bytes(b'w' * 300000)
with open(model / 'hole', 'wb') as f:
    f.truncate(50 << 20)
os.link(model / 'weights', model / 'twice')
os.symlink('/usr', model / 'link')
checkpoints = model.parent / 'checkpoints/checkpoint-1'
checkpoints.mkdir(parents=True)
os.link(model / 'weights', checkpoints / 'weights')
(checkpoints / 'own').write_bytes(b'c' * 70000)
deep = model
for i in range(100):
    deep = deep / 'd'
    deep.mkdir()
(deep / 'file').write_bytes(b'x' * 9000)
print('said')
"""


@pytest.fixture(scope="module")
def world(daemon, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "make.py").write_text(SCRIPT)
    run = daemon.submit([{"name": name, "kind": "script", "entry_point": "make.py",
                          "source_dir": str(folder)} for name in ("one", "two")])
    for job in run["jobs"]:
        assert daemon.wait_end(job["id"])["state"] == "succeeded"
    return run


def du(*paths):
    """Bytes by du(1), all paths together."""
    out = subprocess.run(["du", "-s", "-c", "--block-size=1", *paths], capture_output=True,
                         text=True, check=True, timeout=60).stdout
    return int(out.splitlines()[-1].split()[0])


def folders(daemon, job):
    return [spec.parent for spec in daemon.data.glob("executions/*/spec.json")
            if f'"{job}"' in spec.read_text()]


def test_the_sums_are_those_of_du(daemon, world):
    answer = daemon.get("/v1/disk-usage")
    while answer["bytes"] != du(daemon.data):  # the database grows by itself
        answer = daemon.get("/v1/disk-usage")
    assert answer["complete"] and sum(answer["kinds"].values()) == answer["bytes"]
    assert du(*daemon.data.glob("trainyard.*")) == answer["kinds"]["database"]
    assert {"models", "checkpoints", "logs", "data", "cache", "database", "trash"} <= set(
        answer["kinds"])
    check(daemon.get("/openapi.json"), "DiskUsage", answer)
    [run] = [run for run in answer["runs"] if run["run"] == world["id"]]
    assert run["bytes"] == sum(job["bytes"] for job in run["jobs"]) == du(
        *[path for job in world["jobs"] for path in folders(daemon, job["id"])])


def test_the_trash_is_counted_as_trash(daemon, world):
    """What a prune removes at the moment. Before: it was counted under other."""
    trash = daemon.data / "executions/.trash"
    before = daemon.get("/v1/disk-usage")["kinds"]
    (trash / "removed/work/model").mkdir(parents=True)
    (trash / "removed/work/model/weights").write_bytes(b"w" * 300000)
    try:
        after = daemon.get("/v1/disk-usage")["kinds"]
        assert after["trash"] == du(trash) >= 300000
        assert (after["models"], after["other"]) == (before["models"], before["other"])
    finally:
        subprocess.run(["rm", "-rf", trash / "removed"], check=True)


def test_folders_without_a_row_are_listed(daemon, world):
    """As a restored backup leaves them. Before: they were in the sum, and nobody said which."""
    [one, *_] = folders(daemon, world["jobs"][0]["id"])
    assert daemon.get("/v1/disk-usage")["without_row"] == []
    stray = one.with_name("x" + one.name[1:-4] + "zzzz")
    try:
        (stray / "work/model").mkdir(parents=True)
        (stray / "work/model/weights").write_bytes(b"w" * 300000)
        answer = daemon.get("/v1/disk-usage")
        assert answer["without_row"] == [{"execution": stray.name, "bytes": du(stray)}]
        check(daemon.get("/openapi.json"), "DiskUsage", answer)
        assert daemon.get("/v1/disk-usage", run=world["id"])["without_row"] == []
        said = subprocess.run([BUILD / "cli/trainyard", "--url", daemon.url, "du"], text=True,
                              capture_output=True, check=True, timeout=60).stdout
        assert "WITHOUT A ROW" in said and stray.name in said
    finally:
        subprocess.run(["rm", "-rf", stray], check=True)


def test_a_run_by_job_and_kind(daemon, world):
    answer = daemon.get("/v1/disk-usage", run=world["id"])
    [run] = answer["runs"]
    assert answer["bytes"] == run["bytes"] and {j["name"] for j in run["jobs"]} == {"one", "two"}
    for job in run["jobs"]:
        [folder] = folders(daemon, job["job"])
        assert job["bytes"] == du(folder) == sum(job["kinds"].values())
        assert job["kinds"]["logs"] == du(*folder.glob("log*"))
        # A file with several names is counted once; a hole takes nothing.
        both = job["kinds"]["models"] + job["kinds"]["checkpoints"]
        assert both == du(folder / "work/model", folder / "work/checkpoints")
        assert 370000 < both < 1500000


@pytest.mark.parametrize("levels, complete", [(497, True), (498, False)])
def test_what_is_too_deep_is_said(daemon, world, levels, complete):
    """executions/ID/work and so many directories: 500 below the data directory, and one more."""
    [folder] = folders(daemon, world["jobs"][0]["id"])
    path = "/".join(["d"] * levels)
    try:
        (folder / "work" / path).mkdir(parents=True)
        assert daemon.get("/v1/disk-usage", run=world["id"])["complete"] is complete
    finally:
        subprocess.run(["rm", "-rf", folder / "work/d"], check=True)


def test_what_is_asked_wrong(daemon, world):
    problem(daemon.ask("GET", "/v1/disk-usage", params={"run": NO_RUN}), 404, "not_found")
    for wrong in ("x", "", world["id"] + ",", ",".join([world["id"]] * 21)):
        problem(daemon.ask("GET", "/v1/disk-usage", params={"run": wrong}), 400,
                "invalid_parameter")


def test_the_client_shows_it(daemon, world):
    def run(*words):
        return subprocess.run([BUILD / "cli/trainyard", "--url", daemon.url, "du", *words],
                              capture_output=True, text=True, timeout=60)
    whole = run()
    assert whole.returncode == 0 and "database" in whole.stdout and world["id"] in whole.stdout
    one = run(world["id"])
    assert all(job["id"] in one.stdout for job in world["jobs"]), one.stdout + one.stderr
    assert run("--json", world["id"]).stdout.lstrip().startswith("{")
    assert run("nothing").returncode == 1
