"""Layer 3. An annotator's session at the public address, as a browser holds it: sign in, next task, submit, skip."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from annotator_ops.errors import OpsError
from annotator_ops.models import JSONDict
from annotator_ops.secret import Secret

_TIMEOUT = 60.0


class AnnotatorSession:
    """One signed-in annotator. Everything goes through the proxy, with cookies and `Origin` as a browser sends them.

    `connect_to` is a local address such as `http://127.0.0.1:8080` that stands for the public one: name resolution of
    `*.localhost` is the browser's own and not every machine has it.
    """

    def __init__(self, url: str, *, connect_to: str | None = None) -> None:
        public = httpx.URL(url.rstrip("/"))
        target = httpx.URL(connect_to) if connect_to else public
        self._prefix = public.path.rstrip("/")
        self._base = f"{target.scheme}://{target.netloc.decode()}{self._prefix}"
        self._url = str(public)
        self._origin = f"{public.scheme}://{public.netloc.decode()}"
        self._host = public.netloc.decode()
        self._cookies: dict[str, str] = {}
        self._http = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=connect_to is None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self, email: str, password: Secret) -> None:
        """Sign in with the form of the page. Raises OpsError (code "sign-in-failed")."""
        page = self._send("GET", "/user/login")
        form = {
            "csrfmiddlewaretoken": self._cookies.get("csrftoken", ""),
            "email": email,
            "password": password.reveal(),
            "persist_session": "on",
        }
        answer = self._send("POST", "/user/login", form=form)
        if page.status_code != 200 or answer.status_code != 302 or "sessionid" not in self._cookies:
            raise OpsError(
                f"Signing in at {self._url} failed: page {page.status_code}, form {answer.status_code}.",
                hint="Compare account and password with `ops invite`, and look at `ops status`.",
                code="sign-in-failed",
            )

    def next_task(self, project: int) -> JSONDict | None:
        """The next task of the label stream, None when there is none left."""
        answer = self._send("POST", "/api/dm/actions", query=f"id=next_task&project={project}", content={})
        if answer.status_code == 404:
            return None
        return self._checked(answer, "the next task")

    def submit(self, task: int, result: Sequence[JSONDict], *, seconds: float, skipped: bool = False) -> JSONDict:
        """Submit an annotation, or skip the task."""
        content = {"result": list(result), "lead_time": seconds, "was_cancelled": skipped}
        return self._checked(self._send("POST", f"/api/tasks/{task}/annotations", content=content), "an annotation")

    def request(self, method: str, path: str, *, query: str = "", content: Any = None) -> httpx.Response:
        """Any request in this session, as a page's script would send it."""
        return self._send(method, path, query=query, content=content)

    def _send(
        self, method: str, path: str, *, query: str = "", content: Any = None, form: dict[str, str] | None = None
    ) -> httpx.Response:
        headers = {"Host": self._host, "Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.items())}
        if method not in {"GET", "HEAD"}:
            headers |= {"Origin": self._origin, "Referer": f"{self._url}/"}
        url = f"{self._base}{path}" + (f"?{query}" if query else "")
        try:
            answer = self._http.request(method, url, headers=headers, json=content, data=form)
        except httpx.HTTPError as error:
            raise OpsError(
                f"{self._url} did not answer: {type(error).__name__}.",
                hint="Look at `ops status`: the instance or the proxy may be down.",
                code="unreachable",
            ) from error
        # A jar would drop cookies whose domain is not the address we connect to; a session needs just these two.
        self._http.cookies.clear()
        for name, value in answer.cookies.items():
            self._cookies[name] = value
        return answer

    def _checked(self, answer: httpx.Response, what: str) -> JSONDict:
        if answer.status_code not in {200, 201}:
            raise OpsError(
                f"{self._url} answered {answer.status_code} when asked for {what}.",
                hint="Look at the instance's log (`ops logs`).",
                code="session-refused",
            )
        content: JSONDict = answer.json()
        return content
