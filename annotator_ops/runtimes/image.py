"""Layer 3. Our own Label Studio image: its name, its build from deploy/, and the base that it stands on."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import ssl
import tarfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.resources import resource
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.commands import Command, run
from annotator_ops.runtimes.docker_container import Program
from annotator_ops.runtimes.docker_engine import in_words
from annotator_ops.runtimes.installation import lock_file
from annotator_ops.study import user_home

REPOSITORY = "annotator-ops/label-studio"
REGISTRY_BASE = "python:3.11-slim"
LOCAL_BASE = "annotator-ops/base:bookworm"
HOME = "/opt/annotator-ops"
PACKAGES = "/opt/label-studio/lib/python3.11/site-packages"  # the Dockerfile's base has Python 3.11
VERSION_LABEL = "annotator-ops.version"
STAGE_LABEL = "annotator-ops.stage"
_INPUTS = ("Dockerfile", "installer.lock", "launch.py", "health.py")
_LAUNCHER = "launcher"  # the folder of what launch.py is made of
_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
_BASE_DEADLINE = 1800.0
_BUILD_SECONDS = 3600.0
_NO_NETWORK = ("name resolution", "certificate", "connection", "timed out", "unreachable", "dns error", "error sending")


def image_tag(version: str) -> str:
    """The name of our image of a Label Studio version: another lock file, Dockerfile or launcher is another image.

    Raises OpsError (code "label-studio-version-unknown") when that version has no lock file.
    """
    digest = hashlib.sha256()
    for content in (lock_file(version).read_bytes(), *_inputs().values()):
        digest.update(len(content).to_bytes(8) + content)
    return f"{REPOSITORY}:{version}-{digest.hexdigest()[:12]}"


def our_program(tag: str) -> Program:
    """Label Studio in an image that `ensure_image` built; its `migrations` are filled in from the image's seed."""
    return Program(tag, "/opt/label-studio/bin/python", f"{HOME}/launch.py", f"{HOME}/health.py")


def ensure_image(
    client: docker.DockerClient,
    version: str,
    progress: Progress,
    *,
    ca_bundle: Path | None = None,
) -> str:
    """Build our image where it is missing (two minutes, 1 GB of disk) and return its name.

    `ca_bundle` is what downloads inside the build trust besides the usual, default: the bundle that this Python uses;
    it does not get into the image.
    Raises OpsError with code "image-build-failed", "base-image-missing", "disk-full" or "engine-unreachable".
    """
    tag = image_tag(version)
    if has_image(client, tag):
        return tag
    # One build at a time: whoever is ready first would remove the stages that the other still needs.
    # In the user's own folder: in the shared one for temporary files somebody else could make it first.
    lock = user_home() / "image.lock"
    with locked(lock, what="another build of the Label Studio image", deadline=_BUILD_SECONDS):
        if not has_image(client, tag):
            _build(client, version, progress, ca_bundle=ca_bundle)
    return tag


def _build(client: docker.DockerClient, version: str, progress: Progress, *, ca_bundle: Path | None) -> None:
    base = _base(client, progress)
    progress(f"Building the image of Label Studio {version}, once", 0.0)
    with in_words("The Label Studio image could not be built"):
        stream = client.api.build(
            fileobj=_context(version, ca_bundle),
            custom_context=True,
            tag=image_tag(version),
            buildargs={"BASE": base},
            labels={VERSION_LABEL: version},
            decode=True,
            rm=True,
            forcerm=True,
            use_config_proxy=True,
        )
        _follow(stream, progress)
        client.images.prune(filters={"dangling": True, "label": STAGE_LABEL})
    progress(f"The image of Label Studio {version} is ready", 1.0)


def has_image(client: docker.DockerClient, name: str) -> bool:
    with in_words(f"The engine could not be asked for the image {name}"):
        try:
            client.images.get(name)
        except ImageNotFound:
            return False
    return True


def read_files(client: docker.DockerClient, image: str, folder: str) -> dict[str, bytes]:
    """The plain files directly in a folder of an image, by name. Nothing of the image runs."""
    container = client.containers.create(image, command=["-"], network_mode="none")
    try:
        chunks, _ = container.get_archive(folder)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            return {
                Path(member.name).name: extracted.read()
                for member in archive
                if member.isfile() and (extracted := archive.extractfile(member)) is not None
            }
    finally:
        container.remove(force=True)


def _context(version: str, ca_bundle: Path | None) -> io.BytesIO:
    """The build context: the deploy inputs and the CA bundle, and nothing else of this machine."""
    trusted = ca_bundle if ca_bundle is not None else _default_bundle()
    files = _inputs()
    files["label-studio.lock"] = lock_file(version).read_bytes()
    files["ca.pem"] = trusted.read_bytes() if trusted is not None else b""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)  # owner root and date 0, so that the same inputs are found in the cache
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _inputs() -> dict[str, bytes]:
    """What the image is made of besides Label Studio: by their names below deploy/."""
    parts = sorted(path.name for path in resource("deploy", _LAUNCHER).glob("*.py"))
    names = [(name,) for name in _INPUTS] + [(_LAUNCHER, part) for part in parts]
    return {"/".join(name): resource("deploy", *name).read_bytes() for name in names}


def _default_bundle() -> Path | None:
    cafile = ssl.get_default_verify_paths().cafile
    return Path(cafile) if cafile is not None else None


def _follow(stream: Iterable[dict[str, Any]], progress: Progress) -> None:
    """Turn the build's stream into progress; raise what it ends with when that is an error."""
    tail: deque[str] = deque(maxlen=15)
    done = 0.0
    for event in stream:
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(event.get("stream", ""))).strip()
        tail += [line for line in text.splitlines() if line]
        if found := _STEP.match(text):
            step, steps, instruction = int(found[1]), int(found[2]), found[3]
            done = (step - 1) / steps
            progress(f"Building the image, step {step} of {steps}{_meaning(instruction)}", done)
        if "error" in event:
            raise _build_failed(str(event["error"]), tail)


def _meaning(instruction: str) -> str:
    """What the few lines of the Dockerfile that take long are for."""
    for sign, words in (
        ("-m venv installer", "fetching the installer"),
        ("pip install --python", "installing Label Studio"),
        ("--migrate", "making the empty database"),
        ("COPY --from", "putting the image together"),
    ):
        if sign in instruction:
            return f": {words}"
    return ""


def _build_failed(error: str, tail: Iterable[str]) -> OpsError:
    lines = "\n".join(f"  {line}" for line in tail)
    low = f"{lines} {error}".lower()
    if "no space left" in low:
        return OpsError(
            "The Label Studio image could not be built: the disk is full.",
            hint="Free 4 GB; `docker system df` shows what Docker uses.",
            code="disk-full",
        )
    hint = "Look at the lines above and run the command again: steps that worked are not repeated."
    if any(sign in low for sign in _NO_NETWORK):
        hint = "The build downloads Label Studio from PyPI: check the network, and the CA bundle behind a proxy."
    return OpsError(
        f"The Label Studio image could not be built: {error}\n{lines}", hint=hint, code="image-build-failed"
    )


# --- the base --------------------------------------------------------------------------------------------------------


def _base(client: docker.DockerClient, progress: Progress) -> str:
    """A base image: one that is here, else the registry's, else one made on this machine."""
    for name in (REGISTRY_BASE, LOCAL_BASE):
        if has_image(client, name):
            return name
    failures = []
    for name, obtain in ((REGISTRY_BASE, _pull_base), (LOCAL_BASE, _make_base)):
        try:
            obtain(client, progress)
        except OpsError as error:
            if error.code in ("disk-full", "engine-unreachable"):
                raise
            failures.append(error.message)
        else:
            return name
    raise OpsError(
        "There is no base image for Label Studio:\n" + "\n".join(f"  - {failure}" for failure in failures),
        hint=(
            f"With a registry: `docker pull {REGISTRY_BASE}` (or `docker load` a saved copy). Without, "
            f"on Debian: `sudo apt-get install debootstrap` and `sudo sh {resource('deploy', 'base-image.sh')}`."
        ),
        code="base-image-missing",
    )


def _pull_base(client: docker.DockerClient, progress: Progress) -> None:
    progress(f"Fetching the base image {REGISTRY_BASE}", None)
    with in_words(f"The base image {REGISTRY_BASE} could not be fetched"):
        repository, _, tag = REGISTRY_BASE.partition(":")
        client.images.pull(repository, tag=tag)


def _make_base(client: docker.DockerClient, progress: Progress) -> None:
    """Run deploy/base-image.sh, which needs root and debootstrap (a minute, 250 MB)."""
    if os.geteuid() != 0:
        raise OpsError("Only root can make one with debootstrap.", hint="Run it with sudo.", code="needs-root")
    if shutil.which("debootstrap") is None:
        raise OpsError("debootstrap is not installed here.", hint="apt-get install debootstrap", code="tool-missing")
    script = resource("deploy", "base-image.sh")
    progress("Making a base image with debootstrap", None)
    ended = run(
        Command(argv=["sh", str(script), LOCAL_BASE], directory=script.parent, deadline=_BASE_DEADLINE),
        _spoken(progress),
    )
    if ended.code != 0 or not has_image(client, LOCAL_BASE):
        lines = "\n".join(f"    {line}" for line in ended.tail[-8:])
        raise OpsError(
            f"{script} failed with exit code {ended.code}:\n{lines}",
            hint="Look at the lines above.",
            code="base-image-failed",
        )


def _spoken(progress: Progress) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        if line.startswith("I: "):
            progress(f"Making a base image: {line.removeprefix('I: ').rstrip('.')}", None)

    return on_line
