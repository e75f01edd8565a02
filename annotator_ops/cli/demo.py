"""Layer 5. The demo: the same steps as a real study, one after the other, with made-up annotators."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import typer
import yaml

from annotator_ops.cli.board import board
from annotator_ops.cli.wiring import sources, workbench
from annotator_ops.errors import OpsError
from annotator_ops.models import StepResult

_TEMPLATE = "dialogue-ratings"
_SEED = 1


def demo(directory: Path, annotators: int, runtime: str, *, keep: bool, json: bool) -> StepResult:
    """Write the demo study into `directory`, run it to the report, and stop the instances unless `keep`."""
    from annotator_ops.ratings import read_ratings
    from annotator_ops.steps.collect import collect
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
        ExitStack() as clients,
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
        judges = [rating for file in bench.study.judges for rating in read_ratings(file.path, "judge")]
        done(simulate(bench, seed=_SEED, like=judges), "labelling")
        labelled = time.monotonic()
        done(collect(bench.study, bench.store, sources(bench, clients)), "collecting")
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
    again = f"ops start --study {study}" if not keep else f"ops status --study {study}"
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

    if has_image(connect(), image_tag(supported_versions()[-1])):
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
    content |= {"simulated": True, "runtime": runtime, "judges": [{"file": "judges.example.csv"}]}
    content.pop("annotators", None)
    study.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return study


def _clear(directory: Path, study: Path) -> None:
    """Remove an earlier demo, its instances first; anything that is not a simulated study is left alone."""
    from annotator_ops.steps.operate import destroy

    if not (yaml.safe_load(study.read_text(encoding="utf-8")) or {}).get("simulated"):
        raise OpsError(
            f"{directory} holds a study that is not a simulated one; the demo leaves it alone.",
            hint="Name another folder: `ops demo OTHER`.",
            code="not-a-demo",
        )
    with board(json=True) as silent, workbench(study, silent) as opened:
        destroy(opened.bench, [], backup=False)
    shutil.rmtree(directory)
