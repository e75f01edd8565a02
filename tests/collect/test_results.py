"""An export read against a study: what counts, what does not, and that nothing an annotator posts can break it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.measures import Rating, Value
from annotator_ops.results import Parsed, Reading, parse_export, reading_hash, reading_of
from tests.collect.samples import CRITERIA, Exported, quality, result, study, tasks


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return reading_of(study(tmp_path_factory.mktemp("study"), "t1", criteria=CRITERIA))


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    return reading_of(study(tmp_path_factory.mktemp("study"), "t1", "t2"))


def read(exported: Exported, reading: Reading) -> Parsed:
    for task in reading.tasks:
        exported.task(task.id)
    return parse_export(exported.content, annotator="anna", reading=reading, source="hash")


def codes(parsed: Parsed) -> list[tuple[str | None, str]]:
    return [(finding.item, finding.code) for finding in parsed.findings]


def values(parsed: Parsed) -> dict[str, Value | str | None]:
    """Values by criterion, a reason in place of what is missing."""
    return {rating.criterion: rating.reason if rating.value is None else rating.value for rating in parsed.ratings}


ANSWERS = [
    result("quality", "choices", {"choices": ["good"]}),
    result("kind", "choices", {"choices": ["b", "a", "b"]}),
    result("score", "choices", {"choices": ["2"]}),
    result("stars", "rating", {"rating": 4}),
    result("count", "number", {"number": 3}),
    result("pair", "pairwise", {"selected": "left"}, to_name="text,other"),
    result("tree", "taxonomy", {"taxonomy": [["A", "B"], ["A"]]}),
    result("summary", "textarea", {"text": ["one", " two "]}),
    result("when", "datetime", {"datetime": "2026-01-31"}),
    result("spans", "labels", {"start": 0, "end": 4, "text": "text", "labels": ["X"]}),
    result("comment", "textarea", {"text": ["fine"]}),
]


def test_each_kind_of_control_gives_its_value(reading: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", ANSWERS)
    parsed = read(exported, reading)
    assert values(parsed) == {
        "quality": 3.0,
        "kind": ("a", "b"),
        "score": 2.0,
        "stars": 4.0,
        "count": 3.0,
        "pair": "left",
        "tree": ("A", "A > B"),
        "summary": "one\ntwo",
        "when": "2026-01-31",
        "spans": ({"type": "labels", "start": 0, "end": 4, "text": "text", "labels": ["X"]},),
    }
    assert codes(parsed) == []
    assert [(comment.control, comment.text) for comment in parsed.comments] == [("comment", "fine")]
    assert parsed.ratings[0] == Rating(
        "anna", "human", "t1", "quality", 3.0, None, datetime(2026, 1, 31, 12, 1, tzinfo=UTC), 5.0, "hash"
    )


WRONG: list[tuple[str, Any]] = [
    ("quality", result("quality", "choices", {"choices": ["excellent"]})),
    ("quality", result("quality", "choices", {"choices": ["bad", "good"]})),
    ("quality", result("quality", "choices", {"choices": "good"})),
    ("quality", result("quality", "choices", {"choices": [3]})),
    ("quality", result("quality", "rating", {"rating": 3})),
    ("quality", result("quality", "choices", None)),
    ("quality", result("quality", "choices", {"choices": ["good"]}, to_name="elsewhere")),
    ("stars", result("stars", "rating", {"rating": 5})),
    ("stars", result("stars", "rating", {"rating": -1})),
    ("stars", result("stars", "rating", {"rating": 2.5})),
    ("stars", result("stars", "rating", {"rating": True})),
    ("stars", result("stars", "rating", {"rating": "4"})),
    ("stars", result("stars", "rating", {"rating": float("nan")})),
    ("count", result("count", "number", {"number": 10})),
    ("count", result("count", "number", {"number": -0.5})),
    ("count", result("count", "number", {"number": 10**400})),
    ("count", result("count", "number", {"number": float("inf")})),
    ("pair", result("pair", "pairwise", {"selected": "both"}, to_name="text,other")),
    ("pair", result("pair", "pairwise", {"selected": ["left"]}, to_name="text,other")),
    ("tree", result("tree", "taxonomy", {"taxonomy": [["A", "C"]]})),
    ("tree", result("tree", "taxonomy", {"taxonomy": "A"})),
    ("summary", result("summary", "textarea", {"text": 7})),
    ("when", result("when", "datetime", {"datetime": 20260131})),
    ("spans", result("spans", "labels", {"start": 0, "end": 4, "labels": ["Y"]})),
    ("spans", result("spans", "labels", {"start": 0, "end": float("nan"), "labels": ["X"]})),
]


@pytest.mark.parametrize(("criterion", "wrong"), WRONG)
def test_what_does_not_fit_the_config_is_a_finding_and_never_a_value(
    criterion: str, wrong: Any, reading: Reading
) -> None:
    exported = Exported()
    exported.annotate("t1", [wrong, *(answer for answer in ANSWERS if answer["from_name"] != criterion)])
    parsed = read(exported, reading)
    assert values(parsed)[criterion] == "invalid"
    assert codes(parsed) == [("t1", "invalid")]
    assert criterion in parsed.findings[0].message
    others = {name: value for name, value in values(parsed).items() if name != criterion}
    assert not {"invalid", "empty"} & {value for value in others.values() if isinstance(value, str)}


def test_an_answer_given_twice_is_no_value(simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", quality("good") + quality("bad"))
    assert values(read(exported, simple)) == {"quality": "invalid"}


@pytest.mark.parametrize("stray", [{"from_name": "nothing"}, {"from_name": ["quality"]}, {}, {"from_name": None}])
def test_a_result_of_no_control_is_reported_and_the_rest_counts(stray: Any, simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", [stray, *quality("good"), {"type": "relation", "from_id": "x", "to_id": "y"}])
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": 3.0}
    assert codes(parsed) == [("t1", "invalid")]


def test_an_unrated_control_is_checked_too(simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", [*quality("good"), result("stars", "rating", {"rating": 99})])
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": 3.0}
    assert codes(parsed) == [("t1", "invalid")]


@pytest.mark.parametrize("nothing", [[], None, [result("quality", "choices", {"choices": []})]])
def test_empty_is_missing_and_reported(nothing: Any, simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", nothing)
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": "empty"}
    assert codes(parsed) == [("t1", "empty")]


def test_no_region_is_an_answer(reading: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", quality("good"))
    assert values(read(exported, reading))["spans"] == ()


def test_skips_and_drafts_are_missing_with_their_reason(simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", [], skipped=True, seconds=None)
    exported.draft("t2", quality("good"))
    parsed = read(exported, simple)
    assert [(rating.item, rating.value, rating.reason) for rating in parsed.ratings] == [
        ("t1", None, "skipped"),
        ("t2", None, "draft"),
    ]
    assert codes(parsed) == [("t1", "skipped"), ("t2", "draft")]
    assert (parsed.counts.done, parsed.counts.skipped, parsed.counts.drafts, parsed.counts.total) == (0, 1, 1, 2)


def test_what_nobody_opened_has_no_rating(simple: Reading) -> None:
    assert read(Exported(), simple).ratings == ()


def test_the_latest_annotation_counts_and_the_others_are_named(simple: Reading) -> None:
    exported = Exported()
    first = exported.annotate("t1", quality("bad"))
    exported.annotate("t1", quality("good"))
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": 3.0}
    assert [(each.code, each.annotation) for each in parsed.findings] == [("second-annotation", "u31-1")]
    # A change to the first makes it the latest.
    first["updated_at"] = "2026-02-01T00:00:00Z"
    assert values(read(exported, simple)) == {"quality": 1.0}


def test_a_skip_after_an_annotation_counts(simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", quality("bad"))
    exported.annotate("t1", [], skipped=True)
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": "skipped"}
    assert codes(parsed) == [("t1", "second-annotation"), ("t1", "skipped")]


def test_a_draft_of_a_change_leaves_the_submitted_answer(simple: Reading) -> None:
    exported = Exported()
    exported.annotate("t1", quality("bad"))
    exported.draft("t1", quality("good"))
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": 1.0}
    assert codes(parsed) == [("t1", "draft")]


def test_answers_to_an_altered_task_do_not_count(simple: Reading) -> None:
    exported = Exported()
    exported.task("t1", {"id": "t1", "text": "something else"})
    exported.annotate("t1", quality("good"))
    parsed = read(exported, simple)
    assert values(parsed) == {"quality": "altered"}
    assert codes(parsed) == [("t1", "altered-task")]


def test_tasks_unknown_missing_and_doubled_are_named(simple: Reading) -> None:
    exported = Exported()
    exported.task("t1")
    exported.annotate("t1", quality("bad"))
    exported.task("copy", tasks("t1")[0].data)
    exported.annotate("copy", quality("good"))
    exported.annotate("stranger", quality("good"))
    parsed = parse_export(exported.content, annotator="anna", reading=simple, source="hash")
    assert values(parsed) == {"quality": 3.0}
    assert codes(parsed) == [
        ("t1", "doubled-task"),
        ("t1", "second-annotation"),
        ("t2", "missing-task"),
        ("stranger", "unknown-task"),
    ]
    assert [seen.unique_id for seen in parsed.annotations] == ["u31-1", "u31-2", "u31-3"], "history knows all of them"


def test_a_choice_without_a_declared_number_is_no_value(tmp_path: Path) -> None:
    from dataclasses import replace

    partial = replace(CRITERIA[0], values={"bad": 1.0})
    exported = Exported()
    exported.annotate("t1", quality("good"))
    parsed = read(exported, reading_of(study(tmp_path, "t1", criteria=(partial,))))
    assert values(parsed) == {"quality": "invalid"}


def test_the_reading_changes_with_what_can_change_ratings(tmp_path: Path) -> None:
    from dataclasses import replace

    one = study(tmp_path, "t1")
    assert reading_hash(one) == reading_hash(replace(one, title="Another title"))
    changed = [
        replace(one, criteria=(replace(one.criteria[0], values={"bad": 0, "fair": 2, "good": 3}),)),
        replace(one, tasks=tasks("t1", "t2")),
        replace(one, label_config=one.label_config.replace("fair", "middling")),
    ]
    assert len({reading_hash(each) for each in [one, *changed]}) == 4


# --- whatever is posted ----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from(["quality", "text", "choices", "good", "\ud800", "rating", "=1+1"])
    | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONTROL = st.sampled_from([control["from_name"] for control in ANSWERS])
TYPE = st.sampled_from([answer["type"] for answer in ANSWERS])
KEY = st.sampled_from(["choices", "rating", "number", "selected", "taxonomy", "text", "datetime", "labels", "start"])
POSTED = st.one_of(
    JSON.filter(lambda posted: isinstance(posted, dict)),
    st.fixed_dictionaries(
        {
            "from_name": CONTROL,
            "to_name": st.sampled_from(["text", "text,other"]),
            "type": TYPE,
            "value": st.dictionaries(KEY, JSON, max_size=2),
        }
    ),
)


@settings(max_examples=300, deadline=None)
@given(posted=st.lists(POSTED, max_size=4), seconds=JSON)
def test_nothing_that_is_posted_breaks_the_reading(reading: Reading, posted: list[Any], seconds: Any) -> None:
    exported = Exported()
    exported.annotate("t1", posted, seconds=seconds)
    parsed = read(exported, reading)
    assert [rating.criterion for rating in parsed.ratings] == [criterion.name for criterion in CRITERIA]
    for rating in parsed.ratings:
        assert (rating.value is None) == (rating.reason is not None)
        json.dumps(rating.value, ensure_ascii=False).encode()
    for finding in parsed.findings:
        finding.message.encode()
