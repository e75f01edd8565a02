"""Layer 2. What judges answered, as ratings: a score, or why there is none: failed, refused, or not understood."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.asked import Asked, asked_of
from annotator_ops.judging.pairs import Pair, mirrored
from annotator_ops.judging.probabilities import distributions
from annotator_ops.judging.replies import REFUSED, UNPARSABLE, Parsed, parse_reply
from annotator_ops.judging.requests import SWAPPED
from annotator_ops.judging.simulated import FAILED, Verdict, combined
from annotator_ops.labeling import criteria_of, parse
from annotator_ops.measures import Rating
from annotator_ops.models import Criterion, JSONDict, Study
from annotator_ops.results import clean

Reading = Literal["answered", "refused", "unparsable"]
_CUT = "length"
_FILTERED = "content_filter"
_SOURCE = "ops judge run"
# Those of a file of replies, which is known by them: hardly any other judges' file has these very ones in this order.
REPLY_COLUMNS = (
    "judge", "item", "criterion", "value", "reason", "confidence", "model", "prompt", "reply", "order", "source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request, named by its `key`: a reply ("answered"), or none ("failed").

    `text` is what the model said, `refusal` what it said instead, `finish_reason` why it ended ("stop", "length",
    "content_filter"), `logprobs` the endpoint's JSON. `order` and `sample` are the request's.
    """

    key: str
    judge: str
    model: str
    item: str
    order: str | None
    sample: int | None
    prompt: str
    outcome: Literal["answered", "failed"]
    text: str = ""
    logprobs: Any = None
    finish_reason: str | None = None
    refusal: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    at: datetime | None = None


def with_content(answer: Answer, content: Mapping[str, Any]) -> Answer:
    """The answer with what stands in the body of a chat completion; whatever else stands there is left out."""
    choices = content.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    choice: Mapping[str, Any] = first if isinstance(first, dict) else {}
    message: Mapping[str, Any] = choice["message"] if isinstance(choice.get("message"), dict) else {}
    usage: Mapping[str, Any] = content["usage"] if isinstance(content.get("usage"), dict) else {}
    return replace(
        answer,
        outcome="answered",
        text=_text(message.get("content")),
        logprobs=choice.get("logprobs"),
        finish_reason=_said(choice.get("finish_reason")),
        refusal=_said(message.get("refusal")),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def parsed(answer: Answer, asked: Sequence[Asked]) -> dict[str, Parsed]:
    """An answer's scores by criterion. One that was cut has none, unless its JSON is complete."""
    if answer.outcome == "failed":
        return {each.name: Parsed(None, FAILED) for each in asked}
    if answer.refusal or answer.finish_reason == _FILTERED:
        return {each.name: Parsed(None, REFUSED) for each in asked}
    found = parse_reply(answer.text, asked)
    if answer.finish_reason != _CUT:
        return found
    # The last number or word may be the beginning of another one, and what would follow may be another score.
    whole = answer.text.rstrip().endswith(("}", "```"))
    return {name: each if whole else Parsed(None, UNPARSABLE) for name, each in found.items()}


def reading(answer: Answer, asked: Sequence[Asked]) -> Reading:
    """How an answer reads as a whole: "answered" where each criterion has a score, "refused" where one was refused."""
    reasons = {each.reason for each in parsed(answer, asked).values() if each.value is None}
    if not reasons:
        return "answered"
    return "refused" if REFUSED in reasons else "unparsable"


def how_sure(answer: Answer, asked: Sequence[Asked]) -> bool | None:
    """Whether its token probabilities tell how sure the model was of any score; None where an answer has no score."""
    values = {name: each.value for name, each in parsed(answer, asked).items() if each.value is not None}
    return bool(distributions(answer.logprobs, asked, values)) if values else None


def reply_rows(ratings: Iterable[Rating]) -> list[JSONDict]:
    """Ratings as rows of a judges' file with REPLY_COLUMNS: each score, or why there is none, with the whole reply."""
    return [
        {
            "judge": each.rater,
            "item": each.item,
            "criterion": each.criterion,
            "value": list(each.value) if isinstance(each.value, tuple) else each.value,
            "reason": each.reason,
            "confidence": each.confidence,
            "model": each.model,
            "prompt": each.prompt,
            "reply": each.reply,
            "order": each.order,
            "source": each.source,
        }
        for each in ratings
    ]


def ratings_of(answers: Iterable[Answer], study: Study, judges: Sequence[ModelJudge]) -> list[Rating]:
    """Answers as ratings by the judges of these names; those of other judges are left out.

    One row a judge, version of the prompt, item, order and criterion, in the order of the first answer: simulated
    annotators are combined, the two orders of a pair are not, but a verdict on a swapped pair is given as one on the
    pair as it is. Of several answers to the same, the last that is not a failure counts.

    `confidence` is as the judge's settings say: none, that of the score's tokens, or that of the simulated annotators.
    Raises OpsError ("label-config-invalid").
    """
    settings = {judge.name: judge for judge in judges}
    asked = asked_of(study)
    pair = Pair.of(parse(study.label_config))
    mirror = {each.name: each for each in criteria_of(study) if pair is not None and each.control == pair.control}
    groups: dict[tuple[str, str, str, str, str | None], dict[int | None, Answer]] = {}
    for answer in answers:
        if answer.judge not in settings:
            continue
        group = groups.setdefault((answer.judge, answer.model, answer.prompt, answer.item, answer.order), {})
        earlier = group.get(answer.sample)
        if earlier is None or _counts_more(answer, earlier):
            group[answer.sample] = answer
    found: list[Rating] = []
    for group in groups.values():
        found += _rows(list(group.values()), asked, settings, mirror)
    return found


def _rows(
    answers: Sequence[Answer],
    asked: Sequence[Asked],
    settings: Mapping[str, ModelJudge],
    mirror: Mapping[str, Criterion],
) -> list[Rating]:
    first = answers[0]
    judge = settings[first.judge]
    verdicts = [_verdicts(answer, asked, judge) for answer in answers]
    simulated = judge.confidence == "simulated" or first.sample is not None
    moments = [answer.at for answer in answers if answer.at is not None]
    rows = []
    for each in asked:
        said = [verdict[each.name] for verdict in verdicts]
        verdict = combined(said, annotators=judge.annotators) if simulated else said[-1]
        value = verdict.value
        if value is not None and first.order == SWAPPED and each.name in mirror:
            value = mirrored(value, mirror[each.name])
        rows.append(
            Rating(
                rater=first.judge,
                kind="judge",
                item=first.item,
                criterion=each.name,
                value=value,
                reason=verdict.reason if value is None else None,
                created_at=max(moments, default=None),
                source=_SOURCE,
                confidence=verdict.confidence if value is not None else None,
                model=first.model,
                prompt=first.prompt,
                reply=_replies(answers),
                order=first.order,
            )
        )
    return rows


def _verdicts(answer: Answer, asked: Sequence[Asked], judge: ModelJudge) -> dict[str, Verdict]:
    scores = parsed(answer, asked)
    values = {name: each.value for name, each in scores.items() if each.value is not None}
    known = distributions(answer.logprobs, asked, values) if judge.confidence != "none" else {}
    verdicts = {}
    for name, score in scores.items():
        spread = known.get(name, {})
        confidence = spread.get(score.value) if score.value is not None else None
        verdicts[name] = Verdict(score.value, score.reason, confidence, spread)
    return verdicts


def _replies(answers: Sequence[Answer]) -> str | None:
    """The words of a reply, or of all simulated annotators', each after its number."""
    said = [(answer.sample, answer.text or answer.refusal or "") for answer in answers if answer.outcome == "answered"]
    if len(said) == 1 and said[0][0] is None:
        return said[0][1] or None
    texts = [f"[{sample}] {text}" if sample is not None else text for sample, text in said if text]
    return "\n".join(texts) or None


def _counts_more(answer: Answer, earlier: Answer) -> bool:
    if (answer.outcome == "failed") != (earlier.outcome == "failed"):
        return earlier.outcome == "failed"
    beginning = datetime.min.replace(tzinfo=UTC)
    return (answer.at or beginning) >= (earlier.at or beginning)


def _text(content: Any) -> str:
    """A message's text; some endpoints give it in parts. One that was cut can end in half a character."""
    if isinstance(content, list):
        parts: list[JSONDict] = [part for part in content if isinstance(part, dict)]
        return clean("".join(part["text"] for part in parts if isinstance(part.get("text"), str)))
    return clean(content) if isinstance(content, str) else ""


def _said(content: Any) -> str | None:
    return clean(content) if isinstance(content, str) and content else None


def _count(number: Any) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
