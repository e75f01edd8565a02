"""Collecting from instances that a test makes up: raw first, nothing lost, nothing done twice."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import Study
from annotator_ops.results import Parsed
from annotator_ops.steps.collect import Down, Source, collect, rebuild
from annotator_ops.store.database import Store
from annotator_ops.store.records import Changes, Export
from tests.collect.samples import CRITERIA, Exported, FakeClient, quality, study


def exported_by(label: str) -> Exported:
    exported = Exported()
    for name in ("t1", "t2", "t3"):
        exported.task(name)
    exported.annotate("t1", quality(label))
    exported.annotate("t2", [], skipped=True)
    return exported


@pytest.fixture
def sample(tmp_path: Path) -> Study:
    return study(tmp_path, "t1", "t2", "t3")


def dump(path: Path) -> str:
    """All that the store holds, however it is laid out in its file."""
    database = sqlite3.connect(path / "study.sqlite3")
    content = "\n".join(database.iterdump())
    database.close()
    return content


def test_everybody_is_collected(sample: Study) -> None:
    anna, ben = FakeClient(exported_by("good")), FakeClient(exported_by("bad"))
    with Store(sample.state_dir) as store:
        result = collect(sample, store, {"anna": Source(anna, 1), "ben": Source(ben, 2)})
        assert result.exit_code == 0
        assert [(outcome.subject, outcome.state, outcome.message) for outcome in result.outcomes] == [
            ("anna", "ok", "2 new, 0 changed, 0 deleted; 1 of 3 done, 1 skipped"),
            ("ben", "ok", "2 new, 0 changed, 0 deleted; 1 of 3 done, 1 skipped"),
        ]
        assert [(each.rater, each.item, each.value, each.reason) for each in store.ratings()] == [
            ("anna", "t1", 3.0, None),
            ("anna", "t2", None, "skipped"),
            ("ben", "t1", 1.0, None),
            ("ben", "t2", None, "skipped"),
        ]
        latest = store.latest_export("anna")
        assert latest is not None
        assert store.export_content(latest.hash) == anna.exported.content
        assert {each.source for each in store.ratings() if each.rater == "anna"} == {latest.hash}
        assert result.notes == ("anna, skipped: t2", "ben, skipped: t2")


def test_the_keys_of_the_json_are_fixed(sample: Study) -> None:
    with Store(sample.state_dir) as store:
        result = collect(sample, store, {"anna": Source(FakeClient(exported_by("good")), 1)}).as_json()
        latest = store.latest_export("anna")
        assert latest is not None
    assert set(result) == {"command", "ok", "outcomes", "notes", "annotators", "findings"}
    assert result["annotators"] == [
        {
            "annotator": "anna",
            "collected": True,
            "done": 1,
            "skipped": 1,
            "drafts": 0,
            "total": 3,
            "new": 2,
            "changed": 0,
            "deleted": 0,
            "findings": {"skipped": 1},
            "export": latest.hash,
        }
    ]
    assert result["findings"] == [
        {"annotator": "anna", "item": "t2", "code": "skipped", "message": "the annotator skipped it."}
    ]


def test_collecting_again_writes_nothing(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    sources = {"anna": Source(client, 1)}
    with Store(sample.state_dir) as store:
        collect(sample, store, sources)
    before = dump(sample.state_dir)
    client.asked.clear()
    with Store(sample.state_dir) as store:
        result = collect(sample, store, sources)
    assert client.asked == ["fingerprint"]
    assert dump(sample.state_dir) == before
    assert [outcome.code for outcome in result.outcomes] == ["unchanged"]
    assert result.data["annotators"][0]["done"] == 1


def test_what_changed_and_what_is_gone_stays_in_history(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    with Store(sample.state_dir) as store:
        collect(sample, store, {"anna": Source(client, 1)})
        client.exported.task("t1")["annotations"][0]["result"] = quality("bad")
        client.exported.task("t2")["annotations"].clear()
        client.exported.annotate("t3", quality("fair"))
        result = collect(sample, store, {"anna": Source(client, 1)})
        row = result.data["annotators"][0]
        assert (row["new"], row["changed"], row["deleted"]) == (1, 1, 1)
        assert [(each.item, each.value) for each in store.ratings()] == [("t1", 1.0), ("t3", 2.0)]
        assert [(each.item, each.state) for each in store.history("anna")] == [
            ("t1", "changed"),
            ("t2", "deleted"),
            ("t1", "current"),
            ("t3", "current"),
        ]
        assert len(store.exports("anna")) == 2


def test_one_that_is_down_does_not_stop_the_others(sample: Study) -> None:
    broken = FakeClient(exported_by("good"))
    broken.broken = OpsError("It cannot be reached.", hint="Start it.", code="labelstudio-unreachable")
    sources: dict[str, Source | Down] = {
        "anna": Source(broken, 1),
        "ben": Source(FakeClient(exported_by("bad")), 1),
        "zoe": Down("Zoe's instance is stopped."),
    }
    with Store(sample.state_dir) as store:
        result = collect(sample, store, sources)
        assert result.exit_code == 1
        assert [(each.subject, each.state, each.code) for each in result.outcomes] == [
            ("anna", "failed", "labelstudio-unreachable"),
            ("ben", "ok", "collected"),
            ("zoe", "failed", "instance-down"),
        ]
        assert {each.rater for each in store.ratings()} == {"ben"}
        assert [row["collected"] for row in result.data["annotators"]] == [False, True, False]


def test_what_was_collected_stays_when_the_instance_is_down_later(sample: Study) -> None:
    with Store(sample.state_dir) as store:
        collect(sample, store, {"anna": Source(FakeClient(exported_by("good")), 1)})
        result = collect(sample, store, {"anna": Down("stopped")})
        assert len(store.ratings()) == 2
        assert (result.data["annotators"][0]["done"], result.data["annotators"][0]["collected"]) == (1, False)


def test_all_are_asked_at_the_same_time(sample: Study) -> None:
    """Each waits until all five have been asked; one after the other, the barrier would break."""
    barrier = threading.Barrier(5)

    class Meeting(FakeClient):
        def fingerprint(self, project_id: int) -> str:
            barrier.wait(timeout=30)
            return super().fingerprint(project_id)

    sources = {f"a{number}": Source(Meeting(exported_by("good")), 1) for number in range(5)}
    with Store(sample.state_dir) as store:
        assert collect(sample, store, sources).exit_code == 0


def test_odd_things_are_a_warning_and_named(sample: Study) -> None:
    exported = exported_by("excellent")
    exported.annotate("t3", quality("good"))
    exported.annotate("t3", quality("bad"))
    with Store(sample.state_dir) as store:
        result = collect(sample, store, {"anna": Source(FakeClient(exported), 1)})
    (outcome,) = result.outcomes
    assert (outcome.state, result.exit_code) == ("warning", 0)
    assert "2 things to look at" in outcome.message
    assert result.notes == (
        "anna, with an answer that the label config does not allow: t1",
        "anna, annotated more than once: t3",
        "anna, skipped: t2",
    )


class Killed(BaseException):
    """Stands for the end of the process: nothing in the step may catch it."""


class DiesBeforeReading(Store):
    """A store whose process is killed after the raw export is stored and before it is read."""

    def put_parsed(self, export: Export, parsed: Parsed, reading: str) -> Changes:
        raise Killed


class DiesBeforeStoring(Store):
    """A store whose process is killed before the raw export is stored."""

    def add_export(self, annotator: str, content: bytes, fingerprint: str) -> Export:
        raise Killed


@pytest.mark.parametrize(("dying", "stored"), [(DiesBeforeReading, 1), (DiesBeforeStoring, 0)])
def test_killed_in_the_middle_the_next_run_goes_on(dying: type[Store], stored: int, sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    sources = {"anna": Source(client, 1)}
    with dying(sample.state_dir) as store, pytest.raises(Killed):
        collect(sample, store, sources)
    with Store(sample.state_dir) as store:
        assert len(store.exports("anna")) == stored
        assert store.ratings() == ()
        client.asked.clear()
        result = collect(sample, store, sources)
        assert ("export" in client.asked) == (stored == 0), "what is stored is not fetched again"
        assert [outcome.code for outcome in result.outcomes] == ["collected"]
        assert len(store.exports("anna")) == 1
        assert [each.value for each in store.ratings()] == [3.0, None]


def test_a_killed_read_of_a_later_export_loses_no_history(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    sources = {"anna": Source(client, 1)}
    with Store(sample.state_dir) as store:
        collect(sample, store, sources)
    client.exported.task("t1")["annotations"][0]["result"] = quality("bad")
    with DiesBeforeReading(sample.state_dir) as store, pytest.raises(Killed):
        collect(sample, store, sources)
    with Store(sample.state_dir) as store:
        assert store.ratings()[0].value == 3.0, "the ratings are still those of the export that was read"
        collect(sample, store, sources)
        assert store.ratings()[0].value == 1.0
        assert sorted(each.state for each in store.history("anna")) == ["changed", "current", "current"]


def test_an_export_that_cannot_be_read_is_kept(sample: Study) -> None:
    class Strange(FakeClient):
        def export(self, project_id: int) -> bytes:
            return b'[{"nothing": "known"}]'

    with Store(sample.state_dir) as store:
        result = collect(sample, store, {"anna": Source(Strange(exported_by("good")), 1)})
        assert [outcome.code for outcome in result.outcomes] == ["export-not-understood"]
        latest = store.latest_export("anna")
        assert latest is not None
        assert store.export_content(latest.hash) == b'[{"nothing": "known"}]'


def test_a_changed_study_reads_what_is_there_again(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    with Store(sample.state_dir) as store:
        collect(sample, store, {"anna": Source(client, 1)})
        other = replace(sample, criteria=(replace(CRITERIA[0], values={"bad": 10, "fair": 20, "good": 30}),))
        client.asked.clear()
        collect(other, store, {"anna": Source(client, 1)})
        assert client.asked == ["fingerprint"]
        assert store.ratings()[0].value == 30.0
        assert len(store.exports("anna")) == 1


def test_all_can_be_fetched_on_demand(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    with Store(sample.state_dir) as store:
        collect(sample, store, {"anna": Source(client, 1)})
        client.asked.clear()
        collect(sample, store, {"anna": Source(client, 1)}, fetch_all=True)
        assert client.asked == ["fingerprint", "export"]
        assert len(store.exports("anna")) == 1


def test_everything_is_made_again_from_raw(sample: Study) -> None:
    client = FakeClient(exported_by("good"))
    with Store(sample.state_dir) as store:
        collect(sample, store, {"anna": Source(client, 1)})
        client.exported.task("t1")["annotations"][0]["result"] = quality("bad")
        collect(sample, store, {"anna": Source(client, 1)})
        before = (store.ratings(), store.findings(), store.comments(), store.counts(), store.history("anna"))
        raw = sqlite3.connect(sample.state_dir / "study.sqlite3")
        for table in ("ratings", "findings", "comments", "readings", "annotation_history"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608 - the names above
        raw.commit()
        raw.close()
        result = rebuild(sample, store)
        assert [(each.subject, each.code) for each in result.outcomes] == [("anna", "rebuilt")]
        assert (store.ratings(), store.findings(), store.comments(), store.counts(), store.history("anna")) == before
