# SPDX-License-Identifier: MIT
"""Fixtures of the API suite, and where Hypothesis keeps its caches."""
import os
import pathlib
import tempfile
from contextlib import ExitStack

# Hypothesis keeps its caches in the current directory otherwise; set before anything imports it.
HYPOTHESIS = tempfile.TemporaryDirectory(prefix="ty-hypothesis.")  # removed at exit
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", HYPOTHESIS.name)

import pytest

from client import short_lived
from prune_yard import SOURCE, Yard

SCRIPTS = {
    "hello.py": "import sys\nprint('hello')\nprint('to stderr', file=sys.stderr)\n",
    "exit3.py": "import sys\nprint('about to fail', flush=True)\nsys.exit(3)\n",
    # Runs until a file named `go` is there, saying a line whenever one is asked for.
    "wait.py": """\
import os, pathlib, sys, time
gate = pathlib.Path(sys.argv[sys.argv.index('--gate') + 1])
print('started', flush=True)
said = 0
while not (gate / 'go').exists():
    while (gate / f'say{said}').exists():
        print((gate / f'say{said}').read_text(), flush=True)
        said += 1
    time.sleep(0.02)
print('ended', flush=True)
""",
    "files.py": """\
import os, pathlib
model, output = (pathlib.Path(os.environ[k]) for k in ('SM_MODEL_DIR', 'SM_OUTPUT_DATA_DIR'))
(model / 'weights.bin').write_bytes(bytes(range(256)) * 4096)
(model / 'config.json').write_text('{"a": 1}')
(model / 'empty').touch()
(model / 'sub').mkdir()
(model / 'sub' / 'ünïcode name.txt').write_text('text')
os.symlink('/etc/passwd', model / 'outside')
os.symlink('config.json', model / 'inside')
os.symlink('/etc', model / 'etc')
os.mkfifo(model / 'pipe')
os.mkdir(bytes(model) + b'/d\\xff')
for name in (b'caf\\xe9.txt', b'd\\xff/\\xc3\\xa9 \\xf0\\x9f', b'plain\\\\xe9'):
    with open(bytes(model) + b'/' + name, 'wb') as f:
        f.write(name)
print(model)
""",
    "lines.py": """\
import sys
for i in range(int(sys.argv[sys.argv.index('--lines') + 1])):
    print(f'line {i:06d}')
""",
}


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """A source_dir with small scripts."""
    folder = tmp_path_factory.mktemp("scripts")
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def script(scripts):
    """script("hello.py", lines=5, gate=DIR): the spec of a job that runs it."""
    def make(entry_point, name="job", **hyperparameters):
        hyperparameters = {key: str(value) if isinstance(value, pathlib.Path) else value
                           for key, value in hyperparameters.items()}
        spec = {"name": name, "kind": "script", "entry_point": entry_point,
                "source_dir": str(scripts)}
        if hyperparameters:
            spec["hyperparameters"] = hyperparameters
        return spec
    return make


@pytest.fixture(scope="session")
def daemon():
    """The daemon that most tests share."""
    with short_lived("cpu_slots = 2\n") as d:
        yield d


@pytest.fixture
def fresh():
    """fresh("key = value\\n"): a daemon of the test's own, with more lines for [local]."""
    with ExitStack() as made:
        yield lambda config="": made.enter_context(short_lived(config))


@pytest.fixture
def gate(tmp_path):
    """A directory that holds back wait.py until (gate / "go").touch()."""
    folder = tmp_path / "gate"
    folder.mkdir()
    yield folder
    (folder / "go").touch()


@pytest.fixture(scope="session")
def done(daemon, script):
    """A succeeded job of hello.py."""
    job = daemon.wait_end(daemon.submit_job(script("hello.py"))["id"])
    assert job["state"] == "succeeded", job
    return job


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A small BERT with random weights, two labels and 64 positions."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "bad", "film",
             *"bcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(transformers.BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, id2label={0: "neg", 1: "pos"},
        label2id={"neg": 0, "pos": 1})).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "do_lower_case": true, "model_max_length": 64}')
    return folder


@pytest.fixture
def yard(fresh, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for name, text in SOURCE.items():
        (folder / name).write_text(text)
    return Yard(fresh("cpu_slots = 2\n"), folder)
