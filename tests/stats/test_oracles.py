"""Other people's packages as oracles: krippendorff, scikit-learn, statsmodels, pingouin and scipy."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Literal

import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from annotator_ops.models import Level
from annotator_ops.stats.agreement import chance
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.concordance import kendall_w
from annotator_ops.stats.agreement.icc import FORMS, icc
from annotator_ops.stats.agreement.light import light_kappa
from annotator_ops.stats.agreement.pairs import all_pairs_kappa, pairwise
from annotator_ops.stats.agreement.weights import weight_matrix
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray, IntArray

SEEDS = range(6)


def likert(seed: int, *, raters: int = 5, units: int = 60) -> IntArray:
    """Whole numbers from 1 to 5 around a truth; raters × units."""
    random = np.random.default_rng(seed)
    truth = random.integers(1, 6, units)
    return np.clip(truth + random.integers(-2, 3, (raters, units)), 1, 5).astype(np.intp)


def data_of(values: FloatArray | IntArray, *, level: Level = Level.INTERVAL) -> ReliabilityData:
    rows: list[list[float]] = values.tolist()
    return ReliabilityData.from_rows(rows, level=level)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("step", [1.0, 0.1])
def test_alpha_against_krippendorff(
    level: Literal["nominal", "ordinal", "interval", "ratio"], seed: int, step: float
) -> None:
    random = np.random.default_rng(seed)
    table = np.round(np.clip(random.normal(5, 2, 40) + random.normal(0, 1, (4, 40)), 0, 10) / step) * step
    table[random.random(table.shape) < 0.25] = np.nan
    oracle = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
    assert krippendorff_alpha(data_of(table, level=Level(level))).value == pytest.approx(oracle, abs=1e-9)
    if level != "ordinal":
        weights = {"nominal": "identity", "interval": "quadratic", "ratio": "ratio"}[level]
        found = chance.krippendorff_alpha_irrcac(data_of(table), weights=weights)
        assert found.value == pytest.approx(oracle, abs=1e-9)


@pytest.mark.parametrize(("weights", "theirs"), [("identity", None), ("linear", "linear"), ("quadratic", "quadratic")])
@pytest.mark.parametrize("seed", SEEDS)
def test_cohens_kappa_against_scikit_learn(weights: str, theirs: str | None, seed: int) -> None:
    values = likert(seed)
    data = data_of(values)
    kappas = all_pairs_kappa(data, weights=weights)
    expected = []
    for first, second in combinations(range(len(values)), 2):
        oracle = cohen_kappa_score(values[first], values[second], labels=[1, 2, 3, 4, 5], weights=theirs)
        expected.append(oracle)
        found = chance.cohen_kappa(data.pair(first, second), weights=weights).value
        assert found == pytest.approx(oracle, abs=1e-12)
        assert kappas[first, second] == pytest.approx(oracle, abs=1e-12)
    assert light_kappa(data, weights=weights).value == pytest.approx(np.mean(expected), abs=1e-12)
    if weights == "quadratic":
        assert [pair.estimates["cohen_kappa"].value for pair in pairwise(data)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["identity", "linear", "quadratic", "radical", "ordinal"])
@pytest.mark.parametrize("seed", SEEDS)
def test_cohens_kappa_and_its_error_against_statsmodels(weights: str, seed: int) -> None:
    """Fleiss, Cohen and Everitt 1969."""
    values = likert(seed, raters=2)
    joint = np.zeros((5, 5))
    np.add.at(joint, (values[0] - 1, values[1] - 1), 1)
    agreement = weight_matrix(weights, (1.0, 2.0, 3.0, 4.0, 5.0))
    assert isinstance(agreement, np.ndarray)
    oracle = inter_rater.cohens_kappa(joint, weights=None if weights == "identity" else 1 - agreement)
    data = ReliabilityData.from_rows(values.tolist(), level=Level.INTERVAL, domain=[1, 2, 3, 4, 5])
    found = chance.cohen_kappa(data, weights=weights)
    assert found.value == pytest.approx(oracle.kappa, abs=1e-12)
    assert found.standard_error == pytest.approx(oracle.std_kappa, abs=1e-10)
    (pair,) = pairwise(data)
    if weights == "quadratic":
        assert pair.estimates["cohen_kappa"].standard_error == pytest.approx(oracle.std_kappa, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_fleiss_and_randolphs_kappa_against_statsmodels(seed: int) -> None:
    """What statsmodels calls Randolph's kappa is Brennan and Prediger's coefficient."""
    values = likert(seed)
    counts, _ = inter_rater.aggregate_raters(values.T, n_cat=None)
    data = data_of(values)
    assert chance.fleiss_kappa(data).value == pytest.approx(inter_rater.fleiss_kappa(counts), abs=1e-12)
    randolph = inter_rater.fleiss_kappa(counts, method="randolph")
    assert chance.brennan_prediger(data).value == pytest.approx(randolph, abs=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_intraclass_correlations_against_pingouin(seed: int) -> None:
    values = likert(seed, raters=4, units=15)
    long = pd.DataFrame(
        [(unit, rater, float(values[rater, unit])) for rater in range(4) for unit in range(15)],
        columns=["item", "rater", "score"],
    )
    table = pingouin.intraclass_corr(data=long, targets="item", raters="rater", ratings="score")
    data = data_of(values)
    for form, (_, row) in zip(("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k"), table.iterrows(), strict=True):
        assert form in FORMS
        found = icc(data, form)
        assert found.value == pytest.approx(row["ICC"], abs=1e-9), form
        bounds = next(row[name] for name in ("CI95", "CI95%") if name in row)
        # It rounds them to two places.
        assert found.low == pytest.approx(bounds[0], abs=0.0051), form
        assert found.high == pytest.approx(bounds[1], abs=0.0051), form


@pytest.mark.parametrize("seed", range(3))
def test_kendalls_w_against_friedmans_test(seed: int) -> None:
    """Friedman's chi-squared is m (n − 1) W, corrected for ties (scipy); pingouin gives W itself."""
    values = likert(seed, raters=4, units=12)
    found = kendall_w(data_of(values)).value
    statistic = stats.friedmanchisquare(*values.T).statistic
    assert found == pytest.approx(statistic / (4 * 11), abs=1e-12)
    wide = pd.DataFrame(values.astype(float), columns=[f"item{unit}" for unit in range(12)])
    assert found == pytest.approx(float(pingouin.friedman(wide)["W"].iloc[0]), abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_spearman_of_pairs_against_scipy(seed: int) -> None:
    values = likert(seed)
    found = [pair.estimates["spearman"].value for pair in pairwise(data_of(values, level=Level.ORDINAL))]
    expected = [stats.spearmanr(one, other).statistic for one, other in combinations(values, 2)]
    assert found == pytest.approx(expected, abs=1e-12)


def test_perfect_agreement_where_the_oracles_differ() -> None:
    """One category throughout: scikit-learn gives nan or warns, statsmodels nan, and here there is a reason."""
    rows: list[list[float]] = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    found = chance.cohen_kappa(ReliabilityData.from_rows(rows, level=Level.NOMINAL))
    assert found.value is None and found.reason is not None
    with np.errstate(invalid="ignore"):
        assert math.isnan(inter_rater.fleiss_kappa(np.array([[2, 0], [2, 0], [2, 0]])))
