"""Layer 2. The leaderboard for the report: systems with their means and ranks, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import Figure, estimate, on_scale

# How each kind of mean is headed, and whose it is in a sentence. Where there are combined means they are the best there
# is; the page is ordered by the first of these, which is the first column, too: a phone shows no more than that.
_KINDS = {
    "combined": ("Combined", "people’s and judges’ together, prediction-powered", "people and judges combined"),
    "human": ("People", "the mean of people’s scores", "people"),
    "judge": ("Judges", "the mean of all judges’ scores", "the judges"),
}
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Rank:
    """A rank with its interval; `start`, `width` and `at` place them on a bar of all ranks, in percent of it."""

    value: str
    interval: str
    start: float
    width: float
    at: float


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system, by its place among the analysis's; for each kind its mean and rank, None where it has none.

    `rated` says how many of its items people rated where they did not rate all.
    """

    place: int
    name: str
    n: str
    rated: str
    cells: tuple[tuple[Figure, Rank] | None, ...]


@dataclass(frozen=True, slots=True)
class Weight:
    """A criterion with its weight, from 0 to 1, and that as a percentage."""

    title: str
    value: float
    share: str


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard. `kinds` are (key, heading, remark), `order` the key that rows are ordered by.

    Without rows, `reason` says why there are none.
    """

    sentences: tuple[str, ...]
    kinds: tuple[tuple[str, str, str], ...]
    order: str
    weights: tuple[Weight, ...]
    rows: tuple[SystemRow, ...]
    agreement: tuple[tuple[str, Figure], ...]
    remarks: tuple[str, ...]
    reason: str


def board(analysis: JSONDict) -> Board | None:
    """The leaderboard of an analysis; None where its items have no systems."""
    found = analysis["leaderboard"]
    if not found:
        return None
    kinds = tuple((key, *_KINDS[key][:2]) for key in _KINDS if key in found["kinds"])
    order = kinds[0][0] if kinds else ""
    rows = [
        SystemRow(
            place,
            system["system"],
            rounding.count(system["n_items"]),
            _rated(system) if "human" in found["kinds"] else "",
            tuple(_cell(system[key], len(found["systems"])) for key, _, _ in kinds),
        )
        for place, system in enumerate(found["systems"])
    ]
    return Board(
        sentences=_sentences(found),
        kinds=kinds,
        order=order,
        weights=tuple(
            Weight(criterion["title"], weight, rounding.percent(weight))
            for criterion, weight in zip(found["criteria"], found["weights"], strict=True)
        ),
        rows=tuple(rows[place] for place in _ordered(found["systems"], order)),
        agreement=_agreement(found["correlation"]),
        remarks=_remarks(found),
        reason=found["reason"] or "",
    )


def _rated(system: JSONDict) -> str:
    few = system["n_rated"] < system["n_items"]
    return f"{rounding.count(system['n_rated'])} by people" if few else ""


def _ordered(systems: Sequence[JSONDict], kind: str) -> list[int]:
    """Places from the best mean to the least; those without one are last, in their own order."""

    def key(place: int) -> tuple[bool, float]:
        value = _value(systems[place], kind)
        return (value is None, 0.0 if value is None else -value)

    return sorted(range(len(systems)), key=key)


def _value(system: JSONDict, kind: str) -> float | None:
    entry = system.get(kind)
    value: float | None = entry["overall"]["value"] if entry else None
    return value


def _cell(entry: JSONDict | None, n_systems: int) -> tuple[Figure, Rank] | None:
    if entry is None or entry["overall"]["value"] is None:
        return None
    return on_scale(entry["overall"]), _rank(entry["rank"], n_systems)


def _rank(found: JSONDict, n_systems: int) -> Rank:
    low, high, value = int(found["low"]), int(found["high"]), int(found["value"])
    part = 100 / n_systems
    interval = f"{low}" if low == high else f"{low}–{high}"
    return Rank(f"{value}", interval, part * (low - 1), part * (high - low + 1), part * (value - 0.5))


def _sentences(found: JSONDict) -> tuple[str, ...]:
    systems = found["systems"]
    if not systems:
        return ()
    used = [each for each in zip(found["criteria"], found["weights"], strict=True) if each[1] > 0]
    on = rounding.listed([criterion["title"] for criterion, _ in used])
    if len(used) > 1:
        equal = max(weight for _, weight in used) - min(weight for _, weight in used) < 1e-9
        shares = [f"{criterion['title']} {rounding.percent(weight)}" for criterion, weight in used]
        on = f"the mean of {on}, all of equal weight" if equal else f"the weighted mean of {rounding.listed(shares)}"
    said = f"{rounding.counted(len(systems), 'system')} by {on}."
    sentences = [said[:1].upper() + said[1:]]
    for kind in (key for key in _KINDS if key in found["kinds"]):
        best = _ordered(systems, kind)[0]
        entry = systems[best][kind]
        if entry is None or entry["overall"]["value"] is None:
            continue
        rank = entry["rank"]
        mean = on_scale(entry["overall"])
        low, high = int(rank["low"]), int(rank["high"])
        left = f"its rank may be {low} to {high}" if low != high else "no other is left open as the best"
        value = f"{mean.value} {mean.interval}".rstrip()
        sentences.append(f"By {_KINDS[kind][2]}, {systems[best]['system']} is first with {value}; {left}.")
    return tuple(sentences)


def _agreement(found: JSONDict | None) -> tuple[tuple[str, Figure], ...]:
    """How far the orders of systems agree: judges with people, and each kind with the outside ranking."""
    if not found:
        return ()
    rows = []
    if found["human_judge"]:
        rows = [
            ("Judges’ and people’s means, Spearman’s ρ", estimate(found["human_judge"])),
            ("Pairs of systems in people’s order", estimate(found["pairwise_accuracy"], as_percent=True)),
        ]
    outside = found["outside"]
    if outside:
        name = f"the outside ranking {outside['file']}" if outside["file"] else "the outside ranking"
        rows += [
            (f"{heading} and {name}, Spearman’s ρ", estimate(outside[key]))
            for key, (heading, _, _) in _KINDS.items()
            if outside[key] is not None
        ]
    return tuple(rows)


def _remarks(found: JSONDict) -> tuple[str, ...]:
    """What is left out, and why."""
    said = [f"{each['title']} is left out: {each['reason']}" for each in found["left_out"]]
    few = found["few_labels"]
    if few:
        n, rest = (rounding.number_of(few[key], "item") for key in ("n_labelled", "n_unlabelled"))
        text = f"{n} have scores of people and of judges, {rest} of judges only."
        said.append(f"{text} No combined means: {few['reason']}" if few["reason"] else text)
    outside = (found["correlation"] or {}).get("outside")
    if outside and outside["unranked"]:
        said.append(f"Not in the outside ranking: {_some(outside['unranked'])}.")
    if outside and outside["unmatched"]:
        said.append(f"In the outside ranking, but of no item: {_some(outside['unmatched'])}.")
    return tuple(said)


def _some(names: Sequence[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return rounding.listed(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {rounding.count(len(names) - _MOST_NAMED)} more"
