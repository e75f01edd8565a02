"""What is said of judges: how far they follow people, what a person reaches, what the test of replacement says."""

from __future__ import annotations

import pytest

from annotator_ops.judge_settings import EPSILONS
from annotator_ops.models import JSONDict
from annotator_ops.reporting.judge_words import CALDERON, alternative, bounded, epsilon_text, judges_verdict
from tests.reporting.judge_entries import alt_test, around, ceiling, criterion, ensemble, estimate, judge


def said(entry: JSONDict) -> list[str]:
    found = judges_verdict(entry)
    assert found is not None
    return list(found["sentences"])


def test_a_criterion_with_two_judges_and_their_mean() -> None:
    judges = [judge("gpt-3.5", around(0.40)), judge("gpt-4", around(0.45))]
    found = judges_verdict(criterion(judges, [ensemble("mean of all judges", around(0.535), ["gpt-3.5", "gpt-4"])]))
    assert found == {
        "sentences": [
            "gpt-4 follows the mean of three annotators with ρ = .450 [.400, .500], gpt-3.5 with .400 [.350, .450]. "
            "The mean of all judges reaches .535 [.485, .585].",
            "A single annotator follows the mean of the others with ρ = .510 [.490, .530] on average (from .490 to "
            ".530): so much could be expected of a person. Going by the intervals, gpt-3.5 is below that; gpt-4 and "
            "the mean of all judges are not shown to differ from that.",
            "The alternative annotator test (ε = .15, skilled annotators; nearness to the other annotators by −RMSE): "
            "gpt-3.5 beats two of three annotators (ω = .67) and passes: it may stand in for one of them. gpt-4 beats "
            "two of three annotators (ω = .67) and passes: it may stand in for one of them. The mean of all judges "
            "beats all three annotators (ω = 1.00) and passes: it may stand in for one of them.",
        ],
        "sources": [CALDERON],
    }


def test_above_below_and_beside_the_ceiling_are_told_by_intervals_only() -> None:
    names = {"above": around(0.7), "below": around(0.2), "beside": around(0.52), "bare": estimate(0.99)}
    for name, rho in names.items():
        text = said(criterion([judge(name, rho)], human_ceiling=ceiling(0.49, 0.51, 0.53)))[1]
        verdicts = {
            "above": "above is above that." in text,
            "below": "below is below that." in text,
            "beside": "beside is not shown to differ from that." in text,
            "bare": "Going by the intervals" not in text,
        }
        assert verdicts[name], text


def test_many_judges_are_the_best_and_the_least() -> None:
    judges = [judge(f"judge-{place}", around(place / 10)) for place in range(1, 7)]
    first, _, test = said(criterion(judges))
    assert first == (
        "Of six judges judge-6 follows the mean of three annotators best, with ρ = .600 [.550, .650], and judge-1 "
        "least, with .100 [.050, .150]."
    )
    assert "is passed by judge-1, judge-2, judge-3, judge-4, judge-5 and judge-6." in test


def test_a_better_ensemble_than_the_plain_mean_is_named() -> None:
    ensembles = [
        ensemble("mean of all judges", around(0.5), ["a", "b"]),
        ensemble("careful", around(0.6), ["a", "b"], how="weighted mean", weights={"a": 2.0, "b": 1.0}),
    ]
    text = said(criterion([judge("a", around(0.4)), judge("b", around(0.3))], ensembles))[0]
    assert text.endswith("The mean of all judges reaches .500 [.450, .550], the ensemble careful .600 [.550, .650].")


@pytest.mark.parametrize(
    ("beaten", "sentence"),
    [
        ([True, True, True], "gpt beats all three annotators (ω = 1.00) and passes: it may stand in for one of them."),
        ([True, False], "gpt beats one of two annotators (ω = .50) and passes: it may stand in for one of them."),
        ([False, False, True], "gpt beats one of three annotators (ω = .33, and .50 is needed) and does not pass."),
        ([False, False], "gpt beats none of two annotators (ω = .00, and .50 is needed) and does not pass."),
        (
            [True, None],
            "gpt beats the one annotator who could be tested, of two annotators in all, (ω = 1.00) and passes: it may "
            "stand in for one of them.",
        ),
        (
            [None, None],
            "It says nothing of gpt: No annotator has 30 items that another annotator and the judge rated, too.",
        ),
    ],
)
def test_the_alternative_annotator_test_says_no_more_than_was_tested(beaten: list[bool | None], sentence: str) -> None:
    assert alternative(alt_test(beaten), "gpt") == sentence


def test_a_test_that_says_nothing_of_anybody_says_so_once() -> None:
    judges = [judge(name, around(0.4), alt_test=alt_test([None])) for name in ("a", "b", "c", "d", "e")]
    assert said(criterion(judges))[-1].count("No annotator has 30 items") == 1
    assert "says nothing: No annotator" in said(criterion(judges))[-1]


def test_without_a_value_the_reason_is_the_sentence() -> None:
    nothing = estimate(None, reason="gpt gave one and the same score to all items.")
    empty: JSONDict = {"annotators": [], "mean": None, "reason": "There is one annotator only."}
    assert said(criterion([judge("gpt", nothing)], human_ceiling=empty))[0] == (
        "How far the judges follow the annotators cannot be said: gpt gave one and the same score to all items."
    )
    assert said(criterion([judge("gpt", around(0.4))], human_ceiling=empty))[1] == (
        "What could be expected of a person cannot be said: There is one annotator only."
    )
    assert judges_verdict(criterion([])) is None


def test_categories_are_held_against_the_most_frequent_answer() -> None:
    nothing = estimate(None, reason="The values have no order.")
    judges = [
        judge(
            "gpt",
            nothing,
            accuracy=estimate(0.712, 0.68, 0.74, n=980),
            cohen_kappa=around(0.55),
            alt_test=alt_test([True, False], score="accuracy"),
        )
    ]
    first, test = said(criterion(judges, human_ceiling={"annotators": [], "mean": None, "reason": "No order."}))
    assert first == (
        "The annotators’ most frequent answer is given by gpt to 71.2% [68.0%, 74.0%] of 980 items, "
        "Cohen’s κ = .550 [.500, .600]."
    )
    assert "by the share with the same answer" in test


def test_epsilon_is_named_by_the_annotators_it_stands_for() -> None:
    assert [epsilon_text(value) for value in EPSILONS.values()] == [
        "ε = .20, experts",
        "ε = .15, skilled annotators",
        "ε = .10, crowd workers",
    ]
    assert epsilon_text(0.0) == "ε = .00"
    assert bounded(estimate(-0.05)) == "−.050"


def test_one_reason_is_not_given_twice() -> None:
    why = "Free text has no numbers."
    test = alt_test([]) | {"reason": why}
    found = said(criterion([judge("gpt", estimate(None, reason=why), alt_test=test)]))
    assert found == [f"How far the judges follow the annotators cannot be said: {why}"]


def test_whoever_may_follow_nobody_is_said_to() -> None:
    judges = [judge("gpt", around(0.02)), judge("llama", around(0.04)), judge("other", around(0.3))]
    first = said(criterion(judges))[0]
    assert first.endswith("llama and gpt are not shown to follow people at all: the intervals hold 0.")
    backwards = said(criterion([judge("gpt", around(-0.3))]))[0]
    assert backwards.endswith(
        "gpt follows the mean of three annotators with ρ = −.300 [−.350, −.250]. gpt goes against people."
    )


def test_what_is_nearly_one_is_written_as_a_bound_and_one_as_one() -> None:
    first, second, _ = said(criterion([judge("gpt", estimate(0.99999))], human_ceiling=ceiling(1 - 1e-16, 1.0)))
    assert first == "gpt follows the mean of three annotators with ρ > .999."
    assert second.startswith(
        "A single annotator follows the mean of the others with ρ = 1.000 [.980, 1.020] on average:"
    )
