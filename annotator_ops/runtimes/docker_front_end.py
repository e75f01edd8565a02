"""Layer 3. The front-end files of our image, taken out of it once, so that the proxy can serve them itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import docker
from docker.errors import NotFound

from annotator_ops.errors import OpsError
from annotator_ops.runtimes.docker_engine import in_words
from annotator_ops.runtimes.front_end import FOLDERS, make_front_end, unpack
from annotator_ops.runtimes.image import PACKAGES
from annotator_ops.study import user_home


def folder_of(identity: str) -> Path:
    """Where the files of the image with this id are kept: another image under the same name is another folder."""
    return user_home() / "front-ends" / identity.removeprefix("sha256:")[:16]


def take_front_end(client: docker.DockerClient, image: str, identity: str) -> None:
    """Copy the files out of the image (two seconds, 60 MB), where that is not yet done. Nothing of the image runs.

    Raises OpsError: "disk-full" or "front-end-not-kept" for this machine's disk, and those of the engine.
    """
    place = folder_of(identity)

    def fill(folder: Path) -> None:
        container = client.containers.create(image, command=["-"], network_mode="none")
        try:
            for address, below in FOLDERS.items():
                try:
                    chunks, _ = container.get_archive(f"{PACKAGES}/{below}")
                except NotFound:
                    continue
                with tempfile.TemporaryFile(dir=folder) as archive:
                    for chunk in chunks:
                        archive.write(chunk)
                    archive.seek(0)
                    unpack(archive, address, folder)
        finally:
            container.remove(force=True)

    try:
        with in_words(f"The front end's files could not be read from the image {image}"):
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_front_end(place, fill)
    except OSError as error:
        full = error.errno == 28
        raise OpsError(
            f"The front end's files could not be kept in {place}: {error.strerror}.",
            hint="Make room on that disk." if full else "Set ANNOTATOR_OPS_HOME to a folder that you may write to.",
            code="disk-full" if full else "front-end-not-kept",
        ) from error
