"""Layer 2. From ratings as they are given (tidy files, or a study with its store) to their analysis."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from annotator_ops import __version__
from annotator_ops.answers import lengths_of
from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import JudgeFile, Judging, Merging
from annotator_ops.judging.coverage import unrated_notes
from annotator_ops.judging.importing import Scale, check_names, declared_scales, imported, numbered, seen_scale
from annotator_ops.labeling import LabelConfig, criteria_of, parse
from annotator_ops.measures import Rating, Reason, Value
from annotator_ops.models import Criterion, JSONDict, Level, Study
from annotator_ops.ranking_file import read_ranking
from annotator_ops.ratings import once, read_judge_table, read_table
from annotator_ops.reporting.known import (
    check_apart,
    check_gold,
    check_judging,
    check_repeats,
    gold_notes,
    gold_of,
    items_of,
    matching,
    repeating,
)
from annotator_ops.reporting.words import worded
from annotator_ops.results import Comment, Finding
from annotator_ops.stats.analysis import Provenance, analyze
from annotator_ops.stats.context import Context, Position
from annotator_ops.stats.criterion import criterion_data, ratings_on
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec, infer
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.table import RatingTable, joined
from annotator_ops.stats.values import ValueKind
from annotator_ops.tables import remarks
from annotator_ops.wordings import sizes, systems, wordings
from annotator_ops.wordings import sources as sources_of

_PACKAGES = ("krippendorff", "numpy", "scipy")
# So many of the values that are no numbers are named.
_NAMED = 3


# Told what is under way, in which stage, and how far it is (0 to 1).
Progress = Callable[[str, str, float | None], None]


def silent(_subject: str, _message: str, _fraction: float | None) -> None:
    """Progress for nobody."""


class Collected(Protocol):
    """What an analysis needs of a store."""

    def ratings(self) -> Sequence[Rating]: ...

    def judgements(self) -> Sequence[Rating]:
        """What models said that were asked here, their replies read."""
        ...

    def findings(self) -> Sequence[Finding]: ...

    def comments(self) -> Sequence[Comment]: ...


@dataclass(frozen=True, slots=True)
class Tables:
    """Bare files in place of a study, and what the command line says of them.

    `levels` declares the level of measurement by criterion; any other is inferred, and a note says so; `periods` are
    the circumferences of circular ones. `gold` holds right answers, `items` tasks with their texts. `groups` gives each
    group's name the pattern of its raters' ids. `judging` says how judges are measured, `turns` how their scores of
    single turns become one. `scales` are the lowest and highest score by criterion: a judge's score off it is missing.
    """

    ratings: tuple[Path, ...]
    judges: tuple[Path, ...] = ()
    levels: Mapping[str, Level] = field(default_factory=dict)
    periods: Mapping[str, float] = field(default_factory=dict)
    gold: Path | None = None
    items: Path | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    judging: Judging = field(default_factory=Judging)
    turns: Merging | None = None
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.ratings[0].stem if self.ratings else "ratings"

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        others = (self.gold, self.items, self.judging.ranking)
        return (*self.ratings, *self.judges, *(path for path in others if path is not None))


@dataclass(frozen=True, slots=True)
class Material:
    """All that an analysis is made of; who rated what, how each criterion is to be taken, what else is known."""

    table: RatingTable
    specs: tuple[CriterionSpec, ...]
    context: Context
    provenance: Provenance
    findings: tuple[JSONDict, ...] = ()
    notes: tuple[str, ...] = ()

    def analysis(self, *, resampling: Resampling | None = None, progress: Progress = silent) -> JSONDict:
        """The analysis of all criteria as plain JSON, each with its verdict in words."""
        done = iter(range(len(self.specs) + 2))
        found = analyze(
            self.table,
            self.specs,
            provenance=self.provenance,
            context=self.context,
            resampling=resampling,
            findings=self.findings,
            progress=lambda title: progress("analysis", title, next(done) / (len(self.specs) + 1)),
        )
        plain = worded(found.as_json())
        plain["notes"] += self.notes
        return plain

    def reliability(self, spec: CriterionSpec) -> ReliabilityData | Reason:
        """The people's ratings on one criterion, repeats left out; or why they are no reliability data."""
        table = ratings_on(self.table, spec).people()
        return criterion_data(table.where(table.is_original), spec)


def material_of_files(tables: Tables, *, created_at: datetime, progress: Progress = silent) -> Material:
    """Tidy tables as material; criteria in the order in which they first appear.

    Raises OpsError for a file that cannot be read, for a level of a criterion or a group of raters that is not there,
    and for one rater's two different values on one item.
    """
    files = [JudgeFile(path, tables.turns) for path in tables.judges]
    people, given = _read(tables.ratings, files, progress)
    people = once(people)
    table, positions, notes = _judged(people, given, _seen_scales(people, given, tables))
    names = list(table.criteria)
    for what, declared in (("level", tables.levels), ("scale", tables.scales)):
        unknown = sorted(declared.keys() - set(names))
        if unknown:
            raise OpsError(
                f"A {what} is given for {', '.join(unknown)}, but no rating is on a criterion of that name.",
                hint=f"The criteria in the files are: {', '.join(names)}.",
                code="unknown-criterion",
            )
    tasks = items_of(tables.items) if tables.items is not None else ()
    made = systems(tasks)
    check_judging(tables.judging, judges=table.models().raters_here(), criteria=names, systems=set(made.values()))
    if tables.ratings:
        notes += unrated_notes(table, tasks={task.id for task in tasks})
    table = repeating(table, tasks) if tasks else table
    specs = tuple(
        replace(_inferred(name, table, level=tables.levels.get(name)), period=tables.periods.get(name))
        for name in names
    )
    groups = {name: matching(table, name, pattern) for name, pattern in tables.groups.items()}
    check_apart(groups)
    sources = tuple(path.name for path in tables.files)
    provenance = Provenance(tables.name, tables.name, created_at, versions(), sources=sources)
    gold = gold_of(tables.gold)
    check_gold(gold, specs, tables.gold)
    context = Context(
        texts=wordings(tasks),
        gold=gold,
        groups=groups,
        systems=made,
        sources=sources_of(tasks),
        sizes=sizes(tasks),
        positions=positions,
        judging=tables.judging,
        outside=read_ranking(tables.judging.ranking) if tables.judging.ranking else {},
    )
    return Material(table, specs, context, provenance, notes=(*notes, *gold_notes(gold, table)))


def material_of_study(
    study: Study, collected: Collected, *, created_at: datetime, progress: Progress = silent
) -> Material:
    """A study's collected ratings with its judges' files, by the criteria that the study declares."""
    config = parse(study.label_config)
    criteria = criteria_of(study)
    numbers = {criterion.name: criterion.values for criterion in criteria}
    _, given = _read((), study.judges, progress)
    given.append((RatingTable.from_ratings(collected.judgements()), None))
    people = RatingTable.from_ratings(collected.ratings())
    people = once(people.with_values(lambda name, value: numbered(value, numbers.get(name, {}))))
    specs = [_spec(criterion, config, people) for criterion in criteria]
    scales = declared_scales(study, config, specs)
    names = [annotator.id for annotator in study.annotators]
    items = {task.id for task in study.tasks}
    table, positions, notes = _judged(people, given, scales, names=names, items=items)
    texts = remarks(collected.comments(), taken={spec.name for spec in specs})
    specs += [_remarks_spec(name) for name in dict.fromkeys(text.criterion for text in texts)]
    table = repeating(joined([table, RatingTable.from_ratings(texts)]), study.tasks)
    gold = {
        name: {item: numbered(value, numbers.get(name, {})) for item, value in answers.items()}
        for name, answers in gold_of(study.gold).items()
    }
    check_gold(gold, specs, study.gold)
    lengths = {
        criterion.name: lengths_of(control, config, study.tasks)
        for criterion in criteria
        if (control := config.control(criterion.control)) is not None and control.marks_regions
    }
    groups: dict[str, tuple[str, ...]] = {}
    for annotator in study.annotators:
        if annotator.attributes.get("group"):
            name = annotator.attributes["group"]
            groups[name] = (*groups.get(name, ()), annotator.id)
    files = [*(judge.path for judge in study.judges), *([study.gold] if study.gold else [])]
    provenance = Provenance(
        study=study.name,
        title=study.title,
        created_at=created_at,
        versions=versions(),
        simulated=study.simulated,
        sources=tuple(path.name for path in files),
    )
    findings = tuple(
        {"annotator": found.annotator, "item": found.item, "code": found.code, "message": found.message}
        for found in collected.findings()
    )
    context = Context(
        texts=wordings(study.tasks, config.inputs),
        lengths=lengths,
        gold=gold,
        groups=groups,
        systems=systems(study.tasks),
        sources=sources_of(study.tasks),
        sizes=sizes(study.tasks, config.inputs),
        positions=positions,
        judging=study.judging,
        outside=read_ranking(study.judging.ranking) if study.judging.ranking else {},
    )
    return Material(table, tuple(specs), context, provenance, findings, (*notes, *gold_notes(gold, table)))


def judges_notes(study: Study) -> tuple[str, ...]:
    """What of a study's judges' files will not count, and why; nothing need have been collected.

    Raises OpsError as `material_of_study` does.
    """
    config = parse(study.label_config)
    nothing = RatingTable.from_ratings(())
    scales = declared_scales(study, config, [_spec(each, config, nothing) for each in criteria_of(study)])
    _, given = _read((), study.judges, silent)
    return imported(given, scales, items={task.id for task in study.tasks}).notes


def nothing_collected(study: Study) -> OpsError:
    """Why there is nothing to analyse: an empty report must not take the place of an earlier one."""
    return OpsError(
        f"Nothing has been collected for {study.name} yet, so there is nothing to analyse.",
        hint="Run `ops collect` first; `ops status` shows how far the annotators are.",
        code="nothing-collected",
    )


def versions() -> dict[str, str]:
    """The versions of what the numbers depend on."""
    packages = {name: version(name) for name in _PACKAGES}
    return {"annotator-ops": __version__, "python": platform.python_version(), **packages}


_Given = list[tuple[RatingTable, Merging | None]]


def _read(paths: Sequence[Path], judges: Sequence[JudgeFile], progress: Progress) -> tuple[RatingTable, _Given]:
    """What the tables hold, and what each judges' file holds, with how its turns are merged."""

    def of(path: Path) -> Callable[[float], None]:
        return lambda share: progress(path.name, "reading", share)

    tables = [read_table(path, "human", progress=of(path)) for path in paths]
    given = [(read_judge_table(judge.path, progress=of(judge.path)), judge.turns) for judge in judges]
    check_repeats([pair for table in (*tables, *(table for table, _ in given)) for pair in table.repeats.items()])
    return joined(tables), given


def _judged(
    people: RatingTable,
    given: _Given,
    scales: Mapping[str, Scale],
    *,
    names: Sequence[str] = (),
    items: Collection[str] | None = None,
) -> tuple[RatingTable, Mapping[str, Mapping[str, Position]], tuple[str, ...]]:
    """People's ratings with the judges' scores behind them; the judges' positions in pairs, and notes.

    `names` are annotators who may have rated nothing yet; `items` those that there are, None where nobody says.
    """
    among = people.models()
    given = [(table, how) for table, how in ((among, None), *given) if len(table)]
    if not given:
        return people, {}, ()
    persons = people.people()
    known = {*names, *persons.raters_here()}
    check_names([name for table, _ in given for name in table.raters_here()], known)
    found = imported(given, scales, items=items)
    check_names(found.table.raters_here(), known)
    return joined([persons, once(found.table)]), found.positions, found.notes


def _seen_scales(people: RatingTable, given: _Given, said: Tables) -> dict[str, Scale]:
    """By the values that are there and what the command line says, for criteria that no study declares."""
    if not given:
        return {}
    persons = people.people()
    tables = [people.models(), *(table for table, _ in given)]
    return {
        name: seen_scale(
            name,
            persons.of(name).values_here(),
            [value for each in tables for value in each.of(name).values_here()],
            ends=said.scales.get(name),
            nominal=said.levels.get(name) is Level.NOMINAL,
        )
        for name in dict.fromkeys(name for each in (people, *tables) for name in each.criteria)
    }


def _inferred(name: str, table: RatingTable, *, level: Level | None, title: str = "") -> CriterionSpec:
    """The spec of a criterion from what people said."""
    people = table.of(name).people()
    people = people.where(people.rated)
    codes, counts = np.unique(people.value, return_counts=True)
    values = [people.values[code] for code in codes]
    odd = [code for code, value in zip(codes, values, strict=True) if not isinstance(value, (int, float))]
    rows = people.where(np.flatnonzero(np.isin(people.value, odd))[:_NAMED]).ratings() if odd else []
    places = [(row.value, f"{row.rater} on item {row.item}") for row in rows if row.value is not None]
    return infer(name, values, counts=counts.tolist(), level=level, title=title, places=places)


def _text_spec(name: str, title: str) -> CriterionSpec:
    return CriterionSpec(name, ValueKind.TEXT, None, "Free text: compared by wording.", title)


def _remarks_spec(name: str) -> CriterionSpec:
    why = "Remarks in words: shown, not compared."
    return CriterionSpec(name, ValueKind.TEXT, None, why, _titled(name), compared=False)


def _spec(criterion: Criterion, config: LabelConfig, table: RatingTable) -> CriterionSpec:
    title = criterion.title or _titled(criterion.name)
    control = config.control(criterion.control)
    if control is not None and control.tag == "TextArea":
        return _text_spec(criterion.name, title)
    if control is not None and control.ranks:
        why = "Rankings: compared by their orders."
        return CriterionSpec(criterion.name, ValueKind.RANKINGS, None, why, title)
    if control is not None and control.marks_regions:
        why = "Marked regions: compared by where they are and by their labels."
        return CriterionSpec(criterion.name, ValueKind.REGIONS, None, why, title)
    inferred = _inferred(criterion.name, table, level=criterion.level, title=title)
    why = f"Declared {criterion.level.value} in the study. {inferred.warning}".rstrip()
    scale = tuple(sorted(set(criterion.values.values())))
    labels: tuple[str, ...] = ()
    if control is not None and not scale:
        if control.tag == "Rating" and control.maximum is not None:
            scale = tuple(float(star) for star in range(1, int(control.maximum) + 1))
        elif not (control.dynamic or control.multiple):
            labels = control.labels
    taxonomy = control is not None and control.tag == "Taxonomy"
    sides: tuple[Value, Value] | None = None
    if control is not None and control.tag == "Pairwise":
        numbers = criterion.values
        sides = (numbers["left"], numbers["right"]) if {"left", "right"} <= numbers.keys() else ("left", "right")
    known = replace(inferred, why=why, scale=scale, labels=labels, taxonomy=taxonomy)
    return replace(known, sides=sides, period=criterion.period)


def _titled(name: str) -> str:
    return name.replace("_", " ").capitalize()
