"""The sandbox, imported as the launcher imports it, and the two ways in which instances are started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import need
from tests.sandbox.playground import SYSTEM_PYTHON, Playground, playground


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Playground]:
    """Everything belongs to one ordinary user, as where `ops` is run by one."""
    if os.geteuid() == 0:
        test = "import sys; sys.exit(sys.version_info < (3, 11))"
        done = subprocess.run([SYSTEM_PYTHON, "-I", "-c", test], check=False, capture_output=True)
        need(done.returncode == 0, "a Python 3.11 that ordinary users can reach")
    with playground(below_closed_folder=False) as ground:
        yield ground


@pytest.fixture(scope="module")
def own_user() -> Iterator[Playground]:
    """Root starts it, each annotator has a user, and everything lies below a folder that only root may enter."""
    need(os.geteuid() == 0, "root")
    with playground(below_closed_folder=True) as ground:
        yield ground


@pytest.fixture(scope="module", params=["ordinary", "own_user"])
def ground(request: pytest.FixtureRequest) -> Playground:
    chosen: Playground = request.getfixturevalue(request.param)
    return chosen
