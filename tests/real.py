"""One real Label Studio for a test: installed, seeded and started the way `ops provision` does it."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest

from annotator_ops.environment import public_environment
from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec, LabelStudioChoice, Limits
from annotator_ops.runtimes import Runtime
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.runtimes.seed import Seed
from annotator_ops.secret import Secret
from annotator_ops.waiting import wait_until

VERSION = "1.23.2"
Way = Literal["warm", "ordinary", "docker"]
OPERATOR_EMAIL = "operator@example.org"


@dataclass(frozen=True, slots=True)
class RealInstance:
    """A Label Studio that answers at `url` (not through any proxy), and its operator's account."""

    url: str
    port: int
    directory: Path
    operator_email: str
    operator_password: str
    operator_token: str


def shared_home() -> Path:
    """Where Label Studio is installed for the tests: the user's own place, so that it is installed once."""
    named = os.environ.get("ANNOTATOR_OPS_HOME")
    return Path(named) if named else Path.home() / ".local" / "share" / "annotator-ops"


def shared_installation() -> Installation:
    return Installation(shared_home(), VERSION)


def prepared_installation() -> Installation:
    """The same, installed and with its seed; skips (or fails, in CI) where it cannot be downloaded."""
    from tests.conftest import need  # here, because conftest imports this module

    installation = shared_installation()
    try:
        installation.ensure(lambda _sentence, _done: None)
        Seed(installation).ensure(lambda _sentence, _done: None)
    except OpsError as error:
        if error.code != "no-network":
            raise
        need(False, f"Label Studio {VERSION} ({error.message})")
    return installation


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_healthy(port: int, *, deadline: float = 90.0) -> None:
    """Wait until the Label Studio on this port answers /health."""

    # One client for all probes: making one takes longer than asking.
    with httpx.Client(timeout=10.0, trust_env=False, follow_redirects=True) as client:

        def probe() -> bool | None:
            # A starting instance already holds its port, and answers this very request when it is ready.
            return True if client.get(f"http://127.0.0.1:{port}/health").status_code == 200 else None

        wait_until(
            probe,
            what=f"Label Studio on port {port} to answer /health",
            deadline=deadline,
            hint="Look at its log.",
            retry_on=(httpx.TransportError,),
        )


def make_spec(
    directory: Path,
    *,
    study: str = "tests",
    annotator: str = "anna",
    port: int | None = None,
    public_url: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> InstanceSpec:
    """A spec with fresh secrets for an instance in `directory`, at `public_url` or at its own port."""
    port = port or free_port()
    return InstanceSpec(
        study=study,
        annotator=annotator,
        name=f"annotator-ops-{study}-{annotator}",
        port=port,
        directory=directory,
        environment={**public_environment(public_url or f"http://127.0.0.1:{port}"), **(environment or {})},
        secrets={
            "SECRET_KEY": Secret(secrets.token_urlsafe(48)),
            "LABEL_STUDIO_USERNAME": Secret(OPERATOR_EMAIL),
            "LABEL_STUDIO_PASSWORD": Secret(secrets.token_urlsafe(24)),
            "LABEL_STUDIO_USER_TOKEN": Secret(secrets.token_hex(20)),
        },
        label_studio=LabelStudioChoice(VERSION),
        limits=Limits(),
    )


@contextmanager
def _runtime(way: Way, directory: Path) -> Iterator[Runtime]:
    if way != "docker":
        yield ProcessRuntime("tests", directory, prepared_installation(), warm=way == "warm")
        return
    from annotator_ops.runtimes.docker import DockerRuntime
    from annotator_ops.runtimes.docker_engine import engine_answers
    from tests.conftest import need

    answers, why = engine_answers()
    need(answers, f"a Docker Engine ({why})")
    runtime = DockerRuntime(f"tests-{secrets.token_hex(3)}", directory)
    try:
        runtime.prepare(LabelStudioChoice(VERSION), lambda _sentence, _done: None)
        yield runtime
    finally:
        runtime.close()


@contextmanager
def real_instance(
    directory: Path,
    *,
    public_url: str | None = None,
    environment: Mapping[str, str] | None = None,
    way: Way = "warm",
) -> Iterator[RealInstance]:
    """One Label Studio in `directory` until the block ends; installs it on first use (a minute)."""
    with _runtime(way, directory) as runtime:
        spec = make_spec(directory / "anna", public_url=public_url, environment=environment)
        runtime.seed(spec)
        runtime.start(spec)
        yield from _served(runtime, spec)


def _served(runtime: Runtime, spec: InstanceSpec) -> Iterator[RealInstance]:
    try:
        try:
            wait_healthy(spec.port)
        except Exception as error:
            error.add_note("\n".join(runtime.logs("anna", 40)))
            raise
        yield RealInstance(
            url=f"http://127.0.0.1:{spec.port}",
            port=spec.port,
            directory=spec.directory,
            operator_email=OPERATOR_EMAIL,
            operator_password=spec.secrets["LABEL_STUDIO_PASSWORD"].reveal(),
            operator_token=spec.secrets["LABEL_STUDIO_USER_TOKEN"].reveal(),
        )
    finally:
        runtime.remove("anna")


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealInstance]:
    """One real Label Studio for the whole test session: make a project of your own in it, and clean up nothing."""
    with real_instance(tmp_path_factory.mktemp("label-studio")) as instance:
        yield instance
