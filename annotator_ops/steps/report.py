"""Layer 4. `ops report`: the analysis of a study or of bare files as one HTML file, and as JSON beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.models import JSONDict, Outcome, StepResult, Study
from annotator_ops.reporting.render import render, write
from annotator_ops.reporting.source import (
    Progress,
    Tables,
    material_of_files,
    silent,
)
from annotator_ops.reporting.summary import summarise
from annotator_ops.stats.intervals import Resampling
from annotator_ops.steps import collected_material
from annotator_ops.store.database import Store
from annotator_ops.targets import check_report_target


def report_files(
    tables: Tables,
    *,
    created_at: datetime,
    output: Path | None = None,
    resampling: Resampling | None = None,
    progress: Progress = silent,
) -> StepResult:
    """Report on tidy tables of ratings, by default into `reports/<first file>-<date>.html` here.

    `data` of the result is the analysis with `report` and `analysis`, the paths that were written. Raises OpsError for
    files that cannot be used or written, and "wrong-suffix" or "would-overwrite" for a target that is no page of ours.
    """
    target = output or _default(Path("reports"), tables.name, created_at)
    check_report_target(target, inputs=tables.files)
    material = material_of_files(tables, created_at=created_at, progress=progress)
    return _written(material.analysis(resampling=resampling, progress=progress), target)


def report_study(
    study: Study,
    store: Store,
    *,
    created_at: datetime,
    output: Path | None = None,
    resampling: Resampling | None = None,
    progress: Progress = silent,
) -> StepResult:
    """Report on what has been collected for a study, by default into `reports/<study>-<date>.html` beside its file.

    Stored exports are read against the study as it is now (`store.current`); an annotator whose export cannot be read
    is a failed outcome. Raises OpsError as `report_files` does, and "nothing-collected" where no export was ever
    stored.
    """
    target = output or _default(study.root / "reports", study.name, created_at)
    check_report_target(target, inputs=study.data_files)
    material, failed = collected_material(study, store, created_at=created_at, progress=progress)
    result = _written(material.analysis(resampling=resampling, progress=progress), target)
    return replace(result, outcomes=(*result.outcomes, *failed))


def _default(folder: Path, study: str, created_at: datetime) -> Path:
    return folder / f"{study}-{created_at:%Y-%m-%d}.html"


def _written(analysis: JSONDict, output: Path) -> StepResult:
    data = output.with_suffix(".analysis.json")
    try:
        write(data, json.dumps(analysis, ensure_ascii=False, allow_nan=False, indent=1) + "\n")
        write(output, render(analysis))
    except OSError as error:
        raise OpsError(
            f"The report could not be written to {output}: {error.strerror or error}.",
            hint="Name a file in a folder that you may write to with -o.",
            code="report-unwritable",
        ) from error
    result = summarise("report", analysis)
    files = (
        Outcome(str(output), "ok", "the report, one file that needs nothing else"),
        Outcome(str(data), "ok", "the analysis as data"),
    )
    paths = {"report": str(output), "analysis": str(data)}
    return replace(result, outcomes=(*result.outcomes, *files), data={**result.data, **paths})
