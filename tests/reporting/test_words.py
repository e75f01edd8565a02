"""One sentence a criterion: by which thresholds, and what the interval leaves open."""

from __future__ import annotations

from typing import Any

import pytest

from annotator_ops.reporting.words import GWET, KRIPPENDORFF, LANDIS_KOCH, compared, short, verdict


def criterion(value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    alpha = {"value": value, "low": low, "high": high, "reason": "There is no rating that has a value.", "n_raters": 5}
    return {"agreement": {"krippendorff_alpha": alpha}, **more}


@pytest.mark.parametrize(
    ("found", "sentence", "code"),
    [
        (
            (0.61, 0.57, 0.65),
            "Five annotators agree moderately, α = .61 [.57, .65]; below the .667 that Krippendorff asks for tentative "
            "conclusions.",
            "unreliable",
        ),
        (
            (0.64, 0.61, 0.70),
            "Five annotators agree substantially, α = .64 [.61, .70]; below the .667 that Krippendorff asks for "
            "tentative conclusions, though the interval reaches above it.",
            "unreliable",
        ),
        (
            (0.70, 0.62, 0.78),
            "Five annotators agree substantially, α = .70 [.62, .78]; between .667 and .800, where Krippendorff draws "
            "only tentative conclusions; the interval reaches below .667.",
            "tentative",
        ),
        (
            (0.9, 0.85, 0.93),
            "Five annotators agree almost perfectly, α = .90 [.85, .93]; at or above the .800 from which Krippendorff "
            "relies on data.",
            "reliable",
        ),
        (
            (0.05, -0.02, 0.12),
            "Five annotators are not shown to agree beyond what chance would give, α = .05 [−.02, .12]; below the .667 "
            "that Krippendorff asks for tentative conclusions.",
            "no-better-than-chance",
        ),
        (
            (1.0,),
            "Five annotators agree on everything, α = 1.00; at or above the .800 from which Krippendorff relies on "
            "data.",
            "reliable",
        ),
        ((None,), "Agreement cannot be measured: There is no rating that has a value.", "none"),
    ],
)
def test_the_sentence(found: tuple[Any, ...], sentence: str, code: str) -> None:
    said = verdict(criterion(*found))
    assert (said.sentence, said.code) == (sentence, code)


def test_the_adverb_is_what_the_interval_allows_and_the_sources_are_named() -> None:
    assert verdict(criterion(0.61, 0.57, 0.65)).sources == (KRIPPENDORFF, LANDIS_KOCH, GWET)
    assert "substantially" in verdict(criterion(0.61)).sentence
    assert verdict(criterion(0.61)).sources == (KRIPPENDORFF, LANDIS_KOCH)


def test_most_disagreement_is_named_where_it_is_most() -> None:
    confusions = [{"categories": [3.0, 4.0], "share": 0.62}, {"categories": [1.0, 2.0], "share": 0.2}]
    assert verdict(criterion(0.5, confusions=confusions)).sentence.endswith(
        "; most disagreement, far apart answers weighing more, is between 3 and 4."
    )
    labels = verdict(criterion(0.5, confusions=confusions, level="nominal"))
    assert labels.sentence.endswith("; most disagreement is between 3 and 4.")
    assert verdict(criterion(0.5, confusions=confusions)).code == "unreliable"
    spread = [{**each, "share": 0.3} for each in confusions]
    assert "most disagreement" not in verdict(criterion(0.5, confusions=spread)).sentence
    # With two categories all disagreement is between them: nothing to say.
    assert "most disagreement" not in verdict(criterion(0.5, confusions=confusions[:1])).sentence


@pytest.mark.parametrize(("value", "word"), [(0.7998, "just below .800"), (0.6659, "just below the .667")])
def test_what_rounds_up_to_a_threshold_is_said_to_be_below_it(value: float, word: str) -> None:
    assert word in verdict(criterion(value)).sentence


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.614, ".61"),
        (-0.05, "−.05"),
        (-0.001, ".00"),
        (0.998, ".998"),
        (0.99999, "> .999"),
        (1, "1.00"),
        (-1.5, "−1.50"),
    ],
)
def test_coefficients_are_printed_as_journals_do(value: float, text: str) -> None:
    assert short(value) == text


def test_agreement_without_validity_is_said_in_words() -> None:
    comparison = {
        "groups": ["crowd", "experts"],
        "alpha_difference": {"value": -0.2, "low": -0.24, "high": -0.16, "reason": None},
        "spearman": {"value": 0.03, "low": -0.03, "high": 0.09, "reason": None},
        "ceiling": {"value": 0.83, "low": None, "high": None, "reason": None},
    }
    assert compared(comparison) == (
        "The group “experts” agrees more with itself than “crowd” does, by .20 in α. Their means per item correlate "
        "ρ = .03 [−.03, .09]. Two groups that agree with themselves as these do could correlate up to .83 if they "
        "judged the same thing; agreement within a group is no validity here."
    )


def test_a_ceiling_below_the_correlation_itself_is_none() -> None:
    found = {"low": None, "high": None, "reason": None}
    comparison = {
        "groups": ["a", "b"],
        "alpha_difference": {**found, "value": 0.0},
        "spearman": {**found, "value": 0.89},
        "ceiling": {**found, "value": 0.06},
    }
    assert compared(comparison) == (
        "Both groups agree equally with themselves. Their means per item correlate ρ = .89."
    )


def test_marks_texts_and_rankings_are_given_without_a_judgement() -> None:
    found = {"value": 0.01, "low": None, "high": None, "reason": None, "n_raters": 3}
    nothing = {**found, "value": None, "reason": "Not compared."}
    agreement = {"krippendorff_alpha": nothing, "percent_agreement": nothing, "chrf": found}
    said = verdict({"kind": "text", "level": None, "agreement": agreement})
    assert said.sentence == (
        "Three annotators’ texts: chrF = .01, a likeness of wording from 0 to 1; not corrected for chance."
    )


def test_two_groups_that_agree_equally_are_not_called_different() -> None:
    gap: dict[str, Any] = {"value": 0.0, "low": None, "high": None, "reason": None}
    said = compared({"groups": ["a", "b"], "alpha_difference": gap, "spearman": None, "ceiling": None})
    assert said == "Both groups agree equally with themselves."
    said = compared(
        {"groups": ["a", "b"], "alpha_difference": {**gap, "value": 0.1}, "spearman": None, "ceiling": None}
    )
    assert said == "That “a” agrees more with itself than “b” (.10 in α) may be chance."
