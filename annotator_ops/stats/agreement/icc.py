"""Layer 2. Intraclass correlations: how much of the variance of ratings is variance between items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from annotator_ops.measures import Estimate, Reason
from annotator_ops.stats.agreement.complete import complete
from annotator_ops.stats.agreement.units import no_value
from annotator_ops.stats.probability import f_quantile
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray

# Shrout and Fleiss' forms: 1 each item has raters of its own, 2 the raters are a sample of raters, 3 they are the only
# ones that matter. With k, the reliability of the mean of all raters; without, that of a single one.
Form = Literal["icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k"]
FORMS: tuple[Form, ...] = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
_NAMES: dict[Form, str] = {
    "icc1": "ICC(1,1), one-way, single rater",
    "icc2": "ICC(2,1), two-way random, absolute agreement, single rater",
    "icc3": "ICC(3,1), two-way mixed, consistency, single rater",
    "icc1k": "ICC(1,k), one-way, mean of raters",
    "icc2k": "ICC(2,k), two-way random, absolute agreement, mean of raters",
    "icc3k": "ICC(3,k), two-way mixed, consistency, mean of raters",
}
# Sums of squares below this share of the total, and quotients by less than this share, are the rounding of differences.
_ROUNDING = 1e-13
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """The analysis of variance of items × raters: mean squares between and within items, between raters, residual."""

    items: int
    raters: int
    between: float
    within: float
    rater: float
    residual: float

    @classmethod
    def of(cls, values: FloatArray) -> MeanSquares:
        """Of values, raters × items, without gaps; at least two of each."""
        k, n = values.shape
        # From a value first: the mean of equal values can differ from them by a rounding, and that is no variance.
        x = values - values.flat[0]
        x -= x.mean()
        item, rater = x.mean(axis=0), x.mean(axis=1)
        total = float((x**2).sum())
        between, raters = k * float((item**2).sum()), n * float((rater**2).sum())
        residual = float(((x - item[None, :] - rater[:, None]) ** 2).sum())
        # Sums that are rounding only would give quotients of rounding errors.
        between, raters, residual = (part if part > _ROUNDING * total else 0.0 for part in (between, raters, residual))
        return cls(
            items=n,
            raters=k,
            between=between / (n - 1),
            within=(raters + residual) / (n * (k - 1)),
            rater=raters / (k - 1),
            residual=residual / ((n - 1) * (k - 1)),
        )


def icc(data: ReliabilityData, form: Form, *, confidence: float = 0.95) -> Estimate:
    """An intraclass correlation (Shrout and Fleiss 1979; McGraw and Wong 1996) with its interval from F.

    `form` is one of FORMS. Only items that every rater rated count; the method says how many were left out. The
    interval of ICC(2,k) is that of ICC(2,1) carried over by the Spearman–Brown formula, which is increasing, so that
    the two hold or fail together: the lower bound is .071 for the data of Shrout and Fleiss, as in R psych and
    pingouin. R irr has .039, from degrees of freedom that take the reliability of the mean for that of one rater.

    Raises ValueError for an unknown form.
    """
    if form not in FORMS:
        raise ValueError(f"There is no intraclass correlation {form!r}; there are: {', '.join(FORMS)}.")
    found = complete(data, coefficient="an intraclass correlation")
    if isinstance(found, Reason):
        return no_value(data, found)
    squares = MeanSquares.of(found.values)
    n, k = squares.items, squares.raters
    value = _value(squares, form)
    if isinstance(value, Reason):
        return replace(no_value(data, value), n_items=n, n_raters=k)
    estimate = Estimate(value=value, method=_NAMES[form] + found.note, n_items=n, n_raters=k)
    bounds = _bounds(squares, form, confidence)
    if bounds is None:
        return replace(estimate, method=f"{estimate.method}; no interval: the variances do not determine one")
    method = f"{estimate.method}; F interval (McGraw and Wong 1996)"
    return replace(estimate, low=bounds[0], high=bounds[1], confidence=confidence, method=method)


def _value(squares: MeanSquares, form: Form) -> float | Reason:
    n, k, between = squares.items, squares.raters, squares.between
    noise = squares.residual if form.startswith("icc3") else squares.within
    if form.startswith("icc2"):
        noise = squares.residual
    shift = (squares.rater - squares.residual) / n if form.startswith("icc2") else 0.0
    single = not form.endswith("k")
    denominator = between + (k - 1) * noise + k * shift if single else between + shift
    if between == 0 and squares.within == 0:
        sentence = "Every rating has the same value, so there is no variance whose share between items could be told."
        return Reason("one-category", sentence)
    if denominator <= _TINY * (between + squares.within) or (not single and between == 0):
        sentence = (
            "The items' means do not differ more than chance would have it, and the reliability of a mean is then a "
            "quotient without meaning. The coefficient for a single rater can be computed."
        )
        return Reason("no-item-variance", sentence)
    return (between - noise) / denominator


def _bounds(squares: MeanSquares, form: Form, confidence: float) -> tuple[float, float] | None:
    n, k = squares.items, squares.raters
    tail = (1 + confidence) / 2
    if form.startswith("icc2"):
        bounds = _two_way_random(squares, tail)
        if bounds is None or form == "icc2":
            return bounds
        # Below −1/(k − 1) Spearman and Brown's formula has no meaning, and its sign turns.
        return (
            (_spearman_brown(bounds[0], k), _spearman_brown(bounds[1], k)) if 1 + (k - 1) * bounds[0] > _TINY else None
        )
    noise, degrees = (squares.within, n * (k - 1)) if form.startswith("icc1") else (squares.residual, (n - 1) * (k - 1))
    if noise == 0 or squares.between == 0:
        return None
    f = squares.between / noise
    low = f / f_quantile(tail, n - 1, degrees)
    high = f * f_quantile(tail, degrees, n - 1)
    if form.endswith("k"):
        return 1 - 1 / low, 1 - 1 / high
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _two_way_random(squares: MeanSquares, tail: float) -> tuple[float, float] | None:
    """The interval of ICC(2,1) with Satterthwaite's degrees of freedom (McGraw and Wong 1996, table 7)."""
    n, k, between, rater, residual = squares.items, squares.raters, squares.between, squares.rater, squares.residual
    # Without residual variance the raters differ by constants only, and without variance between items F is 0.
    if residual == 0 or between == 0:
        return None
    rho = (between - residual) / (between + (k - 1) * residual + k * (rater - residual) / n)
    a = k * rho / (n * (1 - rho))
    b = 1 + k * rho * (n - 1) / (n * (1 - rho))
    parts = (a * rater) ** 2 / (k - 1) + (b * residual) ** 2 / ((n - 1) * (k - 1))
    degrees = (a * rater + b * residual) ** 2 / parts if parts > 0 else 0.0
    if degrees <= 0:
        return None
    below, above = f_quantile(tail, n - 1, degrees), f_quantile(tail, degrees, n - 1)
    rest = k * rater + (k * n - k - n) * residual
    low = n * (between - below * residual) / (below * rest + n * between)
    high = n * (above * between - residual) / (rest + n * above * between)
    return (low, high) if low <= rho <= high else None


def _spearman_brown(rho: float, k: int) -> float:
    """The reliability of the mean of k raters from that of one."""
    return k * rho / (1 + (k - 1) * rho)
