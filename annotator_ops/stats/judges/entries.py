"""Layer 2. All that is said of the judges of one criterion, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.agreement.chance import cohen_kappa
from annotator_ops.stats.closed_intervals import share
from annotator_ops.stats.context import Context
from annotator_ops.stats.describe import rater_summaries
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.alt_test import AltTest, alternative_annotator_test
from annotator_ops.stats.judges.bias import biases, position_bias, position_of
from annotator_ops.stats.judges.ceiling import human_ceiling
from annotator_ops.stats.judges.confusion import confusions
from annotator_ops.stats.judges.correlations import COEFFICIENTS, correlations
from annotator_ops.stats.judges.curve import Step, by_annotators
from annotator_ops.stats.judges.drift import drifts
from annotator_ops.stats.judges.ensembles import Combined, combined
from annotator_ops.stats.judges.pairs import NO_ORDER, judge_pairs
from annotator_ops.stats.judges.prediction_powered import few_labels
from annotator_ops.stats.judges.scores import Scores, scores_of
from annotator_ops.stats.judges.systems import system_level
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import FloatArray, ValueKind
from annotator_ops.stats.vocabulary import used

_SINGLE = (ValueKind.NUMBERS, ValueKind.LABELS, ValueKind.LABEL_SETS)


def judge_entries(
    humans: RatingTable, judges: RatingTable, spec: CriterionSpec, *, context: Context, resampling: Resampling
) -> JSONDict:
    """What an entry of a criterion has of judges: judges, ensembles, human_ceiling, judge_pairs, drift, few_labels.

    Both tables share one list of items. All is empty or None, and costs nothing, where there is no judge. Judges are
    held against people's mean item by item, at the nominal level against their majority; items on which two answers are
    as frequent are then left out of `accuracy` and `cohen_kappa`, whose own n_items says how many there are, and not of
    the judge's `n_items`, which counts all that people and the judge rated. `n_raters` counts people. The first
    ensemble is the mean over all judges; items that lack a judge of an ensemble are left out of it, and
    `n_items_dropped` counts them.
    """
    if not len(judges):
        return {
            "judges": [], "ensembles": [], "human_ceiling": None, "judge_pairs": [], "drift": [], "few_labels": None,
        }  # fmt: skip
    scores = _scores(humans, judges, spec)
    measured = _Measured.of(scores, judges.raters_here(), context, resampling)
    return {
        "judges": measured.judges(judges, spec),
        "ensembles": measured.ensembles(),
        "human_ceiling": human_ceiling(scores, resampling=resampling).as_json(),
        **measured.between(),
        "few_labels": None
        if isinstance(scores, Reason)
        else few_labels(
            scores,
            random_sample=context.judging.random_sample,
            systems=context.systems or None,
            sizes=context.sizes,
            confidence=resampling.confidence,
            seed=resampling.seed,
        ),
    }


def scores_on(table: RatingTable, spec: CriterionSpec) -> Scores | Reason:
    """The scores of one criterion's ratings; items that repeat another are left out."""
    first = table.where(table.is_original)
    return _scores(first.people(), first.models(), spec)


def _scores(humans: RatingTable, judges: RatingTable, spec: CriterionSpec) -> Scores | Reason:
    return scores_of(humans, judges, level=spec.level if spec.kind in _SINGLE else None)


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Judges and ensembles against people: `all_scores` has a row each (rows × items), `correlations` a dict each, and
    `steps` the correlations by the number of annotators.

    They are of the judges in the order of `names` and then of the ensembles that have scores.
    """

    scores: Scores | Reason
    names: tuple[str, ...]
    combined: list[Combined]
    all_scores: FloatArray
    correlations: list[dict[str, Estimate]]
    steps: list[list[Step]]
    context: Context
    resampling: Resampling

    @classmethod
    def of(cls, scores: Scores | Reason, names: tuple[str, ...], context: Context, resampling: Resampling) -> _Measured:
        ensembles = combined(scores, names, context.judging.ensembles)
        if isinstance(scores, Reason):
            nobody: list[list[Step]] = [[] for _ in names]
            return cls(scores, names, ensembles, np.empty((len(names), 0)), [], nobody, context, resampling)
        own = [each.scores for each in ensembles if each.scores is not None]
        all_scores = np.vstack([scores.judge, *own])
        found = (
            []
            if scores.nominal
            else correlations(scores.human_mean, all_scores, n_raters=scores.n_people, resampling=resampling)
        )
        steps = by_annotators(scores, all_scores, seed=resampling.seed)
        return cls(scores, names, ensembles, all_scores, found, steps, context, resampling)

    def judges(self, table: RatingTable, spec: CriterionSpec) -> list[JSONDict]:
        """An entry a judge."""
        bias = biases(self.scores, self.names, context=self.context, resampling=self.resampling)
        tables = (
            [None for _ in self.names]
            if isinstance(self.scores, Reason) or spec.derived
            else confusions(self.scores, spec.scale)
        )
        entries = []
        for row, (summary, own_bias, confusion) in enumerate(zip(rater_summaries(table), bias, tables, strict=True)):
            position = position_of(summary.rater, spec.name, self.context)
            biased = own_bias.as_json()
            if position is not None:
                biased["position"] = position_bias(position, confidence=self.resampling.confidence).as_json()
            entries.append(
                summary.as_json()
                | {"n_items": self._n_items(row)}
                | _known(table, summary.rater)
                | self._correlated(row)
                | self._agreed(row)
                | {
                    "bias": biased,
                    "confusion": confusion.as_json() if confusion else None,
                    "systems": self._systems(row),
                    "alt_test": self._alt_test(row).as_json(),
                    "by_annotators": [step.as_json() for step in self.steps[row]],
                }
            )
        return entries

    def ensembles(self) -> list[JSONDict]:
        """An entry an ensemble; one without scores has the reason in its correlations, and no more."""
        entries: list[JSONDict] = []
        row = len(self.names)
        for each in self.combined:
            entry: JSONDict = {
                "name": each.name,
                "judges": list(each.judges),
                "how": each.how,
                "weights": dict(each.weights),
                "n_items": 0,
                "n_items_dropped": each.n_dropped,
            }
            if each.scores is None:
                nothing = Estimate(None, each.reason, n_raters=self._n_people).as_json()
                entry |= dict.fromkeys(COEFFICIENTS, nothing)
                entry |= {"alt_test": None, "systems": None, "by_annotators": []}
            else:
                entry |= {"n_items": self._n_items(row)} | self._correlated(row)
                entry |= {
                    "alt_test": self._alt_test(row).as_json(),
                    "systems": self._systems(row),
                    "by_annotators": [step.as_json() for step in self.steps[row]],
                }
                row += 1
            entries.append(entry)
        return entries

    def between(self) -> JSONDict:
        """Judges with each other, and versions of one judge."""
        if isinstance(self.scores, Reason):
            return {"judge_pairs": [], "drift": []}
        rhos = [found["spearman"].value for found in self.correlations[: len(self.names)]]
        pairs = judge_pairs(self.scores, rhos or [None] * len(self.names), resampling=self.resampling)
        versions = drifts(self.scores, resampling=self.resampling)
        return {"judge_pairs": [pair.as_json() for pair in pairs], "drift": [each.as_json() for each in versions]}

    @property
    def _n_people(self) -> int:
        return 0 if isinstance(self.scores, Reason) else self.scores.n_people

    def _n_items(self, row: int) -> int:
        if isinstance(self.scores, Reason):
            return 0
        return int((self.scores.given.any(axis=0) & ~np.isnan(self.all_scores[row])).sum())

    def _correlated(self, row: int) -> JSONDict:
        if self.correlations:
            return {name: self.correlations[row][name].as_json() for name in COEFFICIENTS}
        reason = self.scores if isinstance(self.scores, Reason) else NO_ORDER
        nothing = Estimate(None, reason, n_items=self._n_items(row), n_raters=self._n_people)
        return dict.fromkeys(COEFFICIENTS, nothing.as_json())

    def _agreed(self, row: int) -> JSONDict:
        """How often a judge gives the answer of most people; None where answers have an order."""
        if isinstance(self.scores, Reason) or not self.scores.nominal:
            return {"accuracy": None, "cohen_kappa": None}
        found = agreement_with_majority(self.scores, row, confidence=self.resampling.confidence)
        return {name: estimate.as_json() for name, estimate in found.items()}

    def _systems(self, row: int) -> JSONDict | None:
        if isinstance(self.scores, Reason) or self.scores.nominal or not self.context.systems:
            return None
        items, sources = self.scores.items, self.context.sources
        systems = [self.context.systems.get(item) for item in items]
        # Inputs are drawn only where all items name theirs.
        shared = [sources[item] for item in items] if all(item in sources for item in items) else None
        human, judge = self.scores.human_mean, self.all_scores[row]
        found = system_level(human, judge, systems, resampling=self.resampling, sources=shared)
        return {"reason": found.sentence, "reason_code": found.code} if isinstance(found, Reason) else found

    def _alt_test(self, row: int) -> AltTest:
        scores, epsilon = self.scores, self.context.judging.epsilon
        if isinstance(scores, Reason):
            return AltTest("-RMSE", epsilon, (), reason=scores)
        if scores.wide is not None:
            return AltTest("accuracy" if scores.nominal else "-RMSE", epsilon, (), reason=scores.wide)
        judge = self.all_scores[row]
        return alternative_annotator_test(
            scores.human, judge, people=scores.people, nominal=scores.nominal, epsilon=epsilon
        )


def agreement_with_majority(scores: Scores, row: int, *, confidence: float) -> Mapping[str, Estimate]:
    """How often the judge of this row gives the answer of most people: accuracy (Wilson's interval) and Cohen's kappa.

    On the items where one answer is the most frequent one; with an even number of people that leaves items out.
    """
    majority, judge = scores.majority, scores.judge[row]
    both = ~np.isnan(majority + judge)
    n = int(both.sum())
    if not n:
        reason = Reason("no-items", "On no item do people have one most frequent answer and the judge an answer.")
        return dict.fromkeys(("accuracy", "cohen_kappa"), Estimate(None, reason, n_raters=scores.n_people))
    codes = np.stack([majority[both], judge[both]]).astype(np.intp)
    name = "share of items with people’s most frequent answer"
    same = int((codes[0] == codes[1]).sum())
    items = tuple(np.array(scores.items, dtype=object)[both])
    domain = tuple(scores.categories)
    data = ReliabilityData(("people", scores.judges[row]), items, codes, domain, Level.NOMINAL)
    return {
        "accuracy": share(same, n, name=name, confidence=confidence, n_raters=scores.n_people),
        "cohen_kappa": cohen_kappa(data, confidence=confidence),
    }


def _known(table: RatingTable, judge: str) -> JSONDict:
    """Which model and version of the prompt a judge's rows are of; None where unknown, or where they are of several."""
    own = table.where(table.rater == table.raters.index(judge))
    models, prompts = (
        [names[code] for code in used(names, codes)]
        for names, codes in ((own.model_names, own.model), (own.prompts, own.prompt))
    )
    return {
        "model": models[0] if len(models) == 1 else None,
        "prompt": prompts[0] if len(prompts) == 1 else None,
    }
