"""Layer 2. A Label Studio export read against the study: ratings, comments, and a finding for all that is no answer.

An annotator can post any body to Label Studio, so nothing is believed: a result counts only where it names a control of
the label config, of that control's type, with a value that the control offers. What counts for a task is the annotation
changed last; an earlier one is kept in the raw export and reported.

A task gives one rating a criterion once somebody has worked on it. A value that is missing is None, with a reason:

- "skipped": the annotator skipped the task;
- "draft": there is work that was never submitted, and no annotation;
- "empty": submitted without an answer to this criterion. (No region marked is an answer, the empty tuple, unless the
  control is required: saying that there is nothing to mark has no other form.)
- "invalid": an answer that the label config does not allow;
- "altered": the task in Label Studio is not the study's task, so the answer may be to another question.

A task that nobody has opened gives no rating at all.

An annotator whose instance was destroyed and made anew has exports of several instances. Two exports are of one
instance where they share a task with the same id and the same moment of import (`task_marks`): Label Studio keeps both
for a task's life, a copied or restored database takes them along, and tasks that are imported anew get another moment.
The raw exports alone say so, whoever stored them. `joined` makes one view of several instances.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from annotator_ops.answers import AnswerError, read_answer, read_text
from annotator_ops.errors import OpsError
from annotator_ops.labeling import Control, LabelConfig, criteria_of, parse
from annotator_ops.measures import Rating, Value
from annotator_ops.models import Criterion, JSONDict, Level, Study, Task, content_hash


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in an export that is no value: whose, which item (None: the whole export), what in words.

    `code`: "skipped", "draft", "empty", "invalid", "second-annotation", "altered-task", "unknown-task", "doubled-task",
    "missing-task", "earlier-instance" (what counts is from an instance that was there before). `annotation` is Label
    Studio's unique id where one annotation is meant.
    """

    annotator: str
    item: str | None
    code: str
    message: str
    annotation: str | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """What an annotator wrote in a text field that is no criterion: data for the report."""

    annotator: str
    item: str
    control: str
    text: str


@dataclass(frozen=True, slots=True)
class SeenAnnotation:
    """An annotation as this export has it. `hash` covers the answer (result, skipped or not), not its times."""

    unique_id: str
    item: str
    hash: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How far an annotator is with the study's tasks: each counts once, `drafts` those with work not submitted."""

    done: int = 0
    skipped: int = 0
    drafts: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """All that an export says, or, from `joined`, that exports of several instances say together.

    `annotations` are always those of the one (latest) export; `elsewhere` are those of earlier instances, which are
    not in it and yet not deleted.
    """

    ratings: tuple[Rating, ...] = ()
    findings: tuple[Finding, ...] = ()
    comments: tuple[Comment, ...] = ()
    annotations: tuple[SeenAnnotation, ...] = ()
    counts: Counts = field(default_factory=Counts)
    elsewhere: tuple[SeenAnnotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What an export is read against."""

    config: LabelConfig
    criteria: tuple[Criterion, ...]
    tasks: tuple[Task, ...]


_Record = TypeVar("_Record", Rating, Finding, Comment)
# Raise it when this module comes to read the same export in another way: everything is read again then.
_RULES = 3


def reading_of(study: Study) -> Reading:
    """What a study's exports are read against. Raises OpsError ("study-invalid") for a criterion without a control."""
    config, criteria = parse(study.label_config), criteria_of(study)
    for criterion in criteria:
        if config.control(criterion.control) is None:
            names = ", ".join(control.name for control in config.controls)
            raise OpsError(
                f"{study.path}: the criterion {criterion.name} is about the control {criterion.control}, "
                "which the label config does not have.",
                hint=f"Write one of these after `control:`: {names}. `ops validate` checks the whole study.",
                code="study-invalid",
            )
    return Reading(config, criteria, study.tasks)


def reading_hash(study: Study) -> str:
    """Changes when the same export could give other ratings. It takes no look into the label config, which is slow."""
    criteria = [[each.name, each.control, each.level.value, dict(each.values)] for each in study.criteria]
    tasks = [[task.id, task.hash] for task in study.tasks]
    return content_hash([_RULES, study.label_config, criteria, tasks])


def parse_export(content: bytes, *, annotator: str, reading: Reading, source: str) -> Parsed:
    """Read an export; `source` (its hash) is noted in every rating. Never raises for what an annotator has posted.

    Ratings come in the study's order of items, then of criteria. Raises ValueError where `content` is no export.
    """
    by_item: dict[str, list[JSONDict]] = {}
    for task in json.loads(content):
        by_item.setdefault(clean(str(task["data"].get("id"))), []).append(task)
    scribe = _Scribe(annotator, reading, source)
    for task in reading.tasks:
        copies = by_item.pop(clean(task.id), None)
        if copies is None:
            scribe.find(task.id, "missing-task", "the study has this task, but the annotator's project does not.")
        else:
            scribe.read(task, copies)
    for item, copies in by_item.items():
        work = sum(len(copy["annotations"]) for copy in copies)
        scribe.find(item, "unknown-task", f"the study has no such task; its {work} annotations are not counted.")
        scribe.remember(item, copies)
    return scribe.parsed(total=len(reading.tasks))


def task_marks(content: bytes) -> frozenset[tuple[int, str | None]]:
    """What tells the instance of an export: each task's id and moment of import.

    Raises ValueError, KeyError or TypeError where `content` is no export.
    """
    return frozenset((int(task["id"]), task.get("created_at")) for task in json.loads(content))


def joined(newest: Parsed, earlier: Sequence[Parsed], *, annotator: str, reading: Reading) -> Parsed:
    """One view of an annotator's instances: `newest` and the last reading of each earlier one, latest first.

    Each item is seen as in the newest instance that has an annotation of it (submitted or skipped), else as in the
    newest that has a draft; a finding says where that is not the newest one of all.
    """
    if not earlier:
        return newest
    readings = (newest, *earlier)
    answered = [{seen.item for seen in each.annotations} for each in readings]
    drafted = [{found.item or "" for found in each.findings if found.code == "draft"} for each in readings]
    ours = [task.id for task in reading.tasks]
    items = list(dict.fromkeys([*ours, *(found.item for each in readings for found in each.findings if found.item)]))
    ratings = [_by_item(each.ratings) for each in readings]
    findings = [_by_item([found for found in each.findings if found.item is not None]) for each in readings]
    comments = [_by_item(each.comments) for each in readings]
    view_ratings: list[Rating] = []
    view_findings: list[Finding] = []
    view_comments: list[Comment] = []
    chosen: dict[str, int] = {}
    for item in items:
        holders = [number for held in (answered, drafted) for number, of_one in enumerate(held) if item in of_one]
        number = chosen[item] = holders[0] if holders else 0
        view_ratings += ratings[number].get(item, [])
        view_findings += findings[number].get(item, [])
        view_comments += comments[number].get(item, [])
        if number:
            message = "what counts is from an earlier Label Studio of the annotator, which was replaced by a new one."
            view_findings.append(Finding(annotator, item, "earlier-instance", message))
    codes = {(found.item, found.code) for found in view_findings}
    worked = [item for item in ours if item in answered[chosen[item]]]
    skipped = sum((item, "skipped") in codes for item in worked)
    drafts = sum((item, "draft") in codes for item in ours)
    return Parsed(
        tuple(view_ratings),
        (*(found for found in newest.findings if found.item is None), *view_findings),
        tuple(view_comments),
        newest.annotations,
        Counts(len(worked) - skipped, skipped, drafts, len(ours)),
        tuple(seen for each in earlier for seen in each.annotations),
    )


def _by_item(records: Sequence[_Record]) -> dict[str, list[_Record]]:
    found: dict[str, list[_Record]] = {}
    for record in records:
        found.setdefault(record.item or "", []).append(record)
    return found


def clean(text: str) -> str:
    """Text that every file and database takes: half of a surrogate pair, which JSON can hold, is replaced."""
    return text.encode("utf-8", "replace").decode()


class _Scribe:
    """Collects what one annotator's export says, task by task."""

    def __init__(self, annotator: str, reading: Reading, source: str) -> None:
        self.annotator = annotator
        self.reading = reading
        self.source = source
        self.controls: Mapping[str, Control] = {control.name: control for control in reading.config.controls}
        rated = {criterion.control for criterion in reading.criteria}
        self.unrated = [control for control in reading.config.controls if control.name not in rated]
        self.ratings: list[Rating] = []
        self.findings: list[Finding] = []
        self.comments: list[Comment] = []
        self.annotations: list[SeenAnnotation] = []
        self.done = self.skipped = self.drafts = 0

    def parsed(self, *, total: int) -> Parsed:
        return Parsed(
            tuple(self.ratings),
            tuple(self.findings),
            tuple(self.comments),
            tuple(self.annotations),
            Counts(self.done, self.skipped, self.drafts, total),
        )

    def find(self, item: str | None, code: str, message: str, annotation: str | None = None) -> None:
        self.findings.append(Finding(self.annotator, item, code, clean(message), annotation))

    def remember(self, item: str, copies: Sequence[JSONDict]) -> None:
        for copy in copies:
            for annotation in copy["annotations"]:
                seen = SeenAnnotation(annotation["unique_id"], item, _answer_hash(annotation))
                self.annotations.append(seen)

    def read(self, task: Task, copies: Sequence[JSONDict]) -> None:
        self.remember(task.id, copies)
        if len(copies) > 1:
            self.find(task.id, "doubled-task", f"the project has it {len(copies)} times; the latest annotation counts.")
        altered = any(_data_hash(copy["data"]) != task.hash for copy in copies)
        if altered:
            self.find(
                task.id,
                "altered-task",
                "its data in Label Studio differ from the study's, so its answers are not counted."
                " Put the task back in the study file as it was imported, or label it anew.",
            )
        drafts = [draft for copy in copies for draft in copy["drafts"]]
        self.drafts += bool(drafts)
        annotations = sorted((each for copy in copies for each in copy["annotations"]), key=_age)
        if not annotations:
            if drafts:
                self.find(task.id, "draft", "there is work on it that was never submitted.")
                self._missing(task, "altered" if altered else "draft", max(drafts, key=_age))
            return
        latest = annotations[-1]
        for earlier in annotations[:-1]:
            message = "it was annotated more than once; this is an earlier annotation, and the latest counts."
            self.find(task.id, "second-annotation", message, earlier["unique_id"])
        if drafts:
            self.find(task.id, "draft", "a later change to it was never submitted; the submitted annotation counts.")
        if latest["was_cancelled"]:
            self.skipped += 1
            self.find(task.id, "skipped", "the annotator skipped it.", latest["unique_id"])
            self._missing(task, "altered" if altered else "skipped", latest)
            return
        self.done += 1
        results = self._sorted_out(task, latest)
        if altered:
            self._missing(task, "altered", latest)
            return
        for criterion in self.reading.criteria:
            value, reason = self._answer(task, criterion, results[criterion.control], latest)
            if reason == "empty":
                message = f"it was submitted without an answer to {criterion.name}."
                self.find(task.id, "empty", message, latest["unique_id"])
            self._rate(task, criterion, value, reason, latest)
        for control in self.unrated:
            # Nothing is counted here, but a result that the page cannot have made is a sign worth telling.
            plain = Criterion(control.name, control.name, Level.NOMINAL)
            of_control = results[control.name]
            for group in [[each] for each in of_control] if control.per_region else [of_control]:
                self._answer(task, plain, group, latest)
            text = clean(read_text(results[control.name])) if control.tag == "TextArea" else ""
            if text:
                self.comments.append(Comment(self.annotator, task.id, control.name, text))

    def _sorted_out(self, task: Task, annotation: JSONDict) -> dict[str, list[Any]]:
        """The annotation's results by control; those of no control are reported here and dropped."""
        found: dict[str, list[Any]] = {name: [] for name in self.controls}
        for result in annotation["result"] or []:
            name = result.get("from_name") if isinstance(result, dict) else None
            if isinstance(name, str) and name in found:
                found[name].append(result)
            elif not (isinstance(result, dict) and result.get("type") == "relation"):
                message = f"a result names no control of the label config: {_quoted(name if name else result)}."
                self.find(task.id, "invalid", message, annotation["unique_id"])
        return found

    def _answer(
        self, task: Task, criterion: Criterion, results: Sequence[Any], annotation: JSONDict
    ) -> tuple[Value | None, str | None]:
        control = self.controls[criterion.control]
        try:
            value = read_answer(control, criterion, results)
        except AnswerError as error:
            message = f"the answer to {criterion.name} does not fit the label config: {error}"
            self.find(task.id, "invalid", message, annotation["unique_id"])
            return None, "invalid"
        return value, "empty" if value is None else None

    def _missing(self, task: Task, reason: str, record: JSONDict) -> None:
        for criterion in self.reading.criteria:
            self._rate(task, criterion, None, reason, record)

    def _rate(
        self, task: Task, criterion: Criterion, value: Value | None, reason: str | None, record: JSONDict
    ) -> None:
        seconds = record.get("lead_time")
        plausible = isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 1e9
        rating = Rating(
            rater=self.annotator,
            kind="human",
            item=task.id,
            criterion=criterion.name,
            value=value,
            reason=reason,
            created_at=datetime.fromisoformat(record["created_at"]),
            seconds=float(seconds or 0) if plausible else None,
            source=self.source,
        )
        self.ratings.append(rating)


def _age(record: JSONDict) -> tuple[datetime, int]:
    return datetime.fromisoformat(record["updated_at"]), record["id"]


def _data_hash(data: JSONDict) -> str | None:
    try:
        return content_hash(data)
    except UnicodeEncodeError:  # half of a surrogate pair: no task of a study has that
        return None


def _answer_hash(annotation: JSONDict) -> str:
    answer = json.dumps([annotation["result"], annotation["was_cancelled"]], sort_keys=True)
    return hashlib.sha256(answer.encode()).hexdigest()


def _quoted(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
