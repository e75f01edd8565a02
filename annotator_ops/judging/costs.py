"""Layer 2. What asking costs, in the user's own currency: what it came to, and an estimate before anything is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from annotator_ops.judge_settings import ModelJudge

_PRICED_TOKENS = 1_000_000
# Four letters a token is usual for English; in UTF-8 a Cyrillic letter has two bytes and takes about twice the tokens.
_BYTES_A_TOKEN = 4
# Hardly any text takes a token for less than two bytes.
_FEWEST_BYTES_A_TOKEN = 2


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """About how many tokens a request's messages and schema are: an estimate, as every model counts in its own way."""
    return math.ceil(_bytes(body) / _BYTES_A_TOKEN)


def completion_limit(body: Mapping[str, Any]) -> int:
    """How many tokens the reply may have at most; 0 where the request does not say."""
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)


def cost_of(judge: ModelJudge, prompt: int | None, completion: int | None) -> float | None:
    """What so many tokens read and written cost; None where the judge has no price or the tokens are not known."""
    if judge.price is None or prompt is None or completion is None:
        return None
    return (judge.price.input * prompt + judge.price.output * completion) / _PRICED_TOKENS


def likely_cost(judge: ModelJudge, body: Mapping[str, Any]) -> float | None:
    """About what a request costs if the reply is as long as it may be; None where the judge has no price."""
    return cost_of(judge, prompt_tokens(body), completion_limit(body))


def most_cost(judge: ModelJudge, body: Mapping[str, Any]) -> float | None:
    """The most that a request can cost, for a budget; None where the judge has no price."""
    return cost_of(judge, math.ceil(_bytes(body) / _FEWEST_BYTES_A_TOKEN), completion_limit(body))


def _bytes(body: Mapping[str, Any]) -> int:
    parts = [body.get("messages", []), body.get("response_format", {})]
    return sum(len(json.dumps(part, ensure_ascii=False).encode("utf-8", "replace")) for part in parts)
