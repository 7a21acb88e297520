# SPDX-License-Identifier: MIT
"""local.roots holds at the time of use, for what is opened: links of a user are followed while they
lead to something below a root, and nothing leads out of the directory of a job."""
import shutil
import tempfile

import pytest

from client import Daemon
from trainyardd import BUILD

NATIVE = (BUILD / "worker/trainyard-native").exists()
CSV = "text,label\n" + "".join(f"row {i} is {'good' if i % 2 else 'bad'},{i % 2}\n"
                               for i in range(20))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home").resolve()


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside").resolve()
    (folder / "secret.csv").write_text(CSV)
    return folder


@pytest.fixture(scope="module")
def narrow(home, outside):
    far = outside / "models--org--far" / "snapshots" / "1"
    layout(far)
    with tempfile.TemporaryDirectory(prefix="ty-roots.") as directory:
        daemon = Daemon(directory, f"roots = {home}\n[models]\nfar = {far}\n")
        try:
            yield daemon.start()
        finally:
            daemon.finish()


def layout(snapshot):
    """A model as the hub's cache lays it out: links to blobs beside the snapshot."""
    cache = snapshot.parents[1]
    snapshot.mkdir(parents=True)
    (cache / "blobs").mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "row", "is", "good", "bad"]
    texts = {"config.json": '{"model_type": "bert", "max_position_embeddings": 64}',
             "vocab.txt": "\n".join(words) + "\n",
             "tokenizer_config.json": '{"tokenizer_class": "BertTokenizer", "do_lower_case": true}'}
    for i, (name, text) in enumerate(texts.items()):
        (cache / "blobs" / f"b{i}").write_text(text)
        (snapshot / name).symlink_to(f"../../blobs/b{i}")
    return snapshot


@pytest.fixture(scope="module")
def model(home):
    return layout(home / "cache" / "models--org--m" / "snapshots" / ("0" * 40))


def prep(model, path, **more):
    return {"name": "prep", "kind": "preprocess", "model": str(model),
            "dataset": {"path": str(path), "test_rows": 4, "train_rows": 10, **more}}


def script(source, **more):
    return {"name": "s", "kind": "script", "entry_point": "train.py", "source_dir": str(source),
            **more}


def problems(daemon, job):
    return [(p["pointer"], p["code"], p["detail"])
            for p in daemon.post("/v1/validate", {"jobs": [job]}).json()["problems"]]


def end(daemon, job, state="succeeded"):
    ended = daemon.wait_end(job["id"])
    assert ended["state"] == state, ended["reason"]
    return ended


def swapped(daemon, job, change):
    """Submit it held, change something, release it; how it ended."""
    job = daemon.submit_job({**job, "held": True})
    change()
    daemon.post(f"/v1/jobs/{job['id']}/release")
    return daemon.wait_end(job["id"])


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_cache_snapshot_and_a_linked_folder_work(narrow, home, model):
    real = home / "disk" / "data"
    real.mkdir(parents=True)
    (real / "x.csv").write_text(CSV)
    linked = home / "data"
    linked.symlink_to(real)
    job = narrow.submit_job(prep(model, linked / "x.csv"))
    end(narrow, job)


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_model_of_the_configuration_may_lie_outside(narrow, home):
    data = home / "far.csv"
    data.write_text(CSV)
    end(narrow, narrow.submit_job(prep("far", data)))


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_link_that_leads_out_is_refused_at_the_submit(narrow, home, model, outside):
    link = home / "leak.csv"
    link.symlink_to(outside / "secret.csv")
    [found] = problems(narrow, prep(model, link))
    assert found[:2] == ("/jobs/0/dataset/path", "forbidden")


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_file_swapped_for_a_link_after_the_submit(narrow, home, model, outside):
    data = home / "swap.csv"
    data.write_text(CSV)

    def change():
        data.unlink()
        data.symlink_to(outside / "secret.csv")

    ended = swapped(narrow, prep(model, data), change)
    assert ended["state"] == "failed" and "not below a root" in ended["reason"]["message"], ended


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_model_file_swapped_for_a_link(narrow, home, model, outside):
    data = home / "plain.csv"
    data.write_text(CSV)
    for name in ("vocab.txt", "tokenizer_config.json", "config.json"):
        copy = home / f"model-{name}"
        shutil.copytree(model, copy)
        shutil.copy(copy / name, outside / name)

        def change():
            (copy / name).unlink()
            (copy / name).symlink_to(outside / name)

        ended = swapped(narrow, prep(copy, data), change)
        assert ended["state"] == "failed", name
        assert "not below a root" in ended["reason"]["message"], (name, ended["reason"])


def test_source_dir_follows_links_below_the_roots_only(narrow, home, outside):
    source = home / "code"
    source.mkdir()
    (home / "shared.py").write_text("WORD = 'shared'\n")
    (source / "shared.py").symlink_to(home / "shared.py")
    (source / "train.py").write_text("import shared\nprint('said', shared.WORD)\n")
    job = narrow.submit_job(script(source))
    end(narrow, job)
    assert "said shared" in narrow.log(job["id"])
    (source / "leak").symlink_to(outside / "secret.csv")
    [found] = problems(narrow, script(source))
    assert found[0] == "/jobs/0/source_dir" and "not below a root" in found[2]


def test_a_channel_swapped_for_a_link(narrow, home, outside):
    source, data = home / "code2", home / "channel"
    for folder in (source, data):
        folder.mkdir()
    (source / "train.py").write_text("print('ran')\n")
    (data / "x").write_text("x")

    def change():
        shutil.rmtree(data)
        data.symlink_to(outside)

    ended = swapped(narrow, script(source, channels={"train": str(data)}), change)
    assert ended["state"] == "failed" and "not below a root" in ended["reason"]["message"], ended


READ = """\
import os, pathlib
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"])
for name in ("up/a", "up/deep/b", "folder/secret", "inner", "absolute"):
    print(name, (data / name).read_text())
(data / "up" / "new").write_text("x")
"""


def test_links_of_a_channel_lead_where_they_led(narrow, home, outside):
    """Relative links out of the directory, as in a snapshot of the hub's cache, were broken in
    /opt/ml; one out of the roots was followed."""
    source, data = home / "code3", home / "links"
    for folder in (source, data / "up/deep", home / "blobs"):
        folder.mkdir(parents=True)
    (source / "train.py").write_text(READ)
    blob = home / "blobs" / "secret"
    blob.write_text("from a blob")
    (data / "file").write_text("from inside")
    (data / "up/a").symlink_to(f"../../{blob.parent.name}/secret")
    (data / "up/deep/b").symlink_to(f"../../../{blob.parent.name}/secret")
    (data / "folder").symlink_to(f"../{blob.parent.name}")
    (data / "inner").symlink_to("file")
    (data / "absolute").symlink_to(blob)
    (data / "dangling").symlink_to("../nowhere")
    job = script(source, channels={"train": str(data)})
    log = narrow.log(end(narrow, narrow.submit_job(job))["id"])
    for line in ("up/a from a blob", "up/deep/b from a blob", "folder/secret from a blob",
                 "inner from inside", "absolute from a blob"):
        assert line in log.splitlines(), log
    (data / "up/deep/out").symlink_to(outside / "secret.csv")
    ended = narrow.wait_end(narrow.submit_job(job)["id"])
    assert ended["state"] == "failed", ended
    assert "the link up/deep/out" in ended["reason"]["message"], ended["reason"]
    assert "not below a root" in ended["reason"]["message"], ended["reason"]


LEAK = """\
import os, pathlib, sys
model = pathlib.Path(os.environ['SM_MODEL_DIR'])
model.mkdir(exist_ok=True)
for name in os.listdir(sys.argv[2]):
    (model / name).write_bytes((pathlib.Path(sys.argv[2]) / name).read_bytes())
(model / 'vocab.txt').unlink()
(model / 'vocab.txt').symlink_to(sys.argv[4])
"""


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
def test_a_link_out_of_a_job_stays_in_its_tree(narrow, home, model):
    """Even to what lies below a root: the user has not made this link."""
    source, data = home / "leaky", home / "leaky.csv"
    source.mkdir()
    data.write_text(CSV)
    (source / "train.py").write_text(LEAK)
    vocab = home / "vocab.txt"
    shutil.copy(model / "vocab.txt", vocab)
    run = narrow.submit([
        {**script(source), "name": "leak",
         "hyperparameters": {"from": str(model), "to": str(vocab)}},
        {**prep("${leak.model}", data), "name": "prep"}])
    ended = narrow.wait_end(run["jobs"][1]["id"])
    assert ended["state"] == "failed", ended
    assert "leads out of the directory that a job or a download made" in ended["reason"]["message"]


@pytest.mark.skipif(not NATIVE, reason="this build has no native engine")
@pytest.mark.parametrize("name", ["out", "out/.train.part", "out/.test.part"])
def test_an_output_that_becomes_a_link_out_is_not_written(narrow, home, model, outside, name):
    data, where = home / "written.csv", home / "written"
    data.write_text(CSV)
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    target = outside / "target"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()

    def change():
        (where / name).parent.mkdir(exist_ok=True)
        (where / name).symlink_to(target)

    ended = swapped(narrow, {**prep(model, data), "output": str(where / "out")}, change)
    assert ended["state"] == "failed" and "not below a root" in ended["reason"]["message"], ended
    assert list(target.iterdir()) == []
