"""Layer 2. How alike texts are in wording: chrF over characters and F1 over words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

from annotator_ops.stats.values import FloatArray, IntArray

# Popović (2015): character n-grams of 1 to 6, recall weighing β² times as much as precision.
_LONGEST = 6
_BETA = 2
_WORD = re.compile(r"\w+")
_SPACE = re.compile(r"\s+")


def chrf(texts: Sequence[str]) -> FloatArray:
    """chrF of every two texts (Popović 2015), the mean of both directions; shape texts × texts, 0 to 1, symmetric.

    For one direction, chrF = (1 + β²) P R / (β² P + R) with β = 2; P and R are the means over n = 1 … 6 of the shares
    of the one's and the other's character n-grams that they have in common, taken over those n for which both have
    n-grams. White space does not count, capitals do; texts are compared in Unicode's composed form (NFC). Two texts
    without characters are alike (1), such a text and another are not (0).
    """
    given = [_SPACE.sub("", unicodedata.normalize("NFC", text)) for text in texts]
    shape = (len(given), len(given))
    precision, recall, orders = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for counts in _ngram_counts(given):
        common = np.array([np.minimum(own, counts).sum(axis=1) for own in counts], dtype=np.float64).reshape(shape)
        totals = counts.sum(axis=1)
        both = (totals[:, None] > 0) & (totals > 0)
        precision += np.divide(common, totals[:, None], out=np.zeros(shape), where=both)
        recall += np.divide(common, totals[None, :], out=np.zeros(shape), where=both)
        orders += both
    below = _BETA**2 * precision + recall
    # The number of orders divides precision and recall alike, and then once more the score.
    score = np.divide(
        (1 + _BETA**2) * precision * recall, below * np.maximum(orders, 1), out=np.zeros(shape), where=below > 0
    )
    empty = np.array([not text for text in given], dtype=bool)
    score[empty[:, None] & empty] = 1.0
    symmetric: FloatArray = (score + score.T) / 2
    return np.minimum(symmetric, 1.0)


def _ngram_counts(texts: Sequence[str]) -> list[IntArray]:
    """For n = 1 … 6 how often each text has each n-gram: texts × n-grams that occur at all."""
    characters = np.array([ord(character) for text in texts for character in text], dtype=np.int64)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    _, single = np.unique(characters, return_inverse=True)
    size = int(single.max(initial=0)) + 1
    found: list[IntArray] = []
    codes = single.astype(np.int64)
    for n in range(1, _LONGEST + 1):
        if n > 1:
            # An n-gram is the one before it and a character more; numbering the pairs anew keeps numbers small.
            _, codes = np.unique(codes[:-1] * size + single[n - 1 :], return_inverse=True)
        whole = owner[: len(codes)] == owner[n - 1 :] if len(codes) else np.zeros(0, dtype=bool)
        width = int(codes.max(initial=0)) + 1
        cells = owner[: len(codes)][whole] * width + codes[whole]
        found.append(np.bincount(cells, minlength=len(texts) * width).reshape(len(texts), width))
    return found


def token_f1(texts: Sequence[str]) -> FloatArray:
    """F1 over words of every two texts, 2 · words in common / all words of both; shape texts × texts, symmetric.

    Words are runs of letters, digits and underscores of any script; capitals and the order of words do not count, how
    often a word occurs does. Two texts without words are alike where they are the same text.
    """
    given = [unicodedata.normalize("NFC", text) for text in texts]
    words = [Counter(_WORD.findall(text.casefold())) for text in given]
    totals = [sum(counted.values()) for counted in words]
    score = np.eye(len(given))
    for i in range(len(given)):
        for j in range(i):
            size = totals[i] + totals[j]
            common = sum((words[i] & words[j]).values())
            alike = 2 * common / size if size else float(given[i].strip() == given[j].strip())
            score[i, j] = score[j, i] = alike
    return score
