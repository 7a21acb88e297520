# SPDX-License-Identifier: MIT
"""trainyard-shim: what the daemon may rely on (shim/README.md, wire/README.md)."""
import ctypes
import json
import os
import resource
import shlex
import signal
import subprocess

import pytest

from shim_run import Execution, SHIM, python, wait_for

# Writes its pid, ignores SIGTERM when asked to, and waits for ever.
WAITER = """
import os, signal, sys
if "ignore" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "catch" in sys.argv:
    def bye(*_):
        os.write(1, b"caught\\n"); os._exit(7)  # print may be at work, and is not reentrant
    signal.signal(signal.SIGTERM, bye)
print("up", os.getpid(), flush=True)
while True: signal.pause()
"""

# Leaves a daemon behind: double fork, a session of its own, no terminal, SIGTERM ignored on demand.
DAEMONISER = """
import os, signal, sys
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN if "ignore" in sys.argv else signal.SIG_DFL)
        print("daemon", os.getpid(), flush=True)
        os.write(w, b"x")
        while True: signal.pause()
    os._exit(0)
os.wait()
os.read(r, 1)
sys.exit(5)
"""


@pytest.fixture
def make(tmp_path):
    made = []

    def new(argv, directory=None, **fields):
        x = Execution(directory or tmp_path / f"x{len(made)}", argv,
                      exec_id=f"x{os.getpid()}n{len(made)}", **fields)
        made.append(x)
        return x
    yield new
    for x in made:
        x.kill_all()


def outcome(record):
    return record["cause"], record["code"], record["signal"]


def test_exit_code_and_output(make):
    x = make(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]).start()
    record = x.record()
    assert outcome(record) == ("exited", 3, 0)
    assert record["v"] == 1 and record["message"] == ""
    assert 0 < record["started_us"] <= record["finished_us"]
    assert record["max_rss_bytes"] > 0
    assert x.log() == "out\nerr\n"


def test_death_by_signal(make):
    assert outcome(make(["/bin/sh", "-c", "kill -SEGV $$"]).start().record()) == ("exited", -1, 11)


def test_kill_nobody_owns_up_to_is_reported_as_it_is(make):
    assert outcome(make(["/bin/sh", "-c", "kill -KILL $$"]).start().record()) == ("exited", -1, 9)


def test_rusage_counts_descendants(make):
    burn = "sum(i * i for i in range(3_000_000))"
    x = make(python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}'])"))
    assert x.start().record()["user_us"] > 50_000


def test_environment_is_exactly_the_given_one(make):
    x = make(["/usr/bin/env"], env={"ONE": "1", "TEXT": "a b=c ü", "TRAINYARD_EXECUTION": "fake"})
    x.start().record()
    assert sorted(x.log().splitlines()) == ["ONE=1", "TEXT=a b=c ü", f"TRAINYARD_EXECUTION={x.id}",
                                            f"TRAINYARD_EXECUTION_DIR={x.dir}"]


def test_child_has_no_other_descriptor_a_session_and_the_cwd(make):
    x = make(python("import os; print(sorted(os.listdir('/proc/self/fd'))[:4], os.getsid(0) == "
                    "os.getpid(), os.getcwd(), os.read(0, 9), os.readlink('/proc/self/fd/0'))"))
    x.start().record()
    # the fourth descriptor is listdir's own
    assert x.log() == f"['0', '1', '2', '3'] True {x.dir}/work b'' /dev/null\n"


@pytest.mark.parametrize("argv, word", [
    (["/no/such/program"], "No such file"),
    (["/etc/passwd"], "Permission denied"),
    (["relative"], "absolute"),
    ([], "argv"),
    (["/bin/true", 3], "argv[1]"),
])
def test_program_that_cannot_start(make, argv, word):
    record = make(argv).start().record()
    assert outcome(record) == ("exec_failed", 127, 0)
    assert word in record["message"]


@pytest.mark.parametrize("spec, word", [
    ("{", "JSON"), ("[]", "version"), ('{"v": 9}', "version 9"),
    ('{"v": 1, "execution": "x"}', "exec"),
    ('{"v":1,"execution":"x","exec":{"argv":["/bin/true"],"env":{},"cwd":"work"}}', "cwd"),
    ('{"v":1,"execution":"x","exec":{"argv":["/bin/true"],"env":[],"cwd":"/"}}', "env"),
    ('{"v":1,"execution":"x","exec":{"argv":["/bin/true"],"env":{"A=B":"1"},"cwd":"/"}}', "A=B"),
    ('{"v":1,"execution":"x","exec":{"argv":["/bin/true"],"env":{},"cwd":"/","grace_ms":-1}}',
     "grace_ms"),
])
def test_bad_spec(make, spec, word):
    x = make(["/bin/true"])
    x.write_spec(spec)
    record = x.start().record()
    assert outcome(record) == ("exec_failed", 127, 0)
    assert word in record["message"]


def test_missing_work_directory_is_named(make):
    record = make(["/bin/true"], cwd="/no/such/dir").start().record()
    assert outcome(record) == ("exec_failed", 127, 0)
    assert "No such file" in record["message"]


def test_stop_is_a_sigterm_first(make):
    x = make(python(WAITER, "catch")).start()
    x.wait_log("up")
    x.stop(60000)
    assert outcome(x.record()) == ("stopped", 7, 0)
    assert "caught" in x.log()


def test_stop_reaches_the_whole_group(make):
    """The program ignores SIGTERM and waits for its child, which ends only by a SIGTERM."""
    x = make(["/bin/sh", "-c", "trap '' TERM; " + " ".join(map(shlex.quote, python(
        WAITER, "catch"))) + "; exit 3"]).start()
    x.wait_log("up")
    x.stop(3600_000)
    assert outcome(x.record()) == ("stopped", 3, 0)
    assert "caught" in x.log()


def test_stop_kills_after_the_grace(make):
    x = make(python(WAITER, "ignore")).start()
    x.wait_log("up")
    x.stop(50)
    assert outcome(x.record()) == ("stopped", -1, 9)


def test_stop_without_grace_uses_the_spec(make):
    x = make(python(WAITER, "ignore"), grace_ms=20).start()
    x.wait_log("up")
    x.stop()
    assert outcome(x.record()) == ("stopped", -1, 9)


def test_second_stop_can_shorten_the_grace(make):
    x = make(python(WAITER, "ignore")).start()
    x.wait_log("up")
    x.stop(3600_000)
    x.stop(0)
    assert outcome(x.record()) == ("stopped", -1, 9)


def test_stop_reaches_a_stopped_process(make):
    """Only a handler of SIGTERM needs the SIGCONT: without one the kernel ends it at once."""
    x = make(python(WAITER, "catch")).start()
    x.wait_log("up")
    os.kill(x.pid(), signal.SIGSTOP)
    x.stop(3600_000)
    assert outcome(x.record()) == ("stopped", 7, 0)


def test_sigterm_to_the_shim_is_a_stop(make):
    x = make(python(WAITER)).start()
    x.wait_log("up")
    x.process.terminate()
    assert outcome(x.record()) == ("stopped", -1, 15)


def test_hangup_and_interrupt_are_ignored_and_not_inherited(make):
    x = make(python("import signal; print(int(signal.getsignal(signal.SIGHUP)), "
                    "signal.pthread_sigmask(0, []), flush=True)\n" + WAITER)).start()
    x.wait_log("up")
    assert x.log().splitlines()[0] == "0 set()"  # SIG_DFL, nothing blocked
    os.kill(x.process.pid, signal.SIGHUP)
    os.kill(x.process.pid, signal.SIGINT)
    assert x.ask({"v": 1, "op": "ping"})["ok"] is True
    x.stop(0)
    assert x.record()["cause"] == "stopped"


@pytest.mark.parametrize("how", ["obey", "ignore"])
def test_daemonised_grandchildren_are_gone_before_exit_json(make, how):
    x = make(python(DAEMONISER, how)).start()
    assert outcome(x.record()) == ("exited", 5, 0)  # record() checks that no process is left
    assert "daemon" in x.log()


def test_stop_kills_grandchildren_that_left_the_group(make):
    x = make(python(DAEMONISER.replace("sys.exit(5)", "signal.pause()"), "ignore")).start()
    x.wait_log("daemon")
    x.stop(0)
    assert outcome(x.record()) == ("stopped", -1, 15)


def test_time_limit(make):
    x = make(python(WAITER), max_runtime_ms=300).start()
    record = x.record()
    assert outcome(record) == ("timed_out", -1, 15)
    assert "300ms" in record["message"]
    assert record["finished_us"] - record["started_us"] >= 300_000


def test_time_limit_kills_after_the_grace(make):
    for limit_ms in (500, 5_000, 50_000):  # a busy machine may end it before it is deaf
        x = make(python(WAITER, "ignore"), max_runtime_ms=limit_ms, grace_ms=50).start()
        record = x.record()
        if "up" in x.log():
            break
    assert outcome(record) == ("timed_out", -1, 9)


def test_ending_by_itself_before_the_limit(make):
    x = make(["/bin/true"], max_runtime_ms=3600_000).start()
    assert outcome(x.record()) == ("exited", 0, 0)


def test_lock_is_held_exactly_while_the_shim_lives(make):
    x = make(python(WAITER), owner="subreaper").start()  # else the child ends with it
    x.wait_log("up")
    assert x.alive()
    pid = x.pid()
    with open(f"/proc/{pid}/status") as f:  # the last is what it sees itself
        [inner] = [line.split()[-1] for line in f if line.startswith("NSpid")]
    assert inner == x.log().split()[1]
    locked = os.stat(x.dir / "lock").st_ino
    assert locked not in [os.stat(f"/proc/{pid}/fd/{fd}").st_ino
                          for fd in os.listdir(f"/proc/{pid}/fd")]
    x.process.kill()
    x.process.communicate()
    assert not x.alive()  # although the child still runs
    assert pid in x.members()
    assert not (x.dir / "exit.json").exists()


def test_refuses_without_the_lock(make):
    x = make(["/bin/true"])
    other = open(x.dir / "lock", "w")
    import fcntl
    fcntl.flock(other, fcntl.LOCK_EX)
    status, said = x.start(lock=False).wait()
    assert status == 2 and "which another process holds" in said
    assert not (x.dir / "exit.json").exists()


def test_refuses_a_foreign_descriptor(tmp_path):
    p = subprocess.run([SHIM, tmp_path], capture_output=True, text=True)
    assert p.returncode == 2 and "descriptor 3" in p.stderr
    p = subprocess.run([SHIM], capture_output=True, text=True)
    assert p.returncode == 2 and "usage" in p.stderr


def test_refuses_a_directory_that_has_run(make):
    x = make(["/bin/true"])
    x.start().record()
    status, said = x.start().wait()
    assert status == 2 and "this execution has run" in said


@pytest.mark.parametrize("message, word", [
    (b"{", "JSON"), (b"\xff\xfe", "JSON"), (b"[]", "object"), (b"{}", "version"),
    (b'{"v":2,"op":"ping"}', "version 2"), (b'{"v":1,"op":"dance"}', "stop"),
    (b'{"v":1,"op":"stop","grace_ms":"1"}', "grace_ms"),
    (b'{"v":1,"op":"stop","grace_ms":-5}', "grace_ms"),
    (b'{"v":1,"op":"ping"}' + b" " * 4096, "longer than 4096"),
    (b"[" * 4000, "nested"),
])
def test_bad_control_messages(make, message, word):
    x = make(python(WAITER)).start()
    x.wait_log("up")
    reply = x.ask(message)
    assert reply["ok"] is False and reply["v"] == 1 and word in reply["error"]
    assert x.ask({"v": 1, "op": "ping"})["ok"] is True


def test_many_messages_on_one_connection_and_many_connections(make):
    x = make(python(WAITER)).start()
    x.wait_log("up")
    with x.connect() as first:
        for _ in range(100):
            first.send(b'{"v":1,"op":"ping"}')
            assert json.loads(first.recv(4096))["ok"] is True
        silent = [x.connect() for _ in range(30)]  # more than the shim keeps
        assert x.ask({"v": 1, "op": "ping"})["ok"] is True
        for s in silent:
            s.close()
    x.stop(0)
    x.record()


def test_socket_is_for_the_owner_only(make):
    x = make(python(WAITER)).start(preexec=lambda: os.umask(0))
    x.wait_log("up")
    assert os.stat(x.dir / "control.sock").st_mode & 0o777 == 0o600


def test_deep_directory(make, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    x = make(python(WAITER), directory=deep).start()
    assert len(str(deep)) > 200
    x.wait_log("up")
    x.stop(60000)
    assert outcome(x.record()) == ("stopped", -1, 15)


def log_size(x):
    log = x.dir / "log"
    return log.stat().st_size if log.exists() else 0


def gap_of(x):
    return json.loads((x.dir / "log.gap").read_text())


def test_log_cap(make):
    cap = 1 << 20
    lines = 40_000
    x = make(python(f"for i in range({lines}): print(f'{{i:09d}} ' + 'x' * 89)\n" + WAITER),
             log_max_bytes=cap).start()
    wait_for("the end of the lines", lambda: log_size(x) > lines * 100)
    x.stop(0)
    x.record()
    gap = gap_of(x)
    stat = os.stat(x.dir / "log")
    data = (x.dir / "log").read_bytes()
    assert gap["v"] == 1 and gap["from"] == cap // 4
    assert stat.st_size > lines * 100  # offsets are still file offsets
    assert stat.st_blocks * 512 <= cap + 65536
    assert set(data[gap["from"]:gap["to"]]) == {0}
    for i in (0, 1000, lines - 1000, lines - 1):  # what is kept is whole and in its place
        assert data[i * 100:i * 100 + 10] == f"{i:09d} ".encode()


def test_log_below_the_cap_has_no_gap(make):
    x = make(["/bin/sh", "-c", "echo hello"], log_max_bytes=65536).start()
    x.record()
    assert not (x.dir / "log.gap").exists()


# Four that write at full speed until they have written argv[1] bytes each: blocks as of dd, lines
# of a megabyte, short lines, and one line without an end.
FLOOD = """
import os, sys
each = int(sys.argv[1])
kinds = [b"d" * (16 << 20), (b"l" * (1 << 20) + b"\\n") * 4, (b"s" * 79 + b"\\n") * 800,
         b"n" * 65536]
for text in kinds:
    if os.fork() == 0:
        left = each
        while left:
            left -= os.write(1, text[:left])
        os._exit(0)
for _ in kinds:
    os.wait()
print("\\nthe end")
"""


@pytest.mark.parametrize("cap, each", [(65536, 24 << 20), (1 << 20, 128 << 20),
                                       (64 << 20, 64 << 20)])
def test_log_of_writers_at_full_speed_stays_within_its_cap(make, cap, each):
    """The shim looked ten times a second: between two looks a log of 64 KiB had hundreds of MB."""
    x = make(python(FLOOD, str(each)), log_max_bytes=cap).start()
    log = x.dir / "log"
    wait_for("the log", log.exists)
    worst = 0
    while x.process.poll() is None:
        worst = max(worst, os.stat(log).st_blocks * 512)
    assert outcome(x.record()) == ("exited", 0, 0)
    gap = gap_of(x)
    with open(log, "rb") as f:
        f.seek(gap["to"])
        newest = f.read()
    assert worst <= cap * 1.1, f"{worst} bytes of a cap of {cap}"
    assert gap["from"] == cap // 4 and cap // 2 <= len(newest) <= cap
    assert newest.endswith(b"\nthe end\n")
    assert gap["to"] + len(newest) == 4 * each + len(b"\nthe end\n")  # offsets did not move


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", where],
                      capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs is not permitted")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def fill(directory):
    with open(directory / "ballast", "wb") as f:
        try:
            while True:
                os.write(f.fileno(), b"\0" * 4096)
        except OSError:
            pass


def test_no_space_for_the_result_means_no_child(make, small_disk):
    x = make(["/bin/touch", str(small_disk / "ran")], directory=small_disk / "x")
    (x.dir / "lock").touch()
    fill(small_disk)
    status, said = x.start().wait()
    assert status == 3 and "reserve space for exit.json" in said
    assert not (small_disk / "ran").exists()
    assert not (x.dir / "exit.json").exists()


def test_result_is_written_on_a_full_disk(make, small_disk):
    x = make(["/bin/sh", "-c", f"cat /dev/zero > {small_disk}/ballast; exit 4"],
             directory=small_disk / "x").start()
    assert outcome(x.record()) == ("exited", 4, 0)
    assert os.statvfs(small_disk).f_bavail == 0 or os.path.getsize(small_disk / "ballast")


def test_log_cap_frees_a_full_disk(make, small_disk):
    x = make(python("import os\n"
                    "for i in range(3000):\n"
                    "    try: os.write(1, b'%06d ' % i + b'y' * 92 + b'\\n')\n"
                    "    except OSError: pass\n"
                    "import signal\nwhile True: signal.pause()"),
             directory=small_disk / "x", log_max_bytes=65536).start()
    wait_for("all of it", lambda: log_size(x) == 300_000)
    x.stop(0)
    x.record()
    assert os.stat(x.dir / "log").st_blocks * 512 <= 65536 * 1.1


def test_limits_of_the_shim_itself(make):
    """It needs few descriptors and little memory."""
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    x = make(python(WAITER)).start(preexec=few)
    x.wait_log("up")
    with open(f"/proc/{x.process.pid}/status") as f:
        anonymous = [int(line.split()[1]) for line in f if line.startswith("RssAnon")]
    if b"__asan_init" not in SHIM.read_bytes():
        assert anonymous[0] < 1024  # KiB
    x.stop(0)
    x.record()


def test_child_is_the_first_victim_of_memory_pressure(make):
    x = make(["/bin/cat", "/proc/self/oom_score_adj"]).start()
    x.record()
    assert int(x.log()) >= 500


def moves(directory, below):
    """An inotify descriptor that tells in order what is moved in `directory` and below it."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC)
    for path in (directory, directory / below):
        assert libc.inotify_add_watch(fd, os.fsencode(path), 0x40 | 0x80) > 0
    return fd


@pytest.mark.parametrize("end, gone", [("exit 0", True), ("exit 3", False),
                                       ("kill -9 $$", False)])
def test_checkpoints_go_after_the_record_of_a_success(make, tmp_path, end, gone):
    """Never before the end is on disk, and never of what did not succeed."""
    x = make(["/bin/sh", "-c", end], drop_checkpoints=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = x.dir / "work/checkpoints"
    (folder / "checkpoint-1").mkdir(parents=True)
    (folder / "checkpoint-1/weights").touch()
    (folder / "link").symlink_to(outside)
    fd = moves(x.dir, "work")
    x.start()
    x.record()
    text = os.read(fd, 1 << 16)
    os.close(fd)
    assert folder.exists() != gone and (outside / "kept").exists()
    assert not (x.dir / "work/.checkpoints").exists()
    if gone:
        assert 0 < text.index(b"exit.json\0") < text.index(b"checkpoints\0")


@pytest.mark.parametrize("end, gone", [("exit 0", True), ("exit 3", False)])
def test_checkpoints_of_earlier_attempts_go_with_a_success(make, tmp_path, end, gone):
    """Only those of the named executions beside this one; a link there is not followed."""
    names = {name: f"x1m84nmenk5xr9a7j4s{name}" for name in "abc"}
    for name in names.values():
        (tmp_path / name / "work/checkpoints/checkpoint-1").mkdir(parents=True)
    outside = tmp_path / "outside"
    (outside / "checkpoints").mkdir(parents=True)
    (tmp_path / names["c"] / "work").rename(tmp_path / names["c"] / "own")
    (tmp_path / names["c"] / "work").symlink_to(outside)
    x = make(["/bin/sh", "-c", end], drop_checkpoints=True,
             drop_earlier=[names["a"], names["c"], "../outside", "x1m84nmenk5xr9a7j4sz", 7])
    x.start()
    x.record()
    assert (tmp_path / names["a"] / "work/checkpoints").exists() != gone
    assert not (tmp_path / names["a"] / "work/.checkpoints").exists()
    assert (tmp_path / names["b"] / "work/checkpoints").exists()
    assert (outside / "checkpoints").exists()


def test_a_link_in_place_of_the_checkpoints_loses_only_itself(make, tmp_path):
    x = make(["/bin/true"], drop_checkpoints=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/kept").touch()
    (x.dir / "work/checkpoints").symlink_to(tmp_path / "outside")
    x.start()
    assert outcome(x.record()) == ("exited", 0, 0)
    assert (tmp_path / "outside/kept").exists()


def test_checkpoints_of_a_stopped_program_stay(make):
    x = make(["/bin/sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"],
             drop_checkpoints=True)
    (x.dir / "work/checkpoints/checkpoint-1").mkdir(parents=True)
    x.start()
    wait_for("its start", lambda: "up" in (x.dir / "log").read_text()
             if (x.dir / "log").exists() else False)
    os.kill(x.process.pid, signal.SIGTERM)
    assert x.record()["cause"] == "stopped"
    assert (x.dir / "work/checkpoints/checkpoint-1").is_dir()
