"""Layer 2. What can come of asking an endpoint: a reply, or one of the failures, told apart and put into words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.pacing import retry_after
from annotator_ops.models import JSONDict

FailureKind = Literal[
    "rate-limited",
    "server-error",
    "timeout",
    "unreachable",
    "cut",
    "nonsense",
    "key-refused",
    "no-model",
    "no-credit",
    "bad-request",
    "redirected",
    "stopped",
]
# Every further request would meet the same.
_ENDING = frozenset({"key-refused", "no-model", "no-credit", "redirected"})
_PASSING = frozenset({"rate-limited", "server-error", "timeout", "unreachable", "cut", "nonsense"})
# The endpoint may have done the work, and may bill it.
_UNCLEAR = frozenset({"timeout", "cut", "nonsense"})
_LONGEST_QUOTE = 200
# More than that are no count.
_MOST_TOKENS = 2**40
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_credits"})
# What an endpoint names when it cannot do something, and the key of the study's judge that leaves it out.
_LEFT_OUT = (
    (("response_format", "json_schema", "json schema", "guided", "grammar"), "`reply: json` or `reply: words`"),
    (("logprob",), "`confidence: none`, or `simulated`"),
    (("temperature",), "`temperature: ~`"),
    (("context length", "context_length", "context window", "too long"), "a shorter `prompt`, or fewer `examples`"),
    (("max_tokens", "max_completion_tokens"), "another `max_tokens`"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint replied: the body as it came (the key blotted out), the same read as JSON, and how long it took.

    `seconds` are those of the last attempt.
    """

    raw: bytes
    content: JSONDict
    seconds: float = 0.0
    attempts: int = 1

    @property
    def prompt_tokens(self) -> int | None:
        """The tokens that the endpoint says it read; None where it does not say."""
        return self._tokens("prompt_tokens")

    @property
    def completion_tokens(self) -> int | None:
        """The tokens that the endpoint says it wrote; None where it does not say."""
        return self._tokens("completion_tokens")

    def _tokens(self, name: str) -> int | None:
        usage = self.content.get("usage")
        count = usage.get(name) if isinstance(usage, dict) else None
        return count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < _MOST_TOKENS else None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no reply. `raw` is a body that came all the same; `wait` the seconds that the endpoint asks for."""

    kind: FailureKind
    message: str
    hint: str = ""
    raw: bytes | None = None
    wait: float | None = None
    seconds: float = 0.0
    attempts: int = 1

    @property
    def ends(self) -> bool:
        """Whether no other request would fare better."""
        return self.kind in _ENDING

    @property
    def passing(self) -> bool:
        """Whether the same request may be answered a little later."""
        return self.kind in _PASSING

    @property
    def unclear(self) -> bool:
        """Whether the endpoint may have done what was asked, and may bill it."""
        return self.kind in _UNCLEAR


def read_body(raw: bytes, judge: ModelJudge) -> Reply | Failure:
    """A body that came with status 200. A reply has a choice with a message, whatever that says; else it is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        choices = content.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(first, dict) and isinstance(first.get("message"), dict):
            return Reply(raw, content)
        wrong = content.get("error")
        if isinstance(wrong, dict):  # some pass on what another endpoint said, with a status of their own
            code = wrong.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            return of_status(status, raw, {}, judge=judge, now=0.0)
    what = "an HTML page" if raw.lstrip()[:1] == b"<" else "no JSON" if content is None else "no choice of the model"
    return Failure(
        "nonsense",
        f"The endpoint answered with status 200, but with {what}.",
        hint="Look at `base_url`: it is the address before /chat/completions and mostly ends in /v1.",
        raw=raw,
    )


def of_status(status: int, body: bytes, headers: Mapping[str, str], *, judge: ModelJudge, now: float) -> Failure:
    """What an answer with an error's status means. `now` is the time since the epoch in seconds."""
    message, code = _said(body)
    if status in {401, 403}:  # the body is not quoted: some repeat the key in it
        if judge.key is None:
            return Failure(
                "key-refused",
                f"The endpoint of {judge.name} wants a key ({status}), and the judge has none.",
                hint="Write `key: NAME`, an environment variable, for this judge in study.yaml.",
            )
        return Failure(
            "key-refused",
            f"The endpoint of {judge.name} refuses the key ({status}): {judge.key} holds a key that it does not take.",
            hint="Set the right key for this endpoint, and look whether it may use the model.",
        )
    if status == 402 or code in _NO_CREDIT:
        return Failure(
            "no-credit",
            f"The account at the endpoint of {judge.name} has no credit left ({status}).",
            hint="Top it up, then run `ops judge run` again: nothing that was answered is asked again.",
        )
    if status == 404:
        return Failure(
            "no-model",
            f"The endpoint of {judge.name} knows no model {judge.model!r}, or is not at this address (404).",
            hint="Look at `model` and `base_url`; the address mostly ends in /v1.",
        )
    if 300 <= status < 400:
        return Failure(
            "redirected",
            f"The endpoint of {judge.name} sends us to another address ({status}); a key is not carried there.",
            hint="Give the address where it really is as `base_url`.",
        )
    wait = retry_after(headers, now)
    if status in {429, 529}:
        asks = f" and asks to wait for {wait:,.0f} s" if wait is not None and wait >= 1 else ""
        return Failure(
            "rate-limited", f"The endpoint of {judge.name} takes no more requests now ({status}){asks}.", wait=wait
        )
    if status in {408, 425} or status >= 500:
        return Failure("server-error", f"The endpoint of {judge.name} failed ({status}).", wait=wait)
    quoted = f": {message}" if message else ""
    return Failure(
        "bad-request", f"The endpoint of {judge.name} cannot do this ({status}){quoted}", hint=_hint(message)
    )


def _hint(message: str) -> str:
    lowered = message.lower()
    found = [instead for words, instead in _LEFT_OUT if any(word in lowered for word in words)]
    if found:
        return f"Give the judge {found[0]} in the study file."
    return (
        "If the model has no structured replies, temperature or token probabilities, give the judge `reply: words`, "
        "`temperature: ~` or `confidence: none` in the study file."
    )


def _said(body: bytes) -> tuple[str, str]:
    """The error's message, cut to one line, and its code, as far as there are any."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    wrong = content.get("error", content) if isinstance(content, dict) else None
    if isinstance(wrong, str):
        wrong = {"message": wrong}
    if not isinstance(wrong, dict):
        return "", ""
    message = " ".join(str(wrong.get("message") or wrong.get("detail") or "").split())
    message = "".join(letter for letter in message if letter.isprintable())
    cut = f"{message[:_LONGEST_QUOTE]}…" if len(message) > _LONGEST_QUOTE else message
    return cut, str(wrong.get("code") or wrong.get("type") or "")
