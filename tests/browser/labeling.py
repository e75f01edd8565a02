"""What an annotator does on the labeling page of the classification template, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from annotator_ops.waiting import wait_until

WAIT = 60_000


def texts_of(study: Path) -> dict[str, str]:
    """Every task's message, and its id."""
    tasks = [json.loads(line) for line in (study.parent / "tasks.jsonl").read_text().splitlines()]
    return {task["text"]: task["id"] for task in tasks}


def sign_in(page: Page, invitation: dict[str, Any]) -> None:
    """Open the link of an invitation, sign in, and close the instructions that come first."""
    page.goto(invitation["url"])
    page.fill("input[name=email]", invitation["email"])
    page.fill("input[name=password]", invitation["password"])
    page.click("button[type=submit]")
    page.get_by_text("Labeling Instructions").wait_for(timeout=WAIT)
    marks = page.evaluate("getComputedStyle(document.querySelector('article li')).listStyleType")
    assert marks == "disc", "Label Studio took the style of the instructions away"
    page.keyboard.press("Escape")


def shown(page: Page, texts: dict[str, str]) -> str:
    """The id of the task whose message is on the screen."""

    def find() -> str | None:
        visible = page.locator("body").inner_text()
        found = [identity for text, identity in texts.items() if text in visible]
        return found[0] if len(found) == 1 else None

    return wait_until(find, what="one task on the screen", deadline=WAIT / 1000, hint="Look at the page.")


def press(page: Page, button: str) -> None:
    """Press a button of the labeling page and wait for what it posts, and for the next task."""
    with (
        page.expect_response(lambda r: "id=next_task" in r.url, timeout=WAIT),
        page.expect_response(lambda r: "/annotations" in r.url and r.request.method == "POST", timeout=WAIT) as posted,
    ):
        page.locator(f'button[aria-label="{button}"]').click()
    assert posted.value.status == 201


def choose(page: Page, choice: str) -> None:
    """Choose a category and submit."""
    page.locator(".lsf-choice__item").filter(has_text=choice).click()
    press(page, "Submit current annotation")
