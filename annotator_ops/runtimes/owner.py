"""Layer 3. Whose files an instance's are: a user of its own where ops runs as root, else the one who runs ops."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

# User ids that no system hands out by itself: above those of containers and of subordinate users.
_FIRST_UID = 0x4000_0000
_UIDS = 0x2000_0000


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and group that an instance runs as, and that own its data."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def own_uid(study: str, annotator: str) -> int:
    """A user id for one annotator's instance: always the same, and another one for everybody else."""
    digest = hashlib.sha256(f"{study}\0{annotator}".encode()).digest()
    return _FIRST_UID + int.from_bytes(digest[:4], "big") % _UIDS


def give(path: Path, owner: Owner) -> None:
    """Make `path` belong to `owner`. Only root can; whatever another caller makes is its own already."""
    if os.geteuid() == 0:
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def not_owned_by(directory: Path, uid: int) -> list[Path]:
    """What at and below `directory` belongs to somebody else; a folder that cannot be read counts as one."""
    foreign: list[Path] = []
    pending = [directory]
    while pending:
        path = pending.pop()
        try:
            if path.lstat().st_uid != uid:
                foreign.append(path)
            if path.is_dir() and not path.is_symlink():
                pending += path.iterdir()
        except FileNotFoundError:  # Label Studio removed it meanwhile
            continue
        except PermissionError:
            foreign.append(path)
    return foreign
