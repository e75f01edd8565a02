"""Layer 2. Ranks of numbers with ties."""

from __future__ import annotations

import numpy as np

from annotator_ops.stats.values import FloatArray


def mid_ranks(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The ranks from 1, equal values sharing the mean of theirs (Kendall 1945); and how many values share each."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(sizes) - (sizes - 1) / 2)[place]
    return ranks, sizes.astype(np.float64)
