"""Layer 3. What model judges were asked and what they replied: kept raw, in one transaction each, and for good."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from annotator_ops.errors import OpsError
from annotator_ops.judging.failures import Failure, Reply
from annotator_ops.models import JSONDict

if TYPE_CHECKING:  # a command that asks no judges needs no templates
    from annotator_ops.judging.judgements import Answer
    from annotator_ops.judging.requests import JudgeRequest

_QUESTIONS = """
SELECT judge_questions.*, reply, judgements.at AS answered_at, failed.at AS failed_at
FROM judge_questions
LEFT JOIN judgements USING (key)
LEFT JOIN (SELECT key, at, max(id) FROM judge_failures GROUP BY key) AS failed USING (key)
ORDER BY judge_questions.rowid
"""


class Judgements:
    """The part of the store about model judges; `Store.judgements` makes it. For many threads."""

    def __init__(
        self,
        rows: Callable[..., list[sqlite3.Row]],
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._rows = rows
        self._transaction = transaction

    def answered(self) -> frozenset[str]:
        """The keys of all requests that have a final reply."""
        return frozenset(row["key"] for row in self._rows("SELECT key FROM judgements"))

    def answers(self) -> tuple[Answer, ...]:
        """What came of the latest that each judge asked, by model, prompt, item, order and sample.

        Raises OpsError ("judgement-damaged").
        """
        from annotator_ops.judging.judgements import Answer, with_content

        answers = []
        for row in self._rows(_QUESTIONS):
            at = datetime.fromisoformat(row["answered_at"] or row["failed_at"])
            order, sample = row["ord"] or None, row["sample"] or None
            names = (row["key"], row["judge"], row["model"], row["item"], order, sample, row["prompt"])
            answer = Answer(*names, outcome="failed", at=at)
            raw = row["reply"]
            answers.append(answer if raw is None else with_content(answer, _content(row["key"], raw)))
        return tuple(answers)

    def link(self, requests: Sequence[JudgeRequest]) -> None:
        """Note that this is asked now, all of which was answered before: the latest prompt may have made it again."""
        with self._transaction() as db:
            _put_questions(db, requests)

    def keep(self, request: JudgeRequest, reply: Reply) -> None:
        """Keep the reply to a request for good. One that has a reply keeps that."""
        line = (
            request.key,
            zlib.compress(reply.raw),
            reply.attempts,
            reply.prompt_tokens,
            reply.completion_tokens,
            reply.seconds,
            _now(),
        )
        with self._transaction() as db:
            _put_request(db, request)
            _put_questions(db, [request])
            db.execute("INSERT OR IGNORE INTO judgements VALUES (?, ?, ?, ?, ?, ?, ?)", line)

    def note(self, request: JudgeRequest, failure: Failure) -> None:
        """Note what went wrong with a request; it can be made again."""
        raw = None if failure.raw is None else zlib.compress(failure.raw)
        line = (request.key, failure.kind, failure.message, raw, failure.attempts, _now())
        with self._transaction() as db:
            _put_request(db, request)
            _put_questions(db, [request])
            db.execute(
                "INSERT INTO judge_failures (key, kind, message, reply, attempts, at) VALUES (?, ?, ?, ?, ?, ?)", line
            )


def _put_request(db: sqlite3.Connection, request: JudgeRequest) -> None:
    body = zlib.compress(json.dumps(request.body, ensure_ascii=False).encode())
    db.execute("INSERT OR IGNORE INTO judge_requests VALUES (?, ?, ?)", (request.key, request.judge.base_url, body))


def _put_questions(db: sqlite3.Connection, requests: Sequence[JudgeRequest]) -> None:
    db.executemany(
        "INSERT INTO judge_questions VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET key = excluded.key WHERE key != excluded.key",
        [
            (each.judge.name, each.judge.model, each.prompt, each.item, each.order or "", each.sample or 0, each.key)
            for each in requests
        ],
    )


def _content(key: str, packed: bytes) -> JSONDict:
    try:
        content: JSONDict = json.loads(zlib.decompress(packed))
    except (zlib.error, ValueError):
        raise OpsError(
            f"The stored reply to the request {key} is damaged.",
            hint="Restore `.ops/study.sqlite3` from a backup.",
            code="judgement-damaged",
        ) from None
    return content


def _now() -> str:
    return datetime.now(UTC).isoformat()
