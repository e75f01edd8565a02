"""`analyze`, `report` and `export` see what is stored as the study is now, whoever is down or gone; so does collect."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import JudgeFile
from annotator_ops.models import Study
from annotator_ops.ratings import read_ratings
from annotator_ops.results import reading_of
from annotator_ops.steps.analyze import analyze_study
from annotator_ops.steps.collect import Down, Source, collect, rebuild
from annotator_ops.steps.export import export_study
from annotator_ops.steps.report import report_study
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from tests.collect.samples import CRITERIA, Exported, FakeClient, quality, result, study

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
STRANGE = b'[{"nothing": "known"}]'


def labelled(*labels: str, day: int = 31) -> Exported:
    exported = Exported(day=day)
    for number, label in enumerate(labels, start=1):
        exported.task(f"t{number}")
        if label:
            exported.annotate(f"t{number}", quality(label))
    return exported


@pytest.fixture
def sample(tmp_path: Path) -> Study:
    return study(tmp_path, "t1", "t2", "t3")


@pytest.fixture
def tenfold(sample: Study) -> Study:
    """The same study after its numbers were changed."""
    return replace(sample, criteria=(replace(CRITERIA[0], values={"bad": 10, "fair": 20, "good": 30}),))


@pytest.fixture
def store(sample: Study) -> Iterator[Store]:
    """Anna and Ben were collected from, under the sample as it was."""
    with Store(sample.state_dir) as opened:
        clients = {"anna": labelled("good", "bad", "fair"), "ben": labelled("fair", "bad", "fair")}
        collect(sample, opened, {name: Source(FakeClient(each), 1) for name, each in clients.items()})
        yield opened


def values(store: Store, study: Study) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for rating in current(study, store).ratings():
        found.setdefault(rating.rater, []).append(rating.value)
    return found


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_changed_study_is_seen_without_collecting(store: Store, tenfold: Study, tmp_path: Path) -> None:
    (criterion,) = (each for each in analyze_study(tenfold, store, created_at=NOW).data["criteria"])
    assert criterion["scale"] == [10, 20, 30]
    assert criterion["distribution"]["values"] == [10, 20, 30]
    reported = report_study(tenfold, store, created_at=NOW, output=tmp_path / "page.html")
    assert reported.data["criteria"] == [criterion]
    export_study(tenfold, store, tmp_path / "table.csv", form="csv")
    assert [float(row["value"]) for row in table(tmp_path / "table.csv")] == [30, 10, 20, 20, 10, 20]
    assert {each.value for each in store.ratings()} == {1.0, 2.0, 3.0}, "looking changes nothing"


def test_comments_are_exported_beside_the_ratings(store: Store, sample: Study, tmp_path: Path) -> None:
    anna = labelled("good", "bad", "fair", day=30)
    remarks = [result("comment", "textarea", {"text": ["Too long.", "=1+1"]})]
    anna.annotate("t2", quality("fair") + remarks)
    collect(sample, store, {"anna": Source(FakeClient(anna), 1)})
    tidy = export_study(sample, store, tmp_path / "table.csv")
    rows = [row for row in table(tmp_path / "table.csv") if row["criterion"] == "comment"]
    assert [(row["rater"], row["kind"], row["item"], row["value"]) for row in rows] == [
        ("anna", "human", "t2", "Too long.\n=1+1")
    ]
    assert (tidy.data["ratings"], tidy.data["comments"]) == (6, 1)
    assert "6 ratings written" in tidy.outcomes[0].message and "1 comment" in tidy.outcomes[0].message
    export_study(sample, store, tmp_path / "wide.csv", wide=True)
    wide = {(row["rater"], row["item"]): row for row in table(tmp_path / "wide.csv")}
    assert wide["anna", "t2"]["comment"] == "Too long.\n=1+1"
    assert wide["anna", "t2"]["quality"] == "2"
    assert (len(wide), wide["ben", "t2"]["comment"]) == (6, "")
    again = read_ratings(tmp_path / "table.csv", "human")
    assert [each.value for each in again if each.criterion == "comment"] == ["Too long.\n=1+1"]


def test_the_studys_own_files_are_never_written_to(store: Store, sample: Study, tmp_path: Path) -> None:
    judges = tmp_path / "judges.csv"
    judges.write_text("rater,kind,item,criterion,value\ngpt,judge,t1,quality,1\n")  # as an export begins
    judged = replace(sample, judges=(JudgeFile(judges),))
    with pytest.raises(OpsError, match=r"judges\.csv") as caught:
        export_study(judged, store, tmp_path / "sub" / ".." / "judges.csv")
    assert caught.value.code == "would-overwrite"
    assert judges.read_text().startswith("rater,kind,item")
    with pytest.raises(OpsError) as caught:
        report_study(judged, store, created_at=NOW, output=sample.path)
    assert caught.value.code == "wrong-suffix"


def test_nothing_ever_collected_is_no_empty_report(sample: Study) -> None:
    with Store(sample.state_dir) as empty:
        for verb in (analyze_study, report_study):
            with pytest.raises(OpsError) as caught:
                verb(sample, empty, created_at=NOW)
            assert caught.value.code == "nothing-collected"
            assert "ops collect" in caught.value.hint
    assert not (sample.root / "reports").exists()


def test_one_export_is_no_plural(store: Store, sample: Study) -> None:
    assert rebuild(sample, store).outcomes[0].message == "read 1 export again"


def test_one_who_is_down_is_read_under_the_study_as_it_is_now(store: Store, tenfold: Study) -> None:
    anna = Source(FakeClient(labelled("good", "bad", "fair")), 1)
    sources: dict[str, Source | Down] = {"anna": anna, "ben": Down("stopped", on_purpose=True)}
    result = collect(tenfold, store, sources)
    assert [(each.subject, each.state) for each in result.outcomes] == [("anna", "ok"), ("ben", "skipped")]
    assert [each.value for each in store.ratings()] == [30, 10, 20, 20, 10, 20]


def test_the_last_export_of_a_destroyed_instance_counts(store: Store, sample: Study, tmp_path: Path) -> None:
    """`ops destroy` stores a last export and forgets the instance."""
    store.add_export("ben", labelled("good", "good", "good").content, "f")
    assert values(store, sample) == {"anna": [3.0, 1.0, 2.0], "ben": [3.0, 3.0, 3.0]}
    export_study(sample, store, tmp_path / "table.csv", form="csv")
    assert [row["value"] for row in table(tmp_path / "table.csv") if row["rater"] == "ben"] == ["3"] * 3
    result = collect(sample, store, {"anna": Source(FakeClient(labelled("good", "bad", "fair")), 1)})
    assert [(each.subject, each.state, each.code) for each in result.outcomes] == [
        ("anna", "ok", "unchanged"),
        ("ben", "skipped", "no-instance"),
    ]
    row = result.data["annotators"][1]
    assert (row["annotator"], row["collected"], row["done"], row["changed"]) == ("ben", False, 3, 3)
    assert [each.value for each in store.ratings() if each.rater == "ben"] == [3.0, 3.0, 3.0]


def test_a_rebuild_is_of_everybody_and_one_that_cannot_be_read_stops_nobody(store: Store, sample: Study) -> None:
    before = store.ratings()
    store.add_export("anna", STRANGE, "f")
    store.add_export("zoe", labelled("bad").content, "f")
    result = rebuild(sample, store)
    assert [(each.subject, each.state, each.code) for each in result.outcomes] == [
        ("anna", "failed", "export-not-understood"),
        ("ben", "ok", "rebuilt"),
        ("zoe", "ok", "rebuilt"),
    ]
    assert "raw export is kept" in result.outcomes[0].hint
    assert store.ratings()[: len(before)] == before, "anna's ratings are as they were"
    store.add_export("anna", labelled("bad", "bad", "bad").content, "f")
    anna = rebuild(sample, store).outcomes[0]
    assert (anna.state, anna.code) == ("warning", "export-not-understood")
    assert values(store, sample)["anna"] == [1.0, 1.0, 1.0]


def test_nothing_to_rebuild_is_said(sample: Study) -> None:
    with Store(sample.state_dir) as empty:
        assert [each.code for each in rebuild(sample, empty).outcomes] == ["nothing-collected"]


def test_an_export_that_cannot_be_read_fails_its_annotator_only(store: Store, sample: Study, tenfold: Study) -> None:
    store.add_export("ben", STRANGE, "f")
    (failed,) = current(sample, store).failed
    assert (failed.subject, failed.state, failed.code) == ("ben", "failed", "export-not-understood")
    assert values(store, sample)["ben"] == [2.0, 1.0, 2.0], "read against this study, so it counts"
    assert set(values(store, tenfold)) == {"anna"}, "numbers of two scales are never mixed"
    result = analyze_study(tenfold, store, created_at=NOW)
    assert (result.exit_code, result.outcomes[-1].subject) == (1, "ben")
    assert result.data["data"]["annotators"] == ["anna"]


@pytest.mark.parametrize("error", [KeyError("total"), ValueError("odd"), TypeError("odd"), IndexError("odd")])
def test_an_odd_answer_fails_its_annotator_only(error: Exception, store: Store, sample: Study) -> None:
    class Odd(FakeClient):
        def fingerprint(self, project_id: int) -> str:
            raise error

    before = store.ratings()
    good = FakeClient(labelled("bad", "bad", "bad"))
    result = collect(sample, store, {"anna": Source(Odd(labelled()), 1), "ben": Source(good, 1)})
    assert [(each.state, each.code) for each in result.outcomes] == [
        ("failed", "labelstudio-strange"),
        ("ok", "collected"),
    ]
    assert "raw export" in result.outcomes[0].message and "kept" in result.outcomes[0].message
    assert [each for each in store.ratings() if each.rater == "anna"] == list(before[:3])


def test_a_disk_that_fails_for_one_does_not_stop_the_others(store: Store, sample: Study) -> None:
    raw = sqlite3.connect(store.path)
    raw.execute(
        "CREATE TRIGGER full BEFORE INSERT ON exports WHEN new.annotator = 'anna'"
        " BEGIN SELECT raise(ABORT, 'disk full'); END"
    )
    raw.commit()
    raw.close()
    clients = {name: Source(FakeClient(labelled("bad", "bad", "bad")), 1) for name in ("anna", "ben")}
    result = collect(sample, store, clients)
    assert [(each.state, each.code) for each in result.outcomes] == [
        ("failed", "store-unreadable"),
        ("ok", "collected"),
    ]


def test_a_mistyped_control_is_said_of_the_study_and_not_of_label_studio(store: Store, sample: Study) -> None:
    mistyped = replace(sample, criteria=(replace(CRITERIA[0], control="qualty"),))
    with pytest.raises(OpsError, match="qualty") as caught:
        reading_of(mistyped)
    assert caught.value.code == "study-invalid"
    assert "quality" in caught.value.hint
    fresh = FakeClient(labelled("bad", "bad", "bad"))
    result = collect(mistyped, store, {"anna": Source(fresh, 1)})
    assert {(each.state, each.code) for each in result.outcomes} == {("failed", "study-invalid")}
    assert len(store.exports("anna")) == 2, "what was fetched is kept all the same"
    for verb in (current, rebuild):
        with pytest.raises(OpsError) as caught:
            verb(mistyped, store)
        assert caught.value.code == "study-invalid"
