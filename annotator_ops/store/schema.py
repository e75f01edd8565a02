"""Layer 3. The store's tables, and the way from every older version to this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from annotator_ops.errors import OpsError

SCHEMA = """
-- Single facts about the study, such as the public address it is exposed at.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Each annotator's Label Studio as recorded; a column for each field of models.Instance. The directory is for people
-- who look: it is relative to this file, and where an instance's data is follows from where the study is.
CREATE TABLE instances (
    annotator TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    runtime TEXT NOT NULL,
    target TEXT NOT NULL,
    directory TEXT NOT NULL,
    port INTEGER NOT NULL,
    version TEXT NOT NULL,
    image TEXT,
    handle TEXT,
    spec_hash TEXT,
    url TEXT,
    annotator_email TEXT,
    project_id INTEGER,
    project_hash TEXT,
    tasks_hash TEXT
) STRICT;

-- One line for each thing that was changed. Times are ISO 8601, UTC, everywhere.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- Raw exports by the SHA-256 (hex) of their content; size is that of the content, data is compressed with zlib.
-- Rows are never changed and never deleted.
CREATE TABLE contents (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Which export was collected from whom, in the order of id. The fingerprint is that of the instance just before.
-- The fingerprint alone may change: when Label Studio changed something that no export shows.
CREATE TABLE exports (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    hash TEXT NOT NULL REFERENCES contents (hash),
    stored_at TEXT NOT NULL,
    fingerprint TEXT NOT NULL
) STRICT;
CREATE INDEX exports_of ON exports (annotator, id);

-- Which exports are of one and the same Label Studio (results.task_marks), by the first export of it. Made from the raw
-- exports, and noted here so that they need not all be opened each time.
CREATE TABLE export_instances (
    export INTEGER PRIMARY KEY REFERENCES exports (id),
    instance INTEGER NOT NULL REFERENCES exports (id)
) STRICT;

-- What the tables below were made from: an annotator's export, read against which study (results.reading_hash),
-- and how many tasks it shows as done, skipped, with a draft, at all. Unless an annotator's latest export is noted
-- here, it has not been read yet.
CREATE TABLE readings (
    annotator TEXT PRIMARY KEY,
    export INTEGER NOT NULL REFERENCES exports (id),
    reading TEXT NOT NULL,
    done INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    drafts INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;

-- The current ratings. value is JSON; NULL is missing, and reason says why.
CREATE TABLE ratings (
    annotator TEXT NOT NULL,
    item TEXT NOT NULL,
    criterion TEXT NOT NULL,
    value TEXT,
    reason TEXT,
    created_at TEXT,
    seconds REAL,
    source TEXT NOT NULL,
    PRIMARY KEY (annotator, item, criterion),
    CHECK ((value IS NULL) = (reason IS NOT NULL))
) STRICT;

-- All that is no value: skips, drafts, empty and invalid answers, altered and unknown tasks. item NULL: no single one.
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    item TEXT,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    annotation TEXT
) STRICT;

-- What annotators wrote in text fields that are no criterion.
CREATE TABLE comments (
    id INTEGER PRIMARY KEY,
    annotator TEXT NOT NULL,
    item TEXT NOT NULL,
    control TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- Every version of every annotation that a collected export held. state: "current", "changed" (a later version
-- replaced it) or "deleted" (gone from Label Studio). source is the export that had it first.
CREATE TABLE annotation_history (
    annotator TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    item TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('current', 'changed', 'deleted')),
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    source TEXT NOT NULL REFERENCES contents (hash),
    PRIMARY KEY (annotator, unique_id, hash)
) STRICT;

-- What models were asked, by the key of the request (judging.requests); body is JSON, compressed with zlib. Rows are
-- never changed and never deleted.
CREATE TABLE judge_requests (
    key TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- Which of them each judge asks now: a task or an example that was changed makes another request. ord is the order of a
-- pair (else empty), sample the number of the simulated annotator (else 0), prompt the version of the prompt.
CREATE TABLE judge_questions (
    judge TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    item TEXT NOT NULL,
    ord TEXT NOT NULL,
    sample INTEGER NOT NULL,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    PRIMARY KEY (judge, model, prompt, item, ord, sample)
) STRICT;

-- What they replied: one final reply a request, so that nothing that was paid for is asked twice. reply is the raw
-- body, compressed with zlib, and tokens are what it says of them. Rows are never changed and never deleted.
CREATE TABLE judgements (
    key TEXT PRIMARY KEY REFERENCES judge_requests (key),
    reply BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    seconds REAL NOT NULL,
    at TEXT NOT NULL
) STRICT;

-- What went wrong on the way. No failure is final: a request without a row in judgements is made again. reply is the
-- body, compressed with zlib, where one came that was no reply of a model.
CREATE TABLE judge_failures (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    reply BLOB,
    attempts INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX judge_failures_of ON judge_failures (key, id);
"""

# (name, SQL) from version n to n + 1, starting at version 1, the first one released. A migration, once released, never
# changes; SCHEMA is always what they lead to, which a test checks.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "exports of one instance",
        """
CREATE TABLE export_instances (
    export INTEGER PRIMARY KEY REFERENCES exports (id),
    instance INTEGER NOT NULL REFERENCES exports (id)
) STRICT;
""",
    ),
    (
        "judgements of model judges",
        """
CREATE TABLE judge_requests (
    key TEXT PRIMARY KEY,
    base_url TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE judge_questions (
    judge TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    item TEXT NOT NULL,
    ord TEXT NOT NULL,
    sample INTEGER NOT NULL,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    PRIMARY KEY (judge, model, prompt, item, ord, sample)
) STRICT;

CREATE TABLE judgements (
    key TEXT PRIMARY KEY REFERENCES judge_requests (key),
    reply BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    seconds REAL NOT NULL,
    at TEXT NOT NULL
) STRICT;

CREATE TABLE judge_failures (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL REFERENCES judge_requests (key),
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    reply BLOB,
    attempts INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX judge_failures_of ON judge_failures (key, id);
""",
    ),
)


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    *,
    schema: str = SCHEMA,
    migrations: Sequence[tuple[str, str]] = MIGRATIONS,
) -> None:
    """Make the tables, or bring those of an older version up to date, each step in one transaction.

    `connection` must be in autocommit mode. Raises OpsError: "store-too-new", "migration-failed" (nothing is changed
    by a migration that failed).
    """
    newest = len(migrations) + 1
    version = _version(connection)
    if version > newest:
        raise OpsError(
            f"{path} was written by a newer annotator_ops (version {version} of its tables, known is {newest}).",
            hint="Update annotator_ops: `pip install --upgrade annotator-ops`.",
            code="store-too-new",
        )
    if version == 0:
        _step(connection, schema, before=0, after=newest)
        return
    for number in range(version, newest):
        name, script = migrations[number - 1]
        try:
            _step(connection, script, before=number, after=number + 1)
        except sqlite3.Error as error:
            raise OpsError(
                f"{path} could not be brought up to date: the step “{name}” failed ({error}). Nothing was changed.",
                hint="Keep the file and report this; the version of annotator_ops used before still reads it.",
                code="migration-failed",
            ) from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _step(connection: sqlite3.Connection, script: str, *, before: int, after: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == before:  # another process may just have done it
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {after:d}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Single statements: `executescript` would commit the transaction that they must share."""
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
