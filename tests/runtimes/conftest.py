"""A template process of a test's own, which no other test needs and which ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator_ops.processes import ProcessIdentity, processes_with
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.template import Template
from annotator_ops.waiting import wait_until
from tests.real import prepared_installation


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
