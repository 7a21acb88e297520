# SPDX-License-Identifier: MIT
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def build():
    """The build folder whose programs are tested; TRAINYARD_BUILD names another than build/."""
    return pathlib.Path(os.environ.get("TRAINYARD_BUILD", ROOT / "build"))
