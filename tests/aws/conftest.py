# SPDX-License-Identifier: MIT
import os
import pathlib

import chain
import pytest
from aws_probe import Probe
from aws_server import Server

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
    assert process.wait(10) == 0


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
