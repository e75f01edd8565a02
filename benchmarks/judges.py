"""Judges' correlations with people and their intervals against loops over `scipy.stats`, ratios within one run.

Each measurement is the best of several, ours and the loop in alternation. The parts can be chosen by name:

goal       Spearman and Pearson with intervals, 1,200 items × 4 criteria × 8 judges, 1,000 resamples: under 2 s
loops      all three coefficients against a loop over resamples with scipy, on scores with few and with many values
summeval   the same on the experts and the two judges of SummEval, where the data are
growth     how time grows with items
tests      the permutation test between two judges, and the intervals of the system level

    python -m benchmarks.judges [part ...] [--rounds 5] [--summeval FOLDER]

`--summeval` is the folder with `tasks.jsonl`, `ratings-experts.csv` and `judges.csv`; without it that part is left out,
and the report says so. The loops take minutes, so they run over a part of the resamples; the report says how many, and
that the time is multiplied. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.judges.correlations import COEFFICIENTS, correlations
from annotator_ops.stats.judges.permutation import correlation_difference
from annotator_ops.stats.judges.systems import system_level
from annotator_ops.stats.values import FloatArray
from benchmarks.common import machine
from benchmarks.stats import alternated, compared, timed

ITEMS, CRITERIA, JUDGES, RESAMPLES = 1_200, 4, 8, 1_000
# Of so many resamples a loop's time is measured.
LOOPED = 20
RATIO = 10.0
SECONDS = 2.0
ORACLES: dict[str, Callable[[Any, Any], Any]] = {
    "spearman": stats.spearmanr,
    "kendall_tau_b": stats.kendalltau,
    "pearson": stats.pearsonr,
}
# People's mean (items) and judges' scores (judges × items) of each criterion.
Study = list[tuple[FloatArray, FloatArray]]


def study(items: int, *, few: bool, criteria: int = CRITERIA, judges: int = JUDGES) -> Study:
    """Judges who know something of what people mean. `few`: means of three people on a scale of five, and such scores;
    else as many values as items, as where scores are means over turns or weighted by probabilities."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(criteria):
        truth = random.normal(3, 1, items)
        people = truth + random.normal(0, 0.7, (3, items))
        judge = truth + random.normal(0, 1, (judges, items))
        if few:
            people, judge = (np.clip(np.round(scores), 1, 5) for scores in (people, judge))
        found.append((people.mean(axis=0), judge))
    return found


def ours(data: Study, coefficients: Sequence[str]) -> None:
    resampling = Resampling(resamples=RESAMPLES)
    for human, judges in data:
        correlations(human, judges, resampling=resampling, coefficients=coefficients)


def loop(data: Study, coefficients: Sequence[str]) -> None:
    """A value and so many resamples of it for every judge, the plain way."""
    random = np.random.default_rng(2)
    for human, judges in data:
        for judge in judges:
            for name in coefficients:
                values = []
                for _ in range(LOOPED):
                    drawn = random.integers(0, len(human), len(human))
                    values.append(ORACLES[name](human[drawn], judge[drawn]).statistic)
                np.quantile(values, [0.025, 0.975])


def against_loop(data: Study, coefficients: Sequence[str], rounds: int, goal: float | None) -> dict[str, Any]:
    best = alternated(rounds, ours=partial(ours, data, coefficients), loop=partial(loop, data, coefficients))
    found = compared(best["ours"], best["loop"] * RESAMPLES / LOOPED, goal=goal)
    return found | {"note": f"theirs: {LOOPED} resamples measured, times {RESAMPLES // LOOPED}"}


def _short(number: float) -> float:
    return float(f"{number:.4g}")


# --- the parts -------------------------------------------------------------------------------------------------------


def goal(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"shape": f"{ITEMS} items × {CRITERIA} criteria × {JUDGES} judges, {RESAMPLES} resamples"}
    for values in ("few", "many"):
        data = study(ITEMS, few=values == "few")
        for name, coefficients in (("Spearman and Pearson", ("spearman", "pearson")), ("all three", COEFFICIENTS)):
            best = min(timed(partial(ours, data, coefficients)) for _ in range(options.rounds))
            entry: dict[str, Any] = {"seconds": _short(best)}
            if len(coefficients) == 2:
                entry |= {"goal": f"under {SECONDS:g} s", "reached": best < SECONDS}
            found[f"{name}, {values} values"] = entry
    return found


def loops(options: argparse.Namespace) -> dict[str, Any]:
    """One criterion: the loop grows with criteria as ours does."""
    found: dict[str, Any] = {"shape": f"{ITEMS} items × 1 criterion × {JUDGES} judges, {RESAMPLES} resamples"}
    for values in ("few", "many"):
        data = study(ITEMS, few=values == "few", criteria=1)
        for name in COEFFICIENTS:
            least = None if name == "kendall_tau_b" else RATIO
            found[f"{name}, {values} values"] = against_loop(data, [name], options.rounds, least)
        both = against_loop(data, ["spearman", "pearson"], options.rounds, RATIO)
        found[f"Spearman and Pearson, {values} values"] = both
    return found


def summeval(options: argparse.Namespace) -> dict[str, Any]:
    if options.summeval is None:
        return {"left_out": "give --summeval, the folder of its data"}
    data, _ = read_summeval(options.summeval)
    shape = f"{len(data[0][0])} items × {len(data)} criteria × {len(data[0][1])} judges, {RESAMPLES} resamples"
    found: dict[str, Any] = {"shape": shape}
    for name in COEFFICIENTS:
        least = None if name == "kendall_tau_b" else RATIO
        found[name] = against_loop(data, [name], options.rounds, least)
    return found


def read_summeval(folder: Path) -> tuple[Study, list[str]]:
    """People's means and judges' scores of each criterion, and the items' systems."""
    listed = [json.loads(line) for line in (folder / "tasks.jsonl").read_text().splitlines()]
    place = {task["id"]: number for number, task in enumerate(listed)}
    tables: list[dict[str, dict[str, FloatArray]]] = []
    for name in ("ratings-experts.csv", "judges.csv"):
        table: dict[str, dict[str, FloatArray]] = {}
        with (folder / name).open(newline="") as rows:
            for row in csv.DictReader(rows):
                by_rater = table.setdefault(row["criterion"], {})
                scores = by_rater.setdefault(row["rater"], np.full(len(listed), np.nan))
                scores[place[row["item"]]] = float(row["value"] or "nan")
        tables.append(table)
    experts, judges = tables
    data = [
        (np.array(list(raters.values())).mean(axis=0), np.array(list(judges[criterion].values())))
        for criterion, raters in experts.items()
    ]
    return data, [task["system"] for task in listed]


def growth(options: argparse.Namespace) -> dict[str, Any]:
    """One criterion and one judge; up to 10,000 items are resampled, above that the interval is linearized."""
    lines = []
    for values in ("few", "many"):
        for items in (30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000):
            data = study(items, few=values == "few", criteria=1, judges=1)
            entry: dict[str, Any] = {"items": items, "values": values}
            for name in COEFFICIENTS:
                rounds = options.rounds if items <= 3_000 else 1
                entry[f"{name}_s"] = _short(min(timed(partial(ours, data, [name])) for _ in range(rounds)))
            lines.append(entry)
    return {"shape": f"1 criterion × 1 judge, {RESAMPLES} resamples up to 10,000 items", "lines": lines}


def tests(options: argparse.Namespace) -> dict[str, Any]:
    ((human, judges),) = study(ITEMS, few=False, criteria=1, judges=2)
    systems = [f"system {number % 12}" for number in range(ITEMS)]
    resampling = Resampling(resamples=RESAMPLES)
    calls: dict[str, Callable[[], Any]] = {
        "difference": partial(
            correlation_difference, human, judges[0], judges[1], seed=0, permutations=1000, resampling=resampling
        ),
        "system_level": partial(system_level, human, judges[0], systems, resampling=resampling),
    }
    best = alternated(options.rounds, **calls)
    return {
        f"difference of two judges, {ITEMS} items, 1000 permutations, {RESAMPLES} resamples": _short(
            best["difference"]
        ),
        f"system level, 12 systems of {ITEMS // 12} items, {RESAMPLES} resamples": _short(best["system_level"]),
        "unit": "seconds",
    }


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "goal": goal,
    "loops": loops,
    "summeval": summeval,
    "growth": growth,
    "tests": tests,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--summeval", type=Path)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    report: dict[str, Any] = {"benchmark": "judges", "machine": machine(), "rounds": options.rounds}
    for name in options.parts or PARTS:
        report[name] = PARTS[name](options)
    print(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
