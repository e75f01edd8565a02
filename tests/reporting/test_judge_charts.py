"""The judges' charts: what is drawn where, and names that do not cover each other."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from annotator_ops.models import JSONDict
from annotator_ops.reporting.drawing import NARROW, WIDTH
from annotator_ops.reporting.judge_charts import annotators_chart, ceiling_chart
from annotator_ops.reporting.judge_details import MOST_LINES
from tests.reporting.judge_entries import around, ceiling, criterion, ensemble, estimate, judge


def texts(svg: str) -> list[str]:
    found = ElementTree.fromstring(svg).iter("text")  # noqa: S314 - our own chart
    return [element.text or "" for element in found]


def heights(svg: str) -> dict[str, float]:
    """Where each text stands, from above."""
    found = {}
    for element in ElementTree.fromstring(svg).iter("text"):  # noqa: S314 - our own chart
        place = re.search(r"translate\([\d.]+ ([\d.]+)\)", element.get("transform", ""))
        found[element.text or ""] = float(element.get("y") or (place[1] if place else "nan"))
    return found


def bands(svg: str) -> list[list[float]]:
    """The horizontal extent of what is filled with the band's colour."""
    found = []
    for path in ElementTree.fromstring(svg).iter("path"):  # noqa: S314 - our own chart
        if "fill: var(--scale-low)" in path.get("style", ""):
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]
            found.append(sorted({*numbers[::2]}))
    return found


def entry(**more: object) -> JSONDict:
    judges = [
        judge("gpt", around(0.45)),
        judge("$x^2$ <b>", around(0.3)),
        judge("none", estimate(None, reason="Constant.")),
    ]
    return criterion(judges, [ensemble("mean of all judges", around(0.5), ["gpt"])], **more)


def test_the_band_reaches_from_the_lowest_to_the_highest_annotator() -> None:
    narrow, wide = (
        bands(ceiling_chart(entry(human_ceiling=each), name="c")) for each in (ceiling(0.5, 0.6), ceiling(0.4, 0.6))
    )
    assert len(narrow) == len(wide) == 1
    (low, high), (lower, same) = (sorted(found[0])[:: len(found[0]) - 1] for found in (narrow, wide))
    assert 2 * (high - low) == pytest.approx(same - lower, abs=0.01)
    alone = entry(human_ceiling={"annotators": [], "mean": None, "reason": "There is one annotator only."})
    assert bands(ceiling_chart(alone, name="c")) == []
    assert "one annotator" not in texts(ceiling_chart(alone, name="c"))


def test_who_has_a_value_is_drawn_under_their_own_name() -> None:
    shown = texts(ceiling_chart(entry(), name="c"))
    assert {"gpt", "$x^2$ <b>", "Mean of all judges", "one annotator"} <= set(shown)
    assert "none" not in shown


def test_lines_are_named_at_their_ends_and_no_name_covers_another() -> None:
    judges = [judge(f"judge {place}", around(0.5 + place / 1000)) for place in range(4)]
    found = heights(annotators_chart(criterion(judges), name="c"))
    assert {"1 annotator", "2 annotators", "3 annotators"} <= found.keys()
    places = sorted(found[f"judge {place}"] for place in range(4))
    assert all(below - above > 9 for above, below in pairwise(places)), "a line of text is 9 points high"
    assert found["judge 3"] < found["judge 0"], "in the order of the lines"


def test_of_many_judges_those_that_end_highest_are_drawn() -> None:
    judges = [judge(f"judge {place}", around(place / 20)) for place in range(1, 12)]
    shown = {text for text in texts(annotators_chart(criterion(judges), name="c")) if text.startswith("judge ")}
    assert shown == {f"judge {place}" for place in range(12 - MOST_LINES, 12)}


def test_colours_are_the_pages_own_and_bytes_repeat() -> None:
    for draw in (ceiling_chart, annotators_chart):
        one, two = (draw(entry(), name="c1") for _ in range(2))
        assert one == two
        assert set(re.findall(r"#[0-9a-fA-F]{6}\b", one)) <= {"#000000", "#ffffff"}
        assert all(found.startswith("c1-") for found in re.findall(r' id="([^"]+)"', one))
    assert "var(--series-2)" in annotators_chart(entry(), name="c1")


def test_numbers_of_annotators_do_not_touch() -> None:
    sizes = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 300]
    steps = [{"k": k, "spearman": 0.4 + k / 1000, "low": 0.1, "high": 0.9, "n_subsets": 9} for k in sizes]
    shown = texts(annotators_chart(criterion([judge("gpt", around(0.5), by_annotators=steps)]), name="c"))
    under = [int(text) for text in shown if text.isdecimal()]
    assert under == [1, 21, 55, 89, 144, 300]


def test_narrow_charts_have_numbers_for_words_and_the_same_lines() -> None:
    judges = [judge("gpt", around(0.5)), judge("llama", around(0.4))]
    wide, narrow = (texts(annotators_chart(criterion(judges), name="c", width=width)) for width in (WIDTH, NARROW))
    assert {"1 annotator", "3 annotators"} <= set(wide)
    assert {"1", "2", "3", "gpt", "llama"} <= set(narrow) and "3 annotators" not in narrow
    band = ceiling_chart(criterion(judges), name="c", width=NARROW)
    (right,) = {max(each) for each in bands(band)}
    assert right < 72 * NARROW, "the band of people is inside the drawing"
