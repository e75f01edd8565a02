"""Layer 3. What the client of Label Studio takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """An annotator's project as it must be. `marker` is one word, by which the project is found again.

    `skip_queue` says what becomes of a skipped task: with IGNORE_SKIPPED it counts as dealt with and the stream ends
    when every task was seen; with REQUEUE_FOR_ME it comes back at the end, again and again. Label Studio's own default
    gives it to "others", of whom there are none.
    """

    title: str
    label_config: str
    instructions_html: str
    marker: str
    skip_queue: Literal["IGNORE_SKIPPED", "REQUEUE_FOR_ME"] = "IGNORE_SKIPPED"


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did. `added` and `already` count tasks; `altered` are ids whose data in Label Studio differ.

    `removed` counts copies, without any annotation, that an import cut short had left behind.
    """

    added: int
    already: int
    altered: tuple[str, ...] = ()
    removed: int = 0


@dataclass(frozen=True, slots=True)
class ProjectProgress:
    """How far an annotator is. A task counts once, by its latest annotation: done or skipped.

    `drafts` counts the tasks with work that was not submitted. `median_seconds` is the median time spent on a task
    that is done; None where Label Studio measured none.
    """

    done: int
    skipped: int
    drafts: int
    total: int
    median_seconds: float | None
    last_activity: datetime | None
