"""Layer 2. The verdicts of simulated annotators as one: what most of them say, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotator_ops.measures import Value

# Reasons why there is no score: nobody answered yet, or two labels have as many voices.
FAILED = "failed"
INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score, or None and why; how sure it is, from 0 to 1; and how probable each answer was, where that is known."""

    value: Value | None
    reason: str | None = None
    confidence: float | None = None
    probabilities: Mapping[Value, float] = field(default_factory=dict)


def combined(verdicts: Sequence[Verdict], *, annotators: int) -> Verdict:
    """One verdict of those of so many simulated annotators, some of whom may have given none.

    With p_j(y) the probability that simulated annotator j gives the answer y, the score is the y with the largest mean
    of p_j(y) over the N of them, and that mean is the confidence (Jung, Brahman and Choi 2024, "Trust or Escalate",
    arXiv 2407.18370, "Simulated Annotators"). Where a verdict has no probabilities, p_j(y) is 1 for the answer given
    and 0 for others, so that the confidence is the share of those who agree. N counts those without a verdict, too:
    they agree with nobody.

    Numbers that are equally probable have their mean as the score; with labels there is none ("inconsistent").
    Unless more than half have a verdict there is no score either, with the reason of most of the others ("failed" for
    those that are not there at all).
    """
    given = [(each.value, each.probabilities) for each in verdicts if each.value is not None]
    n = max(annotators, len(verdicts))
    if 2 * len(given) <= n:
        reasons = Counter(each.reason or FAILED for each in verdicts if each.value is None)
        reasons[FAILED] += n - len(verdicts)
        return Verdict(None, reasons.most_common(1)[0][0])
    mean: dict[Value, float] = {}
    for said, probabilities in given:
        for value, mass in (probabilities or {said: 1.0}).items():
            mean[value] = mean.get(value, 0.0) + mass / n
    most = max(mean.values())
    best = [value for value, mass in mean.items() if mass >= most - 1e-12]
    confidence = min(most, 1.0)
    if len(best) == 1:
        return Verdict(best[0], None, confidence, mean)
    numbers = [float(value) for value in best if isinstance(value, (int, float))]
    if len(numbers) < len(best):
        return Verdict(None, INCONSISTENT, None, mean)
    return Verdict(sum(numbers) / len(numbers), None, confidence, mean)
