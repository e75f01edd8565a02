"""How often the 95 % interval of alpha holds the true alpha: studies simulated from known mixtures of kinds of items.

A study draws its items from kinds with known shares; each kind has category probabilities, by which raters choose
independently. The alpha of the population follows exactly: disagreement within kinds over disagreement of all. Prints
JSON; `error` is the Monte-Carlo standard error of a coverage, `no_interval` the share of studies without one (counted
apart, not as misses), `no_alpha` the share in which alpha itself is undefined (one category only). Where raters answer
at random, `interval_above` is how often the interval claims some agreement.

    python -m benchmarks.coverage [--studies 2000] [--resamples 1000] [--only NAME ...] [--units 5 20 50 200]
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from annotator_ops.measures import Estimate, Reason
from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha, weighted_alpha
from annotator_ops.stats.differences import alpha_difference
from annotator_ops.stats.intervals import (
    Resampling,
    bootstrap,
    linearized_interval,
    percentile_interval,
)
from annotator_ops.stats.reliability import ReliabilityData
from benchmarks.common import machine

Array = npt.NDArray[np.float64]
UNITS = (20, 50, 200)
UNITS_AT_RANDOM = (5, 10, 20, 50, 200)


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Kinds of items: their shares (kinds) and category probabilities (kinds × categories), and who rates them."""

    level: Level
    raters: int
    shares: Array
    choices: Array

    @property
    def alpha(self) -> float:
        """Alpha of infinitely many items."""
        marginal = self.shares @ self.choices
        places: Array = np.arange(len(marginal), dtype=np.float64)
        if self.level is Level.ORDINAL:
            places = np.cumsum(marginal) - marginal / 2
        distance = (places[:, None] - places) ** 2
        if self.level is Level.NOMINAL:
            distance = 1.0 - np.eye(len(marginal))
        observed = np.einsum("t,tc,tk,ck->", self.shares, self.choices, self.choices, distance)
        return 1 - float(observed) / float(marginal @ distance @ marginal)

    def study(self, random: np.random.Generator, units: int) -> ReliabilityData:
        """One study of so many items."""
        return self.rated(random, random.choice(len(self.shares), units, p=self.shares))

    def rated(self, random: np.random.Generator, kinds: npt.NDArray[np.int64]) -> ReliabilityData:
        """What the raters say of items of these kinds (items)."""
        units = len(kinds)
        edges = self.choices.cumsum(axis=1)[kinds]
        codes = (random.random((self.raters, units))[:, :, None] > edges).sum(axis=2)
        categories = self.choices.shape[1]
        return ReliabilityData(
            raters=tuple(str(rater) for rater in range(self.raters)),
            units=tuple(str(unit) for unit in range(units)),
            codes=codes.clip(0, categories - 1).astype(np.intp),
            domain=tuple(float(category) for category in range(categories)),
            level=self.level,
        )


def guessing(shares: Sequence[float], *, raters: int, knows: float) -> Population:
    """Nominal: with probability `knows` a rater sees what the item is, else guesses by how frequent categories are."""
    kinds = np.array(shares)
    return Population(Level.NOMINAL, raters, kinds, knows * np.eye(len(kinds)) + (1 - knows) * kinds)


def scattered(level: Level, shares: Sequence[float], *, raters: int, spread: float) -> Population:
    """Numbers: a rater's answer lies around what the item is, normal with this standard deviation, in whole steps."""
    kinds = np.array(shares)
    steps = np.arange(len(kinds), dtype=np.float64)
    density = np.exp(-(((steps - steps[:, None]) / spread) ** 2) / 2)
    return Population(level, raters, kinds, density / density.sum(axis=1, keepdims=True))


def at_random(level: Level, shares: Sequence[float], *, raters: int) -> Population:
    """All items are of one kind, so that alpha is 0: raters choose by these shares, whatever the item."""
    return Population(level, raters, np.ones(1), np.array([shares]))


EVEN, SKEWED = (0.2,) * 5, (0.02, 0.05, 0.1, 0.25, 0.58)
POPULATIONS = {
    "nominal, 2 even, 3 raters": guessing((0.5, 0.5), raters=3, knows=0.75),
    "nominal, 2 at .9/.1, 3 raters": guessing((0.9, 0.1), raters=3, knows=0.75),
    "nominal, 2 at .9/.1, 4 raters, high": guessing((0.9, 0.1), raters=4, knows=0.9),
    "nominal, 2 at .9/.1, 5 raters, low": guessing((0.9, 0.1), raters=5, knows=0.6),
    "nominal, 4 even, 4 raters": guessing((0.25,) * 4, raters=4, knows=0.7),
    "nominal, 4 skewed, 4 raters": guessing((0.7, 0.2, 0.06, 0.04), raters=4, knows=0.7),
    "ordinal, 5 even, 3 raters": scattered(Level.ORDINAL, EVEN, raters=3, spread=0.7),
    "ordinal, 5 skewed, 3 raters": scattered(Level.ORDINAL, SKEWED, raters=3, spread=0.8),
    "ordinal, 5 skewed, 5 raters": scattered(Level.ORDINAL, SKEWED, raters=5, spread=0.8),
    "nominal, 2 at .9/.1, 20 raters, low": guessing((0.9, 0.1), raters=20, knows=0.5),
    "ordinal, 5 skewed, 20 raters": scattered(Level.ORDINAL, SKEWED, raters=20, spread=0.8),
    "interval, 5 even, 4 raters": scattered(Level.INTERVAL, EVEN, raters=4, spread=0.9),
    "interval, 5 skewed, 4 raters": scattered(Level.INTERVAL, SKEWED, raters=4, spread=0.8),
    "interval, 5 even, 3 raters, low": scattered(Level.INTERVAL, EVEN, raters=3, spread=2.0),
    "nominal, 2 at .95/.05, 3 raters (hard)": guessing((0.95, 0.05), raters=3, knows=0.8),
    "nominal, 2 at .8/.2, 2 raters (hard)": guessing((0.8, 0.2), raters=2, knows=0.8),
}
AT_RANDOM = {
    f"{level.value}, {shares}, {raters} raters, at random": at_random(level, chosen, raters=raters)
    for level, shares, chosen in (
        (Level.NOMINAL, "2 even", (0.5, 0.5)),
        (Level.NOMINAL, "2 at .9/.1", (0.9, 0.1)),
        (Level.NOMINAL, "5 even", EVEN),
        (Level.ORDINAL, "5 even", EVEN),
        (Level.ORDINAL, "5 skewed", SKEWED),
    )
    for raters in (5, 10, 20, 30, 100)
}

Interval = Callable[[ReliabilityData, Resampling], Estimate]


def ours(data: ReliabilityData, resampling: Resampling) -> Estimate:
    return krippendorff_alpha(data, resampling=resampling)


def percentile(data: ReliabilityData, resampling: Resampling) -> Estimate:
    """What ours is instead of: the percentile bootstrap at every size."""
    return _other(data, resampling, resampled=True)


def linearized(data: ReliabilityData, resampling: Resampling) -> Estimate:
    """The delta method at every size."""
    return _other(data, resampling, resampled=False)


METHODS: dict[str, Interval] = {"ours": ours, "percentile": percentile, "linearized": linearized}


def _other(data: ReliabilityData, resampling: Resampling, *, resampled: bool) -> Estimate:
    plain = krippendorff_alpha(data)
    built = weighted_alpha(data)
    if plain.value is None or isinstance(built, Reason):
        return plain
    statistic = built.statistic()
    if resampled:
        values = bootstrap(statistic.of_weights, statistic.multiplicity, resampling)
        interval = percentile_interval(values, units=statistic.units, resampling=resampling)
    else:
        interval = linearized_interval(statistic, confidence=resampling.confidence)
    return replace(plain, low=interval.low, high=interval.high)


def coverage(
    population: Population, units: int, *, studies: int, resampling: Resampling, interval: Interval = ours
) -> dict[str, float]:
    """How often the interval holds the population's alpha, on which side it misses, and where there is none."""
    estimates = []
    random = np.random.default_rng([resampling.seed, units])
    for study in range(studies):
        again = replace(resampling, seed=resampling.seed + study)
        estimates.append(interval(population.study(random, units), again))
    return _summary(estimates, population.alpha)


def difference_coverage(
    one: Population, other: Population, units: int, *, studies: int, resampling: Resampling
) -> dict[str, float]:
    """The same for the difference of two groups of raters on the same items; both populations have the same kinds."""
    random = np.random.default_rng([resampling.seed, units])
    estimates = []
    for study in range(studies):
        kinds = random.choice(len(one.shares), units, p=one.shares)
        first, second = (side.rated(random, kinds) for side in (one, other))
        again = replace(resampling, seed=resampling.seed + study)
        estimates.append(alpha_difference(first, second, resampling=again))
    return _summary(estimates, one.alpha - other.alpha)


def _summary(estimates: Sequence[Estimate], true: float) -> dict[str, float]:
    defined = [estimate for estimate in estimates if estimate.value is not None]
    bounds = [(one.low, one.high) for one in defined if one.low is not None and one.high is not None]
    below = sum(high < true for _, high in bounds) / len(bounds)
    above = sum(low > true for low, _ in bounds) / len(bounds)
    held = 1 - below - above
    return {
        "alpha": round(true, 4),
        "coverage": round(held, 4),
        "error": round(math.sqrt(held * (1 - held) / len(bounds)), 4),
        "interval_below": round(below, 4),
        "interval_above": round(above, 4),
        "median_width": round(float(np.median([high - low for low, high in bounds])), 3),
        "no_interval": round(1 - len(bounds) / max(1, len(defined)), 4),
        "no_alpha": round(1 - len(defined) / len(estimates), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--units", type=int, nargs="+", help="default: 20 50 200; at random 5 and 10, too")
    parser.add_argument("--only", nargs="+", default=[], help="parts of names of populations")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--differences", action="store_true", help="the difference of two groups of raters, too")
    options = parser.parse_args()
    resampling = Resampling(seed=options.seed, resamples=options.resamples)
    report: dict[str, Any] = {"benchmark": "coverage", "machine": machine(), "studies": options.studies}
    began = time.monotonic()
    chosen = {
        name: population
        for name, population in (POPULATIONS | AT_RANDOM).items()
        if not options.only or any(part in name for part in options.only)
    }
    sizes = {name: options.units or (UNITS_AT_RANDOM if name in AT_RANDOM else UNITS) for name in chosen}
    table: list[dict[str, Any]] = []
    for name, population in chosen.items():
        for units in sizes[name]:
            found: dict[str, Any] = {"population": name, "units": units}
            for method in options.methods:
                found[method] = coverage(
                    population, units, studies=options.studies, resampling=resampling, interval=METHODS[method]
                )
            table.append(found)
    report["table"] = table
    if options.differences:
        report["differences"] = [
            {"population": name, "units": units}
            | difference_coverage(
                population,
                replace(population, choices=0.8 * population.choices + 0.2 * population.shares @ population.choices),
                units,
                studies=options.studies,
                resampling=resampling,
            )
            for name, population in chosen.items()
            for units in sizes[name]
        ]
    report["seconds"] = round(time.monotonic() - began)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
