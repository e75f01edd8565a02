"""What every test may use. Nothing here starts anything by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real import label_studio as label_studio  # a session fixture: one real Label Studio

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def need(available: object, what: str) -> None:
    """Skip where something is missing; fail where `OPS_TEST_REQUIRE=1` says that nothing may be missing (CI)."""
    if available:
        return
    if os.environ.get("OPS_TEST_REQUIRE") == "1":
        pytest.fail(f"{what} is missing, and OPS_TEST_REQUIRE=1 allows no skips")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """A function that gives the path of a file of the real data, or skips where it is absent."""

    def find(relative: str) -> Path:
        path = SHARED_DATA / relative
        need(path.exists(), f"the data file {relative}")
        return path

    return find
