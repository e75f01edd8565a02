"""Layer 2. Model judges for the report: a criterion's judges and ensembles beside people, as sentences and tables."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import Figure, Row, Table, estimate, p_value
from annotator_ops.reporting.judge_details import (
    COEFFICIENTS,
    MOST_LINES,
    Block,
    details,
    everybody,
    is_first_ensemble,
    is_nominal,
    name_of,
)
from annotator_ops.reporting.judge_words import epsilon_text

_NOMINAL = (
    ("accuracy", "Accuracy", "same answer as most annotators"),
    ("cohen_kappa", "Cohen’s κ", "the same, corrected for chance"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a criterion's section says of its judges.

    `chart` and `curve` are what is drawn, in words; `undrawn` says whose lines are left out.
    """

    sentences: tuple[str, ...]
    sources: tuple[str, ...]
    correlations: Table
    blocks: tuple[Block, ...]
    chart: str = ""
    curve: str = ""
    undrawn: str = ""


def judged(criterion: JSONDict) -> Judged | None:
    """The judges of a criterion; None where it has none."""
    if not criterion["judges"]:
        return None
    verdict = criterion["judges_verdict"]
    title = criterion["title"]
    blocks = (_by_annotators(criterion), _beaten(criterion), *details(criterion))
    drawn = [each for each in everybody(criterion) if each.get("spearman") and each["spearman"]["value"] is not None]
    ceiling = criterion["human_ceiling"]["annotators"]
    chart = f"Spearman’s ρ of {len(drawn)} judges and ensembles with the mean annotator on {title}, with intervals"
    chart += ", before the range that single annotators reach." if ceiling else "."
    curve = (
        f"Spearman’s ρ of each judge with the mean of so many annotators on {title}; the table below has the values."
    )
    return Judged(
        sentences=tuple(verdict["sentences"]),
        sources=tuple(verdict["sources"]),
        correlations=_correlations(criterion),
        blocks=tuple(block for block in blocks if block is not None),
        chart=chart if drawn else "",
        curve=curve if has_curve(criterion) else "",
        undrawn=f"The {MOST_LINES} that end highest are drawn." if len(drawn) > MOST_LINES else "",
    )


def has_test(entry: JSONDict) -> bool:
    """Whether the alternative annotator test says anything of a judge or ensemble."""
    return bool(entry.get("alt_test")) and entry["alt_test"]["winning_rate"] is not None


def has_curve(criterion: JSONDict) -> bool:
    """Whether ρ is known for different numbers of annotators."""
    return any(sum(step["spearman"] is not None for step in _steps(each)) > 1 for each in everybody(criterion))


def _steps(entry: JSONDict) -> list[JSONDict]:
    return list(entry.get("by_annotators") or ())


def _correlations(criterion: JSONDict) -> Table:
    nominal = is_nominal(criterion)
    columns = _NOMINAL if nominal else COEFFICIENTS
    tests = [each["alt_test"] for each in everybody(criterion) if has_test(each)]
    rows = []
    for each in everybody(criterion):
        if "rater" not in each and nominal:
            continue
        cells = [Figure(rounding.count(each["n_items"]))]
        cells += [estimate(each.get(key), as_percent=key == "accuracy") for key, _, _ in columns]
        if tests:
            cells.append(_test_cell(each.get("alt_test")))
        rows.append(Row(name_of(each), tuple(cells), _remark(each), derived=is_first_ensemble(each, criterion)))
    if not nominal and criterion["human_ceiling"]["annotators"]:
        rows.append(_ceiling_row(criterion["human_ceiling"], n_blank=len(tests[:1])))
    what = (
        "Each judge’s answers held against the annotators’ most frequent one; items on which two are equally frequent "
        "are left out"
        if nominal
        else "Each judge’s scores with the mean of the annotators, item by item. The last row is the human ceiling: "
        "each annotator with the mean of the others, which is of one annotator fewer, so a little harder to follow"
    )
    headings = [("Items", ""), *((name, remark) for _, name, remark in columns)]
    if tests:
        remark = f"alternative annotator test, {epsilon_text(tests[0]['epsilon'])}"
        headings.append(("Annotators beaten", remark))
    return Table(f"Judges on {criterion['title']}", what, "Judge", tuple(headings), tuple(rows))


def _remark(entry: JSONDict) -> str:
    if "rater" in entry:
        parts = [f"model {entry['model']}" if entry.get("model") not in (None, entry["rater"]) else ""]
        parts.append(f"prompt {entry['prompt']}" if entry.get("prompt") else "")
        return ", ".join(filter(None, parts))
    weights = entry.get("weights") or {}
    how = f"{entry['how']} of {rounding.listed(entry['judges'])}"
    if weights:
        how += " by " + " : ".join(rounding.number(weights[judge]) for judge in entry["judges"] if judge in weights)
    dropped = entry["n_items_dropped"]
    noun = "item lacks" if dropped == 1 else "items lack"
    return f"{how}; {rounding.count(dropped)} {noun} a judge’s score: left out" if dropped else how


def _test_cell(found: JSONDict | None) -> Figure:
    if found is None or found["winning_rate"] is None:
        return Figure("–", note=found["reason"] if found else "")
    tested = [one["beaten"] for one in found["annotators"] if one["beaten"] is not None]
    passes = "passes" if found["passes"] else "does not pass"
    advantage = f"advantage probability {rounding.journal(found['advantage_probability'], digits=2)}"
    note = f"ω = {rounding.journal(found['winning_rate'], digits=2)}, {passes}; {advantage}"
    return Figure(f"{sum(tested)} of {len(tested)}", note=note)


def _ceiling_row(ceiling: JSONDict, *, n_blank: int) -> Row:
    cells = [Figure("")]
    for key, _, _ in COEFFICIENTS:
        mean = estimate((ceiling["mean"] or {}).get(key))
        values = [one[key]["value"] for one in ceiling["annotators"] if one[key]["value"] is not None]
        note = mean.note
        if len(values) > 1:
            note = f"{rounding.coefficient(min(values))} to {rounding.coefficient(max(values))}"
        cells.append(Figure(mean.value, mean.interval, note))
    cells += [Figure("")] * n_blank
    remark = "with the mean of the others: mean over annotators, lowest to highest"
    return Row("One annotator", tuple(cells), remark, derived=True)


def _by_annotators(criterion: JSONDict) -> Block | None:
    if not has_curve(criterion):
        return None
    entries = [each for each in everybody(criterion) if _steps(each)]
    sizes = sorted({step["k"] for each in entries for step in _steps(each)})
    rows = []
    for k in sizes:
        cells, subsets = [], 0
        for each in entries:
            step = next((step for step in _steps(each) if step["k"] == k), None)
            if step is None or step["spearman"] is None:
                cells.append(Figure("–"))
                continue
            subsets = max(subsets, step["n_subsets"])
            ends = (rounding.coefficient(step[end]) for end in ("low", "high"))
            cells.append(Figure(rounding.coefficient(step["spearman"]), note=" to ".join(ends) if subsets > 1 else ""))
        rows.append(Row(rounding.number_of(k, "annotator"), tuple(cells), _subsets(subsets)))
    caption = (
        "Spearman’s ρ of each judge with the mean of so many annotators, on the items that all of these and the judge "
        "rated: the mean over subsets of that size, lowest to highest"
    )
    columns = tuple((name_of(each), "") for each in entries)
    table = Table(f"ρ by number of annotators on {criterion['title']}", caption, "Averaged", columns, tuple(rows))
    return Block("ρ by the number of annotators as a table", (table,))


def _subsets(n: int) -> str:
    return rounding.number_of(n, "subset") if n else ""


def _beaten(criterion: JSONDict) -> Block | None:
    rows = []
    for each in filter(has_test, everybody(criterion)):
        for one in each["alt_test"]["annotators"]:
            share = [
                Figure("–") if one[key] is None else Figure(rounding.percent(one[key]))
                for key in ("judge_wins", "annotator_wins")
            ]
            answer = (
                Figure("–", note=one["reason"] or "")
                if one["beaten"] is None
                else Figure("yes" if one["beaten"] else "no")
            )
            p = p_value(one["p_value"]).removeprefix("p ").removeprefix("= ")
            cells = (Figure(rounding.count(one["n_items"])), *share, Figure(p or "–"), answer)
            rows.append(Row(f"{name_of(each)} – {one['rater']}", cells))
    if not rows:
        return None
    caption = (
        "Who is nearer to the remaining annotators, item by item (a tie counts for both). An annotator is beaten where "
        "their advantage is below ε by a one-sided t-test, Benjamini and Yekutieli’s correction at .05 over annotators"
    )
    columns = (
        ("Items", ""),
        ("Judge at least as near", ""),
        ("Annotator at least as near", ""),
        ("p", "uncorrected"),
        ("Beaten", ""),
    )
    label = f"Alternative annotator test on {criterion['title']}"
    table = Table(label, caption, "Judge – annotator", columns, tuple(rows))
    return Block("The alternative annotator test, annotator by annotator", (table,))
