"""Layer 5. The demo: the same steps as a real study, one after the other, with made-up annotators."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import typer
import yaml

from annotator_ops.cli.board import board
from annotator_ops.cli.wiring import workbench
from annotator_ops.errors import OpsError
from annotator_ops.models import StepResult, content_hash
from annotator_ops.ports import port_taken

_TEMPLATE = "dialogue-ratings"
_SEED = 1
_FIRST_PORT = 8080
# In the demo's folder: what may be removed for the next demo.
_MARKER = ".annotator-ops-demo"


def demo(directory: Path, annotators: int, runtime: str, *, keep: bool, json: bool) -> StepResult:
    """Write the demo study into `directory`, run it to the report, and stop the instances unless `keep`."""
    from annotator_ops.ratings import read_judges
    from annotator_ops.steps.collect import collect_study
    from annotator_ops.steps.operate import stop
    from annotator_ops.steps.provision import provision
    from annotator_ops.steps.report import report_study
    from annotator_ops.steps.simulate import simulate

    began = time.monotonic()
    kind, why = _runtime(runtime)
    study = _write(directory, kind)
    with (
        board(json=json) as shown,
        workbench(study, shown, count=annotators, check=True) as opened,
    ):
        bench = opened.bench

        def done(result: StepResult, what: str) -> StepResult:
            if result.exit_code:
                failed = next(outcome for outcome in result.outcomes if outcome.state == "failed")
                raise OpsError(
                    f"The demo stopped while {what}: {failed.subject}: {failed.message}",
                    hint=failed.hint or "Run `ops doctor`.",
                    code="demo-failed",
                )
            return result

        done(provision(bench, runtime_reason=why), "provisioning")
        ready = time.monotonic()
        judges = [rating for file in bench.study.judges for rating in read_judges(file.path)]
        done(simulate(bench, seed=_SEED, like=judges), "labelling")
        labelled = time.monotonic()
        done(collect_study(bench), "collecting")
        now = datetime.now(UTC).replace(microsecond=0)
        page = directory.resolve().parent / "reports" / f"demo-{now:%Y-%m-%d}.html"
        report = done(report_study(bench.study, bench.store, created_at=now, output=page), "reporting")
        if not keep:
            done(stop(bench, []), "stopping")
    typer.echo(
        f"provisioned in {ready - began:.0f} s, labelled in {labelled - ready:.0f} s, "
        f"collected and reported in {time.monotonic() - labelled:.0f} s",
        err=True,
    )
    # With `make demo` the command is not on the PATH.
    ops = "ops" if shutil.which("ops") else os.path.relpath(sys.argv[0])
    again = f"{ops} {'status' if keep else 'start'} --study {study}"
    return StepResult(
        command="demo",
        outcomes=report.outcomes,
        data={"runtime": kind, "study": str(study), **report.data},
        notes=(f"Runtime: {kind}, because {why}.", f"To look around in it: `{again}`."),
    )


def _runtime(setting: str) -> tuple[str, str]:
    """Docker only where its image is there already: a first look must not begin with minutes of building."""
    if setting not in {"auto", "process", "docker"}:
        raise OpsError(f"{setting!r} is no runtime.", hint="Use auto, process or docker.", code="unknown-runtime")
    if setting != "auto":
        return setting, "you asked for it"
    from annotator_ops.runtimes.docker_engine import connect, engine_answers

    answers, words = engine_answers()
    if not answers:
        return "process", f"no Docker Engine is used: {words.rstrip('.')}"
    from annotator_ops.runtimes.image import has_image, image_tag
    from annotator_ops.runtimes.installation import supported_versions

    with closing(connect()) as client:
        built = has_image(client, image_tag(supported_versions()[-1]))
    if built:
        return "docker", f"{words.rstrip('.')} and its image is built"
    return "process", "the Docker image is not built yet (`ops image` builds it, which takes minutes)"


def _write(directory: Path, runtime: str) -> Path:
    """The template, declared as simulated and given the made-up judges' scores that it ships."""
    from annotator_ops.steps.init import init

    study = directory / "study.yaml"
    if study.exists():
        _clear(directory, study)
    init(directory, _TEMPLATE)
    content = yaml.safe_load(study.read_text(encoding="utf-8"))
    port = next(port for port in range(_FIRST_PORT, 65536) if not port_taken(port))
    judges = [{"file": "judges.example.csv"}]
    content |= {"simulated": True, "runtime": runtime, "judges": judges, "proxy": {"port": port}}
    content.pop("annotators", None)
    study.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    (directory / _MARKER).write_text(_mark(directory, study), encoding="utf-8")
    return study


def _clear(directory: Path, study: Path) -> None:
    """Remove an earlier demo, its instances first; anything that the demo did not write so is left alone."""
    from annotator_ops.steps.operate import destroy

    marker = directory / _MARKER
    if not marker.is_file() or marker.read_text(encoding="utf-8") != _mark(directory, study):
        raise OpsError(
            f"{directory} holds a study that is not the demo's own, or not any more; the demo leaves it alone.",
            hint="Name another folder: `ops demo OTHER`. If nobody needs this one: `ops destroy`, then delete it.",
            code="not-a-demo",
        )
    with board(json=True) as silent, workbench(study, silent) as opened:
        result = destroy(opened.bench, [], backup=False)
    for outcome in result.outcomes:
        if outcome.state == "failed":
            raise OpsError(
                f"The earlier demo in {directory} could not be removed: {outcome.subject}: {outcome.message}",
                hint=outcome.hint or "Run `ops doctor`.",
                code="demo-not-removed",
            )
    shutil.rmtree(directory)


def _mark(directory: Path, study: Path) -> str:
    """What the marker holds: a copy of the folder is no demo, and neither is one whose study was changed."""
    return content_hash([str(directory.resolve()), study.read_text(encoding="utf-8")]) + "\n"
