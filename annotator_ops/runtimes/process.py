"""Layer 3. Instances as local processes: one detached Label Studio per annotator, found by what its folder says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.models import InstanceSpec, LabelStudioChoice, Observation, RuntimeKind, State
from annotator_ops.naming import host_label
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.folder import RECORD, Record, last_lines
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launching import Launcher, listen
from annotator_ops.runtimes.seed import DATABASE, Seed
from annotator_ops.runtimes.template import Template

STOP_DEADLINE = 20.0  # seconds from SIGTERM to SIGKILL: the launcher itself gives requests half of that
KILL_DEADLINE = 10.0
LOCK_DEADLINE = STOP_DEADLINE + KILL_DEADLINE + 30.0


@dataclass(frozen=True, slots=True)
class ProcessRuntime:
    """The instances of one study below `instances_dir`, each in the folder named by its annotator's host label.

    `warm`: fork them from a template process that has Label Studio's modules loaded (where that works), instead of
    letting each load its own.
    """

    study_id: str
    instances_dir: Path
    installation: Installation
    warm: bool = True

    @property
    def kind(self) -> RuntimeKind:
        return "process"

    def prepare(self, choice: LabelStudioChoice, progress: Progress) -> None:
        installation = self._installed(choice)
        installation.ensure(_part(progress, start=0.0, end=0.4))
        Seed(installation).ensure(_part(progress, start=0.4, end=1.0))

    def begin(self, choice: LabelStudioChoice) -> None:
        installation = self._installed(choice)
        if self.warm and installation.complete:
            Template(installation).begin()

    def static_files(self, choice: LabelStudioChoice) -> Path | None:
        return self._installed(choice).static_files()

    def seed(self, spec: InstanceSpec) -> None:
        with self._locked(spec.directory):
            Seed(self._installed(spec.label_studio)).copy_to(spec.data_dir / DATABASE)

    def start(self, spec: InstanceSpec) -> str:
        if (spec.study, spec.directory) != (self.study_id, self._directory(spec.annotator)):
            raise ValueError(f"{spec.directory} is not the folder of {spec.annotator} in {self.instances_dir}")
        installation = self._installed(spec.label_studio)
        if not installation.complete:
            raise OpsError(
                f"Label Studio {installation.version} is not installed.",
                hint="Run `ops provision`, which installs it.",
                code="label-studio-not-installed",
            )
        with self._locked(spec.directory):
            record = self._own_record(spec)
            if record is not None and record.identity.state is State.RUNNING:
                if record.spec_hash == spec.spec_hash:
                    return record.handle
                if record.port != spec.port:
                    listen(spec.port).close()  # better to find a taken port before the old process is ended
                _end(record, spec.directory)
            return Launcher(installation, Seed(installation).migrations, warm=self.warm).launch(spec).handle

    def observe(self) -> dict[str, Observation]:
        found = {}
        try:
            folders = sorted(self.instances_dir.iterdir()) if self.instances_dir.exists() else []
            for folder in folders:
                record = Record.read(folder)
                if record is not None and record.study == self.study_id:
                    found[record.annotator] = _observation(record, folder)
        except OSError as error:
            raise OpsError(
                f"The instances in {self.instances_dir} cannot be looked at: {error.strerror} ({error.filename}).",
                hint="Run ops as the user who provisioned this study.",
                code="engine-unreachable",
            ) from error
        return found

    def stop(self, annotator: str) -> None:
        with self._ours(annotator) as record:
            if record is not None:
                _end(record, self._directory(annotator))

    def remove(self, annotator: str) -> None:
        with self._ours(annotator) as record:
            if record is not None:
                directory = self._directory(annotator)
                _end(record, directory)
                (directory / "settings.json").unlink(missing_ok=True)
                (directory / RECORD).unlink(missing_ok=True)

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        return last_lines(self._directory(annotator), lines)

    def claim(self, directory: Path) -> None:
        """Nothing to do: the processes run as this user."""

    # --- how ---------------------------------------------------------------------------------------------------------

    def _installed(self, choice: LabelStudioChoice) -> Installation:
        return replace(self.installation, version=choice.version)

    def _directory(self, annotator: str) -> Path:
        return self.instances_dir / host_label(annotator)

    def _locked(self, directory: Path) -> contextlib.AbstractContextManager[int]:
        return locked(directory / "control.lock", what=f"another command on {directory.name}", deadline=LOCK_DEADLINE)

    def _own_record(self, spec: InstanceSpec) -> Record | None:
        """The record in a folder that is this instance's or nobody's. Raises OpsError with code "directory-taken"."""
        record = Record.read(spec.directory)
        if record is None and not (spec.directory / RECORD).exists():
            return None
        if record is not None and (record.study, record.annotator) == (spec.study, spec.annotator):
            return record
        owner = f"{record.annotator} of study {record.study}" if record else "something that ops did not put there"
        raise OpsError(
            f"{spec.directory} belongs to {owner}.",
            hint="Move that folder away, or give this study another folder.",
            code="directory-taken",
        )

    @contextlib.contextmanager
    def _ours(self, annotator: str) -> Iterator[Record | None]:
        """The record of an annotator's instance, under its lock; None where there is none of this study."""
        directory = self._directory(annotator)
        if Record.read(directory) is None:
            yield None
            return
        with self._locked(directory):
            record = Record.read(directory)
            yield record if record is not None and record.study == self.study_id else None


def _part(progress: Progress, *, start: float, end: float) -> Progress:
    """Progress of one part of a whole."""

    def report(sentence: str, done: float | None) -> None:
        progress(sentence, None if done is None else start + (end - start) * done)

    return report


def _observation(record: Record, directory: Path) -> Observation:
    state = record.identity.state
    return Observation(
        annotator=record.annotator,
        state=state,
        handle=record.handle,
        port=record.port,
        directory=directory,
        spec_hash=record.spec_hash,
        memory=record.identity.memory if state is State.RUNNING else None,
        walls=record.walls,
        detail=f"process {record.identity.pid}",
        note=_note(record),
    )


def _note(record: Record) -> str:
    again = f"it ended by itself and was started again, {record.restarts} times so far" if record.restarts else ""
    return "; ".join(part for part in (record.note, again) if part)


def _end(record: Record, directory: Path) -> None:
    """End the process. Written down before: otherwise the template would start again what had to be killed."""
    if not record.stopped:
        replace(record, stopped=True).write(directory)
    record.identity.end(patience=STOP_DEADLINE, kill_deadline=KILL_DEADLINE)
