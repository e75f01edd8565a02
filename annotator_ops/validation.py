"""Layer 2. Everything that can be found wrong with a study without starting anything, all of it at once."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from annotator_ops.addresses import why_no_subdomains
from annotator_ops.errors import Problem, StudyError
from annotator_ops.labeling import Control, Input, LabelConfig, check
from annotator_ops.models import Criterion, Level, Study
from annotator_ops.rating_cells import NUMBER
from annotator_ops.resources import resource
from annotator_ops.study import Reading, read_closely
from annotator_ops.validation_judges import judging_problems, model_problems
from annotator_ops.validation_scores import gold_problems, judges_problems

_SHOWN_IDS = 3
_LOCK = "label-studio-"
_TITLE = (3, 50)
_LOADED_BY_BROWSER = {"Image", "Audio", "AudioPlus", "Video", "Pdf"}
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:|/)\S+", re.IGNORECASE | re.DOTALL)
# What Label Studio's import accepts per tag; text for every other tag.
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "Text": (str, int, float, list),
    "Header": (str, int, float),
    "Markdown": (str, int, float),
    "Image": (str, list),
    "Paragraphs": (list, str),
    "Table": (dict, list, str),
    "TimeSeries": (dict, list, str),
    "List": (list, str),
    "Choices": (str, list),
    "Labels": (str, list),
    "Repeater": (list,),
    "Taxonomy": (str, list, type(None)),
    "Ranker": (list, str),
}
_IN_WORDS = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object", type(None): "null"}
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")


def validate(path: Path) -> tuple[Study | None, tuple[Problem, ...]]:
    """The study where one can be built, and every problem: of the file's shape, and of how its parts fit together."""
    reading = read_closely(path)
    problems = list(reading.problems)
    if reading.draft is not None:
        problems += _fit(reading, reading.draft)
    return reading.study, tuple(problems)


def load_valid(path: Path) -> Study:
    """The study, checked as `ops validate` does. Raises StudyError with every problem."""
    study, problems = validate(path)
    if study is None or problems:
        raise StudyError(problems)
    return study


def _fit(reading: Reading, study: Study) -> list[Problem]:
    place = _Place(reading)
    problems = [*_title(study, place), *_public_url(study, place), *_runtime(study, place)]
    if not study.label_config:
        return problems
    config, refused = check(study.label_config, where=reading.label_config_file)
    problems += refused
    if config is None:
        return problems
    if not config.controls:
        problems.append(
            place(
                "The label config asks for nothing: it has no control such as <Choices> or <Rating>.",
                "Add one, or begin with a template: `ops init` lists them.",
                "no-controls",
                "label_config",
            )
        )
    problems += _tasks(study, config, reading)
    problems += _criteria(study, config, place)
    problems += _repeats(study, reading)
    files, models = _judges_at(reading)
    found, scored = judges_problems(study, config, place, files)
    problems += found
    problems += gold_problems(study, config, place)
    return [*problems, *model_problems(study, place, models), *judging_problems(study, config, place, scored)]


def _judges_at(reading: Reading) -> tuple[list[int], list[int]]:
    """Where under `judges` files of scores are named, and where models to ask; nowhere, where the key was refused."""
    written = reading.document.data.get("judges") or []
    if reading.draft is None or len(written) != len(reading.draft.judges) + len(reading.draft.model_judges):
        return [], []
    entries = [(index, {"file": entry} if isinstance(entry, str) else entry) for index, entry in enumerate(written)]
    return [at for at, entry in entries if "file" in entry], [at for at, entry in entries if "file" not in entry]


class _Place:
    """Makes a Problem that points at a key of study.yaml."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def __call__(self, message: str, hint: str, code: str, *path: str | int) -> Problem:
        return Problem(self._reading.document.where, message, hint, code, self._reading.line(*path))


# --- single keys -----------------------------------------------------------------------------------------------------


def _title(study: Study, place: _Place) -> Iterator[Problem]:
    shortest, longest = _TITLE
    if not shortest <= len(study.title.strip()) <= longest:
        yield place(
            f"The title has {len(study.title.strip())} characters; Label Studio takes {shortest} to {longest}.",
            "Give the study a `title` of that length.",
            "title-length",
            "title",
        )


def _runtime(study: Study, place: _Place) -> Iterator[Problem]:
    choice = study.label_studio
    known = sorted(path.stem.removeprefix(_LOCK) for path in resource("deploy").glob(f"{_LOCK}*.lock"))
    if choice.image is None and choice.version not in known:
        yield place(
            f"Label Studio {choice.version} cannot be installed: there is no locked list of its packages.",
            f"Write one of {', '.join(known)}, or name an `image` of your own under `label_studio`.",
            "label-studio-version",
            "label_studio",
            "version",
        )
    docker_only = {("label_studio", "image"): choice.image, ("limits", "cpus"): study.limits.cpus}
    for path, value in docker_only.items():
        if value is not None and study.runtime == "process":
            yield place(
                f"`{'.'.join(path)}` has no effect with `runtime: process`.",
                "Delete it, or write `runtime: docker`.",
                "docker-only",
                *path,
            )


def _public_url(study: Study, place: _Place) -> Iterator[Problem]:
    url = study.proxy.public_url
    if url is None:
        return
    at = ("proxy", "public_url")
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    address = _ip_address(host)
    if parts.scheme not in {"http", "https"} or not (address or _HOST.fullmatch(host)):
        example = "Write it as a browser shows it, e.g. https://study.example.org; a host name has no _ in it."
        yield place(f"{url!r} is not a web address.", example, "public-url", *at)
        return
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password:
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        yield place(f"{url!r} has more than a host.", f"Write {bare}.", "public-url", *at)
    if study.proxy.routing == "path":
        return
    why = why_no_subdomains(host)
    if why:
        yield place(
            f"With `routing: subdomain` every annotator needs a name below {host}, but {why}.",
            "Write `routing: path` under `proxy`.",
            "routing-needs-path",
            *at,
        )


def _ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# --- tasks -----------------------------------------------------------------------------------------------------------


def _tasks(study: Study, config: LabelConfig, reading: Reading) -> Iterator[Problem]:
    for wanted in dict.fromkeys(config.inputs):
        complaints: dict[str, list[str]] = {}
        for task in study.tasks:
            complaint = _complaint(task.data, wanted)
            if complaint:
                complaints.setdefault(complaint, []).append(task.id)
        for complaint, ids in complaints.items():
            yield Problem(
                where=reading.tasks.where,
                message=f"{_some(ids, len(study.tasks))} {complaint}",
                hint=f"The label config shows it in <{wanted.tag}>: add it to the tasks, or change the config.",
                code="task-variable",
                line=reading.tasks.lines.get(ids[0]),
            )


def _repeats(study: Study, reading: Reading) -> Iterator[Problem]:
    """A task given a second time names a task that is there and is no repeat itself."""
    first_of = {task.id: task.repeat_of for task in study.tasks}
    for task, first in first_of.items():
        if first is None or first_of.get(first, first) is None:
            continue
        if first == task:
            message, hint = "repeats itself", "`repeat_of` is the id of the task that was given before."
        elif first not in first_of:
            message, hint = f"repeats {first!r}, which is no task", "Check the spelling of `repeat_of`."
        else:
            message = f"repeats {first!r}, which itself repeats {first_of[first]!r}"
            hint = f"Write repeat_of: {first_of[first]}."
        where, line = reading.tasks.where, reading.tasks.lines.get(task)
        yield Problem(where, f"The task {task!r} {message}.", hint, "task-repeat", line)


def _some(ids: Sequence[str], total: int) -> str:
    shown = ", ".join(repr(identity) for identity in ids[:_SHOWN_IDS])
    more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
    return f"{len(ids)} of {total} tasks ({shown}{more}):"


def _complaint(data: Any, wanted: Input) -> str:
    value = data
    for key in wanted.variable.split("."):
        if not isinstance(value, dict) or key not in value:
            return f"there is no {wanted.variable!r}."
        value = value[key]
    accepted = _ACCEPTED.get(wanted.tag, (str,))
    if not wanted.is_whole_value:
        accepted = (*accepted, int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        words = " or ".join(dict.fromkeys(_IN_WORDS[kind] for kind in accepted))
        return f"{wanted.variable!r} is {_IN_WORDS.get(type(value), 'true or false')}; it must be {words}."
    must_be_url = wanted.is_whole_value and (wanted.is_url or wanted.tag in _LOADED_BY_BROWSER)
    if must_be_url and isinstance(value, str) and not _URL.fullmatch(value.strip()):
        return f"{wanted.variable!r} is not an address that a browser can load (https://…, or data:… for small images)."
    return ""


# --- criteria --------------------------------------------------------------------------------------------------------


def _criteria(study: Study, config: LabelConfig, place: _Place) -> Iterator[Problem]:
    seen = set()
    for index, criterion in enumerate(study.criteria):
        at = ("criteria", index)
        if criterion.name in seen:
            yield place(
                f"The criterion {criterion.name!r} is there twice.", "Name each differently.", "criterion-twice", *at
            )
        seen.add(criterion.name)
        control = config.control(criterion.control)
        if control is None:
            names = [known.name for known in config.controls]
            close = _closest(criterion.control, names)
            hint = f"Did you mean {close!r}?" if close else f"Its controls are {', '.join(names) or 'none'}."
            message = f"The criterion {criterion.name!r} is about {criterion.control!r}, which the label config lacks."
            yield place(message, hint, "criterion-control", *at, "control")
            continue
        for rule in _RULES:
            found = rule(criterion, control)
            if found is not None:
                message, hint, code, key = found
                yield place(f"The criterion {criterion.name!r} {message}", hint, code, *at, key)
                break


_Found = tuple[str, str, str, str] | None


def _per_region(_criterion: Criterion, control: Control) -> _Found:
    if not control.per_region:
        return None
    message = f"is about {control.name!r}, which asks about a marked region and not about the task."
    return message, "Leave it out; its answers are kept in the export.", "criterion-control", "control"


def _level_for_kind(criterion: Criterion, control: Control) -> _Found:
    kind = control.tag.lower()
    is_set = control.multiple and kind in {"choices", "taxonomy"}
    if criterion.level is Level.NOMINAL or not (is_set or control.marks_regions or kind in {"textarea", "taxonomy"}):
        return None
    what = "can have several answers at once" if is_set else f"is a <{control.tag}>"
    return (
        f"is {criterion.level.value}, but {control.name!r} {what}, which has no order.",
        "Write `level: nominal`.",
        "criterion-level",
        "level",
    )


def _needless_period(criterion: Criterion, _control: Control) -> _Found:
    if criterion.period is None or criterion.level is Level.CIRCULAR:
        return None
    message = f"has a `period`, but its level is {criterion.level.value}."
    return message, "Write `level: circular`, or delete `period`.", "criterion-period", "period"


def _needless_values(criterion: Criterion, control: Control) -> _Found:
    if not criterion.values or control.labels or control.dynamic:
        return None
    message = f"has `values`, but {control.name!r} is a <{control.tag}> without labels."
    return message, "Delete `values`.", "criterion-values", "values"


def _unknown_labels(criterion: Criterion, control: Control) -> _Found:
    unknown = [label for label in criterion.values if label not in control.labels]
    if not unknown or control.dynamic:
        return None
    close = _closest(unknown[0], control.labels)
    meant = f"Did you mean {close!r}?" if close else f"The labels of {control.name!r} are {_listed(control.labels)}."
    return (
        f"gives a number to {unknown[0]!r}, which is no label of {control.name!r}.",
        meant,
        "criterion-values",
        "values",
    )


def _partial_map(criterion: Criterion, control: Control) -> _Found:
    missing = [label for label in control.labels if label not in criterion.values]
    if not criterion.values or not missing:
        return None
    message = f"gives no number to {_listed(missing)}; such answers would be lost."
    return message, f"Complete it: values: [{_listed(control.labels)}].", "criterion-values", "values"


def _order_unknown(criterion: Criterion, control: Control) -> _Found:
    if criterion.level is Level.NOMINAL or criterion.values or not (control.labels or control.dynamic):
        return None
    if control.labels and all(NUMBER.fullmatch(label) for label in control.labels):
        return None  # labels that are numbers stand for themselves
    return (
        f"is {criterion.level.value}, but nothing says which number each label of {control.name!r} stands for.",
        f"From low to high: values: [{_listed(control.labels)}].",
        "criterion-values",
        "level",
    )


_RULES: tuple[Callable[[Criterion, Control], _Found], ...] = (
    _per_region,
    _level_for_kind,
    _needless_period,
    _needless_values,
    _unknown_labels,
    _partial_map,
    _order_unknown,
)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels)


def _closest(word: str, names: Sequence[str]) -> str | None:
    """The name that was probably meant; capital letters count for nothing."""
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None
