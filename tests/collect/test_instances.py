"""An annotator whose instance was destroyed and made anew loses nothing; what is deleted within one is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator_ops.models import Outcome, Study
from annotator_ops.results import Counts
from annotator_ops.steps.collect import Source, collect, rebuild
from annotator_ops.store.database import Store
from tests.collect.samples import Exported, FakeClient, quality, result, study


@pytest.fixture
def sample(tmp_path: Path) -> Study:
    return study(tmp_path, "t1", "t2", "t3", "t4")


@pytest.fixture
def store(sample: Study) -> Iterator[Store]:
    with Store(sample.state_dir) as opened:
        yield opened


def instance(day: int) -> Exported:
    exported = Exported(day=day)
    for name in ("t1", "t2", "t3", "t4"):
        exported.task(name)
    return exported


def first() -> Exported:
    exported = instance(1)
    exported.annotate("t1", quality("good"))
    exported.annotate("t2", quality("good"))
    exported.annotate("t2", quality("fair"))
    exported.annotate("t3", [], skipped=True)
    return exported


def collected(sample: Study, store: Store, exported: Exported) -> Outcome:
    (outcome,) = collect(sample, store, {"anna": Source(FakeClient(exported), 1)}).outcomes
    return outcome


def values(store: Store) -> dict[str, object]:
    return {each.item: each.reason or each.value for each in store.ratings()}


def test_a_new_instance_keeps_the_earlier_ones_answers(sample: Study, store: Store) -> None:
    collected(sample, store, first())
    before = (store.ratings(), store.counts())
    outcome = collected(sample, store, instance(2))
    assert (store.ratings(), store.counts()) == before
    assert outcome.message == (
        "0 new, 0 changed, 0 deleted; 2 of 4 done, 1 skipped; 3 kept from an earlier instance; 1 thing to look at"
    )
    assert {each.state for each in store.history("anna")} == {"current"}
    assert [each.item for each in store.findings() if each.code == "earlier-instance"] == ["t1", "t2", "t3"]


def test_what_the_new_instance_has_counts_in_its_place(sample: Study, store: Store) -> None:
    collected(sample, store, first())
    second = instance(2)
    comment = result("comment", "textarea", {"text": ["anew"]})
    second.annotate("t1", [*quality("bad"), comment])
    second.annotate("t2", [], skipped=True)
    second.draft("t3", quality("bad"))
    second.draft("t4", quality("bad"))
    collected(sample, store, second)
    assert values(store) == {"t1": 1.0, "t2": "skipped", "t3": "skipped", "t4": "draft"}
    assert store.counts() == {"anna": Counts(done=1, skipped=2, drafts=1, total=4)}
    assert [each.text for each in store.comments()] == ["anew"]
    assert [(each.item, each.code) for each in store.findings()] == [
        ("t2", "skipped"),
        ("t3", "skipped"),
        ("t3", "earlier-instance"),
        ("t4", "draft"),
    ]
    latest, earlier = store.latest_export("anna"), store.exports("anna")[0]
    assert latest is not None
    sources = {each.item: each.source for each in store.ratings()}
    assert (sources["t1"], sources["t3"]) == (latest.hash, earlier.hash), "each value names the export it is from"


def test_a_last_export_that_was_never_read_counts_too(sample: Study, store: Store) -> None:
    """`ops destroy` stores it; nobody collects between that and the new instance."""
    exported = instance(1)
    exported.annotate("t1", quality("good"))
    collected(sample, store, exported)
    exported.annotate("t4", quality("fair"))
    store.add_export("anna", exported.content, "f")
    collected(sample, store, instance(2))
    assert values(store) == {"t1": 3.0, "t4": 2.0}


def test_what_was_deleted_in_the_earlier_instance_does_not_come_back(sample: Study, store: Store) -> None:
    exported = first()
    collected(sample, store, exported)
    exported.task("t1")["annotations"].clear()
    collected(sample, store, exported)
    collected(sample, store, instance(2))
    assert values(store) == {"t2": 2.0, "t3": "skipped"}


def test_a_deletion_within_an_instance_is_a_warning_that_names_the_items(sample: Study, store: Store) -> None:
    exported = first()
    collected(sample, store, exported)
    exported.task("t1")["annotations"].clear()
    exported.task("t3")["annotations"].clear()
    outcome = collected(sample, store, exported)
    assert (outcome.state, outcome.hint.startswith("Deleted in Label Studio: t1, t3.")) == ("warning", True)
    assert values(store) == {"t2": 2.0}
    assert collected(sample, store, exported).code == "unchanged"


def test_all_deleted_within_one_instance_is_no_new_instance(sample: Study, store: Store) -> None:
    exported = first()
    collected(sample, store, exported)
    for task in exported.tasks.values():
        task["annotations"].clear()
    outcome = collected(sample, store, exported)
    assert (outcome.state, values(store)) == ("warning", {})


def test_tasks_that_were_added_leave_it_the_same_instance(sample: Study, store: Store) -> None:
    exported = Exported(day=1)
    exported.annotate("t1", quality("good"))
    collected(sample, store, exported)
    exported.task("t1")["annotations"].clear()
    exported.task("t2")
    assert collected(sample, store, exported).state == "warning"
    assert values(store) == {}


def test_an_instance_restored_from_its_backup_is_the_earlier_one(sample: Study, store: Store) -> None:
    one, two = first(), instance(2)
    collected(sample, store, one)
    two.annotate("t1", quality("bad"))
    two.annotate("t4", quality("bad"))
    collected(sample, store, two)
    assert values(store) == {"t1": 1.0, "t2": 2.0, "t3": "skipped", "t4": 1.0}
    one.task("t2")["annotations"].clear()
    outcome = collected(sample, store, one)
    assert "t2" in outcome.hint, "gone since this very instance was last seen"
    assert values(store) == {"t1": 3.0, "t3": "skipped", "t4": 1.0}


def test_a_rebuild_gives_the_same_view_and_history(sample: Study, store: Store) -> None:
    one, two = first(), instance(2)
    two.annotate("t1", quality("bad"))
    for exported in (one, two):
        collected(sample, store, exported)
    two.task("t1")["annotations"][0]["result"] = quality("fair")
    collected(sample, store, two)
    before = (store.ratings(), store.findings(), store.counts(), store.history("anna"))
    assert [each.code for each in rebuild(sample, store).outcomes] == ["rebuilt"]
    assert (store.ratings(), store.findings(), store.counts(), store.history("anna")) == before


def test_an_export_without_a_moment_of_import_is_of_the_same_instance(sample: Study, store: Store) -> None:
    """Rather a warning of a deletion than a deletion that is hidden."""
    exported = first()
    for task in exported.tasks.values():
        del task["created_at"]
    collected(sample, store, exported)
    exported.task("t1")["annotations"].clear()
    assert collected(sample, store, exported).state == "warning"
    assert json.loads(exported.content)[0].keys() == {"id", "data", "annotations", "drafts", "predictions"}
