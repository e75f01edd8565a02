"""The role as data: what a session needs is allowed, what surrounds it is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator_ops.gate import RULES, allowed, gates, same_origin
from tests.gate.requests import SESSION, mutated_requests

FORBIDDEN = [
    # What the buttons that stay visible lead to
    ("GET", "/projects/1/settings", ""),
    ("GET", "/projects/1/data/import", ""),
    ("GET", "/projects/1/data/export", ""),
    ("GET", "/user/account", ""),
    ("GET", "/people", ""),
    # Another role's API
    ("PATCH", "/api/projects/1", ""),
    ("PUT", "/api/projects/1", ""),
    ("DELETE", "/api/projects/1", ""),
    ("POST", "/api/projects", ""),
    ("GET", "/api/projects/1/export", "exportType=JSON"),
    ("POST", "/api/projects/1/import", ""),
    ("GET", "/api/invite", ""),
    ("GET", "/api/current-user/token", ""),
    ("POST", "/api/current-user/reset-token", ""),
    ("POST", "/api/token/", ""),
    ("PATCH", "/api/users/1", ""),
    ("GET", "/api/users/1", ""),
    ("GET", "/api/organizations", ""),
    ("POST", "/api/webhooks", ""),
    ("POST", "/api/storages/localfiles", ""),
    ("POST", "/api/dm/views", ""),
    ("PATCH", "/api/dm/views/1", ""),
    ("DELETE", "/api/dm/views/1", ""),
    ("DELETE", "/api/annotations/5", ""),
    ("DELETE", "/api/tasks/5", ""),
    ("PATCH", "/api/tasks/5", ""),
    ("GET", "/user/signup", ""),
    ("POST", "/user/signup/", "token=x"),
    ("GET", "/api/dm/actions", "project=1"),
    # The action's name, said twice, in another case, encoded, after something else, or not at all
    ("POST", "/api/dm/actions", ""),
    ("POST", "/api/dm/actions", "id=delete_tasks&project=1"),
    ("POST", "/api/dm/actions", "id=next_task&id=delete_tasks&project=1"),
    ("POST", "/api/dm/actions", "id=next_task&project=1&id=delete_tasks"),
    ("POST", "/api/dm/actions", "project=1&id=delete_tasks"),
    ("POST", "/api/dm/actions", "id=next_task&%69d=delete_tasks"),
    ("POST", "/api/dm/actions", "id=next_task;id=delete_tasks"),
    ("POST", "/api/dm/actions", "id=next_task&tabID=1%26id=delete_tasks"),
    ("POST", "/api/dm/actions", "id=Next_task"),
    # A filter of the sender's own
    ("GET", "/api/tasks", "project=1&query=%7B%22filters%22%3A%7B%7D%7D"),
    ("GET", "/api/tasks", "project=1&%71uery=%7B%7D"),
    ("GET", "/api/tasks", "project=1&fields=all"),
    # Pages without an anchor, and ways of writing them
    ("GET", "/version/", ""),
    ("GET", "/anything/version/", ""),
    ("GET", "/metrics/", ""),
    ("GET", "/trigger500/", ""),
    ("GET", "/data/local-files/", "d=etc/passwd"),
    ("GET", "/data/upload/local-files", "d=x"),
    ("GET", "/static/%0aversion/", ""),
    ("GET", "/data/upload/%0aversion/", ""),
    ("GET", "/version/../static/x", ""),
    ("GET", "/static/../version/", ""),
    ("GET", "/static/..%2fversion/", ""),
    ("GET", "/static/%2e%2e/version/", ""),
    ("GET", "/static/.env", ""),
    ("GET", "/static//version/", ""),
    ("GET", "/static/x;/version/", ""),
    ("GET", "/static/x%00", ""),
    ("GET", "/static/%2525", ""),
    ("GET", "/static/", ""),
    ("GET", "//", ""),
    ("GET", "//api/version", ""),
    ("GET", "/admin", ""),
    ("GET", "/admin/", ""),
    ("GET", "/django-rq/", ""),
    ("GET", "/docs/api", ""),
    ("GET", "/API/version", ""),
    ("GET", "/api/version\n", ""),
    ("GET", "/api/version", "x\n"),
    ("GET", "/api/tasks/٣", ""),
    ("GET", "/api/tasks/1/annotations/1", ""),
    ("GET", "/projects/1/data/..", ""),
    ("GET", "", ""),
    ("GET", "*", ""),
    # Methods
    ("get", "/", ""),
    ("post", "/api/tasks/4/annotations", ""),
    ("OPTIONS", "/api/projects/1", ""),
    ("TRACE", "/", ""),
    ("HEAD", "/api/projects/1", ""),
    ("CONNECT", "/", ""),
    ("", "/", ""),
]


@pytest.mark.parametrize(("method", "path", "query"), SESSION)
def test_a_session_may(method: str, path: str, query: str) -> None:
    assert allowed(method, path, query)
    assert allowed(method, path, query, project_id=1)


@pytest.mark.parametrize(("method", "path", "query"), FORBIDDEN)
def test_nothing_else(method: str, path: str, query: str) -> None:
    assert not allowed(method, path, query)
    assert not allowed(method, path, query, project_id=1)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/projects/2/data", ""),
        ("GET", "/api/projects/2", ""),
        ("GET", "/api/projects/11", ""),
        ("GET", "/api/dm/columns", "project=2"),
        ("GET", "/api/tasks", "project=2"),
        ("GET", "/api/tasks", "project=1&project=2"),
        ("POST", "/api/dm/actions", "id=next_task&project=2"),
    ],
)
def test_a_known_project_is_the_only_one(method: str, path: str, query: str) -> None:
    assert allowed(method, path, query)
    assert not allowed(method, path, query, project_id=1)


def test_every_rule_that_changes_something_is_a_write() -> None:
    for rule in RULES:
        assert rule.write == (not set(rule.methods) <= {"GET", "HEAD"}), rule


def test_patterns_keep_to_what_python_and_re2_share() -> None:
    for gate in gates(7, prefix="/a/anna"):
        # No look-around, back reference, class escape or lazy quantifier: they differ, or are missing, in RE2.
        assert not re.search(r"\(\?[^:]|\\[1-9dDwWsSbBAZ]|[*+?]\?", gate.pattern)
        assert gate.pattern.startswith("^/a/anna(?:")
        assert gate.pattern.endswith(")$")
        assert "{" not in gate.pattern  # Caddy's placeholders


@given(mutated_requests(), st.sampled_from([None, 1]), st.sampled_from(["", "/a/anna"]))
def test_the_compiled_patterns_say_the_same(request: tuple[str, str], project_id: int | None, prefix: str) -> None:
    method, target = request
    path, _, query = target.partition("?")
    compiled = any(
        method in gate.methods and re.fullmatch(gate.pattern[1:-1], prefix + target) is not None
        for gate in gates(project_id, prefix=prefix)
    )
    assert compiled == allowed(method, path, query, project_id=project_id)


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        (["http://anna.localhost:8080"], True),
        ([], False),
        (["null"], False),
        (["http://boris.localhost:8080"], False),
        (["https://anna.localhost:8080"], False),
        (["http://anna.localhost:8080.evil.example"], False),
        (["http://evil.example", "http://anna.localhost:8080"], False),
        (["http://anna.localhost:8080/"], False),
        (["HTTP://anna.localhost:8080"], False),
    ],
)
def test_a_write_says_where_it_comes_from(headers: list[str], same: bool) -> None:
    assert same_origin(headers, "http://anna.localhost:8080") is same
