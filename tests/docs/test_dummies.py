# SPDX-License-Identifier: MIT
"""The lists of docs/adding.md, followed for a dummy of each kind that nobody needs: programs with
all of them are compiled from copies of the files of the lists, and have them."""
import importlib
import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from safetensors.numpy import load_file, save_file

import dummies
from dummies import FAMILY, Copy, section, users
from fake_aws import KEY, SECRET
from trainyardd import BUILD, ROOT, daemon_on

COUNTED = ("JOB_KINDS_", "SPEC_TRAIN_SCRIPT", "SPEC_MODES_")
OPERATION = "ListMonitoringSchedules"  # of SageMaker; Trainyard has no use for it


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A daemon and a worker with a dummy key, route, migration and kind."""
    made = Copy(tmp_path_factory.mktemp("copy"), dummies.key(), dummies.route(),
                dummies.migration(), dummies.kind())
    files = sorted((ROOT / "storage/migrations").glob("*.sql"))
    files += sorted(made.dir.glob("storage/migrations/*.sql"))
    subprocess.run([sys.executable, ROOT / "tools/embed_sql.py", made.dir / "storage/embedded.c",
                    *files], check=True)
    config = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "config").glob("*.c"))]
    made.link("daemon/trainyardd", sorted({
        "api/routes.c", "api/usage.c", "jobs/kind.c", "jobs/spec/fields.c", *config,
        *users(*COUNTED)}) + [("storage/embedded.c", "storage/migrate.c")])
    made.link("worker/trainyard-worker", [("worker/dummy.c", "worker/main.c"), "worker/main.c"])
    (made.dir / "shim").symlink_to(BUILD / "shim")
    (made.dir / "transfer").symlink_to(BUILD / "transfer")
    return made


def test_the_dummies_are_there(copy, tmp_path):
    with daemon_on(tmp_path, f"[{section()}]\ndummy_slots = 7\n", build=copy.dir) as daemon:
        assert daemon.get("/v1/dummies") == {"items": []}
        assert daemon.ask("POST", "/v1/dummies").status_code == 405
        with sqlite3.connect(daemon.data / "trainyard.db") as db:
            assert db.execute("SELECT count(*) FROM dummies").fetchall() == [(0,)]
            [[version]] = db.execute("PRAGMA user_version").fetchall()
    assert version == len(list((ROOT / "storage/migrations").glob("*.sql"))) + 1


def test_a_job_of_the_kind_runs(copy, tmp_path):
    with daemon_on(tmp_path, build=copy.dir) as daemon:
        run = daemon.submit([{"kind": "dummy", "max_runtime": "1m"}])
        assert daemon.wait_run(run["id"])["state"] == "succeeded"
        [job] = daemon.get("/v1/jobs", kind="dummy")["items"]
        assert job["name"] == "dummy"
        assert daemon.get(f"/v1/jobs/{job['id']}")["outputs"]["metrics"] == {"answer": 42}
        wrong = daemon.ask("POST", "/v1/validate", {"jobs": [{"kind": "dummy", "model": "x"}]})
        assert wrong.json()["problems"][0]["code"] == "unknown_field"


@pytest.mark.parametrize("value, word", [("8", "dummy_slots"), ("one", "dummy_slots")])
def test_the_key_has_its_bounds(copy, tmp_path, value, word):
    (tmp_path / "x.conf").write_text(f"[{section()}]\ndummy_slots = {value}\n", encoding="utf-8")
    done = subprocess.run([copy.dir / "daemon/trainyardd", "--config", tmp_path / "x.conf",
                           "--data-dir", tmp_path, "--check"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 1 and word in done.stdout + done.stderr


def test_the_key_is_in_the_help(copy):
    done = subprocess.run([copy.dir / "daemon/trainyardd", "--help-config"], capture_output=True,
                          text=True, check=True)
    assert "dummy_slots" in done.stdout and "Of no use." in done.stdout


# ---- a model family ----


def as_family(model, folder):
    """The model with the names of the dummy family."""
    shutil.copytree(model, folder)
    weights = load_file(model / "model.safetensors")
    save_file({name.replace("bert.", "dummy.", 1): value for name, value in weights.items()},
              folder / "model.safetensors")
    config = (model / "config.json").read_text(encoding="utf-8")
    for old, new in zip(*FAMILY):
        config = config.replace(old, new)
    (folder / "config.json").write_text(config, encoding="utf-8")
    return folder


def inspect(build, folder):
    """What `trainyard-worker inspect` finds in a model."""
    question = {"roots": ["/"], "data_dir": "/nonexistent", "specs": [], "models": [str(folder)]}
    done = subprocess.run([build / "worker/trainyard-dataset", "inspect"], text=True, check=True,
                          input=json.dumps(question), capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(not (BUILD / "worker/trainyard-native").exists(),
                    reason="needs the native engine")
def test_a_model_of_the_family_is_read(model, tmp_path):
    made = Copy(tmp_path / "copy", dummies.family())
    made.link("worker/trainyard-dataset", [
        "worker/model/family.c", ("worker/model/family_dummy.c", "worker/model/family_bert.c")])
    folder = as_family(model, tmp_path / "model")
    assert inspect(made.dir, folder) == {"model": 0}
    assert "'dummy'" in inspect(BUILD, folder)["message"]


# ---- an AWS call ----


def module(monkeypatch, folder, name):
    """A module of another suite."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / folder))
    return importlib.import_module(name)


def test_a_call_needs_its_permission(tmp_path, monkeypatch):
    for room in ("daemon", "transfer", "aws", "docs"):
        shutil.copytree(ROOT / room, tmp_path / room)
    rules = module(monkeypatch, "source", "test_permissions")
    monkeypatch.setattr(rules, "ROOT", tmp_path)
    rules.test_the_daemon_may_do_what_it_does()
    caller, page = tmp_path / "daemon/account/jobs.c", tmp_path / "docs/operations.md"
    for path in "daemon/account/jobs.c", "docs/operations.md":
        assert f"`{path}`" in dummies.list_of("An AWS call")
    caller.write_text(f'{caller.read_text()}static const char operation[] = "{OPERATION}";\n')
    with pytest.raises(AssertionError, match=OPERATION):
        rules.test_the_daemon_may_do_what_it_does()
    known = '"sagemaker:ListTrainingJobs"'
    page.write_text(page.read_text().replace(known, f'{known}, "sagemaker:{OPERATION}"', 1))
    rules.test_the_daemon_may_do_what_it_does()


def test_the_fake_answers_the_call(tmp_path, monkeypatch):
    """The client needs no line for an operation; the fake needs one."""
    probe_of = module(monkeypatch, "aws", "aws_probe").Probe
    table = "tests/fakes/aws/sagemaker.py"
    assert f"`{table}`" in dummies.list_of("An AWS call")
    shutil.copytree(ROOT / "tests/fakes/aws", tmp_path / "fake")
    answer = '{"MonitoringScheduleSummaries": []}'
    (tmp_path / "fake/sagemaker.py").write_text(dummies.changed(
        table, ('"AddTags": add_tags', f'"{OPERATION}": lambda context, r: {answer},\n'
                '    "AddTags": add_tags')), encoding="utf-8")
    found = {}
    for name, script in (("ours", ROOT / "tests/fakes/aws"), ("with", tmp_path / "fake")):
        fake = subprocess.Popen([sys.executable, script / "serve.py", "--port", "0", "--state",
                                 tmp_path / name], stdout=subprocess.PIPE, text=True)
        try:
            probe = probe_of(BUILD, fake.stdout.readline().split()[-1], AWS_ACCESS_KEY_ID=KEY,
                             AWS_SECRET_ACCESS_KEY=SECRET)
            found[name] = probe.ask("sagemaker", OPERATION, input={})
            probe.close()
        finally:
            fake.terminate()
            fake.wait()
            fake.stdout.close()
    assert (found["with"]["result"], found["with"]["kind"]) == (0, "none")
    assert found["with"]["output"] == {"MonitoringScheduleSummaries": []}
    assert found["ours"]["result"] != 0
