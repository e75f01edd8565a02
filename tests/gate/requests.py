"""Generated requests: what a session sends, what an attacker would, and everything a small change makes of either."""

from __future__ import annotations

from hypothesis import strategies as st

# What a real browser sends in a session.
SESSION = [
    ("GET", "/", ""),
    ("HEAD", "/", ""),
    ("GET", "/user/login/", "next=/projects/1/data%3Ftab%3D1"),
    ("POST", "/user/login/", "next=/"),
    ("GET", "/logout", ""),
    ("GET", "/projects", "page=1"),
    ("GET", "/projects/1", ""),
    ("GET", "/projects/1/", ""),
    ("GET", "/projects/1/data", "tab=1&labeling=1"),
    ("GET", "/projects/1/data/", "tab=1&task=5"),
    ("GET", "/sw.js", ""),
    ("GET", "/favicon.ico", ""),
    ("GET", "/static/css/main.9be72da65a79.css", ""),
    ("HEAD", "/react-app/main.js", "v=df96d7"),
    ("GET", "/data/upload/1/1a2b-%D0%BA%D0%BE%D1%82.png", ""),
    ("GET", "/data/avatars/1.png", ""),
    ("GET", "/api/version", ""),
    ("GET", "/api/current-user/whoami", ""),
    ("GET", "/api/users", "project=1"),
    ("GET", "/api/projects", "page=1&page_size=30&include=id%2Ctitle"),
    ("GET", "/api/projects", "ids=1&include=id%2Cdescription&page_size=30"),
    ("GET", "/api/projects/1", ""),
    ("GET", "/api/projects/1/label-stream-history", "project=1"),
    ("GET", "/api/label_links", "project=1&expand=label"),
    ("GET", "/api/dm/project", "interaction=timer&include=task_count%2Cqueue_total&project=1"),
    ("GET", "/api/dm/views/1", ""),
    ("GET", "/api/tasks", "page=1&page_size=30&view=1&project=1"),
    ("GET", "/api/tasks/6", "interaction=labelstream&project=1"),
    ("GET", "/api/tasks/6/agreement/", ""),
    ("POST", "/api/dm/actions", "id=next_task&tabID=1&project=1"),
    ("POST", "/api/dm/actions", "id=next_task"),
    ("POST", "/api/tasks/4/annotations", "project=1"),
    ("POST", "/api/tasks/2/annotations/2/drafts", "project=1"),
    ("POST", "/api/annotations/2/convert-to-draft", ""),
    ("PATCH", "/api/annotations/5", "taskID=5&project=1"),
    ("PATCH", "/api/drafts/5/", ""),
    ("DELETE", "/api/drafts/5", ""),
]

_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "get", "Patch", "QUERY"]
_PATHS = [
    "/",
    "/user/login/",
    "/user/signup/",
    "/logout",
    "/projects/1/data",
    "/projects/1/settings",
    "/projects/2",
    "/static/css/main.css",
    "/react-app/855.js",
    "/data/upload/1/1a2b-file.png",
    "/data/upload/1/%D0%BA.png",
    "/api/version",
    "/version/",
    "/api/users",
    "/api/users/1",
    "/api/projects/1",
    "/api/projects/1/export",
    "/api/invite",
    "/api/dm/actions",
    "/api/dm/views/1",
    "/api/tasks",
    "/api/tasks/12",
    "/api/tasks/12/annotations",
    "/api/tasks/12/annotations/3/drafts",
    "/api/annotations/3",
    "/api/annotations/3/convert-to-draft",
    "/api/drafts/9/",
    "/admin",
]
_QUERIES = [
    "",
    "?",
    "?project=1",
    "?project=2",
    "?id=next_task",
    "?id=next_task&tabID=1&project=1",
    "?id=next_task&id=delete_tasks",
    "?id=delete_tasks",
    "?page=1&page_size=30&view=1&project=1",
    "?query=%7B%7D",
    "?next=/projects/1/data%3Ftab%3D1",
    "?v=df96d7",
    "?id={http.request.header.X-Id}",
]
_PIECES = [
    "/", "//", "/./", "/../", "..", "%2e%2e", "%2f", "%2F", "%5c", "\\", ";", ";a=b", "%00", "%0a", "%0d%0a", "%25",
    "%20", "+", "%", "%zz", "%D0", "%d0%ba", "~", "-", "_", ".", "?", "&", "=", "#", "{", "}", "{env.HOME}", "@", ":",
    "version/", "/version/", "admin", "1", "0", "x", "A", "*", "'", '"', "<", "|", "^", "`", "é",
]  # fmt: skip


@st.composite
def mutated_requests(draw: st.DrawFn) -> tuple[str, str]:
    """A method and a request target (`/path?query`): mostly near what the rules speak of."""
    if draw(st.booleans()):
        method, path, query = draw(st.sampled_from(SESSION))
        target = f"{path}?{query}" if query else path
    else:
        method = draw(st.sampled_from(_METHODS))
        target = draw(st.sampled_from(_PATHS)) + draw(st.sampled_from(_QUERIES))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(1, len(target)))
        change = draw(st.sampled_from(["insert", "delete", "case", "encode"]))
        if change == "insert":
            target = target[:at] + draw(st.sampled_from(_PIECES)) + target[at:]
        elif change == "delete" and at < len(target):
            target = target[:at] + target[at + 1 :]
        elif change == "case" and at < len(target):
            target = target[:at] + target[at].swapcase() + target[at + 1 :]
        elif change == "encode" and at < len(target):
            target = target[:at] + "".join(f"%{byte:02x}" for byte in target[at].encode()) + target[at + 1 :]
    return method, target
