"""Collecting from a real Label Studio: what annotators did there is what the store has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from annotator_ops.labelstudio import LabelStudio
from annotator_ops.models import Criterion, Level, Study
from annotator_ops.results import task_marks
from annotator_ops.steps.collect import Source, collect
from annotator_ops.store.database import Store
from tests.collect.samples import study
from tests.labelstudio.people import CONFIG, PASSWORD, Person, choice, client_of, make_tasks, new_project
from tests.real import RealInstance

pytestmark = pytest.mark.labelstudio
NAMES = ("t1", "t2", "t3", "t4", "t5", "t6")


@pytest.fixture
def client(label_studio: RealInstance) -> Iterator[LabelStudio]:
    with client_of(label_studio) as found:
        yield found


@pytest.fixture
def anna(label_studio: RealInstance, client: LabelStudio) -> Iterator[Person]:
    client.ensure_annotator("anna@example.org", PASSWORD, "Anna")
    with Person(label_studio, "anna@example.org") as person:
        yield person


@pytest.fixture
def sample(tmp_path: Path) -> Study:
    from dataclasses import replace

    criterion = Criterion("quality", "quality", Level.ORDINAL, {"bad": 1, "fair": 2, "good": 3})
    return replace(study(tmp_path), tasks=tuple(make_tasks(*NAMES)), label_config=CONFIG, criteria=(criterion,))


def test_what_annotators_did_is_what_is_stored(client: LabelStudio, anna: Person, sample: Study) -> None:
    project = new_project(client, *NAMES)
    ids = {}
    for name in NAMES:
        task = anna.next_task(project)
        assert task is not None
        assert task["data"]["id"] == name
        ids[name] = task["id"]
        match name:
            case "t1":
                comment = {"from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["Good."]}}
                first = anna.annotate(task["id"], "good", result=[*choice("good"), comment])
            case "t2":
                anna.skip(task["id"])
            case "t3":
                anna.annotate(task["id"], "bad", result=[])
            case "t4":
                anna.annotate(task["id"], "excellent")
            case "t5":
                anna.annotate(task["id"], "bad")
                anna.annotate(task["id"], "fair")
            case "t6":
                anna.draft(task["id"], "good")
    source = {"anna": Source(client, project)}
    with Store(sample.state_dir) as store:
        result = collect(sample, store, source)
        assert {each.item: each.value or each.reason for each in store.ratings()} == {
            "t1": 3.0,
            "t2": "skipped",
            "t3": "empty",
            "t4": "invalid",
            "t5": 2.0,
            "t6": "draft",
        }
        assert [(each.item, each.text) for each in store.comments()] == [("t1", "Good.")]
        assert sorted((each.item, each.code) for each in store.findings()) == [
            ("t2", "skipped"),
            ("t3", "empty"),
            ("t4", "invalid"),
            ("t5", "second-annotation"),
            ("t6", "draft"),
        ]
        row = result.data["annotators"][0]
        assert (row["done"], row["skipped"], row["drafts"], row["total"], row["new"]) == (4, 1, 1, 6, 6)
        assert [outcome.code for outcome in collect(sample, store, source).outcomes] == ["unchanged"]

        anna.call("PATCH", f"/api/annotations/{first['id']}", {"result": choice("bad")})
        row = collect(sample, store, source).data["annotators"][0]
        assert (row["new"], row["changed"], row["deleted"]) == (0, 1, 0)
        assert store.ratings()[0].value == 1.0
        assert [each.state for each in store.history("anna") if each.item == "t1"] == ["changed", "current"]
        exports = store.exports("anna")
        assert len(exports) == 2
        one, two = (task_marks(store.export_content(each.hash)) for each in exports)
        assert one == two, "a task keeps its id and moment of import, whatever is done with it"
        assert all(at and datetime.fromisoformat(at).microsecond for _, at in one), "to the microsecond"
