"""Layer 3. The short container that gives the files of an instance's directory to another user."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from annotator_ops.errors import OpsError
from annotator_ops.models import JSONDict
from annotator_ops.runtimes.docker_container import bound
from annotator_ops.runtimes.docker_engine import in_words
from annotator_ops.runtimes.image import LOCAL_BASE, REGISTRY_BASE, REPOSITORY
from annotator_ops.runtimes.owner import Owner

_INSIDE = "/claimed"
_DEADLINE = 600

# Runs as root with no capability but CHOWN, so it cannot even look into others' private folders: it takes each folder
# first, opens it up as its owner, and gives it away on the way back. Links are changed, never followed.
_CLAIM = f"""
import os, stat, sys
uid, gid = map(int, sys.argv[1:3])
def give(path):
    if stat.S_ISDIR(os.lstat(path).st_mode):
        os.chown(path, 0, 0)
        os.chmod(path, 0o700)
        for entry in os.listdir(path):
            give(os.path.join(path, entry))
    os.chown(path, uid, gid, follow_symlinks=False)
give({_INSIDE!r})
"""


def claim_for(client: docker.DockerClient, directory: Path, owner: Owner, *, seccomp: str) -> None:
    """Give `directory` and all below it to `owner`. Folders become 0700.

    Raises OpsError (code "claim-failed", "image-missing" or the engine's).
    """
    failed = f"The files in {directory} could not be given to user {owner.uid}"
    with in_words(failed):
        container = client.containers.create(**_options(_image_with_python(client), directory, owner, seccomp=seccomp))
        try:
            container.start()
            code = int(container.wait(timeout=_DEADLINE)["StatusCode"])
            said = container.logs(tail=1).decode(errors="replace").strip()
        finally:
            container.remove(force=True)
    if code != 0:
        raise OpsError(
            f"{failed}: {said or f'exit code {code}'}.",
            hint=f"`sudo chown -R {owner} {directory}` does the same.",
            code="claim-failed",
        )


def _options(image: str, directory: Path, owner: Owner, *, seccomp: str) -> JSONDict:
    return {
        "image": image,
        "entrypoint": ["python3"],
        "command": ["-I", "-S", "-c", _CLAIM, str(owner.uid), str(owner.gid)],
        "user": "0:0",
        "read_only": True,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN"],
        "security_opt": ["no-new-privileges:true", f"seccomp={seccomp}"],
        "mounts": [bound(directory, _INSIDE, read_only=False)],
        "working_dir": "/",
    }


def _image_with_python(client: docker.DockerClient) -> str:
    """An image on this machine that has python3 on its PATH: ours of any version, or a base of it."""
    for image in client.images.list(name=REPOSITORY):
        if image.tags:
            return str(image.tags[0])
    for name in (LOCAL_BASE, REGISTRY_BASE):
        with suppress(ImageNotFound):
            client.images.get(name)
            return name
    raise OpsError(
        "There is no image here whose Python could give files to another user.",
        hint="Run `ops provision` once, which builds one, or use `sudo chown -R`.",
        code="image-missing",
    )
