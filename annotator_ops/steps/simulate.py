"""Layer 4. Let made-up annotators label a study that says it is simulated, through the proxy, as browsers would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from annotator_ops import labeling
from annotator_ops.browsing import AnnotatorSession
from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating
from annotator_ops.models import Instance, Outcome, State, StepResult
from annotator_ops.simulation import Character, quality_from
from annotator_ops.steps import Workbench


def simulate(bench: Workbench, *, seed: int, like: Sequence[Rating] = (), most: int | None = None) -> StepResult:
    """Label every annotator's open tasks (at most `most` each) with made-up answers.

    `like` are ratings around whose mean per item the answers scatter. Raises OpsError (code "not-simulated") for a
    study that is not declared `simulated: true`: made-up answers must never reach a real one.
    """
    if not bench.study.simulated:
        raise OpsError(
            "This study is not declared as simulated, so no made-up answers are put into it.",
            hint="To rehearse, copy study.yaml and its files (not `.ops`) elsewhere and write `simulated: true` there.",
            code="not-simulated",
        )
    scores: dict[tuple[str, str], list[float]] = {}
    for rating in like:
        if isinstance(rating.value, int | float):
            scores.setdefault((rating.item, rating.criterion), []).append(float(rating.value))
    quality = quality_from(scores)
    seen = bench.observe()
    running = [
        instance
        for name, instance in sorted(bench.store.instances().items())
        if name in seen and seen[name].state is State.RUNNING and instance.project_id is not None
    ]
    if not running:
        raise OpsError("No instance is running.", hint="Run `ops provision` first.", code="nothing-running")
    with ThreadPoolExecutor(max_workers=len(running)) as pool:
        outcomes = pool.map(lambda instance: _label(bench, instance, quality, seed, most), running)
        return StepResult(command="simulate", outcomes=tuple(outcomes))


def _label(
    bench: Workbench, instance: Instance, quality: Mapping[tuple[str, str], float], seed: int, most: int | None
) -> Outcome:
    study = bench.study
    character = Character(instance.annotator, seed, quality)
    controls = labeling.parse(study.label_config).controls
    criteria = labeling.criteria_of(study)
    credentials = bench.vault.require_credentials(instance.annotator)
    total = len(study.tasks)
    submitted = skipped = 0
    try:
        local = f"http://127.0.0.1:{study.proxy.port}"
        with AnnotatorSession(bench.wanted.url(instance.annotator), connect_to=local) as session:
            session.sign_in(credentials.annotator_email, credentials.annotator_password)
            while most is None or submitted + skipped < most:
                task = session.next_task(instance.project_id or 0)
                # Where skipped tasks come back, the stream never ends: one that was answered before means all are seen.
                if task is None or task.get("annotations"):
                    break
                answer = character.answer(str(task["data"]["id"]), task["data"], controls, criteria)
                session.submit(task["id"], answer.result, seconds=answer.seconds, skipped=answer.skipped)
                submitted, skipped = submitted + (not answer.skipped), skipped + answer.skipped
                bench.board.update(
                    instance.annotator, f"labelled {submitted + skipped} of {total}", (submitted + skipped) / total
                )
    except OpsError as error:
        return Outcome(instance.annotator, "failed", error.message, error.code, error.hint)
    return Outcome(instance.annotator, "ok", f"{submitted} made-up annotations, {skipped} skips", code="simulated")
