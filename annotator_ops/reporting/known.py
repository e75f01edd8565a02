"""Layer 2. What is known beside ratings, checked: right answers, repeats, groups, items, how judges are measured."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.gold import read_gold
from annotator_ops.judge_settings import Judging, base_name
from annotator_ops.judging.importing import strangers
from annotator_ops.measures import Value
from annotator_ops.models import Level, Task
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import display, is_finite_number
from annotator_ops.stats.vocabulary import repeat_faults
from annotator_ops.task_files import read_tasks


def items_of(path: Path) -> tuple[Task, ...]:
    """The tasks of a file of items. Raises OpsError ("items-invalid")."""
    file = read_tasks(path, where=path.name)
    if file.problems:
        first = file.problems[0]
        place = f"line {first.line}: " if first.line else ""
        more = f" ({len(file.problems) - 1:,} more problems)" if len(file.problems) > 1 else ""
        raise OpsError(
            f"{path.name} cannot be used as the list of items: {place}{first.message}{more}",
            hint="Name a task file (.jsonl, .json, .csv or .tsv) in which every item has a unique id.",
            code="items-invalid",
        )
    return file.tasks


def judging_of(path: Path) -> Judging:
    """How judges are measured, from a YAML file with the keys that stand under `judging:` in study.yaml.

    The file of a ranking is looked for beside it. Raises OpsError ("judging-invalid") with every problem and its line.
    """
    # A tenth of a second to import, and needed only where such a file is named.
    from annotator_ops.judge_schema import judging
    from annotator_ops.study_schema import read_shape
    from annotator_ops.study_yaml import Document, read_yaml

    try:
        written = read_yaml(path.read_text(encoding="utf-8-sig"), where=path.name)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise OpsError(
            f"{path} cannot be read: {why}.",
            hint="Name a YAML file with the keys of `judging:` in study.yaml.",
            code="judging-invalid",
        ) from error
    # Read as a part of a study file, so that the same mistakes are said in the same words.
    lines = {("judging", *place): line for place, line in written.lines.items()}
    own = written.data or {}
    data = {"name": "tables", "label_config": "-", "tasks": "-", "judging": own}
    document = Document(path.name, data, lines, written.problems)
    shape, _ = read_shape(document)
    if shape is None or document.problems:
        shown = "\n".join(f"  - {problem}" for problem in document.problems)
        raise OpsError(
            f"{path.name} does not say how judges are measured:\n{shown}",
            hint="Write the keys that stand under `judging:` in study.yaml; study.example.yaml explains them.",
            code="judging-invalid",
        )
    found = judging(shape.judging, path.parent)
    if found.ranking is not None and not found.ranking.is_file():
        raise OpsError(
            f"{path.name} names the ranking {found.ranking}, which is not there.",
            hint="Write its path as seen from the folder of that file.",
            code="judging-invalid",
        )
    return found


def check_judging(
    judging: Judging, *, judges: Collection[str], criteria: Collection[str], systems: Collection[str]
) -> None:
    """How judges are measured is about judges, criteria and systems (where any are known) that there are.

    Raises OpsError ("unknown-judge", "unknown-criterion", "unknown-system").
    """
    judges = {name for judge in judges for name in (judge, base_name(judge))}
    related = [name for names in judging.relatives.values() for name in names]
    found = [
        *(strangers([*each.judges, *each.weights], judges, "judge", "ensembles") for each in judging.ensembles),
        strangers(judging.weights, criteria, "criterion", "weights"),
        strangers(judging.relatives, judges, "judge", "relatives"),
        strangers(related, systems, "system", "relatives") if systems else None,
    ]
    for fault in found:
        if fault is not None:
            message, hint, code = fault
            raise OpsError(message, hint=hint, code=code)


def repeating(table: RatingTable, tasks: Iterable[Task]) -> RatingTable:
    """The table with what its tasks and its own rows say of repeats together."""
    pairs = [(task.id, task.repeat_of) for task in tasks if task.repeat_of is not None]
    pairs += table.repeats.items()
    check_repeats(pairs)
    return replace(table, repeats=dict(pairs))


def check_repeats(pairs: Sequence[tuple[str, str]]) -> None:
    """Raises OpsError where what is said of repeats contradicts itself."""
    faults = repeat_faults(pairs)
    if faults:
        code, sentence = next(iter(faults.values()))
        raise OpsError(
            f"The tables and tasks contradict each other: {sentence}",
            hint="Write in `repeat_of` the id of the item that was given first, the same everywhere.",
            code=code,
        )


def gold_of(path: Path | None) -> dict[str, dict[str, Value]]:
    """Right answers by criterion, then item; empty without a file. Raises as `read_gold` does."""
    answers: dict[str, dict[str, Value]] = {}
    for rating in read_gold(path) if path is not None else ():
        if rating.value is not None:
            answers.setdefault(rating.criterion, {})[rating.item] = rating.value
    return answers


def check_gold(gold: Mapping[str, Mapping[str, Value]], specs: Sequence[CriterionSpec], path: Path | None) -> None:
    """Right answers have to be of criteria that there are, and of the kind that the answers are."""
    unknown = sorted(gold.keys() - {spec.name for spec in specs})
    if unknown:
        raise OpsError(
            f"{path.name if path else 'gold'} has right answers on {', '.join(unknown)}, which is no criterion here.",
            hint=f"The criteria are: {', '.join(spec.name for spec in specs)}.",
            code="gold-criterion",
        )
    for spec in specs:
        if spec.level in (None, Level.NOMINAL):
            continue
        for item, value in gold.get(spec.name, {}).items():
            if not is_finite_number(value):
                raise OpsError(
                    f"{path.name if path else 'gold'} gives {display(value)!r} as the right answer to item {item} on "
                    f"{spec.name}, which is no number, but the level of {spec.name} is {spec.level}.",
                    hint="Write the number that stands for it, or declare the level nominal.",
                    code="gold-values",
                )


def gold_notes(gold: Mapping[str, Mapping[str, Value]], table: RatingTable) -> tuple[str, ...]:
    """How many right answers are of no use, because nobody rated their items."""
    items = set(table.items)
    lost = [item for answers in gold.values() for item in answers if item not in items]
    if not lost:
        return ()
    verb = "answer is" if len(lost) == 1 else "answers are"
    return (f"{len(lost):,} right {verb} of items that are not among the ratings, such as {lost[0]}.",)


def matching(table: RatingTable, name: str, pattern: str) -> tuple[str, ...]:
    """The human raters whose ids fit a group's pattern. Raises OpsError ("unknown-raters")."""
    people = table.people().raters_here()
    raters = tuple(rater for rater in people if fnmatchcase(rater, pattern))
    if not raters:
        raise OpsError(
            f"The group {name} is to be the raters {pattern}, but no human rater's id fits that.",
            hint=f"Write names with * for any letters. The raters are {', '.join(people[:8])}.",
            code="unknown-raters",
        )
    return raters


def check_apart(groups: Mapping[str, Sequence[str]]) -> None:
    """Groups are compared as different people: one group has nothing to be compared with, and nobody is in two."""
    if len(groups) == 1:
        raise OpsError(
            f"There is one group only, {next(iter(groups))}, and nothing to compare it with.",
            hint="Give --group twice or more, as in --group experts=expert_* --group crowd=crowd_*.",
            code="one-group",
        )
    for (one, first), (other, second) in combinations(groups.items(), 2):
        both = sorted(set(first) & set(second))
        if both:
            raise OpsError(
                f"{both[0]} is in the groups {one} and {other}; groups that share annotators cannot be compared.",
                hint="Write patterns that fit each annotator once.",
                code="groups-overlap",
            )
