"""Layer 1. The errors that a person can mend: each says what failed, why, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class OpsError(Exception):
    """Something the user can mend. The edge prints it without a traceback.

    `message` says what failed and why, `hint` what to do next, `code` is stable for scripts (kebab-case).
    """

    def __init__(self, message: str, *, hint: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in what the user gave us: where it is, what is wrong, how to mend it."""

    where: str
    message: str
    hint: str
    code: str
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line is not None else self.where
        return f"{place}: {self.message} {self.hint}"


class StudyError(OpsError):
    """The study cannot be used as it is; `problems` lists everything found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        listing = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(
            f"The study has {count} {noun}:\n{listing}",
            hint="Mend the lines above and run `ops validate` again.",
            code="study-invalid",
        )
        self.problems = tuple(problems)
