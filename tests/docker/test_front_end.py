"""The front-end files of our image: taken out once, the same that Label Studio in it has, and the proxy's to serve."""

from __future__ import annotations

import hashlib
from pathlib import Path

import docker
import pytest

from annotator_ops.models import LabelStudioChoice
from annotator_ops.runtimes.docker import DockerRuntime
from annotator_ops.runtimes.docker_engine import connect
from annotator_ops.runtimes.docker_front_end import folder_of, take_front_end
from annotator_ops.runtimes.front_end import FOLDERS
from annotator_ops.runtimes.image import PACKAGES, image_tag
from tests.docker.conftest import CHOICE
from tests.real import VERSION

pytestmark = [pytest.mark.docker, pytest.mark.labelstudio]


def no_engine() -> docker.DockerClient:
    return connect("unix:///nonexistent/docker.sock")


def test_the_files_are_those_of_the_image(
    client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path / "home"))
    tag = image_tag(VERSION)
    identity = str(client.images.get(tag).id)
    runtime = DockerRuntime("s", tmp_path / "instances")
    try:
        assert runtime.static_files(CHOICE) is None, "nothing is taken before it is prepared"
        take_front_end(client, tag, identity)
        folder = runtime.static_files(CHOICE)
    finally:
        runtime.close()
    assert folder == folder_of(identity)
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.name for path in folder.iterdir()} == set(FOLDERS)
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    told = client.containers.run(
        tag,
        entrypoint=["sh", "-c"],
        command=["sha256sum $(find . -type f ! -name '*.map' ! -name '.*')"],
        working_dir=f"{PACKAGES}/{FOLDERS['react-app']}",
        network_mode="none",
        remove=True,
    )
    theirs = {name.removeprefix("./"): digest for digest, name in (line.split() for line in told.decode().splitlines())}
    app = folder / "react-app"
    ours = {
        path.relative_to(app).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in app.rglob("*")
        if path.is_file() and path.suffix != ".gz"
    }
    assert ours == theirs
    assert len(ours) > 300
    made = folder.stat().st_mtime_ns
    take_front_end(client, tag, identity)
    assert folder.stat().st_mtime_ns == made


def test_another_image_and_a_silent_engine_leave_all_to_the_instance(tmp_path: Path) -> None:
    silent = DockerRuntime("s", tmp_path / "instances", client_factory=no_engine)
    assert silent.static_files(CHOICE) is None
    assert silent.static_files(LabelStudioChoice(VERSION, image="somebody/label-studio:1")) is None
