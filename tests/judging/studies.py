"""A study of many short messages with judges to ask, and an endpoint made quick for tests."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.client import Endpoint
from annotator_ops.judging.pacing import Pace
from annotator_ops.models import StepResult, Study
from annotator_ops.secret import Secret
from annotator_ops.steps.judge_run import Order, run_judges
from annotator_ops.store.database import Store
from annotator_ops.study import load
from tests.judging.endpoint import Server
from tests.studies import write_study

KEY = "sk-never-to-be-seen-0123456789"


def judged_study(root: Path, server: Server, n_items: int, *judges: Mapping[str, Any]) -> Path:
    """The study file; each of `judges` is what differs from a judge "strict" at the server without a key."""
    plain = {"name": "strict", "model": "pretender", "base_url": server.url, "timeout": 20}
    study = write_study(root, {"judges": [plain | dict(judge) for judge in judges or ({},)]})
    lines = [{"id": f"m{number:04}", "text": f"Message {number}: is anybody there?"} for number in range(n_items)]
    (root / "tasks.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return study


class Shown:
    """A board that remembers what was said last of each judge."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[str, float | None]] = {}

    def update(self, subject: str, message: str, fraction: float | None = None) -> None:
        self.last[subject] = (message, fraction)


def quick(
    *,
    key: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] | None = None,
) -> Callable[[ModelJudge, threading.Event], Endpoint]:
    """Connects as the command does, but waits only for moments after a failure."""

    def connect(judge: ModelJudge, stop: threading.Event) -> Endpoint:
        pace = Pace(stop, first_wait=0.001, dice=random.Random(1), clock=clock, sleep=sleep)
        return Endpoint(judge, Secret(key) if key else None, pace)

    return connect


def ran(path: Path | Study, order: Order | None = None, **how: Any) -> StepResult:
    """One run, in this process."""
    study = load(path) if isinstance(path, Path) else path
    connect = how.pop("connect", None) or quick(**how)
    with Store(study.state_dir) as store:
        return run_judges(study, store, order or Order(), connect=connect, board=Shown())


def replies(root: Path) -> dict[str, str]:
    """The raw replies that are stored, by the item that they are about."""
    database = sqlite3.connect(root / ".ops" / "study.sqlite3")
    try:
        rows = database.execute("SELECT item, reply FROM judgements JOIN judge_questions USING (key)").fetchall()
    finally:
        database.close()
    return {item: zlib.decompress(reply).decode() for item, reply in rows}


def everything(root: Path) -> bytes:
    """Every byte below a folder, and what is compressed in its database as it is when it is opened up."""
    parts = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    database = sqlite3.connect(root / ".ops" / "study.sqlite3")
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name from the file itself
                parts += [_opened(value) if isinstance(value, bytes) else str(value).encode() for value in row]
    finally:
        database.close()
    return b"\n".join(parts)


def _opened(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error:
        return packed
