"""`validate`: how the parts of a study fit together, each mistake with its place and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotator_ops.errors import StudyError
from annotator_ops.steps.validate import validate as step
from annotator_ops.validation import load_valid, validate
from tests.study.making import CONFIG, TASKS, make


def only(path: Path) -> Any:
    study, problems = validate(path)
    assert study is not None
    assert len(problems) == 1, problems
    return problems[0]


def test_a_valid_study(tmp_path: Path) -> None:
    path = make(tmp_path)
    study, problems = validate(path)
    assert problems == ()
    assert study == load_valid(path)
    result = step(path)
    assert result.exit_code == 0
    assert result.data["criteria"] == [
        {"name": "mood", "control": "mood", "level": "nominal"},
        {"name": "stars", "control": "stars", "level": "ordinal"},
    ]


@pytest.mark.parametrize(
    ("criterion", "key_line", "code", "says", "hint"),
    [
        ("control: mod\n  level: nominal", 6, "criterion-control", "'mod'", "Did you mean 'mood'?"),
        ("control: zzz\n  level: nominal", 6, "criterion-control", "'zzz'", "mood, stars"),
        ("control: mood\n  level: ordinal", 7, "criterion-values", "is ordinal", "values: [Bad, OK, Good]"),
        ("control: mood\n  level: interval", 7, "criterion-values", "is interval", "[Bad, OK, Good]"),
        ("control: mood\n  level: ordinal\n  values: [Bad, Good]", 8, "criterion-values", "OK", "[Bad, OK, Good]"),
        ("control: mood\n  level: ordinal\n  values: [Bad, Ok, Good]", 8, "criterion-values", "'Ok'", "'OK'"),
        ("control: stars\n  level: ordinal\n  values: [1, 2]", 8, "criterion-values", "<Rating>", "Delete"),
    ],
)
def test_criteria(tmp_path: Path, criterion: str, key_line: int, code: str, says: str, hint: str) -> None:
    problem = only(make(tmp_path, f"criteria:\n- name: c\n  {criterion}"))
    assert (problem.where, problem.line, problem.code) == ("study.yaml", key_line, code)
    assert says in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "criterion",
    [
        "control: mood\n  level: nominal",
        "control: mood\n  level: ordinal\n  values: [Good, OK, Bad]",
        "control: mood\n  level: ratio\n  values: {Bad: 0, OK: 0.5, Good: 1}",
        "control: stars\n  level: interval",
    ],
)
def test_criteria_that_are_fine(tmp_path: Path, criterion: str) -> None:
    assert validate(make(tmp_path, f"criteria:\n- name: c\n  {criterion}"))[1] == ()


@pytest.mark.parametrize(
    ("control", "level", "code"),
    [
        ('<Choices name="c" toName="t" choice="multiple"><Choice value="a"/></Choices>', "ordinal", "criterion-level"),
        ('<TextArea name="c" toName="t"/>', "interval", "criterion-level"),
        ('<Labels name="c" toName="t"><Label value="L"/></Labels>', "ordinal", "criterion-level"),
        ('<Rating name="c" toName="t" perRegion="true"/>', "ordinal", "criterion-control"),
    ],
)
def test_levels_that_a_control_cannot_have(tmp_path: Path, control: str, level: str, code: str) -> None:
    config = f'<View><Text name="t" value="$text"/>{control}</View>'
    problem = only(make(tmp_path, f"criteria: [{{name: c, level: {level}}}]", config=config))
    assert problem.code == code


def test_labels_that_are_numbers_stand_for_themselves(tmp_path: Path) -> None:
    choices = "".join(f'<Choice value="{number}"/>' for number in (-1, 0, 2.5))
    config = f'<View><Text name="t" value="$text"/><Choices name="c" toName="t">{choices}</Choices></View>'
    assert validate(make(tmp_path, "criteria: [{name: c, level: interval}]", config=config))[1] == ()
    mixed = config.replace('"2.5"', '"many"')
    assert only(make(tmp_path, "criteria: [{name: c, level: interval}]", config=mixed)).code == "criterion-values"


def test_a_criterion_twice(tmp_path: Path) -> None:
    path = make(tmp_path, "criteria:\n- {name: mood, level: nominal}\n- {name: mood, level: nominal}")
    assert (only(path).code, only(path).line) == ("criterion-twice", 6)


def test_tasks_that_lack_a_variable(tmp_path: Path) -> None:
    tasks = [{"id": f"t{n}", **({"text": "x"} if n < 2 else {})} for n in range(7)]
    problem = only(make(tmp_path, tasks=tasks))
    assert problem.message == "5 of 7 tasks ('t2', 't3', 't4' and 2 more): there is no 'text'."
    assert (problem.where, problem.line) == ("tasks.jsonl", 3)


@pytest.mark.parametrize(
    ("tag", "value", "says"),
    [
        ('<Text name="t" value="$v"/>', {"a": 1}, "must be text or a number or a list"),
        ('<Text name="t" value="$v"/>', None, "is null"),
        ('<Text name="t" value="$v"/>', True, "is true or false"),
        ('<HyperText name="t" value="$v"/>', ["a"], "must be text"),
        ('<Text name="t" value="$v" valueType="url"/>', "plain words", "not an address"),
        ('<Image name="t" value="$v"/>', "photos/1.jpg", "not an address"),
        ('<Image name="t" value="$v"/>', r"C:\photo 1.jpg", "not an address"),
        ('<Text name="t" value="$v.deep"/>', {"deeper": 1}, "no 'v.deep'"),
        ('<Paragraphs name="t" value="$v"/>', {"a": 1}, "must be a list or text"),
    ],
)
def test_data_that_label_studio_cannot_show(tmp_path: Path, tag: str, value: object, says: str) -> None:
    config = f'<View>{tag}<Rating name="r" toName="t"/></View>'
    assert says in only(make(tmp_path, config=config, tasks=[{"id": "a", "v": value}])).message


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ('<Text name="t" value="$v"/>', 5),
        ('<Text name="t" value="$v"/>', ""),
        ('<Text name="t" value="$v" valueType="url"/>', "https://example.org/a b".replace(" ", "%20")),
        ('<Image name="t" value="$v"/>', "data:image/png;base64,AAAA"),
        ('<Image name="t" valueList="$v"/>', ["https://example.org/1.png"]),
        ('<Text name="t" value="$v.deep"/>', {"deep": "x"}),
        ('<Paragraphs name="t" value="$v"/>', [{"author": "a", "text": "b"}]),
    ],
)
def test_data_that_label_studio_shows(tmp_path: Path, tag: str, value: object) -> None:
    config = f'<View>{tag}<Rating name="r" toName="t"/></View>'
    assert validate(make(tmp_path, config=config, tasks=[{"id": "a", "v": value}]))[1] == ()


@pytest.mark.parametrize("routing", ["subdomain", "path"])
@pytest.mark.parametrize(
    ("url", "subdomain_code"),
    [
        ("https://study.example.org", None),
        ("https://study.example.org:8443/", None),
        ("http://localhost:8080", None),
        ("https://203.0.113.7", "routing-needs-path"),
        ("https://[2001:db8::1]:8080", "routing-needs-path"),
        ("https://brave-fox-12.ngrok-free.app", "routing-needs-path"),
        ("http://labserver:8080", "routing-needs-path"),
    ],
)
def test_public_url_and_routing(tmp_path: Path, url: str, subdomain_code: str | None, routing: str) -> None:
    problems = validate(make(tmp_path, {"proxy": {"public_url": url, "routing": routing}}))[1]
    expected = [subdomain_code] if routing == "subdomain" and subdomain_code else []
    assert [problem.code for problem in problems] == expected


@pytest.mark.parametrize(
    "url",
    ["study.example.org", "ftp://x.org", "https://", "https://x.org/path", "https://x.org?a=1", "https://u:p@x.org",
     "https://a_b.org", "https://x.org:99999", "https://[::1", "https://x..org", "https://x y.org",
     "javascript:alert(1)"],
)  # fmt: skip
def test_public_urls_that_are_none(tmp_path: Path, url: str) -> None:
    problems = validate(make(tmp_path, {"proxy": {"public_url": url, "routing": "path"}}))[1]
    assert [problem.code for problem in problems] == ["public-url"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "ab"}, "title-length"),
        ({"title": "a" * 51}, "title-length"),
        ({"runtime": "process", "label_studio": {"image": "x/y"}}, "docker-only"),
        ({"runtime": "process", "limits": {"cpus": 2}}, "docker-only"),
        ({"label_studio": {"version": "1.0.0"}}, "label-studio-version"),
    ],
)
def test_other_keys(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    assert only(make(tmp_path, changes)).code == code


def test_a_version_of_ones_own_image(tmp_path: Path) -> None:
    path = make(tmp_path, {"runtime": "docker", "label_studio": {"version": "1.0.0", "image": "x/y"}})
    assert validate(path)[1] == ()


def test_a_config_that_asks_nothing(tmp_path: Path) -> None:
    assert only(make(tmp_path, config='<View><Text name="t" value="$text"/></View>')).code == "no-controls"


def test_everything_at_once(tmp_path: Path) -> None:
    """A wrong key, a wrong title, a wrong config, a wrong task: one run names them all."""
    path = make(
        tmp_path,
        "runtme: docker\ntitle: x\ncriteria: [{name: c, level: ordinal, control: mood}]\nannotators: [a, A]",
        config=CONFIG.replace("<Rating", "<Ratng"),
        tasks='{"id": 1}\n{"id": 1}\n',
    )
    study, problems = validate(path)
    assert study is None
    assert {problem.code for problem in problems} == {
        "unknown-key",
        "title-length",
        "label-config-invalid",
        "duplicate-task-id",
        "annotator-id-collides",
    }
    with pytest.raises(StudyError):
        load_valid(path)
    result = step(path)
    assert result.exit_code == 1
    assert {"study.yaml:4", "config.xml:6", "tasks.jsonl:2"} <= {outcome.subject for outcome in result.outcomes}
    assert all(outcome.hint for outcome in result.outcomes)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("rater,item,criterion,value\ngpt,a,mood,Gut für Zürich\n".encode("latin-1"), "ratings-unreadable"),
        (b"kind,rater,item,criterion,value\nhuman,anna,a,mood,OK\n", "judges-human"),
    ],
)
def test_a_judges_file_that_cannot_be_used_hides_no_other_problem(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "judges.csv").write_bytes(content)
    path = make(tmp_path, "judges: [judges.csv]\ntitle: xy\n")
    _, problems = validate(path)
    assert [(problem.code, problem.line) for problem in problems] == [("title-length", 5), (code, 4)]
    assert "judges.csv" in problems[1].message
    assert problems[1].hint


def test_counts_of_one_are_singular(tmp_path: Path) -> None:
    changes = {"annotators": [{"id": "anna"}], "criteria": [{"name": "stars", "level": "ordinal"}]}
    result = step(make(tmp_path, changes, tasks=TASKS[:1]))
    assert result.exit_code == 0
    assert "1 task, 1 annotator, 1 criterion. Nothing" in result.outcomes[0].message
