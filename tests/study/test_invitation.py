"""The invitation: everything an annotator needs, in their language, nothing escaped, nothing left open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.invitation import invitation
from annotator_ops.models import Annotator
from annotator_ops.secret import Secret
from annotator_ops.study import load
from tests.study.making import make

URL = "https://study.example.org/a/anna?x=1&y=2"
PASSWORD = "p<&>\"'Ω"


def invite(folder: Path, annotator: Annotator, **changes: str) -> str:
    study = replace(load(make(folder, {"title": "Dialogues & more"})), **changes)  # type: ignore[arg-type]
    return invitation(study, annotator, URL, email="anna@annotators.invalid", password=Secret(PASSWORD))


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "Subject: ",
                "Hello Anna Berg",
                "“Dialogues & more”",
                "are 2 tasks",
                "Submit",
                "Skip",
                "break",
                "not work",
            ],
        ),
        ("ru", ["Тема: ", "Здравствуйте, Anna Berg", "«Dialogues & more»", "заданий: 2", "Submit", "Skip", "перерыв"]),
    ],
)
def test_all_that_is_needed_is_there(tmp_path: Path, language: str, words: list[str]) -> None:
    text = invite(tmp_path, Annotator("anna", "Anna Berg"), language=language, instructions="# How\n\nRead <b>all</b>.")
    for word in [*words, URL, "anna@annotators.invalid", PASSWORD, "# How\n\nRead <b>all</b>."]:
        assert word in text, word
    assert "{{" not in text
    assert "{%" not in text
    assert "\n\n\n" not in text
    assert max(len(line) for line in text.splitlines()) <= 140
    # An address on a line of its own is what mail programs make clickable.
    assert URL in text.splitlines()


def test_an_annotators_own_language_wins(tmp_path: Path) -> None:
    assert invite(tmp_path, Annotator("anna", "Anna", language="ru")).startswith("Тема")
    assert invite(tmp_path, Annotator("anna", "Anna", language="en"), language="ru").startswith("Subject")


def test_a_name_cannot_add_lines(tmp_path: Path) -> None:
    text = invite(tmp_path, Annotator("anna", "Anna\nBcc: everybody@example.org"))
    assert "Hello Anna Bcc: everybody@example.org," in text


def test_no_instructions_no_heading(tmp_path: Path) -> None:
    assert "instructions" not in invite(tmp_path, Annotator("anna", "Anna"))
