"""Numbers as people read them, and lines for the terminal."""

from __future__ import annotations

from datetime import date

from annotator_ops.reporting import rounding
from annotator_ops.reporting.figures import estimate
from annotator_ops.reporting.rounding import reason_text, value_text
from annotator_ops.reporting.summary import summarise
from annotator_ops.reporting.view import page
from tests.reporting.example import example
from tests.reporting.judge_example import judge_example


def test_numbers_are_rounded_here_and_only_for_the_eye() -> None:
    assert rounding.coefficient(0.57438649) == "0.574"
    assert rounding.coefficient(-0.0158) == "−0.016"
    assert rounding.coefficient(-0.0001) == "0.000"
    assert rounding.coefficient(0.6669) == "0.667"
    assert rounding.percent(0.3508) == "35.1%"
    assert rounding.mean(3.7208) == "3.72"
    assert rounding.mean(0.0042) == "0.0042"
    assert rounding.difference(1.9e-17) == "0.00", "what additions leave over is nothing"
    assert rounding.counted(3, "annotator") == "three annotators"
    assert rounding.counted(1, "criterion", "criteria") == "one criterion"
    assert rounding.counted(1200, "item") == "1,200 items"
    assert rounding.number_of(1, "item") == "1 item"
    assert rounding.number_of(1200, "criterion", "criteria") == "1,200 criteria"
    assert rounding.day(date(2026, 11, 2)) == "2 November 2026"
    times = {8.44: "8.4 s", 42.4: "42 s", 59.6: "1 min 00 s", 185: "3 min 05 s", 4320: "1 h 12 min"}
    assert {seconds: rounding.seconds(seconds) for seconds in times} == times


def test_an_estimate_without_a_value_shows_its_reason() -> None:
    nothing = {"value": None, "reason": "Only anna gave ratings.", "low": None, "high": None}
    assert estimate(nothing).value == "–"
    assert estimate(nothing).note == "Only anna gave ratings."
    method = "Krippendorff's alpha, ordinal; no interval: all resamples give the same value"
    sure = {"value": 1.0, "reason": None, "low": None, "high": None, "method": method, "n_items": 3}
    assert estimate(sure).value == "1.000"
    assert estimate(sure).note == "no interval: all resamples give the same value"


def test_values_and_reasons_in_words() -> None:
    assert [value_text(value) for value in (3.0, 2.5, "good", ["a", "b"], [])] == [
        "3",
        "2.5",
        "good",
        "a + b",
        "(no label)",
    ]
    assert reason_text("skipped") == "skipped"
    assert reason_text("second-annotation") == "second annotation"


def test_one_line_per_criterion_for_the_terminal() -> None:
    result = summarise("analyze", example(simulated=True))
    assert result.exit_code == 0
    assert result.notes[0] == "SIMULATED ANNOTATORS: three annotators, 24 items, 282 ratings, two model judges"
    lines = {outcome.subject: outcome for outcome in result.outcomes}
    assert list(lines) == ["In character", "Entertaining", "Quality", "Genre", "Comment"]
    assert lines["In character"].message.startswith("alpha 0.")
    assert lines["In character"].hint.startswith("Three annotators ")
    assert (lines["Comment"].state, lines["Comment"].code) == ("skipped", "not-compared")
    place = result.notes.index("Model judges, Spearman’s rho with the mean annotator:")
    assert result.notes[place + 1].startswith("In character: gpt .")
    for said in ("; llama .", "; mean of all judges .", "; one annotator with the others ."):
        assert said in result.notes[place + 1], said
    assert result.as_json()["schema"] == "annotator-ops/analysis@3"


def test_judges_of_every_criterion_are_a_line_for_the_terminal() -> None:
    notes = summarise("analyze", judge_example()).notes
    place = notes.index("Model judges, Spearman’s rho with the mean annotator:")
    clear, funny, mean, head, tone = notes[place + 1 : place + 6]
    assert head == "Model judges, accuracy against most annotators:"
    assert clear.startswith("Clear: gpt · v1 .") and "; careful ." in clear
    assert "; alternative annotator test (epsilon 0.15) passed by " in funny
    assert tone.startswith("Tone: gpt · v2 8") and "%, 9" in tone
    assert mean.startswith("Mean of the two criteria: gpt · v1 .")
    assert all("\n" not in line and len(line) < 450 for line in (clear, funny, tone, mean))
    page_of = {section.title: section for section in page(judge_example()).sections}
    assert page_of["Tone"].lead_judge is None
    lead = page_of["Clear"].lead_judge
    assert lead is not None and lead[0] == "Mean of all judges"


def test_counts_of_one_are_singular() -> None:
    analysis = example()
    analysis["data"] |= {"n_items": 1, "n_ratings": 1, "n_missing": 1, "n_judge_ratings": 1, "judges": ["gpt"]}
    assert summarise("analyze", analysis).notes[0] == "three annotators, 1 item, 1 rating, one model judge"
    lead = page(analysis).lead
    assert "rated 1 item on" in lead and "giving 1 rating " in lead and "gave 1 score." in lead
    assert "1 more has no value; it counts as missing" in lead


def test_the_matrix_is_symmetric_and_empty_on_its_diagonal() -> None:
    section = page(example()).sections[0]
    names = [name for name, _ in section.matrix]
    assert names == ["anna", "boris", 'mallory"><b>']
    cells = [list(row) for _, row in section.matrix]
    assert all(cells[i][i] is None for i in range(3))
    assert all(cells[i][j] == cells[j][i] for i in range(3) for j in range(3))
