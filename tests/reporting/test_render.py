"""The page: nothing from outside, everything from people escaped, readable by machines that read to people."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from annotator_ops.models import JSONDict
from annotator_ops.reporting.render import render, script_json, write
from tests.reporting.example import HOSTILE, example
from tests.reporting.judge_example import HOSTILE_JUDGE, HOSTILE_SYSTEM, judge_example

GOLDEN = Path(__file__).parent / "golden"
VOID = {"meta", "br", "hr", "img", "link", "input"}
# Attributes that can make a browser load or go somewhere.
LOADS = {"src", "href", "srcset", "action", "formaction", "data", "poster", "background", "xlink:href", "cite", "ping"}


class Reader(HTMLParser):
    """The page as a browser sees it: elements with attributes, texts, and whether the elements nest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open:
            self.inside.setdefault(self.open[-1], []).append(data)

    def all(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture(scope="module")
def analysis() -> JSONDict:
    return example()


@pytest.fixture(scope="module")
def page(analysis: JSONDict) -> str:
    return render(analysis)


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    return Reader(page)


@pytest.fixture(scope="module")
def judged() -> str:
    return render(judge_example())


@pytest.mark.parametrize("which", ["page", "judged"])
def test_nothing_comes_from_outside(which: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(which)
    read = Reader(page)
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            if name in LOADS:
                assert value.startswith("#"), f"<{tag} {name}={value}>"
            assert "url(" not in value or re.fullmatch(r".*url\(#[\w.-]+\).*", value), f"<{tag} {name}={value}>"
            assert not name.startswith("on"), f"<{tag} {name}>"
    for style in read.inside["style"]:
        assert "url(" not in style and "@import" not in style
    assert {tag for tag, _ in read.elements} & {"link", "img", "iframe", "object", "embed", "form", "base"} == set()
    addresses = re.findall(r"(?:https?:)?//[^\s\"'<>]+", page)
    mallory = {"https://evil.example/x.png"} if which == "page" else set()
    assert set(addresses) == mallory, "only in what Mallory wrote, as text"


def test_what_models_and_systems_are_called_is_text(judged: str) -> None:
    read = Reader(judged)
    assert HOSTILE_SYSTEM in "".join(read.texts) and HOSTILE_JUDGE in "".join(read.texts)
    assert len(read.all("script")) == 2
    assert not [found for found in read.all("b") if not found]


def test_judges_and_leaderboard_can_be_read_without_seeing_them(judged: str) -> None:
    read = Reader(judged)
    assert len(read.all("caption")) == len(read.all("table"))
    assert all(found.get("scope") in {"row", "col"} for found in read.all("th"))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    charts = [found for found in read.all("div") if found.get("role") == "img"]
    # The overview; three distributions and one of the mean; two charts for each criterion with an order.
    assert len(charts) == 1 + 4 + 2 * 3
    assert len(read.all("svg")) == 2 * len(charts), "each for a wide and for a narrow screen"
    assert all(len(found["aria-label"]) > 40 for found in charts)
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {found["for"] for found in read.all("label")}
    assert {found["id"] for found in read.all("input")} == labelled
    regions = [found for found in read.all("div") if found.get("role") == "region"]
    names = [found["aria-label"] for found in regions if "aria-label" in found]
    assert len(names) == len(set(names))


def test_it_says_of_judges_what_a_reviewer_asks(judged: str) -> None:
    text = " ".join("".join(Reader(judged).texts).split())
    for said in (
        "Three annotators rated 90 items on three criteria",
        "A single annotator follows the mean of the others with ρ =",
        "The alternative annotator test (ε = .15, skilled annotators;",
        "Thresholds: Calderon, Reichart & Dror 2025",
        'weighted mean of gpt · v2 and llama"><b> by 2 : 1;',
        "items lack a judge’s score: left out",
        "Scores of model judges that are not there, and why",
        "no score in the reply",
        "v1 → v2",
        "judge minus people on systems of its own family",
        "of pairs shown in both orders; 50% where the place does not matter",
        "The annotators’ most frequent answer is given by gpt · v2",
        "scored by people and judges",
        "Benjamini and Yekutieli (2001)",
    ):
        assert said in text, said


def test_it_runs_no_script(read: Reader) -> None:
    assert read.all("script") == [{"type": "application/json", "id": "analysis"}]
    (policy,) = [found for found in read.all("meta") if found.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"].startswith("default-src 'none'")


def test_what_people_wrote_is_text(page: str, read: Reader) -> None:
    text = "".join(read.texts)
    for hostile in HOSTILE:
        assert hostile in text
    for name in ('mallory"><b>', "<i>other</i>", "Dialogues <pilot> & more", "<u>text</u>"):
        assert name in text
    assert {"b", "i", "u", "pilot"} & {tag for tag, _ in read.elements} == set()
    assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b(?=\s*\u2028)", page)


def test_the_analysis_is_in_the_page_as_data(page: str, analysis: JSONDict, read: Reader) -> None:
    (embedded,) = read.inside["script"]
    assert json.loads(embedded) == analysis
    assert not set(embedded) & set("<>&\u2028\u2029")


def test_json_in_a_page_cannot_leave_its_element() -> None:
    data = {"</script>": "<!--<script>", "amp": "&lt;"}
    text = script_json(data)
    assert "<" not in text and "&" not in text
    assert json.loads(text) == data


def test_it_can_be_read_without_seeing_it(read: Reader) -> None:
    assert read.all("html") == [{"lang": "en"}]
    assert len(read.all("h1")) == len(read.all("main")) == 1
    tables = len(read.all("table"))
    assert tables > 10
    assert len(read.all("caption")) == tables
    assert all(found.get("scope") in {"row", "col"} for found in read.all("th"))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    charts = [found for found in read.all("div") if found.get("role") == "img"]
    assert len(charts) == 9
    assert len(read.all("svg")) == 2 * len(charts)
    assert all(len(found["aria-label"]) > 40 for found in charts)
    assert all(found["aria-hidden"] == "true" for found in read.all("svg"))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, found in read.elements for name, value in found.items() if name == "href"}
    assert targets <= set(ids)


def test_it_says_what_a_reviewer_asks(read: Reader) -> None:
    text = " ".join("".join(read.texts).split())
    for said in (
        "Three annotators rated 24 items on four criteria, giving 282 ratings on 12 January 2026.",
        "6 more have no value; they count as missing, never as a value.",
        "Krippendorff, Content Analysis, 4th ed., 2019",
        "200 resamples, seed 0",
        "Item dialogue-3: it was changed",
        "5 times “second annotation”: dialogue-1, dialogue-2, dialogue-3, dialogue-4, dialogue-5",
        "1 item lacks a judge’s score: left out",
        "2 on In character, 2 on Entertaining, 2 on Quality",
        "No mean over the criteria, because they are not on one scale",
    ):
        assert said in text, said


def test_simulated_annotators_are_announced_first(page: str) -> None:
    assert "SIMULATED" not in page
    simulated = render(example(simulated=True))
    assert simulated.index("SIMULATED.") < simulated.index('class="lead"')
    assert "programs, not people" in simulated


def test_the_same_analysis_gives_the_same_bytes(analysis: JSONDict, page: str) -> None:
    assert render(json.loads(json.dumps(analysis))) == page


@pytest.mark.parametrize(("which", "golden"), [("page", "report.html"), ("judged", "judges.html")])
def test_the_page_is_the_golden_page(which: str, golden: str, request: pytest.FixtureRequest) -> None:
    """Charts and the data in full length have tests of their own; they follow the versions of matplotlib and numpy.

    To renew a golden page after a wanted change, delete it, run this test, and read the difference.
    """
    path = GOLDEN / golden
    scrubbed = re.sub(r"<svg.*?</svg>", "<svg></svg>", request.getfixturevalue(which), flags=re.DOTALL)
    scrubbed = re.sub(r"(?<=<time>)[^<]*", "DATE", scrubbed)
    scrubbed = re.sub(r"(?<=<script type=.application/json. id=.analysis.>)[^<]*", "DATA", scrubbed)
    scrubbed = re.sub(r"<script>.*?</script>", "<script></script>", scrubbed, flags=re.DOTALL)
    scrubbed = re.sub(r"\b[0-9a-f]{64}\b", "HASH", scrubbed)
    scrubbed = re.sub(r"(?<=sha256-)[\w+/=]*", "HASH", scrubbed)
    if not path.exists():
        path.write_text(scrubbed, encoding="utf-8")
        pytest.fail(f"{path.name} was not there and has been written; read it, then run the test again")
    assert scrubbed == path.read_text(encoding="utf-8")


def test_an_empty_study_still_has_a_page() -> None:
    empty = example()
    nothing = {"value": None, "low": None, "high": None, "confidence": None, "method": "", "reason": "No ratings."}
    estimate = {**nothing, "reason_code": "no-ratings", "n_items": 0, "n_raters": 0}
    bare: JSONDict = {"distribution": None, "pairs": [], "raters": [], "judges": [], "missing": {}}
    bare |= {"ensembles": [], "judges_verdict": None, "human_ceiling": None}
    agreement = {"krippendorff_alpha": estimate, "percent_agreement": estimate}
    criteria = [{**criterion, **bare, "agreement": agreement} for criterion in empty["criteria"][:1]]
    data = {**empty["data"], "annotators": [], "judges": [], "n_items": 0, "n_ratings": 0, "first": None, "last": None}
    text = "".join(
        Reader(render({**empty, "criteria": criteria, "differences": [], "data": data, "findings": []})).texts
    )
    assert "No annotators rated 0 items" in text
    assert "No ratings." in text


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    write(path, "one")
    write(path, "two")
    assert path.read_text() == "two"
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]
