"""Layer 4. Export: the collected ratings as a table for other tools."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.labeling import criteria_of
from annotator_ops.measures import Rating
from annotator_ops.models import JSONDict, Outcome, StepResult, Study
from annotator_ops.steps import writing
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from annotator_ops.tables import TableFormat, encode_ratings, remarks
from annotator_ops.targets import check_export_target, format_of


def export_study(
    study: Study, store: Store, target: Path, *, form: TableFormat | None = None, wide: bool = False
) -> StepResult:
    """`export` of a study's collected ratings and comments, its stored exports read against the study as it is now.

    Without `form` the target's suffix decides. An annotator whose export cannot be read is a failed outcome (see
    `store.current`). Raises OpsError as `export` does, and "would-overwrite" for one of the study's own files.
    """
    form = form or format_of(target)
    check_export_target(target, form=form, inputs=study.data_files)
    stored = current(study, store)
    texts = remarks(stored.comments(), taken={criterion.name for criterion in criteria_of(study)})
    try:
        result = export(stored.ratings(), target, form=form, wide=wide, comments=texts)
    except OpsError as error:
        if error.code != "no-ratings" or not stored.failed:
            raise
        return StepResult("export", stored.failed)
    return replace(result, outcomes=(*result.outcomes, *stored.failed))


def export(
    ratings: Sequence[Rating],
    target: Path,
    *,
    form: TableFormat,
    wide: bool = False,
    comments: Sequence[Rating] = (),
) -> StepResult:
    """Write ratings as a table (see `tables.encode_ratings`); the file is there whole or not at all.

    `comments` (see `tables.remarks`) come after the ratings, in the wide form as columns. Raises OpsError: "no-ratings"
    where there are none; "wrong-suffix", "would-overwrite" (see `targets`); "not-writable".
    """
    check_export_target(target, form=form)
    if not ratings:
        raise OpsError(
            "There are no ratings to export yet.",
            hint="Run `ops collect` first, or look at `ops status` to see how far the annotators are.",
            code="no-ratings",
        )
    content = encode_ratings([*ratings, *comments], form, wide=wide)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    missing = sum(rating.value is None for rating in ratings)
    noun = "rating" if len(ratings) == 1 else "ratings"
    message = f"{len(ratings)} {noun} written, {missing} of them missing with a reason"
    if comments:
        message += f"; {len(comments)} {'comment' if len(comments) == 1 else 'comments'}"
    data: JSONDict = {"path": str(target), "format": form, "wide": wide, "ratings": len(ratings), "missing": missing}
    data["comments"] = len(comments)
    return StepResult("export", (Outcome(target.name, "ok", message, code="exported"),), data)
