"""Layer 3. Whether an image can serve annotators: it is really started, as confined as every instance is."""

from __future__ import annotations

import secrets
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from annotator_ops.environment import public_environment
from annotator_ops.errors import OpsError, Problem
from annotator_ops.models import InstanceSpec, LabelStudioChoice, Limits, State
from annotator_ops.naming import resource_name
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.docker import DockerRuntime
from annotator_ops.runtimes.docker_engine import connect
from annotator_ops.secret import Secret
from annotator_ops.waiting import wait_until

if TYPE_CHECKING:
    import docker

_ANNOTATOR = "doctor"
_DEADLINE = 180.0


@dataclass(frozen=True, slots=True)
class ImageReport:
    """What a trial of an image gave. `seconds` from start to the first answer and `memory` (bytes) where it ran."""

    image: str
    problems: tuple[Problem, ...]
    version: str | None = None
    seconds: float | None = None
    memory: int | None = None


def can_run(
    choice: LabelStudioChoice,
    state_dir: Path,
    progress: Progress,
    *,
    client_factory: Callable[[], docker.DockerClient] = connect,
    limits: Limits | None = None,
) -> ImageReport:
    """Start the image that a study names (ours is built where it is missing) and wait for its first answer.

    What is found out about it is kept in `state_dir`, where the study's runtime finds it; what was started is removed.
    An OpsError becomes a problem of the report.
    """
    name = choice.image or f"the image of Label Studio {choice.version}"
    trial = f"doctor-{secrets.token_hex(4)}"
    runtime = DockerRuntime(trial, state_dir / trial, client_factory=client_factory)
    with closing(runtime):
        version = None
        try:
            version = runtime.prepare_image(choice, progress).version
            spec = _spec(trial, state_dir / trial / _ANNOTATOR, choice, limits or Limits())
            progress(f"Starting {name} as confined as an instance", None)
            seconds, memory = _try(runtime, spec)
        except OpsError as error:
            problem = Problem(where=name, message=error.message, hint=error.hint, code=error.code)
            return ImageReport(name, (problem,), version)
        finally:
            shutil.rmtree(state_dir / trial, ignore_errors=True)
    return ImageReport(name, (), version, seconds, memory)


def _try(runtime: DockerRuntime, spec: InstanceSpec) -> tuple[float, int | None]:
    runtime.seed(spec)
    began = time.monotonic()
    try:
        runtime.start(spec)
        wait_until(
            lambda: _answers(runtime, spec.port),
            what="Label Studio's first answer",
            deadline=_DEADLINE,
            hint="The machine may be too busy; `ops doctor` can be run again.",
            interval=0.2,
        )
        return time.monotonic() - began, runtime.observe()[_ANNOTATOR].memory
    finally:
        runtime.remove(_ANNOTATOR)


def _answers(runtime: DockerRuntime, port: int) -> bool | None:
    """True when it answers; None when not yet. Raises OpsError (code "image-unfit") when the container has ended."""
    seen = runtime.observe()[_ANNOTATOR]
    if seen.state is not State.RUNNING:
        lines = "\n".join(f"  {line}" for line in runtime.logs(_ANNOTATOR, 12))
        raise OpsError(
            f"Label Studio ended right after its start ({seen.detail}):\n{lines}",
            hint="It must run as any user, write below /data only and connect to nothing.",
            code="image-unfit",
        )
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=10.0, trust_env=False, follow_redirects=True)
    except httpx.TransportError:
        return None
    return True if answer.status_code == httpx.codes.OK else None


def _spec(study: str, directory: Path, choice: LabelStudioChoice, limits: Limits) -> InstanceSpec:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    return InstanceSpec(
        study=study,
        annotator=_ANNOTATOR,
        name=resource_name(study, _ANNOTATOR),
        port=port,
        directory=directory,
        environment=public_environment(f"http://127.0.0.1:{port}"),
        secrets={"SECRET_KEY": Secret(secrets.token_urlsafe(48))},
        label_studio=choice,
        limits=limits,
    )
