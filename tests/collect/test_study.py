"""Collecting a whole study: who is asked, why somebody is not, and one change of the study at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import Instance, Observation, State, Study, Target
from annotator_ops.steps import Workbench
from annotator_ops.steps.collect import collect_study
from annotator_ops.store.database import Store
from annotator_ops.store.vault import Vault
from tests.collect.samples import Exported, FakeClient, quality, study


@dataclass(frozen=True)
class Wanted:
    study: Study


@dataclass(frozen=True)
class Runtime:
    """A runtime that sees these states, or does not answer."""

    states: Mapping[str, State] | None

    def observe(self) -> dict[str, Observation]:
        if self.states is None:
            raise OpsError("No engine answers.", hint="Start it.", code="no-engine")
        return {name: Observation(annotator=name, state=state) for name, state in self.states.items()}


class Client(FakeClient):
    """A fake client that must be closed."""

    closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(study(tmp_path).state_dir) as opened:
        yield opened


def recorded(store: Store, name: str) -> Instance:
    instance = Instance(name, f"x-{name}", "process", Target.RUNNING, 9001, "1.23.2", project_id=1)
    store.put_instance(instance)
    Vault(store.state_dir).ensure_credentials(name)
    return instance


def bench(tmp_path: Path, store: Store, runtime: Runtime, client: Client) -> Workbench:
    return Workbench(
        wanted=cast(Any, Wanted(study(tmp_path, "t1"))),
        store=store,
        vault=Vault(store.state_dir),
        runtimes=cast(Any, {"process": runtime}),
        proxy=cast(Any, None),
        client=cast(Any, lambda _url, _token: client),
        board=cast(Any, None),
        cores=1,
    )


def labelled() -> Client:
    exported = Exported()
    exported.annotate("t1", quality("good"))
    return Client(exported)


def test_each_instance_is_asked_or_said_why_not(tmp_path: Path, store: Store) -> None:
    for name in ("anna", "dead", "gone", "lost"):
        recorded(store, name)
    store.put_instance(replace(recorded(store, "idle"), target=Target.STOPPED))
    store.put_instance(replace(recorded(store, "raw"), project_id=None))
    (store.state_dir / "secrets" / "lost.json").unlink()
    seen = dict.fromkeys(("anna", "raw", "lost"), State.RUNNING) | dict.fromkeys(("dead", "idle"), State.EXITED)
    client = labelled()
    result = collect_study(bench(tmp_path, store, Runtime(seen), client))
    assert {each.subject: (each.state, each.code) for each in result.outcomes} == {
        "anna": ("ok", "collected"),
        "dead": ("failed", "instance-down"),
        "gone": ("failed", "instance-down"),
        "idle": ("skipped", "stopped"),
        "lost": ("failed", "no-secrets"),
        "raw": ("failed", "not-ready"),
    }
    assert client.closed
    assert [each.rater for each in store.ratings()] == ["anna"]


def test_an_engine_that_does_not_answer_is_said(tmp_path: Path, store: Store) -> None:
    recorded(store, "anna")
    (outcome,) = collect_study(bench(tmp_path, store, Runtime(None), labelled())).outcomes
    assert (outcome.state, outcome.code, outcome.hint) == ("failed", "no-engine", "Start it.")


def test_it_holds_the_lock_of_the_study(tmp_path: Path, store: Store) -> None:
    recorded(store, "anna")
    client = labelled()
    with store.lock("destroy"), pytest.raises(OpsError, match="ops destroy") as caught:
        collect_study(bench(tmp_path, store, Runtime({"anna": State.RUNNING}), client))
    assert caught.value.code == "locked"
    assert client.asked == []
