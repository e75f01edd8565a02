"""Layer 2. From ratings as they are given (tidy files, or a study with its store) to their analysis."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from annotator_ops import __version__
from annotator_ops.errors import OpsError
from annotator_ops.labeling import LabelConfig, criteria_of, parse
from annotator_ops.measures import Rating
from annotator_ops.models import Criterion, Level, Study
from annotator_ops.ratings import read_judges, read_ratings
from annotator_ops.results import Comment, Finding
from annotator_ops.stats.analysis import Analysis, Provenance, analyze
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec, infer
from annotator_ops.stats.reliability import ValueKind, display
from annotator_ops.tables import remarks

_PACKAGES = ("krippendorff", "numpy", "scipy")


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
) -> Analysis:
    """The analysis of tidy tables; criteria in the order in which they first appear.

    `levels` declares the level of measurement by criterion; any other is inferred, and a note says so. Raises OpsError
    for a file that cannot be read, for a level of a criterion that is not there, and for one rater's two different
    values on one item.
    """
    declared = dict(levels or {})
    ratings = _joined([*_read(paths, judges=False), *_read(judges, judges=True)])
    given = _human_values(ratings)
    names = list(dict.fromkeys(rating.criterion for rating in ratings))
    unknown = sorted(declared.keys() - set(names))
    if unknown:
        raise OpsError(
            f"A level is given for {', '.join(unknown)}, but no rating is on a criterion of that name.",
            hint=f"The criteria in the files are: {', '.join(names)}.",
            code="unknown-criterion",
        )
    specs = [_inferred(name, given.get(name, []), level=declared.get(name)) for name in names]
    name = paths[0].stem if paths else "ratings"
    sources = tuple(path.name for path in (*paths, *judges))
    provenance = Provenance(study=name, title=name, created_at=created_at, versions=versions(), sources=sources)
    return analyze(ratings, specs, provenance=provenance, resampling=resampling)


def analysis_of_study(
    study: Study,
    collected: Collected,
    *,
    created_at: datetime,
    resampling: Resampling | None = None,
) -> Analysis:
    """The analysis of a study's collected ratings and of its judges' files, by the criteria that the study declares."""
    config = parse(study.label_config)
    criteria = criteria_of(study)
    judge_files = [judge.path for judge in study.judges]
    numbers = {criterion.name: criterion.values for criterion in criteria}
    given = [*collected.ratings(), *_read(judge_files, judges=True)]
    joined = _joined([_numbered(rating, numbers.get(rating.criterion, {})) for rating in given])
    values = _human_values(joined)
    specs = [_spec(criterion, config, values.get(criterion.name, [])) for criterion in criteria]
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
    return analyze([*joined, *texts], specs, provenance=provenance, resampling=resampling, findings=findings)


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


def _read(paths: Sequence[Path], *, judges: bool) -> list[Rating]:
    return [rating for path in paths for rating in (read_judges(path) if judges else read_ratings(path, "human"))]


def _joined(ratings: Sequence[Rating]) -> list[Rating]:
    """Ratings of several files as one table: what is there twice counts once; two different values are an error."""
    found: dict[tuple[str, str, str, str], Rating] = {}
    for rating in ratings:
        first = found.setdefault((rating.kind, rating.rater, rating.item, rating.criterion), rating)
        if first.value != rating.value:
            place = f"item {rating.item} on {rating.criterion}"
            raise OpsError(
                f"{rating.rater} rated {place} twice: {display(first.value)} ({first.source}) and "
                f"{display(rating.value)} ({rating.source}).",
                hint="Keep one of the two, or give different raters different ids.",
                code="rated-twice",
            )
    return list(found.values())


def _human_values(ratings: Sequence[Rating]) -> dict[str, list[Rating]]:
    """What people said, by criterion, without what is missing."""
    values: dict[str, list[Rating]] = {}
    for rating in ratings:
        if rating.kind == "human" and rating.value is not None:
            values.setdefault(rating.criterion, []).append(rating)
    return values


def _inferred(name: str, given: Sequence[Rating], *, level: Level | None, title: str = "") -> CriterionSpec:
    values = [rating.value for rating in given if rating.value is not None]
    return infer(name, values, level=level, title=title, places=[f"{each.rater} on item {each.item}" for each in given])


def _numbered(rating: Rating, numbers: Mapping[str, float]) -> Rating:
    """Judges may answer in the scale's words; the study file says which number a word stands for."""
    if isinstance(rating.value, str) and rating.value in numbers:
        return replace(rating, value=float(numbers[rating.value]))
    return rating


def _text_spec(name: str, title: str) -> CriterionSpec:
    return CriterionSpec(name, ValueKind.TEXT, None, "Free text: shown, not compared.", title)


def _spec(criterion: Criterion, config: LabelConfig, given: Sequence[Rating]) -> CriterionSpec:
    title = criterion.title or _titled(criterion.name)
    control = config.control(criterion.control)
    if control is not None and control.tag.lower() == "textarea":
        return _text_spec(criterion.name, title)
    if control is not None and control.marks_regions:
        return CriterionSpec(criterion.name, ValueKind.REGIONS, None, "Marked regions: counted, not compared.", title)
    inferred = _inferred(criterion.name, given, level=criterion.level, title=title)
    if criterion.level is Level.NOMINAL:
        return replace(inferred, why="Declared nominal in the study.")
    scale = tuple(sorted(set(criterion.values.values())))
    if not scale and control is not None and control.tag.lower() == "rating" and control.maximum is not None:
        scale = tuple(float(star) for star in range(1, int(control.maximum) + 1))
    why = f"Declared {criterion.level.value} in the study. {inferred.warning}".rstrip()
    return replace(inferred, why=why, scale=scale)


def _titled(name: str) -> str:
    return name.replace("_", " ").capitalize()
