# SPDX-License-Identifier: MIT
"""`trainyardd --adopt` dies at every named point around its transaction and its calls, again and
again: nothing is taken in twice, nothing is forgotten, nobody else's thing is touched."""
import os
import random
import sqlite3
import subprocess
from pathlib import Path

import pytest
from fake_aws import ROLE, FakeAws, live_in
from trainyardd import DEADLINE_S, ROOT, Daemon, wait_for

BUILD = Path(os.environ.get("TRAINYARD_FAULTS_BUILD", ROOT / "build-faults"))
POINTS = ["txn.commit.before", "txn.commit.after", "sagemaker.call.before", "sagemaker.call.sent",
          "sagemaker.call.answered", "sagemaker.call.stored"]
CONFIG = "[aws]\npoll_ms = 20\nsettle_ms = 300\nwait_ms = 50\n[lease]\nttl_default = 1s\n"
KINDS = ["model", "endpoint_config", "endpoint"]

pytestmark = [pytest.mark.skipif(not (BUILD / "daemon/trainyardd").exists(),
                                 reason="needs a build with -Dfaults=true in build-faults/"),
              pytest.mark.timeout(300)]


def tags(kind, nonce, endpoint):
    return [{"Key": f"trainyard:{k}", "Value": v} for k, v in
            {"install": "0123456789abcdef", "nonce": nonce, "run": "r1", "job": "j1",
             "endpoint": endpoint, "resource": kind}.items()]


def make(client, name, tagged):
    """Model, config and endpoint, as a daemon that is lost has made them."""
    client.create_model(ModelName=name, ExecutionRoleArn=ROLE, Tags=tagged("model"),
                        PrimaryContainer={
                            "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-"
                                     "pytorch-inference:2.6.0-transformers4.49.0-cpu-py312-"
                                     "ubuntu22.04",
                            "ModelDataUrl": "s3://crash-models/model.tar.gz"})
    client.create_endpoint_config(
        EndpointConfigName=name, Tags=tagged("endpoint_config"), ProductionVariants=[
            {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.xlarge",
             "InitialInstanceCount": 1}])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tagged("endpoint"))


@pytest.fixture
def world(tmp_path):
    with FakeAws(tmp_path / "aws", auto=1) as fake:
        s3 = fake.client("s3")
        s3.create_bucket(Bucket="crash-models")
        s3.put_object(Bucket="crash-models", Key="model.tar.gz",
                      Body=(Path(__file__).parent / "model.tar.gz").read_bytes())
        client = fake.client("sagemaker")
        for i in range(3):
            nonce = f"abcdefgh{i:04d}"
            make(client, f"trainyard-e{i}-{nonce}",
                 lambda kind, n=nonce, e=f"e{i}": tags(kind, n, e))
        make(client, "trainyard-theirs", lambda kind: [])
        (tmp_path / "daemon").mkdir()
        daemon = Daemon(tmp_path / "daemon", CONFIG, fake.environment, BUILD)
        yield fake, daemon
        daemon.clean_up()


def command(daemon, mode, point=None):
    environment = daemon.environment | ({"TRAINYARD_FAULT": point} if point else {})
    return subprocess.run(
        [BUILD / "daemon/trainyardd", "--config", daemon.dir / "trainyard.conf", "--data-dir",
         daemon.data, f"--adopt={mode}"], env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=DEADLINE_S).returncode


def rows(daemon):
    with sqlite3.connect(daemon.data / "trainyard.db") as db:
        return db.execute("SELECT kind, name, wanted, endpoint FROM resources").fetchall()


def ours(fake):
    return {key for key in live_in(fake) if key[1] != "trainyard-theirs"}


@pytest.mark.parametrize("seed", range(4))
def test_delete(world, seed):
    fake, daemon = world
    dice, deaths = random.Random(seed), 0
    fake.rule("Delete*", "drop_after", probability=0.3, times=0)
    for _ in range(12):
        deaths += command(daemon, "delete", f"{dice.choice(POINTS)}:{dice.randint(1, 6)}") < 0
        made = rows(daemon)
        assert len(made) in (0, 9) and not any(wanted for _, _, wanted, _ in made)
        assert len(ours(fake)) == 9 or len(made) == 9  # the intent comes first
    assert deaths >= 2
    assert command(daemon, "delete") == 0
    assert not ours(fake) and len(rows(daemon)) == 9
    assert {key for key in live_in(fake)} == {(kind, "trainyard-theirs") for kind in KINDS}


@pytest.mark.parametrize("point", POINTS[:2])
def test_adopt(world, point):
    fake, daemon = world
    assert command(daemon, "adopt", point) < 0
    assert len(rows(daemon)) == (9 if point == POINTS[1] else 0)
    assert len(ours(fake)) == 9
    for _ in range(2):
        assert command(daemon, "adopt") == 0
        made = rows(daemon)
        assert len(made) == len(set(made)) == 9
        assert all(wanted and endpoint for _, _, wanted, endpoint in made)
    daemon.start()
    wait_for("the leases' end", lambda: not ours(fake))
    assert {key for key in live_in(fake)} == {(kind, "trainyard-theirs") for kind in KINDS}
    names = {e["name"] for e in daemon.get("/v1/endpoints")["items"]}
    assert names == {"e0", "e1", "e2"}
