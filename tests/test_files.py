"""Private files and folders: for their owner alone, and there whole or not at all."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.files import close_folder, private_folder, write_once, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(autouse=True)
def open_umask() -> object:
    """The rights must be ours to choose, whatever the user's own setting lets through."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_written_file_is_its_owners_alone_and_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_text("old")
    path.chmod(0o666)
    write_private(path, "ключ\n")
    assert (path.read_text(encoding="utf-8"), mode(path)) == ("ключ\n", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("untouched")
    path = tmp_path / "ours"
    path.symlink_to(theirs)
    write_private(path, "ours")
    assert (theirs.read_text(), path.read_text(), path.is_symlink()) == ("untouched", "ours", False)


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_for_another_user(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    write_private(path, "x", owner=(10001, 10002))
    found = path.stat()
    assert (found.st_uid, found.st_gid, mode(path)) == (10001, 10002, 0o600)


def test_of_many_writers_at_once_the_first_one_holds(tmp_path: Path) -> None:
    path = tmp_path / "id"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_once(path, f"{number}\n" * 1000), range(32)))
    lines = path.read_text().splitlines()
    assert (len(lines), len(set(lines)), mode(path)) == (1000, 1, 0o600)
    write_once(path, "later")
    assert path.read_text().splitlines() == lines
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [close_folder, private_folder])
def test_a_folder_is_closed_to_others(tmp_path: Path, make: object) -> None:
    assert callable(make)
    fresh, wide = tmp_path / "a" / "b", tmp_path / "wide"
    wide.mkdir(mode=0o777)
    for folder in (fresh, wide, wide):
        make(folder)
        assert mode(folder) == 0o700


def test_a_link_in_place_of_a_private_folder_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    link = tmp_path / "link"
    link.symlink_to(theirs)
    with pytest.raises(OpsError) as caught:
        private_folder(link)
    assert caught.value.code == "folder-not-private"
    assert mode(theirs) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.chown(folder, 10001, 10001)
    with pytest.raises(OpsError, match="not a folder of yours"):
        private_folder(folder)
