"""An echo where Label Studio would be, and proxies that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotator_ops.proxies.caddy import CaddyProxy
from tests.proxies.wire import echo_upstream

MakeProxy = Callable[..., CaddyProxy]


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with echo_upstream() as port:
        yield port


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeProxy]:
    """Proxies of this test, ended with it."""
    made: list[CaddyProxy] = []

    def one(name: str = "study") -> CaddyProxy:
        made.append(CaddyProxy("s", tmp_path / name))
        return made[-1]

    yield one
    for proxy in made:
        proxy.stop()
