"""Layer 2. The charts of a criterion's judges: ρ beside the human ceiling, and ρ by the number of annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from annotator_ops.models import JSONDict
from annotator_ops.reporting.charts import Interval, forest
from annotator_ops.reporting.drawing import ROW, WIDTH, Palette, above, plain, short, svg, verbatim, width_of
from annotator_ops.reporting.judge_details import MOST_LINES, everybody, name_of
from annotator_ops.reporting.rounding import journal, number_of

_MARKERS = ("o", "s", "^", "D", "v", "P")
_CURVE_TITLE = "Spearman’s ρ by the number of annotators averaged"
_NARROW_TITLE = "Spearman’s ρ by annotators averaged"
_HEIGHT = 2.6
_LABEL = 0.085  # how much of the panel's height a label needs
# With more annotators than this the axis has their numbers only.
_MOST_SPELT = 5
_MOST_LABELLED = 20


def ceiling_chart(criterion: JSONDict, *, name: str, width: float = WIDTH) -> str:
    """ρ of every judge and ensemble with its interval, and as a band from the lowest to the highest annotator's."""
    found = [(name_of(each), each["spearman"]) for each in everybody(criterion)]
    lines = [Interval(label, rho["value"], rho["low"], rho["high"]) for label, rho in found if rho["value"] is not None]
    ceiling = criterion["human_ceiling"]
    people = [one["spearman"]["value"] for one in ceiling["annotators"] if one["spearman"]["value"] is not None]
    palette = Palette({})
    figure = Figure(figsize=(width, 0.72 + ROW * len(lines)))
    panel = figure.subplots()
    forest(panel, lines, palette=palette)
    muted = palette.colour("var(--muted)")
    verbatim(panel.set_title("Spearman’s ρ", loc="left", fontsize=10, color=palette.colour("var(--ink)"), pad=10))
    if people:
        band = palette.colour("var(--scale-low)")
        panel.axvspan(min(people), max(people), color=band, linewidth=0, zorder=0)
        mean = (ceiling["mean"] or {}).get("spearman")
        middle = sum(people) / len(people) if mean is None or mean["value"] is None else mean["value"]
        panel.axvline(middle, color=muted, linewidth=0.8, linestyle=(0, (1, 2)), zorder=0.5)
        above(panel, middle, "one annotator", colour=muted)
        panel.set_xlim(left=min(panel.get_xlim()[0], min(people) - 0.02))
    return svg(figure, palette, name=name)


def annotators_chart(criterion: JSONDict, *, name: str, width: float = WIDTH) -> str:
    """ρ with the mean of one annotator, two, and so on: a line each judge and ensemble, its name at its end."""
    series = {name_of(each): steps for each in everybody(criterion) if (steps := _steps(each))}
    drawn = sorted(series, key=lambda label: -series[label][-1][1])[:MOST_LINES]
    drawn = [label for label in series if label in drawn]
    palette = Palette({})
    ink = palette.colour("var(--ink)")
    figure = Figure(figsize=(width, _HEIGHT))
    panel = figure.subplots()
    for row, label in enumerate(drawn):
        colour = palette.colour(f"var(--series-{row + 1})")
        panel.plot(
            *zip(*series[label], strict=True),
            color=colour,
            linewidth=1.8,
            marker=_MARKERS[row],
            markersize=5,
            clip_on=False,
        )
    _scale(figure, [value for label in drawn for _, value in series[label]])
    sizes = sorted({size for label in drawn for size, _ in series[label]})
    last = sizes[-1]
    panel.set_xlim(1, last)
    narrow = width < WIDTH
    panel.set_xticks(sizes, _numbers(sizes, most=_MOST_LABELLED // 2) if narrow else _spelt(sizes))
    for label, height in _apart({label: series[label][-1][1] for label in drawn}, panel.get_ylim()).items():
        where = (last, height)
        colour = palette.colour(f"var(--series-{drawn.index(label) + 1})")
        verbatim(
            panel.annotate(
                short(label), where, xytext=(12, 0), textcoords="offset points", va="center", fontsize=9, color=colour
            )
        )
    verbatim(panel.set_title(_NARROW_TITLE if narrow else _CURVE_TITLE, loc="left", fontsize=10, color=ink, pad=10))
    plain(panel, palette, colour=palette.colour("var(--muted)"))
    panel.grid(axis="y", color=palette.colour("var(--line)"), linewidth=0.6)
    return svg(figure, palette, name=name, right=20 + max(width_of(short(label)) for label in drawn))


def _steps(entry: JSONDict) -> list[tuple[int, float]]:
    steps = entry.get("by_annotators") or ()
    return [(step["k"], step["spearman"]) for step in steps if step["spearman"] is not None]


def _spelt(sizes: Sequence[int]) -> list[str]:
    """What stands under the sizes: words where they are few, and nothing where numbers would touch."""
    if len(sizes) <= _MOST_SPELT:
        return [number_of(size, "annotator") for size in sizes]
    return _numbers(sizes, most=_MOST_LABELLED)


def _numbers(sizes: Sequence[int], *, most: int) -> list[str]:
    room, before, labels = (sizes[-1] - 1) / most, float("-inf"), []
    for size in sizes:
        free = size - before >= room and (size == sizes[-1] or sizes[-1] - size >= room)
        labels.append(str(size) if free else "")
        before = size if free else before
    return labels


def _scale(figure: Figure, values: Sequence[float]) -> None:
    """An axis over the values with a little room, its numbers without a leading zero."""
    panel = figure.axes[0]
    room = max(0.05 * (max(values) - min(values)), 0.01)
    low, high = min(values) - room, max(values) + room
    ticks = [tick for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]
    panel.set_ylim(low, high)
    panel.set_yticks(ticks, [journal(tick, digits=2) for tick in ticks])


def _apart(heights: Mapping[str, float], limits: tuple[float, float]) -> dict[str, float]:
    """Where labels stand so that none covers another, as near to their lines as that allows."""
    least = _LABEL * (limits[1] - limits[0])
    found: dict[str, float] = {}
    below = -float("inf")
    for label in sorted(heights, key=lambda label: heights[label]):
        below = max(heights[label], below + least)
        found[label] = below
    over = max(found.values(), default=limits[1]) - limits[1]
    if over > 0:
        above = float("inf")
        for label in reversed(found):
            above = min(found[label], limits[1], above - least)
            found[label] = above
    return found
