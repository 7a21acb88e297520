# SPDX-License-Identifier: MIT
"""The real daemon with the SageMaker target and the fake of AWS, for test_sagemaker_*.py."""
import datetime
import io
import json
import tarfile

import boto3
import requests
from botocore.config import Config
from fake_aws import REGION, live_in
from trainyardd import BUILD, Daemon, wait_for

BUCKET = "our-models"
SAMPLES = [{"text": "I love it", "label": "positive", "score": 0.9}]
CONFIG = """
transfer_slots = 4
[aws]
role = SageMakerMain
poll_ms = 20
log_drain_ms = 40
settle_ms = 300
wait_ms = 100
"""


def archive(files):
    """A tar.gz of {name: text or bytes}."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            data = text if isinstance(text, bytes) else text.encode()
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return raw.getvalue()


class Cloud:
    """One fake account, and a daemon that works in it."""

    def __init__(self, directory, fake):
        self.dir, self.fake, self.daemon = directory, fake, None
        (directory / "source").mkdir()
        (directory / "source/train.py").write_text("print('hello')\n", encoding="utf-8")

    def start(self, config="", environment=None, base=CONFIG):
        """A daemon; `config` goes on in the section [aws] and wins over CONFIG."""
        names = [line.split("=")[0] for line in config.splitlines() if "=" in line]
        base = "".join(line + "\n" for line in base.splitlines() if line.split("=")[0] not in names)
        where = self.dir / "daemon"
        where.mkdir(exist_ok=True)
        self.daemon = Daemon(where, base + config,
                             {**self.fake.environment, **(environment or {})}, BUILD)
        self.daemon.start()
        return self.daemon

    def put_model(self, key="model.tar.gz", **files):
        s3 = self.fake.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=key, Body=archive({"config.json": "{}", **files}))
        return f"s3://{BUCKET}/{key}"

    def train(self, name="train", **more):
        """A script job; `sagemaker` is merged."""
        sagemaker = {"instance_type": "ml.g5.xlarge", **more.pop("sagemaker", {})}
        return {"name": name, "kind": "script", "target": "sagemaker", "entry_point": "train.py",
                "source_dir": str(self.dir / "source"), "max_runtime": "10m",
                "sagemaker": sagemaker, **more}

    def deploy(self, model, endpoint="imdb", name="deploy", **more):
        sagemaker = {"instance_type": "ml.m5.xlarge", **more.pop("sagemaker", {})}
        return {"name": name, "kind": "deploy", "target": "sagemaker", "model": model,
                "endpoint": endpoint, "lease": {"ttl": "10m"}, "sagemaker": sagemaker, **more}

    def update(self, model=f"s3://{BUCKET}/model.tar.gz", **more):
        """The id of a run that gives the endpoint another model."""
        return self.run(self.deploy(model, on_existing="update", **more))

    def held_update(self, times=1, **more):
        """As update(); the endpoint stays Updating until scenarios are lifted."""
        self.fake.scenario(kind="endpoint", hold="Updating")
        run = self.update(**more)
        self.is_called("UpdateEndpoint", 200, times)
        return run

    def endpoint(self, name="imdb"):
        return self.daemon.get(f"/v1/endpoints/{name}")

    def in_service(self, *jobs, **more):
        """A run whose endpoint imdb is in service."""
        run = self.run(self.deploy(self.put_model(), **more), *jobs)
        job = self.ended(run, "deploy")
        assert job["state"] == "succeeded", words(job)
        return run

    def is_called(self, operation, status=None, times=1):
        """Until the fake has got the call so often (with that status)."""
        wait_for(f"{times} {operation}", lambda: len(
            [c for c in self.fake.calls(operation) if status in (None, c["status"])]) >= times)

    def rule_strikes(self):
        """Until the first rule has struck."""
        wait_for("the trouble", lambda: self.fake.admin("GET", "rules")["items"][0]["hits"])

    def ask(self, body, name="imdb", **headers):
        return requests.post(f"{self.daemon.url}/v1/endpoints/{name}/invocations", data=body,
                             headers={k.replace("_", "-"): v for k, v in headers.items()},
                             timeout=60)

    def delete(self, name="imdb"):
        """Delete it; everything is gone then."""
        assert self.daemon.ask("DELETE", f"/v1/endpoints/{name}").status_code == 202
        wait_for("its end", lambda: self.endpoint(name)["state"] == "deleted")
        self.nothing_is_left()

    def another_lease_ends(self):
        """The daemon has looked at all leases that were over before now: one of an endpoint that
        nobody needs, and that came after them, has ended."""
        self.run(self.deploy(f"s3://{BUCKET}/model.tar.gz", endpoint="other", lease={"ttl": "1s"}))
        wait_for("another lease to end", lambda: any(
            item["name"] == "other" and (item["reason"] or {}).get("code") == "lease_expired"
            for item in self.daemon.get("/v1/endpoints")["items"]))

    def run(self, *jobs):
        return self.daemon.submit(list(jobs))["id"]

    def ended(self, run, name="train"):
        """The job when it has ended, in whatever state."""
        return self.daemon.wait_job(run, name, {"succeeded", "failed", "cancelled", "skipped"})

    def ended_over_kills(self, run):
        """The job when it has ended; meanwhile the daemon is killed four times."""
        for _ in range(4):
            wait_for("some time to pass", lambda before=len(self.fake.calls("GetLogEvents")): len(
                self.fake.calls("GetLogEvents")) > before or
                self.daemon.job(run, "train")["state"] == "succeeded")
            self.daemon.kill()
            self.daemon.start()
        return self.ended(run)

    def waits(self, run, code, name="train"):
        """The job's id when it is queued for this reason."""
        job = self.daemon.job(run, name)["id"]
        wait_for(f"{name} to wait for {code}", lambda: self.daemon.get(
            f"/v1/jobs/{job}/explain")["reason"]["code"] == code)
        return job

    def live(self):
        return live_in(self.fake)

    def nothing_is_left(self):
        wait_for("an empty account", lambda: not self.live())
        assert not self.fake.admin("GET", "resources")["violations"]

    def describe(self, job):
        """DescribeTrainingJob of what a job of ours has made."""
        client = self.fake.client("sagemaker")
        return client.describe_training_job(TrainingJobName=job["sagemaker"]["training_job"])

    def training(self, run, secondary, name="train"):
        """The job when its training job is in this secondary status."""
        return wait_for(f"{name} to be {secondary}", lambda: (
            lambda job: job.get("sagemaker", {}).get("secondary_status") == secondary and job)(
                self.daemon.job(run, name)))

    def lift(self, what="scenarios"):
        """Scenarios or rules no longer hold."""
        self.fake.admin("DELETE", what)

    def sent(self):
        """Names of the objects that S3 was sent and took, in order."""
        return [c["name"] for c in self.fake.calls() if c["status"] == 200
                and c["operation"] in ("PutObject", "CompleteMultipartUpload")]

    def explain(self, job):
        return self.daemon.get(f"/v1/jobs/{job['id']}/explain")["reason"]

    def close(self):
        if self.daemon:
            self.daemon.clean_up()


def runtime(cloud):
    """boto3's client of SageMaker's runtime, at the daemon."""
    return boto3.client("sagemaker-runtime", region_name=REGION, endpoint_url=cloud.daemon.url,
                        aws_access_key_id="any", aws_secret_access_key="any",
                        config=Config(retries={"max_attempts": 0}))


def seconds(text):
    """A time of the API."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def words(job):
    return json.dumps(job["reason"])
