"""Layer 2. One estimate in words, for every table of the report."""

from __future__ import annotations

from dataclasses import dataclass

from annotator_ops.models import JSONDict
from annotator_ops.reporting import rounding


@dataclass(frozen=True, slots=True)
class Figure:
    """One estimate in words. `value` is "–" where there is none, and `note` then says why."""

    value: str
    interval: str = ""
    note: str = ""
    n: str = ""
    shade: int = 0


def estimate(found: JSONDict | None, *, as_percent: bool = False, signed: bool = False) -> Figure:
    """An estimate's JSON as a Figure; `signed` numbers are differences on the criterion's own scale."""
    if found is None or found["value"] is None:
        return Figure("–", note=found["reason"] if found else "")
    say = rounding.percent if as_percent else rounding.difference if signed else rounding.coefficient
    bounds = rounding.interval(found)
    if bounds:
        bounds = f"[{say(found['low'])}, {say(found['high'])}]"
    note = "" if bounds else _no_interval(found["method"])
    shade = rounding.shade(found["value"])
    return Figure(say(found["value"]), interval=bounds, note=note, n=rounding.count(found["n_items"]), shade=shade)


def _no_interval(method: str) -> str:
    part = method.rpartition("; ")[2]
    return part if part.startswith("no interval") else ""
