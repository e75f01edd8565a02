"""Layer 3. What the store gives, and how its rows become that."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields
from datetime import datetime

from annotator_ops.measures import Rating
from annotator_ops.models import Instance, Target

INSTANCE_COLUMNS = tuple(field.name for field in fields(Instance))


@dataclass(frozen=True, slots=True)
class Export:
    """A raw export as stored: SHA-256 (hex) and size (bytes) of its content.

    `new`: this call stored something that the annotator's latest export was not. `id` orders the exports of the study.
    """

    id: int
    annotator: str
    hash: str
    stored_at: datetime
    size: int
    fingerprint: str
    new: bool = False


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log."""

    at: datetime
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Changes:
    """How many annotations are new, changed or deleted since the export that was read before.

    `deleted_items` names the items of those that are gone. An earlier instance's annotations are not deleted.
    """

    new: int = 0
    changed: int = 0
    deleted: int = 0
    deleted_items: tuple[str, ...] = ()

    def __add__(self, later: Changes) -> Changes:
        return Changes(
            self.new + later.new,
            self.changed + later.changed,
            self.deleted + later.deleted,
            (*self.deleted_items, *later.deleted_items),
        )


@dataclass(frozen=True, slots=True)
class AnnotationVersion:
    """One version of an annotation that some export held; `source` is the hash of the first that did."""

    annotator: str
    unique_id: str
    hash: str
    item: str
    state: str
    first_seen: datetime
    last_seen: datetime
    source: str


def to_instance(row: sqlite3.Row) -> Instance:
    values = {name: row[name] for name in INSTANCE_COLUMNS}
    return Instance(**values | {"target": Target(row["target"])})


def to_export(row: sqlite3.Row) -> Export:
    stored_at = datetime.fromisoformat(row["stored_at"])
    return Export(row["id"], row["annotator"], row["hash"], stored_at, row["size"], row["fingerprint"])


def to_rating(row: sqlite3.Row) -> Rating:
    value = None if row["value"] is None else json.loads(row["value"])
    return Rating(
        rater=row["annotator"],
        kind="human",
        item=row["item"],
        criterion=row["criterion"],
        value=tuple(value) if isinstance(value, list) else value,
        reason=row["reason"],
        created_at=None if row["created_at"] is None else datetime.fromisoformat(row["created_at"]),
        seconds=row["seconds"],
        source=row["source"],
    )
