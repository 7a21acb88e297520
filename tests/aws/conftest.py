# SPDX-License-Identifier: MIT
"""The fixtures that several files of the AWS suite use. Their helpers are in modules."""
import os
import pathlib

import chain
import pytest
from account_rig import Account
from adopt_rig import lose_with_all_at_work
from aws_probe import Probe
from aws_server import Server
from sagemaker_rig import Cloud
from fake_aws import FakeAws
from fake_jobs import BUCKET, checked_client
from moto_rig import moto_server
from transfers import Transfers
from wait import DEADLINE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def build():
    """The build folder whose programs are tested; TRAINYARD_BUILD names another than build/."""
    return pathlib.Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build"))


@pytest.fixture(scope="session")
def oracle():
    process = chain.start_oracle()
    yield process
    process.stdin.close()
    assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def aws(build, tmp_path, oracle):
    """The credential chain: ours, botocore's, and the services both ask."""
    home = tmp_path / "home"
    with chain.serving() as fake:
        made = chain.Chain(build, home, oracle)
        made.fake = fake
        made.write()
        yield made


@pytest.fixture
def serve():
    """serve(answers): a scripted server; gone after the test."""
    servers = []

    def start(answers):
        servers.append(Server(answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client(build):
    """client(url, **env): the client's program; it must end well after the test."""
    probes = []

    def start(url, **more):
        probes.append(Probe(build, url, **more))
        return probes[-1]

    yield start
    for probe in probes:
        probe.close()


# ---- the fake of AWS ----

@pytest.fixture(scope="session")
def shared_fake(tmp_path_factory):
    """The fake of AWS that all tests share; `fake` empties it for each."""
    with FakeAws(tmp_path_factory.mktemp("fake") / "state") as server:
        yield server


@pytest.fixture
def fake(shared_fake):
    """The fake of AWS with one bucket and one object; what earlier tests made is gone."""
    shared_fake.reset()
    s3 = shared_fake.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="data/train.csv", Body=b"a,b\n")
    return shared_fake


@pytest.fixture
def sm(fake):
    """boto3's client of SageMaker at `fake`; each answer must have what the model has."""
    return checked_client(fake)


@pytest.fixture
def moves(build, fake, tmp_path):
    """Executions of trainyard-transfer at `fake`, which has the empty bucket "data" alone."""
    fake.reset()
    fake.client("s3").create_bucket(Bucket="data")
    return Transfers(build, tmp_path, fake.environment)


# ---- the daemon ----

@pytest.fixture
def started(tmp_path_factory):
    """started(environment, config=""): a daemon that is asked about the account."""
    daemons = []

    def start(environment, config=""):
        daemons.append(Account(tmp_path_factory.mktemp("daemon"), config, environment))
        return daemons[-1].start()

    yield start
    for daemon in daemons:
        if daemon.process:
            daemon.stop()


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    """The fake of AWS whose jobs go on by themselves; `cloud` empties it for each test."""
    with FakeAws(tmp_path_factory.mktemp("aws") / "state", auto=1) as server:
        yield server


@pytest.fixture
def cloud(tmp_path, account):
    """The empty `account` and a daemon that cloud.start() starts in it."""
    account.reset()
    world = Cloud(tmp_path, account)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def lost(cloud):
    """`cloud` with an endpoint in service, a training job at work, and no database."""
    lose_with_all_at_work(cloud)
    return cloud


@pytest.fixture(scope="module")
def moto():
    """(url, keys): moto's server, which believes signatures only, and a user with all rights."""
    with moto_server() as server:
        yield server
