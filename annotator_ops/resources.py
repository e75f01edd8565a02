"""Layer 1. Where the shipped `templates/` and `deploy/` are: in the repository (editable install) or in the wheel."""

from __future__ import annotations

from pathlib import Path

from annotator_ops.errors import OpsError

_PACKAGE = Path(__file__).resolve().parent


def resource(kind: str, *parts: str) -> Path:
    """The path of a shipped file or folder; `kind` is "templates" or "deploy".

    Raises OpsError when the installation is incomplete.
    """
    for base in (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind):
        path = base.joinpath(*parts)
        if path.exists():
            return path
    raise OpsError(
        f"This installation of annotator_ops lacks {kind}/{'/'.join(parts)}.",
        hint="Install it again: `pip install --force-reinstall annotator-ops`.",
        code="installation-incomplete",
    )
