# SPDX-License-Identifier: MIT
"""Fixtures that several files of the parity suite use."""
import pytest

from script_run import executions


@pytest.fixture
def script(tmp_path):
    """script({"train.py": text}, **spec): an execution of a script by the real shim and worker."""
    with executions(tmp_path) as new:
        yield new
