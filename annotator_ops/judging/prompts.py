"""Layer 2. The prompt of a model judge: a Jinja2 template filled with the study's criteria and one item's data."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.asked import Asked, asked_of, unasked
from annotator_ops.judging.pairs import Pair
from annotator_ops.labeling import LabelConfig, criteria_of, parse
from annotator_ops.measures import Value
from annotator_ops.models import JSONDict, Study, content_hash
from annotator_ops.stats.values import display
from annotator_ops.wordings import plain, value_at

# The line of a template that parts what the system says from what the user says.
SEPARATOR = "--- user ---"
VERSION_DIGITS = 10
_FENCE_DIGITS = 8
_TEXTS = frozenset({"Text", "HyperText", "Markdown", "Paragraphs", "Header", "Table", "List", "Repeater"})
_HINT = (
    "A template sees study, criteria, item, parts, text, fence, examples and reply_form; docs/judges.md describes them."
)


@dataclass(frozen=True, slots=True)
class CriterionText:
    """One criterion as a template shows it.

    `question` is the label config's heading of its control. `scale` says in words what can be answered, `answers` are
    the answers one by one (number, or label) with the label of each, where they are a short list.
    """

    name: str
    title: str
    question: str
    scale: str
    answers: tuple[tuple[str, str], ...]
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """An item that a real annotator rated: its data, and the ratings by criterion."""

    item: str
    data: Mapping[str, Any]
    ratings: Mapping[str, Value]


class Prompter:
    """Makes one judge's messages. `version` names what they are made of, apart from the items.

    Raises OpsError: "prompt-template" for a template that is none, "nothing-to-judge" where no criterion of the study
    can be asked about, "judge-sees-text-only" where the items are more than text.
    """

    def __init__(self, judge: ModelJudge, study: Study) -> None:
        self.asked = asked_of(study)
        if not self.asked:
            reasons = "; ".join(f"{name}: {why}" for name, why in unasked(study).items())
            raise OpsError(
                f"{judge.name} cannot be asked about any criterion of this study ({reasons}).",
                hint="Judges answer Choices of one, Rating, Number and Pairwise.",
                code="nothing-to-judge",
            )
        self._judge = judge
        self._config = parse(study.label_config)
        self.pair = Pair.of(self._config)
        self._study = {"title": study.title, "instructions": study.instructions.strip()}
        self._criteria = _criteria(study, self._config, self.asked)
        self._check_inputs()
        self._environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # the text is for a model, which reads no HTML
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates = self._compiled()
        self.version = self._version()

    def _version(self) -> str:
        """The first ten hex digits of the hash of the template and of all it is filled with apart from the item."""
        judge = self._judge
        simulated = [judge.annotators, judge.examples] if judge.confidence == "simulated" else None
        criteria = [
            [each.name, each.title, each.question, each.scale, each.answers, each.low, each.high]
            for each in self._criteria
        ]
        shown = [judge.prompt, self._study, criteria, list(self._config.variables), judge.reply, simulated]
        return content_hash(shown)[:VERSION_DIGITS]

    def messages(self, data: Mapping[str, Any], *, examples: Sequence[Example] = ()) -> list[JSONDict]:
        """The messages about one item: what the system says, where the template has such a part, and the user.

        Raises OpsError ("prompt-template") naming the template's line.
        """
        parts = self._parts(data)
        shown = [
            {"parts": self._parts(each.data), "text": _joined(self._parts(each.data)), "answers": self._answers(each)}
            for each in examples
        ]
        values = {
            "study": self._study,
            "criteria": self._criteria,
            "item": data,
            "parts": parts,
            "text": _joined(parts),
            "examples": shown,
            "reply_form": self._judge.reply,
            "fence": _fence(self.version, [parts, shown]),
        }
        roles = ("system", "user") if len(self._templates) > 1 else ("user",)
        texts = [self._filled(template, values) for template in self._templates]
        return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True) if text]

    def _parts(self, data: Mapping[str, Any]) -> dict[str, str]:
        """What annotators see of an item, as plain text by its variable's name; sides of a pair are left and right."""
        names = self.pair.names if self.pair else {}
        found = {names.get(name, name): plain(value_at(data, name)) for name in self._config.variables}
        return {name: text for name, text in found.items() if text}

    def _answers(self, example: Example) -> list[tuple[str, str]]:
        return [(each.name, worded(example.ratings[each.name], each)) for each in self.asked]

    def _check_inputs(self) -> None:
        other = sorted({each.tag for each in self._config.inputs if each.tag not in _TEXTS or each.is_url})
        if other and self._judge.prompt_name == "default.md.j2":
            raise OpsError(
                f"{self._judge.name} reads text only, and annotators of this study see {', '.join(other)}, too.",
                hint="Give the judge a `prompt` of your own that says in words what is to be seen.",
                code="judge-sees-text-only",
            )

    # --- the template ------------------------------------------------------------------------------------------------

    def _compiled(self) -> list[jinja2.Template]:
        lines = self._judge.prompt.splitlines()
        at = next((number for number, line in enumerate(lines) if line.strip() == SEPARATOR), None)
        # Blank lines keep the numbers of the lines after the separator.
        sources = [self._judge.prompt]
        if at is not None:
            sources = ["\n".join(lines[:at]), "\n" * (at + 1) + "\n".join(lines[at + 1 :])]
        try:
            return [self._environment.from_string(source) for source in sources]
        except jinja2.TemplateSyntaxError as error:
            raise self._fault(error.message or "it is no template", error.lineno) from error

    def _filled(self, template: jinja2.Template, values: JSONDict) -> str:
        try:
            return template.render(values).strip()
        except (
            jinja2.TemplateError,
            TypeError,
            ValueError,
            ArithmeticError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise self._fault(str(error) or type(error).__name__, _line(error)) from error

    def _fault(self, what: str, line: int | None) -> OpsError:
        place = f"{self._judge.prompt_name}:{line}" if line else self._judge.prompt_name
        return OpsError(
            f"The prompt of {self._judge.name} cannot be made: {place}: {what.rstrip('.')}.",
            hint=_HINT,
            code="prompt-template",
        )


def worded(value: Value, asked: Asked) -> str:
    """A rating as a judge is to give it: the number, or the label."""
    if isinstance(asked.labels, Mapping) and isinstance(value, str) and value in asked.labels:
        value = float(asked.labels[value])
    return display(value)


def _line(error: Exception) -> int | None:
    """The line of a template in which an error arose: Jinja2 puts frames of its own names into the trace."""
    places = [
        line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"
    ]
    return places[-1] if places else None


def _fence(version: str, content: Any) -> str:
    """A mark to put around data that is in none of them.

    It is the same for all items of a prompt's version if it can be: endpoints charge less for prompts that begin alike.
    """
    text = str(content)
    digits = version
    while f"data-{digits[:_FENCE_DIGITS]}" in text:
        digits = content_hash(digits)
    return f"data-{digits[:_FENCE_DIGITS]}"


def _joined(parts: Mapping[str, str]) -> str:
    return "\n".join(parts.values())


def _criteria(study: Study, config: LabelConfig, asked: Sequence[Asked]) -> tuple[CriterionText, ...]:
    controls = {criterion.name: criterion.control for criterion in criteria_of(study)}
    questions = _questions(config)
    return tuple(
        CriterionText(
            name=each.name,
            title=each.title or each.name,
            question=questions.get(controls[each.name], ""),
            scale=_scale(each),
            answers=_choices(each),
            low=each.low,
            high=each.high,
        )
        for each in asked
    )


def _questions(config: LabelConfig) -> dict[str, str]:
    """The heading that stands before each control and after the one before it, without such as show data."""
    names = {control.name for control in config.controls}
    found: dict[str, str] = {}
    heading = ""
    for element in config.elements():
        name = element.get("name")
        if element.tag == "Header" and element.get("value") and "$" not in element.get("value", ""):
            heading = element.get("value", "")
        elif name in names:
            found[name] = heading
            heading = ""
        elif name:
            heading = ""  # it was the heading of what is shown
    return found


def _choices(asked: Asked) -> tuple[tuple[str, str], ...]:
    if isinstance(asked.labels, Mapping) and asked.labels:
        ordered = sorted(asked.labels.items(), key=lambda each: each[1])
        return tuple((display(float(number)), label) for label, number in ordered)
    if asked.nominal:
        return tuple((label, "") for label in asked.labels)
    return tuple((display(number), "") for number in asked.steps)


def _scale(asked: Asked) -> str:
    if asked.nominal:
        return "one of: " + ", ".join(asked.labels)
    kind = "a whole number" if asked.integers else "a number"
    if asked.low is not None and asked.high is not None:
        return f"{kind} from {display(asked.low)} to {display(asked.high)}"
    if asked.low is not None:
        return f"{kind}, at least {display(asked.low)}"
    return kind if asked.high is None else f"{kind}, at most {display(asked.high)}"
