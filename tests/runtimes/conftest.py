"""A template process of a test's own, which no other test needs and which ends with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotator_ops.processes import ProcessIdentity, processes_with
from annotator_ops.resources import resource
from annotator_ops.runtimes import launching
from annotator_ops.runtimes import template as template_module
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import launcher_argv
from annotator_ops.runtimes.template import Template
from annotator_ops.waiting import wait_until
from tests.real import prepared_installation

HERE = Path(__file__).resolve().parent


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Template]:
    """Not running yet; every runtime in this process uses it."""
    monkeypatch.setattr(Template, "folder", property(lambda _self: tmp_path / "template"))
    made = Template(prepared_installation())
    yield made
    for process in running(made):
        process.end(patience=5)


def running(template: Template) -> list[ProcessIdentity]:
    """The processes that are this template: none or one, if all is well."""
    return processes_with(str(template.address))


def the_one(template: Template) -> ProcessIdentity:
    """The template's process, once it runs."""

    def found() -> ProcessIdentity | None:
        processes = running(template)
        return processes[0] if len(processes) == 1 else None

    return wait_until(found, what="the template to run", deadline=30, hint="")


@pytest.fixture
def installation() -> Installation:
    return prepared_installation()


@pytest.fixture
def do_instead(template: Template, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that makes instances do what a file beside this one says, when they are ready to serve."""

    def change(name: str) -> None:
        def argv(of: Installation, *arguments: str) -> list[str]:
            plain = launcher_argv(of, *arguments)
            own = [str(HERE / "instead.py"), str(resource("deploy")), str(HERE / name)]
            return [*plain[:2], *own, *plain[3:]]

        for module in (launching, template_module):
            monkeypatch.setattr(module, "launcher_argv", argv)

    return change
