"""Layer 4. `ops analyze`: every statistic of a study or of bare files, as plain data."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from annotator_ops.models import StepResult, Study
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


def analyze_files(
    tables: Tables, *, created_at: datetime, resampling: Resampling | None = None, progress: Progress = silent
) -> StepResult:
    """Analyse tidy tables of ratings. `data` of the result is the analysis; one outcome and one line per criterion.

    Raises OpsError for files that cannot be used (see `reporting.source`).
    """
    material = material_of_files(tables, created_at=created_at, progress=progress)
    return summarise("analyze", material.analysis(resampling=resampling, progress=progress))


def analyze_study(
    study: Study,
    store: Store,
    *,
    created_at: datetime,
    resampling: Resampling | None = None,
    progress: Progress = silent,
) -> StepResult:
    """Analyse what has been collected for a study, with its judges' files. `data` of the result is the analysis.

    Stored exports are read against the study as it is now (`store.current`); an annotator whose export cannot be read
    is a failed outcome. Raises OpsError ("nothing-collected") where no export was ever stored.
    """
    material, failed = collected_material(study, store, created_at=created_at, progress=progress)
    result = summarise("analyze", material.analysis(resampling=resampling, progress=progress))
    return replace(result, outcomes=(*result.outcomes, *failed))
