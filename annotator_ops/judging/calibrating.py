"""Layer 2. Thresholds for judges on one criterion: which judges, what agreement is, on which items, at what cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge, Price, base_name
from annotator_ops.judging import calibration
from annotator_ops.judging.calibration import Agreement, Version, rows_of, spread
from annotator_ops.models import JSONDict, Level
from annotator_ops.stats.criterion import ratings_on
from annotator_ops.stats.judges import selective
from annotator_ops.stats.judges.scores import majority
from annotator_ops.stats.judges.selective import Threshold
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable
from annotator_ops.stats.values import BoolArray, FloatArray, IntArray, ValueKind
from annotator_ops.stats.vocabulary import used

# How many tokens an item a judge of a name and version read and wrote; None where that is not known.
TokensOf = Callable[[str, Version], tuple[float, float] | None]

_COMPARED = (ValueKind.NUMBERS, ValueKind.LABELS, ValueKind.LABEL_SETS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be calibrated, and how.

    `criterion` None: the only one that judges have scored. `judges` from cheap to expensive; empty: all, by their
    prices where all are known, else in the order of their files. A judge is to disagree with people on at most a share
    `alpha` of the items on which it is trusted, with probability 1 − `delta`; `split` divides `delta` among the judges.
    `within` is how far from people's mean a score still agrees; None: as the study says. `held_out` is the share of the
    items on which the result is measured, and which take no part in it; `seed` draws them.
    """

    criterion: str | None = None
    judges: tuple[str, ...] = ()
    alpha: float = 0.1
    delta: float = 0.1
    split: bool = True
    within: float | None = None
    held_out: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Items:
    """The items that people rated, and each judge on them (judges × items): how sure it was, and whether it agrees."""

    names: tuple[str, ...]
    confidence: FloatArray
    agrees: BoolArray
    n_tied: int

    def at(self, places: IntArray) -> _Items:
        names = tuple(self.names[place] for place in places.tolist())
        return _Items(names, self.confidence[:, places], self.agrees[:, places], self.n_tied)


class Calibrating:
    """One calibration of judges on one criterion. `models` are those of the study, by name, with their prices.

    `tokens` gives, for a judge's name and version, how many tokens an item it read and wrote, where that is known.

    `table` has all ratings, of which repeats take no part. Raises OpsError: "no-judges", "unknown-judge",
    "agreement-undeclared", "not-comparable".
    """

    def __init__(
        self,
        table: RatingTable,
        spec: CriterionSpec,
        wanted: Wanted,
        *,
        models: Mapping[str, ModelJudge],
        tokens: TokensOf = lambda _name, _version: None,
    ) -> None:
        own = ratings_on(table, spec)
        self._table = own.where(own.is_original)
        self._spec = spec
        self._wanted = wanted
        self._models = models
        self._tokens = tokens
        prices = {name: model.price for name, model in models.items() if model.price is not None}
        self._judges = _judges(self._table, wanted.judges, prices)
        self._prices = {name: prices[base_name(name)] for name in self._judges if base_name(name) in prices}
        self._agreement = _agreement(spec, wanted.within)

    def as_json(self) -> JSONDict:
        """The thresholds, and what they do on both parts of the items.

        Raises OpsError: "no-people", "no-common-items", "no-confidence".
        """
        wanted, items = self._wanted, self._items()
        order = np.random.default_rng(wanted.seed).permutation(len(items.names))
        n_held_out = round(wanted.held_out * len(order))
        held_out, kept = items.at(np.sort(order[:n_held_out])), items.at(np.sort(order[n_held_out:]))
        found = selective.calibrate_cascade(
            kept.confidence, kept.agrees, alpha=wanted.alpha, delta=wanted.delta, split=wanted.split
        )
        thresholds = [one.value for one in found]
        asked = selective.shares_asked(items.confidence, thresholds)
        return {
            "criterion": self._spec.name,
            "level": self._spec.level.value if self._spec.level else None,
            "alpha": wanted.alpha,
            "delta": wanted.delta,
            "split": wanted.split,
            "grid": {"low": 0.0, "high": 1.0, "points": selective.GRID_POINTS, "least_items": selective.LEAST_ITEMS},
            "agreement": self._agreement.model_dump(),
            "judges": [self._judge(*each) for each in zip(self._judges, found, asked, strict=True)],
            "n_items": len(items.names),
            "n_tied": items.n_tied,
            "held_out_share": wanted.held_out,
            "seed": wanted.seed,
            "calibration": _part(kept, thresholds),
            "held_out": _part(held_out, thresholds),
            "cost": self._cost(asked),
            "hash": self._table.canonical().content_hash(),
        }

    def _items(self) -> _Items:
        """The items that people rated and whose majority, where that is asked for, is not tied."""
        # Who rated does not matter here, and a crowd's raters × items might not fit into memory.
        people = self._table.people().anonymous()
        if not len(people):
            raise OpsError(
                f"Nobody has rated anything on {self._spec.name} yet, so there is nothing to hold judges against.",
                hint="Let people rate a random sample of the items first, a hundred or more.",
                code="no-people",
            )
        names = tuple(people.items[code] for code in used(people.items, people.item))
        scored = self._table.models()
        nominal = self._agreement.rule == "majority"
        human, judge = (
            spread(table, raters, names, np.where(table.rated, table.value, np.nan) if nominal else table.numbers)
            for table, raters in ((people, people.raters), (scored, self._judges))
        )
        tied: BoolArray = np.zeros(len(names), dtype=np.bool_)
        if nominal:
            category, tied = majority(human)
            agrees = selective.same_category(category, judge)
        else:
            agrees = selective.near_mean(human, judge, within=self._agreement.within or 0.0)
        self._check_common(names, human, judge)
        sure = calibration.confidences(scored, self._judges, names)
        for name, own, scores in zip(self._judges, sure, judge, strict=True):
            if np.isnan(own).all() and not np.isnan(scores).all():
                raise calibration.no_confidence(name, models=self._models)
        confidence = np.where(np.isnan(agrees), np.nan, sure)
        items = _Items(names, confidence, agrees == 1, int(tied.sum()))
        return items.at(np.flatnonzero(~tied & ~np.isnan(human).all(axis=0)))

    def _check_common(self, names: Sequence[str], human: FloatArray, judge: FloatArray) -> None:
        """Raises OpsError ("no-common-items") where these judges have scored none of the items that people rated."""
        rated = ~np.isnan(human).all(axis=0)
        if not rated.any() or not np.isnan(judge[:, rated]).all():
            return
        scored = self._table.models()
        own = np.array([*(name in self._judges for name in scored.raters), False], dtype=np.bool_)
        items = scored.where(scored.rated & own[scored.rater])
        here = [items.items[code] for code in used(items.items, items.item)]
        theirs = f"of the judges' {here[0]}" if here else "the judges have scored none at all"
        raise OpsError(
            f"The judges have scored none of the {int(rated.sum()):,} items that people rated on {self._spec.name}: "
            f"the first of people's is {names[int(np.argmax(rated))]}, {theirs}.",
            hint="Give both the same ids of items, or have the judges score the items that people rated.",
            code="no-common-items",
        )

    def _judge(self, name: str, found: Threshold, asked: float) -> JSONDict:
        version = calibration.version_of(rows_of(self._table, name))
        price = self._prices.get(name)
        return {
            "judge": name,
            "threshold": found.value,
            "model": version.model,
            "prompt": version.prompt,
            "delta": found.delta,
            "n_reached": found.n_reached,
            "n_confident": found.n_confident,
            "n_trusted": found.n_trusted,
            "disagreements": found.disagreements,
            "upper_bound": found.bound,
            "asked": asked,
            "price": {"input": price.input, "output": price.output} if price else None,
            "reason": found.reason.sentence if found.reason else None,
            "reason_code": found.reason.code if found.reason else None,
        }

    def _cost(self, asked: Sequence[float]) -> JSONDict | None:
        """What asking costs, of what the dearest judge costs on every item, where all prices are known.

        Each judge is taken to read and to write as many tokens an item.
        """
        if len(self._prices) < len(self._judges):
            return None
        dearest = max(self._judges, key=lambda name: (self._prices[name].output, self._prices[name].input))
        shares: JSONDict = {"of": dearest, **self._paid(asked, dearest)}
        for kind in ("input", "output"):
            whole = getattr(self._prices[dearest], kind)
            paid = sum(
                share * getattr(self._prices[name], kind) for name, share in zip(self._judges, asked, strict=True)
            )
            shares[kind] = paid / whole if whole > 0 else None
        return shares

    def _paid(self, asked: Sequence[float], dearest: str) -> JSONDict:
        """What an item costs on average by the tokens that each judge took, and what if the dearest is always asked."""
        costs = {}
        for name in self._judges:
            tokens = self._tokens(base_name(name), calibration.version_of(rows_of(self._table, name)))
            if tokens is None:
                return {"per_item": None, "per_item_of_dearest": None}
            costs[name] = (self._prices[name].input * tokens[0] + self._prices[name].output * tokens[1]) / 1e6
        paid = sum(share * costs[name] for name, share in zip(self._judges, asked, strict=True))
        return {"per_item": paid, "per_item_of_dearest": costs[dearest]}


def _part(items: _Items, thresholds: Sequence[float | None]) -> JSONDict:
    found = selective.outcome(items.agrees, selective.decide(items.confidence, thresholds))
    return {
        "n_items": len(items.names),
        "coverage": found.coverage.as_json(),
        "agreement": found.agreement.as_json(),
    }


def criterion_of(table: RatingTable, specs: Sequence[CriterionSpec], name: str | None) -> CriterionSpec:
    """The criterion that is meant. Raises OpsError where it is none, or none that can be calibrated."""
    known = {spec.name: spec for spec in specs}
    if name is not None and name not in known:
        raise OpsError(
            f"There is no criterion {name}.", hint=f"The criteria are: {', '.join(known)}.", code="unknown-criterion"
        )
    scored = [each for each in known if len(table.of(each).models())]
    if not scored or (name is not None and name not in scored):
        raise OpsError(
            f"No judge has scored {name or 'anything'}.",
            hint="Give judges' scores with --judges, write `judges:` into study.yaml, or run `ops judge run`.",
            code="no-judges",
        )
    if name is None and len(scored) > 1:
        raise OpsError(
            f"Judges have scored {len(scored)} criteria, and thresholds are for one.",
            hint=f"Say which with --criterion: {', '.join(scored)}.",
            code="which-criterion",
        )
    spec = known[name or scored[0]]
    if spec.level in (None, Level.CIRCULAR) or spec.kind not in _COMPARED:
        what = "directions" if spec.level is Level.CIRCULAR else spec.kind.value
        raise OpsError(
            f"The values of {spec.name} are {what}; when a judge agrees with people on them is not defined.",
            hint="Calibrate judges on a criterion with categories or scores.",
            code="not-comparable",
        )
    return spec


def _judges(table: RatingTable, names: Sequence[str], prices: Mapping[str, Price]) -> tuple[str, ...]:
    """The judges from cheap to expensive. Raises OpsError ("unknown-judge") for one that has scored nothing."""
    scored = table.models()
    first = {code: row for row, code in reversed(list(enumerate(scored.rater.tolist())))}
    there = [scored.raters[code] for code in sorted(first, key=first.__getitem__)]
    unknown = [name for name in names if name not in there]
    if unknown:
        raise OpsError(
            f"{unknown[0]} has scored nothing on this criterion.",
            hint=f"The judges are: {', '.join(there)}.",
            code="unknown-judge",
        )
    if names:
        return tuple(dict.fromkeys(names))
    if all(base_name(name) in prices for name in there):
        there.sort(key=lambda name: (prices[base_name(name)].output, prices[base_name(name)].input))
    return tuple(there)


def _agreement(spec: CriterionSpec, within: float | None) -> Agreement:
    """When a judge agrees with people on this criterion. Raises OpsError ("agreement-undeclared")."""
    if spec.level is Level.NOMINAL or spec.sides is not None:
        return Agreement(rule="majority")
    if within is None:
        raise OpsError(
            f"When a judge's score agrees with people on {spec.name} is not declared, and no threshold holds without.",
            hint="Write `agrees_within: 1` under `judging:` in study.yaml, or give --within 1: at most so far from the "
            f"mean of people's scores. Where the numbers are categories, declare that: --level {spec.name}=nominal.",
            code="agreement-undeclared",
        )
    return Agreement(rule="within", within=within)
