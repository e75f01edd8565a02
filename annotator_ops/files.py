"""Layer 1. Files and folders that only their owner may read: made so from the first byte, and whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotator_ops.errors import OpsError


def close_folder(path: Path) -> None:
    """Make a folder (with its parents) that only its owner may enter, or make it so."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def private_folder(path: Path) -> Path:
    """Make a folder (0700) with its parents, and refuse one that somebody else owns or could change. Returns it.

    For places that others can reach, such as /tmp: a link is refused, too. Raises OpsError ("folder-not-private").
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise OpsError(
            f"{path} is not a folder of yours.",
            hint="Remove it, or run the command as the user it belongs to.",
            code="folder-not-private",
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, text: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write a 0600 file in place of whatever was there; `owner` gives it to another user and group than ours."""
    with _draft(path, text) as draft:
        if owner is not None:
            os.chown(draft, *owner, follow_symlinks=False)
        draft.replace(path)


def write_once(path: Path, text: str) -> None:
    """Write a new 0600 file that holds even after a power cut; one that exists is left alone."""
    with _draft(path, text) as draft:
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another process was faster; what it wrote holds
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    """A file beside `path` with its content on the disk; gone afterwards, unless it was moved to where it belongs."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # O_EXCL, 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
