"""Layer 2. An analysis as a step's result: one line per criterion for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from annotator_ops.models import JSONDict, Outcome, StepResult
from annotator_ops.reporting.judge_lines import judge_lines
from annotator_ops.reporting.rounding import coefficient, counted, interval, number_of, percent

# So many of the flags are printed.
_SHOWN = 10
_MEND = (
    "Correct these values; for a missing one leave the cell empty (NA and null are words like any other). "
    "If they are labels on purpose, declare the level nominal."
)


def summarise(command: str, analysis: JSONDict) -> StepResult:
    """The result of a step with the analysis as its data, one outcome per criterion, and what was assumed as notes."""
    data = analysis["data"]
    people = counted(len(data["annotators"]), "annotator")
    head = f"{people}, {number_of(data['n_items'], 'item')}, {number_of(data['n_ratings'], 'rating')}"
    if data["judges"]:
        head += f", {counted(len(data['judges']), 'model judge')}"
    if analysis["simulated"]:
        head = f"SIMULATED ANNOTATORS: {head}"
    criteria = [*analysis["criteria"], *([analysis["overall"]] if analysis["overall"] else [])]
    comparisons = [
        f"{criterion['title']}: {each['sentence']}" for criterion in criteria for each in criterion["comparisons"]
    ]
    return StepResult(
        command=command,
        outcomes=tuple(_outcome(criterion) for criterion in criteria),
        data=analysis,
        notes=(head, *analysis["notes"], *comparisons, *judge_lines(criteria), *_flags(criteria)),
    )


def _outcome(criterion: JSONDict) -> Outcome:
    verdict = criterion["verdict"]
    if verdict["code"] == "measured":
        return Outcome(criterion["title"], "ok", verdict["sentence"])
    alpha = criterion["agreement"]["krippendorff_alpha"]
    warning = criterion["level_warning"]
    if alpha["value"] is None:
        message = f"no alpha: {alpha['reason']}"
        compared = criterion["level"] is not None
        state: Literal["warning", "skipped"] = "warning" if compared else "skipped"
        if warning:
            return Outcome(criterion["title"], state, f"{message} {warning}", alpha["reason_code"], _MEND)
        return Outcome(criterion["title"], state, message, code=alpha["reason_code"])
    agreed = criterion["agreement"]["percent_agreement"]
    message = f"alpha {coefficient(alpha['value'])} {interval(alpha)}".rstrip()
    message += f" ({criterion['level']}), agreement {percent(agreed['value'])}, {number_of(alpha['n_items'], 'item')}"
    if warning:
        return Outcome(criterion["title"], "warning", f"{message}. {warning}", "mixed-values", _MEND)
    return Outcome(criterion["title"], "ok", message, hint=verdict["sentence"])


def _flags(criteria: Sequence[JSONDict]) -> list[str]:
    """What deserves a look, annotator by annotator."""
    titles: dict[tuple[str, str], list[str]] = {}
    for criterion in criteria:
        for rater in criterion["raters"]:
            for flag in rater.get("flags", ()):
                titles.setdefault((rater["rater"], flag["sentence"]), []).append(criterion["title"])
    # What is of the whole task is the same on each of its criteria: said once.
    found = [f"{rater} on {', '.join(on)}: {sentence}" for (rater, sentence), on in titles.items()]
    if not found:
        return []
    more = [f"… and {len(found) - _SHOWN:,} more; the report has them all."] if len(found) > _SHOWN else []
    return ["What deserves a look (a rule and a number each, no verdict on anybody):", *found[:_SHOWN], *more]
