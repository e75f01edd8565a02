"""A real browser at the real proxy: an annotator labels, skips and comes back, and `ops collect` has exactly that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.labeling import choose, press, shown, sign_in, texts_of
from tests.chromium import chromium
from tests.studies import EVERY_WAY, WAYS, destroyed_at_the_end, free_port, well, write_study

pytestmark = [pytest.mark.browser, pytest.mark.labelstudio]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize("routing", ["subdomain", "path"])
def test_three_labelled_and_one_skipped(tmp_path: Path, browser: Browser, routing: str, way: str) -> None:
    study = write_study(
        tmp_path / "study",
        {"annotators": ["anna"], **WAYS[way], "proxy": {"port": free_port(), "routing": routing}},
    )
    texts = texts_of(study)
    with destroyed_at_the_end(study):
        well("provision", study=study)
        invitation = well("invite", study=study)["invitations"][0]
        page = browser.new_page()
        refused: list[str] = []
        page.on("response", lambda r: refused.append(f"{r.request.method} {r.url}") if r.status == 403 else None)
        sign_in(page, invitation)
        given: dict[str, str] = {}
        for choice in ("Question", "Complaint", "Praise"):
            given[shown(page, texts)] = choice
            choose(page, choice)
        skipped = shown(page, texts)
        press(page, "skip-task")
        page.close()
        assert refused == [], "a page of a normal session asks for something that the gate refuses"

        collected = well("collect", study=study)
        table = tmp_path / "ratings.jsonl"
        subprocess.run(
            [Path(sys.executable).parent / "ops", "export", "--format", "jsonl", "-o", table, "--study", study],
            check=True,
            capture_output=True,
        )
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        values = {row["item"]: row["value"] for row in rows if row["value"] is not None}
        assert values == given
        reasons = {row["item"]: row["reason"] for row in rows if row["value"] is None}
        assert reasons[skipped] == "skipped"
        assert collected["outcomes"][0]["state"] == "ok"
