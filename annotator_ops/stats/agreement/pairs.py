"""Layer 2. Every pair of raters, compared on the items that both rated."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.chance import CONFIDENCE
from annotator_ops.stats.agreement.disagreement import whole_period
from annotator_ops.stats.agreement.gwet import as_share
from annotator_ops.stats.agreement.joint import Meeting, Meetings
from annotator_ops.stats.agreement.schemes import Circular, Identity, Quadratic, Scheme
from annotator_ops.stats.agreement.weights import IDENTITY, MOST_CATEGORIES, QUADRATIC, Weights, positions_of, scheme_of
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING, FloatArray, display

_LEAST_RANKED = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two raters on the items that both rated. Coefficients that do not fit the level are absent."""

    raters: tuple[str, str]
    n_items: int
    estimates: dict[str, Estimate] = field(default_factory=dict)

    def as_json(self) -> JSONDict:
        coefficients = {name: estimate.as_json() for name, estimate in self.estimates.items()}
        return {"raters": list(self.raters), "n_items": self.n_items, **coefficients}


def pair_weights(level: Level) -> str:
    """The weights of a pair's kappa: quadratic where the values are numbers, so that the size of a difference counts.

    On a circle quadratic differences mean nothing, so there the weights are identity.
    """
    return IDENTITY if level in (Level.NOMINAL, Level.CIRCULAR) else QUADRATIC


def all_pairs_kappa(
    data: ReliabilityData, *, weights: Weights | None = None, meetings: Meetings | None = None
) -> FloatArray:
    """Cohen's kappa of each two raters on the units that both rated: raters × raters, symmetric.

    `weights` as for `cohen_kappa`, none by default; `meetings` are those of the data, where they are counted already.
    NaN where a kappa is undefined (no common units, or one value throughout); the diagonal is 1 for raters who rated
    anything. Raises ValueError for weights that are undefined.
    """
    scheme = scheme_of(IDENTITY if weights is None else weights, data.domain)
    if isinstance(scheme, Reason):
        raise ValueError(scheme.sentence)
    raters = len(data.raters)
    kappas = np.full((raters, raters), np.nan)
    rated = (data.codes != MISSING).any(axis=1)
    kappas[rated, rated] = 1.0
    first, second = np.triu_indices(raters, 1)
    kappas[first, second] = kappas[second, first] = (meetings or Meetings.of(data)).kappas(scheme)
    return kappas


def pairwise(
    data: ReliabilityData, *, confidence: float = CONFIDENCE, meetings: Meetings | None = None
) -> tuple[Pair, ...]:
    """Every pair of raters on their common items: percent agreement, alpha, kappa, and Spearman from ordinal on.

    Kappa has the weights of `pair_weights`. Alpha's chance is that of the two raters alone, and it has a standard error
    but no interval. Standard errors are those of contingency tables. `meetings` are those of the data, where they are
    counted already.
    """
    name = pair_weights(data.level)
    scheme = Identity(len(data.domain)) if name == IDENTITY else Quadratic.of(positions_of(data.domain))
    kappa_name = "Cohen's kappa" if name == IDENTITY else f"Cohen's kappa, {name} weights"
    alpha = _PairAlpha.of(data) if data.domain else None
    pairs = []
    for meeting in meetings or Meetings.of(data):
        reason = None
        if not meeting.n:
            reason = Reason("no-overlap", "The two rated no item in common, so nothing can be compared.")
            share = _nothing(meeting, reason)
        else:
            share_name = "share of agreeing pairs, mean over items"
            share = as_share(meeting.estimate(meeting.agreement(), name=share_name, confidence=confidence))
        reason = reason or _too_little(data, meeting)
        kappa = None if reason else meeting.kappa(scheme)
        estimates = {
            "percent_agreement": share,
            "krippendorff_alpha": _nothing(meeting, reason) if reason or alpha is None else alpha.estimate(meeting),
            "cohen_kappa": _nothing(meeting, reason)
            if kappa is None
            else meeting.estimate(kappa, name=kappa_name, confidence=confidence),
        }
        if data.level in (Level.ORDINAL, Level.INTERVAL, Level.RATIO):
            estimates["spearman"] = _spearman(meeting)
        raters = (data.raters[meeting.raters[0]], data.raters[meeting.raters[1]])
        pairs.append(Pair(raters=raters, n_items=meeting.n, estimates=estimates))
    return tuple(pairs)


@dataclass(frozen=True, slots=True, eq=False)
class _PairAlpha:
    """Alpha of two raters at a level of measurement: the scheme of its distances, or why there is none."""

    data: ReliabilityData
    scheme: Scheme | None
    name: str
    reason: Reason | None = None

    @classmethod
    def of(cls, data: ReliabilityData) -> _PairAlpha:
        name = f"Krippendorff's alpha, {data.level.value}"
        if data.level is Level.ORDINAL:
            return cls(data, None, name)
        if data.level is Level.NOMINAL:
            return cls(data, Identity(len(data.domain)), name)
        x = positions_of(data.domain)
        if data.level is Level.INTERVAL:
            return cls(data, Quadratic.of(x), name)
        if data.level is Level.CIRCULAR:
            period = whole_period(data)
            if isinstance(period, Reason):
                return cls(data, None, name, period)
            return cls(data, Circular(2 * np.pi * x / period), f"{name}, period {period:g}")
        if len(x) > MOST_CATEGORIES:
            return cls(data, None, name)
        found = scheme_of("ratio", data.domain)
        if isinstance(found, Reason):
            sentence = "The ratio level needs values from zero up; some are negative."
            return cls(data, None, name, Reason(found.code, sentence))
        return cls(data, found, name)

    def estimate(self, meeting: Meeting) -> Estimate:
        if self.reason:
            return _nothing(meeting, self.reason)
        if self.scheme is None and self.data.level is Level.RATIO:
            return krippendorff_alpha(_pair_data(self.data, meeting))
        found = meeting.alpha(self.scheme)
        if found is None:
            sentence = "All values that these two gave are at no distance from each other, so nothing can disagree."
            return _nothing(meeting, Reason("no-distance", sentence))
        return meeting.alpha_estimate(found, name=self.name)


def _pair_data(data: ReliabilityData, meeting: Meeting) -> ReliabilityData:
    first, second = meeting.raters
    both = (data.codes[first] != MISSING) & (data.codes[second] != MISSING)
    units = tuple(compress(data.units, both.tolist()))
    codes = data.codes[[first, second]][:, both]
    return replace(data, raters=(data.raters[first], data.raters[second]), units=units, codes=codes)


def _spearman(meeting: Meeting) -> Estimate:
    if meeting.n < _LEAST_RANKED:
        noun = "item has" if meeting.n == 1 else "items have"
        sentence = f"{meeting.n} {noun} both scores; a correlation needs at least {_LEAST_RANKED}."
        return _nothing(meeting, Reason("too-few-items", sentence))
    products, first, second = meeting.spearman()
    if min(first, second) <= 0:
        sentence = "One of the two scores is the same for every item, so there is no order to compare."
        return _nothing(meeting, Reason("constant", sentence))
    rho = min(1.0, max(-1.0, products / float(np.sqrt(first * second))))
    return Estimate(value=rho, method="Spearman's rho, mid-ranks", n_items=meeting.n, n_raters=2)


def _too_little(data: ReliabilityData, meeting: Meeting) -> Reason | None:
    """Why there is no coefficient of these two who have an item in common."""
    if meeting.n == 1:
        return Reason("too-few-items", "The two rated one item in common; a coefficient needs more.")
    only = int(meeting.first[0])
    if (meeting.first != only).any() or (meeting.second != only).any():
        return None
    sentence = (
        f"Both answered {display(data.domain[only])} throughout. Where nothing varies there is no chance agreement to "
        "compare with."
    )
    return Reason("one-category", sentence)


def _nothing(meeting: Meeting, reason: Reason | None) -> Estimate:
    return Estimate(value=None, reason=reason, n_items=meeting.n, n_raters=2)
