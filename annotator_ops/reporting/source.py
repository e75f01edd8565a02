"""Layer 2. From ratings as they are given (tidy files, or a study with its store) to their analysis."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from annotator_ops import __version__
from annotator_ops.errors import OpsError
from annotator_ops.labeling import LabelConfig, criteria_of, parse
from annotator_ops.measures import Rating, Value
from annotator_ops.models import Criterion, Level, Study
from annotator_ops.ratings import read_judge_table, read_table
from annotator_ops.results import Comment, Finding
from annotator_ops.stats.analysis import Analysis, Provenance, analyze
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec, infer
from annotator_ops.stats.table import RatingTable, joined
from annotator_ops.stats.values import ValueKind, display
from annotator_ops.tables import remarks

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

    def findings(self) -> Sequence[Finding]: ...

    def comments(self) -> Sequence[Comment]: ...


def analysis_of_files(
    paths: Sequence[Path],
    *,
    judges: Sequence[Path] = (),
    levels: Mapping[str, Level] | None = None,
    created_at: datetime,
    resampling: Resampling | None = None,
    progress: Progress = silent,
) -> Analysis:
    """The analysis of tidy tables; criteria in the order in which they first appear.

    `levels` declares the level of measurement by criterion; any other is inferred, and a note says so. Raises OpsError
    for a file that cannot be read, for a level of a criterion that is not there, and for one rater's two different
    values on one item.
    """
    declared = dict(levels or {})
    table = _once(_read(paths, judges, progress))
    names = list(table.criteria)
    unknown = sorted(declared.keys() - set(names))
    if unknown:
        raise OpsError(
            f"A level is given for {', '.join(unknown)}, but no rating is on a criterion of that name.",
            hint=f"The criteria in the files are: {', '.join(names)}.",
            code="unknown-criterion",
        )
    specs = [_inferred(name, table, level=declared.get(name)) for name in names]
    name = paths[0].stem if paths else "ratings"
    sources = tuple(path.name for path in (*paths, *judges))
    provenance = Provenance(study=name, title=name, created_at=created_at, versions=versions(), sources=sources)
    return analyze(table, specs, provenance=provenance, resampling=resampling, progress=_stages(specs, progress))


def analysis_of_study(
    study: Study,
    collected: Collected,
    *,
    created_at: datetime,
    resampling: Resampling | None = None,
    progress: Progress = silent,
) -> Analysis:
    """The analysis of a study's collected ratings and of its judges' files, by the criteria that the study declares."""
    config = parse(study.label_config)
    criteria = criteria_of(study)
    judge_files = [judge.path for judge in study.judges]
    numbers = {criterion.name: criterion.values for criterion in criteria}
    table = joined([RatingTable.from_ratings(collected.ratings()), _read((), judge_files, progress)])
    # Judges may answer in the scale's words; the study file says which number a word stands for.
    table = _once(table.with_values(lambda name, value: _numbered(value, numbers.get(name, {}))))
    specs = [_spec(criterion, config, table) for criterion in criteria]
    texts = remarks(collected.comments(), taken={spec.name for spec in specs})
    specs += [_text_spec(name, _titled(name)) for name in dict.fromkeys(text.criterion for text in texts)]
    provenance = Provenance(
        study=study.name,
        title=study.title,
        created_at=created_at,
        versions=versions(),
        simulated=study.simulated,
        sources=tuple(path.name for path in judge_files),
    )
    findings = [
        {"annotator": found.annotator, "item": found.item, "code": found.code, "message": found.message}
        for found in collected.findings()
    ]
    table = joined([table, RatingTable.from_ratings(texts)])
    return analyze(
        table, specs, provenance=provenance, resampling=resampling, findings=findings, progress=_stages(specs, progress)
    )


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


def _read(paths: Sequence[Path], judges: Sequence[Path], progress: Progress) -> RatingTable:
    def of(path: Path) -> Callable[[float], None]:
        return lambda share: progress(path.name, "reading", share)

    tables = [read_table(path, "human", progress=of(path)) for path in paths]
    return joined([*tables, *(read_judge_table(path, progress=of(path)) for path in judges)])


def _stages(specs: Sequence[CriterionSpec], progress: Progress) -> Callable[[str], None]:
    done = iter(range(len(specs) + 1))
    return lambda title: progress("analysis", title, next(done) / max(len(specs), 1))


def _once(table: RatingTable) -> RatingTable:
    """The table with what is there twice counted once; two different values of one rater on one item are an error."""
    key = (table.judge * len(table.raters) + table.rater.astype(np.int64)) * len(table.items) + table.item
    key = key * len(table.criteria) + table.criterion
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    if len(first) == len(table):
        return table
    other = np.flatnonzero(table.value != table.value[first[group]])
    if len(other):
        one, two = table.where(np.array([first[group[other[0]]], other[0]])).ratings()
        raise OpsError(
            f"{two.rater} rated item {two.item} on {two.criterion} twice: {display(one.value)} ({one.source}) and "
            f"{display(two.value)} ({two.source}).",
            hint="Keep one of the two, or give different raters different ids.",
            code="rated-twice",
        )
    return table.where(np.sort(first))


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


def _numbered(value: Value, numbers: Mapping[str, float]) -> Value:
    return float(numbers[value]) if isinstance(value, str) and value in numbers else value


def _text_spec(name: str, title: str) -> CriterionSpec:
    return CriterionSpec(name, ValueKind.TEXT, None, "Free text: shown, not compared.", title)


def _spec(criterion: Criterion, config: LabelConfig, table: RatingTable) -> CriterionSpec:
    title = criterion.title or _titled(criterion.name)
    control = config.control(criterion.control)
    if control is not None and control.tag.lower() == "textarea":
        return _text_spec(criterion.name, title)
    if control is not None and control.marks_regions:
        return CriterionSpec(criterion.name, ValueKind.REGIONS, None, "Marked regions: counted, not compared.", title)
    inferred = _inferred(criterion.name, table, level=criterion.level, title=title)
    if criterion.level is Level.NOMINAL:
        return replace(inferred, why="Declared nominal in the study.")
    scale = tuple(sorted(set(criterion.values.values())))
    if not scale and control is not None and control.tag.lower() == "rating" and control.maximum is not None:
        scale = tuple(float(star) for star in range(1, int(control.maximum) + 1))
    why = f"Declared {criterion.level.value} in the study. {inferred.warning}".rstrip()
    return replace(inferred, why=why, scale=scale)


def _titled(name: str) -> str:
    return name.replace("_", " ").capitalize()
