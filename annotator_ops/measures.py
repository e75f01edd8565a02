"""Layer 1. The frozen records of what is measured: a rating, and a statistic that was computed of ratings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from annotator_ops.models import JSONDict, RaterKind

# A number, a label, a tuple of labels (multi-label), or a tuple of regions as plain JSON objects (spans, boxes).
Value = float | str | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rating:
    """What one rater said of one item on one criterion. Humans and judges write the same record.

    `value` None is missing, and `reason` says why (a code: "skipped", "empty", "draft", "invalid", "refused", …).
    `seconds` is the time spent on the whole task. `source` is where it came from: the hash of a raw export, or a file.

    What only judges have: `confidence` in the value, from 0 to 1; the `model` asked and the version of the `prompt`;
    the `reply` in the model's own words; the `turn` of a dialogue that it is about; and the `order` in which a pair was
    shown, "given" or "swapped" (the value is of the item's own sides all the same).
    """

    rater: str
    kind: RaterKind
    item: str
    criterion: str
    value: Value | None
    reason: str | None = None
    created_at: datetime | None = None
    seconds: float | None = None
    source: str = ""
    confidence: float | None = None
    model: str | None = None
    prompt: str | None = None
    reply: str | None = None
    turn: str | None = None
    order: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a statistic has no value: a stable code and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic: a value (never rounded, never NaN) or None with a reason.

    `low` and `high` bound the interval at `confidence` (a proportion such as 0.95), made by `method`; `seed` where that
    drew random numbers. `standard_error` is the one that the coefficient's own literature gives, None where there is
    none.
    """

    value: float | None
    reason: Reason | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    method: str = ""
    standard_error: float | None = None
    seed: int | None = None
    n_items: int = 0
    n_raters: int = 0

    def as_json(self) -> JSONDict:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
            "method": self.method,
            "standard_error": self.standard_error,
            "seed": self.seed,
            "reason": self.reason.sentence if self.reason else None,
            "reason_code": self.reason.code if self.reason else None,
            "n_items": self.n_items,
            "n_raters": self.n_raters,
        }


class ConsensusMethod(StrEnum):
    """How a consensus of raters is formed."""

    MEAN = "mean"
    MEDIAN = "median"
    MAJORITY = "majority"
    DAWID_SKENE = "dawid-skene"
