"""Layer 2. Which annotator gets which task, in which order."""

from __future__ import annotations

import hashlib

from annotator_ops.models import Study, Task


def order_for(study: Study, annotator: str) -> tuple[Task, ...]:
    """Every task, in the order of the annotator with that id.

    With `order.shuffle`, tasks are sorted by SHA-256 of seed, annotator id and task id. The order therefore depends on
    nothing else (not on the Python version, the file's order or the other annotators), and tasks added later leave the
    relative order of the earlier ones as it was. Without it, the order is the file's.
    """
    if not study.order.shuffle:
        return study.tasks
    return tuple(sorted(study.tasks, key=lambda task: _key(study.order.seed, annotator, task.id)))


def _key(seed: int, annotator: str, task: str) -> tuple[bytes, str]:
    # Lengths make the parts unambiguous; the id settles the (never expected) tie.
    text = f"{seed}:{len(annotator)}:{annotator}:{len(task)}:{task}"
    return hashlib.sha256(text.encode()).digest(), task
