# SPDX-License-Identifier: MIT
"""The metrics of a user's own script: the file TRAINYARD_METRICS, and what trackers find preset.
Runs the real shim and worker."""
import pytest

from script_run import DUMP, dump_of, events_of, run
from wait import wait_for

LINE_MAX = 16384  # METRICS_FILE_LINE_MAX
HEAD = "import json, os, pathlib, sys\nfile = pathlib.Path(os.environ['TRAINYARD_METRICS'])\n"


def points(x):
    return [(e["step"], e["epoch"], e["values"]) for e in events_of(x) if e["t"] == "metric"]


def warnings(x):
    return [(e["code"], e["message"]) for e in events_of(x) if e["t"] == "warning"
            and e["code"] in ("bad_metric_line", "metrics_file")]


def test_json_lines_are_points(script):
    x = run(script({"train.py": HEAD + """
with file.open("a") as f:
    for line in ({"step": 10, "epoch": 0.5, "loss": 0.75, "name": "a", "flag": True},
                 {"loss": float("nan"), "up": float("inf"), "down": -float("inf"), "step": 20},
                 {"accuracy": 0.875}, {"accuracy": 1, "step": 2.5}):
        print(json.dumps(line), file=f, flush=True)
    f.write('{"step": 30, "loss": 0.5}')
"""}))
    assert points(x) == [
        (10, 0.5, {"epoch": 0.5, "loss": 0.75}),
        (20, None, {"loss": "NaN", "up": "Infinity", "down": "-Infinity"}),
        (3, None, {"accuracy": 0.875}), (4, None, {"accuracy": 1}), (30, None, {"loss": 0.5})]
    assert warnings(x) == []


def test_points_come_while_the_script_runs(script):
    x = script({"train.py": HEAD + """
os.mkfifo("go")
file.write_text('{"step": 1, "loss": 2}\\n{"step": 2, "lo')
open("go").read()
with file.open("a") as f:
    f.write('ss": 1}\\n')
"""}).start()
    wait_for("a point", lambda: (x.dir / "work/events.ndjson").exists() and points(x))
    assert points(x) == [(1, None, {"loss": 2})]
    (x.dir / "work/code/go").write_text("")
    assert x.record()["code"] == 0
    assert points(x)[1:] == [(2, None, {"loss": 1})]


def test_lines_that_are_no_points(script):
    longest = '{"step": 1, "loss": 1, "text": ""}'
    longest = longest.replace('""}', '"' + "x" * (LINE_MAX - len(longest)) + '"}')
    assert len(longest) == LINE_MAX
    x = run(script({"train.py": HEAD + f"""
longest = {longest!r}
file.write_bytes("\\n".join([longest, " " + longest, "", "[1]", "nonsense", '{{"a": "b"}}', "",
                            '{{"step": 2, "loss": 3}}\\r', ""]).encode() + b"\\xff\\0\\x01\\n")
"""}))
    assert points(x) == [(1, None, {"loss": 1}), (2, None, {"loss": 3})]
    assert [w[1].split(": a line ")[1].split(" and ")[0] for w in warnings(x)] == [
        "is longer than 16384 bytes", "is not a JSON object", "is not a JSON object",
        "has no number", "is not a JSON object"]


@pytest.mark.parametrize("make", [
    "os.mkfifo(file)", "file.symlink_to('/etc/passwd')", "file.mkdir()",
    "file.symlink_to('/dev/zero')"])
def test_what_is_no_file_stops_nobody(script, make):
    x = run(script({"train.py": HEAD + make + "\n"}))
    assert points(x) == []
    assert [code for code, _ in warnings(x)] == ["metrics_file"]


def test_a_file_of_holes_is_read_up_to_the_limit(script):
    x = run(script({"train.py": HEAD + "file.touch(); os.truncate(file, 1 << 40)\n"}))
    assert [code for code, _ in warnings(x)] == ["bad_metric_line", "metrics_file"]
    assert "256 MiB" in warnings(x)[1][1]


def test_a_replaced_file_begins_anew(script):
    x = script({"train.py": HEAD + """
os.mkfifo("go")
file.write_text('{"step": 1, "loss": 1}\\n')
open("go").read()
new = file.with_name("new"); new.write_text('{"step": 9, "loss": 9}\\n'); new.rename(file)
"""}).start()
    wait_for("a point", lambda: (x.dir / "work/events.ndjson").exists() and points(x))
    (x.dir / "work/code/go").write_text("")
    assert x.record()["code"] == 0
    assert [p[0] for p in points(x)] == [1, 9]


def test_variables_of_trackers(script):
    env = dump_of(run(script({"train.py": DUMP})))
    base, env = env["base"], env["env"]
    assert env["TRAINYARD_METRICS"] == f"{base}/output/metrics.jsonl"
    assert env["TRAINYARD_CHECKPOINT_DIR"] == f"{base}/checkpoints"
    assert (env["WANDB_RUN_ID"], env["WANDB_RESUME"]) == ("j01example", "allow")
    assert "MLFLOW_RUN_ID" not in env  # mlflow.start_run() fails for a run that its server lacks
    own = dump_of(run(script({"train.py": DUMP}, environment={"WANDB_RUN_ID": "mine"})))["env"]
    assert own["WANDB_RUN_ID"] == "mine" and "WANDB_RESUME" not in own
