"""Layer 2. Preferences between two things shown side by side: how often the left one won, whichever it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from annotator_ops.measures import Estimate, Rating, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.closed_intervals import share
from annotator_ops.stats.probability import at_most

LEFT, RIGHT = "left", "right"
_TIE = "tie"
_METHOD = (
    "share of the preferences that are for the {side} side, ties left out, taken as independent, which those of one "
    "annotator or one item are not"
)


@dataclass(frozen=True, slots=True)
class PreferenceShares:
    """A check for position bias. `p_value` is of the two-sided exact binomial test against one half; None without data.

    A share far from one half means that the side itself was preferred, or that the better answers were shown on one
    side: where sides were drawn by lot for each item, only the first is left.
    """

    left: Estimate
    right: Estimate
    n_left: int
    n_right: int
    n_ties: int
    p_value: float | None

    def as_json(self) -> JSONDict:
        return {
            "left": self.left.as_json(),
            "right": self.right.as_json(),
            "n_left": self.n_left,
            "n_right": self.n_right,
            "n_ties": self.n_ties,
            "p_value": self.p_value,
        }


def preference_shares(
    ratings: Iterable[Rating], *, left: object = LEFT, right: object = RIGHT, confidence: float = 0.95
) -> PreferenceShares | Reason:
    """The shares of preferences for the left and for the right side (Wilson 1927), and a test against one half.

    `left` and `right` are the values that stand for the sides: Label Studio's words, or the two numbers that the
    criterion declares. With numbers, all on the side of `left` seen from the middle between both are for the left, and
    the middle is a tie. Anything else is a Reason.
    """
    rated = [rating for rating in ratings if rating.value is not None]
    counts = {LEFT: 0, RIGHT: 0, _TIE: 0}
    for rating in rated:
        side = _side(rating.value, left, right)
        if side is None:
            sentence = (
                f"{rating.rater} answered {rating.value!r} on item {rating.item}, which is no preference for one "
                f"of two sides ({left!r}, {right!r})."
            )
            return Reason("no-preference", sentence)
        counts[side] += 1
    n_left, n_right, n_ties = counts[LEFT], counts[RIGHT], counts[_TIE]
    n = n_left + n_right
    n_items, n_raters = len({rating.item for rating in rated}), len({rating.rater for rating in rated})
    if n == 0:
        reason = Reason("no-ratings", "There is no preference for either side.")
        nothing = Estimate(value=None, reason=reason, n_items=n_items, n_raters=n_raters)
        return PreferenceShares(nothing, nothing, 0, 0, n_ties, None)

    def of_side(count: int, side: str) -> Estimate:
        found = share(count, n, name=_METHOD.format(side=side), confidence=confidence, n_raters=n_raters)
        return replace(found, n_items=n_items)

    # With equal chances both tails of the exact test are the same.
    p_value = min(1.0, 2 * at_most(min(n_left, n_right), n, 0.5))
    return PreferenceShares(of_side(n_left, LEFT), of_side(n_right, RIGHT), n_left, n_right, n_ties, p_value)


def _side(value: object, left: object, right: object) -> str | None:
    """Which side a value is for; None where that cannot be said."""
    at, one, other = (_number(each) for each in (value, left, right))
    if at is None or one is None or other is None or one == other:
        return LEFT if value == left else RIGHT if value == right else None
    middle = (one + other) / 2
    if at == middle:
        return _TIE
    return LEFT if (at < middle) == (one < middle) else RIGHT


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
