# SPDX-License-Identifier: MIT
"""trainyard doctor: one line for each check, the line that mends it, and the exit status."""
import json
import os
import subprocess

import pytest
from trainyardd import BUILD, DEADLINE_S, daemon_on

ALL = {"socket", "daemon", "version", "python", "native_engine", "models", "gpus", "processes",
       "disk", "clock", "aws"}


def doctor(url, *words):
    """(exit status, stdout) of trainyard doctor."""
    done = subprocess.run([BUILD / "cli/trainyard", *words, "doctor"], capture_output=True,
                          text=True, timeout=DEADLINE_S, check=False,
                          env={**os.environ, "TRAINYARD_URL": url})
    return done.returncode, done.stdout


def checks(url):
    status, out = doctor(url, "--json")
    return status, {check["check"]: check for check in json.loads(out)["checks"]}


def test_a_machine_that_works(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    with daemon_on(tmp_path, f"[models]\nminilm = {model}\n") as daemon:
        _, found = checks(daemon.url)
        status, out = doctor(daemon.url)
    assert set(found) == ALL
    for name in ("daemon", "version", "python", "native_engine", "models", "disk"):
        assert found[name]["state"] == "ok", found[name]
    assert "Python 3" in found["python"]["message"]
    assert found["native_engine"]["message"].startswith("trainyard-native ")
    assert [line.split()[1] for line in out.splitlines() if "mend it:" not in line] == list(found)
    assert status == any(check["state"] == "failed" for check in found.values())


@pytest.mark.parametrize("config, name, message, remedy", [
    ("python = /nonexistent/python\n", "python", "/nonexistent/python", "set local.python"),
    ("disk_free_min_bytes = 1125899906842624\n", "disk", "disk", "trainyard prune")])
def test_what_is_wrong_has_its_remedy(tmp_path, config, name, message, remedy):
    with daemon_on(tmp_path) as daemon:
        (tmp_path / "trainyard.conf").write_text(f"[local]\n{config}")
        daemon.stop()
        daemon.start()
        status, found = checks(daemon.url)
        _, out = doctor(daemon.url)
    assert status == 1 and found[name]["state"] == "failed"
    assert message in found[name]["message"] and remedy in found[name]["remedy"]
    assert f"mend it: {found[name]['remedy']}" in out


def test_a_model_that_went(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    with daemon_on(tmp_path, f"[models]\nminilm = {model}\n") as daemon:
        status, found = checks(daemon.url)
    assert status == 1 and "config.json: No such file" in found["models"]["message"]


def test_no_daemon(tmp_path):
    status, out = doctor(f"unix:{tmp_path}/nothing.sock")
    assert status == 3
    assert "failed   daemon" in out and "systemctl enable --now trainyard.socket" in out
