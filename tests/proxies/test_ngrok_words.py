"""ngrok's errors in words, and what an own domain needs."""

from __future__ import annotations

import pytest

from annotator_ops.proxies.ngrok_words import explain, free_plan_notes, own_domain_needs, scrubbed
from annotator_ops.secret import Secret

TOKEN = Secret("2abcDEF_5secret")


@pytest.mark.parametrize(
    ("said", "code", "word"),
    [
        ("authentication failed: … ERR_NGROK_105", "ngrok-refused", "does not look like"),
        ("… ERR_NGROK_107", "ngrok-refused", "revoked"),
        ("… ERR_NGROK_108", "ngrok-refused", "as many agents"),
        ("… ERR_NGROK_320", "ngrok-refused", "mine.example belongs to another account"),
        ("… ERR_NGROK_334", "ngrok-refused", "open elsewhere"),
        ("… ERR_NGROK_4018", "ngrok-refused", "account"),
        (
            "API returned 502: " + '{"msg":"x","details":{"err":"Too odd.\\n\\nERR_NGROK_99999"}}',
            "ngrok-refused",
            "Too odd",
        ),
        ('{"msg":"m","details":{"err":"session has not yet been established"}}', "ngrok-offline", "not yet"),
        ("dial tcp: lookup tunnel.us.ngrok.com: no such host", "ngrok-offline", "does not reach"),
        ("API returned 404: 404 page not found /api/endpoints", "ngrok-too-old", "too old"),
        ("something else", "ngrok-failed", "something else"),
        ("", "ngrok-failed", "no reason"),
    ],
)
def test_errors_are_said_in_words(said: str, code: str, word: str) -> None:
    error = explain(said, token=TOKEN, domain="mine.example")
    assert error.code == code
    assert word in error.message
    assert error.hint


def test_a_refused_token_is_not_repeated() -> None:
    said = f"The authtoken is wrong. Your authtoken: {TOKEN.reveal()}\nERR_NGROK_99999"
    assert TOKEN.reveal() not in str(explain(said, token=TOKEN))
    assert TOKEN.reveal() not in scrubbed(said, None)
    assert scrubbed("see 2abcDEF_5secret.", TOKEN) == "see …."


def test_what_an_own_domain_needs() -> None:
    text = own_domain_needs("https://study.example.org/")
    for part in ("*.study.example.org", "80 and 443", "public_url: https://study.example.org\n", "port: 443"):
        assert part in text
    assert "https://https" not in text


def test_the_free_plan_is_said_where_it_applies() -> None:
    assert "20,000" in (free_plan_notes("https://abc.ngrok-free.app") or "")
    assert free_plan_notes("https://study.example.org") is None
