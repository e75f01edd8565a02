"""Layer 5. Commands that make a study reachable: expose, and the Docker image."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from annotator_ops.cli.edge import run
from annotator_ops.cli.options import DEFAULT_STUDY, JsonOption, StudyOption
from annotator_ops.models import StepResult

_LOOK_SECONDS = 2.0


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(expose)
    app.command(name="image")(image)


def expose(
    domain: Annotated[str | None, typer.Option("--domain", help="Your ngrok domain; keeps links the same.")] = None,
    own_domain: Annotated[
        str | None, typer.Option("--own-domain", help="Only say what a domain of your own needs.")
    ] = None,
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Hold one public ngrok address until Ctrl-C."""

    def step() -> StepResult:
        if own_domain is not None:
            from annotator_ops.proxies.ngrok import own_domain_needs

            return StepResult(command="expose", notes=(own_domain_needs(own_domain),))
        return _hold(study, domain, json=json)

    run("expose", step, json=json)


def _hold(study: Path, domain: str | None, *, json: bool) -> StepResult:
    from annotator_ops import study as study_file
    from annotator_ops.cli.board import board
    from annotator_ops.cli.wiring import NGROK_FOLDER, workbench
    from annotator_ops.proxies.ngrok import NgrokEndpoint
    from annotator_ops.steps.expose import announcement, closed_at_the_end, hold, open_endpoint
    from annotator_ops.steps.provision import provision

    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with board(json=json) as shown, workbench(study, shown) as opened:
        bench = opened.bench
        endpoint = NgrokEndpoint(study_file.ngrok_token(bench.study), bench.study.state_dir / NGROK_FOLDER)
        shown.update("endpoint", "opening", 0.2)
        url = open_endpoint(bench.study, bench.store, endpoint, domain=domain)
        shown.update("endpoint", url, 0.5)
        with closed_at_the_end(endpoint, bench.store):
            # Opened anew: now every address is the public one, and instances that know another are restarted.
            with workbench(study, shown) as again:
                result = provision(again.bench)
            shown.update("endpoint", url, 1.0)
            for sentence in announcement(url, result):
                typer.echo(sentence, err=True)
            return hold(endpoint, stopped=lambda: stop.wait(_LOOK_SECONDS))


def image(
    study: StudyOption = DEFAULT_STUDY,
    json: JsonOption = False,
) -> None:
    """Build the Docker image now (minutes, once)."""

    def step() -> StepResult:
        from annotator_ops import study as study_file
        from annotator_ops.cli.board import board
        from annotator_ops.cli.wiring import build_runtime
        from annotator_ops.models import LabelStudioChoice
        from annotator_ops.runtimes.installation import supported_versions
        from annotator_ops.steps.image import prepare_image

        newest = LabelStudioChoice(supported_versions()[-1])
        choice = study_file.load(study).label_studio if study.exists() else newest
        with board(json=json) as shown, ExitStack() as stack:
            runtime = build_runtime("docker", "image", study.absolute().parent / ".ops", choice, stack=stack)
            return prepare_image(runtime, choice, shown)

    run("image", step, json=json)
