"""Layer 2. How the report's charts are drawn: matplotlib's SVG as an element of the page, in the page's own colours."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# In inches: a chart as wide as the page's text, and one for a phone, where letters of the same size leave less room.
WIDTH = 7.2
NARROW = 4.4
ROW = 0.3
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_LONGEST_LABEL = 28
_BETWEEN = 52  # points between panels that stand below each other: a title and an axis
_LETTER = 5.2  # mean width in points of a letter at 9 points


@dataclass(slots=True)
class Palette:
    """Colours that matplotlib can draw with, each standing for a CSS expression that replaces it in the SVG."""

    expressions: dict[str, str]

    def colour(self, expression: str) -> str:
        known = {css: colour for colour, css in self.expressions.items()}
        if expression in known:
            return known[expression]
        colour = f"#fe01{len(self.expressions) + 16:02x}"
        self.expressions[colour] = expression
        return colour


def plain(panel: Axes, palette: Palette, *, colour: str) -> None:
    """No frame, no tick marks, names in the page's ink."""
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(axis="y", length=0, labelsize=9, labelcolor=colour, pad=8)
    panel.tick_params(axis="x", length=0, labelsize=8, labelcolor=palette.colour("var(--muted)"))
    panel.set_axisbelow(True)
    for label in panel.get_yticklabels():
        verbatim(label)


def verbatim(text: Any) -> None:
    """Names come from people: a dollar sign in one is no formula."""
    text.set_parse_math(False)


def above(panel: Axes, x: float, text: str, *, colour: str) -> None:
    """A few small words on top of the panel, at `x` of its data: what a line there is."""
    panel.annotate(
        text,
        (x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 1),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        color=colour,
    )


def short(label: str) -> str:
    """A name on one line, cut where it is too long for a chart."""
    one_line = " ".join(label.split())
    return one_line if len(one_line) <= _LONGEST_LABEL else one_line[: _LONGEST_LABEL - 1] + "…"


def width_of(label: str) -> float:
    """About how wide a label of 9 points is, in points."""
    return _LETTER * len(label)


def _arrange(figure: Figure, right: float) -> None:
    """Margins in points, so that every chart has the same width and letters of the same size on the page."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    first = figure.axes[0]
    longest = max(width_of(label.get_text()) for label in first.get_yticklabels())
    titled, numbered = bool(first.get_title(loc="left")), len(first.get_xticks()) > 0
    above, below = (34 if titled else 4), (18 if numbered else 4)
    rows = len(figure.axes) if len({panel.get_position().y0 for panel in figure.axes}) > 1 else 1
    panel_height = (height - above - below - (rows - 1) * _BETWEEN) / rows
    figure.subplots_adjust(
        left=(16 + longest) / width,
        right=1 - right / width,
        top=1 - above / height,
        bottom=below / height,
        wspace=0.16,
        hspace=_BETWEEN / panel_height,
    )


def svg(figure: Figure, palette: Palette, *, name: str, right: float = 10) -> str:
    """The figure as an element of the page; `name` becomes part of its ids, which must differ on a page.

    `right` is the margin on the right in points.
    """
    buffer = io.BytesIO()
    _arrange(figure, right)
    figure.patch.set_visible(False)
    for panel in figure.axes:
        panel.patch.set_visible(False)
    # The salt makes the ids repeat from run to run; text stays text.
    with (
        mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "DejaVu Sans"}),
        warnings.catch_warnings(),
    ):
        # Only the width of a text is measured here; a browser has the letters that this font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasSVG(figure)
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(buffer, format="svg", metadata=metadata)
    return _inline(buffer.getvalue().decode(), palette, name=name)


def _inline(document: str, palette: Palette, *, name: str) -> str:
    """matplotlib's document as an element of the page: nothing global, its own ids, the page's colours and font."""
    root = ElementTree.fromstring(document)  # noqa: S314 - what matplotlib has just written
    for element in list(root.iter()):
        # Inside a page the parser knows the elements of SVG by themselves; the page has a style for them.
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for child in list(element):
            tag = child.tag.removeprefix(f"{{{_SVG}}}")
            if tag in ("metadata", "title", "style") or (tag == "g" and not len(child)):
                element.remove(child)
        _own(element, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    ElementTree.indent(root, space=" ")
    text = ElementTree.tostring(root, encoding="unicode")
    for colour, expression in palette.expressions.items():
        text = re.sub(re.escape(colour), expression, text, flags=re.IGNORECASE)
    return text


def _own(element: ElementTree.Element, name: str) -> None:
    """Keep ids only where something refers to them, and make them differ from those of the page's other charts."""
    identity = element.attrib.pop("id", None)
    if identity is not None and element.tag not in ("g", "svg"):
        element.set("id", f"{name}-{identity}")
    link = element.attrib.pop(f"{{{_XLINK}}}href", None)
    if link is not None:
        element.set("href", f"#{name}-{link.removeprefix('#')}")
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if "style" in element.attrib:
        element.set("style", re.sub(r" font-family: [^;]*;", "", element.attrib["style"]))
    for key, value in element.attrib.items():
        if "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))
