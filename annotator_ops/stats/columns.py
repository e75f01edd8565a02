"""Layer 2. Single columns of a `RatingTable`: times as numbers, columns in which nothing is, what a hash is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.stats.values import MISSING, FloatArray
from annotator_ops.stats.vocabulary import CodeArray, reordered, used

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC) - _EPOCH


def moment(time: datetime) -> float:
    """Seconds since 1970 of a time with a time zone, to the microsecond."""
    return time.timestamp()


def time_of(seconds: float) -> datetime | None:
    """The time in UTC that `moment` made such seconds of; None for NaN."""
    if isnan(seconds):
        return None
    whole = int(seconds // 1)
    return _EPOCH + min(timedelta(seconds=whole, microseconds=round((seconds - whole) * 1e6)), _LAST)


def absent(size: int) -> CodeArray:
    """A column of which no row has anything: one number in memory, however many rows there are. It is read-only."""
    return np.broadcast_to(np.int32(MISSING), size)


def unknown(size: int) -> FloatArray:
    """A column of numbers of which none is known, in the same way."""
    return np.broadcast_to(np.float64(np.nan), size)


def is_shared(column: npt.NDArray[Any]) -> bool:
    """Whether a column is one that `absent` or `unknown` made."""
    return column.strides == (0,)


def by_name(texts: Sequence[str]) -> list[int]:
    """The positions of the texts in their order."""
    return sorted(range(len(texts)), key=texts.__getitem__)


def digest_codes(
    digest: hashlib._Hash, vocabulary: Sequence[Any], codes: CodeArray, *, text: Callable[[Any], str] = str
) -> None:
    """Add a coded column to a hash; `text` is different for different entries.

    Entries get their number by their text, so that neither the order of the file nor its first row matters.
    """
    here = used(vocabulary, codes)
    texts = [text(vocabulary[code]) for code in here]
    order = by_name(texts)
    _, ranks = reordered(tuple(vocabulary), codes, [here[place] for place in order])
    digest_listed(digest, [texts[place] for place in order])
    digest.update(ranks.astype("<i4").tobytes())


def digest_numbers(digest: hashlib._Hash, column: FloatArray) -> None:
    """Add a column of numbers to a hash; every NaN is the same, and zero has no sign."""
    digest.update(np.where(np.isnan(column), np.nan, column + 0.0).astype("<f8").tobytes())


def digest_listed(digest: hashlib._Hash, listed: Sequence[Any]) -> None:
    """Add plain data to a hash."""
    digest.update(json.dumps(listed, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
