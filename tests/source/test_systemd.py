# SPDX-License-Identifier: MIT
"""The service unit: what keeps jobs alive over the daemon, and systemd's own check of it."""
import re
import subprocess
from shutil import which

import pytest
from tree import ROOT, text

UNIT = next(path for path in (ROOT / "systemd").glob("*.service.in")).relative_to(ROOT)
MUST = {
    "Type": "notify",
    "KillMode": "process",
    "OOMPolicy": "continue",
    "RuntimeDirectory": "trainyard",
    "RuntimeDirectoryPreserve": "yes",
    "StateDirectory": "trainyard",
    "User": "trainyard",
    "WatchdogSec": "60",
}
# Settings that would end or break jobs when the daemon is restarted, or that jobs cannot live with.
MUST_NOT = ["PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute", "RestrictNamespaces",
            "SystemCallFilter", "RuntimeMaxSec", "ProtectProc"]


def settings():
    return dict(re.findall(r"^(\w+)=(.*)$", text(UNIT), re.MULTILINE))


def test_the_daemon_can_be_stopped_without_the_jobs():
    found = settings()
    assert {key: found.get(key) for key in MUST} == MUST
    assert not [key for key in MUST_NOT if key in found]


def test_systemd_accepts_the_unit(tmp_path):
    if not which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "trainyardd"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    unit = re.sub(r"@(\w+)@", str(tmp_path), text(UNIT))
    # systemd-analyze looks at users only when it runs a unit; the check is about the settings.
    (tmp_path / "trainyard.service").write_text(unit, encoding="utf-8")
    (tmp_path / "trainyard.socket").write_text(text(UNIT.with_name("trainyard.socket")),
                                               encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", "--man=no",
                           str(tmp_path / "trainyard.service"),
                           str(tmp_path / "trainyard.socket")],
                          capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if "trainyard" in line]
    assert done.returncode == 0 and not complaints, done.stderr
