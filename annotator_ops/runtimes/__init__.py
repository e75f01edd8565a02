"""Layer 3. Where instances run. This file holds the protocol that every runtime keeps; `tests/contracts` checks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from annotator_ops.models import InstanceSpec, LabelStudioChoice, Observation, RuntimeKind

# Called with a sentence and, where it is known, how much is done (0 to 1).
Progress = Callable[[str, float | None], None]


class Runtime(Protocol):
    """Starts, observes, stops and removes the instances of one study. Methods may be called from several threads."""

    @property
    def kind(self) -> RuntimeKind: ...

    def prepare(self, choice: LabelStudioChoice, progress: Progress) -> None:
        """Make sure that instances can be started: installation or image, and the seed database. Idempotent."""
        ...

    def begin(self, choice: LabelStudioChoice) -> None:
        """Begin with what the next start will need and takes time, without waiting for it. May do nothing."""
        ...

    def static_files(self, choice: LabelStudioChoice) -> Path | None:
        """The folder of this Label Studio's front-end files on this machine, once prepared. None: ask the instance.

        `/dm/x.js` is `dm/x.js` in it, perhaps with a compressed `dm/x.js.gz` beside it; there are no links.
        Never raises for an engine that does not answer: an instance can always serve its files itself.
        """
        ...

    def seed(self, spec: InstanceSpec) -> None:
        """Give a new instance its data directory with a copy of the seed database. Does nothing where one exists."""
        ...

    def start(self, spec: InstanceSpec) -> str:
        """Start an instance and return its handle, at once: being started is not being ready.

        An instance already running with this spec is left alone. One that runs or has exited with another spec is
        replaced; its data stays. Raises OpsError with code "port-taken" when somebody else listens on the port.
        """
        ...

    def observe(self) -> dict[str, Observation]:
        """Every instance of this study by annotator id, found by label and not by what was recorded.

        Raises OpsError with code "engine-unreachable" when the answer cannot be known.
        """
        ...

    def stop(self, annotator: str) -> None:
        """End an instance in an orderly way; its data stays, and it does not come back by itself. Idempotent."""
        ...

    def remove(self, annotator: str) -> None:
        """Stop an instance and forget it. The data directory is not touched. Idempotent."""
        ...

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        """The last lines that the instance wrote, oldest first."""
        ...

    def claim(self, directory: Path) -> None:
        """Make the files of an instance's directory readable and writable for the caller, e.g. before deletion."""
        ...
