"""Layer 4. Provision: move every annotator's instance, one recorded step after the other, to running and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from annotator_ops.assignment import order_for
from annotator_ops.environment import secret_environment
from annotator_ops.errors import OpsError
from annotator_ops.instructions import to_html
from annotator_ops.labelstudio import LabelStudio, ProjectSettings, load_sdk
from annotator_ops.models import Annotator, Instance, LabelStudioChoice, Outcome, State, StepResult, Target
from annotator_ops.plan import (
    Action,
    Do,
    adopted_instance,
    new_instance,
    plan,
    port_candidates,
    project_hash,
    spec_of,
    tasks_hash,
)
from annotator_ops.ports import LOOPBACK, port_holder, port_state, port_taken
from annotator_ops.proxies.serving import wait_served
from annotator_ops.runtimes.seed import DATABASE
from annotator_ops.steps import Workbench, running_notes
from annotator_ops.waiting import wait_until

# An ordinary start takes 5 s alone, and a minute when a small machine starts many at once.
_READY_SECONDS = 240.0


def provision(bench: Workbench, *, dry_run: bool = False, runtime_reason: str = "") -> StepResult:
    """Bring every annotator of the study to running, with a project and all tasks, behind the proxy.

    Run twice it does nothing the second time; killed anywhere and run again it converges. With `dry_run` it only says
    what it would do. One annotator's failure is an outcome and does not stop the others.
    """
    notes = _runtime_notes(bench, runtime_reason)
    if dry_run:
        actions = plan(bench.wanted, bench.store.instances(), bench.observe())
        return StepResult(
            command="provision",
            outcomes=tuple(Outcome(a.annotator, "ok", f"{a.do}: {a.why}", code=a.do.value) for a in actions),
            data={"dry_run": True, "plan": [{"annotator": a.annotator, "do": a.do, "why": a.why} for a in actions]},
            notes=(*notes, "Nothing was changed: this is the plan."),
        )
    with bench.store.lock("provision"):
        return _reconcile(bench, bench.study.annotators, "provision", notes)


def _runtime_notes(bench: Workbench, reason: str) -> tuple[str, ...]:
    """Which runtime new instances get, why, and what of the study file then has no effect."""
    notes = []
    if reason:
        notes.append(f"Runtime for new instances: {bench.wanted.runtime}, because {reason}.")
    docker_only = {"label_studio.image": bench.study.label_studio.image, "limits.cpus": bench.study.limits.cpus}
    ignored = [f"`{key}`" for key, value in docker_only.items() if value is not None]
    if ignored and bench.wanted.runtime == "process":
        verb = "have" if len(ignored) > 1 else "has"
        notes.append(
            f"{' and '.join(ignored)} {verb} no effect: new instances are plain processes. "
            "With `runtime: docker` in study.yaml they would be containers."
        )
    return tuple(notes)


def start(bench: Workbench, annotators: Iterable[str]) -> StepResult:
    """Bring stopped instances back: their target becomes running, then they are reconciled like any other.

    One whose annotator is in the study no more is started too, when named or when all are; its project stays as it is.
    """
    recorded = bench.store.instances()
    wanted = set(annotators) or set(recorded)
    if unknown := sorted(wanted - set(recorded)):
        raise OpsError(
            f"There is no instance for {', '.join(unknown)}.",
            hint=f"Instances of this study: {', '.join(sorted(recorded)) or 'none; run `ops provision`'}.",
            code="unknown-annotator",
        )
    with bench.store.lock("start"):
        for instance in bench.store.instances().values():
            if instance.annotator in wanted and instance.target is not Target.RUNNING:
                bench.store.put_instance(replace(instance, target=Target.RUNNING))
                bench.store.audit("target", instance.annotator, "running")
        listed = {a.id: a for a in bench.study.annotators}
        # In the study's order; then those who are in the study no more.
        names = [*(name for name in listed if name in wanted), *sorted(wanted - set(listed))]
        chosen = tuple(listed.get(name, Annotator(id=name, name=name)) for name in names)
        return _reconcile(bench, chosen, "start", ())


def _reconcile(bench: Workbench, annotators: tuple[Annotator, ...], command: str, notes: tuple[str, ...]) -> StepResult:
    _refuse_taken_port(bench)
    todo = _record(bench, annotators)
    _prepare(bench, {a.id for a in annotators})
    outcomes: dict[str, Outcome] = {}
    # Starting is bound by the processor, setting up by waiting: one more worker than cores keeps both busy.
    with ThreadPoolExecutor(max_workers=bench.cores + 1) as pool, ThreadPoolExecutor(max_workers=1) as aside:
        if any(action.do in (Do.PROJECT, Do.TASKS) for actions in todo.values() for action in actions):
            aside.submit(load_sdk)  # it takes as long as an instance takes to start
        futures = {pool.submit(_bring_up, bench, a, todo[a.id]): a.id for a in annotators}
        for future in as_completed(futures):
            outcomes[futures[future]] = future.result()
    others = _serve(bench, outcomes)
    instances = bench.store.instances()
    notes = (*notes, *_notes_of(bench, outcomes))
    listed = {a.id for a in bench.study.annotators}
    extra = sorted(set(instances) - listed - set(outcomes))
    if extra:
        notes = (
            *notes,
            f"Not in the study any more, left as they are: {', '.join(extra)}. "
            f"`ops destroy {' '.join(extra)}` removes them.",
        )
    return StepResult(
        command=command,
        outcomes=(*(outcomes[a.id] for a in annotators), *others),
        data={
            "runtime": bench.wanted.runtime,
            "origin": bench.wanted.origin,
            "instances": [
                {"annotator": a.id, "url": instances[a.id].url, "port": instances[a.id].port}
                for a in annotators
                if a.id in instances
            ],
        },
        notes=notes,
    )


def _notes_of(bench: Workbench, outcomes: Mapping[str, Outcome]) -> list[str]:
    """How the instances that were brought up now run; nothing where the engine does not say."""
    ready = {name for name, outcome in outcomes.items() if outcome.code == "ready"}
    if not ready:
        return []
    seen, _ = bench.observe_leniently()
    return running_notes({name: one for name, one in seen.items() if name in ready})


def _refuse_taken_port(bench: Workbench) -> None:
    """A proxy that cannot be served is better found before minutes of starting than after."""
    port = bench.study.proxy.port
    if not bench.proxy.observe().running and port_taken(port):
        holder = port_holder(port) or "another program"
        raise OpsError(
            f"Port {port}, on which this study's proxy is to listen, is taken by {holder}. Nothing was started.",
            hint="Choose another port in study.yaml (`proxy: {port: …}`), or end that program; a caddy may be another "
            "study's proxy, with annotators at work.",
            code="proxy-port-taken",
        )


def _record(bench: Workbench, annotators: tuple[Annotator, ...]) -> dict[str, list[Action]]:
    """Plan, and record every new or adopted instance with a port of its own before anything is started."""
    recorded = bench.store.instances()
    observed = bench.observe()
    todo: dict[str, list[Action]] = {a.id: [] for a in annotators}
    for action in plan(bench.wanted, recorded, observed, annotators=annotators):
        todo[action.annotator].append(action)
    taken = {i.port for i in recorded.values()} | {o.port for o in observed.values() if o.port}
    candidates = iter(port_candidates(bench.wanted.study_id, taken))
    for annotator in annotators:
        kinds = {action.do for action in todo[annotator.id]}
        if Do.ADOPT in kinds:
            bench.store.put_instance(adopted_instance(bench.wanted, annotator, observed[annotator.id]))
            bench.store.audit("adopt", annotator.id, "a running instance was found without a record")
        elif Do.CREATE in kinds:
            bench.store.put_instance(new_instance(bench.wanted, annotator, _free(candidates)))
            bench.store.audit("create", annotator.id, "recorded")
    return todo


def _prepare(bench: Workbench, annotators: set[str]) -> None:
    """Installation or image, once for each kind and version that is needed, before instances start in parallel."""
    needed = {
        (instance.runtime, LabelStudioChoice(instance.version, instance.image))
        for instance in bench.store.instances().values()
        if instance.annotator in annotators and instance.target is Target.RUNNING
    }
    for kind, choice in sorted(needed, key=str):
        bench.runtimes[kind].prepare(choice, lambda text, part: bench.board.update("Label Studio", text, part))


def _bring_up(bench: Workbench, annotator: Annotator, actions: list[Action]) -> Outcome:
    """All steps for one annotator; each effect is recorded before the next begins."""
    kinds = {action.do for action in actions}
    if kinds == {Do.NOTHING}:
        return Outcome(annotator.id, "ok", actions[0].why, code="nothing-to-do")
    try:
        instance = bench.store.instances()[annotator.id]
        instance = _run(bench, instance, restart=bool(kinds & {Do.START, Do.RESTART, Do.CREATE}))
        if annotator not in bench.study.annotators:
            return Outcome(annotator.id, "ok", "runs again; not in the study any more, so no more was done", "ready")
        altered = _equip(bench, annotator, instance)
        bench.board.update(annotator.id, "tasks imported", 0.95)
    except OpsError as error:
        bench.board.update(annotator.id, f"failed: {error.message}", None)
        return Outcome(annotator.id, "failed", error.message, code=error.code, hint=error.hint)
    if altered:
        return Outcome(
            annotator.id,
            "warning",
            f"ready to label; tasks there with another content ({len(altered)}): {', '.join(altered[:5])}",
            code="tasks-altered",
            hint="What is imported is never changed under an annotator; give a changed task a new id.",
        )
    return Outcome(annotator.id, "ok", "ready to label", code="ready")


def _run(bench: Workbench, instance: Instance, *, restart: bool) -> Instance:
    credentials = bench.vault.ensure_credentials(instance.annotator)
    if restart:
        instance = _start_on_a_free_port(bench, instance)
    bench.board.update(instance.annotator, "starting Label Studio", 0.3)
    with bench.client_of(instance) as client:
        _wait_ready(bench, instance, client)
        if not client.authenticated():
            raise OpsError(
                f"{instance.annotator}'s Label Studio refuses its operator's token: secrets and data do not match.",
                hint="Put back the file in .ops/secrets/ that belongs to it, then run `ops provision` again.",
                code="operator-refused",
            )
    email = credentials.annotator_email
    return instance if instance.annotator_email == email else _save(bench, replace(instance, annotator_email=email))


def _wait_ready(bench: Workbench, instance: Instance, client: LabelStudio) -> None:
    runtime = bench.runtimes[instance.runtime]

    def ready() -> bool | None:
        if client.healthy():
            return True
        seen = runtime.observe().get(instance.annotator)
        if seen is not None and seen.state is State.EXITED:
            said = "\n".join(runtime.logs(instance.annotator, 5))
            raise OpsError(
                f"{instance.annotator}'s Label Studio ended while starting. It last wrote:\n{said}",
                hint=f"`ops logs {instance.annotator}` shows more; mend what it names, then run `ops provision` again.",
                code="instance-died",
            )
        return None

    wait_until(
        ready,
        what=f"{instance.annotator}'s Label Studio to answer",
        deadline=_READY_SECONDS,
        interval=0.2,
        hint="Run `ops provision` again; if it stays so, look at the instance's log (`ops logs`).",
    )


def _start_on_a_free_port(bench: Workbench, instance: Instance) -> Instance:
    """Start; when somebody else has taken the recorded port meanwhile, record another and try once more."""
    runtime = bench.runtimes[instance.runtime]
    credentials = bench.vault.require_credentials(instance.annotator)
    for attempt in range(3):
        first = "copying the seed database" if instance.project_id is None else "starting with the data as it was"
        bench.board.update(instance.annotator, first, 0.1)
        instance = replace(instance, url=bench.wanted.url(instance.annotator))
        spec = spec_of(bench.wanted, instance, secret_environment(credentials))
        if instance.project_id is not None:
            _require_data(instance, spec.data_dir / DATABASE)
        runtime.seed(spec)
        try:
            handle = runtime.start(spec)
        except OpsError as error:
            if error.code != "port-taken" or attempt == 2:
                raise
            taken = {other.port for other in bench.store.instances().values()}
            port = _free(iter(port_candidates(bench.wanted.study_id, taken)))
            instance = _save(bench, replace(instance, port=port))
            continue
        return _save(bench, replace(instance, handle=handle, spec_hash=spec.spec_hash))
    raise AssertionError("the loop returns or raises")


def _require_data(instance: Instance, database: Path) -> None:
    """An instance that had a project had a database: in place of a lost one no empty one may quietly be put."""
    if database.exists():
        return
    name = instance.annotator
    raise OpsError(
        f"{name}'s data is gone: there is no {database}.",
        hint=f"Mount that disk, or unpack a backup (.ops/backups) into {database.parent}, and run the command again. "
        f"If it is lost: `ops destroy --no-backup {name}`, then `ops provision`, which gives {name} an empty one.",
        code="data-missing",
    )


def _equip(bench: Workbench, annotator: Annotator, instance: Instance) -> tuple[str, ...]:
    """Account, project and tasks. Every call looks before it makes, so a repeated one changes nothing.

    Returns the ids of tasks whose content in Label Studio differs from the study's.
    """
    altered: tuple[str, ...] = ()
    study = bench.study
    credentials = bench.vault.require_credentials(annotator.id)
    with bench.client_of(instance) as client:
        if instance.project_id is None or instance.project_hash != project_hash(study):
            bench.board.update(annotator.id, "account and project", 0.7)
            client.ensure_annotator(credentials.annotator_email, credentials.annotator_password, annotator.name)
            project = client.ensure_project(
                ProjectSettings(
                    title=study.title,
                    label_config=study.label_config,
                    instructions_html=to_html(study.instructions),
                    marker=f"annotator-ops:{bench.wanted.study_id}",
                )
            )
            instance = _save(bench, replace(instance, project_id=project, project_hash=project_hash(study)))
        if instance.project_id is not None and instance.tasks_hash != tasks_hash(study, annotator.id):
            bench.board.update(annotator.id, f"importing tasks ({len(study.tasks)})", 0.85)
            altered = client.import_tasks(instance.project_id, order_for(study, annotator.id)).altered
            _save(bench, replace(instance, tasks_hash=tasks_hash(study, annotator.id)))
    return altered


def _serve(bench: Workbench, outcomes: dict[str, Outcome]) -> list[Outcome]:
    """Load the complete route set, then ask each ready annotator's own address through the proxy.

    Who cannot be reached gets another outcome in `outcomes`; what concerns nobody among them is returned.
    """
    recorded = bench.store.instances()
    ready = [
        name
        for name, outcome in sorted(outcomes.items())
        if outcome.state != "failed" and recorded[name].target is Target.RUNNING
    ]
    proxy_plan = bench.proxy_plan()
    try:
        bench.proxy.apply(proxy_plan)
    except OpsError as error:
        for name in ready:
            message = f"It runs, but the proxy does not: {error.message}"
            outcomes[name] = Outcome(name, "failed", message, error.code, error.hint)
        return [] if ready else [Outcome("proxy", "failed", error.message, error.code, error.hint)]
    for name in ready:
        try:
            wait_served(proxy_plan, bench.wanted.url(name))
            bench.board.update(name, "ready to label", 1.0)
        except OpsError as error:
            outcomes[name] = Outcome(name, "failed", error.message, error.code, error.hint)
    return []


def _save(bench: Workbench, instance: Instance) -> Instance:
    bench.store.put_instance(instance)
    bench.store.audit("record", instance.annotator, "progress")
    return instance


def _free(candidates: Iterable[int]) -> int:
    """The first port on which an instance could listen now. The runtime checks again when it starts."""
    for port in candidates:
        if port_state(port, host=LOOPBACK) == "free":
            return port
    raise OpsError(
        "No free port is left between 21000 and 28999.",
        hint="End programs that listen there (`ss -tlnp`), then run `ops provision` again.",
        code="no-free-port",
    )
