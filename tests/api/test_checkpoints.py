# SPDX-License-Identifier: MIT
"""Which checkpoints stay: those of native training until it has succeeded, those of a script as
checkpoint.keep_last says."""
import inspect
import json
import pathlib
import shutil

import pytest

from client import look_saved
from trainyardd import wait_for

LABELS = {"fine": "pos", "bad": "neg"}


@pytest.fixture(scope="module")
def train(daemon, tiny_model, tmp_path_factory):
    """train(epochs=3, **fields): a native training of 10 steps an epoch, under way."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "data.csv").write_text("text,label\n" + "".join(
        f"a {word} film {i},{label}\n" for i in range(40) for word, label in LABELS.items()))
    prep = daemon.wait_end(daemon.submit_job({
        "kind": "preprocess", "model": str(tiny_model), "max_length": 16,
        "dataset": {split: {"path": str(folder / "data.csv")} for split in ("train", "test")}}
    )["id"])
    assert prep["state"] == "succeeded", prep

    def submit(epochs=3, **fields):
        return daemon.submit_job({
            "kind": "train", "model": str(tiny_model), "retry": {"max": 0}, **fields,
            "channels": {"train": prep["outputs"]["train"]},
            "hyperparameters": {"epochs": epochs, "train_batch_size": 8}})["id"]
    return submit


def work_of(daemon, job):
    return next(spec.parent / "work" for spec in daemon.data.glob("executions/*/spec.json")
                if job in spec.read_text())


@pytest.mark.parametrize("keep, left", [(None, None), (False, None),
                                        (True, ["checkpoint-10", "checkpoint-20"])])
def test_checkpoints_of_a_succeeded_training_go_at_its_end(daemon, train, keep, left):
    """Before: two checkpoints, three times the model each, stayed for ever."""
    job = daemon.wait_end(train(**({} if keep is None else {"keep_checkpoints": keep})))
    assert job["state"] == "succeeded", job
    work = work_of(daemon, job["id"])
    folder = work / "checkpoints"
    assert (sorted(p.name for p in folder.iterdir()) if folder.exists() else None) == left
    assert ("checkpoints" in job["outputs"]) == bool(left)
    assert (work / "model/model.safetensors").is_file() and (work / "output/metrics.json").is_file()
    assert not (work / ".checkpoints").exists()


def cancel_behind_a_checkpoint(daemon, job):
    daemon.wait_state(job, "running")
    wait_for("a checkpoint", lambda: daemon.get("/v1/events", job=job, kind="checkpoint",
                                                since=0)["items"])
    daemon.post(f"/v1/jobs/{job}/cancel")
    ended = daemon.wait_end(job)
    assert ended["state"] == "cancelled", ended
    return ended


def test_checkpoints_of_a_cancelled_training_stay_and_are_used(daemon, train):
    job = train(epochs=1000)
    ended = cancel_behind_a_checkpoint(daemon, job)
    assert list(pathlib.Path(
        ended["outputs"]["checkpoints"]).glob("checkpoint-*/manifest.json"))
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    wait_for("the resume", lambda: "resuming after step" in daemon.log(job))
    daemon.post(f"/v1/jobs/{job}/cancel")
    daemon.wait_end(job)
    # the second left none, as one that ends early: the third goes on from the first's, too
    [second] = [spec.parent / "work/checkpoints"
                for spec in daemon.data.glob("executions/*/spec.json")
                if job in spec.read_text() and '"attempt": 2,' in spec.read_text()]
    shutil.rmtree(second, ignore_errors=True)
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    daemon.wait_state(job, "running")
    wait_for("the resume", lambda: "resuming after step" in daemon.log(job))
    daemon.post(f"/v1/jobs/{job}/cancel")
    assert daemon.wait_end(job)["attempt"] == 3


def test_a_success_removes_the_checkpoints_of_earlier_attempts(daemon, train):
    """Before: those of each attempt that was stopped or killed stayed for ever."""
    job = train(epochs=40)
    cancel_behind_a_checkpoint(daemon, job)
    first = work_of(daemon, job)
    assert list((first / "checkpoints").iterdir())
    assert daemon.post(f"/v1/jobs/{job}/retry").status_code == 200
    ended = daemon.wait_end(job)
    assert (ended["state"], ended["attempt"]) == ("succeeded", 2), ended
    assert "resuming after step" in daemon.log(job)
    assert not (first / "checkpoints").exists() and not (first / ".checkpoints").exists()
    assert first.is_dir()


# ---- scripts ----

SCRIPT = """\
import json, os, pathlib, sys, time
gate = pathlib.Path(sys.argv[sys.argv.index('--gate') + 1])
folder = pathlib.Path(os.environ['SM_MODEL_DIR']).parent / 'checkpoints'
(gate / 'folder').write_text(str(folder.resolve()))
done = 0
print('started', flush=True)
while not (gate / 'go').exists():
    if (gate / f'do{done}').exists():
        exec((gate / f'do{done}').read_text())
        done += 1
        (gate / f'done{done}').touch()
    time.sleep(0.02)
sys.exit(int((gate / 'go').read_text() or 0))
"""
SAVE = """\
for step in {steps}:
    (folder / f'checkpoint-{{step}}').mkdir(exist_ok=True)
    (folder / f'checkpoint-{{step}}/weights').write_bytes(b'w' * 1000)
    (folder / f'checkpoint-{{step}}/trainer_state.json').write_text({state!r})
"""


@pytest.fixture(scope="module")
def state():
    """trainer_state.json as transformers writes it, of a run whose best checkpoint is `best`."""
    callback = pytest.importorskip("transformers.trainer_callback")

    def make(tmp_path, best=None):
        path = f"/opt/ml/checkpoints/checkpoint-{best}" if best else None
        callback.TrainerState(best_model_checkpoint=path, global_step=1).save_to_json(
            str(tmp_path / "state"))
        return (tmp_path / "state").read_text()
    return make


@pytest.fixture
def script(daemon, tmp_path, gate):
    """A running script that does what it is told to, as do(CODE), in do.folder."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text(SCRIPT)

    class Running:
        def __init__(self, keep_last, **fields):
            self.n = 0
            self.job = daemon.submit_job({
                "kind": "script", "entry_point": "train.py", "source_dir": str(tmp_path / "src"),
                "hyperparameters": {"gate": str(gate)}, "retry": {"max": 0},
                "checkpoint": {"keep_last": keep_last}, **fields})["id"]
            self.look()

        def look(self):
            wait_for("its start", lambda: "started" in daemon.log(self.job))
            attempt = daemon.get(f"/v1/jobs/{self.job}")["attempt"]
            self.folder = max((p.parent for p in daemon.data.glob("executions/*/spec.json")
                               if self.job in p.read_text()
                               and json.loads(p.read_text())["attempt"] == attempt),
                              key=lambda p: p.name) / "work/checkpoints"

        def do(self, code):
            (gate / "next").write_text(code)
            (gate / "next").rename(gate / f"do{self.n}")
            self.n += 1
            wait_for(f"step {self.n}", (gate / f"done{self.n}").exists)

        def names(self):
            return sorted(p.name for p in self.folder.iterdir())

        def until(self, *names):
            wait_for(f"{names}", lambda: self.names() == sorted(names))

        def end(self, code=""):
            (gate / "next").write_text(code)
            (gate / "next").rename(gate / "go")
            return daemon.wait_end(self.job)
    return Running


def test_the_newest_complete_checkpoints_of_a_script_stay(script, state, tmp_path):
    """Before: 'keep_last' was an unknown field, and all of them stayed."""
    run = script(2)
    run.do(SAVE.format(steps=[100, 200, 300], state=state(tmp_path)))
    run.until("checkpoint-200", "checkpoint-300")
    # One that is being written, first without its state, then with half of it, is not counted.
    half = state(tmp_path)[:-5]
    run.do("(folder / 'checkpoint-400').mkdir()")
    run.do(SAVE.format(steps=[350], state=state(tmp_path)))
    run.until("checkpoint-300", "checkpoint-350", "checkpoint-400")
    run.do(f"(folder / 'checkpoint-400/trainer_state.json').write_text({half!r})")
    run.do(SAVE.format(steps=[360], state=state(tmp_path)))
    run.until("checkpoint-350", "checkpoint-360", "checkpoint-400")
    run.do(SAVE.format(steps=[400], state=state(tmp_path)))
    run.until("checkpoint-360", "checkpoint-400")
    job = run.end()
    assert job["state"] == "succeeded" and run.names() == ["checkpoint-360", "checkpoint-400"]
    assert not (run.folder.parent / ".thinned").exists()


def test_the_best_checkpoint_stays_too(script, state, tmp_path):
    """load_best_model_at_end reads it when the training ends."""
    run = script(1)
    run.do(SAVE.format(steps=[10, 20], state=state(tmp_path)))
    run.until("checkpoint-20")
    run.do(SAVE.format(steps=[30, 40], state=state(tmp_path, best=20)))
    run.until("checkpoint-20", "checkpoint-40")
    assert run.end()["state"] == "succeeded"


def test_what_is_no_checkpoint_is_never_removed(script, state, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "trainer_state.json").write_text(state(tmp_path))
    run = script(1)
    run.do(f"""
os.symlink({str(outside)!r}, folder / 'checkpoint-1')
(folder / 'checkpoint-2').write_text('a file')
(folder / 'checkpoint-3').mkdir()
os.mkfifo(folder / 'checkpoint-3/trainer_state.json')
(folder / 'checkpoint-4').mkdir()
os.symlink({str(outside / 'trainer_state.json')!r}, folder / 'checkpoint-4/trainer_state.json')
(folder / 'checkpoint-5').mkdir()
(folder / 'checkpoint-5/trainer_state.json').mkdir()
for name in ('best', 'checkpoint-+6', 'checkpoint-7x', 'checkpoint-99999999999999999999',
             'checkpoint- 8', 'Checkpoint-9', '.checkpoint-1'):
    (folder / name).mkdir()
    (folder / name / 'trainer_state.json').write_text({state(tmp_path)!r})
""")
    hostile = run.names()
    run.do(SAVE.format(steps=[100, 200], state=state(tmp_path)))
    run.until("checkpoint-200", *hostile)
    job = run.end()
    assert job["state"] == "succeeded" and run.names() == sorted([*hostile, "checkpoint-200"])
    assert (outside / "trainer_state.json").exists()


def test_a_resume_finds_its_checkpoints(daemon, script, state, tmp_path, gate):
    """What the attempt before has left stays until this attempt has completed one of its own."""
    run = script(3)
    run.do(SAVE.format(steps=[1, 2, 3], state=state(tmp_path)))
    assert run.end("3")["state"] == "failed"
    (gate / "go").unlink()
    for mark in [*gate.glob("do*")]:
        mark.unlink()
    run.n = 0
    assert daemon.post(f"/v1/jobs/{run.job}/retry").status_code == 200
    daemon.wait(f"/v1/jobs/{run.job}", lambda job: job["attempt"] == 2 and
                job["state"] == "running", "the second attempt")
    run.look()
    assert run.names() == ["checkpoint-1", "checkpoint-2", "checkpoint-3"]
    run.do(SAVE.format(steps=[4], state=state(tmp_path)))
    run.until("checkpoint-2", "checkpoint-3", "checkpoint-4")
    assert run.end()["state"] == "succeeded"


def test_nothing_to_thin_is_said(script):
    run = script(1)
    run.do("for n in (1, 2, 3): (folder / f'checkpoint-{n}').mkdir()")
    job = run.end()
    assert run.names() == ["checkpoint-1", "checkpoint-2", "checkpoint-3"]
    assert [w["code"] for w in job["warnings"]] == ["checkpoints_not_thinned"], job["warnings"]


@pytest.mark.parametrize("entries, thinned", [(4094, True), (4095, False)])
def test_a_huge_folder_is_left_alone(script, state, tmp_path, entries, thinned):
    """At the limit of 4096 entries, the two checkpoints among them, and one past it."""
    run = script(1)
    run.do(f"for n in range({entries} - 2): (folder / str(n)).touch()")
    run.do(SAVE.format(steps=[1, 2], state=state(tmp_path)))
    job = run.end()
    assert (run.folder / "checkpoint-2").is_dir()
    assert (run.folder / "checkpoint-1").is_dir() != thinned
    assert bool(job.get("warnings")) != thinned


def test_transformers_writes_the_state_last():
    """The fact on which 'complete' rests."""
    trainer = pytest.importorskip("transformers").Trainer
    text = inspect.getsource(trainer._save_checkpoint)
    last = text.index("save_to_json")
    assert "TRAINER_STATE_NAME" in text[last:last + 80]
    for before in ("self.save_model(", "_save_optimizer_and_scheduler(", "_save_rng_state("):
        assert text.index(before) < last


SCRIPT_JOB = {"kind": "script", "entry_point": "train.py"}
BETWEEN = "between 1 and 1000"
REFUSED = [
    (SCRIPT_JOB | {"checkpoint": {"keep_last": 0}}, "/checkpoint/keep_last", BETWEEN),
    (SCRIPT_JOB | {"checkpoint": {"keep_last": 1001}}, "/checkpoint/keep_last", BETWEEN),
    (SCRIPT_JOB | {"target": "sagemaker", "checkpoint": {"keep_last": 2},
                   "sagemaker": {"instance_type": "ml.g5.xlarge"}},
     "/checkpoint/keep_last", "all checkpoints stay in S3"),
    (SCRIPT_JOB | {"keep_checkpoints": True}, "/keep_checkpoints",
     "keeps the checkpoints of a script"),
    ({"kind": "train", "checkpoint": {"keep_last": 2}}, "/checkpoint/keep_last", "newest two"),
]


@pytest.mark.parametrize("job, pointer, words", REFUSED)
def test_what_holds_there_is_said_at_validate(daemon, tiny_model, tmp_path, job, pointer, words):
    (tmp_path / "train.py").touch()
    job = job | ({"source_dir": str(tmp_path)} if job["kind"] == "script" else
                 {"model": str(tiny_model), "channels": {"train": str(tmp_path)}})
    found = {p["pointer"]: p["detail"]
             for p in daemon.post("/v1/validate", job).json()["problems"]}
    assert words in found[pointer], found


@pytest.mark.parametrize("keep, valid", [({}, False), ({"keep_checkpoints": True}, True)])
def test_a_reference_to_checkpoints_needs_them_kept(daemon, tiny_model, tmp_path, keep, valid):
    (tmp_path / "train.py").touch()
    answer = daemon.post("/v1/validate", {"jobs": [
        {"name": "fit", "kind": "train", "model": str(tiny_model),
         "channels": {"train": str(look_saved(tmp_path))}, **keep},
        {"name": "look", "source_dir": str(tmp_path), **SCRIPT_JOB,
         "channels": {"in": "${fit.checkpoints}"}}]}).json()
    assert answer["valid"] == valid, answer
    assert valid or "keep_checkpoints" in answer["problems"][0]["detail"]
