"""Layer 2. One estimate in words, and tables of them, for every table of the report."""

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


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its name with a remark, and its cells. A derived one stands apart from those above."""

    name: str
    cells: tuple[Figure, ...]
    remark: str = ""
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the page shows it. `columns` have a name and a remark each; `first` heads the rows' names.

    In a `heated` one the cells are shaded. `label` tells the table from the page's others.
    """

    label: str
    caption: str
    first: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    heated: bool = False


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


def on_scale(found: JSONDict | None) -> Figure:
    """A mean on the criterion's own scale."""
    if found is None or found["value"] is None:
        return estimate(found)
    say = rounding.mean
    bounds = "" if found["low"] is None else f"[{say(found['low'])}, {say(found['high'])}]"
    return Figure(say(found["value"]), bounds)


def p_value(found: float | None) -> str:
    """A p-value as journals print it: "p < .001", "p = .034"."""
    if found is None:
        return ""
    return "p < .001" if found < 0.001 else f"p = {rounding.journal(found)}"


def _no_interval(method: str) -> str:
    part = method.rpartition("; ")[2]
    return part if part.startswith("no interval") else ""
