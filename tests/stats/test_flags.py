"""Flags: found where something was planted, rare where nothing was, and worded so that nobody is accused."""

from __future__ import annotations

import json

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
from annotator_ops.stats.values import FloatArray
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
    values: FloatArray, seconds: FloatArray, moments: FloatArray, *, level: Level = Level.ORDINAL, gold: bool = False
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


def test_one_answer_in_a_row() -> None:
    values, seconds, moments = honest(2)
    first = np.argsort(moments[0])[:120]
    values[0, first] = 4
    found = codes(flagged(values, seconds, moments), "1")
    assert {"run", "one-answer", "lowers-alpha"} <= found


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
