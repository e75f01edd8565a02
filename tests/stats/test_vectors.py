"""Published and computed values: the coefficients of this version against them, first those that come as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.ratings import read_ratings
from annotator_ops.stats.agreement import chance
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.icc import FORMS, icc
from annotator_ops.stats.agreement.light import fleiss_kappa_z
from annotator_ops.stats.agreement.weights import weight_matrix
from annotator_ops.stats.reliability import ReliabilityData, reliability_data
from tests.stats.test_dawid_skene import TABLE_1
from tests.vectors import PLAIN, WEIGHTED, estimate, evaluate

Rows = list[list[Any]]
# Krippendorff 2011, section C. Gwet 2014 has the same ratings, except that the single one of the last unit is another
# rater's, which only Conger's kappa can tell.
FOUR_RATERS: Rows = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]

GWET: Rows = [FOUR_RATERS[0], [*FOUR_RATERS[1][:-1], None], [*FOUR_RATERS[2][:-1], 3], FOUR_RATERS[3]]


def table(counts: list[list[int]], names: str = "abcdefgh") -> Rows:
    """Two raters from a contingency table: rows the first's categories, columns the second's."""
    cells = [(i, j) for i, row in enumerate(counts) for j, count in enumerate(row) for _ in range(count)]
    return [[names[cell[axis]] for cell in cells] for axis in (0, 1)]


def test_vectors(shared_data: Callable[[str], Path]) -> None:
    """Every vector, nothing left out: value, precise value, standard error, interval, normal deviate, where given."""
    wrong = []
    vectors = json.loads(shared_data("agreement/vectors.json").read_text())
    for vector in vectors:
        checks: list[tuple[str, Any, Any, float]] = [
            ("value", evaluate(vector), vector["expected"], vector["tolerance"]),
        ]
        if "precise" in vector:
            checks.append(("precise", evaluate(vector), vector["precise"], vector["tol_precise"]))
        if "se" in vector:
            checks.append(("se", estimate(vector).standard_error, vector["se"], vector["tol_se"]))
        if "z" in vector:
            data = ReliabilityData.from_rows(vector["data"], level=Level(vector["level"]))
            checks.append(("z", fleiss_kappa_z(data).value, vector["z"], 1e-5))
        if "ci95" in vector:
            found = estimate(vector)
            for side, mine, published in zip(("low", "high"), (found.low, found.high), vector["ci95"], strict=True):
                if published is not None:
                    checks.append((side, mine, published, vector["tol_ci"]))
        wrong += [
            f"{vector['name']} {what}: {mine} is not {published}"
            for what, mine, published, tolerance in checks
            if mine != pytest.approx(published, abs=tolerance)
        ]
    assert not wrong, "\n".join(wrong)
    assert len(vectors) >= 48


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


# --- written out, so that they are checked where the data is absent ---------------------------------------------------


def test_the_worked_example_of_krippendorff_2011() -> None:
    expected = {Level.NOMINAL: 0.743, Level.ORDINAL: 0.815, Level.INTERVAL: 0.849, Level.RATIO: 0.797}
    for level, alpha in expected.items():
        found = krippendorff_alpha(ReliabilityData.from_rows(FOUR_RATERS, level=level))
        assert found.value == pytest.approx(alpha, abs=0.0005)
        assert (found.n_items, found.n_raters) == (11, 4)


@pytest.mark.parametrize(
    ("metric", "weights", "value", "error"),
    [
        ("percent_agreement", "identity", 0.81818, 0.12561),
        ("fleiss_kappa", "identity", 0.76117, 0.15302),
        ("krippendorff_alpha_irrcac", "identity", 0.74342, 0.14557),
        ("conger_kappa", "identity", 0.76282, 0.14917),
        ("brennan_prediger", "identity", 0.77273, 0.14472),
        ("gwet_ac1", None, 0.77544, 0.14295),
        ("gwet_ac2", "quadratic", 0.91400, 0.10396),
        ("gwet_ac2", "ordinal", 0.89894, 0.10690),
        ("fleiss_kappa", "quadratic", 0.86494, 0.14603),
    ],
)
def test_the_four_raters_of_gwet_2014(metric: str, weights: str | None, value: float, error: float) -> None:
    """Gwet 2014, Handbook of Inter-Rater Reliability, 4th ed.: the raw ratings of his irrCAC, with standard errors."""
    found = estimate({"metric": metric, "level": "interval", "weights": weights, "data": GWET})
    assert found.value == pytest.approx(value, abs=1e-5)
    assert found.standard_error == pytest.approx(error, abs=1e-5)
    assert found.high == 1
    assert (found.n_items, found.n_raters) == (11, 4)


@pytest.mark.parametrize(
    ("counts", "kappa", "error", "source"),
    [
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.492, None, "Cohen 1960, table 1 (n = 200)"),
        ([[38, 5, 0, 1], [33, 11, 3, 0], [10, 14, 5, 6], [3, 7, 3, 10]], 0.208, 0.050, "Landis & Koch 1977, Winnipeg"),
        ([[5, 3, 0, 0], [3, 11, 4, 0], [2, 13, 3, 4], [1, 2, 4, 14]], 0.297, 0.079, "Landis & Koch 1977, New Orleans"),
        ([[22, 2, 2, 0], [5, 7, 14, 0], [0, 2, 36, 0], [0, 1, 17, 10]], 0.493, 0.057, "Agresti 2002, table 10.8"),
        ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.676, 0.088, "Fleiss 1981, Statistical Methods, ch. 13"),
        ([[40, 9], [6, 45]], 0.70, None, "Feinstein & Cicchetti 1990, agreement .85 in balance"),
        ([[80, 10], [5, 5]], 0.32, None, "Feinstein & Cicchetti 1990, agreement .85 out of balance"),
    ],
)
def test_cohens_kappa_of_published_tables(
    counts: list[list[int]], kappa: float, error: float | None, source: str
) -> None:
    found = chance.cohen_kappa(ReliabilityData.from_rows(table(counts), level=Level.NOMINAL))
    assert found.value == pytest.approx(kappa, abs=0.005 if kappa in (0.70, 0.32) else 0.0005), source
    if error is not None:
        assert found.standard_error == pytest.approx(error, abs=0.0005), source


def test_cohen_1968_weights_of_disagreement() -> None:
    rows = table([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    disagreement = [[0, 1, 3], [1, 0, 6], [3, 6, 0]]
    vector = {"metric": "weighted_kappa", "data": rows, "disagreement_weights": disagreement}
    assert evaluate(vector) == pytest.approx(0.348, abs=0.0005)


def test_the_paradox_of_kappa() -> None:
    """Gwet 2002, Kappa statistic is not satisfactory: agreement .944, and only in AC1 is chance agreement small."""
    data = ReliabilityData.from_rows(table([[118, 5], [2, 0]]), level=Level.NOMINAL)
    assert chance.percent_agreement(data).value == pytest.approx(0.944, abs=0.0005)
    assert chance.cohen_kappa(data).value == pytest.approx(-0.023, abs=0.0005)
    assert chance.scott_pi(data).value == pytest.approx(-0.029, abs=0.0005)
    assert chance.gwet_ac1(data).value == pytest.approx(0.941, abs=0.0005)


def test_nominal_alpha_of_krippendorff_2011_section_b() -> None:
    data = ReliabilityData.from_rows([list("aabbdcccedda"), list("babbbccceddd")], level=Level.NOMINAL)
    assert krippendorff_alpha(data).value == pytest.approx(0.692, abs=0.0005)


def test_fleiss_kappa_of_the_textbook_example() -> None:
    """Ten subjects, fourteen raters, five categories: κ = .210, worked out in encyclopaedias and in many manuals."""
    counts = ["0000E", "02642", "00356", "03920", "22811", "77000", "32630", "25322", "65210", "02237"]
    units = [[str(k) for k, count in enumerate(row) for _ in range(int(count, 16))] for row in counts]
    rows = [list(rater) for rater in zip(*units, strict=True)]
    assert evaluate({"metric": "fleiss_kappa", "data": rows}) == pytest.approx(0.210, abs=0.0005)


def test_examples_of_r_irr(shared_data: Callable[[str], Path]) -> None:
    """The values that the manual pages of R irr print for its two sets of data, which are among the vectors."""
    vectors = {each["name"]: each for each in json.loads(shared_data("agreement/vectors.json").read_text())}
    diagnoses = {"level": "nominal", "data": vectors["fleiss1971"]["data"][:3]}
    for metric, value in {"light_kappa": 0.555, "fleiss_kappa": 0.534, "conger_kappa": 0.550}.items():
        assert evaluate({**diagnoses, "metric": metric}) == pytest.approx(value, abs=0.0005), metric
    anxiety = {"level": "interval", "data": vectors["irr_anxiety_kendall_w"]["data"]}
    for metric, value in {"icc2": 0.198, "kendall_w_tie_corrected": 0.540}.items():
        assert evaluate({**anxiety, "metric": metric}) == pytest.approx(value, abs=0.0005), metric
    two = {"metric": "cohen_kappa", "level": "ordinal", "data": anxiety["data"][:2]}
    for weights, value in {"unweighted": 0.119, "equal": 0.189, "squared": 0.297}.items():
        assert evaluate({**two, "weights": weights}) == pytest.approx(value, abs=0.0005), weights


def test_shrout_and_fleiss_1979() -> None:
    """Shrout and Fleiss 1979, tables 2 and 4; the lower bound of ICC(2,k) is ours by choice (see `icc`)."""
    data = ReliabilityData.from_rows(
        [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], level=Level.INTERVAL
    )
    expected = {"icc1": 0.17, "icc2": 0.29, "icc3": 0.71, "icc1k": 0.44, "icc2k": 0.62, "icc3k": 0.91}
    for form in FORMS:
        assert icc(data, form).value == pytest.approx(expected[form], abs=0.005)
    assert icc(data, "icc2k").low == pytest.approx(0.0711, abs=5e-5)


def test_dawid_and_skene_1979() -> None:
    """Dawid and Skene 1979, tables 1 and 2: the first of five anaesthetists judged 45 patients three times."""
    cells = [cell.replace(" ", "") for cell in TABLE_1.replace("\n", " ").split("|") if cell.strip()]
    vector = {
        "metric": "dawid_skene_class_marginals",
        "data": [[int(digit) for digit in row] for row in zip(*cells, strict=True)],
        "rater_ids": [1, 1, 1, 2, 3, 4, 5],
        "categories": [1, 2, 3, 4],
    }
    assert evaluate(vector) == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)


# --- what a vector may look like --------------------------------------------------------------------------------------


EMPTY: list[Rows] = [[], [[], []], [[None, None], [None, None]], [[1, None], [None, 2]], [[1, 2], [None, None]]]
METRICS = [
    *WEIGHTED,
    *PLAIN,
    *FORMS,
    "krippendorff_alpha",
    "krippendorff_alpha_custom",
    "fleiss_kappa_per_category",
    "dawid_skene_class_marginals",
]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", EMPTY)
def test_nothing_to_compare_is_no_crash(metric: str, rows: Rows) -> None:
    two = metric in ("cohen_kappa", "weighted_kappa", "scott_pi")
    if two and len(rows) != 2:
        with pytest.raises(ValueError, match="compares two raters"):
            evaluate({"metric": metric, "data": rows})
        return
    found = evaluate({"metric": metric, "data": rows})
    if isinstance(found, dict):
        assert set(found.values()) <= {None}
    elif metric != "dawid_skene_class_marginals":
        assert found is None


def test_weights_and_categories_in_any_order() -> None:
    rows: Rows = [["low", "mid", "high", "mid", "low", "high"], ["low", "high", "high", "mid", "mid", "mid"]]
    ordered = ["low", "mid", "high"]
    named = evaluate({"metric": "weighted_kappa", "data": rows, "categories": ordered, "weights": "linear"})
    matrix = [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]]
    numbers = [[ordered.index(value) for value in row] for row in rows]
    for vector in (
        {"data": rows, "categories": ordered, "weights": matrix},
        {"data": rows, "categories": ordered, "disagreement_weights": [[0, 1, 2], [1, 0, 1], [2, 1, 0]]},
        {"data": numbers, "weights": "linear", "level": "ordinal"},
        {"data": numbers, "weights": matrix},
        {"data": numbers, "categories": [2, 0, 1], "weights": [[1, 0, 0.5], [0, 1, 0.5], [0.5, 0.5, 1]]},
    ):
        assert evaluate({"metric": "weighted_kappa", **vector}) == pytest.approx(named, abs=1e-12)


def test_a_category_that_nobody_used_changes_what_it_should() -> None:
    rows: Rows = [[1, 2, 1, 2, 1, 1], [1, 2, 2, 2, 1, 1]]
    for metric, changes in {
        "brennan_prediger": True,
        "gwet_ac1": True,
        "cohen_kappa": False,
        "fleiss_kappa": False,
    }.items():
        plain, wider = (evaluate({"metric": metric, "data": rows, "categories": each}) for each in ([1, 2], [1, 2, 3]))
        assert (plain != wider) is changes, metric


def test_sets_of_labels() -> None:
    rows: Rows = [[["a", "b"], ["a", "b"], ["c"], None, ["c"]], [["b", "c"], ["a", "b"], ["b"], ["c"], ["c"]]]
    found = [
        evaluate({"metric": "krippendorff_alpha_custom", "level": "set", "distance": name, "data": rows})
        for name in ("masi", "jaccard")
    ]
    by_default = evaluate({"metric": "krippendorff_alpha_custom", "level": "set", "data": rows})
    assert by_default == found[0] != found[1]
    exact = evaluate({"metric": "krippendorff_alpha", "level": "set", "data": rows})
    assert isinstance(exact, float)


def test_distances_by_name_matrix_and_level_are_one() -> None:
    vector = {
        "metric": "krippendorff_alpha_custom",
        "level": "nominal",
        "data": FOUR_RATERS,
        "categories": [1, 2, 3, 4, 5],
    }
    squares = [[(i - j) ** 2 for j in range(5)] for i in range(5)]
    expected = pytest.approx(0.8491071429, abs=1e-9)
    assert evaluate({**vector, "disagreement_weights": squares}) == expected
    assert evaluate({**vector, "distance": "interval"}) == expected
    weights = weight_matrix("quadratic", (1.0, 2.0, 3.0, 4.0, 5.0))
    assert not isinstance(weights, Reason)
    assert evaluate({**vector, "weights": weights.tolist()}) == expected
    circular = {"metric": "krippendorff_alpha", "level": "circular", "data": FOUR_RATERS, "categories": [1, 2, 3, 4, 5]}
    assert evaluate(circular) == pytest.approx(evaluate({**circular, "period": 5}), abs=1e-12)
    with pytest.raises(ValueError, match="no metric"):
        evaluate({**vector, "metric": "gamma"})
