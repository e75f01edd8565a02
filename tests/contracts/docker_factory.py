"""The Docker runtime on the contract's bench: real containers of our own image, on the machine's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from docker.errors import NotFound

from annotator_ops.models import InstanceSpec, LabelStudioChoice, Observation
from annotator_ops.naming import host_label, resource_name
from annotator_ops.runtimes import Runtime
from annotator_ops.runtimes.docker import DockerRuntime
from annotator_ops.runtimes.docker_engine import connect, engine_answers
from annotator_ops.runtimes.image import our_program
from tests.conftest import need
from tests.contracts.runtime_contract import Factory
from tests.real import VERSION, make_spec


def runtimes() -> list[Factory]:
    return [Factory("docker", DockerBench, (pytest.mark.docker, pytest.mark.labelstudio))]


class DockerBench:
    """Studies get names of their own on the engine, which is shared by everybody on this machine."""

    answers = True

    def __init__(self, root: Path) -> None:
        answers, why = engine_answers()
        need(answers, f"a Docker Engine ({why})")
        self.root = root
        self.prefix = f"contract-{root.parent.name[-12:]}-{root.name[:20]}".replace("_", "-").lower().strip("-")
        self.client = connect()
        self.runtimes: list[DockerRuntime] = []
        self.started: set[tuple[str, str]] = set()
        self.strangers: list[str] = []
        self.runtime("prepare").prepare(LabelStudioChoice(VERSION), lambda _sentence, _done: None)

    def runtime(self, study: str) -> DockerRuntime:
        made = DockerRuntime(self._study(study), self.root / study)
        self.runtimes.append(made)
        return made

    def _study(self, study: str) -> str:
        return f"{self.prefix}-{study}"

    def spec(
        self, study: str, annotator: str, *, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> InstanceSpec:
        self.started.add((study, annotator))
        directory = self.root / study / host_label(annotator)
        return make_spec(directory, study=study, annotator=annotator, port=port, environment=environment)

    def crash(self, study: str, seen: Observation) -> None:
        # Through the engine, because it would start again at once what was killed past it (see tests/docker).
        assert seen.handle is not None
        self.client.containers.get(seen.handle).kill()

    @contextmanager
    def unreachable(self, study: str) -> Iterator[Runtime]:
        nowhere = f"unix://{self.root}/no-engine.sock"
        yield DockerRuntime(self._study(study), self.root / study, client_factory=lambda: connect(nowhere))

    def stranger(self, study: str, annotator: str) -> Callable[[], bool]:
        """Somebody's own container of that very name."""
        image = self.runtime("prepare")._images.ready(LabelStudioChoice(VERSION)).program.image
        container = self.client.containers.run(
            image,
            entrypoint=[our_program(image).python],
            command=["-c", "import time; time.sleep(600)"],
            name=resource_name(self._study(study), annotator),
            network_mode="none",
            detach=True,
        )
        self.strangers.append(str(container.id))

        def untouched() -> bool:
            container.reload()
            return container.status == "running"

        return untouched

    def close(self) -> None:
        for study, annotator in self.started:
            self.runtime(study).remove(annotator)
        for identity in self.strangers:
            with suppress(NotFound):
                self.client.containers.get(identity).remove(force=True)
        left = self.client.networks.list(names=[f"annotator-ops-{self.prefix}"])
        for runtime in self.runtimes:
            runtime.close()
        self.client.close()
        assert not left, f"networks were left behind: {[network.name for network in left]}"
