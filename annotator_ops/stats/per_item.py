"""Layer 2. What is compared item by item: who answered what, and a ratio of sums over items with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, TypeVar

import numpy as np

from annotator_ops.measures import Estimate, Rating, Reason, Value
from annotator_ops.stats.agreement.units import with_interval
from annotator_ops.stats.intervals import Resampling, Statistic, interval_of
from annotator_ops.stats.reliability import rated_twice
from annotator_ops.stats.values import FloatArray, natural_key

Answer = TypeVar("Answer")


class UnreadableAnswerError(ValueError):
    """An answer that cannot be compared; the text says why, `code` is the reason's."""

    def __init__(self, sentence: str, *, code: str = "bad-answer") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class Answers(Generic[Answer]):
    """One criterion's answers. `by_item` has one mapping an item, from a rater's place in `raters` to the answer.

    Raters and items are in natural order, so the order of the ratings changes nothing. What a rater did not answer is
    absent, not empty.
    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    by_item: tuple[Mapping[int, Answer], ...]

    @property
    def shared(self) -> Answers[Answer]:
        """The items that at least two raters answered."""
        kept = [number for number, answers in enumerate(self.by_item) if len(answers) > 1]
        items = tuple(self.items[number] for number in kept)
        return Answers(self.raters, items, tuple(self.by_item[number] for number in kept))

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """(item, first rater, second rater) for every two raters of every item, as places."""
        for item, answers in enumerate(self.by_item):
            for first, second in combinations(sorted(answers), 2):
                yield item, first, second

    @property
    def undefined(self) -> Reason | None:
        """Why nothing can be compared: no ratings, one rater, or no item that two raters answered."""
        rated = {rater for answers in self.by_item for rater in answers}
        if not rated:
            return Reason("no-ratings", "There is no rating that has a value.")
        if len(rated) < 2:
            only = self.raters[min(rated)]
            return Reason("one-rater", f"Only {only} gave ratings; agreement needs at least two annotators.")
        if all(len(answers) < 2 for answers in self.by_item):
            return Reason("no-overlap", "No item was rated by two annotators, so nothing can be compared.")
        return None

    def nothing(self, reason: Reason) -> Estimate:
        """An estimate without a value, and why."""
        shared = sum(len(answers) > 1 for answers in self.by_item)
        return Estimate(value=None, reason=reason, n_items=shared, n_raters=len(self.raters))


def answers_of(ratings: Iterable[Rating], read: Callable[[Value], Answer]) -> Answers[Answer] | Reason:
    """One criterion's ratings as answers; `read` makes an answer of a value or raises UnreadableAnswerError.

    A value that cannot be read, or a second value of one rater for one item, is a Reason that names both.
    """
    rated = [rating for rating in ratings if rating.value is not None]
    raters = tuple(sorted({rating.rater for rating in rated}, key=natural_key))
    items = tuple(sorted({rating.item for rating in rated}, key=natural_key))
    place_of = {rater: place for place, rater in enumerate(raters)}
    by_item: dict[str, dict[int, Answer]] = {item: {} for item in items}
    for rating in rated:
        place = place_of[rating.rater]
        if place in by_item[rating.item]:
            return rated_twice(rating.rater, rating.item)
        if rating.value is None:
            continue
        try:
            by_item[rating.item][place] = read(rating.value)
        except UnreadableAnswerError as error:
            sentence = f"The answer of {rating.rater} on item {rating.item} cannot be compared: {error}"
            return Reason(error.code, sentence)
    return Answers(raters, items, tuple(by_item[item] for item in items))


@dataclass(frozen=True, slots=True)
class Wording:
    """How a ratio is called: its `method`, and the reason where the denominator is zero."""

    method: str
    empty: Reason


def ratio_of_sums(
    answers: Answers[Answer],
    numerator: FloatArray,
    denominator: FloatArray,
    *,
    wording: Wording,
    resampling: Resampling | None = None,
) -> Estimate:
    """Σ numerator / Σ denominator over items (one entry each), with a bootstrap interval over items."""
    if denominator.sum() <= 0:
        return answers.nothing(wording.empty)
    n_items = len(answers.items)
    value = float(numerator.sum() / denominator.sum())

    def ratio(weights: FloatArray) -> FloatArray:
        below = weights @ denominator
        ratios = np.full(len(weights), np.nan)
        np.divide(weights @ numerator, below, out=ratios, where=below > 0)
        return ratios

    influence = n_items * (numerator - value * denominator) / denominator.sum()
    statistic = Statistic(value, ratio, np.ones(n_items, dtype=np.intp), influence)
    found = Estimate(
        value=value,
        method=wording.method,
        standard_error=statistic.standard_error,
        n_items=n_items,
        n_raters=len(answers.raters),
    )
    return found if resampling is None else with_interval(found, interval_of(statistic, resampling=resampling))
