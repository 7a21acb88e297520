# SPDX-License-Identifier: MIT
"""Data sets and models from the hub: what a job gets, and the cache shared with huggingface_hub,
datasets and transformers, which are clients of the same fake hub."""
import pathlib
import subprocess
import sys

import pytest

from hub_rig import FULL, IMDB, MODEL, MODEL_FILES, TOKEN, Rig, imdb_files, model_files, parquet
from repos import Repo
from wait import DEADLINE_S, wait_for

TRAIN = ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
LOAD = """
import datasets, json
found = datasets.load_dataset({args})
print(json.dumps({{name: [list(split["text"]), list(split["label"]), split.features["label"].names]
                   for name, split in found.items()}}))
"""


@pytest.fixture
def rig(build, tmp_path):
    made = Rig(build, tmp_path)
    yield made
    made.hub.close()


def imdb_tree():
    files = imdb_files()
    return {path.removeprefix("plain_text/"): data for path, data in files.items()
            if "train" in path or "test" in path}


# ---- data sets ----

def test_short_name_gives_train_and_test(rig):
    assert rig.tree(rig.fetch(IMDB)) == imdb_tree()


@pytest.mark.parametrize("split,names", [
    ("train", TRAIN), ("test", ["train-00000-of-00001.parquet"]),
    ("unsupervised", ["train-00000-of-00001.parquet"])])
def test_one_split_is_one_source(rig, split, names):
    tree = rig.tree(rig.fetch(FULL, config="plain_text", split=split))
    assert sorted(tree) == names
    wanted = [data for path, data in imdb_files().items() if f"/{split}-" in path]
    assert list(tree.values()) == wanted or sorted(tree.values()) == sorted(wanted)


def test_token_goes_to_the_hub_and_not_to_the_other_host(rig):
    rig.tree(rig.fetch(IMDB, env={"HF_TOKEN": TOKEN}))
    assert {c["authorization"] for c in rig.calls("hub")} == {f"Bearer {TOKEN}"}
    assert rig.calls("cdn", "GET") and not [c for c in rig.calls("cdn") if c["authorization"]]


def test_token_file(rig):
    (rig.tmp / "hf").mkdir()
    (rig.tmp / "hf/token").write_text(f"{TOKEN}\n")
    rig.tree(rig.fetch(IMDB))
    assert {c["authorization"] for c in rig.calls("hub")} == {f"Bearer {TOKEN}"}


def test_second_fetch_asks_only_what_main_is(rig):
    rig.fetch(IMDB)
    rig.hub.forget()
    assert rig.tree(rig.fetch(IMDB)) == imdb_tree()
    assert not rig.calls(having="/resolve/") and not rig.calls("cdn")
    old = rig.imdb.refs["main"]
    rig.imdb.commit(imdb_files() | {"plain_text/test-00000-of-00001.parquet": parquet(11)})
    assert rig.tree(rig.fetch(IMDB))["test-00000-of-00001.parquet"] == parquet(11)
    assert len(rig.calls("cdn", "GET")) == 1           # only what has changed
    assert rig.tree(rig.fetch(IMDB, revision=old)) == imdb_tree()


def test_the_card_comes_along_if_it_may_name_classes(rig):
    """And only then: README.md of many data sets is long, and nothing else of it is read."""
    features = [{"name": "label", "dtype": {"class_label": {"names": {"0": "neg", "1": "pos"}}}}]
    for name, card in (("named", {"dataset_info": {"features": features}}), ("plain", {"a": 1})):
        repo = rig.hub.add(Repo("dataset", f"acme/{name}", card=card))
        repo.commit({"train.parquet": parquet(4), "test.parquet": parquet(5)})
    names = {"train-00000-of-00001.parquet", "test-00000-of-00001.parquet"}
    tree = rig.tree(rig.fetch("hub:datasets/acme/named"))
    assert set(tree) == names | {"README.md"} and b"class_label" in tree["README.md"]
    assert set(rig.tree(rig.fetch("hub:datasets/acme/plain"))) == names


def test_config_of_several(rig):
    many = Repo("dataset", "acme/many", card={"configs": [
        {"config_name": "a", "data_files": "a/**"},
        {"config_name": "b", "data_files": [{"split": "train", "path": ["b/x.parquet"]},
                                            {"split": "validation", "path": "b/y*.parquet"}]},
        {"config_name": "c", "data_dir": "c"}]})
    many.commit({"a/deep/0.parquet": parquet(3), "b/x.parquet": parquet(4),
                 "b/y1.parquet": parquet(5), "c/train.parquet": parquet(6),
                 "c/test.parquet": parquet(7)})
    rig.hub.add(many)
    fetch = lambda **item: rig.fetch("hub:datasets/acme/many", **item)
    assert "name one in 'config': 'a', 'b', 'c'" in fetch()["message"]
    assert "no configuration 'd'; it has 'a', 'b', 'c'" in fetch(config="d")["message"]
    assert list(rig.tree(fetch(config="a"))) == ["train-00000-of-00001.parquet"]
    assert set(rig.tree(fetch(config="b")).values()) == {parquet(4), parquet(5)}
    assert rig.tree(fetch(config="c")) == {"train-00000-of-00001.parquet": parquet(6),
                                           "test-00000-of-00001.parquet": parquet(7)}


def test_other_formats_come_from_the_converted_branch(rig):
    repo = rig.hub.add(Repo("dataset", "acme/csv"))
    repo.commit({"train.csv": b"text,label\nx,1\n"})
    assert "no Parquet files" in rig.fetch("hub:datasets/acme/csv")["message"]
    repo.commit({"default/train/0000.parquet": parquet(8), "default/train/0001.parquet": parquet(9),
                 "default/partial-test/0000.parquet": parquet(3)}, "refs/convert/parquet")
    assert rig.tree(rig.fetch("hub:datasets/acme/csv")) == {
        "train-00000-of-00002.parquet": parquet(8), "train-00001-of-00002.parquet": parquet(9),
        "test-00000-of-00001.parquet": parquet(3)}


# ---- the cache shared with the libraries ----

def test_what_we_cache_is_a_hit_for_datasets(rig):
    rig.tree(rig.fetch(IMDB))
    rig.hub.forget()
    found = rig.oracle(LOAD.format(args="'stanfordnlp/imdb'"))
    assert len(rig.calls("cdn", "GET")) == 1           # the split that we left out
    assert [len(found[s][0]) for s in ("train", "test")] == [50, 10]
    assert found["train"][2] == ["neg", "pos"]


def test_what_datasets_caches_is_a_hit_for_us(rig):
    rig.oracle(LOAD.format(args="'stanfordnlp/imdb', 'plain_text'"))
    rig.hub.forget()
    assert rig.tree(rig.fetch(IMDB)) == imdb_tree()
    assert not rig.calls("cdn") and not rig.calls(having="/resolve/")
    dead = {"HF_HUB_OFFLINE": "1"}
    assert rig.tree(rig.fetch(IMDB, env=dead)) == imdb_tree()


def test_offline_with_only_what_datasets_cached(rig):
    rig.oracle(LOAD.format(args="'stanfordnlp/imdb', 'plain_text'"))
    rig.hub.forget()
    assert rig.tree(rig.fetch(IMDB, env={"HF_HUB_OFFLINE": "1"})) == imdb_tree()
    assert not rig.hub.calls


def test_model_by_bare_name_loads_from_our_cache(rig):
    rig.add_model()
    tree = rig.tree(rig.fetch(MODEL))
    assert set(tree) == MODEL_FILES and tree == {f: model_files()[f] for f in MODEL_FILES}
    rig.hub.forget()
    labels = rig.oracle("""
import json
from transformers import AutoModelForSequenceClassification, AutoTokenizer
name = "distilbert-base-uncased"
model = AutoModelForSequenceClassification.from_pretrained(name)
tokens = AutoTokenizer.from_pretrained(name).tokenize("good films")
print(json.dumps([model.config.num_labels, tokens]))
""", HF_HUB_OFFLINE="1")
    assert labels == [2, ["good", "film", "##s"]]


def test_model_that_transformers_cached_is_a_hit_for_us(rig):
    rig.add_model()
    rig.oracle("""
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from huggingface_hub import hf_hub_download, scan_cache_dir
name = "distilbert-base-uncased"
AutoModelForSequenceClassification.from_pretrained(name)
AutoTokenizer.from_pretrained(name)
hf_hub_download(name, "vocab.txt")
print(len(scan_cache_dir().warnings))
""")
    rig.hub.forget()
    assert set(rig.tree(rig.fetch(MODEL))) == MODEL_FILES
    assert not rig.calls("cdn") and not rig.calls(having="/resolve/")


def test_the_libraries_find_no_fault_in_our_cache(rig):
    rig.add_model()
    rig.fetch(MODEL), rig.fetch(IMDB)
    found = rig.oracle("""
import json
from huggingface_hub import scan_cache_dir, snapshot_download
info = scan_cache_dir()
print(json.dumps([[str(w) for w in info.warnings],
                  sorted([r.repo_id, r.repo_type, len(r.revisions), sorted(r.refs)]
                         for r in info.repos)]))
""")
    assert found == [[], [["distilbert-base-uncased", "model", 1, ["main"]],
                          ["stanfordnlp/imdb", "dataset", 1, ["main"]]]]
    [link] = pathlib.Path(rig.cache).glob("datasets--*/snapshots/*/plain_text/test-*")
    assert link.is_symlink() and not str(link.readlink()).startswith("/")


def test_preprocess_needs_no_weights(rig):
    rig.add_model()
    assert set(rig.tree(rig.fetch(MODEL, kind="preprocess"))) == MODEL_FILES - {"model.safetensors"}


def test_jobs_cannot_spoil_the_cache_through_a_new_file(rig):
    tree = pathlib.Path(rig.fetch(IMDB)["value"])
    for path in tree.iterdir():
        path.unlink()
    assert rig.tree(rig.fetch(IMDB)) == imdb_tree()


def test_lock_of_the_libraries_is_ours(rig):
    """While huggingface_hub downloads a blob we wait, and then find it."""
    rig.hub.trouble("/lfs/", "hold", after=1500)
    theirs = subprocess.Popen(
        [sys.executable, "-c", "from huggingface_hub import hf_hub_download\n"
         "hf_hub_download('stanfordnlp/imdb', 'plain_text/test-00000-of-00001.parquet', "
         "repo_type='dataset')"], env=rig.env(), stderr=subprocess.DEVNULL)
    wait_for("their first bytes", lambda: rig.calls("cdn"))
    ours = rig.start({"from": IMDB, "split": "test"})
    wait_for("our first call", lambda: len(rig.calls("hub", "HEAD")) >= 2)
    rig.hub.released.set()
    assert len(rig.tree(rig.finish(ours))) == 1 and theirs.wait(DEADLINE_S) == 0
    assert not [c for c in rig.calls("cdn") if c["agent"] == "trainyard-test"]


CARDS = {
    "plain": ({}, ["train.parquet", "dev.parquet"]),
    "data": ({}, ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet",
                  "data/test-00000-of-00001.parquet", "old/x.parquet"]),
    "default": ({"configs": [{"config_name": "x", "data_files": "x/*"},
                             {"config_name": "y", "default": True, "data_dir": "y"}]},
                ["x/1.parquet", "y/train/1.parquet", "y/train/2.parquet", "y/test/1.parquet"]),
    "named": ({"configs": [{"config_name": "default", "data_files": [
        {"split": "train", "path": ["a-*", "b/*.parquet"]}, {"split": "test", "path": "c/**"}]}]},
              ["a-1.parquet", "a-2.parquet", "b/1.parquet", "c/d/1.parquet", "c/2.parquet"]),
}


def test_files_of_the_default_configuration_are_those_of_datasets(rig):
    for number, (name, (card, paths)) in enumerate(CARDS.items()):
        repo = rig.hub.add(Repo("dataset", f"acme/{name}", card=card))
        repo.commit({path: parquet(3 + i, 100 * number) for i, path in enumerate(paths)})
    theirs = rig.oracle("""
import json, datasets
found = {}
for name in %r:
    files = datasets.load_dataset_builder("acme/" + name).config.data_files
    found[name] = {str(split): [f.split("/", 5)[5].split("@")[-1] for f in files[split]]
                   for split in files}
print(json.dumps(found))
""" % list(CARDS))
    for number, (name, (_, paths)) in enumerate(CARDS.items()):
        tree = rig.tree(rig.fetch(f"hub:datasets/acme/{name}"))
        rows = {parquet(3 + i, 100 * number): path for i, path in enumerate(paths)}
        ours = {}
        for file in sorted(tree):
            ours.setdefault(file.split("-")[0], []).append(rows[tree[file]])
        wanted = theirs[name]
        if "validation" in wanted and "test" not in wanted:
            wanted["test"] = wanted.pop("validation")
        assert {s: sorted(f) for s, f in ours.items()} == {s: sorted(f) for s, f in wanted.items()}


def test_the_files_of_a_model_have_one_limit_together(rig):
    """Each alone was below any limit; what is in the cache already does not count."""
    rig.add_model()
    total = sum(len(data) for name, data in model_files().items() if name in MODEL_FILES)
    answer = rig.fetch(MODEL, env={"MAX_DOWNLOAD": str(total - 1)})
    assert answer["reason"] == "too_large", answer
    assert f"the {total - 1} bytes of local.max_download" in answer["message"]
    assert not list(rig.tmp.rglob("*.incomplete"))
    assert "value" in rig.fetch(MODEL, env={"MAX_DOWNLOAD": str(total - 1)})


def test_the_limit_of_a_model_itself_is_enough(rig):
    rig.add_model()
    total = sum(len(data) for name, data in model_files().items() if name in MODEL_FILES)
    assert "value" in rig.fetch(MODEL, env={"MAX_DOWNLOAD": str(total)})
