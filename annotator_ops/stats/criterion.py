"""Layer 2. Everything that is computed of one criterion, as plain JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from annotator_ops.measures import Estimate, Reason, Value
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats import describe
from annotator_ops.stats.agreement.joint import Meetings
from annotator_ops.stats.agreement.light import fleiss_kappa_per_category
from annotator_ops.stats.agreement.pairs import pairwise
from annotator_ops.stats.agreement.sets import SetDistance, distance_matrix
from annotator_ops.stats.categories import category_agreement
from annotator_ops.stats.coefficients import coefficients
from annotator_ops.stats.context import Context
from annotator_ops.stats.groups import group_entries
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.items import item_disagreement
from annotator_ops.stats.judges.entries import judge_entries
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.people import Observed, people_entries
from annotator_ops.stats.preferences import preference_shares
from annotator_ops.stats.reliability import ReliabilityData, reliability_data, twice_in
from annotator_ops.stats.structured import Agreement, ranking_agreement, region_agreement, set_agreement, text_agreement
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import MISSING, FloatArray, ValueKind, as_label_set

# So many of the most disagreed items are listed; all are in the table that `ops consensus` writes.
_MOST_ITEMS = 200
_MOST_CONFUSIONS = 20
# More cells of raters × items than this are not held in memory: no rater then has a row of their own.
_MOST_CELLS = 40_000_000
# With more annotators than this there are thousands of pairs, and nobody reads them.
_MOST_PAIRED = 60
# Each answer to an item is compared with each other one, which takes milliseconds an item.
_MOST_ANSWERS = 50_000
_STRUCTURED = (ValueKind.REGIONS, ValueKind.TEXT, ValueKind.RANKINGS)


def criterion_entry(table: RatingTable, spec: CriterionSpec, resampling: Resampling, context: Context) -> JSONDict:
    """The entry of one criterion in an analysis, from all ratings on it as `ratings_on` gives them.

    Items that repeat another count for the consistency of annotators only.
    """
    first = table.where(table.is_original)
    humans, judges = first.people(), first.models()
    summaries = describe.rater_summaries(humans)
    rated = humans.where(humans.rated)
    entry: JSONDict = {
        "name": spec.name,
        "title": spec.title or spec.name,
        "kind": spec.kind.value,
        "level": spec.level.value if spec.level else None,
        "level_reason": spec.why,
        "level_warning": spec.warning or None,
        "scale": list(spec.scale),
        "n_items": rated.n_items,
        "n_raters": rated.n_raters,
        "n_ratings": len(rated),
        "distribution": None,
        "judges_distribution": None,
        "missing": describe.missing_by_reason(summaries),
        "agreement": {},
        "by_label": {},
        "categories": [],
        "confusions": [],
        "pairs": [],
        "mark_pairs": [],
        "raters": [summary.as_json() for summary in summaries],
        "items": [],
        "groups": [],
        "comparisons": [],
        "derived": None,
        "sides": None,
    }
    if spec.kind is ValueKind.TEXT:
        entry["texts"] = describe.texts(humans.ratings())
    elif spec.kind is ValueKind.REGIONS:
        entry["regions"] = describe.region_counts(humans.ratings())
    else:
        found, from_judges = (describe.distribution(own, scale=spec.scale) for own in (humans, judges))
        entry["distribution"] = found.as_json() if found else None
        entry["judges_distribution"] = from_judges.as_json() if from_judges else None
    if spec.kind in _STRUCTURED or spec.level is None:
        _add_structured(entry, humans, spec, resampling, context)
    else:
        _add_agreement(entry, table.people(), spec, resampling, context)
    if spec.sides is not None:
        sides = preference_shares(humans.ratings(), left=spec.sides[0], right=spec.sides[1])
        entry["sides"] = None if isinstance(sides, Reason) else sides.as_json()
    return entry | judge_entries(humans, judges, spec, context=context, resampling=resampling)


def ratings_on(table: RatingTable, spec: CriterionSpec) -> RatingTable:
    """The ratings on one criterion, sets of labels in one form."""
    own = table.of(spec.name)
    return own.with_values(lambda _, value: _as_set(value)) if spec.kind is ValueKind.LABEL_SETS else own


def criterion_data(people: RatingTable, spec: CriterionSpec) -> ReliabilityData | Reason:
    """The reliability data of people's ratings (see `ratings_on`), their domain as declared; or why there are none.

    Where somebody's answer is outside the declared categories, what was used is the domain. Where raters × items would
    not fit into memory, the data are anonymous.
    """
    if spec.level is None:
        return Reason("not-comparable", f"The values are {spec.kind.value}, which have no level of measurement.")
    declared: Sequence[Any] = spec.scale or spec.labels
    domain = declared if set(people.values_here()) <= set(declared) else ()
    if people.n_raters * people.n_items <= _MOST_CELLS:
        return reliability_data(people, level=spec.level, domain=domain, period=spec.period)
    built = twice_in(people) or reliability_data(
        people.anonymous(), level=spec.level, domain=domain, period=spec.period
    )
    return built if isinstance(built, Reason) else replace(built, anonymous=True)


def _as_set(value: Value) -> Value:
    """Where there are sets, a single label is a set of one."""
    return as_label_set(value if isinstance(value, tuple) else (value,))


def _add_structured(
    entry: JSONDict, humans: RatingTable, spec: CriterionSpec, resampling: Resampling, context: Context
) -> None:
    """Agreement on regions, texts and rankings."""
    n_answers = int(humans.rated.sum())
    if not spec.compared or n_answers > _MOST_ANSWERS:
        why = f"{n_answers:,} answers are too many to compare each with each; up to {_MOST_ANSWERS:,} are."
        reason = Reason("too-many-answers", why) if spec.compared else Reason("not-compared", "Remarks are shown only.")
        found = Agreement({})
    else:
        what = {ValueKind.TEXT: "Free text", ValueKind.RANKINGS: "Rankings"}.get(spec.kind, "Marked regions")
        reason = Reason("not-comparable", f"{what} cannot be compared by this coefficient.")
        found = _structured(humans, spec, resampling, context)
    nothing = Estimate(value=None, reason=reason, n_items=entry["n_items"], n_raters=entry["n_raters"]).as_json()
    entry["agreement"] = {"krippendorff_alpha": nothing, "percent_agreement": nothing}
    _add_found(entry, found)
    _add_items(entry, list(found.disagreement.items())[:_MOST_ITEMS], humans, context)


def _structured(humans: RatingTable, spec: CriterionSpec, resampling: Resampling, context: Context) -> Agreement:
    ratings = humans.ratings()
    if spec.kind is ValueKind.REGIONS:
        return region_agreement(ratings, resampling=resampling, lengths=context.lengths.get(spec.name))
    if spec.kind is ValueKind.RANKINGS:
        return ranking_agreement(ratings, resampling=resampling)
    return text_agreement(ratings, resampling=resampling)


def _add_found(entry: JSONDict, found: Agreement) -> None:
    plain = found.as_json()
    entry["agreement"] |= plain["agreement"]
    entry["by_label"] = plain["by_label"]
    entry["mark_pairs"] = plain["pairs"]


def _add_agreement(
    entry: JSONDict, people: RatingTable, spec: CriterionSpec, resampling: Resampling, context: Context
) -> None:
    """Agreement on values: coefficients, pairs, who, what, groups."""
    first = people.where(people.is_original)
    n_raters, n_items = first.n_raters, first.n_items
    data = criterion_data(first, spec)
    if isinstance(data, Reason):
        nothing = Estimate(value=None, reason=data, n_items=n_items, n_raters=n_raters).as_json()
        entry["agreement"] = {"krippendorff_alpha": nothing, "percent_agreement": nothing}
        return
    paired = not data.anonymous and bool(data.domain) and 1 < len(data.raters) <= _MOST_PAIRED
    meetings = Meetings.of(data) if paired else None
    found = coefficients(data, kind=spec.kind, resampling=resampling, meetings=meetings)
    compared = int((data.codes[:, data.pairable] != MISSING).any(axis=1).sum())
    entry["agreement"] = {
        name: replace(estimate, n_raters=n_raters if data.anonymous else min(estimate.n_raters, compared)).as_json()
        for name, estimate in found.items()
    }
    if spec.kind is ValueKind.LABEL_SETS:
        _add_found(entry, set_agreement(data, resampling=resampling, taxonomy=spec.taxonomy))
    distance = set_distance(data, spec)
    _add_categories(entry, data, distance)
    ranked = item_disagreement(data, distance=distance)
    if not isinstance(ranked, Reason):
        top = ranked.ranking(most=_MOST_ITEMS)
        values = [(data.units[position], float(ranked.disagreement[position])) for position in top]
        _add_items(entry, values, first, context)
    if data.anonymous:
        return
    if meetings is not None:
        entry["pairs"] = [pair.as_json() for pair in pairwise(data, meetings=meetings)]
    everything = criterion_data(people, spec)
    gold = context.gold.get(spec.name, {})
    if spec.kind is ValueKind.LABEL_SETS:
        gold = {item: _as_set(value) for item, value in gold.items()}
    if not isinstance(everything, Reason):
        known = people_entries(Observed(people, data, everything, gold, distance, spec.derived))
        for rater in entry["raters"]:
            rater |= known.get(rater["rater"], {})
    entry["groups"], entry["comparisons"] = group_entries(data, context.groups, resampling)


def set_distance(data: ReliabilityData, spec: CriterionSpec) -> FloatArray | None:
    """How far apart sets are by MASI, for who and what disagrees; None for the level's own distance."""
    if spec.kind is not ValueKind.LABEL_SETS:
        return None
    found = distance_matrix(data.domain, SetDistance.MASI)
    return None if isinstance(found, Reason) else found


def _add_categories(entry: JSONDict, data: ReliabilityData, distance: FloatArray | None) -> None:
    found = category_agreement(data, distance=distance)
    if isinstance(found, Reason):
        return
    kappas = fleiss_kappa_per_category(data) if data.level is Level.NOMINAL else {}
    entry["categories"] = [
        {
            "category": _plain(category),
            "specific_agreement": estimate.as_json(),
            "fleiss_kappa": kappas[category].as_json() if kappas else None,
        }
        for category, estimate in zip(found.domain, found.specific, strict=True)
    ]
    entry["confusions"] = [
        {
            "categories": [_plain(each.first), _plain(each.second)],
            "share": each.share_of_disagreement,
            "ratio_to_chance": each.ratio_to_chance,
            "coincidences": each.coincidences,
        }
        for each in found.confusions[:_MOST_CONFUSIONS]
    ]


def _add_items(entry: JSONDict, ranked: Sequence[tuple[str, float]], table: RatingTable, context: Context) -> None:
    """The most disagreed items with what everybody said of them; items without any disagreement are not listed."""
    listed = {item: value for item, value in ranked if value > 0}
    places = {item: place for place, item in enumerate(table.items)}
    wanted = np.zeros(len(table.items) + 1, dtype=np.bool_)
    wanted[[places[item] for item in listed]] = True
    answers: dict[str, dict[str, Any]] = {item: {} for item in listed}
    rows = table.where(wanted[table.item] & table.rated)
    for rating in rows.ratings():
        answers[rating.item][rating.rater] = _plain(rating.value)
    entry["items"] = [
        {"item": item, "disagreement": value, "text": context.texts.get(item), "answers": answers[item]}
        for item, value in listed.items()
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
