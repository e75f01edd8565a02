"""Layer 2. An analysis (plain JSON) as the report page needs it: words, rounded numbers and rows, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from annotator_ops.models import JSONDict
from annotator_ops.reporting import names, rounding
from annotator_ops.reporting.figures import Figure, estimate
from annotator_ops.reporting.judge_details import is_nominal, name_of
from annotator_ops.reporting.judges import Judged, judged
from annotator_ops.reporting.leaderboard import Board, board
from annotator_ops.reporting.what import (
    CategoryRow,
    ConfusionRow,
    ItemRow,
    MarkPairRow,
    categories,
    confusions,
    items,
    mark_pairs,
    sides,
)
from annotator_ops.reporting.who import Comparison, RaterRow, comparison, rater_row
from annotator_ops.stats.values import ValueKind

_WIDEST_MATRIX = 14
_MOST_FINDINGS = 3
_MOST_ITEMS = 20


@dataclass(frozen=True, slots=True)
class CoefficientRow:
    """One coefficient beside alpha: its name, a few words, the estimate and its standard error."""

    name: str
    remark: str
    figure: Figure
    error: str


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two annotators; `cells` in the order of the section's `pair_columns`."""

    first: str
    second: str
    n: str
    cells: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One criterion. `matrix` has one row per annotator: a Figure, or None on the diagonal."""

    anchor: str
    title: str
    name: str
    level: str
    level_reason: str
    compared: bool
    counts: str
    derived: str
    alpha: Figure
    verdict: str
    sources: tuple[str, ...]
    agreement: Figure
    coefficients: tuple[CoefficientRow, ...]
    lead_judge: tuple[str, Figure] | None
    one_annotator: str
    distribution: Mapping[str, Any] | None
    ordered: bool
    chart_text: str
    values: tuple[tuple[str, str, str], ...]
    others: str
    pair_columns: tuple[str, ...]
    pairs: tuple[PairRow, ...]
    mark_pairs: tuple[MarkPairRow, ...]
    matrix: tuple[tuple[str, tuple[Figure | None, ...]], ...]
    comparison: Comparison
    confusions: tuple[ConfusionRow, ...]
    category_columns: tuple[str, ...]
    categories: tuple[CategoryRow, ...]
    items: tuple[ItemRow, ...]
    groups: tuple[tuple[str, str, Figure], ...]
    group_sentences: tuple[str, ...]
    sides: str
    raters: tuple[RaterRow, ...]
    has_times: bool
    has_missing: bool
    judged: Judged | None
    regions: tuple[tuple[str, str], ...]
    texts: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report."""

    title: str
    study: str
    date: str
    simulated: bool
    lead: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    differences: tuple[tuple[str, str, Figure], ...]
    leaderboard: Board | None
    has_judges: bool
    missing: tuple[tuple[str, str, str], ...]
    judges_missing: tuple[tuple[str, str, str], ...]
    findings: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    seed: str
    resamples: str
    confidence: str
    versions: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    inputs_hash: str
    levels: tuple[str, ...]


def page(analysis: JSONDict) -> Page:
    """Everything the report shows, from the analysis alone."""
    criteria = list(analysis["criteria"])
    overall = [analysis["overall"]] if analysis["overall"] else []
    sections = tuple(_section(criterion, number) for number, criterion in enumerate(criteria + overall, start=1))
    created = datetime.fromisoformat(analysis["created_at"])
    return Page(
        title=analysis["title"],
        study=analysis["study"],
        date=rounding.day(created),
        simulated=analysis["simulated"],
        lead=_lead(analysis),
        facts=_facts(analysis),
        sections=sections,
        differences=_differences(analysis),
        leaderboard=board(analysis),
        has_judges=bool(analysis["data"]["judges"]),
        missing=_missing([found for found in criteria if found["kind"] != ValueKind.TEXT.value], "raters"),
        judges_missing=_missing(criteria, "judges"),
        findings=_findings(analysis["findings"]),
        notes=tuple(analysis["notes"]),
        seed=str(analysis["seed"]),
        resamples=rounding.count(analysis["resamples"]),
        confidence=f"{100 * analysis['confidence']:g}%",
        versions=tuple(analysis["versions"].items()),
        sources=tuple(analysis["sources"]),
        inputs_hash=analysis["inputs_hash"],
        levels=tuple(sorted({criterion["level"] for criterion in criteria if criterion["level"]})),
    )


def _differences(analysis: JSONDict) -> tuple[tuple[str, str, Figure], ...]:
    """Two criteria each, with the difference of their alphas."""
    title = {criterion["name"]: criterion["title"] for criterion in analysis["criteria"]}
    return tuple(
        (title[one], title[other], estimate(each["alpha_difference"], signed=True))
        for each in analysis["differences"]
        for one, other in [each["criteria"]]
    )


def _lead(analysis: JSONDict) -> str:
    data = analysis["data"]
    criteria = [criterion for criterion in analysis["criteria"] if criterion["kind"] != ValueKind.TEXT.value]
    people = rounding.counted(len(data["annotators"]), "annotator")
    items = rounding.number_of(data["n_items"], "item")
    text = f"{people[:1].upper()}{people[1:]} rated {items}"
    if criteria:
        text += f" on {rounding.counted(len(criteria), 'criterion', 'criteria')}"
    text += f", giving {rounding.number_of(data['n_ratings'], 'rating')}"
    if data["first"]:
        first, last = (rounding.day(datetime.fromisoformat(data[key])) for key in ("first", "last"))
        text += f" on {first}" if first == last else f" between {first} and {last}"
    text += "."
    if data["n_missing"]:
        verb, they = ("has", "it counts") if data["n_missing"] == 1 else ("have", "they count")
        text += f" {rounding.count(data['n_missing'])} more {verb} no value; {they} as missing, never as a value."
    if data["judges"]:
        judges = rounding.counted(len(data["judges"]), "model judge")
        scores = rounding.number_of(data["n_judge_ratings"], "score")
        text += f" {judges[:1].upper()}{judges[1:]} gave {scores}."
    return text


def _facts(analysis: JSONDict) -> tuple[tuple[str, str], ...]:
    data = analysis["data"]
    facts = [
        ("Annotators", rounding.count(len(data["annotators"]))),
        ("Items", rounding.count(data["n_items"])),
        ("Ratings", rounding.count(data["n_ratings"])),
        ("Missing", rounding.count(data["n_missing"])),
    ]
    if data["judges"]:
        facts.append(("Model judges", rounding.count(len(data["judges"]))))
    return tuple(facts)


def _section(criterion: JSONDict, number: int) -> Section:
    alpha = criterion["agreement"]["krippendorff_alpha"]
    found = criterion["distribution"]
    columns = _pair_columns(criterion)
    category_columns, category_rows = categories(criterion)
    return Section(
        anchor=f"criterion-{number}",
        title=criterion["title"],
        name=criterion["name"],
        level=criterion["level"] or criterion["kind"],
        level_reason=criterion["level_reason"],
        compared=criterion["level"] is not None,
        counts=_counts(criterion),
        derived=criterion["derived"]["how"] if criterion["derived"] else "",
        alpha=estimate(alpha),
        verdict=criterion["verdict"]["sentence"],
        sources=tuple(criterion["verdict"]["sources"]),
        coefficients=_coefficients(criterion),
        agreement=estimate(criterion["agreement"]["percent_agreement"], as_percent=True),
        lead_judge=_lead_judge(criterion),
        one_annotator=_one_annotator(criterion),
        distribution=found,
        ordered=criterion["level"] not in (None, "nominal", "circular"),
        chart_text=_chart_text(criterion),
        values=_values(found) if found else (),
        others=_others(found) if found else "",
        pair_columns=tuple(title for _, title in columns),
        pairs=tuple(_pair(pair, columns) for pair in criterion["pairs"]),
        mark_pairs=mark_pairs(criterion),
        matrix=_matrix(criterion),
        comparison=comparison(criterion),
        confusions=confusions(criterion),
        category_columns=category_columns,
        categories=category_rows,
        items=items(criterion),
        groups=tuple(
            (group["name"], ", ".join(group["raters"]), estimate(group["krippendorff_alpha"]))
            for group in criterion["groups"]
        ),
        group_sentences=tuple(each["sentence"] for each in criterion["comparisons"]),
        sides=sides(criterion["sides"]),
        raters=tuple(rater_row(rater) for rater in criterion["raters"]),
        has_times=any(rater["median_seconds"] is not None for rater in criterion["raters"]),
        has_missing=any(rater["missing"] for rater in criterion["raters"]),
        judged=judged(criterion),
        regions=tuple((label, rounding.count(n)) for label, n in criterion.get("regions", {}).items()),
        texts=tuple((text["rater"], text["item"], text["text"]) for text in criterion.get("texts", [])),
    )


def _lead_judge(criterion: JSONDict) -> tuple[str, Figure] | None:
    """The mean over all judges, or the only judge, with its ρ with people; None for categories."""
    judges = [] if is_nominal(criterion) else criterion["judges"]
    found = criterion["ensembles"] if len(judges) > 1 else judges
    return (name_of(found[0]), estimate(found[0]["spearman"])) if found else None


def _one_annotator(criterion: JSONDict) -> str:
    """The ρ that a judge's is to be seen beside: of one annotator with the others; empty where there is none."""
    mean = (criterion["human_ceiling"] or {}).get("mean")
    return estimate(mean["spearman"]).value if mean and mean["spearman"]["value"] is not None else ""


def _coefficients(criterion: JSONDict) -> tuple[CoefficientRow, ...]:
    rows = []
    for name in names.others(criterion["agreement"]):
        found = criterion["agreement"][name]
        error = found["standard_error"]
        figure = estimate(found)
        rows.append(CoefficientRow(names.title(name), names.remark(name), figure, f"{error:.3f}" if error else "–"))
    return tuple(rows)


def _counts(criterion: JSONDict) -> str:
    what = "text" if criterion["kind"] == ValueKind.TEXT.value else "rating"
    parts = ((criterion["n_ratings"], what), (criterion["n_items"], "item"))
    ratings, items = (rounding.number_of(n, noun) for n, noun in parts)
    return f"{ratings} on {items} by {rounding.counted(criterion['n_raters'], 'annotator')}"


def bins(distribution: Mapping[str, Any]) -> list[str]:
    """What each bar of a distribution stands for."""
    if distribution["kind"] == "values":
        return [rounding.value_text(value) for value in distribution["values"]]
    edges = distribution["edges"]
    return [f"{rounding.number(low)} – {rounding.number(high)}" for low, high in pairwise(edges)]


def _values(distribution: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    others = distribution["others"]
    total = sum(distribution["counts"]) + others["ratings"]
    named = list(zip(bins(distribution), distribution["counts"], strict=True))
    return tuple((name, rounding.count(n), rounding.percent(n / total)) for name, n in named)


def _others(distribution: Mapping[str, Any]) -> str:
    """What is said of the labels that are not listed, because there are too many."""
    values, ratings = distribution["others"]["values"], distribution["others"]["ratings"]
    if not values:
        return ""
    labels, given = rounding.number_of(values, "more label"), rounding.number_of(ratings, "time")
    return f"{labels}, given {given} in all, are not listed."


def _chart_text(criterion: JSONDict) -> str:
    if not criterion["distribution"]:
        return ""
    parts = "; ".join(f"{name}: {share}" for name, _, share in _values(criterion["distribution"]))
    return f"Distribution of {criterion['title']} over all annotators. {parts}."


def _pair_columns(criterion: JSONDict) -> list[tuple[str, str]]:
    numeric = criterion["level"] not in (None, "nominal", "circular")
    kappa = "Cohen’s κ, quadratic" if numeric else "Cohen’s κ"
    columns = [("percent_agreement", "Agreement"), ("krippendorff_alpha", "Krippendorff’s α"), ("cohen_kappa", kappa)]
    return [*columns, ("spearman", "Spearman’s ρ")] if numeric else columns


def _pair(pair: JSONDict, columns: list[tuple[str, str]]) -> PairRow:
    cells = tuple(estimate(pair.get(key), as_percent=key == "percent_agreement") for key, _ in columns)
    return PairRow(pair["raters"][0], pair["raters"][1], rounding.count(pair["n_items"]), cells)


def _matrix(criterion: JSONDict) -> tuple[tuple[str, tuple[Figure | None, ...]], ...]:
    raters = [rater["rater"] for rater in criterion["raters"]]
    found = {tuple(pair["raters"]): estimate(pair["krippendorff_alpha"]) for pair in criterion["pairs"]}
    if not found or len(raters) < 3 or len(raters) > _WIDEST_MATRIX:
        return ()
    return tuple((row, tuple(found.get((row, other)) or found.get((other, row)) for other in raters)) for row in raters)


def _missing(criteria: list[JSONDict], who: str) -> tuple[tuple[str, str, str], ...]:
    """Who lacks what: one of the "raters" or "judges", the reason, and how many values on which criteria."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for criterion in criteria:
        for rater in criterion[who]:
            for reason, n in rater["missing"].items():
                found.setdefault((rater["rater"], reason), {})[criterion["title"]] = n
    return tuple(
        (rater, rounding.reason_text(reason), _where(n, len(criteria))) for (rater, reason), n in found.items()
    )


def _where(by_criterion: Mapping[str, int], n_criteria: int) -> str:
    counts = set(by_criterion.values())
    if len(by_criterion) == n_criteria > 1 and len(counts) == 1:
        return f"{rounding.count(counts.pop())} on every criterion"
    return ", ".join(f"{rounding.count(n)} on {title}" for title, n in by_criterion.items())


def _findings(findings: Sequence[JSONDict]) -> tuple[tuple[str, str], ...]:
    """Annotator and finding, its item named; where one annotator has many of a kind, they are one row."""
    groups: dict[tuple[str, str], list[JSONDict]] = {}
    for finding in findings:
        groups.setdefault((finding["annotator"], finding["code"]), []).append(finding)
    rows: list[tuple[str, str]] = []
    for (annotator, code), group in groups.items():
        if len(group) <= _MOST_FINDINGS:
            rows += [(annotator, _finding(finding)) for finding in group]
            continue
        items = [finding["item"] for finding in group if finding["item"] is not None]
        named = ", ".join(items[:_MOST_ITEMS])
        more = f" and {rounding.count(len(items) - _MOST_ITEMS)} more" if len(items) > _MOST_ITEMS else ""
        rows.append((annotator, f"{rounding.count(len(group))} times “{rounding.reason_text(code)}”: {named}{more}"))
    return tuple(rows)


def _finding(finding: JSONDict) -> str:
    return finding["message"] if finding["item"] is None else f"Item {finding['item']}: {finding['message']}"
