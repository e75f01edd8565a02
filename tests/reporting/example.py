"""A small made-up study with everything a report can hold, hostile texts included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from annotator_ops.measures import Rating, Value
from annotator_ops.models import JSONDict, Level
from annotator_ops.reporting.words import worded
from annotator_ops.stats.analysis import Provenance, analyze
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.values import ValueKind

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=https://evil.example/x.png onerror=alert(2)>',
    "<!-- ]]> & $x^2$ {{ 7*7 }} \u2028 'quoted'",
    "Очень живой диалог,\nно к концу повторяется 🙂",
)
START = datetime(2026, 1, 12, 9, tzinfo=UTC)
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


def example(*, simulated: bool = False) -> JSONDict:
    """The analysis of 24 dialogues, three annotators and two judges on five criteria."""
    random = np.random.default_rng(5)
    truth = {name: random.integers(1, 6, 24) for name in ("in_character", "entertaining")}
    ratings: list[Rating] = []
    for order, rater in enumerate(("anna", "boris", 'mallory"><b>')):
        for item in range(24):
            answers: dict[str, Value] = {
                name: float(np.clip(values[item] + random.integers(-1, 2), 1, 5)) for name, values in truth.items()
            }
            answers["quality"] = float(random.integers(0, 1000) / 10)
            answers["genre"] = str(random.choice(["comedy", "drama", "<i>other</i>"]))
            if item < len(HOSTILE) and order == 2:
                answers["comment"] = HOSTILE[item]
            at, seconds = START + timedelta(hours=order, minutes=3 * item), 20.0 + 7 * order + item
            skipped = ("in_character", "entertaining", "quality") if rater == "boris" and item in (4, 9) else ()
            for name, value in answers.items():
                given, reason = (None, "skipped") if name in skipped else (value, None)
                ratings.append(Rating(rater, "human", f"dialogue-{item + 1}", name, given, reason, at, seconds))
    for judge in ("gpt", "llama"):
        for name, values in truth.items():
            for item in range(24):
                if judge == "llama" and item == 7:
                    continue
                score = float(np.clip(values[item] + random.integers(-2, 3), 1, 5))
                ratings.append(Rating(judge, "judge", f"dialogue-{item + 1}", name, score))
    specs = [
        CriterionSpec("in_character", ValueKind.NUMBERS, Level.ORDINAL, "Declared ordinal.", "In character", SCALE),
        CriterionSpec("entertaining", ValueKind.NUMBERS, Level.ORDINAL, "Declared ordinal.", "Entertaining", SCALE),
        CriterionSpec("quality", ValueKind.NUMBERS, Level.INTERVAL, "Declared interval.", "Quality"),
        CriterionSpec("genre", ValueKind.LABELS, Level.NOMINAL, "Declared nominal.", "Genre"),
        CriterionSpec("comment", ValueKind.TEXT, None, "Remarks: shown, not compared.", "Comment", compared=False),
    ]
    provenance = Provenance(
        study="dialogues",
        title="Dialogues <pilot> & more",
        created_at=datetime(2026, 2, 3, 18, 30, tzinfo=UTC),
        versions={"annotator-ops": "0.0", "python": "3", "krippendorff": "0", "numpy": "0", "scipy": "0"},
        simulated=simulated,
        sources=("judges.csv",),
    )
    findings: list[JSONDict] = [
        {
            "annotator": "boris",
            "item": "dialogue-3",
            "code": "altered-task",
            "message": "it was changed in Label Studio: <u>text</u>.",
        }
    ]
    findings += [
        {"annotator": "anna", "item": f"dialogue-{n}", "code": "second-annotation", "message": "A second one."}
        for n in range(1, 6)
    ]
    resampling = Resampling(resamples=200)
    context = Context(
        texts={f"dialogue-{n}": f"Turn {n}: <script>alert({n})</script>\nand the answer" for n in range(1, 25)},
        gold={"in_character": {f"dialogue-{n}": float(truth["in_character"][n - 1]) for n in range(1, 13)}},
        groups={"early": ("anna", "boris"), 'late"><i>': ('mallory"><b>',)},
    )
    found = analyze(ratings, specs, provenance=provenance, resampling=resampling, findings=findings, context=context)
    return worded(found.as_json())
