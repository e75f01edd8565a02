"""Charts: the page's colours, ids of their own, the same bytes every time, names that are no formulas."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from annotator_ops.reporting import charts
from annotator_ops.reporting.charts import Interval


def stacked(labels: list[str], by_rater: dict[str, list[int]], *, ordered: bool = True, name: str = "c1") -> str:
    counts = [sum(column) for column in zip(*by_rater.values(), strict=True)]
    found = {"kind": "values", "values": labels, "edges": [], "counts": counts, "by_rater": by_rater}
    return charts.distribution(found, labels=labels, ordered=ordered, name=name)


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(tag))  # noqa: S314 - our own charts


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in elements(svg, "text")]


def test_names_are_shown_as_they_are() -> None:
    svg = stacked(["1", "2"], {"$x^2$": [1, 3], "<b>&": [2, 2], "名前 🙂": [1, 1], "a" * 60: [0, 4]})
    shown = texts(svg)
    assert {"All", "$x^2$", "<b>&", "名前 🙂", "a" * 27 + "…"} <= set(shown)
    assert "75%" in shown and "25%" in shown


def test_bars_of_every_annotator_are_as_long_as_their_shares() -> None:
    svg = stacked(["1", "2"], {"anna": [1, 3], "boris": [2, 2]})
    widths: dict[str, list[float]] = {}
    for path in elements(svg, "path"):
        fill = re.search(r"fill: (color-mix[^;]*)", path.get("style", ""))
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d", ""))]
        if fill and len(numbers) >= 6:
            widths.setdefault(fill[1], []).append(max(numbers[::2]) - min(numbers[::2]))
    first, second = widths.values()
    shares = [low / (low + high) for low, high in zip(first, second, strict=True)]
    assert [round(share, 3) for share in shares] == [0.375, 0.25, 0.5]


def test_colours_are_the_pages_own() -> None:
    overview = charts.overview(
        {"α": [Interval("fluency", 0.7, 0.6, 0.8), Interval("none", None, None, None)]},
        thresholds=(0.667, 0.8),
        name="overview",
    )
    for svg in (overview, stacked(["1", "2", "3"], {"anna": [1, 2, 3]})):
        assert "var(--" in svg
        colours = set(re.findall(r"#[0-9a-fA-F]{6}\b", svg))
        assert colours <= {"#000000", "#ffffff"}, colours
    assert texts(overview).count(".667") == texts(overview).count(".800") == 1


def test_two_charts_share_no_id_and_refer_to_their_own() -> None:
    one, two = (stacked(["1", "2"], {"anna": [1, 2]}, name=name) for name in ("c1", "c2"))
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    for svg, own in zip((one, two), ids, strict=True):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= own
        assert "<style" not in svg and "xmlns" not in svg and "<metadata" not in svg


def test_the_same_data_gives_the_same_bytes() -> None:
    one, two = (stacked(["1", "2"], {"anna": [1, 2], "boris": [2, 1]}) for _ in range(2))
    assert one == two


def test_many_values_become_plain_bars() -> None:
    labels = [f"label {n}" for n in range(30)]
    shown = texts(stacked(labels, {"anna": list(range(30))}, ordered=False))
    assert "11 others" in shown
    assert str(sum(range(11))) in shown


def test_bins_are_bars_with_their_counts() -> None:
    found = {"kind": "bins", "values": [], "edges": [0, 1, 2], "counts": [1200, 3], "by_rater": {"anna": [1200, 3]}}
    shown = texts(charts.distribution(found, labels=["0 – 1", "1 – 2"], ordered=True, name="c1"))
    assert shown == ["0 – 1", "1 – 2", "1,200", "3"]


def test_a_crowd_is_drawn_together_only() -> None:
    shown = texts(stacked(["1", "2"], {f"r{n}": [1, 2] for n in range(60)}))
    assert "All" in shown and "r5" not in shown
