"""The order of tasks: seeded, the same everywhere and always, and not upset by tasks that are added."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator_ops.assignment import order_for
from annotator_ops.models import Order, Study, Task
from annotator_ops.study import load
from tests.study.making import make


def study_with(folder: Path, ids: list[str], order: Order | None = None) -> Study:
    study = load(make(folder))
    return replace(study, tasks=tuple(Task(id, {"id": id}) for id in ids), order=order or Order())


def ids(study: Study, annotator: str) -> list[str]:
    return [task.id for task in order_for(study, annotator)]


def test_the_order_is_written_in_stone(tmp_path: Path) -> None:
    """These exact orders: another Python, or another version of ours, must not change a study that is running."""
    study = study_with(tmp_path, list("abcdefgh"))
    assert "".join(ids(study, "anna")) == "ehcgbadf"
    assert "".join(ids(study, "boris")) == "edbhgacf"
    assert "".join(ids(replace(study, order=Order(seed=1)), "anna")) == "gfhbadce"
    assert "".join(ids(replace(study, order=Order(shuffle=False)), "anna")) == "abcdefgh"


def test_everybody_gets_every_task_once(tmp_path: Path) -> None:
    study = study_with(tmp_path, [str(number) for number in range(50)])
    orders = [ids(study, f"annotator-{number}") for number in range(10)]
    assert all(sorted(order) == sorted(orders[0]) for order in orders)
    assert len({tuple(order) for order in orders}) == 10


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1), unique=True, max_size=30), st.integers(0, 30))
def test_added_tasks_leave_the_others_in_order(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("study")
    before, after = ids(study_with(folder, names[:cut]), "anna"), ids(study_with(folder, names), "anna")
    assert [name for name in after if name in set(names[:cut])] == before


def test_positions_are_evenly_spread(tmp_path: Path) -> None:
    """Each of 8 tasks comes first for about an eighth of 800 annotators; 5 standard deviations are allowed."""
    study = study_with(tmp_path, list("abcdefgh"))
    first = [ids(study, f"annotator-{number}")[0] for number in range(800)]
    assert all(100 - 47 < first.count(task) < 100 + 47 for task in "abcdefgh")
