"""The client against a real Label Studio: accounts, project, tasks in their order, progress, export."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.labelstudio import ImportResult, LabelStudio, ProjectSettings
from annotator_ops.models import Task, content_hash
from annotator_ops.secret import Secret
from annotator_ops.waiting import wait_until
from tests.conftest import REPOSITORY
from tests.labelstudio.people import CONFIG, PASSWORD, Person, choice, client_of, make_tasks, new_project
from tests.real import RealInstance, free_port, real_instance

pytestmark = pytest.mark.labelstudio


def tasks_of(instance: RealInstance, project: int, most: int = 5000) -> list[dict[str, object]]:
    answer = httpx.get(
        f"{instance.url}/api/tasks/",
        params={"project": project, "page_size": most},
        headers={"Authorization": f"Token {instance.operator_token}"},
        trust_env=False,
    )
    return list(answer.json()["tasks"])


# --- is it there -----------------------------------------------------------------------------------------------------


def test_it_is_healthy_and_knows_its_operator(client: LabelStudio, label_studio: RealInstance) -> None:
    assert client.healthy()
    assert client.authenticated()
    with LabelStudio(label_studio.url, Secret("0" * 40)) as stranger:
        assert not stranger.authenticated()
        with pytest.raises(OpsError) as caught:
            stranger.progress(1)
    assert caught.value.code == "labelstudio-refused"
    assert "0000" not in str(caught.value)


def test_an_instance_that_is_down_is_named() -> None:
    port = free_port()
    with LabelStudio(f"http://127.0.0.1:{port}", Secret("x")) as nobody:
        assert not nobody.healthy()
        with pytest.raises(OpsError) as caught:
            nobody.authenticated()
    assert caught.value.code == "labelstudio-unreachable"
    assert str(port) in caught.value.message


# --- accounts --------------------------------------------------------------------------------------------------------


def test_an_annotator_gets_a_plain_account_once(client: LabelStudio, label_studio: RealInstance) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    client.ensure_annotator(email, PASSWORD, "Анна Ананьева")
    client.ensure_annotator(email.upper(), PASSWORD, "Анна Ананьева")
    with Person(label_studio, email) as person:
        me = person.call("GET", "/api/current-user/whoami")
        assert (me["email"], me["first_name"]) == (email, "Анна Ананьева")
        # A superuser's version page shows the settings, the secret key among them.
        assert "SECRET_KEY" not in person.http.get("/version/").text
        users = person.call("GET", "/api/users")
    assert [user["email"] for user in users].count(email) == 1


def test_an_account_with_another_password_is_said(client: LabelStudio) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    client.ensure_annotator(email, PASSWORD, "Ben")
    with pytest.raises(OpsError) as caught:
        client.ensure_annotator(email, Secret("another-password"), "Ben")
    assert caught.value.code == "annotator-login-refused"
    assert "another-password" not in str(caught.value)


def test_the_operator_is_no_annotator(client: LabelStudio, label_studio: RealInstance) -> None:
    with pytest.raises(OpsError) as caught:
        client.ensure_annotator(label_studio.operator_email.title(), PASSWORD, "Ben")
    assert caught.value.code == "annotator-is-operator"


def test_what_the_form_says_is_passed_on(client: LabelStudio) -> None:
    with pytest.raises(OpsError, match="8–128 characters") as caught:
        client.ensure_annotator(f"{uuid.uuid4().hex}@example.org", Secret("short"), "Ben")
    assert caught.value.code == "sign-up-refused"


def test_accounts_are_made_behind_https_and_a_path(tmp_path: Path) -> None:
    """Cookies are `Secure` there, while the operator speaks plain HTTP to this machine."""
    with (
        real_instance(tmp_path, public_url="https://study.example.org/a/anna") as instance,
        client_of(instance) as client,
    ):
        client.ensure_annotator("anna@example.org", PASSWORD, "Anna")
        client.ensure_annotator("anna@example.org", PASSWORD, "Anna")
        with pytest.raises(OpsError) as caught:
            client.ensure_annotator("anna@example.org", Secret("another-password"), "Anna")
    assert caught.value.code == "annotator-login-refused"


# --- project ---------------------------------------------------------------------------------------------------------


def test_the_project_is_made_once_and_changed_when_the_study_changes(
    client: LabelStudio, label_studio: RealInstance
) -> None:
    marker = f"tests:{uuid.uuid4().hex}"
    said: list[str] = []
    settings = ProjectSettings("Dialogues", CONFIG, "<p>Read.</p>", marker)
    project = client.ensure_project(settings, report=said.append)
    assert client.ensure_project(settings, report=said.append) == project
    assert said == ["The project “Dialogues” was made."]
    longer = ProjectSettings("Dialogues", CONFIG, "<p>Read closely.</p>", f"{marker}0")
    assert client.ensure_project(longer) != project, "a marker that begins alike is another project's"
    changed = ProjectSettings("Dialogues", CONFIG.replace("fair", "middling"), "<p>Read closely.</p>", marker)
    assert client.ensure_project(changed, report=said.append) == project
    assert said[1:] == ["The project's label_config, expert_instruction changed."]
    seen = httpx.get(
        f"{label_studio.url}/api/projects/{project}/",
        headers={"Authorization": f"Token {label_studio.operator_token}"},
        trust_env=False,
    ).json()
    assert "middling" in seen["label_config"]
    assert (seen["sampling"], seen["skip_queue"]) == ("Sequential sampling", "IGNORE_SKIPPED")
    assert (seen["show_instruction"], seen["show_collab_predictions"]) == (True, False)


def test_there_is_exactly_one_view(client: LabelStudio, anna: Person) -> None:
    project = new_project(client, "t1")
    assert [view["data"]["title"] for view in anna.call("GET", f"/api/dm/views?project={project}")] == ["Default"]


def test_a_config_that_label_studio_refuses_is_said(client: LabelStudio) -> None:
    bad = CONFIG.replace('toName="text"', 'toName="nothing"')
    with pytest.raises(OpsError) as caught:
        client.ensure_project(ProjectSettings("Bad one", bad, "", f"tests:{uuid.uuid4().hex}"))
    assert caught.value.code == "labelstudio-rejected"
    assert "nothing" in caught.value.message


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_the_label_stream_serves_the_order_that_was_given(client: LabelStudio, anna: Person) -> None:
    names = [f"t{number}" for number in range(15)]
    random.Random(3).shuffle(names)
    project = new_project(client)
    # In two goes, as after an interruption.
    client.import_tasks(project, make_tasks(*names[:6]))
    assert client.import_tasks(project, make_tasks(*names)) == ImportResult(added=9, already=6)
    served = []
    while (task := anna.next_task(project)) is not None:
        served.append(task["data"]["id"])
        if len(served) % 4:
            anna.annotate(task["id"], "good")
        else:
            anna.skip(task["id"])
    assert served == names


def test_importing_again_adds_nothing(client: LabelStudio, label_studio: RealInstance) -> None:
    project = new_project(client, "t1", "t2")
    assert client.import_tasks(project, make_tasks("t1", "t2")) == ImportResult(added=0, already=2)
    assert len(tasks_of(label_studio, project)) == 2


def test_copies_without_work_are_removed_and_those_with_work_stay(
    client: LabelStudio, label_studio: RealInstance, anna: Person
) -> None:
    names = ["t1", "t2", "t3"]
    project = new_project(client, *names)
    # What an import that was killed after sending, and repeated meanwhile, leaves behind.
    copies = [{"data": dict(task.data)} for task in make_tasks(*names)]
    httpx.post(
        f"{label_studio.url}/api/projects/{project}/import",
        json=copies,
        headers={"Authorization": f"Token {label_studio.operator_token}"},
        trust_env=False,
    ).raise_for_status()
    by_name: dict[object, list[int]] = {}
    for task in tasks_of(label_studio, project):
        by_name.setdefault(dict(task["data"])["id"], []).append(int(str(task["id"])))  # type: ignore[call-overload]
    assert {name: len(copies) for name, copies in by_name.items()} == dict.fromkeys(names, 2)
    anna.annotate(by_name["t2"][1], "good")
    anna.draft(by_name["t3"][1], "good")
    assert client.import_tasks(project, make_tasks(*names)) == ImportResult(added=0, already=3, removed=3)
    left = {int(str(task["id"])) for task in tasks_of(label_studio, project)}
    assert left == {by_name["t1"][0], by_name["t2"][1], by_name["t3"][1]}


def test_two_copies_with_work_are_left_to_a_person(
    client: LabelStudio, label_studio: RealInstance, anna: Person
) -> None:
    project = new_project(client, "t1")
    httpx.post(
        f"{label_studio.url}/api/projects/{project}/import",
        json=[{"data": dict(make_tasks("t1")[0].data)}],
        headers={"Authorization": f"Token {label_studio.operator_token}"},
        trust_env=False,
    ).raise_for_status()
    for task in tasks_of(label_studio, project):
        anna.annotate(int(str(task["id"])), "good")
    with pytest.raises(OpsError) as caught:
        client.import_tasks(project, make_tasks("t1"))
    assert caught.value.code == "tasks-doubled"
    assert len(tasks_of(label_studio, project)) == 2


def test_tasks_that_differ_from_the_study_are_named(client: LabelStudio) -> None:
    project = new_project(client, "t1", "t2")
    mended = [Task("t1", {"id": "t1", "text": "another text"}), *make_tasks("t2")]
    assert client.import_tasks(project, mended) == ImportResult(added=0, already=2, altered=("t1",))


IMPORTER = """
import sys
from annotator_ops.labelstudio import LabelStudio
from annotator_ops.secret import Secret
from tests.labelstudio.people import make_tasks
client = LabelStudio(sys.argv[1], Secret(sys.stdin.readline().strip()))
client.import_tasks(int(sys.argv[2]), make_tasks(*[f"t{number}" for number in range(1200)]))
"""


def test_an_import_killed_in_the_middle_is_completed_by_the_next(
    client: LabelStudio, label_studio: RealInstance
) -> None:
    project = new_project(client)
    child = subprocess.Popen(
        [sys.executable, "-c", IMPORTER, label_studio.url, str(project)], cwd=REPOSITORY, stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(label_studio.operator_token.encode() + b"\n")
    child.stdin.close()

    def begun() -> bool | None:
        return True if tasks_of(label_studio, project, most=1) else None

    wait_until(begun, what="the first tasks", deadline=60, interval=0.01, hint="Look at the import.")
    child.send_signal(signal.SIGKILL)
    child.wait()
    names = [f"t{number}" for number in range(1200)]
    result = client.import_tasks(project, make_tasks(*names))
    assert result.already, "the killed import had got somewhere"
    assert [dict(task["data"])["id"] for task in tasks_of(label_studio, project)] == names  # type: ignore[call-overload]


# --- progress and export ---------------------------------------------------------------------------------------------


def test_progress_counts_each_task_by_its_latest_annotation(
    client: LabelStudio, label_studio: RealInstance, anna: Person
) -> None:
    project = new_project(client, "t1", "t2", "t3", "t4")
    empty = client.progress(project)
    assert (empty.done, empty.skipped, empty.drafts, empty.total) == (0, 0, 0, 4)
    assert empty.median_seconds is None
    assert empty.last_activity is None
    first, second, third, _ = [int(str(task["id"])) for task in tasks_of(label_studio, project)]
    anna.annotate(first, "good", lead_time=10.0)
    anna.skip(second)
    anna.annotate(second, "bad", lead_time=20.0)
    anna.annotate(third, "bad")
    anna.skip(third)
    last = anna.draft(first, "fair")
    seen = client.progress(project)
    assert (seen.done, seen.skipped, seen.drafts, seen.total) == (2, 1, 1, 4)
    assert seen.median_seconds == 15.0
    assert seen.last_activity is not None
    assert seen.last_activity.isoformat() == last["updated_at"].replace("Z", "+00:00")


def test_the_export_is_complete_and_always_the_same_bytes(
    client: LabelStudio, label_studio: RealInstance, anna: Person
) -> None:
    project = new_project(client, "t1", "t2", "t3", "t4")
    first, second, third, _ = [int(str(task["id"])) for task in tasks_of(label_studio, project)]
    anna.annotate(first, "good")
    anna.annotate(first, "bad")
    anna.skip(second)
    anna.draft(third, "fair")
    content = client.export(project)
    assert client.export(project) == content
    assert json.dumps(json.loads(content), sort_keys=True, separators=(",", ":")).encode() == content
    tasks = json.loads(content)
    assert [task["data"]["id"] for task in tasks] == ["t1", "t2", "t3", "t4"]
    assert [content_hash(task["data"]) for task in tasks] == [task.hash for task in make_tasks("t1", "t2", "t3", "t4")]
    assert [annotation["result"] for annotation in tasks[0]["annotations"]] == [choice("good"), choice("bad")]
    assert [annotation["was_cancelled"] for annotation in tasks[1]["annotations"]] == [True]
    assert [draft["result"] for draft in tasks[2]["drafts"]] == [choice("fair")]
    assert tasks[3]["annotations"] == tasks[3]["drafts"] == []
