# SPDX-License-Identifier: MIT
import os
import pathlib

import pytest

import chain

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
