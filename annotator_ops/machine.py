"""Layer 3. The machine that instances are to run on: what there is of memory, disk, time and programs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of main memory: all that this process may use (a container's limit counts), and what of it is free now."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes free for this user on the disk of a folder that exists, or will be made."""

    folder: Path
    free: int


@dataclass(frozen=True, slots=True)
class Clock:
    """The time now, when these programs were installed, and how far (seconds) the disk's clock is ahead of ours."""

    now: datetime
    installed: datetime
    disk_ahead: float | None


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything seen, for `ops doctor` to judge. None: it could not be seen, or is not there."""

    system: str
    python: tuple[int, int, int]
    memory: Memory | None
    study_disk: Disk | None
    home_disk: Disk | None
    clock: Clock
    uv: str | None
    ngrok: str | None


def look(study_folder: Path, home: Path) -> Machine:
    """Look at this machine. `study_folder` is where a study's state goes, `home` where Label Studio is installed."""
    return Machine(
        system=sys.platform,
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        memory=memory(),
        study_disk=disk(study_folder),
        home_disk=disk(home),
        clock=clock(study_folder),
        uv=_find_uv(),
        ngrok=_find_ngrok(),
    )


def memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> Memory | None:
    """Main memory, from the kernel's tables; None where it has none of them."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        total, available = (int(rows[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError, IndexError):
        return None
    limit, used = _first_number(cgroup / "memory.max"), _first_number(cgroup / "memory.current")
    if limit is not None and limit < total:
        total, available = limit, min(available, max(0, limit - (used or 0)))
    return Memory(total=total, available=available)


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def disk(folder: Path) -> Disk | None:
    """The disk that `folder` is on, or will be on; None when it cannot be asked."""
    nearest = _nearest_existing(folder)
    try:
        return Disk(folder=folder, free=shutil.disk_usage(nearest).free)
    except OSError:
        return None


def _nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))


def clock(folder: Path) -> Clock:
    """What this machine's clock says, and the disk's (another machine's, on a network drive)."""
    installed = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    ahead: float | None = None
    try:
        with tempfile.TemporaryFile(dir=_nearest_existing(folder)) as file:
            file.write(b"x")
            file.flush()
            # Rounded to the second by some file systems, so only minutes will be complained of.
            ahead = os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        pass
    return Clock(now=datetime.now(UTC), installed=installed, disk_ahead=ahead)


def _find_uv() -> str | None:
    try:
        import uv  # here, because importing it looks for the program

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _find_ngrok() -> str | None:
    from pyngrok import conf

    fetched = Path(conf.get_default().ngrok_path or conf.DEFAULT_NGROK_PATH)
    return str(fetched) if fetched.is_file() else shutil.which("ngrok")
