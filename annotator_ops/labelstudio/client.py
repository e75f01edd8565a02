"""Layer 3. One Label Studio instance as its operator sees it."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from annotator_ops.errors import OpsError
from annotator_ops.labelstudio import accounts, tasks
from annotator_ops.labelstudio.records import ImportResult, ProjectProgress, ProjectSettings
from annotator_ops.labelstudio.transport import Transport
from annotator_ops.models import JSONDict, Task
from annotator_ops.secret import Secret

_EXPORT_SECONDS = 600.0
_HAS_DRAFT: JSONDict = {
    "filters": {
        "conjunction": "and",
        "items": [{"filter": "filter:tasks:draft_exists", "operator": "equal", "type": "Boolean", "value": True}],
    }
}


class LabelStudio:
    """The client of the instance at `base_url`; `token` is its operator's API token.

    Every method raises OpsError in words when the instance cannot be reached ("labelstudio-unreachable",
    "labelstudio-timeout"), refuses the token ("labelstudio-refused") or the request ("labelstudio-rejected"), or fails
    ("labelstudio-failed"). For one thread at a time.
    """

    def __init__(self, base_url: str, token: Secret) -> None:
        self._transport = Transport(base_url, token)

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # --- is it there -------------------------------------------------------------------------------------------------

    def healthy(self) -> bool:
        """Whether it answers that it is up; False where nobody answers."""
        try:
            answer = self._transport.http.get(f"{self._transport.base_url}/health", timeout=5.0)
            return answer.status_code == 200 and answer.json().get("status") == "UP"
        except (httpx.TransportError, ValueError, AttributeError):
            return False

    def authenticated(self) -> bool:
        """Whether it accepts the operator's token."""
        try:
            self._transport.get("/api/current-user/whoami", "say who the operator is")
        except OpsError as error:
            if error.code == "labelstudio-refused":
                return False
            raise
        return True

    # --- accounts ----------------------------------------------------------------------------------------------------

    def ensure_annotator(self, email: str, password: Secret, name: str) -> None:
        """Make the annotator's plain account, or check that the one that is there can log in. Idempotent.

        Raises OpsError: "sign-up-refused", "annotator-login-refused" (there, but with another password),
        "annotator-is-operator".
        """
        transport = self._transport
        me = transport.get("/api/current-user/whoami", "say who the operator is")
        if me["email"].casefold() == email.casefold():
            raise OpsError(
                f"{email} is the operator's own address at {transport.base_url}, so it cannot be an annotator's.",
                hint="Give the annotator another address: the operator's account may do everything.",
                code="annotator-is-operator",
            )
        if self._user(email) is None:
            accounts.sign_up(transport, email, password)
        elif not accounts.login_works(transport, email, password):
            raise OpsError(
                f"{email} has an account at {transport.base_url}, but the kept password does not open it.",
                hint="Restore the file in .ops/secrets/ that fits, or change the password back in Label Studio.",
                code="annotator-login-refused",
            )
        user = self._user(email)
        if user is not None and user["first_name"] != name:
            with transport.changing("set an annotator's name") as options:
                transport.sdk.users.update(id=user["id"], first_name=name, last_name="", request_options=options)

    def _user(self, email: str) -> JSONDict | None:
        users: list[JSONDict] = self._transport.get("/api/users/", "list its accounts")
        return next((user for user in users if user["email"].casefold() == email.casefold()), None)

    # --- project -----------------------------------------------------------------------------------------------------

    def ensure_project(self, settings: ProjectSettings, *, report: Callable[[str], None] | None = None) -> int:
        """The id of the project with the settings' marker, made or changed so that it has these settings. Idempotent.

        `report` is told, in a sentence, of anything that was made or changed.
        """
        tell = report or (lambda _sentence: None)
        wanted: JSONDict = {
            "title": settings.title if len(settings.title) >= 3 else f"{settings.title:_<3}",
            "description": f"Made by annotator_ops, which finds it by this word: {settings.marker}",
            "label_config": settings.label_config,
            "expert_instruction": settings.instructions_html,
            "show_instruction": bool(settings.instructions_html.strip()),
            "skip_queue": settings.skip_queue,
            "sampling": "Sequential sampling",
            "maximum_annotations": 1,
            "show_collab_predictions": False,
            "evaluate_predictions_automatically": False,
            "reveal_preannotations_interactively": False,
        }
        found = self._project(settings.marker)
        project_id: int
        if found is None:
            with self._transport.changing("make the project") as options:
                made = self._transport.sdk.projects.create(**wanted, request_options=options)
            project_id = int(made.id or 0)
            tell(f"The project “{settings.title}” was made.")
        else:
            project_id = found["id"]
            changes = {key: value for key, value in wanted.items() if found.get(key) != value}
            if changes:
                with self._transport.changing(f"change the project's {', '.join(changes)}") as options:
                    self._transport.sdk.projects.update(project_id, **changes, request_options=options)
                tell(f"The project's {', '.join(changes)} changed.")
        # Without a view the labeling page makes one itself, and breaks where that is forbidden.
        if not self._transport.get("/api/dm/views", "list the project's views", params={"project": project_id}):
            view: Any = {
                "title": "Default",
                "type": "list",
                "target": "tasks",
                "filters": {"conjunction": "and", "items": []},
                "ordering": [],
            }
            with self._transport.changing("make the project's view") as options:
                self._transport.sdk.views.create(project=project_id, data=view, request_options=options)
        return project_id

    def _project(self, marker: str) -> JSONDict | None:
        what, page, seen = "list its projects", 1, 0
        while True:
            answer = self._transport.get("/api/projects/", what, params={"page": page, "page_size": 100})
            for project in sorted(answer["results"], key=lambda project: int(project["id"])):
                if marker in (project["description"] or "").split():
                    return self._transport.get(f"/api/projects/{project['id']}/", "show the project")  # type: ignore[no-any-return]
            seen += len(answer["results"])
            if seen >= answer["count"] or not answer["results"]:
                return None
            page += 1

    # --- tasks -------------------------------------------------------------------------------------------------------

    def import_tasks(self, project_id: int, wanted: Sequence[Task]) -> ImportResult:
        """Import those of the tasks whose id the project lacks, in the given order. Idempotent, also after a kill.

        Raises OpsError (code "import-incomplete") where afterwards a task is missing or there twice.
        """
        return tasks.import_missing(self._transport, project_id, wanted)

    def progress(self, project_id: int) -> ProjectProgress:
        """How far the annotator is."""
        done = skipped = total = 0
        seconds: list[float] = []
        active: list[str] = []
        for task in tasks.listing(self._transport, project_id, fields="all"):
            total += 1
            if not task["annotations"]:
                continue
            active += [annotation["updated_at"] for annotation in task["annotations"]]
            latest = max(task["annotations"], key=lambda annotation: (annotation["updated_at"], annotation["id"]))
            if latest["was_cancelled"]:
                skipped += 1
                continue
            done += 1
            if latest["lead_time"] is not None:
                seconds.append(latest["lead_time"])
        drafts = self._drafts(project_id)
        active += [draft["updated_at"] for of_task in drafts.values() for draft in of_task]
        return ProjectProgress(
            done=done,
            skipped=skipped,
            drafts=len(drafts),
            total=total,
            median_seconds=statistics.median(seconds) if seconds else None,
            last_activity=max(map(datetime.fromisoformat, active), default=None),
        )

    def _drafts(self, project_id: int) -> dict[int, list[JSONDict]]:
        """Drafts of anybody, by task: the list of tasks shows a caller their own drafts only."""
        return {
            task["id"]: self._transport.get(f"/api/tasks/{task['id']}/drafts", "list a task's drafts")
            for task in tasks.listing(self._transport, project_id, query=_HAS_DRAFT)
        }

    # --- collecting --------------------------------------------------------------------------------------------------

    def fingerprint(self, project_id: int) -> str:
        """A hash (hex) that changes with every annotation, skip, draft or task made, changed or deleted.

        Label Studio renews a task's `updated_at` whenever one of its annotations is made, changed or deleted, but not
        for a draft. So this asks for the number of tasks and annotations, the task changed last, and every draft:
        two small requests, and one more for each task with a draft.
        """
        newest = self._transport.get(
            "/api/tasks/",
            "show the task changed last",
            params={"project": project_id, "page_size": 1, "query": json.dumps({"ordering": ["-tasks:updated_at"]})},
        )
        seen = [
            [newest["total"], newest["total_annotations"]],
            [[task["id"], task["updated_at"]] for task in newest["tasks"]],
            [
                [task, [[draft["id"], draft["updated_at"]] for draft in of_task]]
                for task, of_task in self._drafts(project_id).items()
            ],
        ]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def export(self, project_id: int) -> bytes:
        """Everything in the project as JSON: tasks (unlabelled ones too), annotations, skipped ones, drafts.

        Bytes in one canonical form (ASCII, sorted by id and key), so that equal content gives an equal hash. The only
        thing left out is `created_ago`, a wording of `created_at` that changes by the minute.
        """
        response = self._transport.get_response(
            f"/api/projects/{project_id}/export",
            "export the project",
            params={"exportType": "JSON", "download_all_tasks": "true"},
            seconds=_EXPORT_SECONDS,
        )
        try:
            content = json.loads(response.content)
        except ValueError:
            content = None
        if not isinstance(content, list):
            raise OpsError(
                f"Label Studio at {self._transport.base_url} sent an export that is no list of tasks.",
                hint="Run `ops collect` again; if it stays so, look at the instance's log.",
                code="labelstudio-strange",
            )
        # One in a form that is not known here is kept as it came, and whoever reads it says so.
        with suppress(KeyError, TypeError, ValueError):
            content = list(_canonical(content))
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _canonical(content: Sequence[JSONDict]) -> Iterator[JSONDict]:
    def by_id(record: Any) -> int:
        return int(record["id"]) if isinstance(record, Mapping) else int(record)

    for task in sorted(content, key=by_id):
        drafts = [{key: value for key, value in draft.items() if key != "created_ago"} for draft in task["drafts"]]
        yield task | {
            "annotations": sorted(task["annotations"], key=by_id),
            "drafts": sorted(drafts, key=by_id),
            "predictions": sorted(task["predictions"], key=by_id),
        }
