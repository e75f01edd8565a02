"""A short session with a made-up project, to learn which modules this Label Studio loads while it is used.

The list is what the template loads before it forks (`template.load`). It follows the version, and it is a hint only:
what it lacks, each instance loads for itself.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launcher import labelstudio

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="c" toName="text"><Choice value="a"/></Choices>'
    '<Rating name="r" toName="text"/><TextArea name="t" toName="text"/></View>'
)
RESULT = [{"from_name": "c", "to_name": "text", "type": "choices", "value": {"choices": ["a"]}}]


def rehearse() -> list[str]:
    """Go through what an operator and an annotator do, and return the modules that are loaded then.

    Call it on a database of its own, after `labelstudio.set_up`, with an operator's account in the environment.
    """
    labelstudio.ensure_operator()
    application = labelstudio.application()
    token = os.environ["LABEL_STUDIO_USER_TOKEN"]
    project = _ask(application, token, "POST", "/api/projects", {"title": "Rehearsal", "label_config": CONFIG})["id"]
    _ask(application, token, "POST", f"/api/projects/{project}/import", [{"text": "one"}, {"text": "two"}])
    view = {"project": project, "data": {"title": "Default", "type": "list", "target": "tasks"}}
    _ask(application, token, "POST", f"/api/dm/views?project={project}", view)
    task = _ask(application, token, "POST", f"/api/dm/actions?id=next_task&project={project}", {})["id"]
    answer = {"result": RESULT, "lead_time": 1.0}
    annotation = _ask(application, token, "POST", f"/api/tasks/{task}/annotations?project={project}", answer)["id"]
    _ask(application, token, "PATCH", f"/api/annotations/{annotation}", answer)
    _ask(application, token, "POST", f"/api/tasks/{task}/drafts?project={project}", answer)
    for path in (
        "/health",
        "/api/version",
        "/api/current-user/whoami",
        "/api/users/",
        "/api/invite",
        "/user/login/",
        "/api/projects/?page=1&page_size=100",
        f"/api/projects/{project}/",
        f"/projects/{project}/data?labeling=1",
        f"/api/dm/columns?project={project}",
        f"/api/dm/project?project={project}",
        f"/api/tasks/?project={project}&page_size=1&fields=all",
        f"/api/tasks/{task}/",
        f"/api/projects/{project}/export?exportType=JSON&download_all_tasks=true",
    ):
        _ask(application, token, "GET", path)
    return third_party_modules()


def third_party_modules() -> list[str]:
    """The modules that are loaded and that are not Label Studio's own, in the order in which they were."""
    found = importlib.util.find_spec("label_studio")
    own = Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else None
    ours = Path(__file__).parent

    def foreign(module: object) -> bool:
        file = getattr(module, "__file__", None)
        if file is None:
            return False  # built in, a namespace, or made while running
        return not {own, ours} & set(Path(file).parents)

    return [name for name, module in list(sys.modules.items()) if name != "__main__" and foreign(module)]


def _ask(application: labelstudio.WSGIApp, token: str, method: str, address: str, body: Any = None) -> Any:
    """One request, answered in this process: the JSON that came back, or None. Raises ValueError on an error."""
    content = b"" if body is None else json.dumps(body).encode()
    path, _, query = address.partition("?")
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, _error: Any = None) -> None:
        statuses.append(status)

    response: Iterable[bytes] = application(
        {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(content)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_AUTHORIZATION": f"Token {token}",
            # A browser's, since it is looked into.
            "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        },
        start_response,
    )
    answer = b"".join(response)
    close = getattr(response, "close", None)
    if close is not None:
        close()
    if not statuses or statuses[-1][:1] not in "23":
        raise ValueError(f"{method} {path}: {statuses} {answer[:200]!r}")
    try:
        return json.loads(answer)
    except ValueError:
        return None
