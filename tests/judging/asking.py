"""Studies and judges for tests of what model judges are asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.measures import Rating
from annotator_ops.models import Criterion, Level, Study, Task
from annotator_ops.resources import resource
from tests.collect.samples import study

PAIRS = """<View>
  <Text name="prompt" value="$prompt"/>
  <Text name="one" value="$answer.one"/>
  <Text name="two" value="$answer.two"/>
  <Header value="Which is better?"/>
  <Pairwise name="better" toName="one,two"/>
  <Header value="How well is the request written?"/>
  <Rating name="clear" toName="prompt" maxRating="3"/>
</View>"""


def judge(**changes: Any) -> ModelJudge:
    """A judge with the shipped prompt."""
    text = resource("templates", "judges", "default.md.j2").read_text()
    plain = ModelJudge("small", "tiny-1", "http://localhost:1/v1", None, text, "default.md.j2")
    return replace(plain, **changes)


def pairs(root: Path, n: int = 3, *, values: dict[str, float] | None = None) -> Study:
    """A study of pairs: which of two answers is better, and how clear the request is."""
    names = [f"p{number}" for number in range(n)]
    tasks = tuple(
        Task(name, {"id": name, "prompt": f"ask {number}", "answer": {"one": f"L{number}", "two": f"R{number}"}})
        for number, name in enumerate(names)
    )
    criteria = (
        Criterion("better", "better", Level.NOMINAL if values is None else Level.ORDINAL, values or {}, "Better"),
        Criterion("clear", "clear", Level.ORDINAL, {}, "Clear"),
    )
    return replace(study(root), label_config=PAIRS, tasks=tasks, criteria=criteria)


def ratings(study: Study, *raters: str, criterion: str = "quality", leave_out: int = 0) -> list[Rating]:
    """Each rater's rating of each task, the last ones left out."""
    items = study.tasks[: len(study.tasks) - leave_out]
    return [
        Rating(rater, "human", task.id, criterion, float(1 + (number + place) % 3))
        for place, rater in enumerate(raters)
        for number, task in enumerate(items)
    ]
