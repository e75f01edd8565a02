"""`ops analyze` and `ops report` on files and on a study: what they write, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import JudgeFile
from annotator_ops.measures import Rating
from annotator_ops.models import (
    Annotator,
    Criterion,
    LabelStudioChoice,
    Level,
    Limits,
    Order,
    ProxySettings,
    Study,
    Task,
)
from annotator_ops.reporting.source import Tables
from annotator_ops.results import Comment, Finding, Parsed, reading_hash
from annotator_ops.steps.analyze import analyze_files, analyze_study
from annotator_ops.steps.report import report_files, report_study
from annotator_ops.store.database import Store

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
RATINGS = """rater,item,criterion,value
anna,1,fluency,1
boris,1,fluency,2
anna,2,fluency,5
boris,2,fluency,5
anna,3,fluency,3
boris,3,fluency,3
"""
JUDGES = "rater,item,criterion,value\ngpt,1,fluency,{}\ngpt,2,fluency,{}\ngpt,3,fluency,{}\n"
CONFIG = """<View><Text name="dialogue" value="$dialogue"/>
<Choices name="mood" toName="dialogue"><Choice value="bad"/><Choice value="good"/><Choice value="great"/></Choices>
<TextArea name="remark" toName="dialogue"/></View>"""


def tables(*paths: Path, judges: Sequence[Path] = (), levels: Mapping[str, Level] | None = None) -> Tables:
    return Tables(paths, tuple(judges), levels or {})


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    path = tmp_path / "pilot.csv"
    path.write_text(RATINGS)
    return path


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "judges.csv").write_text(JUDGES.replace("fluency", "feel").format("bad", "great", "good"))
    return Study(
        path=tmp_path / "study.yaml",
        root=tmp_path,
        name="moods",
        title="Moods",
        label_config=CONFIG,
        instructions="",
        tasks=tuple(Task(str(number), {}) for number in (1, 2, 3)),
        annotators=(Annotator("anna", "Anna"), Annotator("boris", "Boris")),
        order=Order(),
        criteria=(Criterion("feel", "mood", Level.ORDINAL, {"bad": 1, "good": 2, "great": 3}, "Feeling"),),
        judges=(JudgeFile(tmp_path / "judges.csv"),),
        runtime="auto",
        label_studio=LabelStudioChoice("1.23.2"),
        proxy=ProxySettings(),
        limits=Limits(),
        language="en",
        simulated=True,
    )


@pytest.fixture
def collected(study: Study) -> Iterator[Store]:
    """A store with what two annotators said."""
    values = {"anna": (1.0, 3.0, 2.0), "boris": (1.0, 3.0, None)}
    findings = {"boris": (Finding("boris", "3", "skipped", "Boris skipped item 3."),)}
    comments = {"anna": (Comment("anna", "1", "remark", "Cold."), Comment("anna", "1", "remark", "And long."))}
    with Store(study.state_dir) as store:
        for name, own in values.items():
            ratings = tuple(
                Rating(name, "human", str(item), "feel", value, None if value else "skipped", NOW, 30.0)
                for item, value in enumerate(own, start=1)
            )
            parsed = Parsed(ratings, findings.get(name, ()), comments.get(name, ()))
            store.put_parsed(store.add_export(name, b"[]", "f"), parsed, reading_hash(study))
        yield store


def test_files_are_analysed_and_the_assumed_level_is_said(ratings: Path, tmp_path: Path) -> None:
    judges = tmp_path / "judges.csv"
    judges.write_text(JUDGES.format(1, 5, 2))
    result = analyze_files(tables(ratings, judges=[judges]), created_at=NOW)
    shown = result.as_json()
    assert (shown["command"], shown["ok"], shown["study"]) == ("analyze", True, "pilot")
    (criterion,) = shown["criteria"]
    assert criterion["judges"][0]["spearman"]["value"] == 1
    assert criterion["level"] == "ordinal"
    assert "fluency: Taken as ordinal: all values are whole numbers from 1 to 5, as on a rating scale." in result.notes
    assert "annotator-ops" in shown["versions"] and len(shown["inputs_hash"]) == 64


def test_a_declared_level_is_taken(ratings: Path) -> None:
    result = analyze_files(tables(ratings, levels={"fluency": Level.NOMINAL}), created_at=NOW)
    assert result.data["criteria"][0]["level"] == "nominal"
    assert result.data["criteria"][0]["agreement"]["percent_agreement"]["value"] == pytest.approx(2 / 3)


def test_a_level_for_an_unknown_criterion_names_the_known_ones(ratings: Path) -> None:
    with pytest.raises(OpsError, match="fluncy") as caught:
        analyze_files(tables(ratings, levels={"fluncy": Level.ORDINAL}), created_at=NOW)
    assert caught.value.code == "unknown-criterion"
    assert "fluency" in caught.value.hint


def test_two_files_that_contradict_each_other_are_refused(ratings: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(RATINGS.replace("anna,2,fluency,5", "anna,2,fluency,4"))
    with pytest.raises(OpsError) as caught:
        analyze_files(tables(ratings, other), created_at=NOW)
    assert caught.value.code == "rated-twice"
    assert "anna rated item 2 on fluency twice: 5 (pilot.csv) and 4 (other.csv)" in caught.value.message
    other.write_text(RATINGS)
    assert analyze_files(tables(ratings, other), created_at=NOW).data["data"]["n_ratings"] == 6


def test_annotators_in_the_table_of_judges_are_refused(ratings: Path, tmp_path: Path) -> None:
    exported = tmp_path / "exported.csv"
    exported.write_text("kind,rater,item,criterion,value\nhuman,vera,1,fluency,1\n")
    with pytest.raises(OpsError, match=r"exported\.csv") as caught:
        analyze_files(tables(ratings, judges=[exported]), created_at=NOW)
    assert caught.value.code == "judges-human"


def test_a_study_is_analysed_by_its_own_criteria(study: Study, collected: Store) -> None:
    data = analyze_study(study, collected, created_at=NOW).data
    feel, remark = data["criteria"]
    assert (feel["title"], feel["level"], feel["scale"]) == ("Feeling", "ordinal", [1, 2, 3])
    assert feel["judges"][0]["spearman"]["value"] == 1, "the judge's words have the study's numbers"
    assert feel["missing"] == {"skipped": 1}
    assert remark["texts"] == [{"rater": "anna", "item": "1", "text": "Cold.\nAnd long."}]
    assert data["findings"] == [
        {"annotator": "boris", "item": "3", "code": "skipped", "message": "Boris skipped item 3."}
    ]
    assert data["simulated"] is True
    assert (data["data"]["n_ratings"], data["data"]["n_missing"]) == (5, 1)


def test_a_report_of_a_study_lands_in_its_reports_folder(study: Study, collected: Store) -> None:
    result = report_study(study, collected, created_at=NOW)
    path = study.root / "reports" / "moods-2026-03-04.html"
    assert result.data["report"] == str(path)
    assert "SIMULATED." in path.read_text()
    stored = json.loads((study.root / "reports" / "moods-2026-03-04.analysis.json").read_text())
    assert stored["schema"] == "annotator-ops/analysis@3"
    assert stored["criteria"] == result.data["criteria"]


def test_a_report_of_files_goes_where_it_is_asked_to(ratings: Path, tmp_path: Path) -> None:
    result = report_files(tables(ratings), created_at=NOW, output=tmp_path / "out" / "page.html")
    assert (tmp_path / "out" / "page.html").read_text().startswith("<!doctype html>")
    assert result.data["analysis"] == str(tmp_path / "out" / "page.analysis.json")


def test_a_report_that_cannot_be_written_says_so(ratings: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OpsError) as caught:
        report_files(tables(ratings), created_at=NOW, output=tmp_path / "taken" / "page.html")
    assert caught.value.code == "report-unwritable"


@pytest.mark.parametrize(
    ("output", "code"),
    [("pilot.csv", "wrong-suffix"), (".", "wrong-suffix"), ("page", "wrong-suffix"), ("page.html", "not-writable")],
)
def test_a_report_is_a_page_and_nothing_else(ratings: Path, tmp_path: Path, output: str, code: str) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OpsError) as caught:
        report_files(tables(ratings), created_at=NOW, output=tmp_path / output)
    assert caught.value.code == code
    assert ".html" in caught.value.hint or "another file" in caught.value.hint
    assert ratings.read_text() == RATINGS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "pilot.csv"]


def test_a_report_never_replaces_an_input_or_another_page(ratings: Path, tmp_path: Path) -> None:
    for name, output in (("ratings.html", "ratings.html"), ("page.analysis.json", "page.html")):
        given = tmp_path / name
        given.write_text(RATINGS)
        for files, judges in (([given], []), ([ratings], [given])):
            with pytest.raises(OpsError, match="input") as caught:
                report_files(tables(*files, judges=judges), created_at=NOW, output=tmp_path / output)
            assert caught.value.code == "would-overwrite"
        assert given.read_text() == RATINGS
    own = tmp_path / "instructions.html"
    own.write_text("<h1>How to rate</h1>")
    with pytest.raises(OpsError) as caught:
        report_files(tables(ratings), created_at=NOW, output=own)
    assert caught.value.code == "would-overwrite"
    assert own.read_text() == "<h1>How to rate</h1>"
    for _ in range(2):
        assert report_files(tables(ratings), created_at=NOW, output=tmp_path / "mine.htm").exit_code == 0


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "good"])
def test_a_word_among_numbers_is_a_warning_that_names_it(ratings: Path, tmp_path: Path, word: str) -> None:
    ratings.write_text(RATINGS.replace("boris,2,fluency,5", f"boris,2,fluency,{word}"))
    result = report_files(tables(ratings), created_at=NOW, output=tmp_path / "page.html")
    outcome = result.outcomes[0]
    assert (outcome.subject, outcome.state, outcome.code) == ("fluency", "warning", "mixed-values")
    sentence = f"1 of 6 values is no number: {word} (boris on item 2). The level is therefore taken as nominal."
    assert sentence in outcome.message
    assert "leave the cell empty" in outcome.hint and "level" in outcome.hint
    (criterion,) = result.data["criteria"]
    assert (criterion["level"], criterion["level_reason"], criterion["level_warning"]) == (
        "nominal",
        sentence,
        sentence,
    )
    assert f"fluency: {sentence}" in result.notes
    assert sentence in (tmp_path / "page.html").read_text()


def test_a_word_among_numbers_is_an_error_where_numbers_are_declared(ratings: Path) -> None:
    ratings.write_text(RATINGS.replace("boris,2,fluency,5", "boris,2,fluency,NA"))
    (outcome,) = analyze_files(tables(ratings, levels={"fluency": Level.ORDINAL}), created_at=NOW).outcomes
    assert (outcome.state, outcome.code) == ("warning", "not-numeric")
    assert "NA (boris on item 2)" in outcome.message
    (quiet,) = analyze_files(tables(ratings, levels={"fluency": Level.NOMINAL}), created_at=NOW).outcomes
    assert (quiet.state, quiet.code) == ("ok", "")


def test_a_finding_names_its_item(study: Study, collected: Store) -> None:
    lone = (Finding("anna", "7", "skipped", "the annotator skipped it."), Finding("anna", None, "odd", "Odd export."))
    export = collected.latest_export("anna")
    assert export is not None
    collected.put_parsed(export, Parsed((), lone), reading_hash(study))
    text = Path(report_study(study, collected, created_at=NOW).data["report"]).read_text()
    assert "Item 7: the annotator skipped it.</td>" in text
    assert ">Odd export.</td>" in text


def test_a_real_data_set_from_file_to_page(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    files = [shared_data("summeval/ratings-experts.csv")]
    judges = [shared_data("summeval/judges.csv")]
    page = tmp_path / "summeval.html"
    report_files(tables(*files, judges=judges), created_at=NOW, output=page)
    text = page.read_text()
    assert "Mean of the four criteria" in text
    assert "0.673" in text and "0.660" in text
