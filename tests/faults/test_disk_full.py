# SPDX-License-Identifier: MIT
"""A submit that meets a really full disk: 507, whatever step meets it, and nothing is left."""
import os
import subprocess

import pytest

from trainyardd import daemon_on

NO_RESERVE = "disk_free_min_bytes = 0\n"  # so that the steps themselves meet it


@pytest.fixture
def disk(tmp_path):
    """disk(options): a file system of its own, with its place."""
    mounted = []

    def mount(options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path],
                              capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"mounting a small file system is not permitted: {done.stderr.strip()}")
        mounted.append(tmp_path)
        return tmp_path

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    (folder / "main.py").write_text("print('hello')\n")
    return folder


def script(code):
    return {"name": "job", "kind": "script", "entry_point": "main.py", "source_dir": str(code)}


def expect_refused(daemon, jobs):
    runs = daemon.get("/v1/runs")["items"]
    answer = daemon.ask("POST", "/v1/runs", {"jobs": jobs})
    assert answer.status_code == 507, answer.text
    assert answer.json()["type"] == "urn:trainyard:disk_full"
    assert daemon.get("/v1/runs")["items"] == runs
    assert not list(daemon.data.glob("sources/*.*")), "a half copy is left"


def test_source_copy_that_does_not_fit(disk, code):
    with daemon_on(disk("size=16m"), NO_RESERVE) as daemon:
        (code / "weights").write_bytes(os.urandom(20 << 20))
        expect_refused(daemon, [script(code)])
        (code / "weights").unlink()
        daemon.wait_run(daemon.submit([script(code)])["id"])


def test_no_inode_left(disk, code):
    place = disk("size=128m,nr_inodes=340")
    with daemon_on(place, "") as daemon:
        first = daemon.submit([script(code)])["id"]
        assert daemon.wait_run(first)["state"] == "succeeded"
        ballast = place / "ballast"
        ballast.mkdir()
        with pytest.raises(OSError):
            for i in range(1000):
                (ballast / str(i)).touch()
        expect_refused(daemon, [script(code)])
        for path in ballast.iterdir():
            path.unlink()
        assert daemon.wait_run(daemon.submit([script(code)])["id"])["state"] == "succeeded"


def test_commit_that_does_not_fit(disk, code):
    place = disk("size=16m")
    with daemon_on(place, NO_RESERVE) as daemon:
        daemon.submit([script(code) | {"held": True}])
        with open(place / "ballast", "wb", buffering=0) as f, pytest.raises(OSError):
            while f.write(bytes(1 << 16)):
                pass
        values = {f"v{i}": "y" * 2400 for i in range(8)}
        big = [script(code) | {"name": f"j{i}", "held": True, "hyperparameters": values}
               for i in range(256)]
        expect_refused(daemon, big)
        (place / "ballast").unlink()
        daemon.submit([script(code) | {"held": True}])
