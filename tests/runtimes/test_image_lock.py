"""One build of the image at a time, by a lock that nobody else on the machine can make first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import ImageNotFound

from annotator_ops.locking import try_lock
from annotator_ops.runtimes import image
from tests.real import VERSION


class NoImages:
    """An engine without a single image."""

    def get(self, name: str) -> None:
        raise ImageNotFound(name)


def test_the_lock_lies_in_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, shared = tmp_path / "home", tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    built = []

    def build(*_given: Any, **_named: Any) -> None:
        assert [path.name for path in home.iterdir()] == ["image.lock"]
        assert try_lock(home / "image.lock") is None, "somebody else could build at the same time"
        built.append(True)

    monkeypatch.setattr(image, "_build", build)
    client: Any = SimpleNamespace(images=NoImages())
    assert image.ensure_image(client, VERSION, lambda _sentence, _done: None) == image.image_tag(VERSION)
    assert built == [True]
    assert list(shared.iterdir()) == []
