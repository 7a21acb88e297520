# SPDX-License-Identifier: MIT
"""Runs scripts with the real shim and worker, and reads their results."""
import json
import os
import pathlib
import sys
import textwrap
from contextlib import contextmanager

from shim_run import BUILD, Execution

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER = BUILD / "worker" / "trainyard-worker"

# Writes down what a script sees.
DUMP = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent
json.dump({"argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "base": str(base),
           "files": {p.name: json.loads(p.read_text()) for p in (base / "input/config").iterdir()}},
          open(base / "output/data/dump.json", "w"))
"""


def events_of(x):
    return [json.loads(line) for line in (x.dir / "work/events.ndjson").read_text().splitlines()]


def failure_of(x):
    found = [e for e in events_of(x) if e["t"] == "failure"]
    assert len(found) == 1, found
    return found[0]


@contextmanager
def executions(tmp_path):
    """new(files, …): an execution of `files` (name: text) as source_dir; call .start()."""
    made = []

    def new(files, entry_point="train.py", *, message=None, exec_fields=None, **spec):
        source = tmp_path / f"source{len(made)}"
        for name, text in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(textwrap.dedent(text))
            path.chmod(0o444)
        spec.setdefault("local", {"python": sys.executable})
        x = Execution(tmp_path / f"x{len(made)}", [str(WORKER), "script"],
                      exec_id=f"x{os.getpid()}s{len(made)}", **(exec_fields or {}))
        x.write_spec({**json.loads((x.dir / "spec.json").read_text()), "kind": "script",
                      "job": "j01example", "name": "t", "resume": None,
                      "spec": {"entry_point": entry_point, "source_dir": str(source), **spec},
                      "resources": {"cpus": 2, "devices": []}, **(message or {})})
        made.append(x)
        return x
    yield new
    for x in made:
        x.kill_all()


def run(x, code=0):
    record = x.start().record()
    ended = record["code"] if record["signal"] == 0 else -record["signal"]
    assert (record["cause"], ended) == ("exited", code), x.log()
    return x


def dump_of(x):
    return json.loads((x.dir / "work/output/data/dump.json").read_text())


def channels(tmp_path, *names):
    made = {}
    for name in names:
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "rows.txt").write_text(name)
        made[name] = str(tmp_path / "data" / name)
    return made
