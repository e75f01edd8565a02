"""Flags: found where something was planted, rare where nothing was, and worded so that nobody is accused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.models import Level
from annotator_ops.stats.checks import gold_accuracy, repeat_consistency
from annotator_ops.stats.dawid_skene import fit_model
from annotator_ops.stats.flags import Flag, flags
from annotator_ops.stats.pace import paces
from annotator_ops.stats.raters import competence, rater_agreement
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.styles import answering_styles
from annotator_ops.stats.values import Category, FloatArray
from tests.stats.tables import LEVELS, Table, reliability, tables

UNITS = 200
RATERS = 5


def honest(seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Values on a five-point scale, seconds and moments of five raters who differ by chance only."""
    random = np.random.default_rng(seed)
    truth = random.normal(3, 1.1, UNITS)
    values = np.clip(np.round(truth + random.normal(0, 0.5, (RATERS, UNITS))), 1, 5)
    seconds = random.lognormal(3, 0.3, (RATERS, UNITS)) * random.lognormal(0, 0.3, UNITS)
    moments = np.array([random.permutation(UNITS) for _ in range(RATERS)]) * 60.0 + 1.7e9
    return values, seconds, moments


def flagged(
    values: FloatArray,
    seconds: FloatArray,
    moments: FloatArray,
    *,
    level: Level = Level.ORDINAL,
    gold: bool = False,
    derived: bool = False,
) -> dict[str, tuple[Flag, ...]]:
    data = ReliabilityData.from_rows(values.tolist(), level=level, domain=[1.0, 2.0, 3.0, 4.0, 5.0])
    return flags(
        data,
        rater_agreement(data),
        answering_styles(data, moments=moments),
        paces=paces(data, seconds=seconds, moments=moments),
        repeats=repeat_consistency(
            data, {"2": "1"} if not gold else {str(2 * n): str(2 * n - 1) for n in range(1, 40)}
        ),
        gold=gold_accuracy(data, {str(n): float(np.median(values[:, n - 1])) for n in range(1, 40)} if gold else {}),
        derived=derived,
    )


def codes(found: dict[str, tuple[Flag, ...]], rater: str) -> set[str]:
    return {flag.code for flag in found[rater]}


def test_careful_raters_are_hardly_ever_flagged() -> None:
    wrongly = [flag for seed in range(20) for found in flagged(*honest(seed)).values() for flag in found]
    assert len(wrongly) <= 2


def test_fast_answers() -> None:
    values, seconds, moments = honest(1)
    seconds[2, :40] = 2.0
    found = flagged(values, seconds, moments)
    assert codes(found, "3") == {"fast"}
    (flag,) = found["3"]
    assert flag.value == pytest.approx(0.2, abs=0.02)
    assert (
        "of 200 answers took less than 33% of the median time that annotators needed for the same item" in flag.sentence
    )
    assert "5%" in flag.rule
    assert flag.sentence.endswith("the time is that of the whole task, with all its questions.")


def test_one_answer_in_a_row() -> None:
    values, seconds, moments = honest(2)
    first = np.argsort(moments[0])[:120]
    values[0, first] = 4
    found = codes(flagged(values, seconds, moments), "1")
    assert {"run", "one-answer", "lowers-alpha"} <= found


def test_values_that_nobody_gave_have_no_rules_about_answering() -> None:
    values, seconds, moments = honest(2)
    values[0, np.argsort(moments[0])[:120]] = 4
    seconds[0, :40] = 2.0
    assert {"run", "one-answer", "fast", "lowers-alpha"} <= codes(flagged(values, seconds, moments), "1")
    derived = codes(flagged(values, seconds, moments, derived=True), "1")
    assert "lowers-alpha" in derived
    assert not derived & {"run", "one-answer", "fast"}


def nominal(*rows: list[Category | None]) -> ReliabilityData:
    return ReliabilityData.from_rows(rows, level=Level.NOMINAL)


def test_one_answer_is_compared_on_the_same_items() -> None:
    common: list[Category | None] = [*["ham"] * 18, "spam", "spam"]
    alone: list[Category | None] = ["spam"] * 60
    nobody: list[Category | None] = [None] * 60
    data = nominal(alone + common, nobody + common, nobody + common)
    assert flags(data, (), answering_styles(data))["1"] == ()


def test_one_answer_needs_ten_common_items() -> None:
    def found(common: int) -> set[str]:
        others: list[Category | None] = [*["y", "z"] * 6][:common] + [None] * (12 - common)
        data = nominal(["x"] * 12, others, others, others)
        return codes(flags(data, (), answering_styles(data)), "1")

    assert found(9) == set()
    assert found(10) == {"one-answer"}


def test_answers_in_an_unknown_order_make_no_run() -> None:
    values, _, moments = honest(2)
    values[0, np.argsort(moments[0])[:120]] = 4
    data = ReliabilityData.from_rows(values.tolist(), level=Level.ORDINAL)
    days = np.floor(moments / 60 / 40)
    assert "run" in codes(flags(data, (), answering_styles(data, moments=moments)), "1")
    assert "run" not in codes(flags(data, (), answering_styles(data, moments=days)), "1")


def null_study(random: np.random.Generator, raters: int, units: int, categories: int, informed: float) -> FloatArray:
    """Answers of raters who differ by chance only: on each item the right one, or else any."""
    values = np.tile(random.integers(1, categories + 1, units), (raters, 1))
    guessed = random.random((raters, units)) >= informed
    values[guessed] = random.integers(1, categories + 1, int(guessed.sum()))
    return values.astype(np.float64)


@pytest.mark.parametrize(
    ("raters", "units", "categories", "informed", "level"),
    [
        (5, 10, 5, 0.0, Level.NOMINAL),
        (3, 10, 10, 0.0, Level.NOMINAL),
        (3, 20, 2, 0.0, Level.NOMINAL),
        (5, 10, 5, 0.5, Level.ORDINAL),
        (5, 20, 5, 0.5, Level.ORDINAL),
    ],
)
def test_each_tested_rule_flags_few_studies_of_raters_who_differ_by_chance(
    raters: int, units: int, categories: int, informed: float, level: Level
) -> None:
    random = np.random.default_rng(7)
    studies = 300
    count = dict.fromkeys(("one-answer", "drift", "run"), 0)
    for _ in range(studies):
        values = null_study(random, raters, units, categories, informed)
        moments = np.array([random.permutation(units) for _ in range(raters)]).astype(np.float64)
        data = ReliabilityData.from_rows(values.tolist(), level=level)
        found = flags(data, (), answering_styles(data, moments=moments), paces=paces(data, moments=moments))
        for code in {flag.code for own in found.values() for flag in own}:
            count[code] += 1
    # 5 %, and two standard errors of a share of so many studies.
    assert max(count.values()) / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies), count


def test_small_scales_and_signs_in_sentences() -> None:
    values, _, moments = honest(3)
    values[1] = np.clip(values[1] - 1, 1, 5)
    values = (values - 3) * 1e-3
    data = ReliabilityData.from_rows(values.tolist(), level=Level.INTERVAL)
    (flag,) = [one for one in flags(data, rater_agreement(data), ())["2"] if one.code == "bias"]
    assert "on average 0.000" in flag.sentence
    assert "on average 0.000 " not in flag.sentence
    values[2] = -values[2]
    values[0] = -0.002
    data = ReliabilityData.from_rows(values.tolist(), level=Level.INTERVAL)
    raised = flags(data, rater_agreement(data), answering_styles(data, moments=moments))
    sentences = [flag.sentence for own in raised.values() for flag in own]
    assert any("(alpha −0." in sentence for sentence in sentences)
    assert any("were −0.002;" in sentence for sentence in sentences)
    assert not any(re.search(r"-\d", sentence) for sentence in sentences)


def test_severity() -> None:
    values, seconds, moments = honest(3)
    values[1] = np.clip(values[1] - 1, 1, 5)
    found = flagged(values, seconds, moments, level=Level.INTERVAL)
    assert "bias" in codes(found, "2")
    (flag,) = [flag for flag in found["2"] if flag.code == "bias"]
    assert flag.value < -0.5
    assert "less than the others' mean" in flag.sentence


def test_drift() -> None:
    values, seconds, moments = honest(4)
    values[4] = np.clip(np.round(values[4] + (moments[4] - 1.7e9) / 60 / UNITS * 2 - 1), 1, 5)
    assert "drift" in codes(flagged(values, seconds, moments), "5")


def test_answers_at_random() -> None:
    values, seconds, moments = honest(5)
    values[3] = np.random.default_rng(0).integers(1, 6, UNITS)
    found = flagged(values, seconds, moments, gold=True)
    assert {"lowers-alpha", "gold", "repeats"} <= codes(found, "4")
    (flag,) = [flag for flag in found["4"] if flag.code == "gold"]
    assert "of 39 items with a known answer got it." in flag.sentence


def test_reversed_answers_are_worse_than_chance() -> None:
    values, seconds, moments = honest(6)
    values[3] = 6 - values[3]
    assert {"chance", "lowers-alpha"} <= codes(flagged(values, seconds, moments), "4")


def test_too_few_answers_make_no_pattern() -> None:
    values, seconds, moments = honest(7)
    seconds[0, :9] = 0.1
    found = flagged(values[:, :9], seconds[:, :9], moments[:, :9])
    assert codes(found, "1") == set()


def test_sentences_state_and_do_not_accuse() -> None:
    values, seconds, moments = honest(8)
    values[0] = 3
    seconds[0] = 0.5
    found = flagged(values, seconds, moments)
    assert found["1"]
    for flag in found["1"]:
        assert flag.sentence.endswith(".")
        assert not {"cheat", "lazy", "bad", "wrong", "suspicious", "careless"} & set(flag.sentence.lower().split())
        assert set(flag.as_json()) == {"code", "rule", "value", "sentence"}


@given(tables(), st.sampled_from(LEVELS), st.booleans())
@settings(deadline=None)
def test_every_record_is_plain_json(rows: Table, level: Level, known: bool) -> None:
    data = reliability(rows, level)
    times = np.arange(data.codes.size, dtype=np.float64).reshape(data.codes.shape)
    moments = times if known else None
    agreement, styles = rater_agreement(data), answering_styles(data, moments=moments)
    pace = paces(data, seconds=moments, moments=moments)
    repeats, gold = repeat_consistency(data, {"2": "1"}), gold_accuracy(data, {"1": 1.0})
    raised = flags(data, agreement, styles, paces=pace, repeats=repeats, gold=gold)
    assert list(raised) == list(data.raters)
    entries = [*(one.as_json() for one in agreement), *(one.as_json() for one in styles)]
    entries += [*(one.as_json() for one in pace), *(one.as_json() for one in (*repeats, *gold))]
    entries += [flag.as_json() for own in raised.values() for flag in own]
    json.dumps(entries, allow_nan=False)
    for one in competence(data, fit_model(data)):
        assert (one.value is None) == (one.reason is not None)


def test_nothing_known_flags_nobody() -> None:
    data = ReliabilityData.from_rows([["a", "b"], [None, None]], level=Level.NOMINAL)
    assert flags(data, rater_agreement(data), answering_styles(data)) == {"1": (), "2": ()}


def test_like_annotators_seldom_seem_to_lower_alpha() -> None:
    """Half of the answers guessed, few items: alpha without one of them rises by chance, and the test knows it."""
    random = np.random.default_rng(8)
    flagged = large = 0
    for _ in range(150):
        truth = random.integers(0, 5, 12)
        codes = np.where(random.random((4, 12)) < 0.5, truth, random.integers(0, 5, (4, 12)))
        data = ReliabilityData.from_rows((codes + 1.0).tolist(), level=Level.ORDINAL)
        agreement = rater_agreement(data)
        found = flags(data, agreement, answering_styles(data))
        flagged += any(flag.code == "lowers-alpha" for own in found.values() for flag in own)
        large += any((one.alpha_change or 0) <= -0.067 for one in agreement)
    assert large > 75
    assert flagged <= 150 * 0.05 + 5


def test_who_answers_at_random_among_those_who_agree_lowers_alpha() -> None:
    random = np.random.default_rng(9)
    truth = random.integers(0, 5, 60)
    codes = np.array([truth, truth, truth, random.integers(0, 5, 60)])
    data = ReliabilityData.from_rows((codes + 1.0).tolist(), level=Level.ORDINAL)
    found = flags(data, rater_agreement(data), answering_styles(data))
    assert "lowers-alpha" in {flag.code for flag in found["4"]}
    assert not any(flag.code == "lowers-alpha" for rater in "123" for flag in found[rater])
