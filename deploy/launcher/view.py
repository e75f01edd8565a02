"""For root only: the file system as another user has to see it, so that it reaches what lies below closed folders.

A study below /root (mode 0700) cannot be reached by a user of its own. In a mount namespace of its own, each closed
folder on the way is covered by an empty one that holds only the needed paths, bound there from the originals. The
rest of the closed folder is out of sight, which is one more wall.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from . import kernel

_MOST_LINKS = 40  # as many as the kernel follows


def open_view(*, read: Iterable[str], write: Iterable[str], user: int) -> int:
    """Make every path reachable for `user`, the read ones read-only; how many folders had to be covered.

    Paths in `read` that do not exist are skipped. Raises OSError where it cannot be done; the former view is back
    then. Raises PermissionError for a path that is itself closed to that user: no view can change that.
    """
    read, write = list(read), list(write)
    links: dict[str, str] = {}
    goals: dict[str, bool] = {}  # real path → may be written to
    for path in (*read, *write):
        try:
            goals.setdefault(_follow(path, links), False)
        except (FileNotFoundError, NotADirectoryError):
            if path in write:
                raise
    for path in write:
        goals[_follow(path, links)] = True
    for goal, writable in goals.items():
        if not _open_to(goal, user, 0o7 if writable else 0o5):
            raise PermissionError(errno.EACCES, f"{goal} itself is closed to uid {user}")
    if all(_open_to(str(parent), user, 0o1) for goal in (*goals, *links) for parent in Path(goal).parents):
        return 0
    return _in_own_namespace(goals, links, user)


def _follow(path: str, links: dict[str, str]) -> str:
    """The real path, as os.path.realpath has it; the links on the way are entered in `links`."""
    followed = 0
    done, rest = "/", [part for part in reversed(path.split("/")) if part]
    while rest:
        part = rest.pop()
        if part == ".":
            continue
        if part == "..":
            done = str(Path(done).parent)
            continue
        here = str(Path(done) / part)
        if not stat.S_ISLNK(Path(here).lstat().st_mode):
            done = here
            continue
        links[here] = target = str(Path(here).readlink())
        followed += 1
        if followed > _MOST_LINKS:
            raise OSError(errno.ELOOP, f"too many links on the way to {path}")
        rest += [step for step in reversed(target.split("/")) if step]
        if target.startswith("/"):
            done = "/"
    return done


def _open_to(path: str, user: int, wanted: int) -> bool:
    """Whether the mode grants `wanted` (r 4, w 2, x 1; for a file never x) to a user in no group but its own."""
    status = Path(path).stat()
    if not stat.S_ISDIR(status.st_mode):
        wanted &= ~0o1
    shift = 6 if status.st_uid == user else 3 if status.st_gid == user else 0
    return (status.st_mode >> shift) & wanted == wanted


def _in_own_namespace(goals: dict[str, bool], links: dict[str, str], user: int) -> int:
    former = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    place = str(Path.cwd())
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        try:
            kernel.mount(None, "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
            covered = _rebuild(goals, links, user)
        except OSError:
            kernel.setns(former, kernel.CLONE_NEWNS)
            os.fchdir(here)
            raise
    finally:
        os.close(former)
        os.close(here)
    try:
        os.chdir(place)
    except OSError:
        os.chdir("/")
    return covered


def _rebuild(goals: dict[str, bool], links: dict[str, str], user: int) -> int:
    covered: list[str] = []
    with contextlib.ExitStack() as stack:
        # Opened before anything is covered, and after the namespace was made: only its own mounts can be bound.
        originals = {goal: os.open(goal, os.O_PATH | os.O_CLOEXEC) for goal in goals}
        for descriptor in originals.values():
            stack.callback(os.close, descriptor)
        bound: list[str] = []
        # Sorted by their parts, each folder comes before what is below it.
        for path in sorted({*goals, *links}, key=lambda path: Path(path).parts):
            for parent in reversed(Path(path).parents):
                if not parent.exists():
                    parent.mkdir(mode=0o755)
                    parent.chmod(0o755)  # whatever the umask is
                elif not _open_to(str(parent), user, 0o1):
                    _cover(str(parent))
                    covered.append(str(parent))
            below = any(Path(path).is_relative_to(folder) for folder in (*covered, *bound))
            if path in links:
                if below and not os.path.lexists(path):
                    Path(path).symlink_to(links[path])
            elif below:
                _bind(originals[path], path, writable=goals[path])
                bound.append(path)
    for folder in covered:
        kernel.mount(None, folder, flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _flags(folder))
    return len(covered)


def _cover(folder: str) -> None:
    options = "mode=0755,size=1m,nr_inodes=4096"
    kernel.mount("tmpfs", folder, kind="tmpfs", flags=kernel.MS_NOSUID | kernel.MS_NODEV, options=options)


def _bind(original: int, path: str, *, writable: bool) -> None:
    if not Path(path).exists():
        if stat.S_ISDIR(os.fstat(original).st_mode):
            Path(path).mkdir()
        else:
            Path(path).touch()
    kernel.mount(f"/proc/self/fd/{original}", path, flags=kernel.MS_BIND | kernel.MS_REC)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | _flags(path)
    kernel.mount(None, path, flags=flags if writable else flags | kernel.MS_RDONLY)


def _flags(path: str) -> int:
    """The flags that a remount has to repeat, or it would take them away. statvfs numbers them as mount does."""
    kept = kernel.MS_RDONLY | kernel.MS_NOEXEC
    return (os.statvfs(path).f_flag & kept) | kernel.MS_NOSUID | kernel.MS_NODEV
