# SPDX-License-Identifier: MIT
"""--worker: training jobs that really train. Channels and source come out of the fake S3 into a
folder; our own script (worker/sagemaker_script) is run as `trainyard-worker train`, any other as
`trainyard-worker script`; what it prints is the log, what it leaves goes to S3."""
import json
import os
import pathlib
import shutil
import signal
import sys
import tarfile
import threading
import time
import traceback

import artifacts
import checks
from process import Worker, fetch, reap

POLL_S = 0.05
EVENT = "trainyard-event "  # worker/sagemaker_script/train.py
OWN_SCRIPT = pathlib.Path(__file__).resolve().parents[3] / "worker/sagemaker_script/train.py"


class Run:
    """One try of one job; a spot interruption makes a new one."""

    def __init__(self, app, build, job, directory, before):
        self.app, self.build, self.job, self.before = app, build, job, before
        self.dir = pathlib.Path(directory)
        self.worker = None
        self.problem = None
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            if self.before:
                self.before.thread.join()
            self.prepare()
            if not self.stopping:
                self.follow()
        except Exception as e:
            traceback.print_exc()
            self.problem = f"InternalServerError: {type(e).__name__}: {e}"

    def prepare(self):
        r = self.job["request"]
        shutil.rmtree(self.dir, ignore_errors=True)
        channels = {}
        for channel in r.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            to = self.dir / "input" / channel["ChannelName"]
            fetch(self.app, source["S3Uri"], to, source["S3DataType"] == "S3Prefix")
            channels[channel["ChannelName"]] = str(to)
        program = artifacts.hyperparameter(r, "sagemaker_program")
        source = self.unpack(artifacts.hyperparameter(r, "sagemaker_submit_directory"))
        if not program or not source:
            self.problem = "AlgorithmError: this fake runs scripts: sagemaker_program and " \
                           "sagemaker_submit_directory are missing"
            self.stopping = True
            return
        values = {k: artifacts.hyperparameter(r, k) for k in r.get("HyperParameters", {})
                  if not k.startswith("sagemaker_")}
        own = OWN_SCRIPT.exists() and (source / program).exists() and \
            (source / program).read_bytes() == OWN_SCRIPT.read_bytes()
        self.own = own
        kind, spec = (self.native if own else self.script)(channels, values, program, source)
        self.worker = Worker(self.build, self.dir / "x", kind, self.job["name"], spec,
                             self.checkpoint())

    def unpack(self, uri):
        if not uri:
            return None
        archive, to = self.dir / "sourcedir", self.dir / "source"
        fetch(self.app, uri, archive, False)
        to.mkdir(parents=True)
        with tarfile.open(next(archive.iterdir())) as tar:
            tar.extractall(to, filter="data")
        return to

    def native(self, channels, values, program, source):
        model = pathlib.Path(channels.pop("model", ""))
        packed = list(model.glob("*.tar.gz")) if model.name else []
        if packed and not (model / "config.json").exists():
            with tarfile.open(packed[0]) as tar:
                tar.extractall(model, filter="data")
        return "train", {"model": str(model), "channels": channels, "hyperparameters": values}

    def script(self, channels, values, program, source):
        return "script", {"entry_point": program, "source_dir": str(source), "channels": channels,
                          "hyperparameters": values,
                          "environment": self.job["request"].get("Environment", {}),
                          "local": {"python": sys.executable, "requirements": "refuse"}}

    def checkpoint(self):
        """The newest checkpoint of the try before, out of the job's checkpoint folder in S3."""
        config = self.job["request"].get("CheckpointConfig")
        if not config:
            return None
        to = self.dir / "checkpoints"
        fetch(self.app, config["S3Uri"].rstrip("/") + "/", to, True)
        found = [p for p in to.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()]
        return str(max(found, key=lambda p: int(p.name.rpartition("-")[2]))) if found else None

    def save_checkpoints(self):
        config = self.job["request"].get("CheckpointConfig")
        root = self.dir / "x/work/checkpoints"
        if not config or not root.is_dir():
            return
        bucket, prefix = checks.bucket_key(config["S3Uri"].rstrip("/") + "/")
        for path in root.rglob("*"):
            if path.is_file():
                self.app.s3.put_bytes(bucket, prefix + str(path.relative_to(root)),
                                      path.read_bytes())

    def follow(self):
        """The log, line by line, until the worker is gone. Our own script prints its events there,
        which the native worker keeps in a file."""
        events = 0
        with open(self.worker.dir / "log", encoding="utf-8", errors="replace") as log:
            rest, over = "", False
            while not over:
                over = not self.worker.running()
                text = rest + log.read()
                lines = text.split("\n")
                rest = lines.pop()
                if over and rest:
                    lines.append(rest)
                if self.own:
                    said = self.worker.lines_of_events()[events:]
                    events += len(said)
                    lines += [EVENT + line for line in said]
                if lines:
                    with self.app.state.lock:
                        artifacts.say(self.app, self.job, lines, None)
                if not over:
                    time.sleep(POLL_S)
        self.save_checkpoints()
        if self.worker.process.returncode and not self.stopping:
            text = self.worker.failure()
            self.problem = f"AlgorithmError: {text}, exit code: {self.worker.process.returncode}"

    def stop(self, number=signal.SIGTERM):
        self.stopping = True
        if self.worker:
            self.worker.stop() if number == signal.SIGTERM else self.worker.kill()


class Work:
    def __init__(self, app, build):
        self.app = app
        self.build = pathlib.Path(build).resolve()
        self.runs = {}
        self.interrupted = {}
        reap(os.path.join(app.state.dir, "work"))

    def key(self, job):
        return f"{job['region']}/{job['name']}"

    def start(self, job):
        number = f"{job['region']}-{job['name']}-{job['interrupted']}"
        directory = os.path.join(self.app.state.dir, "work", number)
        self.runs[self.key(job)] = Run(self.app, self.build, job, directory,
                                       self.interrupted.pop(self.key(job), None))

    def busy(self, job):
        """True if it is still at work. A job that was so when the fake was ended begins again."""
        if not job.get("started"):
            return False
        if self.key(job) not in self.runs:
            if job["status"] != "InProgress":
                return False
            self.start(job)
        return self.runs[self.key(job)].thread.is_alive()

    def outcome(self, job):
        run = self.runs.get(self.key(job))
        return run.problem if run else None

    def stop(self, job):
        run = self.runs.get(self.key(job))
        if run:
            run.stop()

    def interrupt(self, job):
        """The machine goes away; the next try waits until this one has ended."""
        run = self.runs.pop(self.key(job), None)
        if run:
            run.stop()
            self.interrupted[self.key(job)] = run

    def stop_all(self):
        for run in self.runs.values():
            run.stop(signal.SIGKILL)
        self.runs.clear()

    def upload(self, job):
        """model.tar.gz and output.tar.gz, as the service makes them; the reason if it cannot."""
        run = self.runs.get(self.key(job))
        work = run.dir / "x/work" if run else None
        if not work or not work.is_dir():
            return None
        output = work / "output/data" if (work / "output/data").is_dir() else work / "output"
        for folder, name in ((work / "model", "model.tar.gz"), (output, "output.tar.gz")):
            if not folder.is_dir():
                continue
            archive = run.dir / name
            with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
                for path in sorted(folder.iterdir()):
                    tar.add(path, path.name)
            problem = artifacts.store(self.app, job, name, archive.read_bytes())
            if problem:
                return problem
            if name == "model.tar.gz":
                job["uploaded"] = artifacts.output_uri(job, name)
        self.runs.pop(self.key(job))
        shutil.rmtree(run.dir, ignore_errors=True)
        return None
