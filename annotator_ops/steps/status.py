"""Layer 4. Status: what each annotator's instance is doing now. Changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.models import Instance, JSONDict, Observation, Outcome, State, StepResult
from annotator_ops.plan import directory_of
from annotator_ops.steps import Workbench, running_notes


def status(bench: Workbench) -> StepResult:
    """One entry per recorded instance. An engine that does not answer gives "unknown", never "absent"."""
    recorded = bench.store.instances()
    seen, problems = bench.observe_leniently()
    with ThreadPoolExecutor(max_workers=max(1, len(recorded))) as pool:
        rows = list(pool.map(lambda pair: _row(bench, pair[1], seen.get(pair[0])), sorted(recorded.items())))
    proxy = bench.proxy.observe()
    notes = [f"{problem.message} {problem.hint}" for problem in problems.values()]
    notes += running_notes(seen)
    listed = {annotator.id for annotator in bench.study.annotators}
    strays = sorted(set(seen) - set(recorded))
    if strays:
        notes.append(f"Running without a record: {', '.join(strays)}. `ops provision` adopts them.")
    elif not recorded:
        notes.append("Nothing is provisioned yet: run `ops provision`.")
    elif not proxy.running and any(row["state"] == "running" for row in rows):
        notes.append("The proxy is not running, so no annotator can reach anything: run `ops provision`.")
    return StepResult(
        command="status",
        outcomes=tuple(_outcome(row, listed=row["annotator"] in listed) for row in rows),
        data={
            "study": bench.study.name,
            "instances": rows,
            "proxy": {"running": proxy.running, "port": proxy.port, "origin": bench.wanted.origin},
            "exposed_url": bench.wanted.exposed_url,
        },
        notes=tuple(notes),
    )


def _row(bench: Workbench, instance: Instance, seen: Observation | None) -> JSONDict:
    state = seen.state if seen else State.ABSENT
    directory = directory_of(bench.study, instance.annotator)
    row: JSONDict = {
        "annotator": instance.annotator,
        "state": state.value,
        "target": instance.target.value,
        "runtime": instance.runtime,
        "url": instance.url,
        "port": instance.port,
        "data_dir": str(directory / "data"),
        "project_id": instance.project_id,
        "done": None,
        "skipped": None,
        "drafts": None,
        "total": None,
        "median_seconds": None,
        "last_activity": None,
        "memory": seen.memory if seen else None,
        "disk": _size(directory),
        "walls": [asdict(wall) for wall in seen.walls] if seen and seen.walls is not None else None,
        "note": seen.note if seen else "",
        "problem": seen.detail if seen and state is not State.RUNNING else "",
    }
    if state is State.RUNNING and instance.project_id is not None:
        try:
            with bench.client_of(instance) as client:
                progress = client.progress(instance.project_id)
        except OpsError as error:
            row["problem"] = error.message
            return row
        row |= {
            "done": progress.done,
            "skipped": progress.skipped,
            "drafts": progress.drafts,
            "total": progress.total,
            "median_seconds": progress.median_seconds,
            "last_activity": progress.last_activity.isoformat() if progress.last_activity else None,
        }
    return row


def _outcome(row: JSONDict, *, listed: bool) -> Outcome:
    """A stopped instance that is meant to be stopped is fine; anything else that does not run is a failure.

    Provision brings back who is `listed` in the study, and leaves everybody else alone.
    """
    name = row["annotator"]
    if row["state"] == "running" and not row["problem"]:
        return Outcome(name, "ok", "running")
    if row["state"] != "running" and row["target"] == "stopped":
        return Outcome(name, "skipped", "stopped on purpose", code="stopped")
    if row["state"] == "running":
        return Outcome(name, "failed", row["problem"], "not-answering", "Wait a moment; then look at `ops logs`.")
    message = f"it should be running, but it is {row['state']}. {row['problem']}".strip()
    hint = (
        "Run `ops provision`: it starts what is down."
        if listed
        else f"{name} is not in the study any more: `ops start {name}` starts it, `ops destroy {name}` removes it."
    )
    return Outcome(name, "failed", message, f"instance-{row['state']}", hint)


def _size(directory: Path) -> int:
    """Bytes on disk below a directory; files that vanish meanwhile (SQLite's journals do) count as nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except OSError:
            continue
    return total
