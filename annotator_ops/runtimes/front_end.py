"""Layer 3. The front-end files of one Label Studio as a folder of their own, which the proxy serves without asking it.

`<folder>/react-app/main.js` is what Label Studio answers at `/react-app/main.js`. The folder holds plain files only, so
that no link leads out of it, and beside each large text a `.gz`: compressing the bundles of one page anew takes 80 ms
of processor time, finding them compressed 5 ms. What is not here, the instance answers as ever.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO

from annotator_ops.locking import locked

# First part of the address, and the folder below site-packages: `core/urls.py` and `core/settings/base.py` of 1.23.
# A version that keeps them elsewhere has nothing here, and its instances serve their files themselves.
FOLDERS = {
    "static": "label_studio/core/static_build",
    "react-app": "web/dist/apps/labelstudio",
    "label-studio-frontend": "web/dist/libs/editor",
    "dm": "web/dist/libs/datamanager",
}
# A view answers this one, with the instance's own address in it (`core/urls.py`); 1.23.2 has the view but not the file.
_MADE_BY_A_VIEW = frozenset({"static/fonts/roboto/roboto.css"})
_FOR_DEVELOPERS = ".map"  # a third of all bytes, and no browser asks for them until somebody opens its tools
_TEXT = frozenset({".css", ".csv", ".eot", ".html", ".ico", ".js", ".json", ".md", ".svg", ".ttf", ".txt", ".wasm"})
_WORTH_COMPRESSING = 1024  # bytes
_MAKING_SECONDS = 300.0

Fill = Callable[[Path], None]


def if_made(folder: Path) -> Path | None:
    """The folder, once `make_front_end` has made it."""
    return folder if folder.is_dir() else None


def make_front_end(folder: Path, fill: Fill) -> None:
    """Let `fill` put the files into a folder that then appears, for its owner only, whole or not at all. Idempotent.

    Raises OSError where the disk does not take it.
    """
    if folder.is_dir():
        return
    lock = folder.with_name(f"{folder.name}.lock")
    with locked(lock, what="another command that prepares the front end's files", deadline=_MAKING_SECONDS):
        if folder.is_dir():
            return
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        fill(partial)
        _compress(partial)
        partial.rename(folder)


def linked_from(packages: Path) -> Fill:
    """Fill from an installed site-packages folder, with hard links where the disk has them: they take no room."""

    def fill(folder: Path) -> None:
        for address, below in FOLDERS.items():
            for source in sorted((packages / below).rglob("*")):
                name = PurePosixPath(address, source.relative_to(packages / below).as_posix())
                if _is_served(name) and source.is_file() and not source.is_symlink():
                    target = folder / name
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    try:
                        os.link(source, target)
                    except OSError:  # another disk, or somebody else's file
                        shutil.copy2(source, target)

    return fill


def unpack(archive: IO[bytes], address: str, folder: Path) -> None:
    """Put the files of a tar of one of FOLDERS into `folder`, as `fill` has to. Only their bytes and dates count."""
    with tarfile.open(fileobj=archive) as members:
        for member in members:
            name = PurePosixPath(address, *PurePosixPath(member.name).parts[1:])  # the first is the folder's own name
            content = members.extractfile(member) if member.isfile() and _is_served(name) else None
            if content is not None:
                target = folder / name
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
                os.utime(target, (member.mtime, member.mtime))


def _is_served(name: PurePosixPath) -> bool:
    plain = not any(part.startswith(".") or "/" in part for part in name.parts)
    return plain and name.suffix != _FOR_DEVELOPERS and str(name) not in _MADE_BY_A_VIEW


def _compress(folder: Path) -> None:
    texts = [path for path in folder.rglob("*") if path.suffix in _TEXT and path.is_file()]
    with ThreadPoolExecutor() as pool:  # zlib lets other threads run
        _all(pool.map(_compress_one, texts))


def _compress_one(path: Path) -> None:
    found = path.stat()
    if found.st_size < _WORTH_COMPRESSING:
        return
    packed = gzip.compress(path.read_bytes(), mtime=0)
    if len(packed) < 0.9 * found.st_size:
        beside = path.with_name(f"{path.name}.gz")
        beside.write_bytes(packed)
        os.utime(beside, ns=(found.st_atime_ns, found.st_mtime_ns))  # the same date, however the file is asked for


def _all(results: Iterable[None]) -> None:
    for _ in results:
        pass
