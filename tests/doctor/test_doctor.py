"""`ops doctor`: each thing judged in one sentence with one fix, and the real machine of the tests is fit."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotator_ops.machine import Clock, Disk, Machine, Memory
from annotator_ops.models import LabelStudioChoice, Outcome, ProxySettings
from annotator_ops.ports import PortState
from annotator_ops.steps.doctor import Need, Programs, doctor, judge
from tests.study.making import make

GIB = 1024**3
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIT = Machine(
    system="linux",
    python=(3, 11, 2),
    memory=Memory(8 * GIB, 4 * GIB),
    study_disk=Disk(Path("/srv/study"), 50 * GIB),
    home_disk=Disk(Path("/home/x"), 40 * GIB),
    clock=Clock(NOW, NOW - timedelta(days=30), 0.01),
    uv="/usr/bin/uv",
    ngrok=None,
)
PROGRAMS = Programs(
    engine=Outcome("engine", "ok", "answers"),
    image=Outcome("image", "ok", "is here"),
    label_studio=Outcome("Label Studio", "skipped", "in the image"),
    walls=Outcome("walls", "skipped", "containers bring their own"),
    caddy=Outcome("Caddy", "ok", "is here"),
    with_docker=True,
)


def verdicts(
    machine: Machine, need: Need | None = None, programs: Programs = PROGRAMS, port: PortState = "free"
) -> dict[str, Outcome]:
    found = judge(machine, need or Need(), programs, port)
    assert all(outcome.hint for outcome in found if outcome.state == "failed")
    return {outcome.subject: outcome for outcome in found if outcome.state in {"warning", "failed"}}


def test_a_fit_machine() -> None:
    assert verdicts(FIT) == {}


@pytest.mark.parametrize(
    ("machine", "subject", "state", "code"),
    [
        (replace(FIT, python=(3, 10, 9)), "Python", "failed", "python-old"),
        (replace(FIT, system="darwin"), "Python", "failed", "not-linux"),
        (replace(FIT, clock=Clock(NOW, NOW + timedelta(days=2), 0)), "clock", "failed", "clock-wrong"),
        (replace(FIT, clock=Clock(NOW, NOW, -400)), "clock", "warning", "clock-skewed"),
        (replace(FIT, memory=Memory(GIB, GIB)), "memory", "failed", "memory-short"),
        (replace(FIT, memory=Memory(8 * GIB, GIB)), "memory", "warning", "memory-tight"),
        (replace(FIT, memory=None), "memory", "warning", "memory-unknown"),
        (replace(FIT, study_disk=Disk(Path("/srv"), GIB // 10)), "disk", "failed", "disk-short"),
        (replace(FIT, study_disk=Disk(Path("/srv"), 3 * GIB // 4)), "disk", "warning", "disk-short"),
        (replace(FIT, home_disk=Disk(Path("/home"), GIB)), "disk", "failed", "disk-short"),
        (replace(FIT, home_disk=None), "disk", "warning", "disk-unknown"),
    ],
)
def test_an_unfit_machine(machine: Machine, subject: str, state: str, code: str) -> None:
    found = verdicts(machine)
    assert list(found) == [subject]
    assert (found[subject].state, found[subject].code) == (state, code)


def test_five_need_what_five_need() -> None:
    """270 MB each: 4 GiB are enough for 15 and too little for 16."""
    small = replace(FIT, memory=Memory(4 * GIB, 4 * GIB))
    assert verdicts(small, Need(annotators=15)) == {}
    assert set(verdicts(small, Need(annotators=16))) == {"memory"}


def test_ports() -> None:
    need = Need(proxy=ProxySettings(port=8080))
    assert verdicts(FIT, need, port="taken")["port"].code == "port-taken"
    assert verdicts(FIT, need, port="forbidden")["port"].code == "port-forbidden"
    assert verdicts(FIT, need, replace(PROGRAMS, proxy_runs_on=8080), "taken") == {}
    assert set(verdicts(FIT, need, replace(PROGRAMS, proxy_runs_on=9090), "taken")) == {"port"}


def test_uv_is_needed_only_to_install() -> None:
    without = replace(FIT, uv=None)
    assert verdicts(without) == {}
    to_install = replace(PROGRAMS, label_studio=Outcome("Label Studio", "warning", "will be installed", hint="…"))
    assert verdicts(without, programs=to_install)["uv"].state == "failed"


def test_this_machine_with_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_OPS_HOME", str(tmp_path / "home"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        path = make(tmp_path, {"annotators": 3, "runtime": "process", "proxy": {"port": port}})
        result = doctor(path)
    found = {outcome.subject: outcome for outcome in result.outcomes}
    assert found["port"].code == "port-taken"
    assert result.exit_code == 1
    assert "3 instances" in found["memory"].message
    assert found["engine"].state == found["image"].state == "skipped"
    assert (found["Label Studio"].state, found["Label Studio"].code) == ("warning", "not-installed")
    assert found["Caddy"].state == "ok"
    assert result.data["annotators"] == 3


def test_a_broken_study_is_said_and_the_machine_still_examined(tmp_path: Path) -> None:
    result = doctor(make(tmp_path, "runtme: docker"))
    assert result.outcomes[0].code == "study-invalid"
    assert "memory" in {outcome.subject for outcome in result.outcomes}


def test_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence of the adapter is passed on; whether it is a failure depends on the study."""
    from annotator_ops.runtimes import docker_engine

    monkeypatch.setattr(docker_engine, "engine_answers", lambda: (False, "No socket."))
    for runtime, state in {"docker": "failed", "auto": "skipped", "process": "skipped"}.items():
        result = doctor(make(tmp_path, {"runtime": runtime}))
        engine = next(outcome for outcome in result.outcomes if outcome.subject == "engine")
        assert engine.state == state
        image = next(outcome for outcome in result.outcomes if outcome.subject == "image")
        assert image.state == "skipped"


def test_an_unknown_version(tmp_path: Path) -> None:
    result = doctor(make(tmp_path, {"runtime": "process", "label_studio": {"version": "1.0.0"}}))
    found = {outcome.subject: outcome for outcome in result.outcomes}
    assert found["Label Studio"].code == "label-studio-version-unknown"


def test_without_a_study() -> None:
    assert Need().label_studio == LabelStudioChoice("1.23.2")
    assert doctor(None).data == {"annotators": 5, "runtime": "auto"}
