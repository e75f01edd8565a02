"""Layer 2. What can be found wrong with a study's files of scores: its judges' and its right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from annotator_ops.errors import OpsError, Problem
from annotator_ops.gold import read_gold
from annotator_ops.judge_settings import Merging
from annotator_ops.judging.importing import check_names, numbered
from annotator_ops.judging.merging import check_turns
from annotator_ops.labeling import LabelConfig, default_criteria
from annotator_ops.models import Study
from annotator_ops.ratings import RatingsError, read_judge_table


class Place(Protocol):
    """Makes a problem that points at a key of study.yaml, by `path`."""

    def __call__(self, message: str, hint: str, code: str, *path: str | int) -> Problem: ...


# The items and the criteria that a file is about, the first in it first.
_About = tuple[Sequence[str], Sequence[str]]


def judges_problems(
    study: Study, config: LabelConfig, place: Place, at: Sequence[int]
) -> tuple[list[Problem], set[str] | None]:
    """Each judges' file: readable, about the study's items and criteria, of judges who are no annotators, and with a
    word on how turns become one score where there are several. `at` are their places in `judges`.

    With the problems, who has scored; None where a file could not be read, so that not all are known.
    """
    people = {annotator.id for annotator in study.annotators}
    numbers = {criterion.name: criterion.values for criterion in study.criteria}
    problems: list[Problem] = []
    scored: list[Sequence[str]] = []

    for judge, index in zip(study.judges, at, strict=True):

        def read(path: Path, turns: Merging | None = judge.turns) -> _About:
            table = read_judge_table(path)
            scored.append(table.raters_here())
            check_names(scored[-1], people)
            # Of words that stand for numbers there is a mean.
            in_numbers = table.with_values(lambda name, value: numbered(value, numbers.get(name, {})))
            check_turns(in_numbers, turns)
            return [table.items[table.item[0]], *table.items], table.criteria

        problems += _problems(study, config, judge.path, read, (place, ("judges", index)))
    known = len(scored) == len(study.judges)
    return problems, {name for names in scored for name in names} if known else None


def gold_problems(study: Study, config: LabelConfig, place: Place) -> Iterator[Problem]:
    """The file of right answers: readable, of one rater, and about the study's items and criteria."""

    def read(path: Path) -> _About:
        answers = read_gold(path)
        return [answer.item for answer in answers], [answer.criterion for answer in answers]

    if study.gold is not None:
        yield from _problems(study, config, study.gold, read, (place, ("gold",)))


def _problems(
    study: Study,
    config: LabelConfig,
    path: Path,
    read: Callable[[Path], _About],
    at: tuple[Place, tuple[str | int, ...]],
) -> Iterator[Problem]:
    place, key = at
    if not path.is_file():
        return  # said already, with the line
    try:
        items, criteria = read(path)
    except RatingsError as error:
        yield from error.problems
        return
    except OpsError as error:
        yield place(error.message, error.hint, error.code, *key)
        return
    known_criteria = {criterion.name for criterion in study.criteria or default_criteria(config)}
    for what, known, given in (
        ("items", {task.id for task in study.tasks}, items),
        ("criteria", known_criteria, criteria),
    ):
        # There may be more scores than this study has tasks; nothing in common is a mix-up.
        if given and not known & set(given):
            yield place(
                f"{path.name} scores none of this study's {what}; its first is {given[0]!r}.",
                f"Name the {what} as in the study, or take the file out.",
                f"judge-{what}",
                *key,
            )
