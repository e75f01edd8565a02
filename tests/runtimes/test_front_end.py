"""The folder of front-end files: plain files of the four kinds, whole or not at all, the user's own."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.runtimes.front_end import FOLDERS, if_made, linked_from, make_front_end, unpack
from annotator_ops.runtimes.installation import Installation


def installed(root: Path) -> Path:
    app = root / FOLDERS["react-app"]
    (app / "icons").mkdir(parents=True)
    (app / "main.js").write_text("'use strict';\n" * 500)
    (app / "icons" / "x.svg").write_text("<svg/>")
    (app / "main.js.map").write_text("{}")
    (app / ".hidden.js").write_text("no")
    (root / "secret.txt").write_text("secret")
    (app / "link.txt").symlink_to(root / "secret.txt")
    (app / "out").symlink_to(root)
    return root


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_plain_files_of_the_package_and_nothing_else(tmp_path: Path) -> None:
    packages = installed(tmp_path / "site-packages")
    before = names(packages)
    folder = tmp_path / "front-end"
    assert if_made(folder) is None
    make_front_end(folder, linked_from(packages))
    assert if_made(folder) == folder
    assert names(folder) == {"react-app/main.js", "react-app/main.js.gz", "react-app/icons/x.svg"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert names(packages) == before, "the installed package stays as it was"
    original, packed = folder / "react-app" / "main.js", folder / "react-app" / "main.js.gz"
    assert gzip.decompress(packed.read_bytes()) == original.read_bytes()
    assert packed.stat().st_mtime_ns == original.stat().st_mtime_ns


def test_what_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    packages = installed(tmp_path / "site-packages")
    folder = tmp_path / "front-end"

    def breaks(partial: Path) -> None:
        linked_from(packages)(partial)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        make_front_end(folder, breaks)
    assert if_made(folder) is None
    make_front_end(folder, linked_from(packages))
    assert "react-app/main.js" in names(folder)
    assert not (tmp_path / "front-end.partial").exists()


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    packages = installed(tmp_path / "site-packages")
    made: list[Path] = []

    def fill(partial: Path) -> None:
        made.append(partial)
        linked_from(packages)(partial)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: make_front_end(tmp_path / "front-end", fill), range(4)))
    assert len(made) == 1


def test_another_layout_leaves_all_to_the_instance(tmp_path: Path) -> None:
    (tmp_path / "site-packages").mkdir()
    make_front_end(tmp_path / "front-end", linked_from(tmp_path / "site-packages"))
    assert names(tmp_path / "front-end") == set()


def test_an_archive_is_unpacked_without_links_and_without_ways_out(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:

        def add(name: str, **fields: object) -> None:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = (0 if fields else 3), 1_600_000_000
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, None if fields else io.BytesIO(b"abc"))

        add("labelstudio", type=tarfile.DIRTYPE)
        for name in ("main.js", "icons/x.svg", "main.js.map", "../evil.js", "../../evil.js", ".env", "a/../../evil.js"):
            add(f"labelstudio/{name}")
        add("labelstudio/link.js", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add("labelstudio/hard.js", type=tarfile.LNKTYPE, linkname="labelstudio/main.js")
        add("labelstudio/pipe.js", type=tarfile.FIFOTYPE)
    packed.seek(0)
    folder = tmp_path / "deep" / "front-end"
    folder.mkdir(parents=True)
    unpack(packed, "react-app", folder)
    assert names(tmp_path) == {"deep/front-end/react-app/main.js", "deep/front-end/react-app/icons/x.svg"}
    assert (folder / "react-app" / "main.js").stat().st_mtime == 1_600_000_000
    assert sorted(path.name for path in folder.rglob("*")) == ["icons", "main.js", "react-app", "x.svg"]


def test_a_version_that_is_not_known_any_more_has_none(tmp_path: Path) -> None:
    assert Installation(tmp_path, "0.9").static_files() is None
