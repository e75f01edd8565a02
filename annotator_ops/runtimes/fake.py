"""Layer 3. A fake runtime: keeps the protocol in memory, without any Label Studio, and can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec, LabelStudioChoice, Observation, RuntimeKind, State
from annotator_ops.runtimes import Progress


@dataclass(slots=True)
class FakeMachine:
    """What would be the machine: the instances of all studies, and the faults that a test has ordered.

    `ports` are taken by somebody else; `refuses` gives the error of an annotator's next starts; who is in `dies`
    exits right after being started; while `reachable` is False nothing can be known or done.
    """

    instances: dict[tuple[str, str], Observation] = field(default_factory=dict)
    logs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    prepared: list[LabelStudioChoice] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    refuses: dict[str, OpsError] = field(default_factory=dict)
    dies: set[str] = field(default_factory=set)
    reachable: bool = True
    started: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def crash(self, study: str, annotator: str) -> None:
        """End an instance behind the runtime's back."""
        with self.lock:
            self.instances[study, annotator] = _exited(self.instances[study, annotator], "killed")

    def check(self) -> None:
        if not self.reachable:
            raise OpsError(
                "The fake engine does not answer.", hint="Make it reachable again.", code="engine-unreachable"
            )


@dataclass(frozen=True, slots=True)
class FakeRuntime:
    """The instances of one study on a fake machine. Two of them on one machine see the same world."""

    study_id: str
    machine: FakeMachine
    kind: RuntimeKind = "process"

    def prepare(self, choice: LabelStudioChoice, progress: Progress) -> None:
        with self.machine.lock:
            self.machine.check()
            self.machine.prepared.append(choice)
        progress("The fake runtime is ready", 1.0)

    def begin(self, choice: LabelStudioChoice) -> None:
        """Nothing: a fake starts at once."""

    def static_files(self, choice: LabelStudioChoice) -> Path | None:  # noqa: ARG002 - a fake has no files
        return None

    def seed(self, spec: InstanceSpec) -> None:
        with self.machine.lock:
            self.machine.check()
            spec.data_dir.mkdir(parents=True, exist_ok=True)
            (spec.data_dir / "label_studio.sqlite3").touch()

    def start(self, spec: InstanceSpec) -> str:
        with self.machine.lock:
            self.machine.check()
            if spec.annotator in self.machine.refuses:
                raise self.machine.refuses[spec.annotator]
            key = (self.study_id, spec.annotator)
            now = self.machine.instances.get(key)
            if now is not None and now.state is State.RUNNING and now.spec_hash == spec.spec_hash and now.handle:
                return now.handle
            self._check_port(spec)
            self.machine.started += 1
            handle = f"fake-{self.machine.started}"
            self.machine.instances[key] = Observation(
                annotator=spec.annotator,
                state=State.RUNNING,
                handle=handle,
                port=spec.port,
                directory=spec.directory,
                spec_hash=spec.spec_hash,
                memory=200 * 1024**2,
            )
            self.machine.logs.setdefault(key, []).append(f"serving on 127.0.0.1:{spec.port}")
            if spec.annotator in self.machine.dies:
                self.machine.crash(*key)
            return handle

    def observe(self) -> dict[str, Observation]:
        with self.machine.lock:
            self.machine.check()
            return {
                annotator: seen for (study, annotator), seen in self.machine.instances.items() if study == self.study_id
            }

    def stop(self, annotator: str) -> None:
        with self.machine.lock:
            self.machine.check()
            key = (self.study_id, annotator)
            if key in self.machine.instances:
                self.machine.instances[key] = _exited(self.machine.instances[key], "stopped")

    def remove(self, annotator: str) -> None:
        with self.machine.lock:
            self.machine.check()
            self.machine.instances.pop((self.study_id, annotator), None)

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        with self.machine.lock:
            self.machine.check()
            return self.machine.logs.get((self.study_id, annotator), [])[-lines:] if lines > 0 else []

    def claim(self, directory: Path) -> None:
        """Nothing to do: the fake writes as this user."""

    def _check_port(self, spec: InstanceSpec) -> None:
        others = {
            seen.port
            for key, seen in self.machine.instances.items()
            if seen.state is State.RUNNING and key != (self.study_id, spec.annotator)
        }
        if spec.port in self.machine.ports | others:
            raise OpsError(f"Port {spec.port} is taken.", hint="Choose another port.", code="port-taken")


def _exited(seen: Observation, detail: str) -> Observation:
    return replace(seen, state=State.EXITED, memory=None, detail=detail)
