"""Ratings as columns: the same records there and back, whatever the order, and a hash that misses nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.measures import Rating, Value
from annotator_ops.stats.table import RatingTable, joined
from annotator_ops.stats.values import natural_key
from annotator_ops.stats.vocabulary import combined, encode, natural_order, value_key, value_order, value_text

ID = st.sampled_from(["anna", "anna-2", "anna-10", "anna-02", "7", "07", "é", "", "\0", "a\0b"]) | st.text(max_size=3)
LABEL = st.sampled_from(["4", "4.0", "yes", "true", "null", "[]", '["a"]', "", "-0"]) | st.text(max_size=3)
REGION = st.fixed_dictionaries({"start": st.integers(0, 2), "label": LABEL})
VALUE = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1.0, 4.0, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False),
    LABEL,
    st.lists(LABEL, max_size=2).map(tuple),
    st.lists(REGION, max_size=2).map(tuple),
)
# Hypothesis takes the bounds without a time zone, and adds it.
EARLIEST, LATEST = datetime(1900, 1, 1), datetime(2240, 1, 1)  # noqa: DTZ001 - as the line above says
TIME = st.none() | st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
OWN = {
    "confidence": st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    "model": st.none() | ID,
    "prompt": st.none() | ID,
    "reply": st.none() | st.text(max_size=3),
    "turn": st.none() | ID,
    "order": st.sampled_from([None, "given", "swapped"]),
}
PLAIN = st.builds(
    Rating,
    rater=ID,
    kind=st.sampled_from(["human", "judge"]),
    item=ID,
    criterion=ID,
    value=VALUE,
    reason=st.none() | ID,
    created_at=TIME,
    seconds=st.none() | st.sampled_from([0.0, -0.0, 1.5]) | st.floats(0, 1e9),
    source=ID,
)
# A judge's own columns are there in some tables only.
RATING = PLAIN | PLAIN.flatmap(lambda plain: st.builds(replace, st.just(replace(plain, kind="judge")), **OWN))
RATINGS = st.lists(RATING, max_size=8)


NEARLY: list[dict[str, Any]] = [{"reason": "other"}, {"seconds": 3.0}, {"value": "other"}, {"source": "other"}]
NEARLY += [{"kind": "judge", name: "other"} for name in ("model", "prompt", "reply", "turn", "order")]
NEARLY += [{"kind": "judge", "confidence": 0.5}]


def shuffled(ratings: Sequence[Rating], seed: int) -> list[Rating]:
    return random.Random(seed).sample(list(ratings), len(ratings))


def fields_of(table: RatingTable) -> list[Any]:
    named = {name: getattr(table, name) for name in RatingTable.__dataclass_fields__}
    return [repr(column.tolist()) if isinstance(column, np.ndarray) else column for column in named.values()]


# --- there and back --------------------------------------------------------------------------------------------------


@given(ratings=RATINGS)
def test_a_table_gives_its_ratings_back(ratings: list[Rating]) -> None:
    assert RatingTable.from_ratings(ratings).ratings() == ratings


@given(ratings=RATINGS)
def test_the_vocabularies_hold_each_entry_once_and_in_order(ratings: list[Rating]) -> None:
    table = RatingTable.from_ratings(ratings)
    for name, listed in (("rater", table.raters), ("item", table.items)):
        assert list(listed) == sorted({getattr(rating, name) for rating in ratings}, key=natural_key)
    assert list(table.criteria) == list(dict.fromkeys(rating.criterion for rating in ratings))
    assert len({value_key(value) for value in table.values}) == len(table.values)
    assert len(table) == len(ratings)


def test_times_come_back_in_utc_to_the_microsecond() -> None:
    berlin = timezone(timedelta(hours=1))
    times = [
        datetime(2026, 1, 31, 12, 0, 0, 123457, tzinfo=berlin),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ]
    ratings = [Rating("a", "human", "t", "c", 1.0, created_at=time) for time in times]
    first, oldest, last = (rating.created_at for rating in RatingTable.from_ratings(ratings).ratings())
    assert first == times[0] and first is not None and first.tzinfo is UTC
    assert oldest == times[1]
    assert last is not None and timedelta(0) <= times[2] - last < timedelta(milliseconds=1)


def test_truth_values_numbers_and_labels_are_different_values() -> None:
    told: list[Any] = [1.0, True, "1", ("1",), (1,), (1.0,), 0.0, -0.0, False, "", (), "[]"]
    table = RatingTable.from_ratings([Rating("a", "human", str(n), "c", value) for n, value in enumerate(told)])
    assert len(table.values) == len(told) - 1
    assert table.value[6] == table.value[7]
    assert [type(rating.value) for rating in table.ratings()] == [type(value) for value in told]
    assert len({value_text(value) for value in table.values}) == len(table.values)


@given(value=VALUE.filter(lambda value: value is not None), other=VALUE.filter(lambda value: value is not None))
def test_a_values_text_tells_values_apart_as_its_key_does(value: Value, other: Value) -> None:
    assert (value_text(value) == value_text(other)) == (value_key(value) == value_key(other))


def test_whole_numbers_given_as_int_are_the_same_numbers() -> None:
    one, two = (RatingTable.from_ratings([Rating("a", "human", "t", "c", value)]) for value in (4, 4.0))
    assert one.content_hash() == two.content_hash()


# --- rows and values -------------------------------------------------------------------------------------------------


@given(ratings=RATINGS, data=st.data())
def test_selecting_rows_is_selecting_ratings(ratings: list[Rating], data: st.DataObject) -> None:
    table = RatingTable.from_ratings(ratings)
    mask = data.draw(st.lists(st.booleans(), min_size=len(ratings), max_size=len(ratings)))
    kept = [rating for rating, keep in zip(ratings, mask, strict=True) if keep]
    assert table.where(np.array(mask, dtype=np.bool_)).ratings() == kept
    assert table.where(np.flatnonzero(mask)).ratings() == kept
    assert table.where(np.flatnonzero(mask)).items == table.items
    for name in {*table.criteria, "no such criterion"}:
        assert table.of(name).ratings() == [rating for rating in ratings if rating.criterion == name]
    assert table.people().ratings() == [rating for rating in ratings if rating.kind == "human"]
    assert table.models().ratings() == [rating for rating in ratings if rating.kind == "judge"]
    assert table.rated.tolist() == [rating.value is not None for rating in ratings]
    part = table.where(np.array(mask, dtype=np.bool_))
    assert set(part.raters_here()) == {rating.rater for rating in kept}
    assert list(part.raters_here()) == sorted(part.raters_here(), key=natural_key)
    told = {value_key(rating.value) for rating in kept if rating.value is not None}
    assert {value_key(value) for value in part.values_here()} == told
    assert len(part.values_here()) == len(told)


@given(ratings=RATINGS)
def test_values_are_changed_by_criterion_and_asked_for_once(ratings: list[Rating]) -> None:
    table = RatingTable.from_ratings(ratings)
    asked = []

    def change(criterion: str, value: Value) -> Value:
        asked.append((criterion, value_key(value)))
        return f"{criterion}: {value_text(value)}" if isinstance(value, float) else value

    changed = table.with_values(change).ratings()
    assert changed == [
        replace(rating, value=f"{rating.criterion}: {value_text(rating.value)}")
        if isinstance(rating.value, float)
        else rating
        for rating in ratings
    ]
    assert len(set(asked)) == len(asked)


@given(ratings=RATINGS)
def test_cells_are_the_same_for_one_raters_rows_on_an_item_and_criterion(ratings: list[Rating]) -> None:
    cells = RatingTable.from_ratings(ratings).cells().tolist()
    named = [(rating.kind, rating.rater, rating.item, rating.criterion) for rating in ratings]
    assert [cells.index(cell) for cell in cells] == [named.index(name) for name in named]


# --- order and hash --------------------------------------------------------------------------------------------------


@given(ratings=RATINGS, seed=st.integers(0, 99))
def test_the_canonical_table_and_its_hash_do_not_depend_on_the_order(ratings: list[Rating], seed: int) -> None:
    # Some rows twice but for one column, which the main order does not see.
    ratings += [replace(rating, **change) for change in NEARLY for rating in ratings[:2]]
    one = RatingTable.from_ratings(ratings).canonical()
    two = RatingTable.from_ratings(shuffled(ratings, seed)).canonical()
    assert fields_of(one) == fields_of(two)
    assert one.content_hash() == two.content_hash()
    assert fields_of(one.canonical()) == fields_of(one)


@given(ratings=RATINGS)
def test_the_canonical_rows_are_sorted_as_promised(ratings: list[Rating]) -> None:
    table = RatingTable.from_ratings(ratings).canonical()
    keys = [
        (rating.criterion, rating.kind == "judge", natural_key(rating.rater), natural_key(rating.item))
        for rating in table.ratings()
    ]
    assert keys == sorted(keys)
    assert sorted(map(repr, table.ratings())) == sorted(map(repr, RatingTable.from_ratings(ratings).ratings()))


def test_zero_has_no_sign() -> None:
    one, two = (
        RatingTable.from_ratings([replace(BASE, value=zero, seconds=zero), replace(BASE, item="t2", value=-1.0)])
        for zero in (0.0, -0.0)
    )
    assert one.content_hash() == two.content_hash()


BASE = Rating("anna", "human", "t1", "c", 4.0, "empty", None, 1.0, "a.csv")


@pytest.mark.parametrize(
    "change",
    [
        {"rater": "ben"}, {"kind": "judge"}, {"item": "t2"}, {"criterion": "d"}, {"reason": "skipped"},
        {"reason": None}, {"seconds": 2.0}, {"seconds": None}, {"value": 5.0}, {"value": "4"}, {"value": "4.0"},
        {"value": None}, {"value": ()}, {"value": ("4",)}, {"value": (4.0,)}, {"value": '["4"]'},
        {"value": ({"start": 1},)}, {"kind": "judge", "confidence": 1.0}, {"kind": "judge", "confidence": 0.0},
        {"kind": "judge", "model": "x"}, {"kind": "judge", "prompt": "x"},
    ],
)  # fmt: skip
def test_the_hash_sees_every_change(change: dict[str, Any]) -> None:
    others = [replace(BASE, item="t9"), replace(BASE, item="t8", value="x")]
    before = RatingTable.from_ratings([BASE, *others]).canonical().content_hash()
    after = RatingTable.from_ratings([replace(BASE, **change), *others]).canonical().content_hash()
    assert before != after


@given(ratings=RATINGS, others=RATINGS)
def test_hashes_are_the_same_only_for_the_same_content(ratings: list[Rating], others: list[Rating]) -> None:
    def content(given: list[Rating]) -> list[str]:
        return sorted(
            repr(
                (r.rater, r.kind, r.item, r.criterion, None if r.value is None else value_text(r.value), r.reason,
                 None if r.seconds is None else r.seconds + 0.0, r.confidence, r.model, r.prompt)
            )
            for r in given
        )  # fmt: skip

    one, two = (RatingTable.from_ratings(given).canonical().content_hash() for given in (ratings, others))
    assert (one == two) == (content(ratings) == content(others))


def test_the_hash_does_not_see_when_and_from_which_file() -> None:
    other = replace(BASE, source="b.csv", created_at=datetime(2026, 1, 31, tzinfo=UTC))
    one, two = (RatingTable.from_ratings([rating]).content_hash() for rating in (BASE, other))
    assert one == two


def test_the_hash_does_not_see_what_the_vocabularies_hold_beside() -> None:
    rows = [BASE, replace(BASE, item="t0", rater="ada", value="x", reason="y", criterion="b")]
    whole = RatingTable.from_ratings(rows, repeats={"t0": "t5"})
    assert whole.where(np.array([0])).content_hash() == RatingTable.from_ratings(rows[:1]).content_hash()


# --- several tables --------------------------------------------------------------------------------------------------


@given(parts=st.lists(RATINGS, max_size=4))
def test_joining_is_putting_rows_after_each_other(parts: list[list[Rating]]) -> None:
    whole = joined([RatingTable.from_ratings(part) for part in parts])
    ratings = [rating for part in parts for rating in part]
    assert whole.ratings() == ratings
    assert fields_of(whole) == fields_of(RatingTable.from_ratings(ratings))


# --- repeats ---------------------------------------------------------------------------------------------------------


def test_repeats_stay_with_the_table() -> None:
    other = RatingTable.from_ratings([replace(BASE, item="t3")], repeats={"t3": "t1"})
    table = RatingTable.from_ratings([BASE, replace(BASE, item="t2")], repeats={"t2": "not rated"})
    assert table.where(np.array([False, True])).repeats == table.of("c").repeats == {"t2": "not rated"}
    assert table.canonical().repeats == table.with_values(lambda _, value: value).repeats == {"t2": "not rated"}
    assert joined([table, other]).repeats == {"t2": "not rated", "t3": "t1"}
    assert RatingTable.from_ratings([BASE]).repeats == {}
    assert table.content_hash() != RatingTable.from_ratings(table.ratings()).content_hash()


@pytest.mark.parametrize(
    ("repeats", "others", "sentence"),
    [
        ({"t1": "t1"}, {}, "Item t1 is said to repeat itself"),
        ({"t2": "t1"}, {"t2": "t3"}, "Item t2 is said to repeat t1 and also t3"),
        ({"t2": "t1"}, {"t3": "t2"}, "Item t3 is said to repeat t2, which is itself a repeat of t1"),
        ({"t3": "t2"}, {"t2": "t1"}, "Item t3 is said to repeat t2, which is itself a repeat of t1"),
    ],
)
def test_repeats_that_contradict_each_other_are_refused(
    repeats: dict[str, str], others: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        joined([RatingTable.from_ratings([BASE], repeats=each) for each in (repeats, others)])


# --- vocabularies ----------------------------------------------------------------------------------------------------


@given(texts=st.lists(st.text(st.sampled_from("ab01239\0-é"), max_size=6)))
def test_natural_order_is_the_order_of_the_natural_key(texts: list[str]) -> None:
    assert [texts[place] for place in natural_order(texts)] == sorted(texts, key=natural_key)


def test_natural_order_counts_as_people_do() -> None:
    names = ["anna-10", "anna-2", "b", "anna", "10", "9", "009", "a1b2", "a1b10", "a01b3"]
    expected = ["009", "9", "10", "a1b2", "a01b3", "a1b10", "anna", "anna-2", "anna-10", "b"]
    assert [names[place] for place in natural_order(names)] == expected


def test_values_are_ordered_by_size_and_then_by_name() -> None:
    values: list[Any] = ["b", 10.0, ("a",), 2.0, "a", -1.0]
    assert [values[place] for place in value_order(values)] == [-1.0, 2.0, 10.0, "a", "b", ("a",)]


@given(entries=st.lists(st.none() | st.text(max_size=1)))
def test_encoding_lists_each_entry_once_as_it_comes(entries: list[str | None]) -> None:
    vocabulary, codes = encode(entries)
    assert list(vocabulary) == [entry for entry in dict.fromkeys(entries) if entry is not None]
    assert [None if code == -1 else vocabulary[code] for code in codes] == entries


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 3)] * 4), max_size=12),
    sizes=st.sampled_from([(4, 4, 4, 4), (2**31, 2**31, 4, 2**31), (2**31,) * 4]),
)
def test_combined_columns_order_rows_as_tuples_do(rows: list[tuple[int, ...]], sizes: tuple[int, ...]) -> None:
    columns = np.array(rows, dtype=np.int32).reshape(-1, 4).T
    key = combined(*zip(columns, sizes, strict=True)).tolist()
    for one, first in zip(rows, key, strict=True):
        for two, second in zip(rows, key, strict=True):
            assert (one < two, one == two) == (first < second, first == second)
