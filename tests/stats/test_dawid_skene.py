"""Dawid and Skene: the published example, a slow and plain EM, crowd-kit, and what the model recovers."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise, permutations

import numpy as np
import pandas
import pytest

from annotator_ops.measures import Reason
from annotator_ops.models import Level
from annotator_ops.stats.dawid_skene import DawidSkene, dawid_skene, fit_model
from annotator_ops.stats.raters import competence
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import FloatArray, IntArray
from tests.conftest import need

# Dawid and Skene 1979, Table 1: 45 patients by 5 anaesthetists, the first of whom judged three times.
TABLE_1 = """
    111 1 1 1 1 | 333 4 3 3 4 | 112 2 1 2 2 | 222 3 1 2 1 | 222 3 2 2 2 | 222 3 3 2 2 | 122 2 1 1 1 | 333 3 4 3 3 |
    222 2 2 2 3 | 232 2 2 2 3 | 444 4 4 4 4 | 222 3 3 4 3 | 111 1 1 1 1 | 222 3 2 1 2 | 121 1 1 1 1 | 111 2 1 1 1 |
    111 1 1 1 1 | 111 1 1 1 1 | 222 2 2 2 1 | 222 1 3 2 2 | 222 2 2 2 2 | 222 2 2 2 1 | 222 3 2 2 2 | 221 2 2 2 2 |
    111 1 1 1 1 | 111 1 1 1 1 | 232 2 2 2 2 | 111 1 1 1 1 | 111 1 1 1 1 | 112 1 1 2 1 | 111 1 1 1 1 | 333 3 2 3 3 |
    111 1 1 1 1 | 222 2 2 2 2 | 222 3 2 3 2 | 433 4 3 4 3 | 221 2 2 3 2 | 232 3 2 3 3 | 333 3 4 3 2 | 111 1 1 1 1 |
    111 1 1 1 1 | 121 2 1 1 1 | 232 2 2 2 2 | 121 1 1 1 1 | 222 2 2 2 2
"""


def anaesthetists() -> tuple[IntArray, IntArray, IntArray]:
    triples = [
        (rater, item, int(answer) - 1)
        for item, patient in enumerate(TABLE_1.split("|"))
        for rater, answers in enumerate(patient.split())
        for answer in answers
    ]
    raters, items, labels = np.array(triples, dtype=np.intp).T
    return raters, items, labels


def simulated(n_items: int, accuracies: list[float], classes: int, seed: int) -> tuple[IntArray, ...]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n_items)
    raters = np.repeat(np.arange(len(accuracies)), n_items)
    items = np.tile(np.arange(n_items), len(accuracies))
    wrong = (truth[items] + random.integers(1, classes, len(items))) % classes
    labels = np.where(random.random(len(items)) < np.array(accuracies)[raters], truth[items], wrong)
    keep = random.random(len(items)) < 0.9
    return raters[keep], items[keep], labels[keep], truth


def plain(raters: IntArray, items: IntArray, labels: IntArray, classes: int, rounds: int) -> tuple[FloatArray, ...]:
    """EM as in the paper, with loops over raters and items, and products of probabilities."""
    n_raters, n_items = raters.max() + 1, items.max() + 1
    counts = np.zeros((n_items, n_raters, classes))
    np.add.at(counts, (items, raters, labels), 1)
    posterior = counts.sum(axis=1) / counts.sum(axis=(1, 2))[:, None]
    for _ in range(rounds):
        marginals = posterior.mean(axis=0)
        confusion = np.einsum("ij,ikl->kjl", posterior, counts)
        confusion /= confusion.sum(axis=2, keepdims=True)
        for item in range(n_items):
            for right in range(classes):
                posterior[item, right] = marginals[right] * np.prod(confusion[:, right, :] ** counts[item])
        likelihood = np.log(posterior.sum(axis=1)).sum()
        posterior /= posterior.sum(axis=1, keepdims=True)
    return marginals, posterior, confusion, likelihood


def test_the_published_example() -> None:
    raters, items, labels = anaesthetists()
    assert len(raters) == 315
    fit = dawid_skene(raters, items, labels, n_classes=4)
    assert fit.converged
    # The marginals are those of the paper. The first observer's confusion is confirmed by the plain EM below.
    assert fit.marginals == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    assert fit.confusion[0] == pytest.approx(np.array(first), abs=0.005)
    # Nearly every patient is in one class without doubt; the three that are not are these.
    assert set(np.flatnonzero(fit.posterior.max(axis=1) < 0.99) + 1) == {7, 35, 38}


def test_the_same_as_a_plain_em() -> None:
    raters, items, labels = anaesthetists()
    fit = dawid_skene(raters, items, labels, n_classes=4, tolerance=0.0, max_iterations=40)
    marginals, posterior, confusion, likelihood = plain(raters, items, labels, 4, fit.iterations)
    assert fit.marginals == pytest.approx(marginals, abs=1e-9)
    assert fit.posterior == pytest.approx(posterior, abs=1e-9)
    assert fit.confusion == pytest.approx(confusion, abs=1e-9)
    assert fit.log_likelihood == pytest.approx(float(likelihood), abs=1e-6)


def test_crowd_kit_finds_the_same() -> None:
    need(find_spec("crowdkit"), "crowd-kit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aggregation = import_module("crowdkit.aggregation")
        raters, items, labels, _ = simulated(200, [0.9, 0.8, 0.7, 0.6], 3, seed=4)
        frame = pandas.DataFrame({"worker": raters, "task": items, "label": labels})
        oracle = aggregation.DawidSkene(n_iter=500, tol=0.0)
        answers = oracle.fit_predict(frame)
    fit = dawid_skene(raters, items, labels, n_classes=3)
    rated = np.unique(items)
    assert fit.posterior[rated] == pytest.approx(oracle.probas_.loc[rated, [0, 1, 2]].to_numpy(), abs=1e-3)
    assert (fit.posterior[rated].argmax(axis=1) == answers.loc[rated].to_numpy()).all()
    assert fit.marginals == pytest.approx(oracle.priors_.loc[[0, 1, 2]].to_numpy(), abs=1e-3)


def test_the_likelihood_never_falls() -> None:
    raters, items, labels, _ = simulated(60, [0.8, 0.6, 0.5], 4, seed=1)
    found = [
        dawid_skene(raters, items, labels, n_classes=4, tolerance=0.0, max_iterations=rounds).log_likelihood
        for rounds in range(1, 30)
    ]
    assert all(after >= before - 1e-9 for before, after in pairwise(found))


def test_competence_and_classes_are_recovered() -> None:
    accuracies = [0.95, 0.8, 0.6, 0.75, 0.7]
    raters, items, labels, truth = simulated(4000, accuracies, 3, seed=2)
    fit = dawid_skene(raters, items, labels, n_classes=3)
    assert fit.competence == pytest.approx(accuracies, abs=0.03)
    votes = np.zeros((4000, 3))
    np.add.at(votes, (items, labels), 1)
    assert (fit.posterior.argmax(axis=1) == truth).mean() > (votes.argmax(axis=1) == truth).mean() + 0.02


def test_relabelling_and_order_change_nothing() -> None:
    raters, items, labels, _ = simulated(80, [0.9, 0.8, 0.6], 3, seed=3)
    fit = dawid_skene(raters, items, labels, n_classes=3)
    shuffled = np.random.default_rng(0).permutation(len(raters))
    for order in permutations(range(3)):
        renamed = np.array(order)
        other = dawid_skene(2 - raters[shuffled], items[shuffled], renamed[labels[shuffled]], n_classes=3)
        assert other.posterior[:, renamed] == pytest.approx(fit.posterior, abs=1e-6)
        assert other.confusion[::-1][:, renamed][:, :, renamed] == pytest.approx(fit.confusion, abs=1e-6)


def test_everything_sums_to_one_and_holes_are_told() -> None:
    raters, items, labels, _ = simulated(50, [0.9, 0.8, 0.6], 3, seed=5)
    fit = dawid_skene(raters, items, labels, n_classes=3, n_raters=5, n_items=60)
    assert fit.posterior.sum(axis=1) == pytest.approx(np.ones(60))
    assert fit.marginals.sum() == pytest.approx(1)
    assert fit.confusion[:3].sum(axis=2) == pytest.approx(np.ones((3, 3)))
    assert np.isnan(fit.confusion[3:]).all()
    assert np.isnan(fit.competence[3:]).all()
    assert fit.posterior[55] == pytest.approx(fit.marginals)


def test_a_class_that_nobody_uses_has_no_share() -> None:
    raters, items, labels, _ = simulated(50, [0.9, 0.8, 0.7], 2, seed=6)
    fit = dawid_skene(raters, items, labels, n_classes=3)
    assert fit.marginals[2] == 0
    assert np.isfinite(fit.log_likelihood)
    assert not np.isnan(fit.posterior).any()
    assert not np.isnan(fit.competence).any()


def test_too_few_iterations_are_said() -> None:
    raters, items, labels = anaesthetists()
    fit = dawid_skene(raters, items, labels, n_classes=4, max_iterations=2)
    assert not fit.converged
    assert fit.iterations == 2


@pytest.mark.parametrize(
    ("raters", "items", "labels", "sentence"),
    [
        ([0, 1], [0], [0, 0], "one entry per rating"),
        ([], [], [], "no ratings"),
        ([0, 1], [0, 0], [0, 2], "labels must be numbered from 0 to 1"),
        ([0, -1], [0, 0], [0, 1], "raters must be numbered"),
    ],
)
def test_wrong_input_raises(raters: list[int], items: list[int], labels: list[int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dawid_skene(raters, items, labels, n_classes=2)


def refusal(rows: list[list[float | None]], level: Level = Level.NOMINAL) -> Reason:
    found = fit_model(ReliabilityData.from_rows(rows, level=level))
    assert isinstance(found, Reason)
    return found


def reason(rows: list[list[float | None]], level: Level = Level.NOMINAL) -> str:
    return refusal(rows, level).code


def test_data_that_do_not_fit_give_reasons() -> None:
    assert reason([[1, 2], [1, 2]]) == "too-few-raters"
    assert reason([[1, 2], [1, 2], [1, 2]], Level.INTERVAL) == "needs-categories"
    assert reason([[1, None, None], [None, 2, None], [None, None, 1]]) == "no-overlap"
    assert reason([[1, 1], [1, 1], [1, 1]]) == "one-category"
    assert reason([[float(n) for n in range(21)]] * 3) == "too-many-categories"


def test_too_few_annotators_and_no_common_items_are_told_apart() -> None:
    apart = refusal([[1, None, None], [None, 2, None], [None, None, 1]]).sentence
    assert apart == "No item was rated by two annotators, so the model of Dawid and Skene has nothing to compare."
    assert refusal([[None, None]] * 3).sentence.startswith("Nobody gave ratings")
    assert refusal([[1, 2], [None, None]]).sentence.startswith("Only one annotator gave ratings")
    assert refusal([[1, 2], [1, 2], [None, None]]).sentence.startswith("Only 2 annotators gave ratings")


def test_competence_of_reliability_data() -> None:
    rows: list[list[float | None]] = [[1, 2, 1, 2, 1, 2], [1, 2, 1, 2, 1, 1], [1, 2, 1, 2, 2, 2], [None] * 6]
    data = ReliabilityData.from_rows(rows, level=Level.NOMINAL)
    fit = fit_model(data)
    assert isinstance(fit, DawidSkene)
    found = competence(data, fit)
    assert fit.confusion_of(1)[0] == pytest.approx(tuple(fit.confusion[1][0]))
    assert fit.confusion_of(3) == ((None, None), (None, None))
    assert [one.value for one in found[:3]] == pytest.approx(list(fit.competence[:3]))
    assert found[3].reason is not None
    assert found[3].reason.code == "no-ratings"
    nothing = competence(data, Reason("code", "Sentence."))
    assert {one.reason.code for one in nothing if one.reason} == {"code"}
