"""Judges for the terminal: every one is named, with its value or the reason why it has none."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from annotator_ops.judge_settings import Ensemble, Judging
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict, Level
from annotator_ops.reporting.summary import summarise
from annotator_ops.reporting.words import worded
from annotator_ops.stats.analysis import Provenance, analyze
from annotator_ops.stats.context import Context
from annotator_ops.stats.intervals import Resampling
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.values import ValueKind
from tests.reporting.judge_entries import around, ensemble, estimate, judge

N = 40
SPECS = [
    CriterionSpec("clear", ValueKind.NUMBERS, Level.ORDINAL, "Declared.", "Clear", (1.0, 2.0, 3.0, 4.0, 5.0)),
    CriterionSpec("tone", ValueKind.LABELS, Level.NOMINAL, "Declared.", "Tone"),
]


def analysed(judges: list[Rating], *, people: tuple[str, ...] = ("anna", "boris"), judging: Judging) -> JSONDict:
    random = np.random.default_rng(5)
    ratings = []
    for place in range(N):
        for person in people:
            score = float(np.clip(place % 5 + 1 + random.integers(-1, 2), 1, 5))
            ratings.append(Rating(person, "human", f"i{place}", "clear", score))
            ratings.append(Rating(person, "human", f"i{place}", "tone", "warm" if place % 2 else "cold"))
    provenance = Provenance(
        study="s", title="S", created_at=datetime(2026, 3, 4, tzinfo=UTC), versions={}, sources=("a.csv",)
    )
    specs = [spec for spec in SPECS if any(each.criterion == spec.name for each in judges)]
    ratings = [each for each in ratings if each.criterion in {spec.name for spec in specs}]
    found = analyze(
        [*ratings, *judges],
        specs,
        provenance=provenance,
        resampling=Resampling(resamples=50),
        context=Context(judging=judging),
    )
    return worded(found.as_json())


def lines(analysis: JSONDict) -> list[str]:
    notes = summarise("analyze", analysis).notes
    first = next(place for place, note in enumerate(notes) if note.startswith("Model judges, "))
    return [note for note in notes[first:] if note.startswith(("Model judges, ", "Clear: ", "Tone: "))]


def clear(judge: str, place: int, value: float | None, reason: str | None = None) -> Rating:
    return Rating(judge, "judge", f"i{place}", "clear", value, reason)


def three() -> list[Rating]:
    """One that gives 3 always, one for 15 items, and one that refuses once and cannot be read three times."""
    lost = {0: "refused", 1: "unparsable", 2: "unparsable", 3: "unparsable"}
    said: list[Rating] = []
    for place in range(N):
        good = float(place % 5 + 1)
        said.append(clear("flat", place, 3.0))
        said += [clear("few", place, good)] if place < 15 else []
        said.append(clear("shy", place, None if place in lost else good, lost.get(place)))
    return said


def test_a_judge_without_a_value_is_named_with_its_reason() -> None:
    ensembles = (Ensemble("Odd", ("flat",)), Ensemble("pair", ("few", "shy")))
    head, line = lines(analysed(three(), judging=Judging(ensembles=ensembles)))
    assert head == "Model judges, Spearman’s rho with the mean annotator:"
    assert line.startswith("Clear: few .")
    assert "] on 15 of 40 items; flat: none (its scores are all the same); shy ." in line
    assert "] on 36 of 40 items (1 refused, 3 unparsable); " in line
    assert "; Odd: none (There is one judge only, flat; an ensemble needs two); pair ." in line
    assert line.count("; mean of all judges .") == 1


def test_one_annotator_is_not_called_the_mean() -> None:
    head, line = lines(analysed(three(), people=("anna",), judging=Judging()))
    assert head == "Model judges, Spearman’s rho with the annotator:"
    assert "one annotator with the others" not in line


def tones() -> list[Rating]:
    return [
        Rating(name, "judge", f"i{place}", "tone", "warm" if place % 2 or place < 8 * which else "cold")
        for place in range(N)
        for which, name in enumerate(("gpt", "llama"))
    ]


def test_categories_have_a_heading_of_their_own() -> None:
    judging = Judging(ensembles=(Ensemble("both", ("gpt", "llama")),))
    found = lines(analysed([*three(), *tones()], judging=judging))
    heads = [line for line in found if line.startswith("Model judges")]
    assert heads == [
        "Model judges, Spearman’s rho with the mean annotator:",
        "Model judges, accuracy against most annotators:",
    ]
    assert [line.partition(":")[0] for line in found if line not in heads] == ["Clear", "Tone"]
    assert found[3].startswith("Tone: gpt 100.0% [91.2%, 100.0%]; llama 90.0% [76.9%, 96.0%]; both: none (")
    assert "mean of all judges" not in found[3]
    alone = lines(analysed(tones(), people=("anna",), judging=Judging()))
    assert alone[0] == "Model judges, accuracy against the annotator:"


def test_of_many_the_best_are_named_and_the_others_counted() -> None:
    analysis = analysed(three(), judging=Judging())
    many = [judge(f"j{place}", around(place / 20), n_items=N) for place in range(1, 8)]
    for each in many:
        each["spearman"]["n_items"] = N
    silent = judge("silent", estimate(None, reason="It says nothing."))
    (criterion,) = analysis["criteria"]
    criterion |= {"judges": [*many, silent], "ensembles": []}
    line = lines(analysis)[1]
    assert line.startswith("Clear: j7 .350 [.300, .400]; j6 .300 [.250, .350]; j5 .250 [.200, .300]; ")
    assert "; … and 5 more (1 without a value), see the report; " in line
    assert "silent" not in line and "j4" not in line.partition("alternative")[0]
    criterion["judges"] = [silent] * 7
    assert lines(analysis)[1].startswith("Clear: 7 more (7 without a value), see the report")
    six = [*many[:4], silent]
    criterion |= {"judges": six, "ensembles": [ensemble("Odd", around(0.1), ["j1", "j2"])]}
    assert "silent: none (It says nothing)" in lines(analysis)[1] and "; Odd ." in lines(analysis)[1]
