"""Layer 5. The options that many commands share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyOption = Annotated[Path, typer.Option("--study", "-s", help="The study file.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
WhoArgument = Annotated[list[str] | None, typer.Argument(help="Annotators' ids; all when none is given.")]

DEFAULT_STUDY = Path("study.yaml")
