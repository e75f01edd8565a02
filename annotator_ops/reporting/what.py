"""Layer 2. What is disagreed on, for the report: items with everybody's answers, and confused categories."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import Figure, estimate
from annotator_ops.reporting.names import title
from annotator_ops.stats.values import category_key

_MOST_ITEMS = 12
_MOST_CONFUSIONS = 5
_MOST_CATEGORIES = 30
_LONGEST_ANSWER = 160


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item with its text, how much it is disagreed on (1 is what chance would give), and the answers by whom."""

    item: str
    text: str
    disagreement: str
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """Two categories, their share of all disagreement, and how often they meet against chance."""

    first: str
    second: str
    share: str
    ratio: str


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """One category or label with its coefficients."""

    name: str
    cells: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class MarkPairRow:
    """Two annotators who marked regions: how many each, how many match, and the second held against the first."""

    names: str
    cells: tuple[str, ...]


def mark_pairs(criterion: JSONDict) -> tuple[MarkPairRow, ...]:
    """Every two annotators' marks."""

    def share(value: float | None) -> str:
        return "–" if value is None else rounding.percent(value)

    return tuple(
        MarkPairRow(
            " – ".join(pair["raters"]),
            (
                rounding.count(pair["n_items"]),
                " – ".join(rounding.count(n) for n in pair["marked"]),
                rounding.count(pair["matched"]),
                share(pair["precision"]),
                share(pair["recall"]),
                share(pair["f1"]),
            ),
        )
        for pair in criterion["mark_pairs"]
    )


def items(criterion: JSONDict) -> tuple[ItemRow, ...]:
    """The most disagreed items; equal answers are listed together."""
    rows = []
    for item in criterion["items"][:_MOST_ITEMS]:
        by_answer: dict[str, list[str]] = {}
        for rater, value in sorted(item["answers"].items(), key=lambda answer: category_key(answer[1])):
            by_answer.setdefault(_short(_answer(value)), []).append(rater)
        answers = tuple((answer, ", ".join(raters)) for answer, raters in by_answer.items())
        rows.append(ItemRow(item["item"], item["text"] or "", rounding.mean(item["disagreement"]), answers))
    return tuple(rows)


def confusions(criterion: JSONDict) -> tuple[ConfusionRow, ...]:
    """The pairs of categories with most of the disagreement; none where there are only two categories."""
    found = criterion["confusions"]
    if len(criterion["categories"]) < 3:
        return ()
    return tuple(
        ConfusionRow(
            rounding.value_text(pair["categories"][0]),
            rounding.value_text(pair["categories"][1]),
            rounding.percent(pair["share"]),
            f"{pair['ratio_to_chance']:.2f}",
        )
        for pair in found[:_MOST_CONFUSIONS]
        if pair["share"] > 0
    )


def categories(criterion: JSONDict) -> tuple[tuple[str, ...], tuple[CategoryRow, ...]]:
    """The columns and rows of what each category, or each label of sets and regions, is agreed on."""
    if criterion["by_label"]:
        names = list(dict.fromkeys(name for found in criterion["by_label"].values() for name in found))
        labels = list(criterion["by_label"].items())[:_MOST_CATEGORIES]
        rows = tuple(CategoryRow(label, tuple(estimate(found.get(name)) for name in names)) for label, found in labels)
        return tuple(title(name) for name in names), rows
    found = criterion["categories"]
    if not 2 < len(found) <= _MOST_CATEGORIES:
        return (), ()
    has_kappa = any(each.get("fleiss_kappa") for each in found)
    rows = tuple(
        CategoryRow(
            rounding.value_text(each["category"]),
            (
                estimate(each["specific_agreement"], as_percent=True),
                *([estimate(each["fleiss_kappa"])] if has_kappa else []),
            ),
        )
        for each in found
    )
    return ("Specific agreement", *(["Fleiss’ κ"] if has_kappa else [])), rows


def sides(found: JSONDict | None) -> str:
    """How often the left one won, where two things were shown side by side: a check for position bias."""
    if found is None or found["left"]["value"] is None:
        return ""
    left = estimate(found["left"], as_percent=True)
    n = rounding.number_of(found["n_left"] + found["n_right"], "preference")
    ties = f", {rounding.number_of(found['n_ties'], 'tie')} left out" if found["n_ties"] else ""
    chance = "less than 0.1%" if found["p_value"] < 0.001 else rounding.percent(found["p_value"])
    return (
        f"The left one was preferred in {left.value} {left.interval} of {n}{ties}. A share this far from one half "
        f"has a probability of {chance} if the side does not matter and preferences are independent."
    )


def _answer(value: object) -> str:
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        labels = [label for part in value if isinstance(part, dict) for label in _labels(part)]
        marks = rounding.number_of(len(value), "mark")
        return f"{marks}: {', '.join(labels)}" if labels else marks
    return rounding.value_text(value)


def _labels(region: JSONDict) -> list[str]:
    found: object = next((labels for key, labels in region.items() if key.endswith("labels")), None)
    where = f" “{region['text']}”" if isinstance(region.get("text"), str) else ""
    return [f"{label}{where}" for label in found] if isinstance(found, list) else []


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_ANSWER else f"{text[: _LONGEST_ANSWER - 1]}…"
