"""Results as text for a person: every hint is shown, and nothing in a message is changed."""

from __future__ import annotations

import pytest

from annotator_ops.cli.render import render
from annotator_ops.models import Outcome, StepResult


@pytest.mark.parametrize("command", ["collect", "provision", "start"])
@pytest.mark.parametrize("state", ["skipped", "warning", "failed"])
def test_hints_are_shown(command: str, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome("anna", state, "stopped on purpose", "stopped", "`ops start` brings it back.")  # type: ignore[arg-type]
    render(StepResult(command, (outcome,)))
    assert "→ `ops start` brings it back." in capsys.readouterr().out


def test_a_line_number_is_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    render(StepResult("validate", (Outcome("tasks.jsonl:100:", "failed", "line :100: is odd"),), notes=("at :100:",)))
    shown = capsys.readouterr().out
    assert shown.count(":100:") == 3, shown
