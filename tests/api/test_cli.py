# SPDX-License-Identifier: MIT
"""The command line client against the real daemon: what it prints, and its exit status."""
import json
import os
import re
import subprocess
import termios
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from trainyardd import BUILD, PYTHON, ROOT, daemon_on, wait_for

OK, FAILED, USAGE, UNREACHABLE, NOT_SUCCEEDED = range(5)
DEADLINE_S = 120
VERSION = re.search(r"^ +version: '([\d.]+)'", (ROOT / "meson.build").read_text(encoding="utf-8"),
                    re.MULTILINE)[1]
SCRIPT = """
import os, pathlib, sys, time
gate = pathlib.Path(sys.argv[sys.argv.index("--gate") + 1])
print("before the gate", flush=True)
while not gate.exists():
    time.sleep(0.01)
print("loss=0.5\\nafter the gate")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("trained")
sys.exit(int(gate.read_text() or 0))
"""


class Client:
    def __init__(self, directory):
        self.dir = directory
        self.environment = {**os.environ, "TRAINYARD_URL": f"unix:{directory}/trainyard.sock"}

    def start(self, *words):
        return subprocess.Popen([BUILD / "cli/trainyard", *words], env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.dir)

    def run(self, *words, status=OK, text_in=None):
        """stdout and stderr of one command, which must end with `status`."""
        done = subprocess.run([BUILD / "cli/trainyard", *words], env=self.environment, text=True,
                              capture_output=True, timeout=DEADLINE_S, input=text_in, check=False,
                              cwd=self.dir)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout, done.stderr

    def lose(self, *words):
        """The exit status of a command whose standard output is a full disk."""
        with open("/dev/full", "wb") as full:
            return subprocess.run([BUILD / "cli/trainyard", *words], env=self.environment,
                                  stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE_S,
                                  check=False, cwd=self.dir).returncode

    def json(self, *words):
        return json.loads(self.run("--json", *words)[0])

    def pipeline(self, name="one"):
        """A file with a pipeline of one script; returns its path and the gate."""
        source, gate = self.dir / "source", self.dir / f"{name}.gate"
        source.mkdir(exist_ok=True)
        (source / "train.py").write_text(SCRIPT, encoding="utf-8")
        file = self.dir / f"{name}.json"
        file.write_text(json.dumps({"name": name, "jobs": [
            {"name": "train", "kind": "script", "entry_point": "train.py",
             "source_dir": str(source), "hyperparameters": {"gate": str(gate)},
             "metric_definitions": [{"name": "loss", "regex": "loss=([0-9.]+)"}]}]}),
                        encoding="utf-8")
        return str(file), gate


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with daemon_on(tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture
def client(daemon, tmp_path):
    found = Client(tmp_path)
    found.environment["TRAINYARD_URL"] = f"unix:{daemon.dir}/trainyard.sock"
    return found


def test_no_daemon(tmp_path):
    out, err = Client(tmp_path).run("status", status=UNREACHABLE)
    assert out == ""
    assert f"nobody answers at {tmp_path}/trainyard.sock" in err and "systemctl start" in err


@pytest.mark.parametrize("words, said", [
    (["stauts"], "did you mean 'status'?"),
    (["show"], "an argument is missing: 'ID'"),
    (["show", "a", "b"], "one argument too many: 'b'"),
    (["runs", "--foo"], "there is no option '--foo'"),
    (["runs", "--limit"], "this option needs a value"),
    (["runs", "--json=yes"], "this option takes no value"),
    (["--url", "localhost", "runs"], "is not an address"),
])
def test_wrong_command_lines(client, words, said):
    assert said in client.run(*words, status=USAGE)[1]


def test_help_names_each_command_and_option(client):
    out, _ = client.run("--help")
    commands = [line.split()[0] for line in out.split("commands:")[1].split("\n\n")[0].split("\n")
                if line.strip()]
    assert len(commands) > 20 and "exit status" in out
    for command in commands:
        assert f"usage: trainyard {command}" in client.run(command, "--help")[0]


def test_submit_wait_and_look(client):
    file, gate = client.pipeline()
    gate.write_text("0", encoding="utf-8")
    out, err = client.run("submit", file, "--wait")
    run = out.split()[0]
    assert out == f"{run} submitted: 'one', 1 jobs\n"
    assert "train            succeeded" in err
    assert client.run("wait", run)[0] == ""
    shown, _ = client.run("show", run)
    assert "state       succeeded" in shown and "train  script  succeeded" in shown
    job = client.json("show", f"{run}/train")
    assert job["state"] == "succeeded" and client.json("show", job["id"]) == job
    assert client.json("jobs", "--run", run)["items"][0]["id"] == job["id"]
    assert run in client.run("runs", "--state", "succeeded", "--name", "one")[0]
    log, _ = client.run("logs", f"{run}/train")
    assert [line for line in log.splitlines() if "gate" in line and "/" not in line] == [
        "before the gate", "after the gate"]
    assert client.run("logs", f"{run}/train", "--tail", "1")[0] == log.splitlines()[-1] + "\n"
    assert "0.5" in client.run("metrics", f"{run}/train", "--name", "loss")[0]
    assert "model/model.txt" in client.run("artifacts", f"{run}/train")[0]
    assert client.run("artifacts", job["id"], "get", "model/model.txt", "-o", "-")[0] == "trained"
    client.run("artifacts", f"{run}/train", "get", "model/model.txt")
    assert (client.dir / "model.txt").read_text(encoding="utf-8") == "trained"
    lines = client.run("--json", "events", "--run", run)[0].splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["to"] for event in events if event["kind"] == "job_state"][-1] == "succeeded"
    assert "from=running  to=succeeded" in client.run("events", "--job", job["id"])[0]


def test_an_unhappy_end_is_exit_status_4(client):
    file, gate = client.pipeline()
    gate.write_text("3", encoding="utf-8")
    run = client.run("submit", "--quiet", file)[0].strip()
    assert "has failed" in client.run("wait", run, status=NOT_SUCCEEDED)[1]
    assert "script_error" in client.run("show", f"{run}/train")[0]
    gate.write_text("0", encoding="utf-8")
    client.run("retry", run)
    client.run("wait", f"{run}/train")
    assert client.json("show", f"{run}/train")["attempt"] == 2
    assert "after the gate\n" in client.run("logs", f"{run}/train", "--attempt", "1")[0]


def test_follow_cancel_and_timeout(client):
    file, gate = client.pipeline()
    run = client.run("submit", "-q", file)[0].strip()
    follow = client.start("logs", "-f", f"{run}/train")
    assert any(line == "before the gate\n" for line in follow.stdout)
    assert "is still" in client.run("wait", run, "--timeout", "100ms", status=FAILED)[1]
    assert "will be cancelled" in client.run("cancel", run)[0]
    client.run("wait", run, status=NOT_SUCCEEDED)
    assert "after the gate" not in follow.stdout.read() and follow.wait(DEADLINE_S) == OK
    assert not gate.exists()
    assert client.json("show", run)["state"] == "cancelled"


def test_hold_release_explain_queue(client):
    file, gate = client.pipeline("held")
    gate.write_text("0", encoding="utf-8")
    run = client.run("submit", "-q", file, "--set", "jobs.train.held=true")[0].strip()
    assert "held" in client.run("explain", f"{run}/train")[0]
    assert client.json("show", run)["jobs"][0]["id"] in client.run("queue")[0]
    client.run("release", f"{run}/train")
    client.run("wait", run)
    assert "has succeeded" in client.run("explain", f"{run}/train")[0]
    assert "already ended" in client.run("hold", f"{run}/train", status=FAILED)[1]


def test_clone_a_run_with_a_change(client):
    file, gate = client.pipeline("cloned")
    gate.write_text("0", encoding="utf-8")
    run = client.run("submit", "-q", file)[0].strip()
    assert json.loads(client.run("show", run, "--spec")[0]) == json.loads(
        (client.dir / "cloned.json").read_text(encoding="utf-8"))
    assert client.json("show", f"{run}/train")["spec"] == json.loads(
        client.run("show", f"{run}/train", "--spec")[0])
    out, err = client.run("clone", run, "-p", "/jobs/0/tags/of~1what=first", "-p", "name=again",
                          "--wait")
    again = out.split()[0]
    assert again != run and "train            succeeded" in err
    assert client.json("show", again)["name"] == "again"
    assert client.json("show", f"{again}/train")["tags"] == {"of/what": "first"}
    assert "no element '7'" in client.run("clone", run, "-p", "/jobs/7/name=x", status=FAILED)[1]
    job = client.json("show", run)["jobs"][0]["id"]
    assert "is a job; name its run" in client.run("clone", job, status=FAILED)[1]


def test_hold_release_priority_explain_of_a_run(client):
    file, gate = client.pipeline("whole")
    gate.write_text("0", encoding="utf-8")
    run = client.run("submit", "-q", file, "--set", "jobs.train.held=true")[0].strip()
    assert "is held" in client.run("hold", run)[0]
    assert "held: the job is held; release it" in client.run("explain", run)[0]
    client.run("priority", run, "5")
    assert client.json("show", f"{run}/train")["priority"] == 5
    assert client.json("show", f"{run}/train")["run"] == run
    assert run in client.run("jobs", "--run", run)[0]
    client.run("release", run)
    client.run("wait", run)
    assert client.run("explain", run)[0] == "All jobs of the run have ended.\n"


def in_terminal(client, columns, *words):
    """What one command prints on a terminal of so many columns."""
    here, there = os.openpty()
    termios.tcsetwinsize(here, (24, columns))
    done = subprocess.Popen([BUILD / "cli/trainyard", *words], env=client.environment,
                            stdin=subprocess.DEVNULL, stdout=there, stderr=there, cwd=client.dir)
    os.close(there)
    text = b""
    try:
        while part := os.read(here, 65536):
            text += part
    except OSError:  # EIO: the other side is closed
        pass
    os.close(here)
    assert done.wait(DEADLINE_S) == OK
    return text.decode()


def test_a_reason_is_cut_on_a_terminal_alone(client):
    """At its end, never inside; a file or a pipe gets all of it."""
    file, _ = client.pipeline("long")
    pipeline = json.loads(open(file, encoding="utf-8").read())
    names = [f"{'n' * 40}{i}" for i in range(8)]
    script = pipeline["jobs"][0]
    pipeline["jobs"] = [{**script, "name": name, "held": True} for name in names]
    pipeline["jobs"].append({**script, "name": "last", "needs": names})
    run = client.run("submit", "-q", "-", text_in=json.dumps(pipeline))[0].strip()
    message = client.json("show", f"{run}/last")["reason"]["message"]
    assert message == "waits for " + ", ".join(names)
    whole = [line for line in client.run("jobs", "--run", run)[0].splitlines() if "last" in line][0]
    assert whole.endswith(f"waiting_for_jobs: {message}")
    lines = in_terminal(client, 150, "jobs", "--run", run).splitlines()
    assert all(len(line) <= 150 for line in lines)
    [cut] = [line for line in lines if " last " in line]
    assert cut.endswith("…") and len(cut) == 150 and "waiting_for_jobs: waits for nnn" in cut
    client.run("cancel", run)


def test_refusals_name_the_place(client):
    file, _ = client.pipeline()
    _, err = client.run("submit", file, "--set", "jobs.0.kind=trian", status=FAILED)
    assert "/jobs/0/kind" in err and "train" in err
    out, _ = client.run("validate", file, "--set", "jobs.0.colour=blue", status=FAILED)
    assert "/jobs/0/colour" in out
    assert "The pipeline is valid." in client.run("validate", file)[0]
    assert "no element 'none'" in client.run("submit", file, "--set", "jobs.none.x=1",
                                             status=FAILED)[1]
    (client.dir / "bad.json").write_text("{", encoding="utf-8")
    assert "JSON" in client.run("submit", "bad.json", status=FAILED)[1]
    assert "missing.json" in client.run("submit", "missing.json", status=FAILED)[1]
    assert client.run("show", "r1234", status=FAILED)[1].startswith("trainyard: 'r1234' is not")
    assert "'none'" in client.run("endpoint", "delete", "none", status=FAILED)[1]
    assert "'none'" in client.run("predict", "none", "text", status=FAILED)[1]


def test_relative_paths_are_those_of_who_submits(client, daemon):
    """Below the current directory, else beside the pipeline's file; the daemon runs elsewhere."""
    there = client.dir / "there"
    for folder, words in ((client.dir / "code", "here"), (there / "code", "wrong"),
                          (there / "other", "beside")):
        folder.mkdir(parents=True)
        (folder / "say.py").write_text(f"print('said {words}')\n", encoding="utf-8")
    job = {"kind": "script", "entry_point": "say.py", "channels": {"x": "."},
           "local": {"python": os.path.relpath(PYTHON, client.dir)}}
    (there / "p.json").write_text(json.dumps({"jobs": [
        {**job, "name": "a", "source_dir": "code"}, {**job, "name": "b", "source_dir": "other"}]}))
    run = client.run("submit", "--wait", "there/p.json")[0].split()[0]
    for name, words in (("a", "here"), ("b", "beside")):
        assert f"said {words}\n" in client.run("logs", f"{run}/{name}")[0]
        assert client.json("show", f"{run}/{name}")["spec"]["channels"] == {"x": str(client.dir)}
    assert "The pipeline is valid." in client.run("validate", "there/p.json")[0]
    text = (there / "p.json").read_text()
    refused = client.run("submit", "-", text_in=text, status=FAILED)[1]  # no file: nothing beside
    assert "'other': No such file" in refused and "relative paths start at" in refused


def test_dotted_paths_may_lie_beside_the_pipeline(client):
    """Before: ./code and ../shared were those of the current directory alone."""
    there = client.dir / "deep/spec"
    for folder in (there / "code", client.dir / "deep/shared"):
        folder.mkdir(parents=True)
        (folder / "say.py").write_text("print('said')\n", encoding="utf-8")
    job = {"kind": "script", "entry_point": "say.py", "held": True}
    (there / "p.json").write_text(json.dumps({"jobs": [
        {**job, "name": "a", "source_dir": "./code", "channels": {"x": "../shared"}},
        {**job, "name": "b", "source_dir": "./none"}]}))
    refused = client.run("validate", "deep/spec/p.json", status=FAILED)[0]
    assert f"/jobs/1/source_dir: '{client.dir}/none'" in refused.replace("/./", "/")
    assert "/jobs/0" not in refused and "/jobs/1/channels" not in refused


def test_names_of_models_are_no_paths(client):
    """minilm and org/name stay names, unless a model lies there; ./name is always a path."""
    for name in ("minilm", "org/name"):
        (client.dir / name).mkdir(parents=True)
    job = {"kind": "deploy", "endpoint": "e", "model": "minilm"}
    for model, said in (("minilm", "'minilm'"), ("./minilm", f"'{client.dir}/minilm'")):
        _, err = client.run("submit", "-", text_in=json.dumps({**job, "model": model}),
                            status=FAILED)
        assert said in err.replace("/./", "/"), err
    held = json.dumps({**job, "model": "org/name", "held": True})
    run = client.run("submit", "-q", "-", text_in=held)[0].strip()
    assert client.json("show", f"{run}/deploy")["spec"]["model"] == "org/name"
    client.run("cancel", run)
    (client.dir / "org/name/config.json").write_text("{}")
    assert f"{client.dir}/org/name" in client.run("submit", "-", text_in=held, status=FAILED)[1]


def test_pipelines_from_standard_input(client):
    file, gate = client.pipeline()
    gate.write_text("0", encoding="utf-8")
    with open(file, encoding="utf-8") as text:
        out, _ = client.run("submit", "-", "--wait", text_in=text.read())
    assert "submitted" in out


def test_the_version_needs_no_daemon(tmp_path):
    client = Client(tmp_path)
    out, err = client.run("--version")
    assert out.split() == ["trainyard", VERSION] and not err
    assert client.run("runs", "--version")[0] == out
    assert "--version" in client.run("--help")[0]
    client.run("version", status=UNREACHABLE)


PROGRAMS = ["cli/trainyard", "daemon/trainyardd", "shim/trainyard-shim",
            "transfer/trainyard-transfer", "worker/trainyard-worker", "worker/trainyard-dataset",
            "worker/trainyard-native"]


@pytest.mark.parametrize("program", [at for at in PROGRAMS if (BUILD / at).exists()])
def test_each_program_has_the_version(program):
    command = [BUILD / program, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{program.rpartition('/')[2]} {VERSION}\n" and not done.stderr
    with open("/dev/full", "wb") as full:
        assert subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL,
                              check=False).returncode


def test_the_completion_has_the_options():
    script = (f"PATH={BUILD}/cli:$PATH; . {ROOT}/cli/completion.bash; COMP_WORDS=(trainyard --v); "
              "COMP_CWORD=1; _trainyard; echo ${COMPREPLY[@]}")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "--version\n"


def test_the_machine(client):
    assert "cpu slots" in client.run("status")[0] and "version" in client.run("status")[0]
    assert "cpu slots" in client.run("devices")[0]
    assert client.json("version")["client"] == client.json("version")["daemon"]
    assert client.run("endpoints")[0].startswith("There are no live endpoints")
    assert client.run("endpoints", "--all")[0] == "There are no endpoints.\n"


def test_wait_outlives_the_daemon(tmp_path):
    """kill -9 and a new daemon on the same socket: the wait goes on to the right end."""
    (tmp_path / "daemon").mkdir()
    with daemon_on(tmp_path / "daemon") as own:
        client = Client(tmp_path / "daemon")
        file, gate = client.pipeline()
        run = client.run("submit", "-q", file)[0].strip()
        own.wait_job(run, "train", "running")
        waiting = client.start("wait", run)
        wait_for("the first look", lambda: "running" in waiting.stderr.readline())
        own.kill()
        wait_for("the loss to be seen",
                 lambda: "waiting for the daemon" in waiting.stderr.readline())
        own.start()
        gate.write_text("0", encoding="utf-8")
        out, err = waiting.communicate(timeout=DEADLINE_S)
        assert (waiting.returncode, out) == (OK, "")
        assert "answers again" in err and "succeeded" in err


ESCAPES = "\x1b[2J\x1b]0;owned\x07 \u009b2J \x7f"


def on_a_terminal(client, *words):
    """What a command shows on a terminal, as bytes."""
    ours, its = os.openpty()
    mode = termios.tcgetattr(its)
    mode[1] &= ~termios.OPOST
    termios.tcsetattr(its, termios.TCSANOW, mode)
    with subprocess.Popen([BUILD / "cli/trainyard", *words], env=client.environment, stdout=its,
                          stderr=its, cwd=client.dir) as process:
        os.close(its)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # the other end is closed
            pass
        process.wait(DEADLINE_S)
    os.close(ours)
    return shown


def test_nothing_printed_commands_the_terminal(client, daemon):
    """Names, tags, messages and logs of others, on a terminal and not."""
    source = client.dir / "escapes"
    source.mkdir()
    (source / "a.py").write_text(
        f"import os, pathlib, sys\nprint({ESCAPES!r})\n"
        f"pathlib.Path(os.environ['SM_MODEL_DIR'], 'x\x1b[2J').touch()\n"
        f"sys.exit({ESCAPES!r})\n", encoding="utf-8")
    file = client.dir / "escapes.json"
    file.write_text(json.dumps({"name": "esc", "tags": {"a": ESCAPES}, "jobs": [
        {"name": "one", "kind": "script", "entry_point": "a.py", "source_dir": str(source)}]}),
        encoding="utf-8")
    shown = on_a_terminal(client, "submit", str(file), "--wait")
    run = daemon.get("/v1/runs")["items"][0]["id"]
    daemon.wait_run(run)
    # the terminal's own: up a line, clear a line
    assert b"\x1b" not in shown.replace(b"\x1b[2K", b"").replace(b"\x1b[1A", b"")
    for words in (["show", run], ["show", f"{run}/one"], ["logs", f"{run}/one"], ["runs"],
                  ["events"], ["artifacts", f"{run}/one"], ["--json", "show", run],
                  ["show", ESCAPES], [ESCAPES], ["runs", "--" + ESCAPES]):
        shown = on_a_terminal(client, *words)
        assert shown
        text = shown.decode()
        assert not [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0"], text
    piped, _ = client.run("show", f"{run}/one")
    assert "\x1b" not in piped
    # a log that goes to a file is a copy
    assert ESCAPES in client.run("logs", f"{run}/one")[0]
    assert "\x1b" not in daemon.log_tail()


class Cut(BaseHTTPRequestHandler):
    """A followed log that is cut after its first line, once."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if len(self.server.asked) == 1:
            self.wfile.write(b"4\r\none\n\r\n")
            self.close_connection = True
        else:
            self.wfile.write(b"4\r\ntwo\n\r\n0\r\n\r\n")

    def log_message(self, *_):
        pass


def test_a_followed_log_goes_on_where_it_was_cut(client):
    job = "j" + "0" * 19
    with ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client.environment["TRAINYARD_URL"] = f"http://127.0.0.1:{server.server_port}"
        out, _ = client.run("logs", job, "-f")
        server.shutdown()
        thread.join()
    assert out == "one\ntwo\n"
    offsets = [parse_qs(urlsplit(path).query)["offset"] for path in server.asked]
    assert offsets == [["0"], ["4"]]


@pytest.mark.parametrize("words", [
    ["show", "{}"], ["logs", "{}"], ["logs", "{}", "-f"], ["metrics", "{}"], ["artifacts", "{}"],
    ["artifacts", "{}", "get", "model/a"], ["cancel", "{}"], ["retry", "{}"], ["hold", "{}"],
    ["release", "{}"], ["priority", "{}", "5"], ["explain", "{}"], ["wait", "{}"],
    ["endpoint", "show", "none"], ["endpoint", "delete", "none"], ["endpoint", "renew", "none"],
    ["validate", "/nonexistent.json"], ["submit", "/nonexistent.json"],
])
def test_a_failure_is_told_and_in_the_exit_status(client, words):
    words = [word.format("j" + "0" * 19) for word in words]
    done = subprocess.run([BUILD / "cli/trainyard", *words], env=client.environment, text=True,
                          capture_output=True, timeout=DEADLINE_S, check=False, cwd=client.dir)
    assert done.returncode == FAILED, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("trainyard: ")


@pytest.mark.parametrize("words", [["runs"], ["--json", "runs"], ["version"], ["status"],
                                   ["--version"], ["--help"], ["runs", "--help"]])
def test_output_that_is_lost_is_a_failure(client, words):
    assert client.lose(*words) == FAILED


def test_a_long_output_that_is_lost_is_a_failure(client):
    """Its first part fails long before the end."""
    file, _ = client.pipeline()
    long = [word for i in range(12)
            for word in ("--set", f"jobs.train.hyperparameters.long{i}={'x' * 2000}")]
    run = client.run("submit", "--quiet", file, "--set", "jobs.train.held=true", *long)[0].strip()
    assert client.lose("--json", "show", f"{run}/train") == FAILED
