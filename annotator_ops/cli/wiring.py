"""Layer 5. Builds the adapters that steps work with, from the study file and what is recorded beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from annotator_ops import study as study_file
from annotator_ops import validation
from annotator_ops.addresses import origin_of
from annotator_ops.errors import OpsError, StudyError
from annotator_ops.labelstudio import LabelStudio
from annotator_ops.models import LabelStudioChoice, RuntimeKind, State, Study
from annotator_ops.plan import Wanted, choose_runtime, instances_dir
from annotator_ops.proxies.caddy import CaddyProxy
from annotator_ops.proxies.orphans import end_orphaned_agents
from annotator_ops.runtimes import Runtime
from annotator_ops.runtimes.installation import Installation
from annotator_ops.steps import Board, Workbench
from annotator_ops.store.database import Store
from annotator_ops.store.exposed import exposed_url, forget_exposed, holder_is_gone
from annotator_ops.store.vault import Vault, study_id

# Where `ops expose` keeps its agent's configuration, below the state directory.
NGROK_FOLDER = "ngrok"
# The command line's number of annotators, and what the study file said when it was given.
_COUNT = "annotators"
_IN_FILE = "annotators-in-file"


@dataclass(frozen=True, slots=True)
class Opened:
    """A workbench, and why new instances get the runtime they get."""

    bench: Workbench
    runtime_reason: str


@contextmanager
def workbench(
    path: Path, board: Board, *, count: int | None = None, check: bool = False, remember: bool = True
) -> Iterator[Opened]:
    """Open a study's state and build its adapters; all are closed at the end.

    `count` is the command line's number of annotators, which later commands `remember`. `check`: the study is to be
    started, so everything about it is looked at first, as `ops validate` does.
    """
    study = _load(path, check=check)
    # By one name, however it was reached: instances that know another place are out of date.
    study = replace(study, root=study.root.resolve())
    with ExitStack() as stack:
        store = stack.enter_context(Store(study.state_dir))
        study = _with_annotators(study, store, count, remember=remember)
        identity = study_id(study.state_dir, study.name)
        runtimes, kind, why = _runtimes(study, store, identity, stack=stack)
        if check:
            if remember:
                _begin(runtimes[kind], study)  # it goes on while we look
            validation.load_valid(path)
        if holder_is_gone(store):
            end_orphaned_agents(study.state_dir / NGROK_FOLDER)
            forget_exposed(store)
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


def _load(path: Path, *, check: bool) -> Study:
    try:
        return study_file.load(path)
    except StudyError:
        if check:
            validation.load_valid(path)  # says all that is wrong, and not only what stands in the way
        raise


def _begin(runtime: Runtime, study: Study) -> None:
    """Where instances will have to be started, begin with what that needs."""
    with suppress(OpsError):
        running = sum(seen.state is State.RUNNING for seen in runtime.observe().values())
        if running < len(study.annotators):
            runtime.begin(study.label_studio)


def _with_annotators(study: Study, store: Store, count: int | None, *, remember: bool) -> Study:
    """The command line's number is remembered, so that later commands need not repeat it.

    It wins over a number in the study file until that is changed to another, and never over a list of names.
    """
    roster = study.annotators
    in_file = len(roster)
    if count is not None:
        study = study_file.with_annotators(study, count)
        if remember:
            store.set_meta(_COUNT, str(count))
            store.set_meta(_IN_FILE, str(in_file))
        return study
    remembered = store.get_meta(_COUNT)
    named = roster != study_file.numbered_annotators(in_file, study.language)
    if remembered is None or named:
        return study
    if in_file and str(in_file) != store.get_meta(_IN_FILE):
        if remember:
            store.set_meta(_COUNT, None)  # or it would be back as soon as the file says again what it said then
        return study
    return study_file.with_annotators(study, int(remembered))


def _runtimes(
    study: Study, store: Store, identity: str, *, stack: ExitStack
) -> tuple[dict[RuntimeKind, Runtime], RuntimeKind, str]:
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
        runtimes[needed] = build_runtime(needed, identity, study.state_dir, study.label_studio, stack=stack)
    return runtimes, kind, why


def build_runtime(
    kind: RuntimeKind, identity: str, state_dir: Path, choice: LabelStudioChoice, *, stack: ExitStack
) -> Runtime:
    """A runtime by its name; its module is loaded only now. `stack` closes what it has opened."""
    folder = instances_dir(state_dir)
    if kind == "docker":
        from annotator_ops.runtimes.docker import DockerRuntime

        runtime = DockerRuntime(identity, folder)
        stack.callback(runtime.close)
        return runtime
    from annotator_ops.runtimes.process import ProcessRuntime

    installation = Installation(study_file.user_home(), choice.version)
    return ProcessRuntime(identity, folder, installation, warm=choice.start == "warm")


def require_annotators(study: Study) -> None:
    """Provisioning needs somebody to provision for."""
    if not study.annotators:
        raise OpsError(
            "The study names no annotators.",
            hint="Say how many (`ops provision --annotators 5`) or list them in study.yaml under `annotators:`.",
            code="no-annotators",
        )
