"""From what Label Studio writes to an agreement value, for every control that answers something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.answers import lengths_of
from annotator_ops.labeling import criteria_of, parse
from annotator_ops.measures import Rating
from annotator_ops.models import Criterion, JSONDict, Level, Task
from annotator_ops.results import parse_export, reading_of
from annotator_ops.stats.agreement.alpha import krippendorff_alpha
from annotator_ops.stats.preferences import PreferenceShares, preference_shares
from annotator_ops.stats.reliability import ReliabilityData, reliability_data
from annotator_ops.stats.structured import (
    Agreement,
    ranking_agreement,
    region_agreement,
    set_agreement,
    text_agreement,
)
from annotator_ops.stats.values import ValueKind, as_label_set, kind_of
from annotator_ops.study import load
from tests.collect.samples import Exported, study

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "studies"
TALK = [{"who": "A", "text": "Good morning."}, {"who": "B", "text": "Is it?"}, {"who": "A", "text": "It is."}]
DATA = {"text": "Anna met Ben in Riga.", "html": "<p>Anna</p>", "talk": TALK, "url": "https://example.org/1",
        "list": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}  # fmt: skip
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Text name="other" value="$text"/>
  <HyperText name="html" value="$html"/>
  <Paragraphs name="talk" value="$talk" nameKey="who" textKey="text" layout="dialogue"/>
  <Image name="image" value="$url"/>
  <Audio name="audio" value="$url"/>
  <Video name="video" value="$url"/>
  <TimeSeries name="series" value="$url" valueType="url"><Channel column="v"/></TimeSeries>
  <List name="list" value="$list"/>
  <Number name="number" toName="text"/>
  <Rating name="rating" toName="text"/>
  <Choices name="choice" toName="text"><Choice value="A"/><Choice value="B"/></Choices>
  <Choices name="choices" toName="text" choice="multiple">
    <Choice value="A"/><Choice value="B"/><Choice value="C"/>
  </Choices>
  <Taxonomy name="tree" toName="text">
    <Choice value="Animal"><Choice value="Dog"/><Choice value="Cat"/></Choice><Choice value="Stone"/>
  </Taxonomy>
  <Pairwise name="pair" toName="text,other"/>
  <Ranker name="rank" toName="list"/>
  <Ranker name="bucket" toName="list"><Bucket name="good" title="Good"/><Bucket name="bad" title="Bad"/></Ranker>
  <TextArea name="answer" toName="text"/>
  <Labels name="spans" toName="text"><Label value="Person"/><Label value="Place"/></Labels>
  <HyperTextLabels name="hyper" toName="html"><Label value="Person"/></HyperTextLabels>
  <ParagraphLabels name="said" toName="talk"><Label value="Polite"/></ParagraphLabels>
  <Labels name="heard" toName="audio"><Label value="Speech"/></Labels>
  <TimeSeriesLabels name="runs" toName="series"><Label value="Run"/></TimeSeriesLabels>
  <TimelineLabels name="moves" toName="video"><Label value="Move"/></TimelineLabels>
  <RectangleLabels name="boxes" toName="image"><Label value="Car"/></RectangleLabels>
  <EllipseLabels name="rings" toName="image"><Label value="Car"/></EllipseLabels>
  <PolygonLabels name="outlines" toName="image"><Label value="Car"/></PolygonLabels>
  <KeyPointLabels name="points" toName="image"><Label value="Eye"/></KeyPointLabels>
  <Rectangle name="plain" toName="image"/>
  <BrushLabels name="brush" toName="image"><Label value="Car"/></BrushLabels>
</View>"""
ITEMS = ("t1", "t2")
IMAGE = {"original_width": 640, "original_height": 480, "image_rotation": 0}


def answer(control: str, kind: str, to_name: str, value: JSONDict, **more: Any) -> JSONDict:
    return {"id": "r", "from_name": control, "to_name": to_name, "type": kind, "value": value, **more}


def collected(tmp_path: Path, control: str, by_annotator: dict[str, Sequence[Sequence[JSONDict]]]) -> list[Rating]:
    """What the project makes of annotators' results for one control: for each annotator a list of results an item."""
    levels = {"number": Level.INTERVAL, "rating": Level.ORDINAL}
    criterion = Criterion(control, control, levels.get(control, Level.NOMINAL))
    one = replace(
        study(tmp_path, criteria=(criterion,)),
        label_config=CONFIG,
        tasks=tuple(Task(name, {"id": name, **DATA}) for name in ITEMS),
    )
    found: list[Rating] = []
    for annotator, per_item in by_annotator.items():
        exported = Exported()
        for name, results in zip(ITEMS, per_item, strict=True):
            exported.task(name, {"id": name, **DATA})
            exported.annotate(name, results)
        parsed = parse_export(exported.content, annotator=annotator, reading=reading_of(one), source="hash")
        assert [finding.code for finding in parsed.findings] == []
        found += parsed.ratings
    return found


def reliability(ratings: Sequence[Rating], level: Level) -> ReliabilityData:
    built = reliability_data(ratings, level=level)
    assert isinstance(built, ReliabilityData)
    return built


def kinds(ratings: Sequence[Rating]) -> ValueKind:
    return kind_of([rating.value for rating in ratings if rating.value is not None])


def values(found: Agreement) -> dict[str, float | None]:
    return {name: estimate.value for name, estimate in found.estimates.items()}


# --- one value an item -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "kind", "key", "level", "given", "expected"),
    [
        ("number", "number", "number", Level.INTERVAL, [[3, 5], [3, 6]], 1 - 0.5 / 4.5),
        ("rating", "rating", "rating", Level.ORDINAL, [[1, 5], [1, 5]], 1.0),
        ("choice", "choices", "choices", Level.NOMINAL, [[["A"], ["B"]], [["A"], ["A"]]], 0.0),
        ("pair", "pairwise", "selected", Level.NOMINAL, [["left", "right"], ["right", "left"]], -0.5),
    ],
)
def test_one_value_an_item(
    control: str, kind: str, key: str, level: Level, given: Any, expected: float, tmp_path: Path
) -> None:
    to_name = "text,other" if control == "pair" else "text"
    ratings = collected(
        tmp_path,
        control,
        {f"r{row}": [[answer(control, kind, to_name, {key: value})] for value in own] for row, own in enumerate(given)},
    )
    assert krippendorff_alpha(reliability(ratings, level)).value == pytest.approx(expected)
    if control == "pair":
        shares = preference_shares(ratings)
        assert isinstance(shares, PreferenceShares) and shares.left.value == 0.5


# --- sets, orders, texts ---------------------------------------------------------------------------------------------


def sets(ratings: Sequence[Rating], **options: Any) -> Agreement:
    as_sets = [
        replace(each, value=as_label_set(each.value)) if isinstance(each.value, tuple) else each for each in ratings
    ]
    return set_agreement(reliability(as_sets, Level.NOMINAL), **options)


def test_choices(tmp_path: Path) -> None:
    def chosen(*labels: str) -> list[JSONDict]:
        return [answer("choices", "choices", "text", {"choices": list(labels)})]

    ratings = collected(
        tmp_path, "choices", {"anna": [chosen("A", "B"), chosen("C")], "ben": [chosen("B"), chosen("C")]}
    )
    assert kinds(ratings) is ValueKind.LABEL_SETS
    # Distances within items ½ and 0; among the four values ½, 1, 1, 1, 1, 0.
    assert values(sets(ratings))["alpha_jaccard"] == pytest.approx(1 - (0.5 / 2) / (4.5 / 6))
    assert list(sets(ratings).by_label) == ["A", "B", "C"]


def test_taxonomy(tmp_path: Path) -> None:
    def placed(*paths: list[str]) -> list[JSONDict]:
        return [answer("tree", "taxonomy", "text", {"taxonomy": list(paths)})]

    ratings = collected(
        tmp_path,
        "tree",
        {
            "anna": [placed(["Animal", "Dog"]), placed(["Stone"])],
            "ben": [placed(["Animal", "Cat"]), placed(["Stone"])],
        },
    )
    found = values(sets(ratings, taxonomy=True))
    assert found["alpha_jaccard"] == pytest.approx(1 - (1 / 2) / (5 / 6))
    # With "Animal" in common, two of three are not.
    assert found["alpha_jaccard_ancestors"] == pytest.approx(1 - (2 / 3 / 2) / ((4 + 2 / 3) / 6))


@pytest.mark.parametrize("written", ["list", "under its name"])
def test_a_ranker_is_an_order(written: str, tmp_path: Path) -> None:
    def ranked(order: str) -> list[JSONDict]:
        ids: Any = list(order)
        return [answer("rank", "ranker", "list", {"ranker": ids if written == "list" else {"rank": ids}})]

    ratings = collected(
        tmp_path, "rank", {"anna": [ranked("abc"), ranked("abc")], "ben": [ranked("abc"), ranked("cba")]}
    )
    assert ratings[0].value == ("a", "b", "c")
    assert values(ranking_agreement(ratings)) == {"kendall_w": pytest.approx(0.5), "kendall_tau": pytest.approx(0)}
    controls = {control.name: control.ranks for control in parse(CONFIG).controls}
    assert [name for name, ranks in controls.items() if ranks] == ["rank"]


def test_a_ranker_with_buckets_is_a_set(tmp_path: Path) -> None:
    def sorted_into(**buckets: str) -> list[JSONDict]:
        return [answer("bucket", "ranker", "list", {"ranker": {name: list(ids) for name, ids in buckets.items()}})]

    ratings = collected(
        tmp_path,
        "bucket",
        {
            "anna": [sorted_into(good="ba", bad="c"), sorted_into(_="abc", good="", bad="")],
            "ben": [sorted_into(good="a", bad="c", _="b"), sorted_into(_="abc")],
        },
    )
    assert [rating.value for rating in ratings[:2]] == [("bad > c", "good > a", "good > b"), ()]
    assert values(sets(ratings))["mean_jaccard"] == pytest.approx((2 / 3 + 1) / 2)


def test_text_area(tmp_path: Path) -> None:
    def wrote(text: str) -> list[JSONDict]:
        return [answer("answer", "textarea", "text", {"text": [text]})]

    ratings = collected(
        tmp_path, "answer", {"anna": [wrote("Кот спит"), wrote("a b")], "ben": [wrote("кот спит"), wrote("c")]}
    )
    assert values(text_agreement(ratings))["token_f1"] == pytest.approx(0.5)


# --- regions ---------------------------------------------------------------------------------------------------------

POINTS = [[10, 10], [30, 10], [30, 30], [10, 30]]
REGIONS: dict[str, tuple[JSONDict, JSONDict, float]] = {
    "spans": (
        answer("spans", "labels", "text", {"start": 0, "end": 4, "text": "Anna", "labels": ["Person"]}),
        answer("spans", "labels", "text", {"start": 0, "end": 8, "text": "Anna met", "labels": ["Person"]}),
        4 / 8,
    ),
    "hyper": (
        answer("hyper", "hypertextlabels", "html", {
            "start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 4,
            "globalOffsets": {"start": 0, "end": 4}, "text": "Anna", "hypertextlabels": ["Person"]}),
        answer("hyper", "hypertextlabels", "html", {
            "start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 1, "endOffset": 4,
            "globalOffsets": {"start": 1, "end": 4}, "text": "nna", "hypertextlabels": ["Person"]}),
        3 / 4,
    ),
    "said": (
        answer("said", "paragraphlabels", "talk", {
            "start": "0", "end": "1", "startOffset": 5, "endOffset": 2, "paragraphlabels": ["Polite"]}),
        answer("said", "paragraphlabels", "talk", {
            "start": "0", "end": "0", "startOffset": 5, "endOffset": 13, "paragraphlabels": ["Polite"]}),
        8 / 10,
    ),
    "heard": (
        answer("heard", "labels", "audio", {"start": 1.0, "end": 3.0, "channel": 0, "labels": ["Speech"]},
               original_length=10.0),
        answer("heard", "labels", "audio", {"start": 1.5, "end": 3.0, "channel": 0, "labels": ["Speech"]},
               original_length=10.0),
        1.5 / 2,
    ),
    "runs": (
        answer("runs", "timeserieslabels", "series", {
            "start": 1592250751951, "end": 1592250752951, "instant": False, "timeserieslabels": ["Run"]}),
        answer("runs", "timeserieslabels", "series", {
            "start": 1592250751951, "end": 1592250752751, "instant": False, "timeserieslabels": ["Run"]}),
        0.8,
    ),
    "moves": (
        answer("moves", "timelinelabels", "video", {"ranges": [{"start": 3, "end": 6}], "timelinelabels": ["Move"]}),
        answer("moves", "timelinelabels", "video", {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["Move"]}),
        3 / 4,
    ),
    "boxes": (
        answer("boxes", "rectanglelabels", "image", {
            "x": 50, "y": 50, "width": 10, "height": 20, "rotation": 90, "rectanglelabels": ["Car"]}, **IMAGE),
        answer("boxes", "rectanglelabels", "image", {
            "x": 35, "y": 50, "width": 15, "height": 10, "rotation": 0, "rectanglelabels": ["Car"]}, **IMAGE),
        10 / (64 / 4.8),
    ),
    "rings": (
        answer("rings", "ellipselabels", "image", {
            "x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 0, "ellipselabels": ["Car"]}, **IMAGE),
        answer("rings", "ellipselabels", "image", {
            "x": 50, "y": 50, "radiusX": 10, "radiusY": 8, "rotation": 0, "ellipselabels": ["Car"]}, **IMAGE),
        0.8,
    ),
    "outlines": (
        answer("outlines", "polygonlabels", "image", {
            "points": POINTS, "closed": True, "polygonlabels": ["Car"]}, **IMAGE),
        answer("outlines", "polygonlabels", "image", {
            "points": [*POINTS[:3], [20, 30], [10, 20]], "closed": True, "polygonlabels": ["Car"]}, **IMAGE),
        350 / 400,
    ),
    "plain": (
        answer("plain", "rectangle", "image", {"x": 0, "y": 0, "width": 10, "height": 10, "rotation": 0}, **IMAGE),
        answer("plain", "rectangle", "image", {"x": 0, "y": 0, "width": 10, "height": 8, "rotation": 0}, **IMAGE),
        0.8,
    ),
}  # fmt: skip


@pytest.mark.parametrize("control", REGIONS)
def test_regions(control: str, tmp_path: Path) -> None:
    mine, theirs, iou = REGIONS[control]
    ratings = collected(tmp_path, control, {"anna": [[mine], [mine]], "ben": [[theirs], []]})
    assert kinds(ratings) is ValueKind.REGIONS
    config = parse(CONFIG)
    known = config.control(control)
    assert known is not None
    lengths = lengths_of(known, config, [Task(name, {"id": name, **DATA}) for name in ITEMS])
    found = values(region_agreement(ratings, lengths=lengths))
    assert found["mean_iou"] == pytest.approx(iou, abs=1e-3)
    assert found["f1_iou_50"] == pytest.approx(2 / 3)
    same = collected(tmp_path, control, {"anna": [[mine], [mine]], "ben": [[mine], [mine]]})
    assert values(region_agreement(same, lengths=lengths))["f1_iou_50"] == 1


def test_key_points(tmp_path: Path) -> None:
    def point(x: float) -> JSONDict:
        value = {"x": x, "y": 40, "width": 0.5, "keypointlabels": ["Eye"]}
        return answer("points", "keypointlabels", "image", value, **IMAGE)

    ratings = collected(tmp_path, "points", {"anna": [[point(30)], [point(30)]], "ben": [[point(31)], [point(60)]]})
    assert values(region_agreement(ratings))["f1_within_1_percent"] == 0.5


def test_what_is_not_compared_says_so(tmp_path: Path) -> None:
    painted = answer("brush", "brushlabels", "image", {"format": "rle", "rle": [1, 2], "brushlabels": ["Car"]}, **IMAGE)
    ratings = collected(tmp_path, "brush", {"anna": [[painted], []], "ben": [[painted], []]})
    for estimate in region_agreement(ratings).estimates.values():
        assert estimate.value is None and estimate.reason is not None
        assert estimate.reason.code == "unsupported-region" and "brushlabels" in estimate.reason.sentence


def test_lengths_are_those_of_the_text_that_is_shown() -> None:
    config = parse(CONFIG)
    tasks = [Task("t1", {"id": "t1", **DATA, "text": "🙂 ok"}), Task("t2", {"id": "t2"})]
    found = {control.name: lengths_of(control, config, tasks) for control in config.controls if control.marks_regions}
    assert found["spans"] == {"t1": (4.0,)}, "a code point counts once, as in Label Studio's offsets"
    assert found["said"] == {"t1": (13.0, 6.0, 6.0)}
    assert all(found[name] == {} for name in ("hyper", "heard", "runs", "moves", "boxes"))


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (answer("rank", "ranker", "list", {"ranker": ["a", "a"]}), "twice"),
        (answer("rank", "ranker", "list", {"ranker": {"other": ["a"]}}), "no ranking"),
        (answer("rank", "ranker", "list", {"ranker": ["a", 2]}), "no ranking"),
        (answer("bucket", "ranker", "list", {"ranker": ["a"]}), "no division into buckets"),
        (answer("bucket", "ranker", "list", {"ranker": {"best": ["a"]}}), "no bucket “best”"),
        (answer("bucket", "ranker", "list", {"ranker": {"good": "a"}}), "no ranking"),
        (
            answer("outlines", "polygonlabels", "image", {"points": [[0, float("nan")]], "polygonlabels": ["Car"]}),
            "points is no finite number",
        ),
    ],
)
def test_what_the_control_cannot_have_produced_is_no_value(result: JSONDict, says: str, tmp_path: Path) -> None:
    criterion = Criterion(result["from_name"], result["from_name"], Level.NOMINAL)
    one = replace(
        study(tmp_path, criteria=(criterion,)), label_config=CONFIG, tasks=(Task("t1", {"id": "t1", **DATA}),)
    )
    exported = Exported()
    exported.task("t1", {"id": "t1", **DATA})
    exported.annotate("t1", [result])
    parsed = parse_export(exported.content, annotator="anna", reading=reading_of(one), source="hash")
    assert [(rating.value, rating.reason) for rating in parsed.ratings] == [(None, "invalid")]
    assert says in parsed.findings[0].message


# --- the templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", sorted(path.name for path in TEMPLATES.iterdir()))
def test_everything_that_a_template_asks_has_an_agreement(template: str) -> None:
    """Two annotators who answer the same, with every criterion of a template, agree fully."""
    one = load(TEMPLATES / template / "study.yaml")
    config = parse(one.label_config)
    ratings: list[Rating] = []
    for annotator in ("anna", "ben"):
        exported = Exported()
        for number, task in enumerate(one.tasks):
            exported.task(task.id, task.data)
            results = [made(config.control(each.control), number) for each in criteria_of(one)]
            exported.annotate(task.id, results)
        parsed = parse_export(exported.content, annotator=annotator, reading=reading_of(one), source="hash")
        assert [finding.message for finding in parsed.findings] == []
        ratings += parsed.ratings
    for criterion in criteria_of(one):
        own = [rating for rating in ratings if rating.criterion == criterion.name]
        kind = kinds(own)
        if kind is ValueKind.REGIONS:
            assert values(region_agreement(own))["f1_iou_50"] == 1
        elif kind is ValueKind.LABEL_SETS:
            assert values(sets(own))["alpha_masi"] == 1
        else:
            assert krippendorff_alpha(reliability(own, criterion.level)).value == 1


def made(control: Any, number: int) -> JSONDict:
    """An answer to a control that varies with the number."""
    label = control.labels[number % len(control.labels)] if control.labels else ""
    values: dict[str, JSONDict] = {
        "Choices": {"choices": [label]},
        "Rating": {"rating": 1 + number % 5},
        "TextArea": {"text": [f"Answer {number}"]},
        "Labels": {"start": number, "end": number + 3, "text": "…", "labels": [label]},
        "RectangleLabels": {
            "x": 3.0,
            "y": 3.0,
            "width": 5.0 + number,
            "height": 4.0,
            "rotation": 0,
            "rectanglelabels": [label],
        },
    }
    return answer(control.name, control.tag.lower(), ",".join(control.to_name), values[control.tag])
