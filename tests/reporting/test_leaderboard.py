"""The leaderboard: as it is without a script, what is said of it, and in a real browser with other weights."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotator_ops.models import JSONDict
from annotator_ops.reporting.leaderboard import Board, board
from annotator_ops.reporting.render import render
from annotator_ops.resources import resource
from tests.chromium import chromium
from tests.reporting.judge_example import HOSTILE_SYSTEM, N_ITEMS, N_LABELLED, SYSTEMS, judge_example

if TYPE_CHECKING:
    from playwright.sync_api import Page

KEYS = {"Combined": "combined", "People": "human", "Judges": "judge"}
KINDS = ("combined", "human", "judge")


@pytest.fixture(scope="module")
def analysis() -> JSONDict:
    return judge_example()


@pytest.fixture(scope="module")
def shown(analysis: JSONDict) -> Board:
    found = board(analysis)
    assert found is not None
    return found


def test_systems_are_in_the_order_of_the_best_means_there_are(analysis: JSONDict, shown: Board) -> None:
    assert [key for key, _, _ in shown.kinds] == list(KINDS)
    assert shown.order == "combined"
    means = [analysis["leaderboard"]["systems"][row.place]["combined"]["overall"]["value"] for row in shown.rows]
    assert means == sorted(means, reverse=True)
    assert {row.name for row in shown.rows} == set(SYSTEMS)


def test_how_many_items_people_rated_stands_beside_all_of_them(analysis: JSONDict, shown: Board) -> None:
    systems = analysis["leaderboard"]["systems"]
    assert sum(system["n_items"] for system in systems) == N_ITEMS
    assert sum(system["n_rated"] for system in systems) == N_LABELLED
    for row in shown.rows:
        assert (row.n, row.rated) == ("20", f"{systems[row.place]['n_rated']} by people")
    assert f'<td>20<span class="note">{systems[0]["n_rated"]} by people</span></td>' in render(analysis)
    found = analysis["leaderboard"]
    every = [system | {"n_rated": system["n_items"]} for system in systems]
    whole, judged = (
        board({"leaderboard": found | more}) for more in ({"systems": every}, {"kinds": ["judge"], "few_labels": None})
    )
    assert whole is not None and judged is not None
    assert not any(row.rated for row in (*whole.rows, *judged.rows)), "nothing to say where all or none are theirs"


def test_people_and_judges_together_are_called_combined(shown: Board) -> None:
    assert [heading for _, heading, _ in shown.kinds] == ["Combined", "People", "Judges"]
    assert "Both" not in [name for name, _ in shown.agreement]


def test_a_rank_and_its_interval_are_places_on_a_bar(analysis: JSONDict, shown: Board) -> None:
    part = 100 / len(SYSTEMS)
    for row in shown.rows:
        for kind, cell in zip(KINDS, row.cells, strict=True):
            rank = analysis["leaderboard"]["systems"][row.place][kind]["rank"]
            assert cell is not None
            _, found = cell
            assert found.value == f"{rank['value']}"
            assert found.start == pytest.approx(part * (rank["low"] - 1))
            assert found.start + found.width == pytest.approx(part * rank["high"])
            assert found.start < found.at < found.start + found.width


def test_what_is_said_of_it(analysis: JSONDict, shown: Board) -> None:
    best = max(analysis["leaderboard"]["systems"], key=lambda system: system["human"]["overall"]["value"])
    assert shown.sentences[0] == "Six systems by the mean of Clear and Funny, all of equal weight."
    assert shown.sentences[1].startswith("By people and judges combined, ")
    assert shown.sentences[2].startswith(f"By people, {best['system']} is first with ")
    assert len(shown.sentences) == 4
    weighted = board(judge_example(weights={"clear": 3.0, "funny": 1.0}))
    assert weighted is not None
    assert weighted.sentences[0] == "Six systems by the weighted mean of Clear 75.0% and Funny 25.0%."
    assert [weight.share for weight in weighted.weights] == ["75.0%", "25.0%"]
    text = " ".join(shown.remarks)
    assert "Tone is left out: The values are categories without an order" in text
    assert f"Not in the outside ranking: {HOSTILE_SYSTEM}." in text
    assert "In the outside ranking, but of no item: fox." in text
    assert [name for name, _ in shown.agreement][3] == "People and the outside ranking arena.csv, Spearman’s ρ"


def test_why_there_are_no_combined_means_is_said(analysis: JSONDict) -> None:
    found = analysis["leaderboard"]
    few = found["few_labels"] | {"reason": "Nobody says that they are a random sample.", "reason_code": "x"}
    refused = board({"leaderboard": found | {"few_labels": few, "kinds": ["human", "judge"]}})
    assert refused is not None
    assert refused.order == "human"
    assert any(
        text.endswith("No combined means: Nobody says that they are a random sample.") for text in refused.remarks
    )


def test_without_an_order_the_reason_stands_alone(analysis: JSONDict) -> None:
    assert board({"leaderboard": None}) is None
    why = "All items are of one system, ant; an order needs two."
    nothing: JSONDict = {"kinds": [], "systems": [], "few_labels": None, "correlation": None, "reason": why}
    bare = analysis["leaderboard"] | nothing
    found = board({"leaderboard": bare})
    assert found is not None and found.rows == () and found.reason == why
    page = render(analysis | {"leaderboard": bare})
    assert why in page and "<script>" not in page and "script-src" not in page


def test_the_policy_names_the_one_script_by_its_hash(analysis: JSONDict) -> None:
    page = render(analysis)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert f"script-src 'sha256-{digest}'; " in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    assert HOSTILE_SYSTEM not in page


def test_the_script_only_writes_texts_and_asks_for_nothing() -> None:
    script = resource("templates", "report", "leaderboard.js").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "fetch",
        "XMLHttp",
        "import",
        "http",
    ):
        assert not re.search(rf"\b{re.escape(word)}", script), word
    assert "</" not in script


def opened(page: Page, analysis: JSONDict, tmp_path: Path) -> list[str]:
    """The page with the report in it; what it complains of is added to the list."""
    path = tmp_path / "report.html"
    path.write_text(render(analysis))
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return said


def order(page: Page) -> list[str]:
    names: list[str] = page.locator("table.leaderboard tbody th").all_text_contents()
    return names


def numbers(page: Page) -> dict[tuple[str, str], dict[str, float]]:
    """What the page has computed, unrounded, by system and kind."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in page.locator("table.leaderboard tbody tr").all():
        name = row.locator("th").text_content() or ""
        for kind in KINDS:
            data = row.locator(f"[data-kind={kind}][data-part=mean]").evaluate("cell => ({...cell.dataset})")
            keys = ("value", "low", "high", "rank", "first", "last")
            found[name, kind] = {key: float(data[key]) for key in keys if key in data}
    return found


def ordered_by(found: dict[tuple[str, str], dict[str, float]], kind: str) -> list[str]:
    means = {name: values["value"] for (name, of), values in found.items() if of == kind}
    return sorted(means, key=lambda name: -means[name])


def set_weight(page: Page, place: int, value: int) -> None:
    """A slider moved as a person at the keyboard does."""
    slider = page.locator(f"#weight-{place}")
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(value // 10):
        page.keyboard.press("PageUp")
    for _ in range(value % 10):
        page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == value


def texts(page: Page) -> list[str]:
    cells: list[str] = page.locator("table.leaderboard tbody td").all_text_contents()
    return [" ".join(cell.split()) for cell in cells]


@pytest.mark.browser
@pytest.mark.parametrize("paired", [False, True], ids=["", "paired"])
@pytest.mark.parametrize("weights", [(90, 30), (100, 0)])
def test_other_weights_reorder_with_the_values_that_python_has(
    tmp_path: Path, weights: tuple[int, int], paired: bool
) -> None:
    analysis = judge_example(paired=paired)
    assert (analysis["leaderboard"]["pairs"] is not None) == paired
    with chromium() as browser:
        page = browser.new_page()
        said = opened(page, analysis, tmp_path)
        before, first = order(page), texts(page)
        for place, value in enumerate(weights, start=1):
            set_weight(page, place, value)
        after, computed = order(page), numbers(page)
        wanted = judge_example(weights=dict(zip(("clear", "funny"), map(float, weights), strict=True)), paired=paired)
        rendered = board(wanted)
        assert rendered is not None
        assert after == [row.name for row in rendered.rows]
        assert after != before
        systems = wanted["leaderboard"]["systems"]
        for system in systems:
            for kind in KINDS:
                own, overall, rank = computed[system["system"], kind], system[kind]["overall"], system[kind]["rank"]
                for key in ("value", "low", "high"):
                    assert math.isclose(own[key], overall[key], rel_tol=1e-12), (system["system"], kind, key)
                assert (own["rank"], own["first"], own["last"]) == (rank["value"], rank["low"], rank["high"])
        shown = browser.new_page()
        opened(shown, wanted, tmp_path)
        assert texts(page) == texts(shown), "and the same words as a page with these weights from the start"
        page.get_by_role("button").click()
        assert (order(page), texts(page)) == (before, first)
        assert said == []


@pytest.mark.browser
def test_pairs_of_systems_on_the_same_sources_are_compared_pair_by_pair(tmp_path: Path, analysis: JSONDict) -> None:
    """With the covariance of two systems equal to their variances, their difference has none, and is no difference."""
    found = analysis["leaderboard"]
    systems = found["systems"]
    twins = [
        {
            "systems": [one, other],
            "covariance": [
                [(a + b) / 2 for a, b in zip(*rows, strict=True)]
                for rows in zip(systems[one]["human"]["covariance"], systems[other]["human"]["covariance"], strict=True)
            ],
        }
        for one in range(len(systems))
        for other in range(one + 1, len(systems))
    ]
    pairs = {kind: twins if kind == "human" else [] for kind in KINDS}
    with chromium() as browser:
        page = browser.new_page()
        said = opened(page, analysis | {"leaderboard": found | {"pairs": pairs, "kinds": ["human"]}}, tmp_path)
        set_weight(page, 1, 100)
        set_weight(page, 2, 0)
        ranges = [
            page.locator(f"tr[data-place='{place}'] [data-kind=human][data-part=mean]").evaluate(
                "cell => [Number(cell.dataset.first), Number(cell.dataset.last)]"
            )
            for place in range(len(systems))
        ]
        assert ranges == [[1, len(systems)]] * len(systems)
        assert said == []


@pytest.mark.browser
def test_without_a_script_it_is_a_table_and_no_weight_at_all_changes_nothing(
    tmp_path: Path, analysis: JSONDict, shown: Board
) -> None:
    with chromium() as browser:
        plain = browser.new_context(java_script_enabled=False).new_page()
        opened(plain, analysis, tmp_path)
        assert order(plain) == [row.name for row in shown.rows]
        assert not plain.locator("input[type=range]").first.is_visible()
        page = browser.new_page()
        said = opened(page, analysis, tmp_path)
        assert page.get_by_role("slider", name="Clear").is_visible()
        set_weight(page, 1, 0)
        settled = order(page)
        set_weight(page, 2, 0)
        assert order(page) == settled
        assert "At least one criterion needs a weight" in (page.get_by_role("status").text_content() or "")
        before, orders = numbers(page), set()
        for kind in ("Judges", "People", "Combined"):
            page.get_by_role("radio", name=kind).check()
            assert numbers(page) == before, "the last weights that there were"
            assert order(page) == ordered_by(before, KEYS[kind])
            orders.add(tuple(order(page)))
        assert order(page) == settled
        assert len(orders) > 1
        page.get_by_role("radio", name="Judges").check()
        set_weight(page, 2, 5)
        assert order(page) == ordered_by(numbers(page), "judge")
        assert said == []


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["Combined", "People", "Judges"])
def test_a_phone_shows_what_rows_are_ordered_by(tmp_path: Path, analysis: JSONDict, kind: str) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        said = opened(page, analysis, tmp_path)
        assert page.get_by_role("radio", name="Combined").is_checked()
        if kind != "Combined":
            page.get_by_role("radio", name=kind).check()
        row = page.locator("table.leaderboard tbody tr").nth(2)
        edge = row.locator("th").bounding_box()
        head = page.locator("table.leaderboard thead th").first.bounding_box()
        assert edge is not None and head is not None and head["x"] == edge["x"] >= 0
        for part in ("mean", "rank"):
            found = row.locator(f"[data-kind={KEYS[kind]}][data-part={part}]").bounding_box()
            assert found is not None
            assert edge["x"] + edge["width"] <= found["x"] + 0.5, "not under the names"
            assert found["x"] + found["width"] <= 390, part
        assert said == []
