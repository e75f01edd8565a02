"""Real containers for these tests: two annotators of one study, and containers without any walls to compare with."""

from __future__ import annotations

import json
import secrets
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from annotator_ops.models import InstanceSpec, LabelStudioChoice, Limits
from annotator_ops.naming import host_label
from annotator_ops.runtimes.docker import DockerRuntime
from annotator_ops.runtimes.docker_engine import connect, engine_answers
from annotator_ops.runtimes.image import ensure_image, image_tag
from tests.conftest import need
from tests.real import VERSION, make_spec, wait_healthy

CHOICE = LabelStudioChoice(VERSION)
PYTHON = "/opt/label-studio/bin/python"


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The machine's engine, with our image built."""
    answers, why = engine_answers()
    need(answers, f"a Docker Engine ({why})")
    made = connect()
    ensure_image(made, VERSION, lambda _sentence, _done: None)
    yield made
    made.close()


@dataclass
class Bench:
    """One study of its own on the engine, below one folder; `close` removes whatever it made."""

    client: docker.DockerClient
    root: Path
    study: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")
    annotators: set[str] = field(default_factory=set)
    plains: ExitStack = field(default_factory=ExitStack)
    runtimes: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.runtime = self.another_runtime()

    def another_runtime(self, **options: Any) -> DockerRuntime:
        runtime = DockerRuntime(self.study, self.root / "instances", **options)
        self.runtimes.callback(runtime.close)
        return runtime

    def spec(
        self,
        annotator: str,
        *,
        limits: Limits | None = None,
        port: int | None = None,
        choice: LabelStudioChoice = CHOICE,
    ) -> InstanceSpec:
        self.annotators.add(annotator)
        directory = self.root / "instances" / host_label(annotator)
        made = make_spec(directory, study=self.study, annotator=annotator, port=port)
        return replace(made, limits=limits or made.limits, label_studio=choice)

    def started(self, annotator: str, *, limits: Limits | None = None) -> InstanceSpec:
        spec = self.spec(annotator, limits=limits)
        self.runtime.seed(spec)
        self.runtime.start(spec)
        return spec

    def container(self, annotator: str) -> Container:
        handle = self.runtime.observe()[annotator].handle
        assert handle is not None
        return self.client.containers.get(handle)

    def plain(self, **options: Any) -> Container:
        """A container of our image as anybody would run one: Docker's defaults, root, nothing restricted."""
        defaults: dict[str, Any] = {
            "image": image_tag(VERSION),
            "entrypoint": [PYTHON, "-c"],
            "command": ["import time; time.sleep(1800)"],
            "user": "0:0",
            "detach": True,
        }
        container: Container = self.client.containers.run(**{**defaults, **options})
        self.plains.callback(container.remove, force=True)
        return container

    def close(self) -> None:
        with self.runtimes, self.plains:
            # What is in the study's network goes first: the last instance takes the network along.
            self.plains.close()
            for annotator in self.annotators:
                self.runtime.remove(annotator)


@pytest.fixture
def bench(client: docker.DockerClient, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(client, tmp_path)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Pair:
    """Anna and Ben, two running annotators of one study. Tests ask from inside Anna's container."""

    bench: Bench
    anna: InstanceSpec
    ben: InstanceSpec


@pytest.fixture(scope="session")
def pair(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    bench = Bench(client, tmp_path_factory.mktemp("pair"))
    try:
        made = Pair(bench, bench.started("anna"), bench.started("ben"))
        for spec in (made.anna, made.ben):
            wait_healthy(spec.port)
        yield made
    finally:
        bench.close()


def ask(container: Container, code: str, *arguments: object, user: str = "", python: str = PYTHON) -> Any:
    """Run Python inside a container, as somebody who broke into Label Studio would, and give what it prints as JSON.

    `code` defines `probe(*arguments)` (they arrive as strings). An OSError of it is given as {"errno": name}.
    """
    program = textwrap.dedent(code) + textwrap.dedent(
        """
        import errno, json, sys
        try:
            print(json.dumps(probe(*sys.argv[1:])))
        except OSError as error:
            print(json.dumps({"errno": errno.errorcode.get(error.errno, str(error))}))
        """
    )
    argv = [python, "-I", "-c", program, *map(str, arguments)]
    code_, output = container.exec_run(argv, user=user)
    assert isinstance(output, bytes)
    text = output.decode(errors="replace").strip()
    assert code_ == 0, f"exit code {code_}: {text[-2000:]}"
    return json.loads(text.splitlines()[-1])
