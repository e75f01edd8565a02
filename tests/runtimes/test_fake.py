"""The faults that the fake can be told to have; that it keeps the contract is tested with the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import State
from annotator_ops.runtimes.fake import FakeMachine, FakeRuntime
from tests.real import make_spec


def test_a_start_can_be_refused_for_one_annotator(tmp_path: Path) -> None:
    machine = FakeMachine(refuses={"anna": OpsError("No.", hint="Later.", code="start-failed")})
    runtime = FakeRuntime("one", machine)
    with pytest.raises(OpsError, match="No"):
        runtime.start(make_spec(tmp_path / "anna", annotator="anna"))
    runtime.start(make_spec(tmp_path / "ben", annotator="ben"))
    assert list(runtime.observe()) == ["ben"]


def test_an_instance_can_die_right_after_its_start(tmp_path: Path) -> None:
    runtime = FakeRuntime("one", FakeMachine(dies={"anna"}))
    runtime.start(make_spec(tmp_path / "anna", annotator="anna"))
    assert runtime.observe()["anna"].state is State.EXITED


def test_while_unreachable_nothing_is_done(tmp_path: Path) -> None:
    machine = FakeMachine()
    runtime = FakeRuntime("one", machine)
    spec = make_spec(tmp_path / "anna", annotator="anna")
    runtime.start(spec)
    machine.reachable = False
    for act in (lambda: runtime.stop("anna"), lambda: runtime.remove("anna"), lambda: runtime.start(spec)):
        with pytest.raises(OpsError) as caught:
            act()
        assert caught.value.code == "engine-unreachable"
    machine.reachable = True
    assert runtime.observe()["anna"].state is State.RUNNING
