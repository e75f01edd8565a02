"""Layer 4. Judge run: ask model judges about what they have not judged yet, and keep every reply.

A reply that came is final and never asked for again; a request that failed is made again by the next run. Interrupted
or killed anywhere, at most the requests that were under way are lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.asked import asked_of
from annotator_ops.judging.costs import likely_cost, most_cost, prompt_tokens
from annotator_ops.judging.judgements import REPLY_COLUMNS, ratings_of, reply_rows
from annotator_ops.judging.requests import JudgeRequest, requests_of
from annotator_ops.judging.running import Asking, Run, counted
from annotator_ops.judging.spending import Budget
from annotator_ops.models import Outcome, StepResult, Study
from annotator_ops.reporting.render import write
from annotator_ops.steps import Board, writing
from annotator_ops.store.current import current
from annotator_ops.store.database import Store
from annotator_ops.tables import encode_rows
from annotator_ops.targets import check_replies_target

# Connects to a judge's endpoint; the event says when to stop waiting for anything.
Connect = Callable[[ModelJudge, threading.Event], Asking]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done: for which judges (none named: all), for how much money at most, about how many items.

    `budget` is in the currency of the judges' prices. `limit`: only the first so many items of the study. `replies`:
    the JSON Lines that every stored reply of these judges to the prompts as they are now is written to.
    """

    judges: tuple[str, ...] = ()
    budget: float | None = None
    limit: int | None = None
    replies: Path | None = None


def plan_run(study: Study, store: Store, order: Order) -> StepResult:
    """What a run would ask, and for how much, without asking anything; the first prompt stands in a note.

    `order.replies` is written all the same. Raises OpsError as `run_judges` does.
    """
    _check_replies(study, order)
    runs = _runs(study, store, order, Budget(order.budget))
    first = next((run.requests[0] for run in runs if run.requests), None)
    outcomes, rows = [], []
    for run in runs:
        tokens = sum(prompt_tokens(request.body) for request in run.requests)
        likely, most = (
            _summed([cost(run.judge, request.body) for request in run.requests]) for cost in (likely_cost, most_cost)
        )
        rows.append(
            run.as_json() | {"estimated_prompt_tokens": tokens, "estimated_cost": likely, "estimated_most_cost": most}
        )
        costs = f", for about {likely:.4g} and {most:.4g} at most" if run.judge.price else ""
        message = f"would ask {counted(len(run.requests), 'request')} of about {tokens:,} tokens{costs}{run.earlier}"
        outcomes.append(Outcome(run.judge.name, "skipped", message, "dry-run"))
    shown = "\n\n".join(f"[{part['role']}]\n{part['content']}" for part in first.body["messages"]) if first else ""
    notes = (f"The first prompt, as it would be sent:\n\n{shown}",) if first else ()
    outcomes += _written_replies(study, store, order, runs)
    data = {"dry_run": True, "judges": rows, "budget": order.budget, "first_request": first.body if first else None}
    data["replies_path"] = str(order.replies) if order.replies else None
    return StepResult("judge run", tuple(outcomes), data, notes)


def run_judges(study: Study, store: Store, order: Order, *, connect: Connect, board: Board) -> StepResult:
    """Ask the judges, all at once, each with as many requests at once as it may have, holding the lock of judges.

    Raises OpsError: "no-model-judges", "unknown-judge", "no-price", "budget-invalid", as `connect` and the store do,
    and as `targets.check_replies_target` does, before anything is asked.
    Interrupted, it takes up nothing new, keeps what is under way, says how far it is, and passes the interruption on.
    """
    _check_replies(study, order)
    with store.judges_lock("judge run"):
        budget = Budget(order.budget)
        runs = _runs(study, store, order, budget)
        store.judgements.link([request for run in runs for request in run.reused])
        if any(run.reused and run.judge.confidence == "probability" for run in runs):
            answers = store.judgements.answers()
            for run in runs:
                run.recall(answers)
        try:
            _ask_all([run for run in runs if run.left], store, connect, board)
        except KeyboardInterrupt:
            for run in runs:
                board.update(run.judge.name, f"stopped: {run.summary()}", run.share)
            raise
        finally:
            for run in runs:
                if run.asked:
                    store.audit("judge run", run.judge.name, run.summary())
        written = _written_replies(study, store, order, runs)
    data = {
        "dry_run": False,
        "judges": [run.as_json() for run in runs],
        "budget": order.budget,
        "spent": budget.spent if any(run.judge.price for run in runs) else None,
        "replies_path": str(order.replies) if order.replies else None,
    }
    return StepResult("judge run", (*(run.outcome(order.replies) for run in runs), *written), data)


def _check_replies(study: Study, order: Order) -> None:
    if order.replies is not None:
        check_replies_target(order.replies, REPLY_COLUMNS, inputs=study.data_files)


def _written_replies(study: Study, store: Store, order: Order, runs: Sequence[Run]) -> list[Outcome]:
    """Write what is stored of what these runs ask, if that is wanted."""
    target = order.replies
    if target is None:
        return []
    # In the order of the study, not in that in which replies came.
    answered = {answer.key: answer for answer in store.judgements.answers()}
    places = {request.key: request.item for run in runs for request in (*run.reused, *run.requests)}
    tasks = {task.id: number for number, task in enumerate(study.tasks)}
    answers = [answered[key] for key in sorted(places, key=lambda key: tasks[places[key]]) if key in answered]
    rows = reply_rows(ratings_of(answers, study, [run.judge for run in runs]))
    if not rows:
        return [Outcome(str(target), "skipped", "no reply is stored yet, so nothing was written", "no-replies")]
    hint = "Name another file with --replies, or free the disk. All replies are stored all the same."
    with writing(target, hint=hint):
        write(target, encode_rows(rows, REPLY_COLUMNS, "jsonl"))
    lines = f"{counted(len(rows), 'line')} of {counted(len(answers), 'request')} written"
    return [Outcome(str(target), "ok", lines, "written")]


def _ask_all(runs: Sequence[Run], store: Store, connect: Connect, board: Board) -> None:
    with ExitStack() as stack:
        asking: list[tuple[Run, Asking]] = []
        for run in runs:
            endpoint = connect(run.judge, run.stop)
            stack.callback(endpoint.close)
            asking.append((run, endpoint))
        pool = stack.enter_context(ThreadPoolExecutor(max(1, sum(run.workers for run in runs))))
        workers: list[Future[None]] = []
        try:
            for run, endpoint in asking:
                workers += [pool.submit(run.work, endpoint, store.judgements, board.update) for _ in range(run.workers)]
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:  # one that failed, such as for a full disk, or Ctrl-C: the others end what they are at
            for run in runs:
                run.stop.set()
            wait(workers)
        for worker in workers:
            worker.result()


def _runs(study: Study, store: Store, order: Order, budget: Budget) -> list[Run]:
    """The judges asked for with what each has still to be asked; every request once."""
    judges = _chosen(study, order)
    simulated = any(judge.confidence == "simulated" for judge in judges)
    ratings = current(study, store).ratings() if simulated else ()
    answered = store.judgements.answered()
    criteria = asked_of(study)
    runs = []
    for judge in judges:
        requests = {each.key: each for each in _limited(requests_of(judge, study, ratings=ratings), order.limit)}
        pending = [each for key, each in requests.items() if key not in answered]
        reused = [each for key, each in requests.items() if key in answered]
        runs.append(Run(judge, pending, reused, criteria=criteria, budget=budget))
    return runs


def _chosen(study: Study, order: Order) -> list[ModelJudge]:
    known = {judge.name: judge for judge in study.model_judges}
    if not known:
        raise OpsError(
            "The study names no model to ask.",
            hint="Give it a judge with a `name`, a `model` and a `base_url` under `judges:` in study.yaml.",
            code="no-model-judges",
        )
    unknown = [name for name in order.judges if name not in known]
    if unknown:
        raise OpsError(
            f"The study has no judge {', '.join(unknown)} that could be asked.",
            hint=f"Its judges are: {', '.join(known)}.",
            code="unknown-judge",
        )
    chosen = [known[name] for name in order.judges] or list(known.values())
    if order.budget is not None and not order.budget >= 0:  # NaN would never be reached
        raise OpsError(f"A budget of {order.budget} is none.", hint="Give an amount from 0.", code="budget-invalid")
    unpriced = [judge.name for judge in chosen if judge.price is None]
    if order.budget is not None and unpriced:
        raise OpsError(
            f"A budget needs prices, and {', '.join(unpriced)} has none.",
            hint="Give the judge a `price` with `input` and `output`, per million tokens, in study.yaml.",
            code="no-price",
        )
    return chosen


def _limited(requests: Sequence[JudgeRequest], limit: int | None) -> Sequence[JudgeRequest]:
    if limit is None:
        return requests
    items = set(list(dict.fromkeys(request.item for request in requests))[:limit])
    return [request for request in requests if request.item in items]


def _summed(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
