# SPDX-License-Identifier: MIT
"""The hub refuses, is slow, breaks off or lies: one clear sentence each, and nothing is lost."""
import hashlib
import signal

import pytest

from hub_rig import FULL, IMDB, MODEL, TOKEN, Rig, imdb_files, parquet
from repos import Repo
from wait import DEADLINE_S, wait_for

BIG = "plain_text/train-00000-of-00002.parquet"


@pytest.fixture
def rig(build, tmp_path):
    made = Rig(build, tmp_path)
    made.hub.add(Repo("model", "acme/gated", gated=True)).commit({"config.json": b"{}",
                                                                   "model.safetensors": b"w"})
    made.hub.add(Repo("dataset", "acme/private", private=True)).commit(
        {"train.parquet": parquet(3)})
    made.hub.add(Repo("model", "acme/old")).commit({"config.json": b"{}",
                                                    "pytorch_model.bin": b"w"})
    made.hub.add(Repo("model", "acme/words")).commit({"README.md": b"hello"})
    made.hub.tokens["hf_other"] = set()
    yield made
    made.hub.close()


@pytest.mark.parametrize("source,item,token,reason,words", [
    ("hub:datasets/no/such", {}, None, "data_missing",
     "does not have the data set 'no/such', or it is private"),
    ("hub:models/nosuch", {}, TOKEN, "data_missing",
     "does not have the model 'nosuch', or the token"),
    ("hub:datasets/acme/private", {}, None, "data_missing", "needs a token in HF_TOKEN"),
    ("hub:datasets/acme/private", {}, "hf_other", "data_missing",
     "token from HF_TOKEN may not read it"),
    ("hub:models/acme/gated", {}, None, "credentials", "is gated: ask for access at"),
    ("hub:models/acme/gated", {}, "hf_other", "credentials",
     "the account of this token has none yet"),
    (FULL, {}, "hf_wrong", "credentials", "does not accept the token from HF_TOKEN"),
    (FULL, {}, "two words", "invalid_input", "HF_TOKEN does not hold a valid token"),
    (FULL, {"revision": "v9"}, None, "data_missing", "has no revision 'v9'"),
    (FULL, {"revision": "../x"}, None, "invalid_input", "'../x' is not a revision"),
    (FULL, {"split": "dev"}, None, "invalid_input",
     "no split 'dev'; it has 'train', 'test', 'unsupervised'"),
    (FULL, {"split": "train[:10]"}, None, "invalid_input", "use train_rows and test_rows"),
    (FULL, {"config": "x"}, None, "invalid_input", "no configuration 'x'; it has 'plain_text'"),
    ("hub:datasets/a/b/c", {}, None, "invalid_input", "is not the name of a repository"),
    ("hub:datasets/../etc", {}, None, "invalid_input", "is not the name of a repository"),
    ("hub:spaces/a/b", {}, None, "invalid_input", "is not an address of the hub"),
    ("hub:models/acme/old", {}, None, "unsupported",
     "weights as pytorch_model.bin, and Trainyard reads model.safetensors only"),
    ("hub:models/acme/words", {}, None, "data_missing", "has no config.json"),
])
def test_refusals(rig, source, item, token, reason, words):
    answer = rig.fetch(source, env={"HF_TOKEN": token}, **item)
    assert answer.get("reason") == reason and words in answer["message"], answer
    assert "hf_" not in answer["message"] and "\n" not in answer["message"]


def test_hub_that_is_not_there(rig):
    answer = rig.fetch(IMDB, env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert answer["reason"] == "transfer_failed" and "cannot reach the hub" in answer["message"]
    rig.fetch(IMDB)
    assert "value" in rig.fetch(IMDB, env={"HF_ENDPOINT": "http://127.0.0.1:9"})


def test_address_that_is_no_hub(rig):
    answer = rig.fetch(IMDB, env={"HF_ENDPOINT": rig.hub.cdn_url})
    assert "does not have" in answer["message"]
    rig.hub.trouble("/api/", "status", status=200)
    assert "does not answer as a Hugging Face hub does" in rig.fetch(IMDB)["message"]


def test_offline_says_so(rig):
    answer = rig.fetch(IMDB, env={"HF_HUB_OFFLINE": "1"})
    assert "HF_HUB_OFFLINE is set" in answer["message"] and not rig.hub.calls
    assert answer["reason"] == "data_missing"


@pytest.mark.parametrize("do", [{"do": "drop"},
                                {"do": "status", "status": 503, "headers": {"Retry-After": "0"}},
                                {"do": "status", "status": 429, "headers": {"Retry-After": "0"}}])
@pytest.mark.parametrize("where,method", [
    ("/api/", "GET"), ("/resolve/", "HEAD"), ("/lfs/", "GET")])
def test_passing_trouble_is_tried_again(rig, where, method, do):
    rig.hub.trouble(where, method=method, times=2, **do)
    assert len(rig.tree(rig.fetch(IMDB))) == 3


def test_lasting_trouble_ends(rig):
    rig.hub.trouble("/lfs/", "status", times=0, status=429, headers={"Retry-After": "0"})
    answer = rig.fetch(IMDB)
    assert answer["reason"] == "transfer_failed" and "HTTP status 429" in answer["message"]


def test_rest_of_a_broken_download_is_asked_for(rig):
    rig.hub.trouble("/lfs/", "cut", after=1000, times=2)
    assert rig.tree(rig.fetch(IMDB)) == {p.split("/")[1]: d for p, d in imdb_files().items()
                                         if "train-" in p or "test-" in p}
    ranges = [c["range"] for c in rig.calls("cdn")]
    assert "bytes=1000-" in ranges and "bytes=2000-" in ranges


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_download_goes_on_where_it_ended(rig, how):
    rig.hub.trouble("/lfs/", "hold", after=1500)
    process = rig.start({"from": IMDB})
    assert process.stderr.readline() == "moved\n"
    partial = lambda: list(rig.cache.glob("datasets--*/blobs/*.incomplete"))
    wait_for("the first bytes", lambda: partial() and partial()[0].stat().st_size >= 1500)
    process.send_signal(how)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == (-9 if how == signal.SIGKILL else 0)
    rig.hub.forget()
    assert len(rig.tree(rig.fetch(IMDB))) == 3
    assert "bytes=1500-" in [c["range"] for c in rig.calls("cdn")]
    assert not partial()


def test_server_without_ranges(rig):
    rig.hub.trouble("/lfs/", "cut", after=1000)
    rig.hub.trouble("/lfs/", "whole", times=0)
    tree = rig.tree(rig.fetch(IMDB, split="train"))
    assert tree["train-00000-of-00002.parquet"] == imdb_files()[BIG]


def test_spoiled_bytes_once_and_for_ever(rig):
    rig.hub.trouble("/lfs/", "spoil")
    assert rig.tree(rig.fetch(IMDB, split="train"))["train-00000-of-00002.parquet"] == \
        imdb_files()[BIG]
    rig.imdb.commit(imdb_files() | {BIG: parquet(40)})
    rig.hub.trouble("/lfs/", "spoil", times=0)
    answer = rig.fetch(IMDB)
    assert answer["reason"] == "data_corrupt"
    assert "checksum of the body is not the expected one" in answer["message"]
    blobs = list(rig.cache.glob("datasets--*/blobs/*"))
    assert not [b for b in blobs if b.read_bytes().count(0) == b.stat().st_size]


def test_a_half_checked_snapshot_is_never_used(rig):
    """Each file is checked before it gets its name, and the job starts with all or with none."""
    last = parquet(10, 50)                       # the test set: it comes after both parts of train
    rig.hub.trouble(hashlib.sha256(last).hexdigest(), "spoil", method="GET", times=0)
    answer = rig.fetch(IMDB)
    assert answer["reason"] == "data_corrupt" and "value" not in answer
    links = {p.name for p in rig.cache.glob("datasets--*/snapshots/*/plain_text/*")}
    assert links == {"train-00000-of-00002.parquet", "train-00001-of-00002.parquet"}
    for blob in rig.cache.glob("datasets--*/blobs/*"):
        assert blob.name == hashlib.sha256(blob.read_bytes()).hexdigest() or \
            blob.name.endswith(".incomplete"), blob
    rig.hub.forget()
    assert rig.tree(rig.fetch(IMDB))["test-00000-of-00001.parquet"] == last
    assert all(hashlib.sha256(last).hexdigest() in c["path"] for c in rig.calls("cdn", "GET"))


def test_spoiled_small_file(rig):
    rig.add_model()
    rig.hub.trouble("/config.json", "spoil", method="GET", times=0)
    assert rig.fetch(MODEL)["reason"] == "data_corrupt"


def test_two_at_once_download_once(rig):
    rig.hub.trouble("/lfs/", "hold", after=1500)
    first = rig.start({"from": IMDB, "split": "test"})
    assert first.stderr.readline() == "moved\n"
    second = rig.start({"from": IMDB, "split": "test"})
    wait_for("the second's call", lambda: len(rig.calls("hub", "HEAD")) >= 2)
    rig.hub.released.set()
    assert len(rig.tree(rig.finish(first))) == len(rig.tree(rig.finish(second))) == 1
    assert [c["range"] for c in rig.calls("cdn", "GET")] == [None, "bytes=1500-"]
