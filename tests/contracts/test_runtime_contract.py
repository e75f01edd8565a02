"""The contract that every runtime keeps: fake, processes, Docker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec, Observation, State
from annotator_ops.runtimes import Runtime
from annotator_ops.waiting import wait_until
from tests.contracts.runtime_contract import Bench, Factory, all_runtimes
from tests.real import free_port, wait_healthy


@pytest.fixture(params=all_runtimes())
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    factory: Factory = request.param
    made = factory.make(tmp_path)
    try:
        yield made
    finally:
        made.close()


def started(bench: Bench, spec: InstanceSpec) -> Runtime:
    runtime = bench.runtime(spec.study)
    runtime.seed(spec)
    runtime.start(spec)
    return runtime


def state_of(runtime: Runtime, annotator: str) -> State:
    seen = runtime.observe().get(annotator)
    return seen.state if seen else State.ABSENT


def await_state(runtime: Runtime, annotator: str, wanted: State) -> Observation | None:
    def probe() -> bool | None:
        return True if state_of(runtime, annotator) is wanted else None

    wait_until(probe, what=f"{annotator} to be {wanted}", deadline=60, hint="")
    return runtime.observe().get(annotator)


def leave_mark(bench: Bench, spec: InstanceSpec) -> None:
    """Something that only the instance's data remembers: a project, where there is a real Label Studio."""
    if bench.answers:
        wait_healthy(spec.port)
        with api(spec) as client:
            client.post("/api/projects", json={"title": "A mark"}).raise_for_status()
    else:
        (spec.data_dir / "mark").write_text("A mark")


def has_mark(bench: Bench, spec: InstanceSpec) -> bool:
    if bench.answers:
        wait_healthy(spec.port)
        with api(spec) as client:
            return [project["title"] for project in client.get("/api/projects").json()["results"]] == ["A mark"]
    return (spec.data_dir / "mark").exists()


def api(spec: InstanceSpec) -> httpx.Client:
    token = spec.secrets["LABEL_STUDIO_USER_TOKEN"].reveal()
    return httpx.Client(
        base_url=f"http://127.0.0.1:{spec.port}",
        headers={"Authorization": f"Token {token}"},
        timeout=60,
        trust_env=False,
        follow_redirects=True,
    )


def test_front_end_files_are_plain_files_where_there_are_any(bench: Bench) -> None:
    folder = bench.runtime("one").static_files(bench.spec("one", "anna").label_studio)
    assert (folder is not None) is bench.answers
    if folder is not None:
        assert (folder / "react-app" / "main.js").is_file()
        assert folder.stat().st_mode & 0o077 == 0
        assert not [path for path in folder.rglob("*") if path.is_symlink()]


def test_an_instance_lives_stops_and_comes_back_with_its_data(bench: Bench) -> None:
    spec = bench.spec("one", "anna")
    runtime = bench.runtime("one")
    assert runtime.observe() == {}
    runtime.seed(spec)
    assert runtime.observe() == {}, "a data directory is not an instance yet"
    handle = runtime.start(spec)

    leave_mark(bench, spec)
    seen = runtime.observe()["anna"]
    assert (seen.annotator, seen.state, seen.handle) == ("anna", State.RUNNING, handle)
    assert (seen.port, seen.directory, seen.spec_hash) == (spec.port, spec.directory, spec.spec_hash)
    assert seen.memory is not None
    assert seen.memory > 10 * 1024**2
    assert len(runtime.logs("anna", 2)) in (1, 2)

    runtime.stop("anna")
    assert state_of(runtime, "anna") is State.EXITED
    assert runtime.observe()["anna"].memory is None
    runtime.stop("anna")  # once more changes nothing
    assert state_of(runtime, "anna") is State.EXITED

    runtime.seed(spec)  # finds the data and leaves it
    runtime.start(spec)
    assert has_mark(bench, spec)

    runtime.remove("anna")
    assert state_of(runtime, "anna") is State.ABSENT
    runtime.remove("anna")
    runtime.stop("anna")
    assert any(spec.data_dir.iterdir()), "removing an instance keeps its data"
    runtime.start(spec)
    assert has_mark(bench, spec)


def test_a_running_instance_is_adopted_by_a_runtime_that_knows_nothing(bench: Bench) -> None:
    spec = bench.spec("one", "Анна.K")
    handle = started(bench, spec).start(spec)
    fresh = bench.runtime("one")
    seen = fresh.observe()["Анна.K"]
    assert (seen.state, seen.handle, seen.port) == (State.RUNNING, handle, spec.port)
    assert (seen.directory, seen.spec_hash) == (spec.directory, spec.spec_hash)
    assert fresh.start(spec) == handle
    fresh.stop("Анна.K")
    assert state_of(fresh, "Анна.K") is State.EXITED


def test_a_crash_is_seen_and_the_instance_starts_again(bench: Bench) -> None:
    spec = bench.spec("one", "anna")
    runtime = started(bench, spec)
    leave_mark(bench, spec)
    seen = runtime.observe()["anna"]
    bench.crash("one", seen)
    after = await_state(runtime, "anna", State.EXITED)
    assert after is not None
    assert after.spec_hash == spec.spec_hash
    runtime.start(spec)
    assert state_of(runtime, "anna") is State.RUNNING
    assert has_mark(bench, spec)


def test_two_studies_side_by_side_do_not_see_each_other(bench: Bench) -> None:
    first, second = bench.spec("one", "anna"), bench.spec("two", "anna")
    one, two = started(bench, first), started(bench, second)
    assert one.observe()["anna"].port == first.port
    assert two.observe()["anna"].port == second.port
    assert one.observe()["anna"].handle != two.observe()["anna"].handle
    one.remove("anna")
    assert state_of(one, "anna") is State.ABSENT
    assert state_of(two, "anna") is State.RUNNING
    assert bench.runtime("three").observe() == {}


def test_a_port_taken_by_somebody_else_is_said(bench: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        if not bench.answers:
            bench.machine.ports.add(port)  # type: ignore[attr-defined]
        spec = bench.spec("one", "anna", port=port)
        runtime = bench.runtime("one")
        runtime.seed(spec)
        with pytest.raises(OpsError) as caught:
            runtime.start(spec)
        assert caught.value.code == "port-taken"
        assert str(port) in caught.value.message
        assert state_of(runtime, "anna") is not State.RUNNING
    elsewhere = bench.spec("one", "anna")
    runtime.start(elsewhere)
    assert runtime.observe()["anna"].port == elsewhere.port


def test_two_annotators_cannot_have_one_port(bench: Bench) -> None:
    anna = bench.spec("one", "anna")
    runtime = started(bench, anna)
    ben = bench.spec("one", "ben", port=anna.port)
    runtime.seed(ben)
    with pytest.raises(OpsError) as caught:
        runtime.start(ben)
    assert caught.value.code == "port-taken"
    assert state_of(runtime, "anna") is State.RUNNING


def test_started_many_times_at_once_is_started_once(bench: Bench) -> None:
    spec = bench.spec("one", "anna")
    bench.runtime("one").seed(spec)
    with ThreadPoolExecutor(6) as pool:
        handles = set(pool.map(lambda _: bench.runtime("one").start(spec), range(6)))
    assert len(handles) == 1
    seen = bench.runtime("one").observe()
    assert list(seen) == ["anna"]
    assert seen["anna"].handle in handles


def test_a_changed_spec_replaces_the_instance_and_keeps_the_data(bench: Bench) -> None:
    spec = bench.spec("one", "anna")
    runtime = started(bench, spec)
    leave_mark(bench, spec)
    old = runtime.observe()["anna"].handle
    changed = InstanceSpec(
        study=spec.study,
        annotator=spec.annotator,
        name=spec.name,
        port=free_port(),
        directory=spec.directory,
        environment={**spec.environment, "MAX_SESSION_AGE": "3600"},
        secrets=spec.secrets,
        label_studio=spec.label_studio,
        limits=spec.limits,
    )
    assert runtime.start(changed) != old
    seen = runtime.observe()
    assert list(seen) == ["anna"]
    assert (seen["anna"].state, seen["anna"].port) == (State.RUNNING, changed.port)
    assert seen["anna"].spec_hash == changed.spec_hash != spec.spec_hash
    assert has_mark(bench, changed)


def test_what_carries_no_label_is_never_touched(bench: Bench) -> None:
    untouched = bench.stranger("one", "anna")
    runtime = bench.runtime("one")
    assert runtime.observe() == {}
    runtime.stop("anna")
    runtime.remove("anna")
    assert untouched()
    other = bench.spec("one", "ben")
    started(bench, other)
    assert list(runtime.observe()) == ["ben"]
    runtime.remove("ben")
    assert untouched()


def test_not_knowing_is_said_and_removes_nothing(bench: Bench) -> None:
    spec = bench.spec("one", "anna")
    runtime = started(bench, spec)
    handle = runtime.observe()["anna"].handle
    with bench.unreachable("one") as blind:
        with pytest.raises(OpsError) as caught:
            blind.observe()
        assert caught.value.code == "engine-unreachable"
    seen = runtime.observe()["anna"]
    assert (seen.state, seen.handle) == (State.RUNNING, handle)
    assert any(spec.data_dir.iterdir())


def test_logs_of_nobody_are_empty(bench: Bench) -> None:
    assert list(bench.runtime("one").logs("nobody", 10)) == []
