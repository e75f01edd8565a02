"""Layer 5. The `ops` command: gathers the command groups. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from annotator_ops import __version__
from annotator_ops.cli import instances, judging, public, results, statistics, studies

app = typer.Typer(
    name="ops",
    help="An isolated free Label Studio for each annotator; agreement and judges in one report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 100},
    # A traceback with local variables would print secrets.
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"annotator_ops {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """An isolated free Label Studio for each annotator; agreement and judges in one report."""


# In the order in which a study meets them: that is also the order in `ops --help`.
for group in (studies, instances, public, results, judging, statistics):
    group.register(app)


def main() -> None:
    """Entry point of the console script."""
    app()
