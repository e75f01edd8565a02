"""Layer 2. The annotator role: which method, path and query an annotator's browser may send. Everything else is denied.

The rules match the request line as it came, before anything is decoded or tidied. Label Studio has routes without an
anchor (`/anything/version/` reaches the page that prints the secret key) and is served by something that decodes paths
its own way, so a rule that allowed a tidied path would let a request through that Label Studio then reads differently.
That is why no pattern here admits `%` before an ASCII code, an empty or dotted path segment, or `;`.

Patterns use only what means the same in Python and in Caddy's RE2, and are always matched whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

READ = ("GET",)
LOOK = ("GET", "HEAD")

# Path pieces. `_NAME` is one path segment: no leading dot, and `%` only before bytes of non-ASCII letters (uploaded
# files keep theirs), never before an encoded slash, dot, percent sign, line feed or zero byte.
_N = "[0-9]+"
_PROJECT = "{project}"
_LETTER = r"(?:[A-Za-z0-9_~-]|%[89A-Fa-f][0-9A-Fa-f])"
_NAME = rf"{_LETTER}(?:{_LETTER}|[.])*"
_FILES = rf"{_NAME}(?:/{_NAME})*"

# Query pieces. Pages, files and single tasks take any plain keys (the front end adds its own, and the server ignores
# what it does not know there). Lists take only the keys named: `query` would be a filter of the sender's own making.
_PLAIN = "[A-Za-z0-9._~%=&,:-]*"
_NEXT = "(?:next=[A-Za-z0-9._~%/?=&,:-]*)?"


def _keys(*names: str) -> str:
    """Any number of `name=value`, with these names only. A repeated name does no harm here; an unknown one might."""
    plain = "|".join(name for name in names if name != "project")
    pair = (
        f"(?:(?:{plain})=[A-Za-z0-9._~%,-]*|project={_PROJECT})"
        if "project" in names
        else f"(?:{plain})=[A-Za-z0-9._~%,-]*"
    )
    return f"(?:{pair}(?:&{pair})*)?"


_OF_PROJECT = f"(?:project={_PROJECT})?"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of request that a labeling session sends.

    `path` and `query` are regular expressions for the whole raw path and the whole raw query; `query` None means that
    none is needed. `{project}` in either stands for the annotator's project. A `write` must name its own Origin.
    """

    methods: tuple[str, ...]
    path: str
    query: str | None = None
    write: bool = False


RULES: tuple[Rule, ...] = (
    # Pages
    Rule(LOOK, "/", _PLAIN),
    Rule(READ, "/user/login/?", _NEXT),
    Rule(("POST",), "/user/login/?", _NEXT, write=True),
    Rule(READ, "/logout/?"),
    Rule(READ, "/projects/?", _PLAIN),
    Rule(READ, f"/projects/{_PROJECT}/?", _PLAIN),
    Rule(READ, f"/projects/{_PROJECT}/data/?", _PLAIN),
    # Files
    Rule(LOOK, r"/(?:sw|sw-fallback)\.js", _PLAIN),
    Rule(LOOK, r"/favicon\.ico"),
    Rule(LOOK, f"/(?:static|react-app|label-studio-frontend|dm)/{_FILES}", _PLAIN),
    Rule(LOOK, f"/data/(?:upload|avatars)/{_FILES}"),
    # Who and what
    Rule(READ, "/api/version/?"),
    Rule(READ, "/api/current-user/(?:whoami|hotkeys|product-tour)/?", _keys("name")),
    Rule(READ, "/api/users/?", _OF_PROJECT),
    Rule(READ, "/api/projects/?", _keys("page", "page_size", "ids", "include", "filter", "ordering")),
    Rule(READ, f"/api/projects/{_PROJECT}/?", _keys("include", "interaction")),
    Rule(READ, f"/api/projects/{_PROJECT}/label-stream-history/?", _OF_PROJECT),
    Rule(READ, "/api/ml/?", _OF_PROJECT),
    Rule(READ, "/api/label_links/?", _keys("project", "expand", "page", "page_size")),
    # The list of tasks and the stream
    Rule(READ, "/api/dm/columns/?", _OF_PROJECT),
    Rule(READ, "/api/dm/project/?", _keys("project", "interaction", "include")),
    Rule(READ, "/api/dm/views/?", _keys("project", "interaction")),
    Rule(READ, f"/api/dm/views/{_N}/?", _keys("project", "interaction")),
    Rule(READ, "/api/tasks/?", _keys("project", "view", "page", "page_size", "interaction", "include")),
    # Only this action, whatever else a repeated `id` may say: Label Studio takes the last one.
    Rule(("POST",), "/api/dm/actions/?", f"id=next_task(?:&(?:tabID={_N}|project={_PROJECT}))*", write=True),
    # One task
    Rule(READ, f"/api/tasks/{_N}/?", _PLAIN),
    Rule(READ, f"/api/tasks/{_N}/(?:annotations|drafts|agreement)/?", _PLAIN),
    Rule(READ, f"/api/(?:annotations|drafts)/{_N}/?", _PLAIN),
    Rule(("POST",), f"/api/tasks/{_N}/(?:annotations|drafts)/?", _PLAIN, write=True),
    Rule(("POST",), f"/api/tasks/{_N}/annotations/{_N}/drafts/?", _PLAIN, write=True),
    Rule(("POST",), f"/api/annotations/{_N}/convert-to-draft/?", _PLAIN, write=True),
    Rule(("PATCH",), f"/api/(?:annotations|drafts)/{_N}/?", _PLAIN, write=True),
    Rule(("DELETE",), f"/api/drafts/{_N}/?", _PLAIN, write=True),
)

# Front-end files: the same for everybody and only new with a new Label Studio, so browsers may keep them.
KEEPABLE = "/(?:static|react-app|label-studio-frontend|dm)/"

# The front end asks for tips, which Label Studio fetches from the internet and which advertise; the proxy answers `{}`.
TIPS = "/heidi-tips/?"

# Authenticate, or might change which method, address or user Label Studio sees. `*_*`: a server may read `X_Api_Key`
# as `X-Api-Key`. `Upgrade`: nothing in a session needs another protocol.
STRIPPED_HEADERS = (
    "Authorization",
    "Proxy-Authorization",
    "X-Api-Key",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Forwarded-*",
    "X-Real-Ip",
    "Forwarded",
    "Remote-User",
    "Upgrade",
    "*_*",
)


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules with the same methods, as one pattern for the raw path and query together."""

    methods: tuple[str, ...]
    write: bool
    pattern: str


def gates(project_id: int | None = None, *, prefix: str = "") -> tuple[Gate, ...]:
    """The rules compiled: one pattern per set of methods, matching the whole `path?query`.

    `prefix` is the path that the annotator's Label Studio is mounted at (`/a/anna`). With a project id only that
    project is let through; an instance has no other, so this takes nothing away and does not rest on there being one.
    """
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for rule in RULES:
        query = rule.query or ""
        # A query that may be empty may also be absent; one that may not (the action's) has to be there.
        optional = "?" if re.fullmatch(query, "") else ""
        groups.setdefault((rule.methods, rule.write), []).append(
            _fill(rf"{rule.path}(?:\?{query}){optional}", project_id)
        )
    return tuple(
        Gate(methods, write, f"^{re.escape(prefix)}(?:{'|'.join(patterns)})$")
        for (methods, write), patterns in groups.items()
    )


def allowed(method: str, path: str, raw_query: str, *, project_id: int | None = None) -> bool:
    """Whether a request passes, apart from where it comes from (see `same_origin`).

    `path` and `raw_query` are as in the request line, undecoded, without the `?` between them.
    """
    for rule in RULES:
        if method not in rule.methods or re.fullmatch(_fill(rule.path, project_id), path) is None:
            continue
        if re.fullmatch(_fill(rule.query or "", project_id), raw_query) is not None:
            return True
    return False


def same_origin(headers: Sequence[str], origin: str) -> bool:
    """Whether the `Origin` headers of a write say that it comes from the annotator's own pages.

    Label Studio has no CSRF check on its API, so this is the only one. A missing header is refused: every browser
    that can run Label Studio's front end sends it with POST, PATCH and DELETE, and what cannot be compared cannot be
    told from a forgery. A script that has an annotator's own session can send the header like any other.
    """
    return list(headers) == [origin]


def _fill(pattern: str, project_id: int | None) -> str:
    return pattern.replace(_PROJECT, _N if project_id is None else str(project_id))
