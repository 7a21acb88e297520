# SPDX-License-Identifier: MIT
"""SIGHUP reads the configuration again: reloadable keys take effect, what changed is logged, others
wait for a restart, and a mistake changes nothing."""
import re
import signal
import socket

import pytest
from trainyardd import PYTHON, daemon_on

SCRIPT = "print('ran')\n"


class Reloading:
    """A daemon that reports to us as it would to systemd."""

    def __init__(self, daemon, notices):
        self.daemon, self.notices = daemon, notices

    def write(self, text):
        (self.daemon.dir / "trainyard.conf").write_text(f"[local]\npython = {PYTHON}\n{text}")

    def logged(self):
        return (self.daemon.dir / "daemon.log").read_text()

    def reload(self):
        """Send SIGHUP; returns what the daemon logged until it was ready again."""
        before = len(self.logged())
        self.daemon.process.send_signal(signal.SIGHUP)
        begin, end = self.notices.recv(4096).decode(), self.notices.recv(4096).decode()
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", begin) and end == "READY=1"
        return self.logged()[before:]


@pytest.fixture(scope="module")
def reloading(tmp_path_factory):
    where = tmp_path_factory.mktemp("daemon")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.bind(str(where / "notify"))
        notices.settimeout(60)
        with daemon_on(where, environment={"NOTIFY_SOCKET": str(where / "notify")}) as daemon:
            assert notices.recv(4096) == b"READY=1"
            yield Reloading(daemon, notices)


def test_keys_take_effect(reloading):
    (reloading.daemon.dir / "conf.d").mkdir()
    (reloading.daemon.dir / "conf.d/caps.conf").write_text("[money]\nday_max = 80\n")
    reloading.write("[http]\nthreads = 5\n[notify]\nurl = http://secret.example/\n")
    said = reloading.reload()
    assert 'event=config_changed key=money.day_max was="100" now="80"' in said
    assert "config_needs_restart key=http.threads" in said
    assert "config_needs_restart key=notify.url" in said and "secret.example" not in said
    assert "event=reloaded changed=2 needs_restart=2" in said  # and local.stop_grace_ms
    assert reloading.daemon.get("/v1/costs")["caps"]["day_usd"] == "80.00"
    said = reloading.reload()
    assert "event=reloaded changed=0 needs_restart=2" in said and "config_changed" not in said


def test_a_mistake_changes_nothing(reloading):
    before = reloading.daemon.get("/v1/costs")["caps"]
    reloading.write("[money]\nday_max = 3\n[lease]\nttl_max = never\n")
    said = reloading.reload()
    assert "event=reload_refused" in said and "trainyard.conf:6: lease.ttl_max: 'never'" in said
    assert reloading.daemon.get("/v1/costs")["caps"] == before


def test_a_waiting_job_gets_a_new_slot(reloading):
    source = reloading.daemon.dir / "source"
    source.mkdir()
    (source / "train.py").write_text(SCRIPT)
    reloading.write("cpu_slots = 0\n")
    assert 'key=local.cpu_slots was="1" now="0"' in reloading.reload()
    run = reloading.daemon.submit([{"name": "train", "kind": "script", "entry_point": "train.py",
                                    "source_dir": str(source)}])["id"]
    job = reloading.daemon.job(run, "train")["id"]
    explained = reloading.daemon.get(f"/v1/jobs/{job}/explain")
    assert explained["reason"]["code"] == "waiting_for_slot"
    reloading.write("cpu_slots = 1\n[log]\nlevel = error\n")
    assert 'key=log.level was="info" now="error"' in reloading.reload()
    assert reloading.daemon.wait_run(run)["state"] == "succeeded"
    assert "event=reloaded" not in reloading.reload()  # the level of the log is in effect
