"""Layer 2. Rank correlation of two scores per item, with a bootstrap interval over items."""

from __future__ import annotations

from annotator_ops.measures import Estimate
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.correlations import correlations
from annotator_ops.stats.values import FloatArray


def spearman(x: FloatArray, y: FloatArray, *, n_raters: int = 0, resampling: Resampling | None = None) -> Estimate:
    """Spearman's rank correlation of `x` with `y` (items each), as `correlations` has it for people and judges."""
    (found,) = correlations(x, y[None, :], n_raters=n_raters, resampling=resampling, coefficients=("spearman",))
    return found["spearman"]
