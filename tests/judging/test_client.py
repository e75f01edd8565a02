"""The client of model endpoints, against a real server that misbehaves."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.client import ATTEMPTS, Endpoint, on_this_machine
from annotator_ops.judging.failures import Failure, Reply
from annotator_ops.judging.pacing import Pace
from annotator_ops.models import JSONDict
from annotator_ops.secret import Secret
from tests.judging.endpoint import (
    CUT,
    EMPTY,
    HANG,
    HTML,
    SERVER_ERROR,
    TRICKLE,
    TRICKLE_HEADERS,
    WRONG_JSON,
    Asked,
    Fault,
    Server,
    completion,
    error,
    rate_limited,
)
from tests.judging.test_pacing import Clock

KEY = "sk-never-to-be-seen-0123456789"
BODY: JSONDict = {
    "model": "m",
    "messages": [{"role": "user", "content": "How good is it?"}],
    "max_tokens": 5,
    "odd": [1],
}


def judge(server: Server, *, timeout: float = 20.0) -> ModelJudge:
    return ModelJudge("strict", "m", server.url, "MODEL_KEY", "", "p.j2", timeout=timeout)


@contextmanager
def asking(
    server: Server, *, clock: Clock | None = None, timeout: float = 20.0, key: str | None = KEY, patience: float = 900.0
) -> Iterator[Endpoint]:
    clock = clock or Clock()
    pace = Pace(threading.Event(), dice=random.Random(1), clock=clock, sleep=clock.sleep)
    with Endpoint(judge(server, timeout=timeout), Secret(key) if key else None, pace, patience=patience) as endpoint:
        yield endpoint


def always(fault: Fault) -> Callable[[Asked], Fault]:
    return lambda _: fault


def once(fault: Fault) -> Callable[[Asked], Fault | None]:
    return lambda asked: fault if asked.times == 1 else None


def test_a_request_goes_out_as_it_is_and_the_reply_comes_back_as_it_came() -> None:
    with Server() as server, asking(server) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Reply)
        assert list(server.bodies.values()) == [BODY]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        assert json.loads(said.raw) == said.content
        assert said.content["choices"][0]["message"]["role"] == "assistant"
        assert said.attempts == 1
        assert 0 < said.seconds < 20


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    with Server() as server, asking(server, key=None) as endpoint:
        assert isinstance(endpoint.ask(BODY), Reply)
        assert "authorization" not in server.headers[0]
        assert not any("of-mine" in value for value in server.headers[0].values())


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://[::1]:80/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://localhost.example.org/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_what_is_on_this_machine(url: str, here: bool) -> None:
    assert on_this_machine(url) is here


def test_no_proxy_stands_between_us_and_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Server() as server, asking(server) as endpoint:
        assert isinstance(endpoint.ask(BODY), Reply)


# --- failures that pass ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (SERVER_ERROR, "server-error"),
        (error(503, "overloaded"), "server-error"),
        (CUT, "cut"),
        (HTML, "nonsense"),
        (WRONG_JSON, "nonsense"),
        (EMPTY, "nonsense"),
        (rate_limited(), "rate-limited"),
        (Fault("content", content='{"error": {"message": "upstream", "code": 502}}'), "server-error"),
        (Fault("content", content='{"error": {"message": "slow down", "code": 429}}'), "rate-limited"),
        (Fault("content", content="[1, 2]"), "nonsense"),
        (Fault("content", content=""), "nonsense"),
        (Fault("content", content='{"choices": [{"message": null}]}'), "nonsense"),
        (Fault("content", content="[" * 100_000), "nonsense"),
    ],
)
def test_what_passes_is_asked_again(fault: Fault, kind: str) -> None:
    told: list[Failure] = []

    def again(failure: Failure) -> bool:
        told.append(failure)
        return True

    with Server(once(fault)) as server, asking(server) as endpoint:
        said = endpoint.ask(BODY, again=again)
        assert isinstance(said, Reply), said
        assert said.attempts == 2
        assert [failure.kind for failure in told] == [kind]
        if kind == "nonsense":
            assert told[0].raw == fault.content.encode()
        assert list(server.asked.values()) == [2]
        assert list(server.answered.values()) == [1]


@pytest.mark.parametrize("fault", [HANG, TRICKLE, TRICKLE_HEADERS], ids=["hang", "trickle", "trickle-headers"])
def test_nothing_outlasts_the_deadline(fault: Fault) -> None:
    with Server(once(fault)) as server, asking(server, timeout=0.4) as endpoint:
        first = endpoint.attempt(BODY)
        assert isinstance(first, Failure)
        assert (first.kind, first.unclear, first.passing) == ("timeout", True, True)
        assert "0.4 s" in first.message
        assert 0.4 <= first.seconds < 5
        assert isinstance(endpoint.attempt(BODY), Reply)


@pytest.mark.parametrize(("fault", "kind"), [(SERVER_ERROR, "server-error"), (CUT, "cut"), (HTML, "nonsense")])
def test_it_gives_up_after_some_attempts(fault: Fault, kind: str) -> None:
    clock = Clock()
    with Server(always(fault)) as server, asking(server, clock=clock) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert (said.kind, said.attempts) == (kind, ATTEMPTS)
        assert server.total == ATTEMPTS
        assert len(clock.slept) == ATTEMPTS - 1
        assert clock.slept == sorted(clock.slept)


def test_a_server_that_is_not_there() -> None:
    with Server() as server:
        pass
    with asking(server) as endpoint:
        said = endpoint.ask(BODY)
    assert isinstance(said, Failure)
    assert (said.kind, said.attempts, said.unclear) == ("unreachable", ATTEMPTS, False)
    assert f"127.0.0.1:{server.port}" in said.message


def test_an_endpoint_that_takes_no_requests_for_a_minute_is_waited_for() -> None:
    clock = Clock()
    end = clock.now + 60

    def faults(_: Asked) -> Fault | None:
        return rate_limited("5") if clock.now < end else None

    with Server(faults) as server, asking(server, clock=clock) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Reply)
        assert said.attempts == server.total
        assert ATTEMPTS < server.total <= 13, "as long as it asks for, and not more often"
        assert end <= clock.now < end + 60
        assert list(server.answered.values()) == [1]


def test_it_does_not_wait_for_ever() -> None:
    clock = Clock()
    with Server(always(rate_limited("86400"))) as server, asking(server, clock=clock) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert (said.kind, said.wait, said.attempts) == ("rate-limited", 86400.0, 1)
        assert "asks to wait for 86,400 s" in said.message
        assert clock.slept == []
        assert server.total == 1
    with Server(always(error(429, "slow down"))) as server, asking(server, clock=clock, patience=100) as endpoint:
        began = clock.now
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert clock.now - began <= 100
        assert server.total > 5


def test_one_refusal_stops_everybody() -> None:
    """Eight threads: after the first refusal none of them asks before the time is over."""
    clock = Clock()
    seen: list[float] = []

    def faults(asked: Asked) -> Fault | None:
        seen.append(clock.now)
        return rate_limited("30") if asked.number == 1 else None

    with Server(faults) as server, asking(server, clock=clock) as endpoint:
        refused = endpoint.ask(BODY, again=lambda _: False)
        assert isinstance(refused, Failure)
        threads = [threading.Thread(target=endpoint.ask, args=(BODY | {"odd": number},)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.total == 9
        assert min(seen[1:]) >= seen[0] + 30


def test_whoever_asks_may_refuse_to_ask_again() -> None:
    with Server(always(SERVER_ERROR)) as server, asking(server) as endpoint:
        said = endpoint.ask(BODY, again=lambda failure: False)
        assert isinstance(said, Failure)
        assert (said.kind, server.total) == ("server-error", 1)


def test_stopping_ends_the_asking() -> None:
    clock = Clock()
    with Server(always(SERVER_ERROR)) as server, asking(server, clock=clock) as endpoint:
        endpoint._pace.stop.set()
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert (said.kind, said.attempts, server.total) == ("stopped", 0, 0)

    with Server(always(SERVER_ERROR)) as server, asking(server, clock=clock) as endpoint:

        def stopping(_: Failure) -> bool:
            endpoint._pace.stop.set()
            return True

        said = endpoint.ask(BODY, again=stopping)
        assert isinstance(said, Failure)
        assert (said.kind, server.total) == ("server-error", 1)


# --- failures that stay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "hint"),
    [
        (error(401, f"Incorrect API key provided: {KEY}"), "key-refused", "right key"),
        (error(403, f"The key {KEY} may not"), "key-refused", "right key"),
        (error(404, "The model `m` does not exist"), "no-model", "`model` and `base_url`"),
        (error(402, "pay"), "no-credit", "Top it up"),
        (error(429, "You exceeded your current quota", "insufficient_quota"), "no-credit", "Top it up"),
        (
            Fault("status", 307, headers=(("Location", "http://127.0.0.1:9/v1/chat/completions"),)),
            "redirected",
            "base_url",
        ),
    ],
)
def test_what_stays_ends_it_at_once(fault: Fault, kind: str, hint: str) -> None:
    with Server(always(fault)) as server, asking(server) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert (said.kind, said.ends, said.passing, said.attempts) == (kind, True, False, 1)
        assert hint in said.hint
        assert server.total == 1
        assert KEY not in repr(said)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            "`reply: json`",
        ),
        ("Unsupported value: 'temperature' does not support 0.0 with this model.", "`temperature: ~`"),
        ("You are not allowed to request logprobs from this model.", "`confidence: none`"),
        ("This model's maximum context length is 4096 tokens.", "shorter `prompt`"),
        ("It is a bad request.", "`reply: words`"),
    ],
)
def test_a_bad_request_says_which_key_of_the_study_to_change(message: str, hint: str) -> None:
    with Server(always(error(400, message))) as server, asking(server) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert (said.kind, said.ends, said.passing, said.attempts) == ("bad-request", False, False, 1)
        assert message in said.message
        assert hint in said.hint


def test_a_key_is_carried_to_no_other_address() -> None:
    with Server() as other:
        moved = Fault("status", 308, headers=(("Location", f"{other.url}/chat/completions"),))
        with Server(always(moved)) as server, asking(server) as endpoint:
            said = endpoint.ask(BODY)
        assert isinstance(said, Failure)
        assert said.kind == "redirected"
        assert other.total == 0


def test_a_key_that_comes_back_is_blotted_out() -> None:
    with Server(answering=lambda _: completion(f"Your key is {KEY}.")) as server, asking(server) as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Reply)
        assert KEY not in repr(said)
        assert "Your key is [key]." in said.content["choices"][0]["message"]["content"]
    for fault in (error(400, f"Bad header {KEY}" + "x" * 500), Fault("content", content=f"<p>{KEY}</p>")):
        with Server(always(fault)) as server, asking(server) as endpoint:
            failed = endpoint.ask(BODY, again=lambda failure: KEY not in repr(failure))
            assert isinstance(failed, Failure)
            assert KEY not in repr(failed)
            assert len(failed.message) < 400
            assert failed.attempts == (ATTEMPTS if failed.kind == "nonsense" else 1)


def test_a_word_that_stands_for_a_key_is_no_secret() -> None:
    with Server(answering=lambda _: completion("none of it")) as server, asking(server, key="none") as endpoint:
        said = endpoint.ask(BODY)
        assert isinstance(said, Reply)
        assert said.content["choices"][0]["message"]["content"] == "none of it"


def test_a_reply_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotator_ops.judging.client._LARGEST", 1000)
    with Server(always(Fault("content", content="x" * 5000))) as server, asking(server) as endpoint:
        said = endpoint.attempt(BODY)
        assert isinstance(said, Failure)
        assert said.kind == "nonsense"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_said(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    away = ModelJudge("away", "m", "http://models.invalid/v1", None, "", "p.j2")
    with pytest.raises(OpsError) as caught:
        Endpoint(away, None, Pace(threading.Event()))
    assert caught.value.code == "proxy-unusable"


def test_a_text_that_cannot_be_sent_fails_by_itself() -> None:
    with Server() as server, asking(server) as endpoint:
        said = endpoint.ask(BODY | {"messages": [{"role": "user", "content": "half \ud83d"}]})
        assert isinstance(said, Failure)
        assert (said.kind, said.ends) == ("bad-request", False)
        assert isinstance(endpoint.ask(BODY), Reply)


def test_the_openai_package_is_loaded_only_when_somebody_asks() -> None:
    code = "import annotator_ops.judging.client, sys; print([n for n in ('openai', 'httpx') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
