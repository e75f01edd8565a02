"""Layer 3. The report: one self-contained HTML file made from an analysis and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jinja2
from markupsafe import Markup

from annotator_ops.models import JSONDict
from annotator_ops.reporting import charts, judge_charts, rounding
from annotator_ops.reporting.drawing import NARROW, WIDTH
from annotator_ops.reporting.view import Page, page
from annotator_ops.resources import resource


def render(analysis: JSONDict) -> str:
    """The report page of an analysis (the JSON of `ops analyze`).

    The page loads nothing and carries the analysis itself as data. It runs no script but that of the leaderboard, where
    there is one, and its policy names that one by its hash.
    """
    view = page(analysis)
    folder = resource("templates", "report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script = ""
    if view.leaderboard and view.leaderboard.rows:
        script = f"\n{(folder / 'leaderboard.js').read_text(encoding='utf-8')}"
    return environment.get_template("report.html.j2").render(
        page=view,
        script=Markup(script),  # noqa: S704 - a shipped file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - a shipped file
        overview=_overview(analysis),
        charts=_charts(view) | _judge_charts(view, _criteria(analysis)),
        legends=_legends(view),
        analysis=script_json(analysis),
    )


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    part.replace(path)


def script_json(data: JSONDict) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _criteria(analysis: JSONDict) -> list[JSONDict]:
    """The criteria in the order of the page's sections."""
    return [*analysis["criteria"], *([analysis["overall"]] if analysis["overall"] else [])]


def _overview(analysis: JSONDict) -> Markup:
    compared = [criterion for criterion in _criteria(analysis) if criterion["level"]]
    if not compared:
        return Markup("")
    groups = {"Krippendorff’s α": [_line(c, c["agreement"]["krippendorff_alpha"]) for c in compared]}
    if analysis["data"]["judges"]:
        groups["Judges and people: ρ"] = [_line(c, _judges_rho(c)) for c in compared]
    thresholds = (rounding.TENTATIVE, rounding.RELIABLE)
    return _both(partial(charts.overview, groups, thresholds=thresholds), "overview")


def _both(draw: Callable[..., str], name: str) -> Markup:
    """A chart for wide and for narrow screens, of which the page shows the one that fits."""
    drawn = {"wide": draw(name=name, width=WIDTH), "narrow": draw(name=f"{name}-narrow", width=NARROW)}
    return Markup("\n".join(f'<div class="{key}">\n{svg}\n</div>' for key, svg in drawn.items()))  # noqa: S704 - an XML serializer wrote them


def _judges_rho(criterion: JSONDict) -> JSONDict | None:
    """Of the mean over all judges, or of the only one."""
    judges = criterion["judges"]
    found = criterion["ensembles"] if len(judges) > 1 else judges
    return found[0]["spearman"] if found else None


def _line(criterion: JSONDict, estimate: JSONDict | None) -> charts.Interval:
    found = estimate or {"value": None, "low": None, "high": None}
    return charts.Interval(criterion["title"], found["value"], found["low"], found["high"])


def _charts(view: Page) -> dict[str, Markup]:
    return {
        section.anchor: _both(
            partial(
                charts.distribution,
                section.distribution,
                labels=[name for name, _, _ in section.values],
                ordered=section.ordered,
            ),
            section.anchor,
        )
        for section in view.sections
        if section.distribution
    }


def _judge_charts(view: Page, criteria: list[JSONDict]) -> dict[str, Markup]:
    drawn = {}
    for section, criterion in zip(view.sections, criteria, strict=True):
        if section.judged and section.judged.chart:
            name = f"{section.anchor}-judges"
            drawn[name] = _both(partial(judge_charts.ceiling_chart, criterion), name)
        if section.judged and section.judged.curve:
            name = f"{section.anchor}-annotators"
            drawn[name] = _both(partial(judge_charts.annotators_chart, criterion), name)
    return drawn


def _legends(view: Page) -> dict[str, list[tuple[str, str]]]:
    """For each stacked chart the colour and the name of its categories."""
    legends = {}
    for section in view.sections:
        if section.distribution and charts.is_stacked(section.distribution, ordered=section.ordered):
            names = [name for name, _, _ in section.values]
            colours = charts.fills(len(names), ordered=section.ordered)
            legends[section.anchor] = list(zip(colours, names, strict=True))
    return legends
