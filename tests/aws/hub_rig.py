# SPDX-License-Identifier: MIT
"""The fake hub with two repositories, our client of it (fetch_probe) and the real libraries."""
import functools
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fakes/hub"))

from repos import Repo  # noqa: E402
from server import Hub  # noqa: E402

IMDB = "hub:datasets/imdb"
FULL = "hub:datasets/stanfordnlp/imdb"
MODEL = "hub:models/distilbert-base-uncased"
TOKEN = "hf_goodtoken"
CONFIGS = [{"config_name": "plain_text", "data_files": [
    {"split": "train", "path": "plain_text/train-*"},
    {"split": "test", "path": "plain_text/test-*"},
    {"split": "unsupervised", "path": "plain_text/unsupervised-*"}]}]
MODEL_FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
               "vocab.txt"}


def words(number):
    """Text that does not compress much."""
    return " ".join(hashlib.sha256(b"%d %d" % (number, i)).hexdigest()[:9] for i in range(9))


@functools.cache
def parquet(rows, first=0):
    """Rows of reviews with a ClassLabel, as push_to_hub writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    features = {"text": {"dtype": "string", "_type": "Value"},
                "label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    table = pa.table({"text": [f"review {i} {words(i)}" for i in range(first, first + rows)],
                      "label": pa.array([i % 2 for i in range(first, first + rows)], pa.int64())})
    table = table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})})
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def imdb_files():
    return {"plain_text/train-00000-of-00002.parquet": parquet(30),
            "plain_text/train-00001-of-00002.parquet": parquet(20, 30),
            "plain_text/test-00000-of-00001.parquet": parquet(10, 50),
            "plain_text/unsupervised-00000-of-00001.parquet": parquet(5, 60),
            ".gitattributes": b"*.parquet filter=lfs\n"}


@functools.cache
def model_files():
    """A very small DistilBERT with all that such repositories have."""
    import tempfile
    from transformers import (DistilBertConfig, DistilBertForSequenceClassification,
                              DistilBertTokenizerFast)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "##s"]
    with tempfile.TemporaryDirectory() as folder:
        vocab = pathlib.Path(folder) / "vocab.txt"
        vocab.write_text("".join(f"{word}\n" for word in words))
        DistilBertTokenizerFast(str(vocab)).save_pretrained(folder)
        config = DistilBertConfig(vocab_size=len(words), dim=8, hidden_dim=16, n_layers=1,
                                  n_heads=2, max_position_embeddings=16)
        DistilBertForSequenceClassification(config).save_pretrained(folder)
        vocab.write_text("".join(f"{word}\n" for word in words))
        files = {path.name: path.read_bytes() for path in pathlib.Path(folder).iterdir()}
    return files | {"pytorch_model.bin": b"pickle", "tf_model.h5": b"hdf", "rust_model.ot": b"ot",
                    "onnx/model.onnx": b"onnx", "README.md": b"# words\n", "LICENSE": b"Apache"}


class Rig:
    def __init__(self, build, tmp):
        self.probe, self.tmp, self.runs = build / "tests/aws/fetch_probe", tmp, 0
        self.hub = Hub()
        self.hub.tokens = {TOKEN: {"stanfordnlp/imdb", "distilbert/distilbert-base-uncased",
                                   "acme/gated", "acme/private"}}
        self.imdb = self.hub.add(Repo("dataset", "stanfordnlp/imdb", names=("imdb",),
                                      card={"configs": CONFIGS}))
        self.imdb.commit(imdb_files())

    def add_model(self):
        repo = self.hub.add(Repo("model", "distilbert/distilbert-base-uncased",
                                 names=("distilbert-base-uncased",)))
        repo.commit(model_files())
        return repo

    def env(self, **more):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.tmp), "HF_HOME": str(self.tmp / "hf"),
               "HF_ENDPOINT": self.hub.url, "HF_DATASETS_CACHE": str(self.tmp / "datasets"),
               "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
               "no_proxy": "*"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        return env | {k: v for k, v in more.items() if v is not None}

    @property
    def cache(self):
        return self.tmp / "hf/hub"

    def start(self, *items, kind="train", **env):
        self.runs += 1
        work = self.tmp / f"work{self.runs}"
        work.mkdir()
        return subprocess.Popen([self.probe, work, self.tmp / "cache", kind,
                                 *[json.dumps(item) for item in items]], env=self.env(**env),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self, source, kind="train", env=None, **item):
        """The line that the probe says about one item."""
        return self.finish(self.start({"from": source, "pointer": "/dataset/path"} | item,
                                      kind=kind, **(env or {})))

    def finish(self, process):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return json.loads(out.splitlines()[-1])

    def tree(self, answer):
        assert "value" in answer, answer
        root = pathlib.Path(answer["value"])
        return {p.relative_to(root).as_posix(): p.read_bytes()
                for p in root.rglob("*") if p.is_file()}

    def oracle(self, code, **env):
        """Run Python with the real libraries on the same hub and cache; what it prints as JSON."""
        done = subprocess.run([sys.executable, "-c", code], env=self.env(**env), text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def calls(self, side=None, method=None, having=""):
        return [c for c in list(self.hub.calls) if side in (None, c["side"])
                and method in (None, c["method"]) and having in c["path"]]
