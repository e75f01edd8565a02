"""Layer 4. Operate: stop, logs, invite and destroy what was provisioned."""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from annotator_ops.addresses import host_of
from annotator_ops.errors import OpsError
from annotator_ops.invitation import invitation
from annotator_ops.models import Annotator, Instance, Outcome, State, StepResult, Target
from annotator_ops.naming import host_label
from annotator_ops.plan import directory_of
from annotator_ops.runtimes.seed import DATABASE, copy_database
from annotator_ops.steps import Workbench

_HERE_ONLY = "These links work on this machine only. For annotators elsewhere: `ops expose`, or a domain of your own."


def stop(bench: Workbench, annotators: Iterable[str]) -> StepResult:
    """Stop instances; their data stays and `ops start` brings them back. The proxy ends with the last one."""
    outcomes = []
    with bench.store.lock("stop"):
        for instance in _chosen(bench, annotators):
            try:
                bench.store.put_instance(replace(instance, target=Target.STOPPED))
                bench.store.audit("target", instance.annotator, "stopped")
                bench.runtimes[instance.runtime].stop(instance.annotator)
                outcomes.append(Outcome(instance.annotator, "ok", "stopped, data kept", code="stopped"))
            except OpsError as error:
                outcomes.append(Outcome(instance.annotator, "failed", error.message, error.code, error.hint))
        outcomes += _refresh_proxy(bench)
    return StepResult(command="stop", outcomes=tuple(outcomes))


def logs(bench: Workbench, annotator: str, *, lines: int, access: bool) -> StepResult:
    """The last lines of an instance's own log, or of its access log at the proxy."""
    instance = _chosen(bench, [annotator])[0]
    found = bench.proxy.logs(annotator, lines) if access else bench.runtimes[instance.runtime].logs(annotator, lines)
    return StepResult(command="logs", data={"annotator": annotator, "lines": list(found)})


def invite(bench: Workbench, annotators: Iterable[str], *, folder: Path | None = None) -> StepResult:
    """A ready message for each annotator, also as one 0600 file each where a `folder` is given.

    The password is in it: it goes to that person and nobody else.
    """
    people = {annotator.id: annotator for annotator in bench.study.annotators}
    invitations = []
    outcomes = []
    for instance in _chosen(bench, annotators):
        name = instance.annotator
        if instance.project_id is None:
            outcomes.append(
                Outcome(name, "failed", "is not ready yet", "not-ready", "Run `ops provision` first, then invite.")
            )
            continue
        person = people.get(name, Annotator(id=name, name=name))
        credentials = bench.vault.require_credentials(name)
        url = bench.wanted.url(name)
        text = invitation(
            bench.study, person, url, email=credentials.annotator_email, password=credentials.annotator_password
        )
        invitations.append(
            {
                "annotator": name,
                "name": person.name,
                "contact": person.email,
                "url": url,
                "email": credentials.annotator_email,
                "password": credentials.annotator_password.reveal(),
                "message": text,
            }
        )
        said = f"written to {_write_private(folder, name, text)}" if folder else "invitation made"
        outcomes.append(Outcome(name, "ok", said))
    here_only = host_of(bench.wanted.origin).rpartition(".")[2] == "localhost"
    notes = (_HERE_ONLY,) if here_only else ()
    data = {"invitations": invitations, "folder": str(folder) if folder else None}
    return StepResult(command="invite", outcomes=tuple(outcomes), data=data, notes=notes)


def _write_private(folder: Path, name: str, text: str) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{name}.md"  # an id has nothing in it that a file name could not have
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OpsError(
            f"The invitation could not be written: {error}.",
            hint="Name a folder that can be written to after `--output`.",
            code="not-writable",
        ) from error
    return path


def destroy(bench: Workbench, annotators: Iterable[str], *, backup: bool) -> StepResult:
    """Remove instances with their data. With `backup`, a last export and an archive of the data are kept first.

    An instance whose backup cannot be made is not removed. Collected exports and ratings always stay in the store.
    """
    outcomes = []
    backups: dict[str, str] = {}
    with bench.store.lock("destroy"):
        observed = bench.observe()
        for instance in _chosen(bench, annotators):
            name = instance.annotator
            runtime = bench.runtimes[instance.runtime]
            directory = directory_of(bench.study, name)
            try:
                if backup:
                    bench.board.update(name, "keeping a backup", 0.3)
                    running = name in observed and observed[name].state is State.RUNNING
                    if running and instance.project_id is not None:
                        with bench.client_of(instance) as client:
                            fingerprint = client.fingerprint(instance.project_id)
                            bench.store.add_export(name, client.export(instance.project_id), fingerprint)
                    runtime.stop(name)
                    runtime.claim(directory)
                    backups[name] = str(_archive(bench, instance))
                bench.board.update(name, "removing", 0.8)
                runtime.remove(name)
                runtime.claim(directory)
                if directory.exists():
                    shutil.rmtree(directory)
                bench.store.forget_instance(name)
                bench.store.audit("destroy", name, backups.get(name, "without a backup"))
            except (OpsError, OSError, sqlite3.Error) as error:
                outcomes.append(_not_removed(name, error))
                continue
            kept = f"removed; backup in {backups[name]}" if name in backups else "removed, without a backup"
            outcomes.append(Outcome(name, "ok", kept, code="removed"))
        outcomes += _refresh_proxy(bench)
    return StepResult(command="destroy", outcomes=tuple(outcomes), data={"backups": backups})


def _not_removed(name: str, error: OpsError | OSError | sqlite3.Error) -> Outcome:
    if isinstance(error, OpsError):
        return Outcome(name, "failed", f"not removed: {error.message}", error.code, error.hint)
    return Outcome(name, "failed", f"not removed: {error}", "disk", "Mend the file or disk, then run it again.")


def _chosen(bench: Workbench, annotators: Iterable[str]) -> list[Instance]:
    """The recorded instances that are meant; all of them for an empty selection."""
    recorded = bench.store.instances()
    names = list(annotators) or sorted(recorded)
    unknown = [name for name in names if name not in recorded]
    if unknown:
        known = ", ".join(sorted(recorded)) or "none: nothing is provisioned yet"
        raise OpsError(
            f"There is no instance for {', '.join(unknown)}.",
            hint=f"Instances of this study: {known}.",
            code="unknown-annotator",
        )
    return [recorded[name] for name in names]


def _refresh_proxy(bench: Workbench) -> list[Outcome]:
    """The complete route set again; with nobody left to serve the proxy ends. A failure is an outcome too."""
    left = bench.proxy_plan()
    try:
        if all(route.paused for route in left.routes):
            bench.proxy.stop()
        elif bench.proxy.observe().running:
            bench.proxy.apply(left)
    except OpsError as error:
        message = f"The proxy still has the earlier routes: {error.message}"
        return [Outcome("proxy", "failed", message, error.code, error.hint)]
    return []


def _archive(bench: Workbench, instance: Instance) -> Path:
    """A .tar.gz (0600) of a stopped instance's data, its database taken with SQLite's backup API and checked."""
    folder = bench.study.state_dir / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{host_label(instance.annotator)}-{stamp}.tar.gz"
    partial = target.with_suffix(".partial")
    data = directory_of(bench.study, instance.annotator) / "data"
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            copy = Path(scratch) / DATABASE
            if (data / DATABASE).exists():
                _copy_checked(data / DATABASE, copy, instance.annotator)
            partial.touch(mode=0o600)
            with tarfile.open(partial, "w:gz") as archive:
                for path in sorted(data.rglob("*")) if data.exists() else ():
                    if not path.name.startswith(DATABASE) and path.is_file():
                        archive.add(path, arcname=str(path.relative_to(data)))
                if copy.exists():
                    archive.add(copy, arcname=DATABASE)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _copy_checked(source: Path, copy: Path, annotator: str) -> None:
    try:
        copy_database(source, copy)
    except sqlite3.Error as error:
        raise OpsError(
            f"A backup of {annotator}'s database cannot be made: {error}.",
            hint="If the disk is full, make room. If the database is damaged, collect what can be collected, then use "
            "`ops destroy --no-backup`.",
            code="backup-damaged",
        ) from error
