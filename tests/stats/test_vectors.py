"""Published and oracle-computed values: the coefficients of this version against them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import krippendorff
import numpy as np
import pytest

from annotator_ops.models import Level
from annotator_ops.ratings import read_ratings
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import cohen_kappa, percent_agreement
from annotator_ops.stats.reliability import ReliabilityData, reliability_data

COEFFICIENTS = {
    "krippendorff_alpha": krippendorff_alpha,
    "percent_agreement": percent_agreement,
    "cohen_kappa": cohen_kappa,
}


def test_published_values(shared_data: Callable[[str], Path]) -> None:
    vectors = json.loads(shared_data("agreement/vectors.json").read_text())
    checked = 0
    for vector in vectors:
        if vector["metric"] not in COEFFICIENTS:
            continue
        data = ReliabilityData.from_rows(vector["data"], level=Level(vector["level"]))
        found = COEFFICIENTS[vector["metric"]](data)
        assert found.value == pytest.approx(vector["expected"], abs=vector["tolerance"]), vector["name"]
        checked += 1
    assert checked >= 17


def test_newsroom_alphas(shared_data: Callable[[str], Path]) -> None:
    expected = {
        "Informativeness": 0.28487323,
        "Relevance": 0.11512129,
        "Fluency": -0.01580812,
        "Coherence": 0.06497203,
    }
    ratings = read_ratings(shared_data("newsroom/ratings.csv"), "human")
    for criterion, alpha in expected.items():
        own = [rating for rating in ratings if rating.criterion == criterion]
        data = reliability_data(own, level=Level.ORDINAL)
        assert isinstance(data, ReliabilityData)
        assert krippendorff_alpha(data).value == pytest.approx(alpha, abs=1e-8)


def test_the_worked_example_of_krippendorff_2011() -> None:
    """The same numbers as in the vectors, written out, so that they are checked where the data is absent."""
    nan = float("nan")
    rows: list[list[float | None]] = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    expected = {Level.NOMINAL: 0.743, Level.ORDINAL: 0.815, Level.INTERVAL: 0.849, Level.RATIO: 0.797}
    for level, alpha in expected.items():
        found = krippendorff_alpha(ReliabilityData.from_rows(rows, level=level))
        assert found.value == pytest.approx(alpha, abs=0.0005)
        assert (found.n_items, found.n_raters) == (11, 4)


@pytest.mark.parametrize("level", list(Level))
def test_the_closed_forms_equal_the_package_on_many_values(level: Level) -> None:
    random = np.random.default_rng(7)
    truth = random.uniform(0, 100, 60)
    table = np.round(truth + random.normal(0, 8, (4, 60)).clip(-20, 20), 1).clip(0, None)
    table[random.random((4, 60)) < 0.2] = np.nan
    rows: list[list[float]] = table.tolist()
    data = ReliabilityData.from_rows(rows, level=level)
    found = krippendorff_alpha(data)
    assert "closed form" in found.method
    oracle = krippendorff.alpha(reliability_data=table, level_of_measurement=level.value)
    assert found.value == pytest.approx(oracle, abs=1e-12)
