"""A normal session in a real browser, in both routings: it works, and the page asks for nothing that is denied."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Response, expect

from tests.chromium import chromium
from tests.gate.conftest import EMAIL, Behind

pytestmark = [pytest.mark.labelstudio, pytest.mark.browser]


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page


def test_a_session(behind: Behind, page: Page) -> None:
    refused: list[str] = []
    unsent: list[str] = []

    def look(response: Response) -> None:
        request = response.request
        if response.status >= 400:
            refused.append(f"{response.status} {request.method} {response.url}")
        if request.method in {"POST", "PATCH", "DELETE"} and request.all_headers().get("origin") != behind.origin:
            unsent.append(f"{request.method} {response.url}")

    page.on("response", look)
    before = _counts(behind)
    with behind.operator() as operator:  # another test may have renamed it
        title = operator.get(f"/api/projects/{behind.project}").json()["title"]

    # Log in: the link leads to the next task at once, not to Label Studio's home page with all that is not allowed
    page.goto(f"{behind.url}/")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", behind.password)
    with page.expect_response(re.compile("id=next_task")):
        page.click("button[type=submit]")
    expect(page.get_by_text(title).first).to_be_visible()
    page.goto(f"{behind.url}/projects")
    expect(page.get_by_text(title).first).to_be_visible()

    # The list of tasks, and from there the stream
    page.goto(f"{behind.url}/projects/{behind.project}/data")
    expect(page.get_by_text(re.compile(r"Dialogue \d+")).first).to_be_visible()
    with page.expect_response(re.compile("id=next_task")):
        page.get_by_text("Label All Tasks").click()

    # Submit one, let a draft be saved and submit the next, skip the third
    def choose(which: int) -> None:
        page.locator(".lsf-choice__item").nth(which).click()

    def pressing(label: str, path: str, method: str = "POST") -> None:
        with page.expect_response(
            lambda response: re.search(path, response.url) is not None and response.request.method == method
        ) as answer:
            page.locator(f'button[aria-label="{label}"]').click()
        assert answer.value.ok, answer.value.url

    place = page.get_by_text(re.compile(r"\d+ of \d+")).last  # tasks seen before are counted too
    expect(place).to_be_visible()
    counted = re.search(r"(\d+) of \d+", place.inner_text())
    assert counted is not None
    first = int(counted[1])
    choose(2)
    pressing("Submit current annotation", r"/api/tasks/\d+/annotations")
    expect(page.get_by_text(f"{first + 1} of {first + 1}")).to_be_visible()
    with page.expect_response(re.compile(r"/api/tasks/\d+/drafts")) as draft:
        choose(1)
    assert draft.value.status == 201
    pressing("Submit current annotation", r"/api/tasks/\d+/annotations")
    expect(page.get_by_text(f"{first + 2} of {first + 2}")).to_be_visible()
    pressing("skip-task", r"/api/tasks/\d+/annotations")
    expect(page.get_by_text(f"{first + 3} of {first + 3}")).to_be_visible()

    # Back to the second, and change it
    for _ in range(2):
        pressing("Previous task", r"/api/tasks/\d+\?", "GET")
    expect(page.get_by_text(f"{first + 1} of {first + 3}")).to_be_visible()
    choose(0)
    pressing("submit", r"/api/annotations/\d+", "PATCH")

    # One task opened from the list
    page.goto(f"{behind.url}/projects/{behind.project}/data")
    with page.expect_response(re.compile(r"/api/tasks/\d+\?")):
        page.get_by_text(re.compile(r"^Dialogue \d+$")).first.click()
    page.wait_for_load_state("networkidle")

    # A service worker at the root of a shared host would rule every annotator's pages: it is not there on purpose.
    explained = [line for line in refused if behind.prefix and line == f"404 GET {behind.origin}/sw.js"]
    assert sorted(refused) == sorted(explained)
    assert unsent == []
    after = _counts(behind)
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)

    # A button that stays visible leads to the page that leads back
    refused.clear()
    page.goto(f"{behind.url}/projects/{behind.project}/settings")
    assert [line.partition(" ")[0] for line in refused] == ["403"]
    expect(page.get_by_role("heading", name="This page is not part of labeling")).to_be_visible()
    expect(page.get_by_role("heading", name="Эта страница не нужна для разметки")).to_be_visible()
    with page.expect_response(re.compile("id=next_task")):
        page.get_by_role("link", name="Back to labeling").click()

    # Its fonts came too, in either routing
    assert page.evaluate("document.fonts.check('16px Figtree')") is True


def _counts(behind: Behind) -> tuple[int, int]:
    """Annotations and skips, by the operator's count."""
    with behind.operator() as operator:
        project = operator.get(f"/api/projects/{behind.project}").json()
    return project["total_annotations_number"], project["skipped_annotations_number"]
