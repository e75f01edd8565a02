"""The page before a reader: contrast in both schemes, and a real browser in the light, in the dark, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from annotator_ops.models import JSONDict
from annotator_ops.reporting.judge_details import MOST_LINES
from annotator_ops.reporting.render import render
from annotator_ops.resources import resource
from tests.chromium import chromium
from tests.reporting.example import example
from tests.reporting.judge_example import judge_example


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    channels = (int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_text_can_be_read_in_the_light_the_dark_and_print() -> None:
    css = resource("templates", "report", "report.css").read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        series = [name for name in scheme if name.startswith("series-")]
        assert len(series) == MOST_LINES
        for ink in ("ink", "muted", "accent", *series):
            for ground in ("bg", "panel"):
                assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground, scheme)
        assert contrast(scheme["warn-ink"], scheme["warn-bg"]) >= 4.5
        assert contrast(scheme["ink"], scheme["scale-low"]) >= 4.5
        assert contrast(scheme["on-strong"], scheme["scale-high"]) >= 4.5


@pytest.mark.browser
@pytest.mark.parametrize("which", [example, judge_example], ids=["people", "judges"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 320)])
def test_a_browser_shows_it_without_asking_for_anything(
    tmp_path: Path, scheme: str, width: int, which: Callable[[], JSONDict]
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render(which()))
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(path.as_uri())
        assert asked == [path.as_uri()]
        assert said == [], "the content security policy blocks nothing that the page has"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
        assert dark == (scheme == "dark")
        bar = page.locator("figure svg path[style*='color-mix']").first
        assert bar.evaluate("element => getComputedStyle(element).fill") not in ("none", "rgb(0, 0, 0)")
        scripts = page.locator("script:not([type='application/json'])").count()
        assert scripts == (1 if which is judge_example else 0)
        seen = page.evaluate(
            """[...document.querySelectorAll("figure svg")].filter(svg => svg.clientWidth).map(svg => {
              const box = svg.closest(".scroll") || svg.parentElement, own = svg.getBoundingClientRect();
              const texts = [...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect());
              return {
                hidden: box.scrollWidth - box.clientWidth,
                out: texts.filter(text => text.left < own.left - 1 || text.right > own.right + 1).length,
                least: Math.min(...[...svg.querySelectorAll("text")].map(
                  text => parseFloat(getComputedStyle(text).fontSize) * own.width / svg.viewBox.baseVal.width)),
              };
            })"""
        )
        assert len(seen) == page.locator("figure [role=img]").count(), "one of the two drawings of each"
        assert all(chart["hidden"] <= 0 and chart["out"] == 0 for chart in seen), "no part of a chart is beside its box"
        assert all(chart["least"] >= (6 if width == 320 else 7) for chart in seen), "letters are not made small"
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nor does what was folded"
