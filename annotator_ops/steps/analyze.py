"""Layer 4. `ops analyze`: every statistic of a study or of bare files, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from annotator_ops.models import Level, StepResult, Study
from annotator_ops.reporting.source import analysis_of_files, analysis_of_study, nothing_collected
from annotator_ops.reporting.summary import summarise
from annotator_ops.stats.intervals import Resampling
from annotator_ops.store.current import current
from annotator_ops.store.database import Store


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
    study: Study, store: Store, *, created_at: datetime, resampling: Resampling | None = None
) -> StepResult:
    """Analyse what has been collected for a study, with its judges' files. `data` of the result is the analysis.

    Stored exports are read against the study as it is now (`store.current`); an annotator whose export cannot be read
    is a failed outcome. Raises OpsError ("nothing-collected") where no export was ever stored.
    """
    if not store.annotators():
        raise nothing_collected(study)
    stored = current(study, store)
    analysis = analysis_of_study(study, stored, created_at=created_at, resampling=resampling)
    result = summarise("analyze", analysis.as_json())
    return replace(result, outcomes=(*result.outcomes, *stored.failed))
