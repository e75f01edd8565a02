"""The store: instances, raw exports, ratings with their history, audit, and older versions of its file."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating, Value
from annotator_ops.models import Instance, Target
from annotator_ops.results import Comment, Counts, Finding, Parsed, SeenAnnotation
from annotator_ops.store.database import Store
from annotator_ops.store.records import Changes, Export
from annotator_ops.store.schema import MIGRATIONS, SCHEMA, prepare

OLD = Path(__file__).parent / "old"


def instance(annotator: str = "anna") -> Instance:
    return Instance(annotator, f"annotator-ops-x-{annotator}", "process", Target.RUNNING, 9001, "1.23.2")


def rating(value: Value | None, reason: str | None = None, item: str = "t1") -> Rating:
    return Rating("anna", "human", item, "quality", value, reason, datetime(2026, 1, 31, tzinfo=UTC), 2.5, "h")


def seen(**annotations: str) -> Parsed:
    return Parsed(annotations=tuple(SeenAnnotation(name, "t1", hash_) for name, hash_ in annotations.items()))


def states(store: Store) -> dict[tuple[str, str], str]:
    return {(version.unique_id, version.hash): version.state for version in store.history("anna")}


# --- the file --------------------------------------------------------------------------------------------------------


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    state = tmp_path / "study" / ".ops"
    with Store(state) as store:
        store.set_meta("a", "b")
        files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert files
    assert set(files.values()) == {0o600}, files


def test_it_is_opened_by_two_at_once(tmp_path: Path) -> None:
    with Store(tmp_path) as one, Store(tmp_path) as other:
        one.set_meta("a", "1")
        other.set_meta("a", "2")
        assert one.get_meta("a") == "2"


def test_many_threads_may_write(tmp_path: Path) -> None:
    with Store(tmp_path) as store:

        def work(number: int) -> None:
            for _ in range(20):
                store.audit("x", str(number))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.audit_log(1000)) == 160


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.sqlite3").write_bytes(b"this is no database at all, not even nearly" * 100)
    with pytest.raises(OpsError) as caught:
        Store(tmp_path)
    assert caught.value.code == "store-unreadable"


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    database = sqlite3.connect(tmp_path / "study.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(OpsError) as caught:
        Store(tmp_path)
    assert caught.value.code == "store-too-new"


# --- older versions --------------------------------------------------------------------------------------------------


def tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return [(name, " ".join(sql.split())) for name, sql in rows]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 2))
def test_the_file_of_every_released_version_is_read(version: int, tmp_path: Path) -> None:
    """`old/vN.sql` is a dump of a database that version N wrote; it is never changed."""
    old = sqlite3.connect(tmp_path / "study.sqlite3")
    old.executescript((OLD / f"v{version}.sql").read_text())
    old.close()
    with Store(tmp_path) as store:
        assert store.instances()["anna"].project_id == 7
        assert [(each.item, each.value, each.reason) for each in store.ratings()] == [
            ("t1", 3.0, None),
            ("t2", None, "skipped"),
        ]
        latest = store.latest_export("anna")
        assert latest is not None
        assert store.export_content(latest.hash) == b"[]"
        assert [entry.action for entry in store.audit_log()] == ["collect"]
    migrated, fresh = sqlite3.connect(tmp_path / "study.sqlite3"), sqlite3.connect(":memory:", isolation_level=None)
    prepare(fresh, tmp_path)
    assert tables(migrated) == tables(fresh), "SCHEMA is what the migrations lead to"
    migrated.close()
    fresh.close()


def test_a_migration_is_made_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_meta("kept", "yes")
    more = (*MIGRATIONS, ("colours", "CREATE TABLE colours (name TEXT);\nINSERT INTO colours VALUES ('red');"))
    for _ in range(2):
        connection = sqlite3.connect(tmp_path / "study.sqlite3", isolation_level=None)
        prepare(connection, tmp_path, schema=SCHEMA, migrations=more)
        assert connection.execute("SELECT name FROM colours").fetchall() == [("red",)]
        assert connection.execute("SELECT value FROM meta").fetchall() == [("yes",)]
        connection.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path):
        pass
    more = (*MIGRATIONS, ("half", "CREATE TABLE half (a);\nINSERT INTO nowhere VALUES (1);"))
    connection = sqlite3.connect(tmp_path / "study.sqlite3", isolation_level=None)
    with pytest.raises(OpsError, match="“half” failed") as caught:
        prepare(connection, tmp_path, migrations=more)
    assert caught.value.code == "migration-failed"
    assert "half" not in [name for name, _ in tables(connection)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.close()


# --- instances, meta, audit ------------------------------------------------------------------------------------------


def test_an_instance_comes_back_as_it_was_put(tmp_path: Path) -> None:
    first = instance()
    full = replace(
        instance("ben"),
        image="img",
        handle="h",
        spec_hash="s",
        url="http://ben.localhost",
        annotator_email="ben@example.org",
        project_id=3,
        project_hash="p",
        tasks_hash="t",
        target=Target.STOPPED,
    )
    with Store(tmp_path) as store:
        store.put_instance(first)
        store.put_instance(full)
    with Store(tmp_path) as store:
        assert store.instances() == {"anna": first, "ben": full}
        store.put_instance(replace(first, project_id=9))
        assert store.instances()["anna"].project_id == 9
        store.forget_instance("anna")
        store.forget_instance("anna")
        assert list(store.instances()) == ["ben"]


def test_meta_and_audit(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert store.get_meta("url") is None
        store.set_meta("url", "x")
        assert store.get_meta("url") == "x"
        store.set_meta("url", None)
        assert store.get_meta("url") is None
        for number in range(3):
            store.audit("did", "anna", str(number))
        assert [entry.detail for entry in store.audit_log(2)] == ["2", "1"]


# --- raw exports -----------------------------------------------------------------------------------------------------


def test_exports_are_kept_whole_and_for_ever(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        first = store.add_export("anna", b"[1]", "f1")
        assert first.new
        assert first.hash == hashlib.sha256(b"[1]").hexdigest()
        again = store.add_export("anna", b"[1]", "f2")
        assert (again.new, again.id, again.fingerprint) == (False, first.id, "f2")
        store.add_export("anna", b"[2]", "f3")
        back = store.add_export("anna", b"[1]", "f4")
        assert back.new, "what came back is a change"
        store.add_export("ben", b"[1]", "f5")
        assert [(export.size, export.fingerprint) for export in store.exports("anna")] == [
            (3, "f2"),
            (3, "f3"),
            (3, "f4"),
        ]
        latest = store.latest_export("anna")
        assert latest is not None
        assert (latest.id, latest.hash) == (back.id, first.hash)
        assert store.export_content(first.hash) == b"[1]"
        store.forget_instance("anna")
        assert len(store.exports("anna")) == 3


def test_a_damaged_export_is_never_given_out(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        export = store.add_export("anna", b"[1]" * 100, "f")
        with pytest.raises(OpsError) as caught:
            store.export_content("0" * 64)
        assert caught.value.code == "no-such-export"
    raw = sqlite3.connect(tmp_path / "study.sqlite3")
    raw.execute("UPDATE contents SET data = substr(data, 1, 9)")
    raw.commit()
    raw.close()
    with Store(tmp_path) as store, pytest.raises(OpsError) as caught:
        store.export_content(export.hash)
    assert caught.value.code == "export-damaged"


# --- ratings and history ---------------------------------------------------------------------------------------------


def test_ratings_findings_and_comments_are_those_of_the_latest_reading(tmp_path: Path) -> None:
    values: list[Value | None] = [3.0, "label", ("a", "b"), ({"start": 1, "labels": ["X"]},), ()]
    ratings = tuple(rating(value, item=f"t{number}") for number, value in enumerate(values))
    parsed = Parsed(
        (*ratings, rating(None, "skipped", item="t9")),
        (Finding("anna", "t9", "skipped", "skipped it", "u1"), Finding("anna", None, "odd", "something")),
        (Comment("anna", "t1", "comment", "=1+1 🙂"),),
        counts=Counts(5, 1, 0, 7),
    )
    with Store(tmp_path) as store:
        export = store.add_export("anna", b"[1]", "f")
        assert not store.is_read(export, "r")
        store.put_parsed(export, parsed, "r")
        assert store.is_read(export, "r")
        assert not store.is_read(export, "another reading")
        assert (store.ratings(), store.findings(), store.comments()) == (
            parsed.ratings,
            parsed.findings,
            parsed.comments,
        )
        assert store.counts() == {"anna": Counts(5, 1, 0, 7)}
        later = store.add_export("anna", b"[2]", "f")
        store.put_parsed(later, Parsed((rating(1.0),)), "r")
        assert store.ratings() == (rating(1.0),)
        assert store.findings() == ()
        assert store.comments() == ()


def test_every_version_of_an_annotation_stays(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        first = store.add_export("anna", b"[1]", "f")
        assert store.put_parsed(first, seen(a="1", b="1"), "r") == Changes(new=2)
        assert store.put_parsed(first, seen(a="1", b="1"), "r") == Changes(), "the same again changes nothing"
        second = store.add_export("anna", b"[2]", "f")
        assert store.put_parsed(second, seen(a="2", c="1"), "r") == Changes(1, 1, 1, deleted_items=("t1",))
        assert states(store) == {
            ("a", "1"): "changed",
            ("b", "1"): "deleted",
            ("a", "2"): "current",
            ("c", "1"): "current",
        }
        third = store.add_export("anna", b"[3]", "f")
        assert store.put_parsed(third, seen(a="1", b="1", c="1"), "r") == Changes(new=1, changed=1)
        assert states(store) == {
            ("a", "1"): "current",
            ("b", "1"): "current",
            ("a", "2"): "changed",
            ("c", "1"): "current",
        }
        version = store.history("anna")[0]
        assert (version.source, version.first_seen) == (first.hash, first.stored_at)
        assert version.last_seen == third.stored_at


def test_everything_read_can_be_made_again_from_raw(tmp_path: Path) -> None:
    readings = {b"[1]": seen(a="1", b="1"), b"[2]": seen(a="2"), b"[3]": replace(seen(a="2"), ratings=(rating(2.0),))}

    with Store(tmp_path) as store:

        def again() -> Iterator[tuple[Export, Parsed]]:
            for export in store.exports("anna"):
                yield export, readings[store.export_content(export.hash)]

        for content, parsed in readings.items():
            store.put_parsed(store.add_export("anna", content, "f"), parsed, "r")
        before = (store.ratings(), store.history("anna"))
        raw = sqlite3.connect(tmp_path / "study.sqlite3")
        for table in ("ratings", "annotation_history", "readings", "findings"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
        raw.commit()
        raw.close()
        assert store.ratings() == ()
        store.rebuild("anna", again(), "r")
        assert (store.ratings(), store.history("anna")) == before


def test_a_rebuild_that_fails_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        export = store.add_export("anna", b"[1]", "f")
        store.put_parsed(export, replace(seen(a="1"), ratings=(rating(2.0),)), "r")

        def fail() -> Iterator[tuple[Export, Parsed]]:
            yield export, seen(b="1")
            raise KeyError("broken")

        with pytest.raises(KeyError):
            store.rebuild("anna", fail(), "r")
        assert store.ratings() == (rating(2.0),)
        assert states(store) == {("a", "1"): "current"}


# --- whose exports, of which instance, and a disk that fails ---------------------------------------------------------


def test_whoever_was_collected_from_stays_known(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_instance(instance("zoe"))
        store.add_export("ben", b"[1]", "f")
        store.add_export("anna", b"[1]", "f")
        store.add_export("anna", b"[2]", "f")
        assert store.annotators() == ("anna", "ben")


def test_which_instance_an_export_is_of_is_noted(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        one, two = (store.add_export("anna", content, "f") for content in (b"[1]", b"[2]"))
        other = store.add_export("ben", b"[1]", "f")
        store.note_instances({one.id: one.id, two.id: one.id, other.id: other.id})
        assert store.instances_of_exports("anna") == {one.id: one.id, two.id: one.id}


def test_what_an_earlier_instance_holds_is_not_deleted(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.put_parsed(store.add_export("anna", b"[1]", "f"), seen(a="1"), "r")
        later = replace(seen(b="1"), elsewhere=seen(a="1").annotations)
        assert store.put_parsed(store.add_export("anna", b"[2]", "f"), later, "r") == Changes(new=1)
        assert states(store) == {("a", "1"): "current", ("b", "1"): "current"}


def test_a_file_that_fails_later_is_said_in_words(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_meta("kept", "yes")
        raw = sqlite3.connect(tmp_path / "study.sqlite3")
        raw.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'disk full'); END")
        raw.execute("DROP TABLE comments")
        raw.commit()
        raw.close()
        for failing in (lambda: store.audit("did", "anna"), store.comments):
            with pytest.raises(OpsError) as caught:
                failing()
            assert caught.value.code == "store-unreadable"
        store.set_meta("kept", "still")
        assert store.get_meta("kept") == "still", "nothing is left open"
