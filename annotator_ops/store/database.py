"""Layer 3. The store: one SQLite file with instances, raw exports, what was read from them, and the audit log."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.files import close_folder
from annotator_ops.measures import Rating
from annotator_ops.models import Instance
from annotator_ops.naming import host_label
from annotator_ops.results import Comment, Counts, Finding, Parsed
from annotator_ops.store.judgements import Judgements
from annotator_ops.store.lock import locked
from annotator_ops.store.readings import put_parsed
from annotator_ops.store.records import (
    INSTANCE_COLUMNS,
    AnnotationVersion,
    AuditEntry,
    Changes,
    Export,
    to_export,
    to_instance,
    to_rating,
)
from annotator_ops.store.schema import prepare

FILE = "study.sqlite3"
_EXPORTS = "SELECT exports.*, size FROM exports JOIN contents USING (hash) WHERE annotator = ?"


class Store:
    """The study's store below `state_dir`. For use in a `with` block; may be used from several threads.

    Raises OpsError where the file cannot be used: "store-unreadable", "store-too-new", "migration-failed".
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.path = state_dir / FILE
        self._guard = threading.RLock()
        try:
            close_folder(state_dir)
            # SQLite would make the file readable for everybody.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)
        except (OSError, sqlite3.Error) as error:
            raise self._unreadable(error) from error
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            prepare(self._db, self.path)
        except sqlite3.Error as error:
            self._db.close()
            raise self._unreadable(error) from error
        except OpsError:
            self._db.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._guard:
            self._db.close()

    def lock(self, command: str) -> AbstractContextManager[None]:
        """Hold the study's lock while a command changes it. Raises OpsError ("locked") naming who holds it."""
        return locked(self.state_dir / "lock", command)

    def judges_lock(self, command: str) -> AbstractContextManager[None]:
        """Hold the lock of asking model judges, which takes hours and changes nothing else. Raises as `lock` does."""
        return locked(self.state_dir / "judges.lock", command)

    # --- instances, meta, audit --------------------------------------------------------------------------------------

    def instances(self) -> dict[str, Instance]:
        """Every recorded instance, by annotator."""
        return {row["annotator"]: to_instance(row) for row in self._rows("SELECT * FROM instances ORDER BY annotator")}

    def put_instance(self, instance: Instance) -> None:
        """Record an instance, in place of what was recorded of it."""
        values = {name: getattr(instance, name) for name in INSTANCE_COLUMNS}
        values |= {"target": instance.target.value, "directory": f"instances/{host_label(instance.annotator)}"}
        marks = ", ".join(f":{name}" for name in values)
        with self._transaction() as db:
            db.execute(f"REPLACE INTO instances ({', '.join(values)}) VALUES ({marks})", values)  # noqa: S608 - names of a dataclass

    def forget_instance(self, annotator: str) -> None:
        """Forget an instance. What was collected from it stays."""
        with self._transaction() as db:
            db.execute("DELETE FROM instances WHERE annotator = ?", (annotator,))

    def get_meta(self, key: str) -> str | None:
        """A fact about the study, or None."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0]["value"]) if rows else None

    def set_meta(self, key: str, value: str | None) -> None:
        """Keep a fact about the study; None forgets it."""
        with self._transaction() as db:
            if value is None:
                db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                db.execute("REPLACE INTO meta VALUES (?, ?)", (key, value))

    def audit(self, action: str, subject: str, detail: str = "") -> None:
        """Add a line to the audit log."""
        with self._transaction() as db:
            line = (_now().isoformat(), action, subject, detail)
            db.execute("INSERT INTO audit (at, action, subject, detail) VALUES (?, ?, ?, ?)", line)

    def audit_log(self, limit: int = 100) -> tuple[AuditEntry, ...]:
        """The last lines of the audit log, newest first."""
        rows = self._rows("SELECT * FROM audit ORDER BY id DESC LIMIT ?", limit)
        return tuple(
            AuditEntry(datetime.fromisoformat(row["at"]), row["action"], row["subject"], row["detail"]) for row in rows
        )

    # --- raw exports -------------------------------------------------------------------------------------------------

    def add_export(self, annotator: str, content: bytes, fingerprint: str) -> Export:
        """Store a raw export before anybody reads it. The same content as the latest one is not stored again."""
        digest = hashlib.sha256(content).hexdigest()
        with self._transaction() as db:
            latest = self.latest_export(annotator)
            if latest is not None and latest.hash == digest:
                db.execute("UPDATE exports SET fingerprint = ? WHERE id = ?", (fingerprint, latest.id))
                return Export(latest.id, annotator, digest, latest.stored_at, latest.size, fingerprint)
            now = _now()
            packed = zlib.compress(content)
            db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", (digest, len(content), packed))
            line = (annotator, digest, now.isoformat(), fingerprint)
            cursor = db.execute(
                "INSERT INTO exports (annotator, hash, stored_at, fingerprint) VALUES (?, ?, ?, ?)", line
            )
            return Export(int(cursor.lastrowid or 0), annotator, digest, now, len(content), fingerprint, new=True)

    def annotators(self) -> tuple[str, ...]:
        """Everybody from whom an export is stored, whether or not they have an instance now, in order."""
        return tuple(
            row["annotator"] for row in self._rows("SELECT DISTINCT annotator FROM exports ORDER BY annotator")
        )

    def exports(self, annotator: str) -> tuple[Export, ...]:
        """Every export collected from an annotator, oldest first."""
        query = f"{_EXPORTS} ORDER BY id"
        return tuple(to_export(row) for row in self._rows(query, annotator))

    def latest_export(self, annotator: str) -> Export | None:
        """The export collected last from an annotator."""
        query = f"{_EXPORTS} ORDER BY id DESC LIMIT 1"
        rows = self._rows(query, annotator)
        return to_export(rows[0]) if rows else None

    def export_content(self, digest: str) -> bytes:
        """The content of a stored export. Raises OpsError: "no-such-export", "export-damaged"."""
        rows = self._rows("SELECT data FROM contents WHERE hash = ?", digest)
        if not rows:
            raise OpsError(
                f"No export {digest} is stored.", hint="`ops collect` fetches what there is.", code="no-such-export"
            )
        try:
            content = zlib.decompress(rows[0]["data"])
        except zlib.error:
            content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise OpsError(
                f"The stored export {digest} is damaged: its content no longer gives its hash.",
                hint=f"Restore {self.path} from a backup, or run `ops collect` to fetch the latest anew.",
                code="export-damaged",
            )
        return content

    def instances_of_exports(self, annotator: str) -> dict[int, int]:
        """The instance each export is of, as far as noted: the id of the first export of it, by the export's id."""
        query = "SELECT export, instance FROM export_instances JOIN exports ON id = export WHERE annotator = ?"
        return {row["export"]: row["instance"] for row in self._rows(query, annotator)}

    def note_instances(self, instances: Mapping[int, int]) -> None:
        """Note which instance exports are of; see `instances_of_exports`."""
        with self._transaction() as db:
            db.executemany("REPLACE INTO export_instances VALUES (?, ?)", list(instances.items()))

    # --- what was read from them -------------------------------------------------------------------------------------

    def last_reading(self, annotator: str) -> tuple[int, str] | None:
        """Of which export (its id) an annotator's current ratings are, read against which study (its reading_hash)."""
        rows = self._rows("SELECT export, reading FROM readings WHERE annotator = ?", annotator)
        return (rows[0]["export"], rows[0]["reading"]) if rows else None

    def is_read(self, export: Export, reading: str) -> bool:
        """Whether the current ratings are those of this export, read against this study (results.reading_hash)."""
        return self.last_reading(export.annotator) == (export.id, reading)

    def counts(self) -> dict[str, Counts]:
        """How far each annotator was when last collected."""
        rows = self._rows("SELECT * FROM readings ORDER BY annotator")
        return {row["annotator"]: Counts(row["done"], row["skipped"], row["drafts"], row["total"]) for row in rows}

    def put_parsed(self, export: Export, parsed: Parsed, reading: str) -> Changes:
        """Make `parsed` the annotator's current ratings, findings and comments; earlier annotations become history."""
        with self._transaction() as db:
            return put_parsed(db, export, parsed, reading)

    def rebuild(self, annotator: str, readings: Iterable[tuple[Export, Parsed]], reading: str) -> None:
        """Forget all that was read from an annotator and put these readings in its place, oldest first, in one go."""
        with self._transaction() as db:
            for table in ("annotation_history", "ratings", "findings", "comments", "readings"):
                db.execute(f"DELETE FROM {table} WHERE annotator = ?", (annotator,))  # noqa: S608 - the names above
            for export, parsed in readings:
                put_parsed(db, export, parsed, reading)

    def ratings(self) -> tuple[Rating, ...]:
        """The current ratings of every annotator, in the order of annotator, then of the study."""
        rows = self._rows("SELECT * FROM ratings ORDER BY annotator, rowid")
        return tuple(to_rating(row) for row in rows)

    def findings(self) -> tuple[Finding, ...]:
        """All that the current exports hold and that is no value."""
        rows = self._rows("SELECT * FROM findings ORDER BY annotator, id")
        return tuple(
            Finding(row["annotator"], row["item"], row["code"], row["message"], row["annotation"]) for row in rows
        )

    def comments(self) -> tuple[Comment, ...]:
        """What annotators wrote in text fields that are no criterion."""
        rows = self._rows("SELECT * FROM comments ORDER BY annotator, id")
        return tuple(Comment(row["annotator"], row["item"], row["control"], row["text"]) for row in rows)

    def history(self, annotator: str) -> tuple[AnnotationVersion, ...]:
        """Every version of every annotation collected from an annotator, in the order first seen."""
        rows = self._rows("SELECT * FROM annotation_history WHERE annotator = ? ORDER BY rowid", annotator)
        return tuple(
            AnnotationVersion(
                annotator,
                row["unique_id"],
                row["hash"],
                row["item"],
                row["state"],
                datetime.fromisoformat(row["first_seen"]),
                datetime.fromisoformat(row["last_seen"]),
                row["source"],
            )
            for row in rows
        )

    # --- model judges ------------------------------------------------------------------------------------------------

    @property
    def judgements(self) -> Judgements:
        """What model judges were asked, and what they replied."""
        return Judgements(self._rows, self._transaction)

    # --- underneath --------------------------------------------------------------------------------------------------

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        try:
            with self._guard:
                return self._db.execute(query, values).fetchall()
        except sqlite3.ProgrammingError:
            raise  # our own fault, and no state of the file
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; within another transaction, part of that one."""
        with self._guard:
            if self._db.in_transaction:
                yield self._db
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:  # SQLite takes some back by itself, such as where the disk is full
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.ProgrammingError):
                    raise self._unreadable(error) from error
                raise

    def _unreadable(self, error: Exception) -> OpsError:
        return OpsError(
            f"The study's store {self.path} cannot be used: {error}.",
            hint="Check who owns the file and whether the disk is full; restore it from a backup if it is damaged.",
            code="store-unreadable",
        )


def _now() -> datetime:
    return datetime.now(UTC)
