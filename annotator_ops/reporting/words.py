"""Layer 2. What a criterion's agreement means, in one sentence, and where each threshold in it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting.judge_words import judges_verdict
from annotator_ops.reporting.rounding import RELIABLE, TENTATIVE, counted, journal, value_text

KRIPPENDORFF = "Krippendorff 2004, Content Analysis, 2nd ed., p. 241"
LANDIS_KOCH = "Landis & Koch 1977, Biometrics 33, p. 165"
GWET = "Gwet 2014, Handbook of Inter-Rater Reliability, 4th ed., ch. 6"
# Landis and Koch's names for ranges of kappa, each from its lower end.
_ADVERBS = ((0.8, "almost perfectly"), (0.6, "substantially"), (0.4, "moderately"), (0.2, "fairly"), (0.0, "slightly"))
# Less than this share of all disagreement is not "most".
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A sentence, a short code of what it says, and the sources of its thresholds.

    `code` is "reliable", "tentative", "unreliable", "no-better-than-chance", "measured" where no thresholds are in
    use, or "none" where there is no value.
    """

    sentence: str
    code: str
    sources: tuple[str, ...] = ()

    def as_json(self) -> JSONDict:
        return {"sentence": self.sentence, "code": self.code, "sources": list(self.sources)}


def worded(analysis: JSONDict) -> JSONDict:
    """An analysis (plain JSON) with the verdict on each criterion, as `verdict`, and that on its judges."""
    for criterion in (*analysis["criteria"], *([analysis["overall"]] if analysis["overall"] else [])):
        criterion["verdict"] = verdict(criterion).as_json()
        criterion["judges_verdict"] = judges_verdict(criterion)
        for comparison in criterion.get("comparisons", ()):
            comparison["sentence"] = compared(comparison)
    return analysis


def verdict(criterion: JSONDict) -> Verdict:
    """What a criterion's agreement says of its annotators.

    The adverb is Landis and Koch's for the range that the interval's lower end is in, so the highest that can be
    claimed (as Gwet does it); the value's own where there is no interval. Sets of labels are compared by MASI distance.
    Marks, rankings and texts have measures of their own, for which no thresholds are in use.
    """
    agreement = criterion["agreement"]
    if criterion.get("level") is None and criterion.get("kind") in _MEASURES:
        return _measured(criterion)
    alpha = agreement.get("alpha_masi", agreement["krippendorff_alpha"])
    if alpha["value"] is None:
        return Verdict(f"Agreement cannot be measured: {alpha['reason']}", "none")
    who = _who(alpha)
    shown, floor = f"α = {_with_bounds(alpha)}", alpha["value"] if alpha["low"] is None else alpha["low"]
    if "alpha_masi" in agreement:
        shown += " (MASI distance between sets)"
    sources = [KRIPPENDORFF]
    standing, code = _standing(alpha)
    if alpha["value"] >= 1:
        said = f"{who} agree on everything, {shown}"
    elif floor <= 0:
        said, code = f"{who} are not shown to agree beyond what chance would give, {shown}", "no-better-than-chance"
    else:
        said = f"{who} agree {next(adverb for least, adverb in _ADVERBS if floor >= least)}, {shown}"
        sources += [LANDIS_KOCH] if alpha["low"] is None else [LANDIS_KOCH, GWET]
    return Verdict(f"{said}; {standing}{_between(criterion)}.", code, tuple(sources))


_MEASURES = {
    "regions": (
        ("f1_iou_50", "marks: F1 = {}, the same labels and an overlap of half counting as the same"),
        ("f1_within_5_percent", "points: F1 = {}, the same labels within 5 % of the diagonal counting as the same"),
    ),
    "rankings": (("kendall_w", "rankings: Kendall’s W = {}, from 0 to 1"),),
    "text": (("chrf", "texts: chrF = {}, a likeness of wording from 0 to 1"),),
}


def _measured(criterion: JSONDict) -> Verdict:
    for name, words in _MEASURES[criterion["kind"]]:
        found = criterion["agreement"].get(name)
        if found is None:
            continue
        if found["value"] is None:
            return Verdict(f"Agreement cannot be measured: {found['reason']}", "none")
        said = f"{_who(found)}’ {words.format(_with_bounds(found))}; not corrected for chance."
        return Verdict(said, "measured")
    return Verdict("", "none")


def _who(found: JSONDict) -> str:
    who = counted(found["n_raters"], "annotator")
    return who[:1].upper() + who[1:]


def _with_bounds(found: JSONDict) -> str:
    bounds = "" if found["low"] is None else f" [{short(found['low'])}, {short(found['high'])}]"
    return f"{short(found['value'])}{bounds}"


def compared(comparison: JSONDict) -> str:
    """What a comparison of two groups of annotators says, in sentences.

    High agreement within each group is no validity: that shows only where one group's means follow the other's.
    """
    first, second = comparison["groups"]
    parts = []
    gap = comparison["alpha_difference"]
    if gap["value"] is None:
        parts.append(f"How differently the two groups agree with themselves cannot be said: {gap['reason']}")
    else:
        more, less = (first, second) if gap["value"] >= 0 else (second, first)
        size = short(abs(gap["value"]))
        if gap["value"] == 0:
            parts.append("Both groups agree equally with themselves.")
        elif gap["low"] is None or gap["low"] <= 0 <= gap["high"]:
            parts.append(f"That “{more}” agrees more with itself than “{less}” ({size} in α) may be chance.")
        else:
            parts.append(f"The group “{more}” agrees more with itself than “{less}” does, by {size} in α.")
    rho = comparison["spearman"]
    if rho is not None and rho["value"] is not None:
        bounds = f" [{short(rho['low'])}, {short(rho['high'])}]" if rho["low"] is not None else ""
        parts.append(f"Their means per item correlate ρ = {short(rho['value'])}{bounds}.")
        ceiling = comparison["ceiling"]
        # Means that correlate higher than the alphas allow show that the alphas say little of them.
        if ceiling["value"] is not None and rho["value"] <= ceiling["value"]:
            high = rho["value"] if rho["high"] is None else rho["high"]
            could = f"Two groups that agree with themselves as these do could correlate up to {short(ceiling['value'])}"
            if high < ceiling["value"] / 2:
                parts.append(f"{could} if they judged the same thing; agreement within a group is no validity here.")
            else:
                parts.append(f"{could}.")
    return " ".join(parts)


def short(value: float) -> str:
    """Two decimals without a leading zero, as journals print coefficients; what is below 1 is never printed as 1."""
    return journal(value, digits=2)


def _standing(alpha: JSONDict) -> tuple[str, str]:
    """Krippendorff's two thresholds, and what of it the interval leaves open."""
    value = alpha["value"]
    low, high = (value if alpha[end] is None else alpha[end] for end in ("low", "high"))
    if value >= RELIABLE:
        open_end = "" if low >= RELIABLE else ", though the interval reaches below it"
        return f"at or above the .800 from which Krippendorff relies on data{open_end}", "reliable"
    if value >= TENTATIVE:
        open_end = "" if low >= TENTATIVE else "; the interval reaches below .667"
        just = " (just below .800)" if round(value, 2) >= RELIABLE else ""
        return (
            f"between .667 and .800{just}, where Krippendorff draws only tentative conclusions{open_end}",
            "tentative",
        )
    open_end = ", though the interval reaches above it" if high >= TENTATIVE else ""
    just = "just " if round(value, 2) >= TENTATIVE else ""
    return f"{just}below the .667 that Krippendorff asks for tentative conclusions{open_end}", "unreliable"


def _between(criterion: JSONDict) -> str:
    """Where most disagreement is, if most of it is anywhere and there are more than two categories."""
    confusions = criterion.get("confusions") or []
    if len(confusions) < 2 or confusions[0]["share"] < _MOST:
        return ""
    first, second = (value_text(value) for value in confusions[0]["categories"])
    weighed = "" if criterion.get("level") == "nominal" else ", far apart answers weighing more,"
    return f"; most disagreement{weighed} is between {first} and {second}"
