# SPDX-License-Identifier: MIT
"""A submit that meets a really full disk: 507, whatever step meets it, and nothing is left. A
delete or a cancel is not refused."""
import os
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest

from trainyardd import daemon_on, wait_for

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


@contextmanager
def hungry(place):
    """Another writer takes each block that becomes free; yields a function that waits until none
    is."""
    over, full = threading.Event(), threading.Event()

    def eat():
        with open(place / "ballast", "ab", buffering=0) as f:
            while not over.is_set():
                with suppress(OSError):
                    while f.write(bytes(4096)) and not over.is_set():
                        full.clear()
                full.set()

    def wait_full():
        full.clear()
        assert full.wait(60)

    eater = threading.Thread(target=eat)
    eater.start()
    try:
        yield wait_full
    finally:
        over.set()
        eater.join()


def use_up(daemon, job, wait_full):
    """Until no state can be written any more."""
    def refused():
        wait_full()
        answers = [daemon.ask("POST", f"/v1/jobs/{job}/priority", {"priority": n})
                   for n in range(20)]
        return {answer.status_code for answer in answers} == {507}

    wait_for("a reserve that is used up", refused)


RESULT = """\
import os, pathlib
(pathlib.Path(os.environ['SM_MODEL_DIR']) / 'weights').write_bytes(b'w' * 3000000)
for i in range(20000):
    print(f'line {i:06d}')
"""


def test_a_delete_makes_room_when_the_reserve_is_used_up(disk, code):
    """Before: 507, so that the disk stayed full."""
    place = disk("size=24m")
    (code / "main.py").write_text(RESULT)
    with daemon_on(place, NO_RESERVE) as daemon:
        run = daemon.submit([script(code)])
        assert daemon.wait_run(run["id"])["state"] == "succeeded"
        held = daemon.submit([script(code) | {"held": True}])["jobs"][0]["id"]
        with hungry(place) as wait_full:
            use_up(daemon, held, wait_full)
            answer = daemon.ask("DELETE", f"/v1/runs/{run['id']}")
            assert answer.status_code == 200, answer.text
        wait_for("the removal", lambda: daemon.events(kind="run_files_removed"))
        [folder] = [path for path in daemon.data.glob("executions/x*")]
        assert not (folder / "work").exists()
        assert daemon.log(run["jobs"][0]["id"]).endswith("line 019999\n")
        (place / "ballast").unlink()
        daemon.submit([script(code) | {"held": True}])


def test_a_cancel_is_stored_when_the_reserve_is_used_up(disk, code):
    """Before: 507, and the job that fills the disk went on."""
    place = disk("size=24m")
    (code / "main.py").write_text("import signal\nprint('up', flush=True)\nsignal.pause()\n")
    with daemon_on(place, NO_RESERVE) as daemon:
        run = daemon.submit([script(code)])
        job = run["jobs"][0]["id"]
        wait_for("the script", lambda: "up\n" in daemon.log(job))
        with hungry(place) as wait_full:
            use_up(daemon, job, wait_full)
            answer = daemon.ask("POST", f"/v1/runs/{run['id']}/cancel")
            assert answer.status_code == 200, answer.text
            wait_for("the end", lambda: list(daemon.data.glob("executions/x*/exit.json")))
        (place / "ballast").unlink()
        assert daemon.wait_run(run["id"])["state"] == "cancelled"
