"""Layer 2. Rankings of the same things by several annotators: Kendall's W and tau, item by item."""

from __future__ import annotations

import numpy as np

from annotator_ops.measures import Reason
from annotator_ops.stats.per_item import Answers, UnreadableAnswerError
from annotator_ops.stats.values import FloatArray, IntArray


def read_ranking(value: object) -> tuple[str, ...]:
    """A ranking: ids from first to last. Raises UnreadableAnswerError for anything else and for ids named twice."""
    if not isinstance(value, tuple) or not all(isinstance(each, str) for each in value):
        raise UnreadableAnswerError("it is no ranking, that is, no list of ids.", code="no-ranking")
    if len(set(value)) < len(value):
        twice = next(each for each in value if value.count(each) > 1)
        raise UnreadableAnswerError(f"it ranks “{twice}” more than once.", code="no-ranking")
    return value


def incomplete(answers: Answers[tuple[str, ...]]) -> Reason | None:
    """Why rankings cannot be compared: two annotators of an item did not rank the same two or more things."""
    for item, rankings in zip(answers.items, answers.by_item, strict=True):
        if not rankings:
            continue
        first, standard = next(iter(sorted(rankings.items())))
        if len(standard) < 2:
            sentence = f"{answers.raters[first]} ranked {len(standard)} things on item {item}; an order needs two."
            return Reason("too-few-ranked", sentence)
        for rater, ranking in sorted(rankings.items()):
            if set(ranking) != set(standard):
                odd = min(set(ranking) ^ set(standard))
                sentence = (
                    f"On item {item}, {answers.raters[rater]} and {answers.raters[first]} did not rank the same "
                    f"things: only one of them ranked “{odd}”. Kendall's W and tau need complete rankings."
                )
                return Reason("incomplete-rankings", sentence)
    return None


def ranks(rankings: list[tuple[str, ...]]) -> IntArray:
    """The rank (from 1) that each ranking gives to each thing: rankings × things in ascending order."""
    things = {thing: place for place, thing in enumerate(sorted(rankings[0]))}
    table = np.zeros((len(rankings), len(things)), dtype=np.intp)
    for row, ranking in enumerate(rankings):
        table[row, [things[thing] for thing in ranking]] = np.arange(1, len(ranking) + 1)
    return table


def coefficient_of_concordance(table: IntArray) -> float:
    """Kendall's W = 12 S / (m² (n³ − n)) of m rankings of n things without ties (Kendall & Babington Smith 1939).

    S is the sum of squared deviations of the things' rank sums from their mean. `table` is as from `ranks`.
    """
    m, n = table.shape
    sums = table.sum(axis=0, dtype=np.float64)
    spread = float(((sums - sums.mean()) ** 2).sum())
    return 12 * spread / (m**2 * (n**3 - n))


def mean_tau(table: IntArray) -> float:
    """The mean of Kendall's tau over all pairs of rankings (Kendall 1938); without ties tau-a and tau-b are one."""
    m, n = table.shape
    first, second = np.triu_indices(n, k=1)
    order: FloatArray = np.sign(table[:, first] - table[:, second]).astype(np.float64)
    agreeing = float((order.sum(axis=0) ** 2).sum() - m * order.shape[1])
    return agreeing / (m * (m - 1) * order.shape[1])
