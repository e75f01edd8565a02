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

from annotator_ops.errors import OpsError
from annotator_ops.invitation import invitation
from annotator_ops.models import Annotator, Instance, Outcome, State, StepResult, Target
from annotator_ops.naming import host_label
from annotator_ops.plan import routes
from annotator_ops.proxies import ProxyPlan
from annotator_ops.steps import Workbench


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
        _refresh_proxy(bench)
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
    return StepResult(command="invite", outcomes=tuple(outcomes), data={"invitations": invitations})


def _write_private(folder: Path, name: str, text: str) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{host_label(name)}.md"
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
            try:
                if backup:
                    bench.board.update(name, "keeping a backup", 0.3)
                    running = name in observed and observed[name].state is State.RUNNING
                    if running and instance.project_id is not None:
                        with bench.client_of(instance) as client:
                            fingerprint = client.fingerprint(instance.project_id)
                            bench.store.add_export(name, client.export(instance.project_id), fingerprint)
                    runtime.stop(name)
                    runtime.claim(instance.directory)
                    backups[name] = str(_archive(bench, instance))
                bench.board.update(name, "removing", 0.8)
                runtime.remove(name)
                runtime.claim(instance.directory)
                if instance.directory.exists():
                    shutil.rmtree(instance.directory)
                bench.store.forget_instance(name)
                bench.store.audit("destroy", name, backups.get(name, "without a backup"))
            except (OpsError, OSError) as error:
                outcomes.append(_not_removed(name, error))
                continue
            kept = f"removed; backup in {backups[name]}" if name in backups else "removed, without a backup"
            outcomes.append(Outcome(name, "ok", kept, code="removed"))
        _refresh_proxy(bench)
    return StepResult(command="destroy", outcomes=tuple(outcomes), data={"backups": backups})


def _not_removed(name: str, error: OpsError | OSError) -> Outcome:
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


def _refresh_proxy(bench: Workbench) -> None:
    """The complete route set again; without any route the proxy ends."""
    left = routes(bench.store.instances())
    if not left:
        bench.proxy.stop()
    elif bench.proxy.observe().running:
        settings = bench.study.proxy
        bench.proxy.apply(
            ProxyPlan(port=settings.port, origin=bench.wanted.origin, routing=settings.routing, routes=left)
        )


def _archive(bench: Workbench, instance: Instance) -> Path:
    """A .tar.gz (0600) of a stopped instance's data, its database taken with SQLite's backup API and checked."""
    folder = bench.study.state_dir / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{host_label(instance.annotator)}-{stamp}.tar.gz"
    partial = target.with_suffix(".partial")
    data = instance.directory / "data"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        copy = Path(scratch) / "label_studio.sqlite3"
        if (data / copy.name).exists():
            _copy_database(data / copy.name, copy, instance.annotator)
        partial.touch(mode=0o600)
        with tarfile.open(partial, "w:gz") as archive:
            for path in sorted(data.rglob("*")) if data.exists() else ():
                if not path.name.startswith(copy.name) and path.is_file():
                    archive.add(path, arcname=str(path.relative_to(data)))
            if copy.exists():
                archive.add(copy, arcname=copy.name)
    partial.rename(target)
    return target


def _copy_database(source: Path, copy: Path, annotator: str) -> None:
    origin = sqlite3.connect(source)
    try:
        with sqlite3.connect(copy) as into:
            origin.backup(into)
        verdict = into.execute("PRAGMA integrity_check").fetchone()[0]
        into.close()
    finally:
        origin.close()
    if verdict != "ok":
        raise OpsError(
            f"The backup of {annotator}'s database is damaged: {verdict}.",
            hint="Nothing was removed. Collect what can be collected, then use `ops destroy --no-backup`.",
            code="backup-damaged",
        )
