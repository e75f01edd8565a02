"""Layer 2. Desired state against observed state: what provision has to do, as data. Pure: same input, same output."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from annotator_ops.addresses import annotator_url
from annotator_ops.assignment import order_for
from annotator_ops.environment import public_environment
from annotator_ops.instructions import to_html
from annotator_ops.models import (
    Annotator,
    Instance,
    InstanceSpec,
    LabelStudioChoice,
    Observation,
    Route,
    RuntimeKind,
    State,
    Study,
    Target,
    content_hash,
)
from annotator_ops.naming import host_label, resource_name
from annotator_ops.secret import Secret

FIRST_PORT = 21000
_PORTS = 8000


class Do(StrEnum):
    """The kinds of action, in the order in which they are taken for one annotator."""

    CREATE = "create"  # record a new instance and give it a copy of the seed database
    ADOPT = "adopt"  # it runs, but no record of it was left
    START = "start"
    RESTART = "restart"  # it runs with settings that are out of date
    PROJECT = "project"  # accounts, project and settings
    TASKS = "tasks"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do for one annotator, and why."""

    annotator: str
    do: Do
    why: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the study asks for, worked out once: identity, runtime and the public origin.

    `exposed_url` is the address that `ops expose` holds just now, if it does.
    """

    study: Study
    study_id: str
    runtime: RuntimeKind
    origin: str
    exposed_url: str | None = None

    def url(self, annotator: str) -> str:
        return annotator_url(self.origin, self.study.proxy.routing, annotator)


def project_hash(study: Study) -> str:
    """Changes when an annotator's project has to be brought up to date."""
    return content_hash([study.title, study.label_config, to_html(study.instructions)])


def tasks_hash(study: Study, annotator: str) -> str:
    """Changes when tasks were added, altered or put in another order for this annotator."""
    return content_hash([[task.id, task.hash] for task in order_for(study, annotator)])


def instances_dir(state_dir: Path) -> Path:
    """Below which every instance of a study has its folder."""
    return state_dir / "instances"


def directory_of(study: Study, annotator: str) -> Path:
    """An instance's folder. Always worked out from where the study is now: a study can be moved while it is stopped."""
    return instances_dir(study.state_dir) / host_label(annotator)


def new_instance(wanted: Wanted, annotator: Annotator, port: int) -> Instance:
    """The first record of an annotator's instance."""
    choice = wanted.study.label_studio
    return Instance(
        annotator=annotator.id,
        name=resource_name(wanted.study_id, annotator.id),
        runtime=wanted.runtime,
        target=Target.RUNNING,
        port=port,
        version=choice.version,
        image=choice.image,
        url=wanted.url(annotator.id),
    )


def adopted_instance(wanted: Wanted, annotator: Annotator, observed: Observation) -> Instance:
    """The record of an instance that outlived its record: its port and handle are as seen, the rest by rule."""
    fresh = new_instance(wanted, annotator, observed.port or FIRST_PORT)
    return replace(fresh, handle=observed.handle, spec_hash=observed.spec_hash)


def spec_of(wanted: Wanted, instance: Instance, secrets: Mapping[str, Secret]) -> InstanceSpec:
    """What the runtime has to run for this record. The recorded runtime, version and image count, not the study's.

    The spec's hash does not cover `secrets`, so planning can leave them out.
    """
    return InstanceSpec(
        study=wanted.study_id,
        annotator=instance.annotator,
        name=instance.name,
        port=instance.port,
        directory=directory_of(wanted.study, instance.annotator),
        environment=public_environment(wanted.url(instance.annotator)),
        secrets=secrets,
        label_studio=LabelStudioChoice(version=instance.version, image=instance.image),
        limits=wanted.study.limits,
    )


def choose_runtime(setting: str, engine: tuple[bool, str]) -> tuple[RuntimeKind, str]:
    """Which runtime new instances get, and why. `engine`: whether Docker answers, and what it said."""
    answers, words = engine
    if setting == "docker":
        return "docker", "the study file asks for Docker"
    if setting == "process":
        return "process", "the study file asks for plain processes"
    if answers:
        return "docker", words.rstrip(".")
    return "process", f"no Docker Engine is used: {words.rstrip('.')}"


def plan(
    wanted: Wanted,
    recorded: Mapping[str, Instance],
    observed: Mapping[str, Observation],
    *,
    annotators: Sequence[Annotator] | None = None,
) -> tuple[Action, ...]:
    """Every action that brings `annotators` to running and loaded; `nothing` where all is done.

    They are the study's where none are given; others may be, such as one who is in the study no more.
    """
    actions: list[Action] = []
    for annotator in wanted.study.annotators if annotators is None else annotators:
        actions += _plan_one(wanted, annotator, recorded.get(annotator.id), observed.get(annotator.id))
    return tuple(actions)


def _plan_one(
    wanted: Wanted, annotator: Annotator, instance: Instance | None, seen: Observation | None
) -> list[Action]:
    running = seen is not None and seen.state is State.RUNNING
    actions: list[Action] = []

    def act(do: Do, why: str) -> None:
        actions.append(Action(annotator.id, do, why))

    if instance is not None and instance.target is Target.STOPPED:
        act(Do.NOTHING, "it was stopped on purpose; `ops start` brings it back")
        return actions
    if instance is None and seen is None:
        act(Do.CREATE, "there is no instance yet")
        act(Do.START, "it is new")
    elif instance is None and seen is not None:
        act(Do.ADOPT, f"it is {seen.state} but no record of it was left")
        instance = adopted_instance(wanted, annotator, seen)
        if not running:
            act(Do.START, "it is not running")
    elif not running:
        act(Do.START, "it is not running")
    if (
        running
        and instance is not None
        and seen is not None
        and seen.spec_hash != spec_of(wanted, instance, {}).spec_hash
    ):
        act(Do.RESTART, "its settings have changed")
    if instance is None or instance.project_id is None:
        act(Do.PROJECT, "it has no project yet")
    elif instance.project_hash != project_hash(wanted.study):
        act(Do.PROJECT, "the label config, title or instructions have changed")
    if instance is None or instance.tasks_hash is None:
        act(Do.TASKS, f"tasks not imported yet: {len(wanted.study.tasks)}")
    elif instance.tasks_hash != tasks_hash(wanted.study, annotator.id):
        act(Do.TASKS, "the tasks have changed")
    if not actions:
        act(Do.NOTHING, "it is running and has all its tasks")
    return actions


def routes(recorded: Mapping[str, Instance], static: Mapping[str, Path | None]) -> tuple[Route, ...]:
    """The complete route set, sorted by annotator; those stopped on purpose are told that it is paused.

    `static` has, by annotator, the folder of front-end files that the proxy can serve for them.
    """
    return tuple(
        Route(
            annotator=name,
            host_label=host_label(name),
            upstream=f"127.0.0.1:{instance.port}",
            project_id=instance.project_id,
            paused=instance.target is not Target.RUNNING,
            static=static.get(name),
        )
        for name, instance in sorted(recorded.items())
    )


def port_candidates(study_id: str, taken: Collection[int]) -> list[int]:
    """Ports to try for new instances, in order. Each study starts elsewhere, so that two seldom meet."""
    start = int(content_hash(study_id)[:8], 16) % _PORTS
    ring = ((start + offset) % _PORTS + FIRST_PORT for offset in range(_PORTS))
    return [port for port in ring if port not in taken]
