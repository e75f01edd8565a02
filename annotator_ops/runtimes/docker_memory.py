"""Layer 3. How much memory a container uses, read from the kernel: the engine takes a second to say it."""

from __future__ import annotations

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# Where engines put a container: cgroup 2 or 1, with systemd's names or plain ones.
_PLACES = (
    "system.slice/docker-{}.scope",
    "docker/{}",
    "memory/docker/{}",
    "memory/system.slice/docker-{}.scope",
)
_USAGE = ("memory.current", "memory.usage_in_bytes")
_CACHE = ("inactive_file", "total_inactive_file")


def memory_of(container: str, *, root: Path = CGROUPS) -> int | None:
    """Bytes in use without the page cache that can be given back (as `docker stats` counts); None where not known."""
    for place in _PLACES:
        folder = root / place.format(container)
        for usage in _USAGE:
            try:
                used = int((folder / usage).read_text())
                lines = (folder / "memory.stat").read_text().splitlines()
            except (OSError, ValueError):  # not here, or ended meanwhile
                continue
            stats = dict(line.split(" ", 1) for line in lines if " " in line)
            # Version 1 lists both, and only the total counts what is in groups below.
            cache = max(int(stats.get(name, 0)) for name in _CACHE)
            return max(0, used - cache)
    return None
