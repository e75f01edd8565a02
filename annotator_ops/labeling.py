"""Layer 2. Label configs: the controls an annotator fills in, the task data they need, and the default criteria."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from annotator_ops.errors import OpsError, Problem
from annotator_ops.models import Criterion, Level, Study

# Every tag that Label Studio 1.23.2's labeling page knows; it breaks on any other, though its server accepts them.
# fmt: off
_CONTROLS = (
    "BitmaskLabels", "Bitmask", "BrushLabels", "Brush", "Choices", "DateTime", "EllipseLabels",
    "Ellipse", "HyperTextLabels", "KeyPointLabels", "KeyPoint", "Labels", "MagicWand", "Number",
    "Pairwise", "ParagraphLabels", "PolygonLabels", "Polygon", "Ranker", "Rating", "RectangleLabels",
    "Rectangle", "Taxonomy", "TextArea", "TimelineLabels", "TimeSeriesLabels", "VectorLabels", "Vector",
    "VideoRectangle",
)
_OBJECTS = (
    "Audio", "AudioPlus", "HyperText", "Image", "List", "Markdown", "Paragraphs",
    "Pdf", "Table", "Text", "TimeSeries", "Video",
)
_OTHERS = (
    "Bucket", "Channel", "Choice", "Collapse", "CustomInterface", "Dialog", "Filter",
    "Header", "Label", "MultiChannel", "PagedView", "Panel", "Relation", "Relations",
    "Repeater", "Shortcut", "Style", "View",
)
# fmt: on
_KNOWN = {tag.lower(): tag for tag in (*_CONTROLS, *_OBJECTS, *_OTHERS)}
_CONTROL_NAMES = {tag.lower() for tag in _CONTROLS}
# Controls that answer for the whole task. All others mark regions: a span of text, a box in an image.
_WHOLE_TASK = {"choices", "datetime", "number", "pairwise", "ranker", "rating", "taxonomy", "textarea"}
_NEED_LABELS = {"choices": "Choice", "labels": "Label", "hypertextlabels": "Label", "rectanglelabels": "Label"}
_SHOWS_TEXT_WITHOUT_NAME = {"header", "markdown", "hypertext", "text"}
_VARIABLE = re.compile(r"\$([A-Za-z_][\w.]*)")
_DEFAULT_STARS = 5.0
_CODE = "label-config-invalid"
_LS_DOCS = "See https://labelstud.io/tags/ for what each tag needs."


@dataclass(frozen=True, slots=True)
class Control:
    """A tag that an annotator fills in. `labels` are the values an answer can have, in the config's order.

    `multiple`: an answer can hold several values. `minimum` and `maximum` bound a Rating (stars) or a Number; None is
    no bound. `per_region`: it asks about a marked region, not about the task. `dynamic`: the labels come from
    the task's data, so `labels` does not hold them.
    """

    name: str
    tag: str
    to_name: tuple[str, ...]
    labels: tuple[str, ...]
    multiple: bool
    required: bool
    minimum: float | None
    maximum: float | None
    per_region: bool = False
    dynamic: bool = False

    @property
    def marks_regions(self) -> bool:
        """Whether an answer is a list of regions (spans, boxes) rather than a value for the whole task."""
        return self.tag.lower() not in _WHOLE_TASK

    @property
    def ranks(self) -> bool:
        """Whether an answer is an order of all things (a Ranker without buckets), and not a set of labels."""
        return self.tag == "Ranker" and not self.labels


@dataclass(frozen=True, slots=True)
class Input:
    """One use of a task variable: by which tag, and whether the data must be a URL that the browser loads."""

    variable: str
    tag: str
    is_url: bool = False
    is_whole_value: bool = True


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """A label config that Label Studio accepts. `variables` are the task data it needs, as `text` or `card.name`."""

    xml: str
    controls: tuple[Control, ...]
    variables: tuple[str, ...]
    inputs: tuple[Input, ...] = ()

    def control(self, name: str) -> Control | None:
        """The control of that name."""
        return next((control for control in self.controls if control.name == name), None)

    def elements(self) -> list[ElementTree.Element]:
        """All tags, in their order. No entity is loaded: `check` has refused document types."""
        root = ElementTree.fromstring(self.xml)  # noqa: S314 - no document type, so it can declare no entity
        return [element for element in root.iter() if isinstance(element.tag, str)]

    def shown_to(self, control: Control) -> tuple[str, ...]:
        """What stands in `value` of each tag that a control is about, in its order: a variable, without the $."""
        values = {element.get("name"): element.get("value") or "" for element in self.elements()}
        return tuple(values.get(name, "").removeprefix("$") for name in control.to_name)


def parse(xml: str) -> LabelConfig:
    """Read a label config. Raises OpsError (code "label-config-invalid") naming all that Label Studio would refuse."""
    config, problems = check(xml)
    if config is None or problems:
        lines = [f"line {problem.line}: {problem.message}" if problem.line else problem.message for problem in problems]
        raise OpsError(
            "The label config cannot be used. " + " ".join(lines),
            hint=problems[0].hint if problems else _LS_DOCS,
            code=_CODE,
        )
    return config


def check(xml: str, *, where: str = "label config") -> tuple[LabelConfig | None, tuple[Problem, ...]]:
    """Read a label config and list everything wrong with it; `where` is the file's name for the problems."""
    text = re.sub(r"^\ufeff?\s*(<\?xml[^>]*\?>)?", lambda found: "\n" * found[0].count("\n"), xml, count=1)
    if "<!DOCTYPE" in text.upper():
        return None, (_problem(where, "Document types (<!DOCTYPE …>) are not allowed.", "Delete that part."),)
    try:
        # A document type is refused above, so no entity can be declared, let alone loaded.
        root = ElementTree.fromstring(text)  # noqa: S314 - the researcher's own file
    except ElementTree.ParseError as error:
        line = error.position[0]
        hint = "Close every tag, put attribute values in quotes, and write < as &lt; and & as &amp;."
        return None, (_problem(where, f"This is not well-formed XML: {error}.", hint, line=line),)
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    problems = [*_tag_problems(elements, where=where, text=text), *_sdk_problems(root, where=where)]
    if problems:
        return None, tuple(problems)
    inputs = tuple(_inputs(elements))
    controls = tuple(_controls(elements))
    variables = tuple(dict.fromkeys(found.variable for found in inputs))
    return LabelConfig(xml=text.strip(), controls=controls, variables=variables, inputs=inputs), ()


def default_criteria(config: LabelConfig) -> tuple[Criterion, ...]:
    """One criterion for each control that answers something comparable, with the level that its tag implies.

    Choices, Pairwise, Taxonomy and regions are nominal (several choices at once are compared as sets), Rating is
    ordinal, Number is interval. TextArea, DateTime and Ranker have none: name them in the study file if they are meant.
    """
    levels = {"rating": Level.ORDINAL, "number": Level.INTERVAL}
    silent = {"textarea", "datetime", "ranker", "magicwand"}
    return tuple(
        Criterion(
            name=control.name,
            control=control.name,
            level=levels.get(control.tag.lower(), Level.NOMINAL),
            title=control.name.replace("_", " ").capitalize(),
        )
        for control in config.controls
        if not control.per_region and control.tag.lower() not in silent
    )


def criteria_of(study: Study) -> tuple[Criterion, ...]:
    """The study's criteria: those of the study file, or the label config's defaults where it names none."""
    return study.criteria or default_criteria(parse(study.label_config))


def _problem(where: str, message: str, hint: str, *, line: int | None = None) -> Problem:
    return Problem(where=where, message=message, hint=hint, code=_CODE, line=line)


def _line_of(text: str, tag: str) -> int | None:
    found = re.search(rf"<{re.escape(tag)}\b", text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def _tag_problems(elements: list[ElementTree.Element], *, where: str, text: str) -> list[Problem]:
    """What Label Studio's server lets through but its labeling page or our collection cannot work with."""
    problems = []
    for tag in dict.fromkeys(element.tag for element in elements):
        if tag.lower() in _KNOWN:
            continue
        close = difflib.get_close_matches(tag.lower(), _KNOWN, n=1)
        hint = f"Did you mean <{_KNOWN[close[0]]}>?" if close else _LS_DOCS
        message = f"Label Studio's labeling page knows no tag <{tag}>."
        problems.append(_problem(where, message, hint, line=_line_of(text, tag)))
    for element in elements:
        if element.tag.lower() not in _CONTROL_NAMES:
            continue
        missing = [name for name in ("name", "toName") if not element.get(name)]
        if missing:
            message = f"A <{element.tag}> lacks {' and '.join(missing)}, so its answers would be lost."
            hint = 'Give it a name of its own and toName="…" with the name of what it is about.'
            problems.append(_problem(where, message, hint, line=_line_of(text, element.tag)))
        if element.tag.lower() in _NEED_LABELS and not _labels(element) and not element.get("value"):
            message = f'<{element.tag} name="{element.get("name")}"> offers nothing to choose.'
            hint = f"Put at least two <{_NEED_LABELS[element.tag.lower()]} value=…/> inside it."
            problems.append(_problem(where, message, hint, line=_line_of(text, element.tag)))
        for bound in ("maxRating", "min", "max"):
            if element.tag.lower() in {"rating", "number"} and not _is_number(element.get(bound)):
                message = f'<{element.tag} name="{element.get("name")}"> has {bound}="{element.get(bound)}".'
                problems.append(_problem(where, message, "Write a number there.", line=_line_of(text, element.tag)))
    return problems


def _sdk_problems(root: ElementTree.Element, *, where: str) -> list[Problem]:
    """What Label Studio's own parser refuses. Canonical XML, because its checks of names look for double quotes."""
    # Imported here because it takes a second, and most commands need no label config.
    from label_studio_sdk._legacy.exceptions import (
        LabelStudioValidationErrorSentryIgnored,
        LabelStudioXMLSyntaxErrorSentryIgnored,
    )
    from label_studio_sdk.label_interface.interface import LabelInterface

    refusals = (
        LabelStudioValidationErrorSentryIgnored,
        LabelStudioXMLSyntaxErrorSentryIgnored,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    )
    try:
        LabelInterface(ElementTree.tostring(root, encoding="unicode")).validate()  # type: ignore[no-untyped-call]
    except refusals as error:
        return [_problem(where, f"Label Studio refuses it: {str(error).rstrip('.')}.", _LS_DOCS)]
    return []


def _is_number(text: str | None) -> bool:
    if text is None:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _flag(element: ElementTree.Element, name: str) -> bool:
    return (element.get(name) or element.get(name.lower()) or "false").lower() == "true"


def _controls(elements: list[ElementTree.Element]) -> list[Control]:
    found = []
    for element in elements:
        kind = element.tag.lower()
        if kind not in _CONTROL_NAMES:
            continue
        minimum, maximum = None, None
        if kind == "rating":
            minimum, maximum = 1.0, _number(element.get("maxRating")) or _DEFAULT_STARS
        elif kind == "number":
            minimum, maximum = _number(element.get("min")), _number(element.get("max"))
        found.append(
            Control(
                name=element.get("name", ""),
                tag=_KNOWN[kind],
                to_name=tuple(name.strip() for name in element.get("toName", "").split(",")),
                labels=_labels(element),
                multiple=_multiple(element),
                required=_flag(element, "required"),
                minimum=minimum,
                maximum=maximum,
                per_region=_flag(element, "perRegion"),
                dynamic=element.get("value", "").startswith("$") or bool(element.get("apiUrl")),
            )
        )
    return found


def _labels(element: ElementTree.Element) -> tuple[str, ...]:
    """The labels in the order of the config. An alias is what Label Studio writes into results in a label's place.

    Those of a Ranker are its buckets, which results call by name.
    """
    if element.tag.lower() == "pairwise":
        return ("left", "right")
    leaves = [child for child in element.iter() if child.tag in {"Label", "Choice", "Bucket"}]
    written = [leaf.get("name") if leaf.tag == "Bucket" else leaf.get("alias") or leaf.get("value") for leaf in leaves]
    return tuple(dict.fromkeys(label for label in written if label))


def _multiple(element: ElementTree.Element) -> bool:
    kind = element.tag.lower()
    if kind == "taxonomy":
        return element.get("maxUsages") != "1"
    if kind == "textarea":
        return element.get("maxSubmissions") != "1"
    return element.get("choice") == "multiple"


def _inputs(elements: list[ElementTree.Element]) -> list[Input]:
    found = []
    for element in elements:
        kind = element.tag.lower()
        if element.get("name") or kind in _SHOWS_TEXT_WITHOUT_NAME:
            sources = [element.get("value"), element.get("valueList")]
        else:
            sources = [element.get("on")] if kind == "repeater" else []
        is_url = (element.get("valueType") or element.get("valuetype") or "").lower() == "url"
        for source in filter(None, sources):
            found += [
                Input(
                    variable=match[1].rstrip("."),
                    tag=_KNOWN.get(kind, element.tag),
                    is_url=is_url,
                    is_whole_value=match[0] == source,
                )
                for match in _VARIABLE.finditer(source)
            ]
    return found
