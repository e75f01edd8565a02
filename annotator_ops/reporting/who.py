"""Layer 2. Who, for the report: each annotator beside the others on one criterion, and what deserves a look."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import Figure, estimate


@dataclass(frozen=True, slots=True)
class RaterRow:
    """One annotator or judge in a table."""

    name: str
    n: str
    mean: str
    sd: str
    time: str
    missing: str


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One annotator against the others; `cells` in the order of the table's columns."""

    name: str
    cells: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The table of annotators against the others, and the flags: annotator, sentence, rule."""

    columns: tuple[tuple[str, str], ...] = ()
    rows: tuple[CompareRow, ...] = ()
    flags: tuple[tuple[str, str, str], ...] = ()


def rater_row(rater: JSONDict) -> RaterRow:
    """An annotator's own numbers."""
    return RaterRow(
        name=rater["rater"],
        n=rounding.count(rater["n"]),
        mean=rounding.mean(rater["mean"]) if rater["mean"] is not None else "–",
        sd=rounding.mean(rater["sd"]) if rater["sd"] is not None else "–",
        time=rounding.seconds(rater["median_seconds"]) if rater["median_seconds"] is not None else "–",
        missing=", ".join(
            f"{rounding.count(n)} {rounding.reason_text(reason)}" for reason, n in rater["missing"].items()
        )
        or "–",
    )


def comparison(criterion: JSONDict) -> Comparison:
    """Each annotator against the others; empty where there are not two of them to compare."""
    raters = [rater for rater in criterion["raters"] if rater.get("with_others")]
    if len(raters) < 2:
        return Comparison()
    ordered = criterion["level"] not in (None, "nominal", "circular")
    columns: list[tuple[str, str]] = [
        ("Same answer as others", "the mean share of the others who gave the same answer"),
        ("α with the others", "of this annotator’s pairs with the others"),
    ]
    if len(raters) > 2:
        columns.append(("α without", "of all the others, this annotator left out"))
    if ordered:
        columns.append(("Shift", "mean difference from the others’ mean on the same items"))
        columns.append(("Spread", "standard deviation relative to the others’"))
    columns += [column for column, key in _OPTIONAL if _any(raters, key)]
    rows = []
    for rater in raters:
        found = rater["with_others"]
        cells = [estimate(found["agreement"], as_percent=True), estimate(found["alpha_with_others"])]
        if len(raters) > 2:
            cells.append(estimate(found["alpha_without"]))
        if ordered:
            cells += [estimate(found["bias"], signed=True), estimate(found["spread"])]
        for _, key in _OPTIONAL:
            if _any(raters, key):
                cells.append(_optional(rater, key))
        rows.append(CompareRow(rater["rater"], tuple(cells)))
    flags = tuple((rater["rater"], flag["sentence"], flag["rule"]) for rater in raters for flag in rater["flags"])
    return Comparison(tuple(columns), tuple(rows), flags)


_OPTIONAL = (
    (("Gold found", "share of right answers where the right one is known"), "gold"),
    (("Same again", "share of identical answers to items given twice"), "repeats"),
    (("Competence", "expected share of right answers (Dawid & Skene 1979)"), "competence"),
)


def _optional(rater: JSONDict, key: str) -> Figure:
    found = rater[key]
    return estimate(found if key == "competence" else found and found["same"], as_percent=True)


def _any(raters: list[JSONDict], key: str) -> bool:
    """Whether a column has a number for anybody."""
    found = [rater[key] if key == "competence" else rater[key] and rater[key]["same"] for rater in raters]
    return any(each and each["value"] is not None for each in found)
