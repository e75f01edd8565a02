"""Layer 1. The frozen records that every other room speaks in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from annotator_ops.judge_settings import JudgeFile, Judging, ModelJudge
from annotator_ops.secret import Secret

RuntimeKind = Literal["process", "docker"]
Routing = Literal["subdomain", "path"]
RaterKind = Literal["human", "judge"]
Language = Literal["en", "ru"]
Sandbox = Literal["required", "available"]
Start = Literal["warm", "ordinary"]
JSONDict = dict[str, Any]


class Level(StrEnum):
    """Level of measurement (Stevens 1946) of a criterion's values."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"
    CIRCULAR = "circular"


# --- the study -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person who labels. `id` never changes: it is in container, folder and host names."""

    id: str
    name: str
    email: str | None = None
    language: Language | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One item to label, in Label Studio's word. `data` is what the label config's variables read; it holds the id."""

    id: str
    data: Mapping[str, Any]

    @property
    def hash(self) -> str:
        return content_hash(self.data)

    @property
    def repeat_of(self) -> str | None:
        """The id of the task that this one shows a second time, from `repeat_of` in its data."""
        first = self.data.get("repeat_of")
        return None if first in (None, "") else str(first)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is rated: which control of the label config, at which level of measurement.

    `values` gives the choice labels their numbers, in order; empty where the control's own values are used. `period` is
    after how much a circular value comes back to itself.
    """

    name: str
    control: str
    level: Level
    values: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    period: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one instance may use. `memory` in bytes; `cpus` None means no limit.

    `sandbox`: "available" puts up every wall that this machine has, "required" refuses to start with less than all.
    """

    memory: int = 1024**3
    processes: int = 128
    cpus: float | None = None
    sandbox: Sandbox = "available"


@dataclass(frozen=True, slots=True)
class LabelStudioChoice:
    """Which Label Studio to run: a version, or for the Docker runtime an image of the user's own.

    `start` is for processes: "warm" forks instances from one that has loaded its modules, "ordinary" lets each load its
    own. What runs then is the same.
    """

    version: str
    image: str | None = None
    start: Start = "warm"


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The reverse proxy: the local port it listens on, and the public address if there is one."""

    port: int = 8080
    public_url: str | None = None
    routing: Routing = "subdomain"


@dataclass(frozen=True, slots=True)
class Order:
    """How each annotator's order of tasks is made: shuffled with `seed` and the annotator's id, or as in the file."""

    seed: int = 0
    shuffle: bool = True


@dataclass(frozen=True, slots=True)
class Study:
    """The study file, validated: the only configuration.

    `judges` are files with scores, `model_judges` models to ask, `judging` how both are measured. `gold` is a file of
    right answers for some of the tasks, in the same columns as judges' scores.
    """

    path: Path
    root: Path
    name: str
    title: str
    label_config: str
    instructions: str
    tasks: tuple[Task, ...]
    annotators: tuple[Annotator, ...]
    order: Order
    criteria: tuple[Criterion, ...]
    judges: tuple[JudgeFile, ...]
    runtime: Literal["auto", "process", "docker"]
    label_studio: LabelStudioChoice
    proxy: ProxySettings
    limits: Limits
    language: Language
    simulated: bool
    gold: Path | None = None
    model_judges: tuple[ModelJudge, ...] = ()
    judging: Judging = field(default_factory=Judging)

    @property
    def data_files(self) -> tuple[Path, ...]:
        """The study file and the files of scores that it names: what no command may write to."""
        others = (path for path in (self.gold, self.judging.ranking) if path is not None)
        return (self.path, *(judge.path for judge in self.judges), *others)

    @property
    def state_dir(self) -> Path:
        """Where everything that is not the researcher's own file lives (0700)."""
        return self.root / ".ops"


# --- instances -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """All that a runtime needs to start one annotator's Label Studio.

    `environment` is public settings, `secrets` what must reach the instance through a 0600 file only. `spec_hash`
    covers everything but secrets, the place of its folder too: an instance that runs with another hash is out of date.
    """

    study: str
    annotator: str
    name: str
    port: int
    directory: Path
    environment: Mapping[str, str]
    secrets: Mapping[str, Secret]
    label_studio: LabelStudioChoice
    limits: Limits

    @property
    def data_dir(self) -> Path:
        """Label Studio's data directory: database, uploads, exports."""
        return self.directory / "data"

    @property
    def spec_hash(self) -> str:
        return content_hash(
            {
                "port": self.port,
                "directory": str(self.directory),
                "environment": dict(self.environment),
                "version": self.label_studio.version,
                "image": self.label_studio.image,
                "limits": [self.limits.memory, self.limits.processes, self.limits.cpus, self.limits.sandbox],
            }
        )


class State(StrEnum):
    """What a runtime saw. UNKNOWN (the engine did not answer) never leads to removal."""

    RUNNING = "running"
    EXITED = "exited"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wall:
    """One wall around an instance: what it is called, whether it is in force, and by what, or why not."""

    name: str
    in_force: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One instance as its runtime sees it now.

    `memory`: bytes that it does not share with others, None when not running or not known. `walls`: what keeps it from
    everything else, None where that is not known. `note`: what the coordinator should know of how it was started.
    """

    annotator: str
    state: State
    handle: str | None = None
    port: int | None = None
    directory: Path | None = None
    spec_hash: str | None = None
    memory: int | None = None
    walls: tuple[Wall, ...] | None = None
    detail: str = ""
    note: str = ""


class Target(StrEnum):
    """What the coordinator wants of an instance."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotator's Label Studio as recorded. Fields are filled in one by one as provision gets on.

    Where its data is is not among them: that follows from where the study is (`plan.directory_of`), which can be moved.

    `project_id` None: no project yet. `tasks_hash` is the hash of the tasks that were imported, in order.
    """

    annotator: str
    name: str
    runtime: RuntimeKind
    target: Target
    port: int
    version: str
    image: str | None = None
    handle: str | None = None
    spec_hash: str | None = None
    url: str | None = None
    annotator_email: str | None = None
    project_id: int | None = None
    project_hash: str | None = None
    tasks_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """One instance's secrets. Made once, kept in a 0600 file of its own, so that a lost database loses none."""

    secret_key: Secret
    operator_email: str
    operator_password: Secret
    operator_token: Secret
    annotator_email: str
    annotator_password: Secret


@dataclass(frozen=True, slots=True)
class Route:
    """One annotator's way through the proxy. `host_label` is the host name's first label or the path's last part.

    `paused`: the instance was stopped on purpose, and the annotator is told so. `static`: the folder of the files
    that the proxy answers itself (`/dm/x.js` is `dm/x.js` in it; no links); None leaves all to the instance.
    """

    annotator: str
    host_label: str
    upstream: str
    project_id: int | None = None
    paused: bool = False
    static: Path | None = None


# --- what a step says ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one annotator, judge or file. `state` is "ok", "skipped", "warning" or "failed"."""

    subject: str
    state: Literal["ok", "skipped", "warning", "failed"]
    message: str
    code: str = ""
    hint: str = ""

    def as_json(self) -> JSONDict:
        return {
            "subject": self.subject,
            "state": self.state,
            "message": self.message,
            "code": self.code,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did: one outcome per subject, plain data for `--json`, and notes for the person."""

    command: str
    outcomes: tuple[Outcome, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when nothing failed, 1 otherwise."""
        return int(any(outcome.state == "failed" for outcome in self.outcomes))

    def as_json(self) -> JSONDict:
        return {
            "command": self.command,
            "ok": self.exit_code == 0,
            "outcomes": [outcome.as_json() for outcome in self.outcomes],
            "notes": list(self.notes),
            **self.data,
        }


def content_hash(content: Any) -> str:
    """SHA-256 (hex) of JSON-able content in one canonical form."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
