"""Layer 4. Export: the collected ratings as a table for other tools."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.models import Outcome, Rating, StepResult
from annotator_ops.tables import TableFormat, encode_ratings


def export(ratings: Sequence[Rating], target: Path, *, form: TableFormat, wide: bool = False) -> StepResult:
    """Write ratings as a table (see `tables.encode_ratings`); the file is there whole or not at all.

    Raises OpsError: "no-ratings" where there are none, "not-writable".
    """
    if not ratings:
        raise OpsError(
            "There are no ratings to export yet.",
            hint="Run `ops collect` first, or look at `ops status` to see how far the annotators are.",
            code="no-ratings",
        )
    content = encode_ratings(ratings, form, wide=wide)
    try:
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
    except OSError as error:
        raise OpsError(
            f"{target} cannot be written: {error.strerror or error}.",
            hint="Name another file with --output, or free the disk.",
            code="not-writable",
        ) from error
    missing = sum(rating.value is None for rating in ratings)
    message = f"{len(ratings)} ratings written, {missing} of them missing with a reason"
    data = {"path": str(target), "format": form, "wide": wide, "ratings": len(ratings), "missing": missing}
    return StepResult("export", (Outcome(target.name, "ok", message, code="exported"),), data)
