"""Layer 2. Model judges for the report: their bias, answers, pairs, prompts and systems on one criterion, as tables."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import Figure, Row, Table, estimate, on_scale, p_value
from annotator_ops.reporting.who import rater_row
from annotator_ops.stats.judges.ensembles import EVERYBODY

# Estimates of judges and ensembles by their key, with the column's heading and remark.
COEFFICIENTS = (
    ("spearman", "Spearman’s ρ", "ranks"),
    ("kendall_tau_b", "Kendall’s τ", "pairs of items, ties counted (τ‑b)"),
    ("pearson", "Pearson’s r", "values"),
)
_WIDEST_CONFUSION = 14
# More lines than this in one chart cannot be told apart; those that end highest are drawn.
MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Block:
    """Some tables under one heading. A folded one is opened by the reader."""

    title: str
    tables: tuple[Table, ...]
    text: str = ""
    folded: bool = True


def everybody(criterion: JSONDict) -> list[JSONDict]:
    """The entries of the judges, then those of the ensembles; the mean over one judge is none."""
    ensembles = criterion["ensembles"]
    if ensembles and ensembles[0]["spearman"]["reason_code"] == "one-judge":
        ensembles = ensembles[1:]
    return [*criterion["judges"], *ensembles]


def name_of(entry: JSONDict) -> str:
    """A judge's id or an ensemble's name, both as they were written; only our own name begins as a row does."""
    return _begun(str(entry["rater"] if "rater" in entry else entry["name"]))


def _begun(name: str) -> str:
    return name[:1].upper() + name[1:] if name == EVERYBODY else name


def is_first_ensemble(entry: JSONDict, criterion: JSONDict) -> bool:
    """Whether a row stands apart from those above: ensembles from judges."""
    return bool(criterion["ensembles"]) and entry is criterion["ensembles"][0]


def is_nominal(criterion: JSONDict) -> bool:
    """Whether judges are held against the annotators' most frequent answer, and not against their mean."""
    return any(judge.get("accuracy") for judge in criterion["judges"])


def details(criterion: JSONDict) -> tuple[Block, ...]:
    """All there is beside correlations and the alternative annotator test."""
    blocks = (
        _bias(criterion),
        _drift(criterion),
        _systems(criterion),
        _few_labels(criterion),
        _confusion(criterion),
        _pairs(criterion),
        _given(criterion),
    )
    return tuple(block for block in blocks if block is not None)


# Biases by their key: the name, and what it means.
_BIASES = (
    ("severity", "Shift", "mean difference from the annotators’ mean; above 0 the judge is the milder one"),
    (
        "spread_ratio",
        "Spread",
        "standard deviation over that of the annotators’ mean, which averaging makes smaller than one person’s",
    ),
    (
        "length",
        "Length",
        "Spearman’s ρ of judge minus people with the number of words; above 0, the judge favours long items",
    ),
    (
        "self_preference",
        "Own family",
        "judge minus people on systems of its own family, less the same on others; above 0, it favours them",
    ),
)
_POSITIONS = (
    ("first_chosen", "First chosen", "of pairs shown in both orders; 50% where the place does not matter"),
    ("consistent", "Same choice in both orders", "share of these pairs"),
)


def _bias(criterion: JSONDict) -> Block | None:
    judges = [judge for judge in criterion["judges"] if judge.get("bias")]
    found = [judge["bias"] for judge in judges]
    rows = []
    for key, name, remark in _BIASES:
        if any(_says(bias.get(key)) for bias in found):
            rows.append(
                Row(
                    name,
                    tuple(estimate(bias.get(key), signed=key in ("severity", "self_preference")) for bias in found),
                    remark,
                )
            )
    positions = [bias.get("position") or {} for bias in found]
    for key, name, remark in _POSITIONS:
        if any(_says(position.get(key)) for position in positions):
            cells = tuple(estimate(position.get(key), as_percent=True) for position in positions)
            rows.append(Row(name, cells, remark))
    if not rows:
        return None
    caption = "How each judge differs from people. Where an interval holds the neutral value, no bias is shown"
    columns = tuple((judge["rater"], "") for judge in judges)
    table = Table(f"Bias of judges on {criterion['title']}", caption, "Bias", columns, tuple(rows))
    return Block("Bias", (table,), folded=False)


def _says(found: JSONDict | None) -> bool:
    return found is not None and found["value"] is not None


def _confusion(criterion: JSONDict) -> Block | None:
    tables = []
    for judge in criterion["judges"]:
        found = judge.get("confusion")
        if not found or not 1 < len(found["values"]) <= _WIDEST_CONFUSION:
            continue
        names = [rounding.value_text(value) for value in found["values"]]
        rows = []
        for name, counts in zip(names, found["counts"], strict=True):
            total = sum(counts)
            cells = [Figure(rounding.count(n), shade=rounding.shade(n / total) if total else 0) for n in counts]
            rows.append(Row(name, (*cells, Figure(rounding.count(total)))))
        people = "most frequent answer" if is_nominal(criterion) else "mean, rounded to a value of the scale,"
        caption = (
            f"Items by the annotators’ {people} in rows, and the answer of {judge['rater']} in columns; the stronger "
            "the colour, the larger the share of the row"
        )
        label = f"Answers of {judge['rater']} and people on {criterion['title']}"
        columns = (*((name, "") for name in names), ("All", ""))
        tables.append(Table(label, caption, "Annotators", columns, tuple(rows), heated=True))
    return Block("Annotators’ answers and judges’ answers", tuple(tables)) if tables else None


def _pairs(criterion: JSONDict) -> Block | None:
    rows = []
    for pair in criterion["judge_pairs"]:
        figure = estimate(pair["spearman_difference"])
        cells = (
            Figure(rounding.count(pair["n_items"])),
            estimate(pair["spearman"]),
            estimate(pair["krippendorff_alpha"]),
            Figure(figure.value, figure.interval, p_value(pair["p_value"]) or figure.note),
        )
        rows.append(Row(" – ".join(pair["raters"]), cells))
    if not rows:
        return None
    caption = (
        "Two judges each on the items that both scored: how far they agree with each other, and how much better the "
        "first follows the annotators than the second, with a permutation test, not corrected for the number of pairs"
    )
    n = len(criterion["judges"])
    if len(rows) < n * (n - 1) // 2:
        caption += ". With so many judges only neighbours by ρ are compared"
    columns = (
        ("Items", ""),
        ("Spearman’s ρ", "between the two"),
        ("Krippendorff’s α", "between the two"),
        ("Difference of ρ", "with the annotators, first minus second"),
    )
    table = Table(f"Pairs of judges on {criterion['title']}", caption, "Judges", columns, tuple(rows))
    return Block("Judges against each other", (table,))


def _drift(criterion: JSONDict) -> Block | None:
    rows = []
    for each in criterion["drift"]:
        difference = estimate(each["spearman_difference"])
        cells = (
            Figure(rounding.count(each["n_items"])),
            estimate(each["shift"], signed=True),
            estimate(each["spearman"]),
            Figure(difference.value, difference.interval, p_value(each["p_value"]) or difference.note),
        )
        rows.append(Row(each["judge"], cells, " → ".join(each["prompts"])))
    if not rows:
        return None
    caption = "The same judge with two versions of its prompt, on the items that both scored"
    columns = (
        ("Items", ""),
        ("Shift", "mean of the second minus the first"),
        ("Spearman’s ρ", "between the two versions"),
        ("Difference of ρ", "with the annotators, second minus first"),
    )
    table = Table(f"Versions of the prompt on {criterion['title']}", caption, "Judge", columns, tuple(rows))
    return Block("Drift between versions of the prompt", (table,), folded=False)


def _systems(criterion: JSONDict) -> Block | None:
    rows, reasons = [], []
    for each in everybody(criterion):
        found = each.get("systems")
        if not found:
            continue
        if found.get("reason"):
            reasons.append(found["reason"])
            continue
        cells = [Figure(rounding.count(found["n_systems"]))]
        cells += [estimate(found[key]) for key, _, _ in COEFFICIENTS]
        cells.append(estimate(found["pairwise_accuracy"], as_percent=True))
        rows.append(Row(name_of(each), tuple(cells), derived=is_first_ensemble(each, criterion)))
    if not rows:
        text = f"Systems cannot be compared: {reasons[0]}" if reasons else ""
        return Block("Systems", (), text, folded=False) if text else None
    caption = (
        "Each system’s mean over its items, by the judge and by people. Intervals resample systems and items; with few "
        "systems they are wide whatever the value"
    )
    columns = (
        ("Systems", ""),
        *((name, "") for _, name, _ in COEFFICIENTS),
        ("Pairwise accuracy", "pairs of systems in the same order"),
    )
    table = Table(f"Systems on {criterion['title']}", caption, "Judge", columns, tuple(rows))
    return Block("Systems", (table,), folded=False)


def _few_labels(criterion: JSONDict) -> Block | None:
    found = criterion["few_labels"]
    if not found:
        return None
    n, rest = _all_of(found["n_labelled"]), rounding.count(found["n_unlabelled"])
    counts = f"{n} scored by people and judges, {rest} by judges only."
    if found["reason"]:
        return Block("Few labels", (), f"{counts} No combined estimate: {found['reason']}", folded=False)
    rows = tuple(
        Row(
            _begun(each["rater"]),
            (
                *(on_scale(each[key]) for key in ("people_only", "judge_only", "combined")),
                Figure("–" if each["lambda"] is None else f"{each['lambda']:.2f}"),
            ),
        )
        for each in found["judges"]
    )
    caption = (
        "The mean over all items: from the items that people rated alone, from the judge alone, and from both together "
        "(prediction-powered, Angelopoulos et al. 2023); λ is the weight that the judge is given"
    )
    columns = (
        ("People only", "unbiased, wide"),
        ("Judge only", "narrow; off by whatever the judge is off"),
        ("Combined", "unbiased, and narrower the better the judge"),
        ("λ", ""),
    )
    table = Table(f"Few labels on {criterion['title']}", caption, "Judge", columns, rows)
    return Block("Few labels", (table,), counts, folded=False)


def _all_of(n: int) -> str:
    return f"{rounding.number_of(n, 'item')} {'was' if n == 1 else 'were'}"


def _given(criterion: JSONDict) -> Block:
    """What each judge gave, and what it did not give and why."""
    rows, missing = [], 0
    for judge in criterion["judges"]:
        row = rater_row(judge)
        missing += sum(judge["missing"].values())
        lost = sum(judge["missing"].values())
        why = Figure(rounding.count(lost), note=row.missing) if lost else Figure("–")
        rows.append(Row(row.name, (Figure(row.n), Figure(row.mean), Figure(row.sd), why)))
    caption = "Scores of each judge; what is missing counts as missing, never as a score"
    columns = (("Scores", ""), ("Mean", ""), ("Std. deviation", ""), ("Missing", ""))
    table = Table(f"Scores of judges on {criterion['title']}", caption, "Judge", columns, tuple(rows))
    return Block("Judges’ scores" + (f", and {rounding.count(missing)} missing" if missing else ""), (table,))
