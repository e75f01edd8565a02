"""Layer 5. Builds the adapters that steps work with, from the study file and what is recorded beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from annotator_ops import study as study_file
from annotator_ops import validation
from annotator_ops.addresses import origin_of
from annotator_ops.errors import OpsError
from annotator_ops.labelstudio import LabelStudio
from annotator_ops.models import LabelStudioChoice, RuntimeKind, State, Study, Target
from annotator_ops.plan import Wanted, choose_runtime
from annotator_ops.proxies.caddy import CaddyProxy
from annotator_ops.runtimes import Runtime
from annotator_ops.runtimes.installation import Installation
from annotator_ops.steps import Board, Workbench
from annotator_ops.steps.collect import Down, Source
from annotator_ops.store.database import Store
from annotator_ops.store.exposed import exposed_url
from annotator_ops.store.vault import Vault, study_id

_COUNT = "annotators"


@dataclass(frozen=True, slots=True)
class Opened:
    """A workbench, and why new instances get the runtime they get."""

    bench: Workbench
    runtime_reason: str


@contextmanager
def workbench(path: Path, board: Board, *, count: int | None = None, check: bool = False) -> Iterator[Opened]:
    """Open a study's state and build its adapters. `count` is the command line's number of annotators."""
    study = validation.load_valid(path) if check else study_file.load(path)
    with Store(study.state_dir) as store:
        study = _with_annotators(study, store, count)
        identity = study_id(study.state_dir, study.name)
        runtimes, kind, why = _runtimes(study, store, identity)
        exposed = exposed_url(store)
        wanted = Wanted(
            study=study,
            study_id=identity,
            runtime=kind,
            origin=origin_of(study.proxy, exposed),
            exposed_url=exposed,
        )
        bench = Workbench(
            wanted=wanted,
            store=store,
            vault=Vault(study.state_dir),
            runtimes=runtimes,
            proxy=CaddyProxy(identity, study.state_dir),
            client=LabelStudio,
            board=board,
            cores=len(os.sched_getaffinity(0)),
        )
        yield Opened(bench, why)


def _with_annotators(study: Study, store: Store, count: int | None) -> Study:
    """The command line's number is remembered, so that later commands need not repeat it."""
    if count is not None:
        study = study_file.with_annotators(study, count)
        store.set_meta(_COUNT, str(count))
        return study
    remembered = store.get_meta(_COUNT)
    if remembered and not study.annotators:
        return study_file.with_annotators(study, int(remembered))
    return study


def _runtimes(study: Study, store: Store, identity: str) -> tuple[dict[RuntimeKind, Runtime], RuntimeKind, str]:
    recorded: set[RuntimeKind] = {instance.runtime for instance in store.instances().values()}
    engine = (False, "not asked")
    if study.runtime == "auto" and recorded and len(recorded) == 1:
        # New instances join those that are there: a study does not end up half here, half there by itself.
        kind = next(iter(recorded))
        why = "the study's other instances run so"
    else:
        if study.runtime == "auto":
            from annotator_ops.runtimes.docker_engine import engine_answers

            engine = engine_answers()
        kind, why = choose_runtime(study.runtime, engine)
    runtimes: dict[RuntimeKind, Runtime] = {}
    for needed in sorted({kind, *recorded}):
        runtimes[needed] = build_runtime(needed, identity, study.state_dir, study.label_studio)
    return runtimes, kind, why


def build_runtime(kind: RuntimeKind, identity: str, state_dir: Path, choice: LabelStudioChoice) -> Runtime:
    """A runtime by its name; its module is loaded only now."""
    instances_dir = state_dir / "instances"
    if kind == "docker":
        from annotator_ops.runtimes.docker import DockerRuntime

        return DockerRuntime(identity, instances_dir)
    from annotator_ops.runtimes.process import ProcessRuntime

    return ProcessRuntime(identity, instances_dir, Installation(study_file.user_home(), choice.version))


def sources(bench: Workbench, stack: ExitStack) -> dict[str, Source | Down]:
    """Where each recorded instance's work can be fetched now, or why it cannot. Clients are closed with `stack`."""
    seen, problems = bench.observe_leniently()
    found: dict[str, Source | Down] = {}
    for name, instance in sorted(bench.store.instances().items()):
        state = seen[name].state if name in seen else State.ABSENT
        if state is State.RUNNING and instance.project_id is not None:
            found[name] = Source(stack.enter_context(bench.client_of(instance)), instance.project_id)
        elif instance.target is Target.STOPPED and state is not State.UNKNOWN:
            found[name] = Down("stopped on purpose", "`ops start` brings it back.", "stopped", on_purpose=True)
        elif state is State.UNKNOWN:
            problem = problems[instance.runtime]
            found[name] = Down(problem.message, problem.hint, problem.code)
        elif state is State.RUNNING:
            found[name] = Down("its project is not made yet", "Run `ops provision`.", "not-ready")
        else:
            found[name] = Down(f"its Label Studio is {state}")
    return found


def require_annotators(study: Study) -> None:
    """Provisioning needs somebody to provision for."""
    if not study.annotators:
        raise OpsError(
            "The study names no annotators.",
            hint="Say how many (`ops provision --annotators 5`) or list them in study.yaml under `annotators:`.",
            code="no-annotators",
        )
