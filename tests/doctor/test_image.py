"""`ops doctor` on an image of the user's own: it is tried, as confined as every instance, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from annotator_ops.models import Outcome
from annotator_ops.runtimes.docker_engine import connect, engine_answers
from annotator_ops.runtimes.image import LOCAL_BASE, ensure_image, has_image
from annotator_ops.steps.doctor import doctor
from tests.conftest import need
from tests.real import VERSION
from tests.study.making import make

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def ours() -> str:
    answers, why = engine_answers()
    need(answers, f"a Docker Engine ({why})")
    client = connect()
    try:
        return ensure_image(client, VERSION, lambda _sentence, _done: None)
    finally:
        client.close()


def image_of(folder: Path, image: str | None) -> Outcome:
    """What doctor says of a study's image."""
    choice = {"version": VERSION} if image is None else {"image": image}
    result = doctor(make(folder, {"runtime": "docker", "label_studio": choice}))
    return next(outcome for outcome in result.outcomes if outcome.subject == "image")


def containers() -> set[str]:
    client = docker.DockerClient()
    try:
        return {container.name or "" for container in client.containers.list(all=True)}
    finally:
        client.close()


def test_our_own_image_is_only_looked_for(tmp_path: Path, ours: str) -> None:
    found = image_of(tmp_path, None)
    assert (found.state, found.message) == ("ok", f"The image {ours} is here.")
    assert not (tmp_path / ".ops").exists()


def test_another_image_is_tried(tmp_path: Path, ours: str) -> None:
    found = image_of(tmp_path, ours)
    assert found.state == "ok", found.message
    assert f"runs Label Studio {VERSION} and answers after" in found.message
    assert not {name for name in containers() if "doctor" in name}
    assert (tmp_path / ".ops").stat().st_mode & 0o077 == 0


def test_an_image_without_label_studio(tmp_path: Path, ours: str) -> None:
    client = connect()
    here = has_image(client, LOCAL_BASE)
    client.close()
    need(here, f"the image {LOCAL_BASE}")
    found = image_of(tmp_path, LOCAL_BASE)
    assert (found.state, found.code) == ("failed", "image-unfit")
    assert found.hint
    assert not {name for name in containers() if "doctor" in name}


def test_an_image_that_is_not_there(tmp_path: Path, ours: str) -> None:
    found = image_of(tmp_path, "nobody/nothing:1")
    assert (found.state, found.code) == ("warning", "image-missing")
    assert "docker pull nobody/nothing:1" in found.hint
