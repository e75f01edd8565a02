"""The launcher's modules, which are no part of the package: they run in Label Studio's environment."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from annotator_ops.resources import resource


def launcher(name: str) -> ModuleType:
    """A module of deploy/launcher, loaded from there."""
    folder = str(resource("deploy"))
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(f"launcher.{name}")
