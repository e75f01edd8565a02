"""Layer 3. How a reading of an export replaces the one before it, and becomes history."""

from __future__ import annotations

import json
import sqlite3

from annotator_ops.results import Parsed
from annotator_ops.store.records import Changes, Export


def put_parsed(db: sqlite3.Connection, export: Export, parsed: Parsed, reading: str) -> Changes:
    """See `Store.put_parsed`; within the caller's transaction."""
    annotator = export.annotator
    changes = _put_history(db, export, parsed)
    for table in ("ratings", "findings", "comments"):
        db.execute(f"DELETE FROM {table} WHERE annotator = ?", (annotator,))  # noqa: S608 - the three names above
    db.executemany(
        "INSERT INTO ratings VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                annotator,
                rating.item,
                rating.criterion,
                None if rating.value is None else json.dumps(rating.value),
                rating.reason,
                rating.created_at.isoformat() if rating.created_at else None,
                rating.seconds,
                rating.source,
            )
            for rating in parsed.ratings
        ],
    )
    db.executemany(
        "INSERT INTO findings (annotator, item, code, message, annotation) VALUES (?, ?, ?, ?, ?)",
        [(annotator, each.item, each.code, each.message, each.annotation) for each in parsed.findings],
    )
    db.executemany(
        "INSERT INTO comments (annotator, item, control, text) VALUES (?, ?, ?, ?)",
        [(annotator, each.item, each.control, each.text) for each in parsed.comments],
    )
    counts = (parsed.counts.done, parsed.counts.skipped, parsed.counts.drafts, parsed.counts.total)
    db.execute("REPLACE INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)", (annotator, export.id, reading, *counts))
    return changes


def _put_history(db: sqlite3.Connection, export: Export, parsed: Parsed) -> Changes:
    annotator, at = export.annotator, export.stored_at.isoformat()
    rows = db.execute(
        "SELECT unique_id, hash, item FROM annotation_history WHERE annotator = ? AND state = 'current' ORDER BY rowid",
        (annotator,),
    ).fetchall()
    elsewhere = {seen.unique_id for seen in parsed.elsewhere}
    before = {row["unique_id"]: row["hash"] for row in rows if row["unique_id"] not in elsewhere}
    now = {seen.unique_id: seen for seen in parsed.annotations}
    gone = [(annotator, unique_id) for unique_id in before.keys() - now.keys()]
    replaced = [(annotator, key) for key in before.keys() & now.keys() if before[key] != now[key].hash]
    for state, keys in (("deleted", gone), ("changed", replaced)):
        db.executemany(
            f"UPDATE annotation_history SET state = '{state}'"  # noqa: S608 - one of the two words above
            " WHERE annotator = ? AND unique_id = ? AND state = 'current'",
            keys,
        )
    db.executemany(
        "INSERT INTO annotation_history VALUES (?, ?, ?, ?, 'current', ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET state = 'current', last_seen = max(last_seen, excluded.last_seen)",
        [(annotator, seen.unique_id, seen.hash, seen.item, at, at, export.hash) for seen in now.values()],
    )
    lost = {unique_id for _, unique_id in gone}
    items = tuple(dict.fromkeys(row["item"] for row in rows if row["unique_id"] in lost))
    return Changes(len(now.keys() - before.keys()), len(replaced), len(gone), items)
