"""Every shipped study in a real Label Studio and a real browser: accepted, imported, shown, answered, submitted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from annotator_ops.labeling import check, parse
from annotator_ops.models import Study
from annotator_ops.steps.init import init
from annotator_ops.study import load
from annotator_ops.validation import validate
from annotator_ops.waiting import wait_until
from tests.chromium import chromium
from tests.real import RealInstance
from tests.study.making import make
from tests.templates.test_templates import NAMES

LOADED = "() => [...document.images].some(image => image.naturalWidth === 480 && image.naturalHeight === 320)"


@pytest.fixture
def api(label_studio: RealInstance) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Token {label_studio.operator_token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


def create(api: httpx.Client, config: str) -> httpx.Response:
    return api.post("/api/projects", json={"title": "A template", "label_config": config})


def project_of(api: httpx.Client, study: Study) -> int:
    """A project as provision makes it: this config, these tasks."""
    created = create(api, study.label_config)
    assert created.status_code == 201, created.text
    project = int(created.json()["id"])
    imported = api.post(f"/api/projects/{project}/import", json=[{"data": task.data} for task in study.tasks])
    assert imported.status_code == 201, imported.text
    assert imported.json()["task_count"] == len(study.tasks)
    return project


def template(folder: Path, name: str) -> Study:
    init(folder / name, name)
    return load(folder / name / "study.yaml")


@pytest.mark.labelstudio
@pytest.mark.parametrize("name", NAMES)
def test_label_studio_takes_it(tmp_path: Path, api: httpx.Client, name: str) -> None:
    study = template(tmp_path, name)
    project = project_of(api, study)
    ours = parse(study.label_config)
    theirs = api.get(f"/api/projects/{project}").json()["parsed_label_config"]
    # Label Studio's own reading of the config has the same controls, tags, objects and labels.
    read = {each.name: (each.tag, list(each.to_name), sorted(each.labels)) for each in ours.controls}
    assert read == {
        control: (found["type"], found["to_name"], sorted(found["labels"])) for control, found in theirs.items()
    }


@pytest.mark.labelstudio
def test_what_label_studio_refuses_we_refuse(api: httpx.Client) -> None:
    text = '<Text name="t" value="$t"/>'
    for config in (
        "",
        "<View>",
        "<View>a & b</View>",
        '<!DOCTYPE x [<!ENTITY a "aa">]><View>&a;</View>',
        f'<View>{text}<Choices name="c" toName="t"></Choices></View>',
        f'<View>{text}<Choices name="c" toName="x"><Choice value="a"/></Choices></View>',
        f"<View>{text}<Choices name='c' toName='x'><Choice value='a'/></Choices></View>",
        f'<View>{text}<Choices name="t" toName="t"><Choice value="a"/></Choices></View>',
        '<View><Text value="$t"/></View>',
        '<View><Video name="v" value="$v" defaultPlaybackSpeed="fast"/></View>',
    ):
        assert create(api, config).status_code == 400, config
        assert check(config)[0] is None, config


@pytest.mark.labelstudio
def test_what_we_take_label_studio_takes(api: httpx.Client) -> None:
    text = '<Text name="t" value="$t"/>'
    for config in (
        '<?xml version="1.0" encoding="utf-8"?>\n<View>' + text + '<Rating name="r" toName="t"/></View>',
        "\ufeff<View>" + text + '<Rating name="r" toName="t"/></View>',
        f'<View><!-- {{"data": {{"t": "x"}}}} -->{text}<Rating name="r" toName="t"/></View>',
        f"<View>{text}<Choices name='c' toName='t'><Choice value='a'/></Choices></View>",
        f'<View>{text}<TextArea name="ü" toName="t"/><Number name="n" toName="t" min="0"/></View>',
        '<View><Text name="a" value="$a"/><Text name="b" value="$b"/><Pairwise name="p" toName="a,b"/></View>',
    ):
        parsed = parse(config)
        assert create(api, parsed.xml).status_code == 201, config


@pytest.mark.labelstudio
@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ('<Text name="t" value="$v"/>', {"a": 1}),
        ('<Text name="t" value="$v"/>', None),
        ('<HyperText name="t" value="$v"/>', ["a"]),
        ('<Paragraphs name="t" value="$v"/>', {"a": 1}),
        ('<Text name="t" value="$missing"/>', "x"),
        ('<Text name="t" value="$v.deep"/>', {"other": "x"}),
    ],
)
def test_tasks_that_label_studio_refuses_we_refuse(tmp_path: Path, api: httpx.Client, tag: str, value: object) -> None:
    path = make(tmp_path, config=f'<View>{tag}<Rating name="r" toName="t"/></View>', tasks=[{"id": "a", "v": value}])
    study, problems = validate(path)
    assert study is not None
    assert [problem.code for problem in problems] == ["task-variable"]
    project = create(api, study.label_config).json()["id"]
    imported = api.post(f"/api/projects/{project}/import", json=[{"data": study.tasks[0].data}])
    assert imported.status_code == 400, imported.text


# --- in the browser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(label_studio: RealInstance) -> Iterator[Page]:
    with chromium() as browser:
        found = browser.new_page(viewport={"width": 1366, "height": 1200})
        found.goto(f"{label_studio.url}/user/login")
        found.fill("input[name=email]", label_studio.operator_email)
        found.fill("input[name=password]", label_studio.operator_password)
        found.click("button[type=submit]")
        found.wait_for_url(lambda url: "/user/login" not in url)
        yield found


def answer(page: Page, study: Study) -> None:
    """Answer everything on the page as a person would: the second choice, the first box, four stars, a word, a mark."""
    radios, boxes = 0, 0
    for control in parse(study.label_config).controls:
        match control.tag:
            case "Choices" if control.multiple:
                page.locator("input[type=checkbox]").nth(boxes).check(force=True)
                boxes += len(control.labels)
            case "Choices":
                page.locator("input[type=radio]").nth(radios + 1).check(force=True)
                radios += len(control.labels)
            case "Rating":
                page.locator(".ant-rate-star").nth(3).click()
            case "TextArea":
                page.locator("textarea").first.fill("A few words.")
            case "Labels":
                page.get_by_text(control.labels[0], exact=True).first.click()
                page.get_by_text("Ruta Aldane").first.dblclick(position={"x": 60, "y": 12})
            case "RectangleLabels":
                page.wait_for_function(LOADED)
                page.get_by_text(control.labels[0], exact=True).first.click()
                area = page.locator("canvas").first.bounding_box()
                assert area is not None
                page.mouse.move(area["x"] + 60, area["y"] + 60)
                page.mouse.down()
                page.mouse.move(area["x"] + 200, area["y"] + 180, steps=5)
                page.mouse.up()
            case other:
                raise AssertionError(f"no idea how a person fills in {other}")


@pytest.mark.labelstudio
@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_an_annotator_can_answer_it(
    tmp_path: Path, label_studio: RealInstance, api: httpx.Client, page: Page, name: str
) -> None:
    study = template(tmp_path, name)
    project = project_of(api, study)
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    submit = page.get_by_role("button", name="Submit").first
    expect(submit).to_be_visible(timeout=60_000)
    first = study.tasks[0].data
    for key in ("text", "prompt", "char_info", "char_name"):
        if key in first:
            expect(page.get_by_text(str(first[key])).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366, "nothing sticks out"
    answer(page, study)
    page.screenshot(path=tmp_path / f"{name}.png")
    submit.click()

    def stored() -> list[dict[str, Any]] | None:
        tasks = api.get("/api/tasks", params={"project": project, "fields": "all"}).json()["tasks"]
        found = [annotation["result"] for task in tasks for annotation in task["annotations"]]
        return found[0] if found else None

    result = wait_until(stored, what="the annotation", deadline=30, hint="Look at the screenshot.")
    answered = {region["from_name"]: region["value"] for region in result}
    assert set(answered) == {control.name for control in parse(study.label_config).controls}
    for criterion in study.criteria:
        if criterion.values:
            assert answered[criterion.control]["choices"] == [list(criterion.values)[1]]


@pytest.mark.labelstudio
@pytest.mark.browser
def test_an_empty_page_cannot_be_submitted(
    tmp_path: Path, label_studio: RealInstance, api: httpx.Client, page: Page
) -> None:
    study = template(tmp_path, "dialogue-ratings-ru")
    project = project_of(api, study)
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    submit = page.get_by_role("button", name="Submit").first
    expect(submit).to_be_visible(timeout=60_000)
    submit.click()
    expect(page.get_by_text("Пожалуйста, оцените, остаётся ли персонаж в роли.")).to_be_visible()
    tasks = api.get("/api/tasks", params={"project": project, "fields": "all"}).json()["tasks"]
    assert [task["annotations"] for task in tasks if task["annotations"]] == []


@pytest.mark.labelstudio
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_user_and_character_look_different(
    tmp_path: Path, label_studio: RealInstance, api: httpx.Client, page: Page, scheme: str
) -> None:
    project = project_of(api, template(tmp_path, "dialogue-ratings"))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    expect(page.locator(".turn.user").first).to_be_visible(timeout=60_000)
    places = {}
    for who in ("user", "character"):
        box = page.locator(f".turn.{who}").first.bounding_box()
        assert box is not None
        colour = page.locator(f".turn.{who}").first.evaluate("element => getComputedStyle(element).backgroundColor")
        places[who] = (box["x"] + box["width"], colour)
    assert places["user"][0] > places["character"][0], "the user's turns stand on the right"
    assert places["user"][1] != places["character"][1]
    page.emulate_media(color_scheme="light")
