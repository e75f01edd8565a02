"""The seed is copied whole or not at all, never over a database, and never with a key."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.seed import DATABASE, Seed, copy_database
from tests.real import prepared_installation


def make_database(path: Path, *, rows: int = 2000) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", ((f"row {n}" * 10,) for n in range(rows)))


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


def test_a_copy_holds_what_the_live_original_has_committed(tmp_path: Path) -> None:
    source, target = tmp_path / "a.sqlite3", tmp_path / "b.sqlite3"
    make_database(source)
    with closing(sqlite3.connect(source)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        with writer:
            writer.execute("INSERT INTO t VALUES ('in the write-ahead log')")
        copy_database(source, target)
    assert count(target) == 2001
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("b")) == ["b.sqlite3"]


def test_a_damaged_original_gives_no_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "a.sqlite3", tmp_path / "b.sqlite3"
    make_database(source)
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xff" * 8192
    source.write_bytes(content)
    with pytest.raises(sqlite3.Error):
        copy_database(source, target)
    assert not target.exists()


def test_a_copy_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "a.sqlite3", tmp_path / "b.sqlite3"
    make_database(source)
    (tmp_path / "b.sqlite3.partial").write_bytes(b"half of something")
    copy_database(source, target)
    assert count(target) == 2000


def seed_of(home: Path) -> Seed:
    seed = Seed(Installation(home, "1.23.2"))
    seed.database.parent.mkdir(parents=True)
    make_database(seed.database)
    (seed.database.parent / "seed.json").write_text(json.dumps({"format": 1, "migrations": "abc"}))
    return seed


def test_an_existing_database_is_never_touched(tmp_path: Path) -> None:
    seed = seed_of(tmp_path / "home")
    own = tmp_path / "data" / DATABASE
    own.parent.mkdir()
    own.write_bytes(b"the annotator's work, whatever it looks like")
    seed.copy_to(own)
    assert own.read_bytes() == b"the annotator's work, whatever it looks like"
    fresh = tmp_path / "fresh" / DATABASE
    seed.copy_to(fresh)
    assert count(fresh) == 2000
    assert fresh.parent.stat().st_mode & 0o777 == 0o700


def test_a_damaged_seed_is_said_and_gives_no_database(tmp_path: Path) -> None:
    seed = seed_of(tmp_path / "home")
    seed.database.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    with pytest.raises(OpsError, match="could not be copied") as caught:
        seed.copy_to(tmp_path / "data" / DATABASE)
    assert caught.value.code == "seed-failed"
    assert not (tmp_path / "data" / DATABASE).exists()


def test_without_a_seed_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="no empty database") as caught:
        Seed(Installation(tmp_path, "1.23.2")).copy_to(tmp_path / "data" / DATABASE)
    assert caught.value.code == "seed-missing"


@pytest.mark.labelstudio
def test_the_real_seed_is_empty_intact_and_keyless() -> None:
    seed = Seed(prepared_installation())
    assert sorted(path.name for path in seed.database.parent.iterdir()) == [DATABASE, "modules.json", "seed.json"]
    with closing(sqlite3.connect(f"{seed.database.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM htx_user").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 200
    said: list[str] = []
    seed.ensure(lambda sentence, _done: said.append(sentence))
    assert said == [], "a seed is made once"
