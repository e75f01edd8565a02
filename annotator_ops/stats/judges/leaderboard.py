"""Layer 2. Systems by their weighted mean over criteria: by people, by judges and by both, with ranks and intervals.

As JSON (Estimates as everywhere; a number that is not known is null):

- `criteria`: [{name, title}], those that have numbers, in order; `left_out`: [{name, title, reason}], the others.
- `weights`: one a criterion, 0 or more, that sum to 1; `confidence`.
- `kinds`: which of "human", "judge" and "combined" any system has.
- `systems`: by name, [{system, n_items, n_rated, human, judge, combined}]: of `n_items` in all people rated `n_rated`
  on one criterion or more. Each of the last three is null or {means, n_items, covariance, quantile, critical, overall,
  rank}: `means` and `n_items` have one number a criterion (of combined means, n_items are those that people scored);
  `covariance` of these means is criteria × criteria; `overall` is the Estimate of the weighted mean, `rank` an Estimate
  (1 is best, the highest mean; low and high are whole numbers, too).
- `pairs`: null where systems are independent; where items share sources, by kind the list of
  {systems: [i, j], covariance} for i < j, places in `systems`: of the means of i (rows) with those of j (columns).
- `few_labels`: null where people scored all that judges did, or nothing, else {n_labelled, n_unlabelled,
  random_sample, lambda, reason, reason_code}; a reason says why there are no combined means. `lambda` is null or has,
  for each criterion, how much is made of judges by system.
- `correlation`: {human_judge, pairwise_accuracy, outside}; the first two Estimates over systems of people's and judges'
  means on the same items; `outside` null or {file, n_systems, human, judge, combined, unmatched, unranked}.
- `reason`, `reason_code`: null, or why there is no leaderboard; then `systems` is empty.

For other weights w (0 or more, sum 1), without the data: mean = w·means, se² = wᵀ·covariance·w, over the criteria with
w > 0; interval = mean ± quantile·se, none where se is 0 or unknown. For ranks, of two systems a and b:
se² = se²(a) + se²(b) − 2·wᵀ·C·w, with C of `pairs` or 0; a is above b where se > 0 and mean(a) − mean(b) exceeds
se·max(critical(a), critical(b)); rank.low = 1 + how many are above it, rank.high = systems with a mean − how many it is
above. `quantile` and `critical` do not depend on w: Student's t with the fewest items (sources) of any criterion less
one degrees of freedom, for the interval and, Bonferroni over all pairs of systems, for ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict
from annotator_ops.stats.closed_intervals import rank_correlation
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.prediction_powered import judges_and_mean
from annotator_ops.stats.judges.rank_intervals import rank_intervals
from annotator_ops.stats.judges.sampling import Sample, SampleCheck, sample_of
from annotator_ops.stats.judges.scores import Scores
from annotator_ops.stats.judges.system_means import Means, coded, combined_means, means_of
from annotator_ops.stats.judges.systems import system_level
from annotator_ops.stats.probability import t_quantile
from annotator_ops.stats.values import FloatArray, IntArray
from annotator_ops.stats.vocabulary import natural_order

_LEAST_SYSTEMS = 2
_ROUNDING = 1e-12
_NAMES = {"human": "mean of people's scores", "judge": "mean of the judges' scores", "combined": "prediction-powered"}


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One criterion with its scores, or why it has none."""

    name: str
    title: str
    scores: Scores | Reason
    scale: tuple[float, float] | None = None


def leaderboard(measured: Sequence[Measured], *, context: Context, resampling: Resampling) -> JSONDict | None:
    """The leaderboard as JSON, see the module; None where no item has a system, or there is no judge and no person.

    Of the `context` it takes systems, sizes, the outside ranking, and what is said of weights and the random sample,
    and the sources, which input an item was made from: where all items have one, systems are compared pair by pair.
    """
    numeric = [each for each in measured if not isinstance(each.scores, Reason) and not each.scores.nominal]
    board = _Board.of(numeric, context)
    if board is None:
        return None
    left_out = [
        {"name": each.name, "title": each.title, "reason": _no_numbers(each)}
        for each in measured
        if each not in numeric
    ]
    weights, reason = _weights(numeric, context)
    if reason is None and len({each.scale for each, weight in zip(numeric, weights, strict=True) if weight > 0}) > 1:
        said = "The criteria are not on one scale, so that a mean over them would order systems by the widest one."
        reason = Reason("scales-differ", f"{said} Give weights to criteria of one scale under `judging: weights:`.")
    if reason is None and len(board.names) < _LEAST_SYSTEMS:
        reason = Reason("one-system", f"All items are of one system, {board.names[0]}; an order needs two.")
    found: JSONDict = {
        "criteria": [{"name": each.name, "title": each.title} for each in numeric],
        "left_out": left_out,
        "weights": weights.tolist(),
        "confidence": resampling.confidence,
        "kinds": [],
        "systems": [],
        "pairs": None,
        "few_labels": None,
        "correlation": None,
        "reason": reason.sentence if reason else None,
        "reason_code": reason.code if reason else None,
    }
    return found if reason is not None else found | _filled(board, weights, context, resampling)


@dataclass(frozen=True, slots=True, eq=False)
class _Board:
    """Items that have a system: people's and judges' mean scores (criteria × items), codes of systems, and sources."""

    items: tuple[str, ...]
    human: FloatArray
    judge: FloatArray
    names: list[str]
    system: IntArray
    sources: list[str] | None

    @classmethod
    def of(cls, numeric: Sequence[Measured], context: Context) -> _Board | None:
        known = [each.scores for each in numeric if isinstance(each.scores, Scores)]
        made = list({item: 0 for scores in known for item in scores.items if item in context.systems})
        items = [made[place] for place in natural_order(made)]
        if not items:
            return None
        place = {item: number for number, item in enumerate(items)}
        human, judge = (np.full((len(known), len(items)), np.nan) for _ in range(2))
        for row, scores in enumerate(known):
            columns = np.array([place.get(item, -1) for item in scores.items], dtype=np.intp)
            here = columns >= 0
            human[row, columns[here]] = scores.human_mean[here]
            names, judges = judges_and_mean(scores)
            if names:
                judge[row, columns[here]] = judges[-1][here]
        names, system = coded([context.systems[item] for item in items])
        sources = context.sources
        shared = [sources[item] for item in items] if all(item in sources for item in items) else None
        return cls(tuple(items), human, judge, names, system, shared)

    def kinds(self, check: SampleCheck | Reason) -> tuple[dict[str, Means], FloatArray | None]:
        """The means of each kind, and λ where people's and judges' scores are combined."""
        system, unit = self.system, None if self.sources is None else coded(self.sources)[1]
        found = {"human": means_of(self.human, system, unit), "judge": means_of(self.judge, system, unit)}
        tuning = None
        if isinstance(check, SampleCheck) and check.reason is None:
            found["combined"], tuning = combined_means(self.human, self.judge, system, unit)
        return {kind: means for kind, means in found.items() if means.counts.any()}, tuning


def _filled(board: _Board, weights: FloatArray, context: Context, resampling: Resampling) -> JSONDict:
    few, check = _few_labels(board, context, resampling.seed)
    kinds, tuning = board.kinds(check)
    if few is not None and tuning is not None:
        few["lambda"] = [dict(zip(board.names, row, strict=True)) for row in tuning.T.tolist()]
    columns = {kind: _entries(kind, means, weights, resampling.confidence) for kind, means in kinds.items()}
    n_items = np.bincount(board.system).tolist()
    rated = np.any(~np.isnan(board.human), axis=0)
    n_rated = np.bincount(board.system[rated], minlength=len(board.names)).tolist()
    systems = [
        {"system": name, "n_items": n_items[place], "n_rated": n_rated[place]}
        | {kind: columns[kind][place] if kind in columns else None for kind in _NAMES}
        for place, name in enumerate(board.names)
    ]
    pairs = {kind: _pairs(means) for kind, means in kinds.items()} if board.sources is not None else None
    return {
        "kinds": list(kinds),
        "systems": systems,
        "pairs": pairs,
        "few_labels": few,
        "correlation": _correlation(board, kinds, weights, context, resampling),
    }


def _few_labels(board: _Board, context: Context, seed: int) -> tuple[JSONDict | None, SampleCheck | Reason]:
    """What is said of combined means, and whether there are any. None where there is nothing to combine."""
    judged = np.all(~np.isnan(board.judge), axis=0)
    labelled = judged & np.any(~np.isnan(board.human), axis=0)
    n = int(labelled.sum())
    if not n or n == int(judged.sum()):
        return None, Reason("nothing-to-combine", "There are no items that judges scored and people did not.")
    sample = Sample(
        labelled=labelled[judged],
        judge=board.judge[:, judged].mean(axis=0),
        systems=[board.names[code] for code in board.system[judged]],
        sizes=np.array([context.sizes.get(item, np.nan) for item in board.items], dtype=np.float64)[judged],
    )
    # A sample within each system is good enough: every system has its own mean.
    check = sample_of(sample, declared=context.judging.random_sample, within_systems=True, seed=seed)
    return {
        "n_labelled": n,
        "n_unlabelled": int(judged.sum()) - n,
        "random_sample": check.as_json(),
        "lambda": None,
        "reason": check.reason.sentence if check.reason else None,
        "reason_code": check.reason.code if check.reason else None,
    }, check


def _entries(kind: str, means: Means, weights: FloatArray, confidence: float) -> list[JSONDict | None]:
    """One entry a system; None where the kind has no mean on any criterion."""
    overall, covariance = means.weighted(weights)
    n_systems = len(overall)
    fewest = means.drawn.min(axis=1)
    tail = (1 - confidence) / 2
    quantiles, critical = (
        np.array([t_quantile(1 - each, n - 1) if n > 1 else np.nan for n in fewest.tolist()], dtype=np.float64)
        for each in (tail, tail / max(1, n_systems * (n_systems - 1) // 2))
    )
    ranks = rank_intervals(overall, covariance, critical, confidence=confidence)
    entries: list[JSONDict | None] = []
    for place in range(n_systems):
        if np.isnan(means.means[place]).all():
            entries.append(None)
            continue
        estimate = _overall(kind, overall[place], covariance[place, place], quantiles[place], confidence)
        entries.append(
            {
                "means": _plain(means.means[place]),
                "n_items": means.counts[place].tolist(),
                "covariance": _plain(means.covariance(place, place)),
                "quantile": _number(quantiles[place]),
                "critical": _number(critical[place]),
                "overall": replace(estimate, n_items=int(means.counts[place][weights > 0].min())).as_json(),
                "rank": ranks[place].as_json(),
            }
        )
    return entries


def _overall(kind: str, value: float, variance: float, quantile: float, confidence: float) -> Estimate:
    name = f"{_NAMES[kind]}, weighted over criteria"
    if np.isnan(value):
        return Estimate(None, Reason("incomplete", "There is no score on a criterion that has a weight."))
    if np.isnan(variance) or np.isnan(quantile):
        return Estimate(float(value), method=f"{name}; no interval: a criterion has fewer than two items")
    error = float(np.sqrt(variance))
    if error <= _ROUNDING * max(1.0, abs(value)):
        return Estimate(float(value), method=f"{name}; no interval: no variation among the items")
    half = quantile * error
    how = f"{name}; Student's t over items"
    return Estimate(float(value), None, float(value - half), float(value + half), confidence, how, error)


def _pairs(means: Means) -> list[JSONDict]:
    n = len(means.means)
    return [
        {"systems": [one, other], "covariance": _plain(means.covariance(one, other))}
        for one in range(n)
        for other in range(one + 1, n)
    ]


def _correlation(
    board: _Board, kinds: Mapping[str, Means], weights: FloatArray, context: Context, resampling: Resampling
) -> JSONDict:
    used = weights > 0
    people, judges = (weights[used] @ scores[used] for scores in (board.human, board.judge))
    systems = [board.names[code] for code in board.system]
    found = system_level(people, judges, systems, resampling=resampling, sources=board.sources)
    if isinstance(found, Reason):
        found = dict.fromkeys(("spearman", "pairwise_accuracy"), Estimate(None, found).as_json())
    overall = {kind: means.weighted(weights)[0] for kind, means in kinds.items()}
    return {
        "human_judge": found["spearman"],
        "pairwise_accuracy": found["pairwise_accuracy"],
        "outside": _outside(board.names, overall, context, resampling.confidence),
    }


def _outside(
    names: Sequence[str], overall: Mapping[str, FloatArray], context: Context, confidence: float
) -> JSONDict | None:
    """Spearman's rho over the systems that the outside ranking has, too; None where there is no such ranking."""
    if not context.outside:
        return None
    scores = np.array([context.outside.get(name, np.nan) for name in names], dtype=np.float64)
    found: JSONDict = dict.fromkeys(_NAMES)
    for kind, means in overall.items():
        estimate = rank_correlation(means, scores, name="over systems", confidence=confidence)
        if estimate.reason is not None and estimate.reason.code == "too-few-items":
            sentence = f"{estimate.n_items} systems are in both rankings; a correlation needs three."
            estimate = replace(estimate, reason=Reason("too-few-systems", sentence.replace("1 systems are", "1 is")))
        found[kind] = estimate.as_json()
    ranking = context.judging.ranking
    return {
        "file": ranking.name if ranking else None,
        "n_systems": int((~np.isnan(scores)).sum()),
        **found,
        "unmatched": [name for name in context.outside if name not in names],
        "unranked": [name for name in names if name not in context.outside],
    }


def _weights(numeric: Sequence[Measured], context: Context) -> tuple[FloatArray, Reason | None]:
    """The criteria's weights, of sum 1; all equal where none is declared."""
    declared = context.judging.weights
    given = np.array([declared.get(each.name, 0.0) if declared else 1.0 for each in numeric], dtype=np.float64)
    if given.sum() > 0:
        return given / given.sum(), None
    named = ", ".join(each.name for each in numeric)
    return given, Reason("no-weight", f"None of the criteria that have a weight has numbers; those that do: {named}.")


def _no_numbers(measured: Measured) -> str:
    if isinstance(measured.scores, Reason):
        return measured.scores.sentence
    return "The values are categories without an order, so they have no mean."


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _plain(values: FloatArray) -> list[object]:
    """Nested lists of plain numbers, None for NaN."""
    return [_plain(each) if isinstance(each, np.ndarray) else _number(each) for each in values]
