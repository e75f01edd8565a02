"""Layer 2. Columns as numbers into a list of what they hold: the vocabulary, its order, which item repeats which."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Value
from annotator_ops.stats.values import MISSING, IntArray, natural_key

CodeArray = npt.NDArray[np.int32]
_T = TypeVar("_T")
# Made once: `json.dumps` with options makes one for every call.
_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str)
_DIGITS = re.compile("[0-9]+")
# Two codes of at most 2³¹ each fit into one number below.
_LARGEST_KEY = 2**62


class _Places(dict[Hashable, int]):
    def __missing__(self, key: Hashable) -> int:
        place = self[key] = len(self)
        return place


def encode(
    entries: Sequence[Any], *, key: Callable[[Any], Hashable] | None = None
) -> tuple[tuple[Any, ...], CodeArray]:
    """The distinct entries in order of first appearance, and each entry's place among them; None is MISSING.

    `key` says when two entries are the same; without it, when they are equal. The first of the same is listed; of
    numbers the one without the sign of zero, which would depend on the order.
    """
    there = [entry for entry in entries if entry is not None]
    names = there if key is None else list(map(key, there))
    places = _Places()
    found = np.fromiter(map(places.__getitem__, names), dtype=np.int32, count=len(names))
    codes = found
    if len(there) < len(entries):
        codes = np.full(len(entries), MISSING, dtype=np.int32)
        codes[[row for row, entry in enumerate(entries) if entry is not None]] = found
    if key is None:
        vocabulary = list(places)
    else:
        _, first = np.unique(found, return_index=True)
        vocabulary = [there[row] for row in first.tolist()]
    return tuple(0.0 if type(entry) is float and entry == 0 else entry for entry in vocabulary), codes


def value_key(value: Value) -> Hashable:
    """What makes two values the same: their type and content; sets and regions, which may hold objects, by their text.

    A truth value is no number, though Python takes True for 1.
    """
    if isinstance(value, tuple):
        return ("tuple", value_text(value))
    return (type(value) if isinstance(value, (str, bool)) else float, value)


def value_text(value: Value) -> str:
    """A value as JSON, the same for the same values (by `value_key`) and different for any two others."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
        return repr(number + 0.0) if math.isfinite(number) else json.dumps(number)
    return _JSON.encode(value)


def reordered(vocabulary: tuple[_T, ...], codes: CodeArray, order: Sequence[int]) -> tuple[tuple[_T, ...], CodeArray]:
    """A vocabulary in another order, given as positions in it, and the codes that fit; an entry left out is MISSING."""
    if len(order) == len(vocabulary) and all(one < two for one, two in pairwise(order)):
        return vocabulary, codes
    place = np.full(len(vocabulary) + 1, MISSING, dtype=np.int32)
    place[np.asarray(order, dtype=np.intp)] = np.arange(len(order), dtype=np.int32)
    return tuple(vocabulary[code] for code in order), place[codes]


def used(vocabulary: Sequence[Any], codes: CodeArray) -> list[int]:
    """The codes that occur, ascending, without MISSING."""
    there: list[int] = np.flatnonzero(np.bincount(codes + 1, minlength=len(vocabulary) + 1)[1:]).tolist()
    return there


def compact(codes: npt.NDArray[Any], size: int) -> tuple[IntArray, IntArray]:
    """The codes that occur, ascending, and each row's place among them; codes are from 0 to below `size`.

    What `np.unique` gives with its inverse, without sorting: a million rows take milliseconds.
    """
    there = np.zeros(size, dtype=np.bool_)
    there[codes] = True
    place = np.cumsum(there, dtype=np.intp) - 1
    return np.flatnonzero(there), place[codes]


def natural_order(texts: Sequence[str]) -> list[int]:
    """The positions of the texts in the order of `natural_key`; sorts a hundred thousand in a fraction of a second."""
    if any("\0" in text for text in texts):
        return sorted(range(len(texts)), key=lambda place: natural_key(texts[place]))
    # One text a key compares far faster than a list: \0 ends a part, because it sorts before all that may follow.
    keys = [f"{_DIGITS.sub(_measured, text)}\0\0{text}" for text in texts]
    return sorted(range(len(texts)), key=keys.__getitem__)


def _measured(digits: re.Match[str]) -> str:
    """Digits behind how many they are: 2 sorts before 10."""
    number = digits[0].lstrip("0")
    return f"\0{chr(len(number) + 1)}{number}"


def value_order(values: Sequence[Value]) -> list[int]:
    """The positions of the values, numbers by size, then all others by their text."""
    plain = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in values]
    numbers = [place for place, is_number in enumerate(plain) if is_number]
    others = [place for place, is_number in enumerate(plain) if not is_number]
    texts = {place: value_text(values[place]) for place in others}
    return [*sorted(numbers, key=values.__getitem__), *sorted(others, key=texts.__getitem__)]


def combined(*columns: tuple[npt.NDArray[Any], int]) -> npt.NDArray[np.int64]:
    """One number a row that orders the rows as the columns do, the first column before the second.

    Each column is given as its codes (0 or more) and how many codes there are at most; all have one length.
    """
    key: npt.NDArray[np.int64] = np.zeros(len(columns[0][0]), dtype=np.int64)
    size = 1
    for codes, count in columns:
        if size * count > _LARGEST_KEY:
            different, places = np.unique(key, return_inverse=True)
            key, size = places.astype(np.int64), len(different)
        key = key * count + codes
        size *= count
    return key


def repeat_faults(pairs: Sequence[tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """What is wrong with pairs of an item and the item it repeats: a code and a sentence by the pair's position.

    No item repeats itself, an item has one original, and an original is not a repeat; it may be an item that nobody
    rated.
    """
    faults: dict[int, tuple[str, str]] = {}
    original_of: dict[str, str] = {}
    for place, (item, original) in enumerate(pairs):
        if item == original:
            faults[place] = ("repeats-itself", f"item {item} is said to repeat itself.")
        elif original_of.setdefault(item, original) != original:
            sentence = f"item {item} is said to repeat {original_of[item]} and also {original}."
            faults[place] = ("two-originals", sentence)
    for place, (item, original) in enumerate(pairs):
        if place not in faults and original in original_of:
            sentence = f"item {item} is said to repeat {original}, which is itself a repeat of {original_of[original]}."
            faults[place] = ("repeat-of-repeat", sentence)
    return faults
