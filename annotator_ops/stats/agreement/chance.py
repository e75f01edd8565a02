"""Layer 2. Percent agreement and the coefficients that correct it for chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.units import no_value, undefined, units_of, with_interval
from annotator_ops.stats.intervals import Resampling, bootstrap, percentile_interval
from annotator_ops.stats.reliability import FloatArray, ReliabilityData


def percent_agreement(data: ReliabilityData, *, resampling: Resampling | None = None) -> Estimate:
    """Mean over units of the share of rater pairs with the same value (Gwet 2014, p_a); not corrected for chance."""
    reason = undefined(data, least_units=1)
    if reason:
        return no_value(data, reason)
    units = units_of(data)
    same = np.asarray(units.counts.multiply(units.counts).sum(axis=1)).ravel()
    shares = (same - units.size) / (units.size * (units.size - 1))

    def mean(weights: FloatArray) -> FloatArray:
        means: FloatArray = weights @ shares / weights.sum(axis=1)
        return means

    value = float(mean(units.multiplicity[None, :].astype(np.float64))[0])
    found = Estimate(value=value, method="share of agreeing pairs, mean over items", n_items=units.n)
    found = replace(found, n_raters=len(data.raters))
    if resampling is None:
        return found
    values = bootstrap(mean, units.multiplicity, resampling)
    return with_interval(found, percentile_interval(values, units=units.n, resampling=resampling))


def cohen_kappa(data: ReliabilityData) -> Estimate:
    """Cohen's kappa (Cohen 1960) of two raters, with quadratic weights (Cohen 1968) where the values are numbers.

    The weights are the squared differences of the values themselves, so unequal steps count as unequal. Raises
    ValueError unless there are two raters.
    """
    if len(data.raters) != 2:
        raise ValueError("Cohen's kappa compares two raters.")
    reason = undefined(data)
    if reason:
        return no_value(data, reason)
    first, second = data.codes[:, data.pairable]
    n = len(first)
    if data.level is Level.NOMINAL:
        counts = [np.bincount(codes, minlength=len(data.domain)) for codes in (first, second)]
        observed = float(np.mean(first != second))
        expected = 1 - float(counts[0] @ counts[1]) / n**2
        name = "Cohen's kappa"
    else:
        x, y = data.values[:, data.pairable]
        observed = float(np.mean((x - y) ** 2))
        expected = float(np.var(x) + np.var(y) + (np.mean(x) - np.mean(y)) ** 2)
        name = "Cohen's kappa, quadratic weights"
    if len(np.unique([first, second])) < 2:
        sentence = "Both raters gave one and the same value throughout; there is no chance agreement to compare with."
        return no_value(data, Reason("one-category", sentence))
    return Estimate(value=1 - observed / expected, method=name, n_items=n, n_raters=2)
