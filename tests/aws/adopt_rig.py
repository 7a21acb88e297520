# SPDX-License-Identifier: MIT
"""A daemon that loses its database, `trainyardd --adopt`, and the account after both."""
import json
import shutil
import sqlite3
import subprocess

from sagemaker_rig import CONFIG
from trainyardd import wait_for

SHORT_LEASE = CONFIG + "[lease]\nttl_default = {}\n"
DEPLOY_PARTS = {"endpoint", "endpoint_config", "model"}


class Adopt:
    """The command on the data directory of a daemon that is not running."""

    def __init__(self, daemon, *args, **options):
        self.process = subprocess.Popen(
            [daemon.build / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf",
             "--data-dir", daemon.data, *args], env=daemon.environment,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "stdin": subprocess.DEVNULL, "text": True, **options})

    def wait(self):
        self.out, self.err = self.process.communicate(timeout=120)
        self.status = self.process.returncode
        return self

    def counts(self):
        self.wait()
        assert self.status == 0, self.out + self.err
        return json.loads(self.out.splitlines()[-1])


def adopt(daemon, mode, *args):
    return Adopt(daemon, f"--adopt={mode}", *args)


def rows(daemon, table="resources"):
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]


def live_rows(daemon):
    return sorted((r["kind"], r["name"]) for r in rows(daemon)
                  if r["state"] not in ("ended", "refused"))


def lose(daemon):
    """The daemon dies, and its database is gone."""
    daemon.kill()
    daemon.clean_up()
    shutil.rmtree(daemon.data)


def lose_with_all_at_work(cloud):
    """An endpoint in service and a training job at work, then no database."""
    cloud.fake.scenario(kind="training", hold="Training")
    cloud.start(base=SHORT_LEASE.format("1h"))
    trains = cloud.run(cloud.train())
    deploys = cloud.run(cloud.deploy(cloud.put_model()))
    assert cloud.ended(deploys, "deploy")["state"] == "succeeded"
    wait_for("the training job", lambda: cloud.fake.resources("training_job"))
    cloud.daemon.wait_job(trains, "train", "running")
    cloud.training = cloud.fake.resources("training_job")[0]["name"]
    cloud.run_of_deploy = deploys
    lose(cloud.daemon)
    assert len(cloud.live()) == 4


def foreign(cloud):
    """A model, a config and an endpoint that are named as ours are, and are somebody else's: one
    without tags, one with tags that were copied from ours."""
    client = cloud.fake.client("sagemaker")
    made = []
    for name, tags in (("trainyard-imdb-aaaaaaaaaaaa", []),
                       ("trainyard-clone", [{"Key": k, "Value": v} for k, v in
                                            next(iter(cloud.live().values())).items()])):
        image = client.describe_model(ModelName=client.list_models()["Models"][0]["ModelName"])
        client.create_model(ModelName=name, PrimaryContainer=image["PrimaryContainer"],
                            ExecutionRoleArn=image["ExecutionRoleArn"], Tags=tags)
        client.create_endpoint_config(EndpointConfigName=name, Tags=tags, ProductionVariants=[
            {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.xlarge",
             "InitialInstanceCount": 1}])
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
        made += [(kind, name) for kind in sorted(DEPLOY_PARTS)]
    return set(made)


def mutations(fake):
    """Calls that change something."""
    return [(c["operation"], c.get("name")) for c in fake.calls()
            if c["operation"].startswith(("Create", "Delete", "Stop", "Update", "Add"))]
