"""Layer 2. The few distributions that intervals and tests here need, from `scipy.special`.

`scipy.stats` has them, too, under friendlier names, and takes most of a second to load: as long as the whole analysis
of a small study.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from annotator_ops.stats.values import FloatArray


def normal_quantile(probability: float) -> float:
    """The standard normal's value below which it is with this probability."""
    return float(special.ndtri(probability))


def t_quantile(probability: float, degrees: float) -> float:
    """Student's t with these degrees of freedom: the value below which it is with this probability."""
    return float(special.stdtrit(degrees, probability))


def t_two_sided(t: float, degrees: float) -> float:
    """The probability that Student's t is at least as far from 0 as `t`."""
    return float(2 * special.stdtr(degrees, -abs(t)))


def t_below(t: float, degrees: float) -> float:
    """The probability that Student's t is at most `t`."""
    return float(special.stdtr(degrees, t))


def beta_quantile(probability: float, a: FloatArray, b: FloatArray) -> FloatArray:
    """The beta distributions with these two shapes: the values below which they are with this probability."""
    return np.asarray(special.betaincinv(a, b, probability), dtype=np.float64)


def f_quantile(probability: float, numerator: float, denominator: float) -> float:
    """Fisher's F with these degrees of freedom: the value below which it is with this probability."""
    return float(special.fdtri(numerator, denominator, probability))


def at_least(successes: int, n: int, probability: float) -> float:
    """The probability of at least so many successes among n."""
    return float(special.bdtrc(successes - 1, n, probability)) if successes > 0 else 1.0


def at_most(successes: int, n: int, probability: float) -> float:
    """The probability of at most so many successes among n."""
    return float(special.bdtr(successes, n, probability)) if successes >= 0 else 0.0
