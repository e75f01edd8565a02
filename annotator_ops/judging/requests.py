"""Layer 2. What a model judge is asked: one request an item, for pairs in both orders, for each simulated annotator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.asked import Asked
from annotator_ops.judging.prompts import Example, Prompter
from annotator_ops.measures import Rating, Value
from annotator_ops.models import JSONDict, Study, Task, content_hash

GIVEN, SWAPPED = "given", "swapped"
# As many as endpoints give.
_TOP_LOGPROBS = 20


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """One request to an endpoint.

    `order` of a pair is "given" or "swapped" where both are asked, else None. `sample` is the number of the simulated
    annotator, from 1. `body` is that of a chat completion, `prompt` the version of the prompt. `key` names what may be
    asked only once: the hash of the endpoint, the body, and whose verdict on what it is. Items of the same words have
    keys of their own, since each needs a verdict.
    """

    judge: ModelJudge
    item: str
    order: str | None
    sample: int | None
    body: JSONDict
    prompt: str
    key: str


def requests_of(judge: ModelJudge, study: Study, *, ratings: Sequence[Rating] = ()) -> list[JudgeRequest]:
    """All requests of a judge, in the order of the study's tasks; tasks that repeat another one are not asked about.

    `ratings` are people's, for the simulated annotators' examples; the same ratings always give the same requests.

    Raises OpsError as `Prompter` does; "no-pair" where both orders are wanted and there is no Pairwise;
    "too-few-ratings" where no annotator has rated enough items to be simulated.
    """
    prompter = Prompter(judge, study)
    check_orders(judge, prompter)
    simulated = judge.confidence == "simulated"
    people = _Annotators(judge, study, prompter.asked, ratings) if simulated else None
    response = _response_format(judge, prompter.asked)
    version = prompter.version
    requests = []
    for task in study.tasks:
        if task.repeat_of is not None:
            continue
        shown: list[tuple[str | None, Mapping[str, Any]]] = [(GIVEN if judge.both_orders else None, task.data)]
        if judge.both_orders and prompter.pair is not None:
            shown.append((SWAPPED, prompter.pair.swapped(task.data)))
        samples = range(1, judge.annotators + 1) if people else (None,)
        for sample in samples:
            examples = people.examples(sample, task) if people and sample else ()
            for order, data in shown:
                body = _body(judge, prompter.messages(data, examples=examples), response)
                key = content_hash([judge.base_url, body, judge.name, task.id, order, sample])
                requests.append(JudgeRequest(judge, task.id, order, sample, body, version, key))
    return requests


def check_orders(judge: ModelJudge, prompter: Prompter) -> None:
    """Raises OpsError ("no-pair") where both orders are wanted and there is no pair to be exchanged."""
    if judge.both_orders and prompter.pair is None:
        raise OpsError(
            f"{judge.name} cannot be asked in both orders: the label config has no Pairwise that compares two fields.",
            hint="Write `both_orders: false`, or let annotators answer with <Pairwise>.",
            code="no-pair",
        )


def _body(judge: ModelJudge, messages: list[JSONDict], response: JSONDict | None) -> JSONDict:
    body: JSONDict = {"model": judge.model, "messages": messages}
    if judge.temperature is not None:
        body["temperature"] = judge.temperature
    if "max_completion_tokens" not in judge.options:
        # Models that take no temperature think before they answer, and know the limit by its newer name.
        body["max_tokens" if judge.temperature is not None else "max_completion_tokens"] = judge.max_tokens
    if response is not None:
        body["response_format"] = response
    # Simulated annotators are asked for probabilities, too; endpoints that give none are counted by answers.
    if judge.confidence != "none" and judge.options.get("logprobs", True):
        body |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
    return body | dict(judge.options)


# --- the form of a reply ---------------------------------------------------------------------------------------------


def _response_format(judge: ModelJudge, asked: Sequence[Asked]) -> JSONDict | None:
    if judge.reply == "words":
        return None
    if judge.reply == "json":
        return {"type": "json_object"}
    properties = {each.name: _object({"reason": {"type": "string"}, "score": _score(each)}) for each in asked}
    return {
        "type": "json_schema",
        "json_schema": {"name": "judgement", "strict": True, "schema": _object(properties)},
    }


def _object(properties: JSONDict) -> JSONDict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _score(asked: Asked) -> JSONDict:
    if asked.nominal:
        return {"type": "string", "enum": list(asked.labels)}
    if asked.steps:
        whole = all(step.is_integer() for step in asked.steps)
        return {
            "type": "integer" if whole else "number",
            "enum": [int(step) if whole else step for step in asked.steps],
        }
    bounds = {"minimum": asked.low, "maximum": asked.high}
    kind = "integer" if asked.integers else "number"
    return {"type": kind} | {name: bound for name, bound in bounds.items() if bound is not None}


# --- simulated annotators --------------------------------------------------------------------------------------------


class _Annotators:
    """The people that simulated annotators are modelled on, and which of their ratings each is shown.

    The N simulated ones take the people in turn, by name. Each is shown K of one person's items, chosen by a hash, so
    that it is shown the same ones for every item except that item itself, and mostly the same when there are more.
    """

    def __init__(self, judge: ModelJudge, study: Study, asked: Sequence[Asked], ratings: Sequence[Rating]) -> None:
        self._judge = judge
        self._seed = study.order.seed
        self._tasks = {task.id: task for task in study.tasks}
        given = _complete(ratings, [each.name for each in asked], self._tasks)
        needed = judge.examples + 1
        self._ranked: dict[int, list[Example]] = {}
        self._given = {rater: items for rater, items in sorted(given.items()) if len(items) >= needed}
        if not self._given:
            most = max(map(len, given.values()), default=0)
            raise OpsError(
                f"{judge.name} cannot simulate annotators: it takes a person who rated {needed} items on all criteria "
                f"({judge.examples} examples and one more), and the most that anybody rated is {most}.",
                hint="Collect more ratings first, or give the judge fewer `examples`.",
                code="too-few-ratings",
            )

    def examples(self, sample: int, task: Task) -> list[Example]:
        """What the simulated annotator of that number is shown before it is asked about a task."""
        if sample not in self._ranked:
            people = list(self._given)
            person = people[(sample - 1) % len(people)]
            order = sorted(self._given[person], key=lambda item: self._rank(person, sample, item))
            # One more than is shown, in the place of the task itself.
            self._ranked[sample] = [
                Example(item, self._tasks[item].data, self._given[person][item])
                for item in order[: self._judge.examples + 1]
            ]
        return [each for each in self._ranked[sample] if each.item != task.id][: self._judge.examples]

    def _rank(self, person: str, sample: int, item: str) -> bytes:
        return hashlib.sha256(f"{self._seed}\0{person}\0{sample}\0{item}".encode()).digest()


def _complete(
    ratings: Sequence[Rating], criteria: Sequence[str], tasks: Mapping[str, Task]
) -> dict[str, dict[str, dict[str, Value]]]:
    """People's ratings by rater and item where all criteria are rated; tasks that repeat another one are left out."""
    given: dict[str, dict[str, dict[str, Value]]] = {}
    for rating in ratings:
        task = tasks.get(rating.item)
        if rating.kind != "human" or rating.value is None or task is None or task.repeat_of is not None:
            continue
        if rating.criterion in criteria:
            given.setdefault(rating.rater, {}).setdefault(rating.item, {})[rating.criterion] = rating.value
    return {
        rater: {item: values for item, values in items.items() if len(values) == len(criteria)}
        for rater, items in given.items()
    }
