"""Layer 2. What about a rater deserves a look: rules, their numbers, and a sentence that accuses nobody.

A flag is an invitation to look at the answers. Rules that test something (their p-value is named in the sentence) are
adjusted for the number of annotators by Holm 1979, so that a rule flags anybody by chance in at most 5 % of studies
where its test holds, and ask for a least size of the effect besides, since with many answers every trifle is
significant. The other rules are plain thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annotator_ops.measures import Estimate
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.checks import Check
from annotator_ops.stats.closed_intervals import holm
from annotator_ops.stats.differences import alpha_difference
from annotator_ops.stats.pace import Pace
from annotator_ops.stats.probability import at_least, at_most, t_two_sided
from annotator_ops.stats.raters import RaterAgreement
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.styles import AnsweringStyle
from annotator_ops.stats.values import Category, display, is_finite_number

# The usual level of significance, held for all annotators together.
SIGNIFICANCE = 0.05
# Fewer answers than this make no pattern.
LEAST_ANSWERS = 10
# One fast answer in twenty happens to careful people.
TOLERATED_FAST = 0.05
# Four answers alike in a row strike nobody.
LEAST_RUN = 5
# A quarter more of one answer than the others give is visible in a bar chart.
MODAL_EXCESS = 0.25
# Cohen 1988 calls half a standard deviation, and a correlation of .3, medium.
BIAS_DEVIATIONS = 0.5
LEAST_DRIFT = 0.3
# A change that moves alpha across half of the distance between Krippendorff's .667 and .800.
ALPHA_GAIN = 0.067
# On fewer items an alpha of 0 with the others is common by chance where people agree little.
LEAST_FOR_CHANCE = 50
# The least share of identical or right answers on checks. Real studies rarely ask for less.
LEAST_CHECKED = 0.7


@dataclass(frozen=True, slots=True)
class Flag:
    """One rule that one rater's numbers meet. `value` is the number that the rule is about."""

    code: str
    rule: str
    value: float
    sentence: str

    def as_json(self) -> JSONDict:
        return {"code": self.code, "rule": self.rule, "value": self.value, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class _Tested:
    """One rater's p under one rule. Without a flag the effect is small, but the test counts among the tests."""

    row: int
    p: float
    flag: Flag | None


def flags(
    data: ReliabilityData,
    agreement: Sequence[RaterAgreement],
    styles: Sequence[AnsweringStyle],
    *,
    paces: Sequence[Pace] = (),
    repeats: Sequence[Check] = (),
    gold: Sequence[Check] = (),
    derived: bool = False,
) -> dict[str, tuple[Flag, ...]]:
    """Every rater's flags, none being the rule. The sequences have one entry a rater, in the order of the data.

    Values that are `derived` from other answers (their mean, say) were given by nobody, so that the rules about the
    act of answering (fast, run, one-answer) do not apply to them.
    """
    found: dict[str, list[Flag]] = {rater: [] for rater in data.raters}
    checked = data.level in (Level.NOMINAL, Level.ORDINAL)
    families = (
        _fast(() if derived else paces),
        _runs(() if derived else styles),
        _modal(() if derived else styles),
        _biases(data, agreement),
        _drifts(paces, data.level),
        _outliers(data, agreement),
        _checks(repeats if checked else (), "repeats", "items that were given twice got the same answer"),
        _checks(gold if checked else (), "gold", "items with a known answer got it"),
    )
    for family in families:
        tested = list(family)
        if not tested:
            continue
        for one, adjusted in zip(tested, holm([one.p for one in tested]), strict=True):
            if one.flag and adjusted <= SIGNIFICANCE:
                found[data.raters[one.row]].append(one.flag)
    for rater, flag in _strangers(agreement):
        found[rater].append(flag)
    return {rater: tuple(own) for rater, own in found.items()}


def _fast(paces: Sequence[Pace]) -> Iterator[_Tested]:
    for row, pace in enumerate(paces):
        if pace.fast.value is None or pace.n_timed < LEAST_ANSWERS:
            continue
        p = at_least(pace.n_fast, pace.n_timed, TOLERATED_FAST)
        sentence = (
            f"{pace.n_fast} of {pace.n_timed} answers took {pace.fast_rule}; the time is that of the whole task, with "
            "all its questions."
        )
        rule = f"more than {TOLERATED_FAST:.0%} of the answers took {pace.fast_rule}; binomial test"
        flag = Flag("fast", rule, pace.fast.value, sentence)
        yield _Tested(row, p, flag if pace.fast.value > TOLERATED_FAST else None)


def _runs(styles: Sequence[AnsweringStyle]) -> Iterator[_Tested]:
    for row, style in enumerate(styles):
        if style.n_ratings < LEAST_RUN:
            continue
        if style.longest_run is None or style.run_probability is None or style.run_answer is None:
            # Whether the order is known may depend on the answers, and the number of tests must not.
            yield _Tested(row, 1.0, None)
            continue
        sentence = (
            f"{style.longest_run} answers in a row were {_shown(style.run_answer)}; with the same shares of answers "
            f"in random order, a run of this length has a probability of {_small(style.run_probability)}."
        )
        rule = f"a run of at least {LEAST_RUN} identical answers that is improbable in random order"
        flag = Flag("run", rule, float(style.longest_run), sentence)
        yield _Tested(row, style.run_probability, flag if style.longest_run >= LEAST_RUN else None)


def _modal(styles: Sequence[AnsweringStyle]) -> Iterator[_Tested]:
    for row, style in enumerate(styles):
        own, others, p = style.modal_share, style.modal_share_of_others, style.modal_probability
        if own is None or others is None or style.n_common < LEAST_ANSWERS:
            continue
        if p is None:
            yield _Tested(row, 1.0, None)
            continue
        sentence = (
            f"{own:.0%} of the answers to the {style.n_common} common items were {_shown(style.modal[0])}; of the "
            f"others' answers to the same items, {others:.0%} were."
        )
        rule = (
            f"on common items, the most frequent answer is at least {MODAL_EXCESS:.0%} of all answers more frequent "
            "than among the others; exact test of interchangeable raters"
        )
        flag = Flag("one-answer", rule, own, sentence)
        yield _Tested(row, p, flag if own - others >= MODAL_EXCESS else None)


def _biases(data: ReliabilityData, agreement: Sequence[RaterAgreement]) -> Iterator[_Tested]:
    if data.level in (Level.NOMINAL, Level.CIRCULAR):
        return
    values = data.values[~np.isnan(data.values)]
    deviation = float(values.std()) if len(values) else 0.0
    for row, one in enumerate(agreement):
        bias, error = one.bias, one.bias.standard_error
        if bias.value is None or one.n_common < LEAST_ANSWERS or deviation <= 0:
            continue
        # Without an error the difference is the same on every item, and no test is needed.
        p = t_two_sided(bias.value / error, bias.n_items - 1) if error else 0.0
        more = "more" if bias.value > 0 else "less"
        sentence = (
            f"On the {bias.n_items} common items the values are on average {_plain(abs(bias.value))} {more} than the "
            f"others' mean, {_plain(abs(bias.value) / deviation)} standard deviations of all values."
        )
        rule = f"the mean difference from the others is at least {BIAS_DEVIATIONS:g} standard deviations; t test"
        flag = Flag("bias", rule, bias.value, sentence)
        yield _Tested(row, p, flag if abs(bias.value) >= BIAS_DEVIATIONS * deviation else None)


def _drifts(paces: Sequence[Pace], level: Level) -> Iterator[_Tested]:
    for row, pace in enumerate(paces):
        if pace.drift.n_items < LEAST_ANSWERS:
            continue
        rho, p = pace.drift.value, pace.drift_probability
        if rho is None or p is None:
            yield _Tested(row, 1.0, None)
            continue
        if level in (Level.NOMINAL, Level.CIRCULAR):
            way = f"agreement with the others {'rose' if rho > 0 else 'fell'}"
        else:
            way = f"the values {'rose' if rho > 0 else 'fell'} against the others' mean"
        sentence = f"Over the {pace.drift.n_items} answers in their order {way} (rank correlation {_signed(rho, 2)})."
        rule = f"a trend over the own order of answers of at least {LEAST_DRIFT:g}; normal test of Spearman's rho"
        yield _Tested(row, p, Flag("drift", rule, rho, sentence) if abs(rho) >= LEAST_DRIFT else None)


def _checks(checks: Sequence[Check], code: str, words: str) -> Iterator[_Tested]:
    for row, check in enumerate(checks):
        same = check.same
        if same.value is None:
            continue
        right = round(same.value * same.n_items)
        p = at_most(right, same.n_items, LEAST_CHECKED)
        sentence = f"{right} of {same.n_items} {words}."
        rule = f"less than {LEAST_CHECKED:.0%} of the {words}; binomial test"
        yield _Tested(row, p, Flag(code, rule, same.value, sentence) if same.value < LEAST_CHECKED else None)


def _outliers(data: ReliabilityData, agreement: Sequence[RaterAgreement]) -> Iterator[_Tested]:
    for row, one in enumerate(agreement):
        if one.n_common < LEAST_ANSWERS or one.alpha_change is None:
            continue
        gain = -one.alpha_change
        if gain < ALPHA_GAIN:
            yield _Tested(row, 1.0, None)
            continue
        sentence = f"Without these answers alpha is {_value(one.alpha_without)}, which is {gain:.3f} more."
        rule = f"alpha rises by at least {ALPHA_GAIN:g} without the rater; t test over items"
        yield _Tested(row, _gain_by_chance(data, row), Flag("lowers-alpha", rule, gain, sentence))


def _gain_by_chance(data: ReliabilityData, row: int) -> float:
    """The probability of a gain in alpha as large as that without the rater, if the rater is like the others."""
    if isinstance(data.domain[0], tuple):
        return 1.0  # sets are compared by a distance of their own, for which there is no such test here
    kept = [place for place in range(len(data.raters)) if place != row]
    without = replace(data, raters=tuple(data.raters[place] for place in kept), codes=data.codes[kept])
    gain = alpha_difference(without, data)
    if gain.value is None or not gain.standard_error or gain.n_items < 2:
        return 1.0
    return t_two_sided(gain.value / gain.standard_error, gain.n_items - 1) / 2 if gain.value > 0 else 1.0


def _strangers(agreement: Sequence[RaterAgreement]) -> Iterator[tuple[str, Flag]]:
    for one in agreement:
        with_others = one.alpha_with_others.value
        if with_others is not None and with_others <= 0 and one.n_common >= LEAST_FOR_CHANCE:
            sentence = (
                f"On the {one.n_common} common items the answers agree with the others' no more than chance would "
                f"give (alpha {_signed(with_others, 3)})."
            )
            yield one.rater, Flag("chance", "alpha with the others is at most 0", with_others, sentence)


def _small(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "less than 1 in 10,000"


def _value(estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else _signed(estimate.value, 3)


def _signed(value: float, decimals: int) -> str:
    """With a true minus sign, and none before a zero."""
    return f"{value:z.{decimals}f}".replace("-", "−")


def _plain(value: float) -> str:
    """A positive number with two significant digits, all of its whole ones, and no exponent where it can be read."""
    if value and not 1e-6 <= value < 1e9:
        return f"{value:.1e}".replace("-", "−")
    decimals = max(0, 1 - math.floor(math.log10(value))) if value else 0
    return f"{value:,.{decimals}f}"


def _shown(answer: Category) -> str:
    shown = display(answer)
    return f"−{shown[1:]}" if is_finite_number(answer) and shown.startswith("-") else shown
