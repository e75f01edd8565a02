"""The statistics against others who compute the same: time and memory, ratios within one run.

Each measurement is the best of several, ours and theirs in alternation. The parts can be chosen by name:

point      alpha of 100,000 items × 20 raters in 5 categories, and of smaller shapes, against `krippendorff`
sliders    alpha of two-decimal sliders, 200 × 5 and 10,000 × 10, against `krippendorff` under a limit of memory
resamples  1,000 exact resamples at 10,000 × 10, against resampling with `krippendorff`, and against evalaudit
pairs      Cohen's kappa of all pairs at 100,000 × 20, against a loop over scikit-learn; the mean Spearman over scipy
growth     how time grows with items, raters and categories; `--plot` draws it
analyze    `ops analyze --json` of a table with a million ratings

    python -m benchmarks.stats [part ...] [--rounds 5] [--plot FILE.svg] [--peer-python PYTHON]

`--peer-python` is the interpreter of an environment that has evalaudit 0.6.0; without it that part is left out, and the
report says so. Prints JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np

from annotator_ops.models import Level
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.agreement.concordance import mean_pairwise_spearman_fisher_z
from annotator_ops.stats.agreement.pairs import all_pairs_kappa
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.reliability import ReliabilityData
from annotator_ops.stats.values import MISSING
from benchmarks.common import machine

RESAMPLES = 1000
SHAPES = ((12, 4, 5), (100, 3, 2), (200, 5, 10), (1_000, 5, 5), (10_000, 10, 5), (100_000, 20, 5))
CLOSED_LEVELS = (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL, Level.RATIO)
# What a child process may have of address space when the package is tried on sliders.
LIMIT = 4 * 1024**3


def ratings(units: int, raters: int, categories: int, *, level: Level, missing: float = 0.0) -> ReliabilityData:
    """Raters who know what an item is six times in ten and else guess."""
    random = np.random.default_rng(1)
    truth = random.integers(0, categories, units)
    guesses = random.integers(0, categories, (raters, units))
    codes = np.where(random.random((raters, units)) < 0.6, truth, guesses)
    if missing:
        codes[random.random((raters, units)) < missing] = MISSING
    return _data(codes, tuple(float(value + 1) for value in range(categories)), level)


def sliders(units: int, raters: int, *, level: Level) -> ReliabilityData:
    """Sliders from 0 to 100 with two decimals."""
    random = np.random.default_rng(2)
    table = np.clip(random.uniform(0, 100, units) + random.normal(0, 10, (raters, units)), 0, 100)
    domain, codes = np.unique(np.round(table, 2), return_inverse=True)
    return _data(codes.reshape(raters, units), tuple(domain.tolist()), level)


def _data(codes: Any, domain: tuple[float, ...], level: Level) -> ReliabilityData:
    raters, units = codes.shape
    return ReliabilityData(
        raters=tuple(str(rater) for rater in range(raters)),
        units=tuple(str(unit) for unit in range(units)),
        codes=codes.astype(np.intp),
        domain=domain,
        level=level,
    )


def package(values: Any, level: Level) -> float:
    name: Any = level.value
    return float(krippendorff.alpha(reliability_data=values, level_of_measurement=name))


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def alternated(rounds: int, **calls: Callable[[], Any]) -> dict[str, float]:
    """The best of so many rounds of each, in alternation, in seconds; calls that take no time are repeated."""
    repeats = {name: max(1, min(200, int(0.02 / max(timed(call), 1e-6)))) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            best[name] = min(best[name], *(timed(call) for _ in range(repeats[name])))
    return best


def compared(ours: float, theirs: float, *, goal: float | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"ours_s": _short(ours), "theirs_s": _short(theirs), "ratio": _short(theirs / ours)}
    return found if goal is None else found | {"goal": goal, "reached": theirs / ours >= goal}


def _short(number: float) -> float:
    return float(f"{number:.4g}")


# --- the parts -------------------------------------------------------------------------------------------------------


def point(options: argparse.Namespace) -> dict[str, Any]:
    """The value alone (with its standard error), from integer codes; the package from the same numbers as floats."""
    found: dict[str, Any] = {}
    for units, raters, categories in SHAPES:
        for level in CLOSED_LEVELS:
            data = ratings(units, raters, categories, level=level)
            values = data.values
            best = alternated(
                options.rounds,
                ours=partial(krippendorff_alpha, data),
                theirs=partial(package, values, level),
            )
            goal = 5.0 if units == 100_000 else 1.0
            found[f"{units} × {raters}, {categories} categories, {level.value}"] = compared(
                best["ours"], best["theirs"], goal=goal
            )
    return found


def slider(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for level in (Level.INTERVAL, Level.ORDINAL):
        data = sliders(200, 5, level=level)
        values = data.values
        ours = alternated(options.rounds, ours=partial(krippendorff_alpha, data))["ours"]
        # The package takes seconds and gigabytes: twice is enough to see which.
        theirs = min(timed(partial(package, values, level)) for _ in range(min(2, options.rounds)))
        found[f"200 × 5, {level.value}"] = compared(ours, theirs, goal=5000 if level is Level.INTERVAL else None)
        found[f"10000 × 10, {level.value}"] = {
            "ours": in_child("ours", level),
            "theirs": in_child("package", level),
            "goal": "under 0.1 s and 100 MB; the package cannot",
        }
    return found


def in_child(what: str, level: Level) -> dict[str, Any]:
    """Time and peak memory (MB above what data and modules need) of sliders at 10,000 × 10, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.stats", "--child", what, level.value]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"failed": last[:200], "limit_gb": LIMIT / 1024**3}
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def child(what: str, level: Level) -> None:
    import resource
    import tracemalloc

    data = sliders(10_000, 10, level=level)
    values = data.values
    krippendorff_alpha(sliders(50, 3, level=level))  # what is loaded at first use is no part of it
    call: Callable[[], Any] = partial(krippendorff_alpha, data)
    if what == "package":
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        call = partial(package, values, level)
    seconds = min(timed(call) for _ in range(3))
    tracemalloc.start()  # numpy reports its arrays to it
    call()
    print(json.dumps({"seconds": _short(seconds), "peak_mb": round(tracemalloc.get_traced_memory()[1] / 1e6, 1)}))


def resamples(options: argparse.Namespace) -> dict[str, Any]:
    """An interval from 1,000 resamples, value and standard error included."""
    data = ratings(10_000, 10, 5, level=Level.NOMINAL)
    values = data.values
    resampling = Resampling(resamples=RESAMPLES)
    estimate = krippendorff_alpha(data, resampling=resampling)
    few = 10
    random = np.random.default_rng(3)

    def naive() -> None:
        for _ in range(few):
            package(values[:, random.integers(0, values.shape[1], values.shape[1])], Level.NOMINAL)

    best = alternated(options.rounds, ours=partial(krippendorff_alpha, data, resampling=resampling), package=naive)
    found: dict[str, Any] = {
        "method": estimate.method,
        "krippendorff": compared(best["ours"], best["package"] * RESAMPLES / few, goal=60)
        | {"note": f"extrapolated from {few} resamples"},
    }
    for level in (Level.ORDINAL, Level.INTERVAL):
        own = ratings(10_000, 10, 5, level=level)
        found[f"ours_{level.value}_s"] = _short(timed(partial(krippendorff_alpha, own, resampling=resampling)))
    if options.peer_python is None:
        found["evalaudit"] = "left out: give --peer-python, an interpreter that has evalaudit 0.6.0"
        return found
    theirs = peer_seconds(options.peer_python, options.rounds)
    again = alternated(options.rounds, ours=partial(krippendorff_alpha, data, resampling=resampling))["ours"]
    found["evalaudit"] = compared(min(best["ours"], again), theirs["resampling"], goal=1) | {
        "note": "theirs is the resampling alone: the whole call less the call without an interval",
        "whole_call_s": _short(theirs["whole"]),
        "version": theirs["version"],
    }
    return found


_PEER = """
    import json, time
    import evalaudit
    from evalaudit import rater_agreement
    import numpy as np, pandas as pd
    random = np.random.default_rng(1)
    units, raters, categories = 10000, 10, 5
    truth = random.integers(0, categories, units)
    guesses = random.integers(0, categories, (raters, units))
    codes = np.where(random.random((raters, units)) < 0.6, truth, guesses)
    table = pd.DataFrame({
        "item_id": np.tile(np.arange(units), raters),
        "rater_id": np.repeat(np.arange(raters), units),
        "rating": codes.ravel() + 1,
    })
    def timed(**given):
        began = time.perf_counter()
        rater_agreement(table, level="nominal", seed=0, **given)
        return time.perf_counter() - began
    whole = [timed(n_boot=1000) for _ in range(ROUNDS)]
    plain = [timed(bootstrap_ci=False) for _ in range(ROUNDS)]
    version = getattr(evalaudit, "__version__", "")
    print(json.dumps({"whole": min(whole), "resampling": min(whole) - min(plain), "version": version}))
"""


def peer_seconds(python: str, rounds: int) -> dict[str, Any]:
    code = textwrap.dedent(_PEER).replace("ROUNDS", str(rounds))
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    loaded: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return loaded


def pairs(options: argparse.Namespace) -> dict[str, Any]:
    """All 190 pairs; of the loops so many pairs as are measured, times what is missing."""
    if find_spec("sklearn") is None:
        return {"left_out": "scikit-learn is not installed"}
    from scipy.stats import spearmanr
    from sklearn.metrics import cohen_kappa_score

    few, every = 10, len(list(combinations(range(20), 2)))
    found: dict[str, Any] = {
        "note": f"theirs from {few} of {every} pairs, where something is missing each masked first"
    }

    def loop(data: ReliabilityData, coefficient: Callable[[Any, Any], Any]) -> None:
        codes = data.codes
        for first, second in islice(combinations(range(20), 2), few):
            one, other = codes[first], codes[second]
            if missing:
                both = (one != MISSING) & (other != MISSING)
                one, other = one[both], other[both]
            coefficient(one, other)

    for missing in (0.1, 0.0):
        data = ratings(100_000, 20, 5, level=Level.ORDINAL, missing=missing)
        for name, ours, theirs in (
            ("kappa", all_pairs_kappa, cohen_kappa_score),
            (
                "quadratic kappa",
                partial(all_pairs_kappa, weights="quadratic"),
                partial(cohen_kappa_score, weights="quadratic"),
            ),
            ("mean Spearman", mean_pairwise_spearman_fisher_z, spearmanr),
        ):
            best = alternated(options.rounds, ours=partial(ours, data), loop=partial(loop, data, theirs))
            goal = 100.0 if name == "kappa" else None
            found[f"{name}, {missing:.0%} missing"] = compared(best["ours"], best["loop"] * every / few, goal=goal)
    return found


def growth(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds for a value, and for a value with its interval, as one thing grows and the others stay."""
    lines: dict[str, list[dict[str, float]]] = {"items": [], "raters": [], "categories": []}
    shapes = [("items", (n, 5, 5)) for n in (100, 1_000, 10_000, 100_000, 1_000_000)]
    shapes += [("raters", (10_000, r, 5)) for r in (2, 5, 10, 20, 50, 100)]
    shapes += [("categories", (10_000, 5, v)) for v in (2, 5, 10, 30, 100, 1000)]
    for what, (units, raters, categories) in shapes:
        entry: dict[str, float] = {what: {"items": units, "raters": raters, "categories": categories}[what]}
        for level in (Level.NOMINAL, Level.ORDINAL, Level.INTERVAL):
            data = ratings(units, raters, categories, level=level)
            entry[f"{level.value}_s"] = _short(min(timed(partial(krippendorff_alpha, data)) for _ in range(3)))
            interval = timed(partial(krippendorff_alpha, data, resampling=Resampling(resamples=RESAMPLES)))
            entry[f"{level.value}_interval_s"] = _short(interval)
        lines[what].append(entry)
    if options.plot:
        plot(lines, options.plot)
    return {"at": "others stay at 10,000 items (5 raters) in 5 categories", **lines}


def plot(lines: dict[str, list[dict[str, float]]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    axes = figure.subplots(1, len(lines), sharey=True)
    for axis, (what, entries) in zip(axes, lines.items(), strict=True):
        for color, level in enumerate(("nominal", "ordinal", "interval")):
            x = [entry[what] for entry in entries]
            axis.loglog(x, [entry[f"{level}_s"] for entry in entries], "o-", color=f"C{color}", label=level)
            both = [entry[f"{level}_interval_s"] for entry in entries]
            axis.loglog(x, both, "s--", color=f"C{color}", label=f"{level}, with interval")
        axis.set_xlabel(what)
        axis.grid(visible=True, which="major", alpha=0.3)
    axes[0].set_ylabel("seconds")
    axes[0].legend(fontsize=7)
    figure.suptitle("Krippendorff's alpha", fontsize=10)
    figure.savefig(file, format="svg")


def analyze(_options: argparse.Namespace) -> dict[str, Any]:
    """The whole command as a user runs it: 10,000 items × 20 raters × 5 criteria."""
    random = np.random.default_rng(4)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        table = Path(folder, "ratings.csv")
        with table.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["rater", "item", "criterion", "value"])
            for criterion in range(5):
                truth = random.integers(1, 6, 10_000)
                for rater in range(20):
                    values = np.clip(truth + random.integers(-1, 2, 10_000), 1, 5)
                    rows = enumerate(values.tolist())
                    writer.writerows([f"rater-{rater}", f"item-{n}", f"criterion-{criterion}", v] for n, v in rows)
        size = table.stat().st_size
        seconds, peak, code, written = run_measured(["-m", "annotator_ops", "analyze", "--json", str(table)], folder)
    return {
        "ratings": 1_000_000,
        "csv_mb": round(size / 1e6, 1),
        "seconds": round(seconds, 2),
        "peak_mb": round(peak / 1024, 1),
        "exit_code": code,
        "json_bytes": written,
        "goal": "under 5 s and 1 GB",
        "reached": code == 0 and seconds < 5 and peak < 1024**2,
    }


def run_measured(arguments: Sequence[str], folder: str) -> tuple[float, int, int, int]:
    """Seconds, peak resident memory (KB), exit code and bytes written of this Python with these arguments."""
    output = Path(folder, "output.json")
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with output.open("w") as out, Path(folder, "errors.txt").open("w") as errors:
        # A small process in between: the system counts what the parent held at the fork as the child's own peak.
        command = [sys.executable, "-c", _WAITING, sys.executable, *arguments]
        subprocess.run(command, stdout=out, stderr=errors, cwd=folder, env=environment, check=True)
    seconds, peak, code = json.loads(Path(folder, "usage.json").read_text())
    return seconds, peak, code, output.stat().st_size


_WAITING = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
with open("usage.json", "w") as file:
    json.dump([time.perf_counter() - began, usage.ru_maxrss, process.returncode], file)
"""


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "point": point,
    "sliders": slider,
    "resamples": resamples,
    "pairs": pairs,
    "growth": growth,
    "analyze": analyze,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--peer-python")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Level(options.child[1]))
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    report: dict[str, Any] = {"benchmark": "stats", "machine": machine(), "rounds": options.rounds}
    for name in options.parts or PARTS:
        report[name] = PARTS[name](options)
    print(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
