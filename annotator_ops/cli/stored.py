"""Layer 5. A study with its store, for commands that need no engine and no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotator_ops.models import Study
    from annotator_ops.store.database import Store


def stored(path: Path) -> tuple[Study, Store]:
    """The study of that file and what is stored beside it. Raises StudyError."""
    from annotator_ops import study as study_file
    from annotator_ops.store.database import Store

    study = study_file.load(path)
    return study, Store(study.state_dir)
