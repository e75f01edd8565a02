"""Files of others, by every way to name them."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from .common import LIBC, NothingChangedError, Probe, Targets, checked


def read_other(targets: Targets) -> object:
    return Path(targets["database"]).read_bytes()


def append_to_other(targets: Targets) -> None:
    with Path(targets["database"]).open("ab") as file:
        file.write(b"x")


def read_secret(targets: Targets) -> object:
    return Path(targets["secret"]).read_text()


def list_home(targets: Targets) -> object:
    return list(Path(targets["home"]).iterdir())


def write_home(targets: Targets) -> None:
    (Path(targets["home"]) / ".profile").write_text("x")


def write_tmp(_: Targets) -> None:
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        file.write(b"x")


def write_shared_memory(_: Targets) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.write(b"x")


def read_shadow(_: Targets) -> object:
    return Path("/etc/shadow").read_text()


def read_rest_of_etc(targets: Targets) -> object:
    return Path(targets["etc"]).read_bytes()


def link_to_other(targets: Targets) -> None:
    link = Path(targets["own"]) / "link"
    link.unlink(missing_ok=True)
    link.hardlink_to(targets["database"])


def symlink_to_other(targets: Targets) -> object:
    link = Path(targets["own"]) / "symlink"
    link.unlink(missing_ok=True)
    link.symlink_to(targets["database"])
    return link.read_bytes()


def make_device(targets: Targets) -> None:
    os.mknod(Path(targets["own"]) / "device", 0o20600, os.makedev(1, 1))


def write_to_program(targets: Targets) -> None:
    with Path(targets["program"]).open("ab") as file:
        file.write(b"\n")


def chmod_other(targets: Targets) -> None:
    path = Path(targets["database"])
    before = path.stat().st_mode
    path.chmod(0o666 if before & 0o777 != 0o666 else 0o644)
    if path.stat().st_mode == before:
        raise NothingChangedError


def touch_other(targets: Targets) -> None:
    os.utime(targets["database"], (1, 1))
    if Path(targets["database"]).stat().st_mtime != 1:
        raise NothingChangedError


def chown_other(targets: Targets) -> None:
    os.chown(targets["database"], os.geteuid(), os.getegid())


def attribute_of_other(targets: Targets) -> None:
    os.setxattr(targets["database"], "user.x", b"x")


def watch_other(targets: Targets) -> None:
    descriptor = checked(LIBC.inotify_init1(0))
    try:
        checked(LIBC.inotify_add_watch(descriptor, os.fsencode(targets["other"]), 0xFFF))
    finally:
        os.close(descriptor)


def truncate_other(targets: Targets) -> None:
    os.truncate(targets["database"], 1)


def rename_other(targets: Targets) -> None:
    Path(targets["database"]).rename(targets["database"] + ".moved").rename(targets["database"])


def move_other_here(targets: Targets) -> None:
    Path(targets["database"]).rename(Path(targets["own"]) / "stolen").rename(targets["database"])


def unlink_other(targets: Targets) -> None:
    Path(targets["database"]).unlink()


def through_shell(targets: Targets) -> None:
    status = os.system(f"cat '{targets['secret']}' > /dev/null 2>&1")  # noqa: S605  (a shell is what is tried)
    if status:
        raise OSError(errno.EACCES, f"status {os.waitstatus_to_exitcode(status)}")


PROBES: dict[str, Probe] = {
    "read another's database": read_other,
    "write another's database": append_to_other,
    "read the secrets": read_secret,
    "list the home": list_home,
    "write to the home": write_home,
    "write to /tmp": write_tmp,
    "write to /dev/shm": write_shared_memory,
    "read /etc/shadow": read_shadow,
    "read the rest of /etc": read_rest_of_etc,
    "hard link another's database": link_to_other,
    "read through a symbolic link": symlink_to_other,
    "make a device": make_device,
    "write to the program": write_to_program,
    "chmod another's database": chmod_other,
    "touch another's database": touch_other,
    "chown another's database": chown_other,
    "set an attribute": attribute_of_other,
    "watch another's folder": watch_other,
    "cat in a shell": through_shell,
    "rename another's database": rename_other,
    "move another's database here": move_other_here,
    "truncate another's database": truncate_other,
    "delete another's database": unlink_other,
}
