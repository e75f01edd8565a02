"""Layer 2. One control's results as a value: each kind of Label Studio control, checked against what it offers.

Choices: the number that the criterion declares for the label, else the label (as a number where it looks like one and
the criterion is not nominal); several choices: the sorted tuple of labels. Rating and Number: a float. Pairwise: "left"
or "right", or its declared number. Taxonomy: the sorted tuple of paths, their parts joined with " > ". TextArea and
DateTime: text. Ranker: the tuple of ids in rank order; with buckets the sorted tuple of "bucket > id", a set of labels
that says what is in which bucket and not in which order. Controls that mark regions: the tuple of regions, plain JSON
objects as Label Studio writes them, with `type` and, where Label Studio knows it, the size or length of the original.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotator_ops.labeling import Control, LabelConfig
from annotator_ops.measures import Value
from annotator_ops.models import Criterion, JSONDict, Level, Task
from annotator_ops.rating_cells import NUMBER, computable

_ORIGINAL = ("original_width", "original_height", "original_length", "image_rotation", "item_index")
# Label Studio's name for the bucket of things that are in none.
_NO_BUCKET = "_"


class AnswerError(ValueError):
    """An answer that the label config does not allow; the text says how."""


def read_answer(control: Control, criterion: Criterion, results: Sequence[JSONDict]) -> Value | None:
    """The value of one control's results in one annotation; None where there is no answer.

    Raises AnswerError, in words, for anything the control cannot have produced.
    """
    values = [_value(control, result) for result in results]
    if control.marks_regions:
        regions = tuple(_region(control, result) for result in results)
        return regions if regions or not control.required else None
    if not values:
        return None
    if control.tag == "TextArea":
        if not all(_is_text(value.get("text")) for value in values):
            raise AnswerError("it is no text.")
        return _cleaned(_text(values)) or None
    if len(values) > 1:
        raise AnswerError(f"{control.name} is answered {len(values)} times.")
    return _READERS[control.tag](control, criterion, values[0])


def read_text(results: Sequence[Any]) -> str:
    """What was written in a text field, as far as it is text; never raises."""
    values = [result.get("value") for result in results if isinstance(result, dict)]
    return _text([value for value in values if isinstance(value, dict)])


def lengths_of(control: Control, config: LabelConfig, tasks: Sequence[Task]) -> dict[str, tuple[float, ...]]:
    """How long each task is for a control that marks spans: the characters of its text, or of each of its paragraphs.

    Characters are code points, as in Label Studio's offsets. Tasks whose length the data do not tell (HTML, sounds,
    texts behind an address) are absent.
    """
    about = next((each for each in config.elements() if each.get("name") in control.to_name), None)
    if about is None or (about.get("valueType") or about.get("valuetype") or "").lower() == "url":
        return {}
    path = (about.get("value") or "").removeprefix("$").split(".")
    speech = about.get("textKey") or about.get("textkey") or "text"
    found: dict[str, tuple[float, ...]] = {}
    for task in tasks:
        content: Any = task.data
        for name in path:
            content = content.get(name) if isinstance(content, Mapping) else None
        if about.tag.lower() == "text" and isinstance(content, str):
            found[task.id] = (float(len(content)),)
        elif about.tag.lower() == "paragraphs" and isinstance(content, list):
            said = [part.get(speech) if isinstance(part, Mapping) else None for part in content]
            if all(isinstance(each, str) for each in said):
                found[task.id] = tuple(float(len(str(each))) for each in said)
    return found


def _value(control: Control, result: JSONDict) -> JSONDict:
    """The `value` of a result that is about the right object and of the right type."""
    kind, value = result.get("type"), result.get("value")
    # A control of several objects (Pairwise) names them all in one text.
    if result.get("to_name") not in (*control.to_name, ",".join(control.to_name)):
        raise AnswerError(f"it is about {_quoted(result.get('to_name'))}, which {control.name} is not about.")
    if kind != control.tag.lower():
        raise AnswerError(f"its type is {_quoted(kind)} instead of “{control.tag.lower()}”.")
    if not isinstance(value, dict):
        raise AnswerError("it has no value.")
    return value


def _labels(control: Control, labels: Any) -> list[str]:
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise AnswerError(f"{_quoted(labels)} is no list of labels.")
    unknown = [label for label in labels if label not in control.labels]
    if unknown and not control.dynamic:
        raise AnswerError(f"{_quoted(unknown[0])} is not offered.")
    return [_cleaned(label) for label in labels]


def _declared(criterion: Criterion, label: str) -> Value:
    if criterion.values:
        if label not in criterion.values:
            raise AnswerError(f"the study file declares no number for “{label}”.")
        return float(criterion.values[label])
    if criterion.level is not Level.NOMINAL and NUMBER.fullmatch(label):
        return float(label)
    return label


def _finite(number: Any) -> float:
    # bool is a number to Python, and JSON integers have no bound.
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not computable(number):
        raise AnswerError(f"{_quoted(number)} is no number.")
    if not math.isfinite(number):
        raise AnswerError("it is no finite number.")
    return float(number)


def _choices(control: Control, criterion: Criterion, value: JSONDict) -> Value | None:
    chosen = _labels(control, value.get("choices"))
    if not chosen:
        return None
    if control.multiple:
        return tuple(sorted(set(chosen)))
    if len(chosen) > 1:
        raise AnswerError(f"{len(chosen)} choices where one is allowed.")
    return _declared(criterion, chosen[0])


def _bounded(key: str) -> Callable[[Control, Criterion, JSONDict], Value | None]:
    def read(control: Control, _criterion: Criterion, value: JSONDict) -> Value | None:
        if value.get(key) is None:
            return None
        number = _finite(value[key])
        low, high = control.minimum, control.maximum
        if key == "rating" and number == 0:
            return None  # stars taken back
        if (low is not None and number < low) or (high is not None and number > high):
            bounds = "–".join("" if bound is None else f"{bound:g}" for bound in (low, high))
            raise AnswerError(f"{number:g} is out of range ({bounds}).")
        if key == "rating" and not number.is_integer():
            raise AnswerError(f"{number:g} is no whole number of stars.")
        return number

    return read


def _pairwise(_control: Control, criterion: Criterion, value: JSONDict) -> Value | None:
    selected = value.get("selected")
    if selected is None:
        return None
    if selected not in ("left", "right"):
        raise AnswerError(f"{_quoted(selected)} is neither left nor right.")
    return _declared(criterion, selected)


def _taxonomy(control: Control, _criterion: Criterion, value: JSONDict) -> Value | None:
    paths = value.get("taxonomy")
    if not isinstance(paths, list) or not all(isinstance(path, list) and path for path in paths):
        raise AnswerError(f"{_quoted(paths)} is no list of paths.")
    return tuple(sorted({" > ".join(_labels(control, path)) for path in paths})) or None


def _datetime(_control: Control, _criterion: Criterion, value: JSONDict) -> Value | None:
    when = value.get("datetime")
    if when is None:
        return None
    if not isinstance(when, str):
        raise AnswerError(f"{_quoted(when)} is no date or time.")
    return _cleaned(when) or None


def _ranker(control: Control, _criterion: Criterion, value: JSONDict) -> Value | None:
    ranked = value.get("ranker")
    if ranked is None:
        return None
    if control.ranks:
        # Label Studio writes the list itself or, in other versions, under the control's name.
        if isinstance(ranked, dict) and ranked.keys() <= {control.name}:
            ranked = ranked.get(control.name, [])
        order = _ids(ranked)
        if len(set(order)) < len(order):
            raise AnswerError(f"{_quoted(ranked)} ranks the same thing twice.")
        return tuple(order) or None
    if not isinstance(ranked, dict):
        raise AnswerError(f"{_quoted(ranked)} is no division into buckets.")
    unknown = [bucket for bucket in ranked if bucket not in (*control.labels, _NO_BUCKET)]
    if unknown:
        raise AnswerError(f"there is no bucket {_quoted(unknown[0])}.")
    placed = {bucket: _ids(things) for bucket, things in ranked.items()}
    return tuple(
        sorted({f"{_cleaned(bucket)} > {each}" for bucket in placed if bucket != _NO_BUCKET for each in placed[bucket]})
    )


def _ids(things: Any) -> list[str]:
    if not isinstance(things, list) or not all(isinstance(each, str) for each in things):
        raise AnswerError(f"{_quoted(things)} is no ranking.")
    return [_cleaned(each) for each in things]


def _is_text(written: Any) -> bool:
    return written is None or all(
        isinstance(line, str) for line in (written if isinstance(written, list) else [written])
    )


def _text(values: Sequence[JSONDict]) -> str:
    lines: list[str] = []
    for value in values:
        written = value.get("text")
        lines += [line for line in (written if isinstance(written, list) else [written]) if isinstance(line, str)]
    return "\n".join(line.strip() for line in lines if line.strip())


def _region(control: Control, result: JSONDict) -> JSONDict:
    """A region as Label Studio writes it, with its numbers and labels checked."""
    value = _value(control, result)
    if control.labels or control.dynamic:
        labels = value.get(control.tag.lower())
        if labels:
            _labels(control, labels)
        elif control.required:
            raise AnswerError("a region has no label.")
    for key, part in value.items():
        if not _finite_throughout(part):
            raise AnswerError(f"a region's {key} is no finite number.")
    for key in ("x", "y", "width", "height", "radiusX", "radiusY"):
        if key in value:
            _finite(value[key])
    about = {key: result[key] for key in _ORIGINAL if key in result}
    plain: JSONDict = json.loads(_cleaned(json.dumps({"type": result["type"]} | value | about, ensure_ascii=False)))
    return plain


def _finite_throughout(content: Any) -> bool:
    """Whether no number in it is infinite or NaN, however deep: JSON has no such numbers, Python's reader has."""
    pending = [content]
    while pending:
        part = pending.pop()
        if isinstance(part, float) and not math.isfinite(part):
            return False
        pending += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return True


def _cleaned(text: str) -> str:
    """Half of a surrogate pair, which JSON can hold and files and databases cannot, is replaced."""
    return text.encode("utf-8", "replace").decode()


def _quoted(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return f"“{text.strip(chr(34))}”" if len(text) <= 80 else f"“{text[:79]}…”"


_READERS: Mapping[str, Callable[[Control, Criterion, JSONDict], Value | None]] = {
    "Choices": _choices,
    "Rating": _bounded("rating"),
    "Number": _bounded("number"),
    "Pairwise": _pairwise,
    "Taxonomy": _taxonomy,
    "DateTime": _datetime,
    "Ranker": _ranker,
}
