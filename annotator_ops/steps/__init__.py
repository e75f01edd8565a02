"""Layer 4. The verbs. This file holds what every step works with; the edge builds it and passes it down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from annotator_ops.errors import OpsError
from annotator_ops.models import Instance, LabelStudioChoice, Observation, Outcome, RuntimeKind, State, Study
from annotator_ops.secret import Secret

if TYPE_CHECKING:  # a step that needs no engine and no network, such as analyze, loads none of these
    from annotator_ops.labelstudio import LabelStudio
    from annotator_ops.plan import Wanted
    from annotator_ops.proxies import Proxy, ProxyPlan
    from annotator_ops.reporting.source import Material, Progress
    from annotator_ops.runtimes import Runtime
    from annotator_ops.store.database import Store
    from annotator_ops.store.vault import Vault


class Board(Protocol):
    """Where a step says how far it is: one line a subject. The edge draws it."""

    def update(self, subject: str, message: str, fraction: float | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Workbench:
    """One study with the adapters that its steps use. Built at the edge, never inside a step.

    `client` makes the client of an instance from its own address and its operator's token.
    """

    wanted: Wanted
    store: Store
    vault: Vault
    runtimes: Mapping[RuntimeKind, Runtime]
    proxy: Proxy
    client: Callable[[str, Secret], LabelStudio]
    board: Board
    cores: int

    @property
    def study(self) -> Study:
        return self.wanted.study

    def client_of(self, instance: Instance) -> LabelStudio:
        """The operator's client of a recorded instance, at its own address on this machine."""
        credentials = self.vault.require_credentials(instance.annotator)
        return self.client(f"http://127.0.0.1:{instance.port}", credentials.operator_token)

    def proxy_plan(self) -> ProxyPlan:
        """What the proxy has to serve for all that is recorded now."""
        from annotator_ops.plan import routes
        from annotator_ops.proxies import ProxyPlan

        recorded = self.store.instances()
        static = {
            name: self.runtimes[instance.runtime].static_files(LabelStudioChoice(instance.version, instance.image))
            for name, instance in recorded.items()
        }
        settings = self.study.proxy
        return ProxyPlan(
            port=settings.port,
            origin=self.wanted.origin,
            routing=settings.routing,
            routes=routes(recorded, static),
        )

    def observe_leniently(self) -> tuple[dict[str, Observation], dict[RuntimeKind, OpsError]]:
        """What can be seen; instances of a runtime that does not answer are UNKNOWN, and its error is returned."""
        seen: dict[str, Observation] = {}
        problems: dict[RuntimeKind, OpsError] = {}
        for kind, runtime in self.runtimes.items():
            try:
                seen |= runtime.observe()
            except OpsError as error:
                problems[kind] = error
                for name, instance in self.store.instances().items():
                    if instance.runtime == kind:
                        seen[name] = Observation(annotator=name, state=State.UNKNOWN, detail=error.message)
        return seen, problems

    def observe(self) -> dict[str, Observation]:
        """What every runtime sees of this study, together."""
        seen: dict[str, Observation] = {}
        for runtime in self.runtimes.values():
            seen |= runtime.observe()
        return seen


@contextmanager
def writing(target: Path, *, hint: str = "Name another file with --output, or free the disk.") -> Iterator[None]:
    """Words for a file that cannot be written. Raises OpsError ("not-writable")."""
    try:
        yield
    except OSError as error:
        raise OpsError(
            f"{target} cannot be written: {error.strerror or error}.", hint=hint, code="not-writable"
        ) from error


def collected_material(
    study: Study, store: Store, *, created_at: datetime, progress: Progress
) -> tuple[Material, tuple[Outcome, ...]]:
    """What has been collected for a study, as material of its statistics, and whose export could not be read.

    Stored exports are read against the study as it is now (`store.current`); who cannot be read is a failed outcome.
    Raises OpsError ("nothing-collected") where no export was ever stored.
    """
    from annotator_ops.reporting.source import material_of_study, nothing_collected
    from annotator_ops.store.current import current

    if not store.annotators():
        raise nothing_collected(study)
    stored = current(study, store)
    return material_of_study(study, stored, created_at=created_at, progress=progress), stored.failed


def running_notes(seen: Mapping[str, Observation]) -> list[str]:
    """What is worth saying of running instances: how they were started, and which walls they lack, once for all."""
    said: dict[str, list[str]] = {}
    for name, one in sorted(seen.items()):
        if one.state is not State.RUNNING:
            continue
        lacking = [f"{wall.name} ({wall.detail})" for wall in one.walls or () if not wall.in_force]
        if one.note:
            said.setdefault(f"{one.note[:1].upper()}{one.note[1:]}", []).append(name)
        if lacking:
            said.setdefault(f"Not every wall is in force: {'; '.join(lacking)}", []).append(name)
    return [f"{sentence} ({', '.join(names)})." for sentence, names in said.items()]
