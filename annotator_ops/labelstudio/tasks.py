"""Layer 3. The tasks of a project: listing them, and importing those that are missing exactly once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.labelstudio.records import ImportResult
from annotator_ops.labelstudio.transport import Transport
from annotator_ops.models import JSONDict, Task, content_hash

_PAGE = 500
_CHUNK_TASKS = 1000
_CHUNK_BYTES = 20_000_000


def listing(
    transport: Transport, project_id: int, *, query: JSONDict | None = None, fields: str = "task_only"
) -> Iterator[JSONDict]:
    """Every task of the project, by ascending id; `query` filters as the Data Manager does."""
    page, seen = 1, 0
    while True:
        params: JSONDict = {
            "project": project_id,
            "page": page,
            "page_size": _PAGE,
            "fields": fields,
            "resolve_uri": "false",  # addresses as they were imported, not rewritten for a browser
        }
        if query is not None:
            params["query"] = json.dumps(query)
        answer = transport.get("/api/tasks/", "list its tasks", params=params)
        yield from answer["tasks"]
        seen += len(answer["tasks"])
        if seen >= answer["total"] or not answer["tasks"]:
            return
        page += 1


def import_missing(transport: Transport, project_id: int, wanted: Sequence[Task]) -> ImportResult:
    """See `LabelStudio.import_tasks`."""
    # What an earlier run, killed in the middle, sent is perhaps there without that run having heard of it.
    ids = {task.id for task in wanted}
    there, removed = _without_copies(transport, project_id, ids)
    missing = [task for task in {task.id: task for task in wanted}.values() if task.id not in there]
    # Label Studio answers when all is written, and says how many it took: looking again would cost more than importing.
    confirmed = [_import(transport, project_id, chunk) for chunk in _chunks(missing)]
    if not all(confirmed):
        there, more = _without_copies(transport, project_id, ids)
        removed += more
    else:
        there |= {task.id: [{"data": dict(task.data)}] for task in missing}
    absent = [task.id for task in wanted if task.id not in there]
    twice = [task.id for task in wanted if len(there.get(task.id, ())) > 1]
    if absent:
        raise OpsError(
            f"After the import Label Studio at {transport.base_url} lacks {len(absent)} of {len(wanted)} tasks,"
            f" the first being {absent[0]}.",
            hint="Run `ops provision` again: it imports what is missing.",
            code="import-incomplete",
        )
    if twice:
        raise OpsError(
            f"Label Studio at {transport.base_url} has {len(twice)} tasks twice, and both copies are annotated:"
            f" {', '.join(twice[:5])}.",
            hint="Delete one copy of each by hand in Label Studio's Data Manager.",
            code="tasks-doubled",
        )
    altered = tuple(task.id for task in wanted if content_hash(there[task.id][0]["data"]) != task.hash)
    return ImportResult(added=len(missing), already=len(wanted) - len(missing), altered=altered, removed=removed)


def _import(transport: Transport, project_id: int, chunk: Sequence[Task]) -> bool:
    """Send tasks; whether the answer says that exactly these are in the project now."""
    request: Any = [{"data": dict(task.data)} for task in chunk]
    with transport.changing(f"import {len(chunk)} tasks") as options:
        answer = transport.sdk.projects.import_tasks(id=project_id, request=request, request_options=options)
    return getattr(answer, "task_count", None) == len(chunk)


def _chunks(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Requests of a size that Label Studio takes (its limit is 250 MB) and answers well before the timeout."""
    chunk: list[Task] = []
    size = 0
    for task in tasks:
        length = len(json.dumps(dict(task.data)))
        if chunk and (len(chunk) >= _CHUNK_TASKS or size + length > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(task)
        size += length
    if chunk:
        yield chunk


def _without_copies(
    transport: Transport, project_id: int, ids: Collection[str]
) -> tuple[dict[str, list[JSONDict]], int]:
    """The project's tasks of these ids, after deleting copies that nobody has worked on, and how many that were.

    The oldest copy stays, because its place in the order is the right one; a copy with work in it always stays.
    """
    there: dict[str, list[JSONDict]] = {}
    for task in listing(transport, project_id):
        item = str(task["data"].get("id"))
        if item in ids:
            there.setdefault(item, []).append(task)
    removed = 0
    for item, copies in there.items():
        if len(copies) < 2:
            continue
        worked_on = [task for task in copies if _has_work(transport, task)]
        keep = worked_on or copies[:1]
        for task in copies:
            if task not in keep:
                with transport.changing(f"delete a copy of task {item}") as options:
                    transport.sdk.tasks.delete(id=str(task["id"]), request_options=options)
                removed += 1
        there[item] = keep
    return there, removed


def _has_work(transport: Transport, task: JSONDict) -> bool:
    if task["total_annotations"] or task["cancelled_annotations"]:
        return True
    return bool(transport.get(f"/api/tasks/{task['id']}/drafts", "list a task's drafts"))
