"""Sets of labels: MASI and Jaccard distances, alpha with them, paths of a taxonomy, each label by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.sets import (
    MOST_SETS,
    PATH,
    SetDistance,
    distance_matrix,
    jaccard_distance,
    label_alphas,
    masi_distance,
    mean_jaccard,
    set_alpha,
    with_ancestors,
)
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.structured import set_agreement

Labels = tuple[str, ...]
Row = list[Labels | None]
LABELS = "abcd"
SETS = [tuple(chosen) for size in range(5) for chosen in itertools.combinations(LABELS, size)]
BY_WORDS: dict[SetDistance, Callable[[Labels, Labels], float]] = {
    SetDistance.JACCARD: jaccard_distance,
    SetDistance.MASI: masi_distance,
}


def data(rows: Sequence[Row]) -> ReliabilityData:
    return ReliabilityData.from_rows(rows, level=Level.NOMINAL)


def by_hand(rows: Sequence[Row], distance: Callable[[Labels, Labels], float]) -> float | None:
    """Alpha as it is defined: the mean distance within items over the mean distance of all values."""
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    columns = [column for column in columns if len(column) > 1]
    values = [value for column in columns for value in column]
    within = sum(
        sum(distance(a, b) for a, b in itertools.permutations(column, 2)) / (len(column) - 1) for column in columns
    )
    among = sum(distance(a, b) for a, b in itertools.permutations(values, 2)) / max(len(values) - 1, 1)
    return 1 - within / among if among > 0 and len(columns) > 1 else None


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    raters, units = draw(st.integers(2, 4)), draw(st.integers(2, 8))
    cell = st.none() | st.sampled_from(SETS)
    return draw(st.lists(st.lists(cell, min_size=units, max_size=units), min_size=raters, max_size=raters))


def test_masi_as_published() -> None:
    """Passonneau (2006), section 3: monotonicity 1, 2/3, 1/3 and 0 times Jaccard."""
    assert masi_distance("ab", "ab") == 0
    assert masi_distance("ab", "abc") == pytest.approx(1 - 2 / 3 * 2 / 3)
    assert masi_distance("ab", "bc") == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert masi_distance("ab", "cd") == 1
    assert jaccard_distance("ab", "bc") == pytest.approx(2 / 3)
    assert jaccard_distance("", "") == masi_distance("", "") == 0
    assert jaccard_distance("", "a") == masi_distance((), ("a",)) == 1


def test_against_nltk() -> None:
    metrics = pytest.importorskip("nltk.metrics")
    for a, b in itertools.product(SETS[1:], repeat=2):
        assert jaccard_distance(a, b) == pytest.approx(metrics.jaccard_distance(set(a), set(b)))
        # It rounds 2/3 and 1/3 to two digits.
        assert masi_distance(a, b) == pytest.approx(metrics.masi_distance(set(a), set(b)), abs=0.004)


@pytest.mark.parametrize("distance", SetDistance)
def test_the_matrix_holds_the_distances(distance: SetDistance) -> None:
    matrix = distance_matrix(SETS, distance)
    assert not isinstance(matrix, Reason)
    expected = [[BY_WORDS[distance](a, b) for b in SETS] for a in SETS]
    assert matrix == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("distance", SetDistance)
@given(rows=tables())
@settings(deadline=None, max_examples=60)
def test_alpha_is_what_its_definition_says(distance: SetDistance, rows: list[Row]) -> None:
    found = set_alpha(data(rows), distance=distance)
    expected = by_hand(rows, BY_WORDS[distance])
    assert (found.value is None) == (expected is None)
    if expected is not None:
        assert found.value == pytest.approx(expected, abs=1e-9)


@given(rows=tables(), names=st.permutations(LABELS))
@settings(deadline=None, max_examples=40)
def test_alpha_ignores_names_of_labels_and_order_of_raters_and_items(rows: list[Row], names: list[str]) -> None:
    new = dict(zip(LABELS, names, strict=True))
    renamed: list[Row] = [
        [None if value is None else tuple(sorted(new[label] for label in value)) for value in row[::-1]]
        for row in rows[::-1]
    ]
    one, other = (set_alpha(data(table), distance=SetDistance.MASI) for table in (rows, renamed))
    assert one.value == (None if other.value is None else pytest.approx(other.value, abs=1e-9))


def test_identical_sets_give_one_and_partial_overlap_gives_more_than_exact_sameness() -> None:
    same: list[Row] = [[("a",), ("a", "b"), ()], [("a",), ("a", "b"), ()]]
    near: list[Row] = [[("a",), ("a", "b"), ("c",), ("b",)], [("a",), ("a",), ("c", "d"), ("b", "c")]]
    agreed = set_agreement(data(same))
    assert {name: estimate.value for name, estimate in agreed.estimates.items()} == {
        "alpha_masi": 1,
        "alpha_jaccard": 1,
        "mean_jaccard": 1,
    }
    masi, jaccard = (
        set_alpha(data(near), distance=distance).value for distance in (SetDistance.MASI, SetDistance.JACCARD)
    )
    assert masi is not None and jaccard is not None and jaccard > masi > 0
    assert set_agreement(data(near)).disagreement == {"2": 0.5, "3": 0.5, "4": 0.5, "1": 0.0}


def test_siblings_are_nearer_than_strangers_with_ancestors_only() -> None:
    assert with_ancestors(["a > b > c", "d"]) == ("a", "a > b", "a > b > c", "d")
    siblings: list[Row] = [[("x > a",), ("y",), ("z",)], [("x > b",), ("y",), ("z",)]]
    strangers: list[Row] = [[("x > a",), ("y",), ("z",)], [("w > b",), ("y",), ("z",)]]
    plain = [set_alpha(data(rows), distance=SetDistance.JACCARD).value for rows in (siblings, strangers)]
    assert plain[0] == pytest.approx(plain[1])
    grown = [set_alpha(data(rows), distance=SetDistance.JACCARD, separator=PATH) for rows in (siblings, strangers)]
    assert grown[0].value is not None and grown[1].value is not None and grown[0].value > grown[1].value
    assert "ancestors" in grown[0].method
    names = set_agreement(data(siblings), taxonomy=True).estimates
    assert list(names) == [
        "alpha_masi",
        "alpha_jaccard",
        "alpha_masi_ancestors",
        "alpha_jaccard_ancestors",
        "mean_jaccard",
    ]


def test_each_label_by_itself() -> None:
    rows: list[Row] = [[("a",), ("a", "b"), (), ("b",)], [("a",), ("a",), (), ("b", "c")]]
    found = label_alphas(data(rows), resampling=Resampling(resamples=20))
    assert list(found) == ["a", "b", "c"]
    assert found["a"].value == 1
    # "b" is chosen as − + − + and − − − +: Do = 2/8, De = 2 · 3 · 5 / (8 · 7).
    assert found["b"].value == pytest.approx(1 - (2 / 8) / (30 / 56))


def test_mean_jaccard_is_over_pairs_and_then_items() -> None:
    rows: list[Row] = [[("a",), ("a",)], [("a",), ("b",)], [("a", "b"), None]]
    found = mean_jaccard(data(rows))
    assert found.value == pytest.approx(((1 + 0.5 + 0.5) / 3 + 0) / 2)


def test_what_is_undefined_says_why() -> None:
    def code(found: Estimate) -> str | None:
        return found.reason.code if found.reason else None

    assert code(set_alpha(data([[("a",), ("b",)]]), distance=SetDistance.MASI)) == "one-rater"
    assert code(mean_jaccard(data([[("a",), None], [None, ("b",)]]))) == "no-overlap"
    assert code(set_alpha(data([[("a",)] * 3] * 2), distance=SetDistance.MASI)) == "one-category"


def test_thousands_of_sets_work_and_more_are_refused_in_words() -> None:
    many = [(f"l{number % 97:03d}", f"m{number:05d}") for number in range(MOST_SETS + 1)]
    half = MOST_SETS // 2
    found = set_alpha(
        data([[many[n] for n in range(half)], [many[n + 1] for n in range(half)]]), distance=SetDistance.MASI
    )
    assert found.value is not None
    refused = distance_matrix(many, SetDistance.JACCARD)
    assert isinstance(refused, Reason) and refused.code == "too-many-sets"
