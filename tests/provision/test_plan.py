"""What provision would do, from every state in which an instance can be found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.models import (
    Annotator,
    Instance,
    LabelStudioChoice,
    Limits,
    Observation,
    Order,
    ProxySettings,
    State,
    Study,
    Target,
    Task,
)
from annotator_ops.plan import (
    Do,
    Wanted,
    adopted_instance,
    choose_runtime,
    new_instance,
    plan,
    port_candidates,
    project_hash,
    routes,
    spec_of,
    tasks_hash,
)

ANNA = Annotator(id="anna", name="Anna")


def a_study(**changes: object) -> Study:
    study = Study(
        path=Path("/studies/one/study.yaml"),
        root=Path("/studies/one"),
        name="one",
        title="Study one",
        label_config="<View/>",
        instructions="",
        tasks=(Task("t1", {"id": "t1", "text": "a"}), Task("t2", {"id": "t2", "text": "b"})),
        annotators=(ANNA,),
        order=Order(),
        criteria=(),
        judges=(),
        runtime="auto",
        label_studio=LabelStudioChoice("1.23.2"),
        proxy=ProxySettings(),
        limits=Limits(),
        language="en",
        simulated=False,
    )
    return replace(study, **changes)  # type: ignore[arg-type]  # field names are checked by replace itself


def wanted(study: Study | None = None, origin: str = "http://localhost:8080") -> Wanted:
    return Wanted(study=study or a_study(), study_id="one-abc123", runtime="process", origin=origin)


def finished(want: Wanted) -> tuple[Instance, Observation]:
    """Anna's instance as it is when nothing is left to do."""
    instance = new_instance(want, ANNA, 21000)
    instance = replace(
        instance,
        project_id=1,
        project_hash=project_hash(want.study),
        tasks_hash=tasks_hash(want.study, "anna"),
        spec_hash=spec_of(want, instance, {}).spec_hash,
    )
    seen = Observation("anna", State.RUNNING, handle="1", port=21000, spec_hash=instance.spec_hash)
    return instance, seen


def kinds(want: Wanted, instance: Instance | None, seen: Observation | None) -> list[Do]:
    recorded = {"anna": instance} if instance else {}
    return [action.do for action in plan(want, recorded, {"anna": seen} if seen else {})]


def test_from_nothing() -> None:
    assert kinds(wanted(), None, None) == [Do.CREATE, Do.START, Do.PROJECT, Do.TASKS]


def test_finished_means_nothing_to_do() -> None:
    assert kinds(wanted(), *finished(wanted())) == [Do.NOTHING]


def test_a_running_instance_without_a_record_is_adopted_not_made_again() -> None:
    _, seen = finished(wanted())
    assert kinds(wanted(), None, seen) == [Do.ADOPT, Do.PROJECT, Do.TASKS]
    record = adopted_instance(wanted(), ANNA, replace(seen, port=29999))
    assert record.port == 29999


def test_an_adopted_instance_with_other_settings_is_restarted() -> None:
    _, seen = finished(wanted())
    assert Do.RESTART in kinds(wanted(), None, replace(seen, spec_hash="another"))


@pytest.mark.parametrize("state", [State.EXITED, State.ABSENT])
def test_down_means_start_and_nothing_else(state: State) -> None:
    instance, seen = finished(wanted())
    assert kinds(wanted(), instance, replace(seen, state=state)) == [Do.START]
    assert kinds(wanted(), instance, None) == [Do.START]


def test_stopped_on_purpose_stays_stopped() -> None:
    instance, _ = finished(wanted())
    assert kinds(wanted(), replace(instance, target=Target.STOPPED), None) == [Do.NOTHING]


def test_a_new_public_address_restarts() -> None:
    instance, seen = finished(wanted())
    assert kinds(wanted(origin="https://study.example.org"), instance, seen) == [Do.RESTART]


def test_changed_limits_restart() -> None:
    instance, seen = finished(wanted())
    assert kinds(wanted(a_study(limits=Limits(memory=2**31))), instance, seen) == [Do.RESTART]


def test_changed_instructions_touch_the_project_only() -> None:
    instance, seen = finished(wanted())
    assert kinds(wanted(a_study(instructions="Be kind.")), instance, seen) == [Do.PROJECT]


def test_more_tasks_are_imported() -> None:
    instance, seen = finished(wanted())
    more = a_study(tasks=(*a_study().tasks, Task("t3", {"id": "t3", "text": "c"})))
    assert kinds(wanted(more), instance, seen) == [Do.TASKS]


def test_another_runtime_or_version_in_the_study_moves_nobody() -> None:
    instance, seen = finished(wanted())
    other = replace(wanted(a_study(label_studio=LabelStudioChoice("1.99"))), runtime="docker")
    assert kinds(other, instance, seen) == [Do.NOTHING]


def test_routes_are_complete_and_sorted_and_the_stopped_are_paused() -> None:
    want = wanted()
    recorded = {
        name: replace(new_instance(want, Annotator(name, name), port), target=target)
        for name, port, target in (
            ("zoe", 3, Target.RUNNING),
            ("Ann", 1, Target.RUNNING),
            ("bob", 2, Target.STOPPED),
        )
    }
    files = Path("/front-end")
    found = routes(recorded, {"zoe": files, "bob": None})
    assert [route.static for route in found] == [None, None, files]
    assert [(route.annotator, route.paused) for route in found] == [("Ann", False), ("bob", True), ("zoe", False)]
    assert found[0].host_label.startswith("ann--")
    assert found[2].upstream == "127.0.0.1:3"


def test_ports_avoid_those_that_are_taken_and_each_study_begins_elsewhere() -> None:
    first = port_candidates("one", set())
    assert len(first) == len(set(first)) == 8000
    assert min(first) == 21000
    assert first[0] not in port_candidates("one", {first[0]})
    assert first[0] != port_candidates("two", set())[0]


@pytest.mark.parametrize(
    ("setting", "engine", "kind"),
    [
        ("auto", (True, "20.10"), "docker"),
        ("auto", (False, "no socket"), "process"),
        ("docker", (False, "no socket"), "docker"),
        ("process", (True, "20.10"), "process"),
    ],
)
def test_the_runtime_and_why(setting: str, engine: tuple[bool, str], kind: str) -> None:
    chosen, why = choose_runtime(setting, engine)
    assert chosen == kind
    assert engine[1] in why or "study file" in why, why


def test_secrets_do_not_change_the_spec() -> None:
    from annotator_ops.secret import Secret

    instance, _ = finished(wanted())
    bare = spec_of(wanted(), instance, {})
    assert spec_of(wanted(), instance, {"SECRET_KEY": Secret("x")}).spec_hash == bare.spec_hash
    assert "x" not in repr(Secret("x")).replace("…", "")
