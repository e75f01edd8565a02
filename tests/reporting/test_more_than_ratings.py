"""What is known beside the ratings: gold answers, repeats, groups, texts; from bare files and from a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.reporting.source import Tables, material_of_files
from annotator_ops.stats.intervals import Resampling
from annotator_ops.steps.analyze import analyze_files

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
QUICK = Resampling(resamples=50)


def write(path: Path, rows: list[str], header: str = "rater,item,criterion,value") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Three annotators on 12 items; anna is right, boris always says 3, carla is one too high."""
    rows = []
    for item in range(1, 13):
        right = 1 + item % 4
        for rater, value in (("anna", right), ("boris", 3), ("carla", right + 1)):
            rows.append(f"{rater},{item},fluency,{value}")
    return write(tmp_path / "ratings.csv", rows)


def raters(found: Mapping[str, Any], criterion: int = 0) -> dict[str, Any]:
    return {rater["rater"]: rater for rater in found["criteria"][criterion]["raters"]}


def test_gold_answers_show_who_found_them(ratings: Path, tmp_path: Path) -> None:
    gold = write(tmp_path / "gold.csv", [f"gold,{item},fluency,{1 + item % 4}" for item in range(1, 13)])
    found = analyze_files(Tables((ratings,), gold=gold), created_at=NOW, resampling=QUICK).data
    right = {name: rater["gold"]["same"]["value"] for name, rater in raters(found).items()}
    assert right == {"anna": 1.0, "boris": 0.25, "carla": 0.0}
    assert raters(found)["carla"]["gold"]["distance"]["value"] == 1.0


def test_gold_of_two_raters_is_refused(ratings: Path, tmp_path: Path) -> None:
    gold = write(tmp_path / "gold.csv", ["ann,1,fluency,2", "bob,1,fluency,3"])
    with pytest.raises(OpsError, match=r"2 raters: ann, bob") as caught:
        analyze_files(Tables((ratings,), gold=gold), created_at=NOW)
    assert caught.value.code == "gold-raters"


def test_gold_in_words_at_a_numeric_level_is_said_and_nothing_crashes(ratings: Path, tmp_path: Path) -> None:
    gold = write(tmp_path / "gold.csv", ["gold,1,fluency,good"])
    with pytest.raises(OpsError) as caught:
        analyze_files(Tables((ratings,), gold=gold), created_at=NOW)
    assert caught.value.code == "gold-values"
    assert "good" in caught.value.message and "fluency" in caught.value.message


def test_an_item_given_twice_counts_once_and_shows_consistency(ratings: Path) -> None:
    before = analyze_files(Tables((ratings,)), created_at=NOW, resampling=QUICK).data
    again = ["anna,again,fluency,2", "boris,again,fluency,3", "carla,again,fluency,5"]
    rows = [f"{line}," for line in ratings.read_text().splitlines()[1:]] + [f"{line},1" for line in again]
    write(ratings, rows, header="rater,item,criterion,value,repeat_of")
    found = analyze_files(Tables((ratings,)), created_at=NOW, resampling=QUICK).data
    same = {name: rater["repeats"]["same"]["value"] for name, rater in raters(found).items()}
    assert same == {"anna": 1.0, "boris": 1.0, "carla": 0.0}
    assert found["criteria"][0]["agreement"] == before["criteria"][0]["agreement"]
    assert found["criteria"][0]["n_items"] == 12


def test_groups_are_compared_and_a_pattern_that_fits_nobody_is_refused(ratings: Path) -> None:
    tables = Tables((ratings,), groups={"careful": "[ac]*", "quick": "boris"})
    (criterion,) = analyze_files(tables, created_at=NOW, resampling=QUICK).data["criteria"]
    assert [(group["name"], group["raters"]) for group in criterion["groups"]] == [
        ("careful", ["anna", "carla"]),
        ("quick", ["boris"]),
    ]
    (comparison,) = criterion["comparisons"]
    assert comparison["groups"] == ["careful", "quick"]
    assert comparison["sentence"]
    with pytest.raises(OpsError, match="nobody") as caught:
        material_of_files(Tables((ratings,), groups={"nobody": "x*"}), created_at=NOW)
    assert caught.value.code == "unknown-raters"
    assert "anna" in caught.value.hint


@pytest.mark.parametrize(
    ("groups", "code"),
    [({"all": "*"}, "one-group"), ({"all": "*", "anna": "anna"}, "groups-overlap")],
)
def test_groups_that_cannot_be_compared_are_refused(ratings: Path, groups: dict[str, str], code: str) -> None:
    with pytest.raises(OpsError) as caught:
        material_of_files(Tables((ratings,), groups=groups), created_at=NOW)
    assert caught.value.code == code


def test_the_ceiling_rests_on_the_ratings_an_item_and_not_on_the_size_of_the_crowd(tmp_path: Path) -> None:
    rows = []
    for item in range(60):
        right = 1 + item % 5
        rows += [f"e{k},{item},fluency,{min(5, right + (item + k) % 2)}" for k in range(2)]
        rows += [
            f"c{(item * 3 + k) % 30},{item},fluency,{max(1, min(5, right + (item * k) % 3 - 1))}" for k in range(3)
        ]
    path = write(tmp_path / "crowd.csv", rows)
    tables = Tables((path,), groups={"experts": "e*", "crowd": "c*"})
    (criterion,) = analyze_files(tables, created_at=NOW, resampling=QUICK).data["criteria"]
    one, other = (group["krippendorff_alpha"]["value"] for group in criterion["groups"])
    means = (2 * one / (1 + one), 3 * other / (1 + 2 * other))
    ceiling = criterion["comparisons"][0]["ceiling"]["value"]
    assert ceiling == pytest.approx((means[0] * means[1]) ** 0.5, abs=1e-12)


def test_right_answers_of_no_criterion_and_of_no_item_are_said(ratings: Path, tmp_path: Path) -> None:
    gold = write(tmp_path / "gold.csv", ["gold,1,mood,2"])
    with pytest.raises(OpsError, match="right answers on mood") as caught:
        analyze_files(Tables((ratings,), gold=gold), created_at=NOW)
    assert caught.value.code == "gold-criterion"
    write(gold, ["gold,1,fluency,2", "gold,99,fluency,2"])
    found = analyze_files(Tables((ratings,), gold=gold), created_at=NOW, resampling=QUICK).data
    assert found["notes"][-1] == "1 right answer is of items that are not among the ratings, such as 99."


def test_a_repeat_of_what_nobody_rated_counts_as_an_item(ratings: Path) -> None:
    rows = [f"{line},{'gone' if ',12,' in line else ''}" for line in ratings.read_text().splitlines()[1:]]
    write(ratings, rows, header="rater,item,criterion,value,repeat_of")
    (criterion,) = analyze_files(Tables((ratings,)), created_at=NOW, resampling=QUICK).data["criteria"]
    assert criterion["n_items"] == criterion["agreement"]["krippendorff_alpha"]["n_items"] == 12


def test_a_criterion_called_overall_keeps_its_name_and_its_right_answers(ratings: Path, tmp_path: Path) -> None:
    lines = ratings.read_text().splitlines()
    ratings.write_text("\n".join([*lines, *(line.replace(",fluency,", ",overall,") for line in lines[1:])]) + "\n")
    gold = write(tmp_path / "gold.csv", ["gold,1,overall,2"])
    found = analyze_files(Tables((ratings,), gold=gold), created_at=NOW, resampling=QUICK).data
    assert [criterion["name"] for criterion in found["criteria"]] == ["fluency", "overall"]
    assert found["overall"]["name"] == "overall (mean)"
    assert found["criteria"][1]["raters"][0]["gold"] is not None
    assert found["overall"]["raters"][0]["gold"] is None


def test_numbers_that_cannot_be_computed_with_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "huge.csv", ["anna,1,x,1e200", "boris,1,x,1e-200", "anna,2,x,1e59", "boris,2,x,0"])
    with pytest.raises(OpsError) as caught:
        analyze_files(Tables((path,)), created_at=NOW)
    assert "huge.csv:2: the value 1e200 is too large or too small to compute with." in caught.value.message
    assert "huge.csv:3" in caught.value.message and "huge.csv:4" not in caught.value.message


def test_an_annotator_who_rated_nothing_is_not_among_those_who_agree(ratings: Path) -> None:
    ratings.write_text(ratings.read_text() + "dora,1,fluency,\ndora,2,fluency,\n")
    (criterion,) = analyze_files(Tables((ratings,)), created_at=NOW, resampling=QUICK).data["criteria"]
    assert criterion["agreement"]["krippendorff_alpha"]["n_raters"] == criterion["n_raters"] == 3
    assert criterion["verdict"]["sentence"].startswith("Three annotators ")
    assert [rater["rater"] for rater in criterion["raters"]] == ["anna", "boris", "carla", "dora"]


def test_the_most_disagreed_items_have_their_texts_and_everybodys_answers(ratings: Path, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text("".join(json.dumps({"id": str(n), "text": f"Text {n}"}) + "\n" for n in range(1, 13)))
    (criterion,) = analyze_files(Tables((ratings,), items=items), created_at=NOW, resampling=QUICK).data["criteria"]
    top = criterion["items"][0]
    assert top["text"] == f"Text {top['item']}"
    right = 1.0 + int(top["item"]) % 4
    assert top["answers"] == {"anna": right, "boris": 3.0, "carla": right + 1}
    values = [item["disagreement"] for item in criterion["items"]]
    assert values == sorted(values, reverse=True)


def test_a_broken_file_of_items_is_named(ratings: Path, tmp_path: Path) -> None:
    items = tmp_path / "items.jsonl"
    items.write_text("{]\n")
    with pytest.raises(OpsError, match=r"items\.jsonl cannot be used as the list of items: line 1") as caught:
        analyze_files(Tables((ratings,), items=items), created_at=NOW)
    assert caught.value.code == "items-invalid"


def test_two_files_that_contradict_each_other_on_repeats_are_refused(ratings: Path, tmp_path: Path) -> None:
    header = "rater,item,criterion,value,repeat_of"
    one = write(tmp_path / "one.csv", ["anna,again,fluency,2,1"], header)
    two = write(tmp_path / "two.csv", ["boris,again,fluency,2,2"], header)
    with pytest.raises(OpsError, match="again is said to repeat 1 and also 2") as caught:
        analyze_files(Tables((ratings, one, two)), created_at=NOW)
    assert caught.value.code == "two-originals"


def test_experts_and_crowd_agree_with_themselves_and_not_with_each_other(shared_data: Callable[[str], Path]) -> None:
    """SummEval: the crowd's means say nothing of the experts', however much it agrees; and it is said in words."""
    files = tuple(shared_data(f"summeval/ratings-{who}.csv") for who in ("experts", "crowd"))
    tables = Tables(files, groups={"experts": "expert_*", "crowd": "crowd_*"})
    found = analyze_files(tables, created_at=NOW, resampling=Resampling(resamples=200)).data
    for criterion in found["criteria"]:
        (comparison,) = criterion["comparisons"]
        alphas = [group["krippendorff_alpha"]["value"] for group in criterion["groups"]]
        assert min(alphas) > 0.4
        assert abs(comparison["spearman"]["value"]) < 0.1
        assert comparison["ceiling"]["value"] > 0.7
        assert "agreement within a group is no validity here" in comparison["sentence"]
    coherence = found["criteria"][0]
    assert coherence["groups"][1]["krippendorff_alpha"]["value"] == pytest.approx(0.46, abs=0.005)
    assert coherence["comparisons"][0]["spearman"]["value"] == pytest.approx(0.03, abs=0.005)
