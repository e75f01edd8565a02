"""Layer 2. One judge's run: its requests, made one after the other by several workers, and what came of them."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.asked import Asked
from annotator_ops.judging.costs import cost_of, most_cost
from annotator_ops.judging.failures import Failure, Reply
from annotator_ops.judging.judgements import Answer, how_sure, reading, with_content
from annotator_ops.judging.requests import JudgeRequest
from annotator_ops.judging.spending import Budget
from annotator_ops.models import JSONDict, Outcome

# So many requests in a row may fail for good before the judge's others are given up (or as many as are under way at
# once), and so many where none was ever answered, or where the endpoint calls them bad.
_FAILURES = 8
_FIRST_FAILURES = 3
# So many scores without a probability, and none with one, before the judge's others are given up.
_FIRST_UNSURE = 3
# Seconds that are worth a word each time.
_LONG_WAIT = 5.0
_NO_PROBABILITIES = (
    "Write `confidence: simulated` for this judge in study.yaml, which asks it several times, or `confidence: none`. "
    "What was answered stays."
)
_WORDS = {"refused": "refused", "unparsable": "not understood"}

# Told which judge, how far it is in words, and which share of it is done.
Progress = Callable[[str, str, float], None]


class Asking(Protocol):
    """What a run needs of a judge's endpoint; see `client.Endpoint`. Used from many threads."""

    def ask(self, body: JSONDict, *, again: Callable[[Failure], bool]) -> Reply | Failure: ...

    def close(self) -> None: ...


class Keeping(Protocol):
    """What a run needs of a store; see `store.judgements`. Used from many threads."""

    def keep(self, request: JudgeRequest, reply: Reply) -> None: ...

    def note(self, request: JudgeRequest, failure: Failure) -> None: ...


class Run:
    """One judge's part: what is still to be asked, and what has come of what was. Its workers share it.

    `requests` are those to be made, `reused` those that are answered already.
    """

    def __init__(
        self,
        judge: ModelJudge,
        requests: Sequence[JudgeRequest],
        reused: Sequence[JudgeRequest],
        *,
        criteria: Sequence[Asked],
        budget: Budget,
    ) -> None:
        self.judge = judge
        self.requests = requests
        self.reused = reused
        self.stop = threading.Event()
        self.asked = 0
        self._criteria = criteria
        self._waiting = deque(requests)
        self._budget = budget
        self._guard = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._cost = 0.0
        self._in_a_row = 0
        self._ended: Failure | None = None
        self._last: Failure | None = None
        self._poor = False
        self._blind = False
        self._sure: Counter[bool] = Counter()
        self._earlier_sure: Counter[bool] = Counter()
        self._said: set[str] = set()

    @property
    def workers(self) -> int:
        return min(self.judge.concurrency, len(self.requests))

    @property
    def left(self) -> int:
        """How many requests have no reply yet."""
        return len(self.requests) - self._outcomes.total()

    @property
    def share(self) -> float:
        """How much of it is done."""
        return self._outcomes.total() / len(self.requests) if self.requests else 1.0

    def recall(self, answers: Iterable[Answer]) -> None:
        """Count which of the earlier replies tell how sure the judge was, where its token probabilities are to tell."""
        if self.judge.confidence == "probability":
            keys = {request.key for request in self.reused}
            told = (how_sure(answer, self._criteria) for answer in answers if answer.key in keys)
            self._earlier_sure.update(one for one in told if one is not None)

    # --- asking ------------------------------------------------------------------------------------------------------

    def work(self, endpoint: Asking, kept: Keeping, progress: Progress) -> None:
        """Ask one request after the other until none is left, or there is a reason to stop."""
        while True:
            with self._guard:
                if self.stop.is_set() or self._poor or not self._waiting:
                    return
                request = self._waiting.popleft()
            self._ask(request, endpoint, kept, progress)

    def _ask(self, request: JudgeRequest, endpoint: Asking, kept: Keeping, progress: Progress) -> None:
        most = most_cost(self.judge, request.body) or 0.0
        held = self._afford(most)
        if not held:
            return

        def again(failure: Failure) -> bool:
            nonlocal held
            if failure.raw is not None:
                kept.note(request, failure)
            self._say_that_it_waits(failure, progress)
            if failure.unclear:  # it may be billed, and so may the next attempt
                self._budget.settle(most, most)
                held = self._afford(most)
            return held

        said = endpoint.ask(request.body, again=again)
        if isinstance(said, Reply):
            kept.keep(request, said)  # before anything else happens with it
            self._budget.settle(most, self._take_in(request, said, most))
        else:
            if said.kind != "stopped":
                kept.note(request, said)
            if held:
                self._budget.settle(most, most if said.unclear else 0.0)
            self._fail(said)
        progress(self.judge.name, self.summary(), self.share)

    def _say_that_it_waits(self, failure: Failure, progress: Progress) -> None:
        with self._guard:
            news = failure.kind not in self._said
            self._said.add(failure.kind)
        if news or (failure.wait or 0.0) >= _LONG_WAIT:
            progress(self.judge.name, f"waits and asks again: {failure.message}", self.share)

    def _afford(self, most: float) -> bool:
        if self._budget.set_aside(most, given_up=self.stop.is_set):
            return True
        self._poor = not self.stop.is_set()  # what is under way is waited for
        return False

    def _take_in(self, request: JudgeRequest, reply: Reply, most: float) -> float:
        """Count a reply; what it cost, or at most may have where it does not say."""
        read, written = reply.prompt_tokens, reply.completion_tokens
        cost = cost_of(self.judge, read, written)
        answer = Answer(request.key, self.judge.name, self.judge.model, request.item, None, None, "", "answered")
        answer = with_content(answer, reply.content)
        outcome = reading(answer, self._criteria)
        sure = how_sure(answer, self._criteria) if self.judge.confidence == "probability" else None
        with self._guard:
            if sure is not None:
                self._sure[sure] += 1
                # What is asked on would be paid for and never asked again; earlier replies may be of another day.
                if not self._sure[True] and self._sure[False] >= _FIRST_UNSURE:
                    self._blind = True
                    self.stop.set()
            self.asked += 1
            self._in_a_row = 0
            self._outcomes[outcome] += 1
            self._tokens["prompt"] += read or 0
            self._tokens["completion"] += written or 0
            self._tokens["unsaid"] += read is None or written is None
            self._cost += most if cost is None else cost
        return most if cost is None else cost

    def _fail(self, failure: Failure) -> None:
        if failure.kind == "stopped":
            return
        with self._guard:
            self.asked += 1
            self._failures[failure.kind] += 1
            self._last = failure
            self._in_a_row += 1
            first = not self._outcomes or failure.kind == "bad-request"
            many = _FIRST_FAILURES if first else max(_FAILURES, self.judge.concurrency)
            if failure.ends or failure.kind == "rate-limited" or self._in_a_row >= many:
                self._ended = self._ended or failure
                self.stop.set()

    # --- saying ------------------------------------------------------------------------------------------------------

    def summary(self) -> str:
        """How far it is, as half a sentence."""
        parts = [f"{self._outcomes.total():,} of {counted(len(self.requests), 'request')} answered"]
        parts += [f"{self._outcomes[name]:,} {words}" for name, words in _WORDS.items() if self._outcomes[name]]
        if self._failures:
            parts.append(f"{self._failures.total():,} failed")
        if self.judge.price and self._cost:
            parts.append(f"cost {self._cost:.4g}")
        return ", ".join(parts)

    @property
    def earlier(self) -> str:
        """What needs no asking, as the end of a sentence."""
        return f"; {len(self.reused):,} answered before" if self.reused else ""

    def outcome(self, replies: Path | None = None) -> Outcome:
        """What the run came to. `replies`: the file that all replies are written to; None: they are not."""
        name = self.judge.name
        sure = self._earlier_sure + self._sure
        unsure = f"; {sure[True]:,} of {counted(sure.total(), 'answer')} say how sure the judge was"
        unsure = unsure if sure[False] else ""
        blind = bool(sure[False]) and not sure[True]
        if not self.requests:
            said = f"nothing to ask{self.earlier}{unsure}"
            if blind:
                return Outcome(name, "warning", said, "no-probabilities", _NO_PROBABILITIES)
            return Outcome(name, "ok", said, "nothing-to-ask")
        message = f"{self.summary()}{self.earlier}{unsure}"
        if self._tokens["unsaid"] and self.judge.price:
            message += f"; {self._tokens['unsaid']:,} replies do not say their tokens, so their cost is estimated"
        left = f" {self.left:,} {'is' if self.left == 1 else 'are'} left to ask." if self.left else ""
        failure = self._ended or self._last
        if self._blind and self._ended is None:
            why = f"The endpoint of {name} gives no token probabilities that tell how sure it was of a score."
            return Outcome(name, "failed", f"{message}. {why}{left}", "no-probabilities", _NO_PROBABILITIES)
        if failure is not None:
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self._failures.items()))
            hint = failure.hint or "Run `ops judge run` again: it asks only what is not answered."
            return Outcome(
                name, "failed", f"{message} ({kinds}). {_sentence(failure.message)}{left}", failure.kind, hint
            )
        if self._poor:
            verb, them = ("is", "it") if self.left == 1 else ("are", "them")
            hint = f"{counted(self.left, 'request')} {verb} left; run it again with a `--budget` for {them}."
            return Outcome(name, "warning", f"{message}; the budget ends here", "budget-reached", hint)
        if blind:
            return Outcome(name, "warning", message, "no-probabilities", _NO_PROBABILITIES)
        if any(self._outcomes[kind] for kind in _WORDS):
            where = f"they stand in {replies}" if replies else "`ops judge run --replies replies.jsonl` writes them all"
            hint = f"Read the replies that give no score: {where}, each with its `reason`."
            return Outcome(name, "warning", message, "no-score", hint)
        return Outcome(name, "ok", message, "judged")

    def _confidence(self) -> JSONDict | None:
        """Of how many answers with a score the token probabilities are known; None where they are not asked for."""
        if self.judge.confidence != "probability":
            return None
        sure = self._earlier_sure + self._sure
        return {"n_answers": sure.total(), "n_known": sure[True]}

    def as_json(self) -> JSONDict:
        """The same in numbers."""
        return {
            "judge": self.judge.name,
            "model": self.judge.model,
            "requests": len(self.requests) + len(self.reused),
            "reused": len(self.reused),
            "asked": self.asked,
            "answered": self._outcomes["answered"],
            "refused": self._outcomes["refused"],
            "unparsable": self._outcomes["unparsable"],
            "failed": self._failures.total(),
            "failures": dict(sorted(self._failures.items())),
            "remaining": self.left,
            "confidence": self._confidence(),
            "prompt_tokens": self._tokens["prompt"],
            "completion_tokens": self._tokens["completion"],
            "cost": self._cost if self.judge.price else None,
        }


def _sentence(text: str) -> str:
    """A message, of which an endpoint may have written the end, with a full stop."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
