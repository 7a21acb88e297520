# SPDX-License-Identifier: MIT
"""trainyardd --check says all that is wrong with a configuration, and writes nothing."""
import os
import subprocess

import pytest
from trainyardd import BUILD, DEADLINE_S, ROOT


def check(tmp_path, text, **more):
    """(exit status, stdout, stderr) of --check on a configuration file with that text."""
    file = tmp_path / "trainyard.conf"
    file.write_text(text)
    done = subprocess.run([BUILD / "daemon/trainyardd", "--config", file, "--check"],
                          capture_output=True, text=True, timeout=DEADLINE_S, check=False,
                          cwd=tmp_path, env={"PATH": os.environ["PATH"], **more})
    return done.returncode, done.stdout, done.stderr


def tree(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_the_shipped_sample_passes(tmp_path):
    status, out, err = check(tmp_path, (ROOT / "config/trainyard.conf.sample").read_text())
    assert (status, err) == (0, "") and out.endswith("the configuration is right\n")
    assert "daemon.data_dir is not set" in out


def test_a_start_without_a_data_directory(tmp_path):
    done = subprocess.run([BUILD / "daemon/trainyardd"], capture_output=True, text=True,
                          timeout=DEADLINE_S, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 1 and "daemon.data_dir is not set: give --data-dir" in done.stderr


def test_check_writes_nothing(tmp_path):
    before = None
    for _ in range(2):
        status, out, _ = check(tmp_path, f"[daemon]\ndata_dir = {tmp_path}/data\n")
        assert status == 0 and f"the first start makes '{tmp_path}/data'" in out
        assert before in (None, tree(tmp_path))
        before = tree(tmp_path)
    assert not (tmp_path / "data").exists()


def test_check_says_all_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    status, out, err = check(tmp_path, f"""
[daemon]
data_dir = {tmp_path}/no/data
[local]
python = /nonexistent/python3
interpreters = /nonexistent/python3:{tmp_path}/file:/usr/bin/python3
roots = {tmp_path}:/nonexistent/root
base_dir = {tmp_path}/file
worker = /nonexistent/worker
[models]
one = {tmp_path}/empty
two = /nonexistent/model
""")
    said = dict(line.split(": ", 1) for line in out.splitlines())
    assert status == 1 and "the configuration has 8 problems" in err
    assert len(out.splitlines()) == 8
    for key, words in {
            "daemon.data_dir": f"cannot make the directory in '{tmp_path}/no'",
            "local.python": "'/nonexistent/python3': No such file",
            "local.interpreters": f"'{tmp_path}/file': the file is not an executable program",
            "local.roots": "'/nonexistent/root': No such file",
            "local.base_dir": "the path is not a directory",
            "local.worker": "/nonexistent/worker", "models.one": "it has no config.json",
            "models.two": "No such file"}.items():
        assert words in said[key], out


@pytest.mark.parametrize("text, key", [
    ("[local]\nbase_dir = ~/work\n", "local.base_dir"),
    ("[local]\nroots = /usr:~/work\n", "local.roots"),
    ("[models]\nminilm = ~/work\n", "models.minilm")])
def test_a_tilde_is_the_home_directory(tmp_path, text, key):
    _, out, _ = check(tmp_path, text, HOME=str(tmp_path))
    assert f"{key}: '{tmp_path}/work': No such file" in out
    status, _, err = check(tmp_path, text.replace("~/", "~me/"), HOME=str(tmp_path))
    assert status == 1 and f"{key.split('.')[0]}" in err and "only '~/' is replaced" in err


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["--help-config"],
                                   ["--check", "--data-dir", "{}"]])
def test_a_text_that_is_lost_is_a_failure(tmp_path, words):
    words = [word.format(tmp_path) for word in words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BUILD / "daemon/trainyardd", *words], stdout=full, text=True,
                              stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1 and "cannot write to standard output" in done.stderr
