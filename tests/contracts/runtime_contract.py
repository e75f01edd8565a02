"""What the runtime contract suite needs of a runtime: a bench on which it can be run, watched and hurt.

To put another runtime under the contract, write a module with `runtimes() -> list[Factory]` and name it in FACTORIES.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest

from annotator_ops.models import InstanceSpec, Observation
from annotator_ops.naming import host_label
from annotator_ops.runtimes import Runtime
from annotator_ops.runtimes.fake import FakeMachine, FakeRuntime
from annotator_ops.runtimes.process import ProcessRuntime
from tests.real import make_spec, prepared_installation

FACTORIES = ("tests.contracts.runtime_contract", "tests.contracts.docker_factory")


class Bench(Protocol):
    """One runtime on one machine, in a folder of its own. `answers`: instances are real and answer /health."""

    @property
    def answers(self) -> bool: ...

    def runtime(self, study: str) -> Runtime:
        """A new object each time, which knows nothing but what the machine tells it. It is prepared already."""
        ...

    def spec(
        self, study: str, annotator: str, *, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> InstanceSpec:
        """A spec with an operator's account; the folder for one study and annotator is always the same."""
        ...

    def crash(self, study: str, seen: Observation) -> None:
        """Kill a running instance behind the runtime's back, as the kernel would when memory is short."""
        ...

    def unreachable(self, study: str) -> AbstractContextManager[Runtime]:
        """While it lasts, the given runtime cannot know what there is."""
        ...

    def stranger(self, study: str, annotator: str) -> Callable[[], bool]:
        """Put something where that annotator's instance would be that carries no label; tells if it is untouched."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...


@dataclass(frozen=True)
class Factory:
    """A kind of runtime: its name in the test ids, its marks, and how to make a bench in a folder."""

    name: str
    make: Callable[[Path], Bench]
    marks: tuple[pytest.MarkDecorator, ...] = ()


def all_runtimes() -> list[Any]:
    """Every factory there is, as pytest parameters."""
    found: list[Any] = []
    for module in FACTORIES:
        if importlib.util.find_spec(module) is not None:
            found += [
                pytest.param(factory, id=factory.name, marks=factory.marks)
                for factory in import_module(module).runtimes()
            ]
    return found


def runtimes() -> list[Factory]:
    return [
        Factory("fake", FakeBench),
        Factory("ordinary", lambda root: ProcessBench(root, warm=False), (pytest.mark.labelstudio,)),
        Factory("warm", lambda root: ProcessBench(root, warm=True), (pytest.mark.labelstudio,)),
    ]


@dataclass
class FakeBench:
    root: Path
    machine: FakeMachine = field(default_factory=FakeMachine)
    answers: bool = False

    def runtime(self, study: str) -> Runtime:
        return FakeRuntime(study, self.machine)

    def spec(
        self, study: str, annotator: str, *, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> InstanceSpec:
        directory = self.root / study / host_label(annotator)
        return make_spec(directory, study=study, annotator=annotator, port=port, environment=environment)

    def crash(self, study: str, seen: Observation) -> None:
        self.machine.crash(study, seen.annotator)

    @contextmanager
    def unreachable(self, study: str) -> Iterator[Runtime]:
        self.machine.reachable = False
        yield self.runtime(study)
        self.machine.reachable = True

    def stranger(self, study: str, annotator: str) -> Callable[[], bool]:
        return _foreign_file(self.root / study / host_label(annotator))

    def close(self) -> None:
        self.machine.instances.clear()


class ProcessBench:
    answers = True

    def __init__(self, root: Path, *, warm: bool) -> None:
        self.root = root
        self.warm = warm
        self.installation = prepared_installation()
        self.started: set[tuple[str, str]] = set()
        self.children: list[subprocess.Popen[bytes]] = []

    def runtime(self, study: str) -> Runtime:
        return ProcessRuntime(study, self.root / study, self.installation, warm=self.warm)

    def spec(
        self, study: str, annotator: str, *, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> InstanceSpec:
        self.started.add((study, annotator))
        directory = self.root / study / host_label(annotator)
        return make_spec(directory, study=study, annotator=annotator, port=port, environment=environment)

    def crash(self, study: str, seen: Observation) -> None:
        assert seen.handle is not None
        os.kill(int(seen.handle.split(":")[0]), signal.SIGKILL)

    @contextmanager
    def unreachable(self, study: str) -> Iterator[Runtime]:
        # A folder that is no folder: permissions would not stop root.
        folder, aside = self.root / study, self.root / f"{study}.aside"
        folder.rename(aside)
        folder.touch()
        yield self.runtime(study)
        folder.unlink()
        aside.rename(folder)

    def stranger(self, study: str, annotator: str) -> Callable[[], bool]:
        folder = self.root / study / host_label(annotator)
        untouched = _foreign_file(folder)
        # A program of somebody else, and a file by which it could be mistaken for an instance.
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.children.append(child)
        (folder / "process.json").write_text(f'{{"pid": {child.pid}}}')
        return lambda: untouched() and child.poll() is None

    def close(self) -> None:
        for study, annotator in self.started:
            self.runtime(study).remove(annotator)
        for child in self.children:
            child.kill()
            child.wait()


def _foreign_file(folder: Path) -> Callable[[], bool]:
    folder.mkdir(parents=True)
    file = folder / "thesis.txt"
    file.write_text("not yours")
    return lambda: file.read_text() == "not yours"
