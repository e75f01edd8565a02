"""Judges as tables: who is a row, what is a column, what is left out and said to be."""

from __future__ import annotations

from annotator_ops.models import JSONDict
from annotator_ops.reporting.figures import Figure, Table
from annotator_ops.reporting.judge_details import Block
from annotator_ops.reporting.judge_words import judges_verdict
from annotator_ops.reporting.judges import Judged, judged
from tests.reporting.judge_entries import alt_test, around, coefficients, criterion, ensemble, estimate, judge


def seen(entry: JSONDict) -> Judged:
    found = judged(entry | {"judges_verdict": judges_verdict(entry)})
    assert found is not None
    return found


def block(found: Judged, title: str) -> Block:
    (one,) = (each for each in found.blocks if each.title.startswith(title))
    return one


def cells(table: Table, name: str, *, place: int = 0) -> list[str]:
    rows = [row for row in table.rows if row.name == name]
    return [cell.value for cell in rows[place].cells]


def test_judges_then_ensembles_then_what_an_annotator_reaches() -> None:
    judges = [judge("gpt", around(0.45), model="gpt-4-0314", prompt="v2"), judge("llama", around(0.3))]
    ensembles = [ensemble("mean of all judges", around(0.5), ["gpt", "llama"])]
    ensembles.append(
        ensemble("careful", around(0.5), ["gpt", "llama"], how="weighted mean", weights={"gpt": 2.0, "llama": 1})
    )
    table = seen(criterion(judges, ensembles)).correlations
    assert [(row.name, row.remark) for row in table.rows] == [
        ("gpt", "model gpt-4-0314, prompt v2"),
        ("llama", ""),
        ("Mean of all judges", "mean of gpt and llama; 10 items lack a judge’s score: left out"),
        ("careful", "weighted mean of gpt and llama by 2 : 1; 10 items lack a judge’s score: left out"),
        ("One annotator", "with the mean of the others: mean over annotators, lowest to highest"),
    ]
    assert [row.derived for row in table.rows] == [False, False, True, False, True]
    assert cells(table, "gpt") == ["1,200", "0.450", "0.450", "0.450", "2 of 3"]
    assert table.rows[0].cells[-1].note == "ω = .67, passes; advantage probability .72"
    assert table.rows[-1].cells[1] == Figure("0.510", "[0.490, 0.530]", "0.490 to 0.530")
    assert table.columns[-1] == ("Annotators beaten", "alternative annotator test, ε = .15, skilled annotators")


def test_categories_have_other_columns_and_no_ceiling() -> None:
    nothing = estimate(None, reason="The values have no order.")
    one = judge(
        "gpt",
        nothing,
        accuracy=estimate(0.7, 0.6, 0.8),
        cohen_kappa=around(0.5),
        by_annotators=[],
        alt_test=alt_test([None]),
    )
    found = seen(criterion([one], [ensemble("mean of all judges", nothing, ["gpt", "llama"])]))
    assert [name for name, _ in found.correlations.columns] == ["Items", "Accuracy", "Cohen’s κ", "Annotators beaten"]
    assert [row.name for row in found.correlations.rows] == ["gpt"]
    assert cells(found.correlations, "gpt") == ["1,200", "70.0%", "0.500", "–"]
    assert "30 items" in found.correlations.rows[0].cells[-1].note
    assert found.chart == found.curve == ""


def test_the_curve_is_a_table_too() -> None:
    found = seen(criterion([judge("gpt", around(0.5))]))
    (table,) = block(found, "ρ by the number").tables
    assert [(row.name, row.remark) for row in table.rows] == [
        ("1 annotator", "3 subsets"),
        ("2 annotators", "3 subsets"),
        ("3 annotators", "1 subset"),
    ]
    assert [row.cells[0] for row in table.rows] == [
        Figure("0.400", note="0.100 to 0.900"),
        Figure("0.450", note="0.100 to 0.900"),
        Figure("0.500"),
    ]
    alone = seen(criterion([judge("gpt", around(0.5), by_annotators=judge("gpt", around(0.5))["by_annotators"][:1])]))
    assert alone.curve == "" and not any(each.title.startswith("ρ by") for each in alone.blocks)


def test_whom_a_judge_beats_is_said_annotator_by_annotator() -> None:
    found = seen(criterion([judge("gpt", around(0.5), alt_test=alt_test([True, False, None]))]))
    (table,) = block(found, "The alternative annotator test").tables
    assert cells(table, "gpt – expert_1") == ["1,200", "80.0%", "70.0%", "< .001", "yes"]
    assert cells(table, "gpt – expert_2") == ["1,200", "80.0%", "70.0%", ".900", "no"]
    assert cells(table, "gpt – expert_3") == ["12", "80.0%", "70.0%", "–", "–"]
    assert table.rows[2].cells[-1].note == "12 items; the test needs 30."


def test_a_bias_is_a_row_where_it_is_known_of_anybody() -> None:
    position = {"n_pairs": 50, "first_chosen": estimate(0.61, 0.55, 0.67), "consistent": estimate(0.7, 0.6, 0.8)}
    bias = {**judge("a", around(0.5))["bias"], "length": around(0.1), "position": position}
    found = seen(criterion([judge("a", around(0.5), bias=bias), judge("b", around(0.4))]))
    (table,) = block(found, "Bias").tables
    assert [name for name, _ in table.columns] == ["a", "b"]
    assert [row.name for row in table.rows] == [
        "Shift",
        "Spread",
        "Length",
        "First chosen",
        "Same choice in both orders",
    ]
    assert cells(table, "Shift") == ["−0.40", "−0.40"]
    assert cells(table, "Length") == ["0.100", "–"]
    assert cells(table, "First chosen") == ["61.0%", "–"]


def test_answers_are_shaded_by_their_share_of_the_row() -> None:
    found = seen(criterion([judge("gpt", around(0.5))]))
    (table,) = block(found, "Annotators’ answers").tables
    assert table.heated
    assert [[cell.value for cell in row.cells] for row in table.rows] == [["3", "1", "4"], ["0", "0", "0"]]
    assert [cell.shade for cell in table.rows[0].cells] == [34, 11, 0]
    wide = {"values": [float(n) for n in range(40)], "counts": [[0] * 40] * 40}
    assert not [
        each for each in seen(criterion([judge("gpt", around(0.5), confusion=wide)])).blocks if "answers" in each.title
    ]


def test_pairs_prompts_and_systems() -> None:
    pair = {
        "raters": ["a", "b"],
        "n_items": 900,
        "spearman": around(0.6),
        "krippendorff_alpha": around(0.4),
        "spearman_difference": around(0.02),
        "p_value": 0.0421,
        "method": "",
    }
    drift = {**pair, "judge": "a", "prompts": ["v1", "v2"], "shift": estimate(0.12, 0.05, 0.2), "p_value": 0.00001}
    systems = {
        "n_systems": 16,
        **coefficients(estimate(0.797, 0.327, 0.979)),
        "pairwise_accuracy": estimate(0.8, 0.6, 0.9),
    }
    found = seen(criterion([judge("a", around(0.5), systems=systems)], judge_pairs=[pair], drift=[drift]))
    (pairs,) = block(found, "Judges against each other").tables
    assert pairs.rows[0].cells[-1] == Figure("0.020", "[−0.030, 0.070]", "p = .042")
    (versions,) = block(found, "Drift").tables
    assert versions.rows[0].remark == "v1 → v2"
    assert [cell.value for cell in versions.rows[0].cells] == ["900", "+0.12", "0.600", "0.020"]
    assert versions.rows[0].cells[-1].note == "p < .001"
    (table,) = block(found, "Systems").tables
    assert cells(table, "a") == ["16", "0.797", "0.797", "0.797", "80.0%"]
    assert table.rows[0].cells[1].interval == "[0.327, 0.979]"


def test_few_labels_are_combined_or_refused_with_the_reason() -> None:
    labels: JSONDict = {
        "n_labelled": 100,
        "n_unlabelled": 1500,
        "random_sample": {},
        "judges": [
            {
                "rater": "gpt",
                "people_only": estimate(3.8, 3.6, 4.0),
                "judge_only": estimate(3.3, 3.2, 3.4),
                "combined": estimate(3.79, 3.65, 3.93),
                "lambda": 0.614,
            }
        ],
        "reason": None,
        "reason_code": None,
    }
    one = block(seen(criterion([judge("gpt", around(0.5))], few_labels=labels)), "Few labels")
    assert one.text == "100 items were scored by people and judges, 1,500 by judges only."
    assert [cell.value for cell in one.tables[0].rows[0].cells] == ["3.80", "3.30", "3.79", "0.61"]
    refused = labels | {"judges": [], "reason": "The study does not say that they are a random sample."}
    one = block(seen(criterion([judge("gpt", around(0.5))], few_labels=refused)), "Few labels")
    assert one.text.endswith("No combined estimate: The study does not say that they are a random sample.")
    assert one.tables == ()


def test_what_is_missing_is_counted_by_reason() -> None:
    missing = {"refused": 3, "unparsable": 12, "failed": 1, "off-scale": 2, "inconsistent": 4}
    found = seen(criterion([judge("gpt", around(0.5), missing=missing), judge("llama", around(0.5))]))
    one = block(found, "Judges’ scores")
    assert one.title == "Judges’ scores, and 22 missing"
    assert one.tables[0].rows[0].cells[-1] == Figure(
        "22",
        note="3 refused, 12 no score in the reply, 1 no reply, the request failed, 2 off the scale, "
        "4 both orders disagree",
    )
    assert one.tables[0].rows[1].cells[-1] == Figure("–")


def test_without_judges_there_is_nothing() -> None:
    assert judged(criterion([]) | {"judges_verdict": None}) is None


def test_the_mean_over_one_judge_is_no_row() -> None:
    nothing = estimate(None, reason="There is one judge only, gpt; an ensemble needs two.") | {
        "reason_code": "one-judge"
    }
    table = seen(
        criterion([judge("gpt", around(0.5))], [ensemble("mean of all judges", nothing, ["gpt"])])
    ).correlations
    assert [row.name for row in table.rows] == ["gpt", "One annotator"]


def test_whose_line_is_not_drawn_is_said() -> None:
    few, many = ([judge(f"judge {n}", around(n / 20)) for n in range(1, 1 + size)] for size in (6, 7))
    assert seen(criterion(few)).undrawn == ""
    assert seen(criterion(many)).undrawn == "The 6 that end highest are drawn."


def test_neighbours_only_are_compared_where_there_are_many_judges() -> None:
    pair = {"n_items": 9, "p_value": None, "method": ""} | dict.fromkeys(
        ("spearman", "krippendorff_alpha", "spearman_difference"), around(0.1)
    )
    judges = [judge(name, around(0.5)) for name in ("a", "b", "c")]
    all_pairs = [{"raters": [one, other], **pair} for one, other in (("a", "b"), ("a", "c"), ("b", "c"))]
    captions = [
        block(seen(criterion(judges, judge_pairs=pairs)), "Judges against").tables[0].caption
        for pairs in (all_pairs, all_pairs[:2])
    ]
    assert ["only neighbours" in caption for caption in captions] == [False, True]
