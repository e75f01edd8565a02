"""Layer 4. `ops analyze`: every statistic of a study or of bare files, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from annotator_ops.models import Level, StepResult, Study
from annotator_ops.reporting.source import Collected, analysis_of_files, analysis_of_study
from annotator_ops.reporting.summary import summarise
from annotator_ops.stats.intervals import Resampling


def analyze_files(
    paths: Sequence[Path],
    *,
    judges: Sequence[Path] = (),
    levels: Mapping[str, Level] | None = None,
    created_at: datetime,
    resampling: Resampling | None = None,
) -> StepResult:
    """Analyse tidy tables of ratings. `data` of the result is the analysis; one outcome and one line per criterion.

    Raises OpsError for files that cannot be used (see `reporting.source`).
    """
    analysis = analysis_of_files(paths, judges=judges, levels=levels, created_at=created_at, resampling=resampling)
    return summarise("analyze", analysis.as_json())


def analyze_study(
    study: Study, store: Collected, *, created_at: datetime, resampling: Resampling | None = None
) -> StepResult:
    """Analyse what has been collected for a study, with its judges' files. `data` of the result is the analysis."""
    analysis = analysis_of_study(study, store, created_at=created_at, resampling=resampling)
    return summarise("analyze", analysis.as_json())
