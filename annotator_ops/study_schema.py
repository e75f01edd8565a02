"""Layer 1. The shape of study.yaml: its keys, their types and defaults, and the words for what does not fit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from annotator_ops.errors import Problem
from annotator_ops.judge_schema import EnsembleShape, JudgeShape, JudgingShape, PriceShape, Shape, Text
from annotator_ops.models import Level, Sandbox, Start
from annotator_ops.study_yaml import Document, Path

LABEL_STUDIO_VERSION = "1.23.2"
MOST_ANNOTATORS = 500
_STUDY_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SMALLEST_MEMORY = 256 * 1024**2


def _study_name(text: str) -> str:
    if not _STUDY_NAME.fullmatch(text) or len(text) > 40:
        raise ValueError("must be small letters, digits and single hyphens, at most 40 (it names containers)")
    return text


def _size(text: object) -> object:
    match = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a size such as 512MB or 1GB")
    amount = int(float(match[1]) * _UNITS[match[2].upper()])
    if amount < _SMALLEST_MEMORY:
        raise ValueError("is too little: Label Studio needs 256MB at the very least, 1GB is comfortable")
    return amount


def _values(written: object) -> object:
    """A list of labels stands for 1, 2, 3 … in that order."""
    if isinstance(written, list):
        if len(set(map(str, written))) != len(written):
            raise ValueError("names the same label twice")
        return {str(label): index for index, label in enumerate(written, start=1)}
    return written


def _as_mapping(key: str) -> BeforeValidator:
    """A plain text where a mapping is expected stands for that one key."""
    return BeforeValidator(lambda written: {key: written} if isinstance(written, str) else written)


def _email(text: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", text):
        raise ValueError("is not an e-mail address")
    return text


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:\.?\w+)?", text):
        raise ValueError(f"must be a full version such as {LABEL_STUDIO_VERSION}")
    return text


class AnnotatorShape(Shape):
    id: Text
    name: Text | None = None
    email: Annotated[str, AfterValidator(_email)] | None = None
    language: Literal["en", "ru"] | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


class OrderShape(Shape):
    seed: int = 0
    shuffle: bool = True


class CriterionShape(Shape):
    name: Text
    control: Text | None = None
    level: Level
    values: Annotated[dict[str, Annotated[float, Field(allow_inf_nan=False)]], BeforeValidator(_values)] = Field(
        default_factory=dict
    )
    title: str | None = None
    period: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class LabelStudioShape(Shape):
    version: Annotated[str, AfterValidator(_version)] = LABEL_STUDIO_VERSION
    image: Text | None = None
    start: Start = "warm"


class ProxyShape(Shape):
    port: int = Field(default=8080, ge=1, le=65535)
    public_url: Text | None = None
    routing: Literal["subdomain", "path"] = "subdomain"


class LimitsShape(Shape):
    memory: Annotated[int, BeforeValidator(_size)] = 1024**3
    processes: int = Field(default=128, ge=16, le=100_000)
    cpus: float | None = Field(default=None, gt=0, le=1024)
    sandbox: Sandbox = "available"


class StudyShape(Shape):
    """study.yaml as written; study.example.yaml explains every key."""

    name: Annotated[Text, AfterValidator(_study_name)]
    title: Text | None = None
    label_config: Text
    instructions: Text | None = None
    tasks: Text
    annotators: Annotated[int, Field(ge=1, le=MOST_ANNOTATORS)] | list[Annotated[AnnotatorShape, _as_mapping("id")]] = (
        Field(default_factory=list)
    )
    order: OrderShape = OrderShape()
    criteria: list[CriterionShape] = Field(default_factory=list)
    judges: list[Annotated[JudgeShape, _as_mapping("file")]] = Field(default_factory=list)
    judging: JudgingShape = JudgingShape()
    gold: Text | None = None
    runtime: Literal["auto", "process", "docker"] = "auto"
    label_studio: LabelStudioShape = LabelStudioShape()
    proxy: ProxyShape = ProxyShape()
    limits: LimitsShape = LimitsShape()
    language: Literal["en", "ru"] = "en"
    simulated: bool = False


_SHAPES: dict[tuple[str, ...], type[Shape]] = {
    (): StudyShape,
    ("annotators",): AnnotatorShape,
    ("order",): OrderShape,
    ("criteria",): CriterionShape,
    ("judges",): JudgeShape,
    ("judges", "price"): PriceShape,
    ("judging",): JudgingShape,
    ("judging", "ensembles"): EnsembleShape,
    ("label_studio",): LabelStudioShape,
    ("proxy",): ProxyShape,
    ("limits",): LimitsShape,
}


def read_shape(document: Document) -> tuple[StudyShape | None, bool]:
    """The document's values in their types, and whether that is all of them.

    What does not fit goes into the document's `problems` and is left out, so that the rest can be checked in the same
    run; None where too little is left.
    """
    if not isinstance(document.data, dict):
        if not document.problems:
            document.problem(
                "The study file is empty or holds no keys.",
                hint="`ops init DIR --template dialogue-ratings` writes one that works.",
                code="study-empty",
                line=None,
            )
        return None, False
    data = _without_nulls(document.data)
    try:
        return StudyShape.model_validate(data), not document.problems
    except ValidationError as error:
        details = error.errors()
    found = [_as_problem(detail, document) for detail in details]
    document.problems += dict.fromkeys(problem for problem in found if problem is not None)
    document.problems.sort(key=lambda problem: problem.line or 0)
    rest = {key: value for key, value in data.items() if key not in {detail["loc"][0] for detail in details}}
    try:
        return StudyShape.model_validate({"name": "unnamed", **rest}), False
    except ValidationError:
        return None, False


def _without_nulls(value: Any) -> Any:
    """`key:` with nothing after it is the same as no such key."""
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_nulls(child) for child in value]
    return value


def _as_problem(detail: Mapping[str, Any], document: Document) -> Problem | None:
    path = _real_path(detail["loc"], document)
    kind, key = detail["type"], _dotted(path)
    if path == ("annotators",):
        # The key may be a number or a list: say both once, and not that either alone is wrong.
        if isinstance(document.data.get("annotators"), list):
            return None
        kind = "annotators-shape"
        message = f"'annotators' must be a number from 1 to {MOST_ANNOTATORS} or a list."
        hint = "Write `annotators: 5`, or a list of ids."
    elif kind == "extra_forbidden":
        message, hint = f"Unknown key {key!r}.", _did_you_mean(path)
    elif kind == "missing":
        message, hint = f"The key {key!r} is missing.", "study.example.yaml shows every key."
    elif kind == "value_error":
        message, hint = f"{key!r} {detail['ctx']['error']}.", "Change it."
    elif kind in {"literal_error", "enum"}:
        message, hint = f"{key!r} is {detail['input']!r}.", f"It must be {detail['ctx']['expected']}."
    else:
        said = re.sub(r" or instance of \w+", "", _lower_first(detail["msg"]))
        message, hint = f"{key!r}: {said}.", _hint_for(kind)
    return Problem(
        where=document.where,
        message=message,
        hint=hint,
        code=kind.replace("_", "-") if kind != "extra_forbidden" else "unknown-key",
        line=document.line(path),
    )


def _real_path(loc: tuple[str | int, ...], document: Document) -> Path:
    """Pydantic's location without the names of union members and validators that it puts in between."""
    path: list[str | int] = []
    value: Any = document.data
    for position, part in enumerate(loc):
        inside = isinstance(value, dict) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside:
            value = value[part]
            path.append(part)
        elif position == len(loc) - 1 and isinstance(value, dict) and isinstance(part, str) and part.isidentifier():
            path.append(part)
    return tuple(path)


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _did_you_mean(path: Path) -> str:
    parents = tuple(part for part in path[:-1] if isinstance(part, str))
    shape = _SHAPES.get(parents)
    known = list(shape.model_fields) if shape else []
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known keys here: {', '.join(known)}."


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _hint_for(kind: str) -> str:
    if kind.startswith(("int", "float")):
        return "Write a number."
    if kind.startswith(("greater", "less")):
        return "Write a number in that range."
    if kind.startswith("bool"):
        return "Write true or false."
    if kind.startswith(("dict", "model")):
        return "Write indented `key: value` lines below it."
    if kind.startswith("list"):
        return "Write a list: one `- …` line each."
    return "study.example.yaml shows how it looks."
