"""Layer 2. The few distributions that intervals and tests here need, from `scipy.special`.

`scipy.stats` has them, too, under friendlier names, and takes most of a second to load: as long as the whole analysis
of a small study.
"""

from __future__ import annotations

from scipy import special


def normal_quantile(probability: float) -> float:
    """The standard normal's value below which it is with this probability."""
    return float(special.ndtri(probability))


def t_quantile(probability: float, degrees: float) -> float:
    """Student's t with these degrees of freedom: the value below which it is with this probability."""
    return float(special.stdtrit(degrees, probability))


def t_two_sided(t: float, degrees: float) -> float:
    """The probability that Student's t is at least as far from 0 as `t`."""
    return float(2 * special.stdtr(degrees, -abs(t)))


def f_quantile(probability: float, numerator: float, denominator: float) -> float:
    """Fisher's F with these degrees of freedom: the value below which it is with this probability."""
    return float(special.fdtri(numerator, denominator, probability))


def at_least(successes: int, n: int, probability: float) -> float:
    """The probability of at least so many successes among n."""
    return float(special.bdtrc(successes - 1, n, probability)) if successes > 0 else 1.0


def at_most(successes: int, n: int, probability: float) -> float:
    """The probability of at most so many successes among n."""
    return float(special.bdtr(successes, n, probability)) if successes >= 0 else 0.0
