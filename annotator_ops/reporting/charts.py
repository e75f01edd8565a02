"""Layer 2. The report's charts: inline SVG from matplotlib, the same bytes for the same data.

Colours are the page's own CSS variables, so that a chart follows the page into dark mode and print; text stays text in
the page's font. Nothing in a chart is the only place where a number is found: the page has a table for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from annotator_ops.reporting.drawing import ROW, WIDTH, Palette, above, plain, short, svg, verbatim

_MOST_BARS = 20
_MOST_STACKED = 12
_MOST_RATERS = 24
_LEAST_LABELLED = 0.07


@dataclass(frozen=True, slots=True)
class Interval:
    """One line of the overview: a coefficient with its bounds, where it has them."""

    label: str
    value: float | None
    low: float | None
    high: float | None


def overview(
    groups: Mapping[str, Sequence[Interval]], *, thresholds: Sequence[float], name: str, width: float = WIDTH
) -> str:
    """Coefficients with their intervals on one axis, one panel per group ("Krippendorff's α", "Spearman's ρ").

    `thresholds` are dotted in the first panel. `name` becomes part of the ids in the SVG, which must differ on a page.
    In a narrow chart the panels stand below each other.
    """
    palette = Palette({})
    height = 0.72 + ROW * max(len(lines) for lines in groups.values())
    if width < WIDTH:
        figure = Figure(figsize=(width, height * len(groups)))
        panels = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    else:
        figure = Figure(figsize=(width, height))
        panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (title, lines) in zip(panels, groups.items(), strict=True):
        forest(panel, lines, palette=palette)
        verbatim(panel.set_title(title, loc="left", fontsize=10, color=palette.colour("var(--ink)"), pad=10))
        if panel is panels[0]:
            for threshold in thresholds:
                panel.axvline(threshold, color=palette.colour("var(--muted)"), linewidth=0.8, linestyle=(0, (1, 2)))
                above(panel, threshold, f"{threshold:.3f}"[1:], colour=palette.colour("var(--muted)"))
    return svg(figure, palette, name=name)


def distribution(
    found: Mapping[str, Any], *, labels: Sequence[str], ordered: bool, name: str, width: float = WIDTH
) -> str:
    """How often each value was given: stacked bars per annotator for few values, else one bar per value or bin.

    `found` is a distribution of the analysis, `labels` what each of its bars stands for.
    """
    if is_stacked(found, ordered=ordered):
        return _stacked(found, labels=labels, ordered=ordered, name=name, width=width)
    return _bars(found, labels=labels, name=name, width=width)


def is_stacked(found: Mapping[str, Any], *, ordered: bool) -> bool:
    """Whether a distribution is drawn as stacked bars, which need a legend."""
    return found["kind"] == "values" and len(found["values"]) <= (_MOST_STACKED if ordered else len(_HUES))


# Eight hues for labels without an order, told apart in all common forms of colour blindness (after Okabe and Ito 2008).
_HUES = ("#7fb2d6", "#e0a35c", "#7cc0a4", "#d693bd", "#b9bd6a", "#e0897f", "#a5a5dc", "#b0b0b0")
_ON_HUES = "#14171a"


def fills(n: int, *, ordered: bool) -> list[str]:
    """The CSS colours of `n` categories: from light to strong where they have an order."""
    if not ordered:
        return list(_HUES[:n])
    steps = [round(100 * step / max(n - 1, 1)) for step in range(n)]
    return [f"color-mix(in oklab, var(--scale-high) {step}%, var(--scale-low))" for step in steps]


def _on(category: int, n: int, *, ordered: bool) -> str:
    """The colour of letters on a bar, so that they can be read in the light and in the dark."""
    if not ordered:
        return _ON_HUES
    strength = category / max(n - 1, 1)
    return "var(--ink)" if strength < 0.4 else "var(--on-middle)" if strength < 0.6 else "var(--on-strong)"


def forest(panel: Axes, lines: Sequence[Interval], *, palette: Palette) -> None:
    """Dots with their intervals, a line each, from above."""
    accent, ink = palette.colour("var(--accent)"), palette.colour("var(--ink)")
    lowest = min([0.0, *(line.low for line in lines if line.low is not None)])
    lowest = min([lowest, *(line.value for line in lines if line.value is not None)])
    for row, line in enumerate(lines):
        if line.low is not None and line.high is not None:
            panel.plot([line.low, line.high], [row, row], color=accent, linewidth=2.2, solid_capstyle="round")
        if line.value is not None:
            panel.plot([line.value], [row], marker="o", markersize=6, color=accent)
    panel.set_yticks(range(len(lines)), [short(line.label) for line in lines])
    panel.set_ylim(len(lines) - 0.5, -0.5)
    panel.set_xlim(lowest - 0.02, 1.0)
    plain(panel, palette, colour=ink)
    panel.grid(axis="x", color=palette.colour("var(--line)"), linewidth=0.6)


def _stacked(found: Mapping[str, Any], *, labels: Sequence[str], ordered: bool, name: str, width: float) -> str:
    palette = Palette({})
    colours = [palette.colour(css) for css in fills(len(labels), ordered=ordered)]
    rows: list[tuple[str, Sequence[int]]] = [("All", found["counts"])]
    if len(found["by_rater"]) <= _MOST_RATERS:
        rows += list(found["by_rater"].items())
    figure = Figure(figsize=(width, 0.1 + ROW * len(rows)))
    panel = figure.subplots()
    for row, (_, counts) in enumerate(rows):
        total, left = sum(counts), 0.0
        for category, n in enumerate(counts):
            share = n / total if total else 0.0
            panel.barh(row, share, left=left, height=0.72, color=colours[category], linewidth=0)
            if share >= _LEAST_LABELLED * WIDTH / width:
                colour = palette.colour(_on(category, len(labels), ordered=ordered))
                middle = left + share / 2
                panel.text(middle, row, f"{100 * share:.0f}%", ha="center", va="center", fontsize=8, color=colour)
            left += share
    panel.set_yticks(range(len(rows)), [short(label) for label, _ in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_xlim(0, 1)
    panel.set_xticks([])
    plain(panel, palette, colour=palette.colour("var(--ink)"))
    return svg(figure, palette, name=name)


def _bars(found: Mapping[str, Any], *, labels: Sequence[str], name: str, width: float) -> str:
    palette = Palette({})
    ink, accent = palette.colour("var(--ink)"), palette.colour("var(--accent)")
    bars = list(zip(labels, found["counts"], strict=True))
    if len(bars) > _MOST_BARS:
        bars.sort(key=lambda bar: -bar[1])
        rest = bars[_MOST_BARS - 1 :]
        bars = [*bars[: _MOST_BARS - 1], (f"{len(rest)} others", sum(n for _, n in rest))]
    figure = Figure(figsize=(width, 0.1 + 0.85 * ROW * len(bars)))
    panel = figure.subplots()
    panel.barh(range(len(bars)), [n for _, n in bars], height=0.72, color=accent, linewidth=0)
    for row, (_, n) in enumerate(bars):
        panel.annotate(
            f"{n:,}", (n, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, color=ink
        )
    panel.set_yticks(range(len(bars)), [short(label) for label, _ in bars])
    panel.set_ylim(len(bars) - 0.5, -0.5)
    panel.set_xlim(0, 1.1 * max(n for _, n in bars))
    panel.set_xticks([])
    plain(panel, palette, colour=ink)
    return svg(figure, palette, name=name)
