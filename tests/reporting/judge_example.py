"""A made-up study with everything that is said of judges: systems, versions, pairs in both orders, few labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from annotator_ops.judge_settings import Ensemble, Judging
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict, Level
from annotator_ops.reporting.words import worded
from annotator_ops.stats.analysis import Provenance, analyze
from annotator_ops.stats.context import Context, Position
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.values import ValueKind

HOSTILE_SYSTEM = "</script><script>alert(3)</script>"
HOSTILE_JUDGE = 'llama"><b>'
SYSTEMS = ("ant", "bee", "cat", "dog", "elk", HOSTILE_SYSTEM)
PEOPLE = ("anna", "boris", "chloe")
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
N_ITEMS = 120
N_LABELLED = 90
# How good a system is on each criterion: an order by one is not the order by the other.
_GOOD = {"clear": (1.6, 2.2, 2.8, 3.4, 4.0, 3.1), "funny": (4.1, 3.6, 3.0, 2.4, 1.8, 3.2)}
# How far off each judge is: its own noise and shift.
_JUDGES = {"gpt · v1": (0.9, 0.3), "gpt · v2": (0.6, 0.1), HOSTILE_JUDGE: (1.2, -0.5)}


def judge_example(*, weights: Mapping[str, float] | None = None, paired: bool = False) -> JSONDict:
    """The analysis of 120 answers by six systems, of which three annotators rated 90, and three judges all.

    `paired`: it is known that the answers are to twenty questions, each system's to each.
    """
    found: JSONDict = json.loads(_computed(tuple((weights or {}).items()), paired=paired))
    return found


@cache
def _computed(weights: tuple[tuple[str, float], ...], *, paired: bool) -> str:
    random = np.random.default_rng(11)
    items = [f"answer-{n + 1}" for n in range(N_ITEMS)]
    systems = {item: SYSTEMS[place % len(SYSTEMS)] for place, item in enumerate(items)}
    labelled = {items[place] for place in random.choice(N_ITEMS, N_LABELLED, replace=False)}
    ratings: list[Rating] = []
    for item in items:
        for name, good in _GOOD.items():
            truth = good[SYSTEMS.index(systems[item])] + random.normal(0, 0.8)
            ratings += [
                Rating(rater, "human", item, name, _on_scale(truth + random.normal(0, 0.6)))
                for rater in PEOPLE
                if item in labelled
            ]
            for judge, (noise, shift) in _JUDGES.items():
                ratings.append(_judged(judge, item, name, _on_scale(truth + shift + random.normal(0, noise)), random))
        tone = str(random.choice(["warm", "cold", "dry"]))
        ratings += [
            Rating(rater, "human", item, "tone", tone if random.random() < 0.8 else "dry")
            for rater in PEOPLE
            if item in labelled
        ]
        ratings.append(Rating("gpt · v2", "judge", item, "tone", tone if random.random() < 0.7 else "warm"))
    specs = [
        CriterionSpec("clear", ValueKind.NUMBERS, Level.ORDINAL, "Declared ordinal.", "Clear", SCALE),
        CriterionSpec("funny", ValueKind.NUMBERS, Level.ORDINAL, "Declared ordinal.", "Funny", SCALE),
        CriterionSpec("tone", ValueKind.LABELS, Level.NOMINAL, "Declared nominal.", "Tone"),
    ]
    provenance = Provenance(
        study="answers",
        title="Answers of six systems",
        created_at=datetime(2026, 3, 4, 9, tzinfo=UTC),
        versions={"annotator-ops": "0.0"},
        sources=("judges.csv",),
    )
    judging = Judging(
        ensembles=(Ensemble("careful", ("gpt · v2", HOSTILE_JUDGE), "mean", {"gpt · v2": 2.0, HOSTILE_JUDGE: 1.0}),),
        weights=dict(weights),
        relatives={"gpt": ("ant", "bee")},
        random_sample=True,
        ranking=Path("arena.csv"),
    )
    context = Context(
        systems=systems,
        sources={item: f"question-{place // len(SYSTEMS)}" for place, item in enumerate(items)} if paired else {},
        sizes={item: float(random.integers(5, 200)) for item in items},
        positions={"gpt · v2": {"clear": Position(60, 45, 70)}},
        judging=judging,
        outside={"ant": 1010.0, "bee": 1050.0, "cat": 1100.0, "dog": 1180.0, "elk": 1200.0, "fox": 990.0},
    )
    resampling = Resampling(resamples=200)
    found = analyze(ratings, specs, provenance=provenance, resampling=resampling, context=context)
    return json.dumps(worded(found.as_json()))


def _on_scale(score: float) -> float:
    return float(np.clip(np.round(score), 1, 5))


def _judged(judge: str, item: str, criterion: str, score: float, random: np.random.Generator) -> Rating:
    name, _, version = judge.partition(" · ")
    draw = random.random()
    reason = "refused" if draw < 0.02 else "unparsable" if draw < 0.05 else None
    value = score if reason is None else None
    model, prompt = (f"{name}-0314", version) if version else (None, None)
    return Rating(judge, "judge", item, criterion, value, reason, confidence=0.9, model=model, prompt=prompt)
