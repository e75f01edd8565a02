"""Layer 1. The study file (study.yaml) and the environment: the only configuration, frozen into a `Study`."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from annotator_ops.errors import OpsError, Problem, StudyError
from annotator_ops.judge_schema import judge_files, judging, model_judge
from annotator_ops.judge_settings import ModelJudge
from annotator_ops.models import (
    Annotator,
    Criterion,
    LabelStudioChoice,
    Language,
    Limits,
    Order,
    ProxySettings,
    Study,
)
from annotator_ops.naming import host_label, valid_id
from annotator_ops.resources import resource
from annotator_ops.secret import Secret
from annotator_ops.study_schema import MOST_ANNOTATORS, StudyShape, read_shape
from annotator_ops.study_yaml import Document, read_yaml
from annotator_ops.study_yaml import Path as YamlPath
from annotator_ops.task_files import TaskFile, read_tasks, read_text

_TEMPLATE = "template:"
_JUDGE_PROMPT = ("judges", "default.md.j2")
_NUMBERED = {"en": "Annotator", "ru": "Участник"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A study file with what is needed to point at a line of it.

    `draft` is what could be built, so that all of it is checked in one run; `study` only where nothing was left out.
    """

    problems: tuple[Problem, ...]
    document: Document
    tasks: TaskFile
    draft: Study | None = None
    complete: bool = False
    label_config_file: str = ""

    @property
    def study(self) -> Study | None:
        return self.draft if self.complete else None

    def line(self, *path: str | int) -> int | None:
        """The line of study.yaml where that value stands."""
        return self.document.line(path)


def load(path: Path) -> Study:
    """Read a study file. Raises StudyError with every problem found, not just the first."""
    study, problems = read(path)
    if study is None or problems:
        raise StudyError(problems)
    return study


def read(path: Path) -> tuple[Study | None, tuple[Problem, ...]]:
    """Read a study file: the study where one can be built, and all problems of the files it names."""
    reading = read_closely(path)
    return reading.study, reading.problems


def read_closely(path: Path) -> Reading:
    """`read`, keeping line numbers for those who check further."""
    path = Path(path).expanduser()
    where = path.name
    text, problems = read_text(path, where=where)
    if text is None:
        hint = "Run `ops init DIR --template dialogue-ratings`, or name the file with --study."
        problems = tuple(replace(problem, hint=hint) for problem in problems)
        return Reading(problems, Document(where), TaskFile(where))
    document = read_yaml(text, where=where)
    shape, complete = read_shape(document)
    if shape is None:
        return Reading(tuple(document.problems), document, TaskFile(where))
    return _assemble(shape, document, path=path.absolute(), complete=complete)


def _assemble(shape: StudyShape, document: Document, *, path: Path, complete: bool) -> Reading:
    root = path.parent
    problems = list(document.problems)

    def text_of(key: str, written: str) -> tuple[str, str]:
        """The content of a file named in the study, and the name to call it by."""
        if key == "label_config" and written.startswith(_TEMPLATE):
            file, hint = _template_config(written.removeprefix(_TEMPLATE))
            if file is None:
                problem = Problem(
                    document.where, f"There is no {written!r}.", hint, "no-template", document.line((key,))
                )
                problems.append(problem)
                return "", written
        else:
            file = root / Path(written).expanduser()
        content, wrong = read_text(file, where=document.where)
        problems.extend(replace(problem, line=problem.line or document.line((key,))) for problem in wrong)
        return content or "", written

    def missing(file: Path, *key: str | int) -> None:
        """Say what is wrong with a file that is read later."""
        wrong = () if file.is_file() else read_text(file, where=document.where)[1]
        problems.extend(replace(problem, line=document.line(key)) for problem in wrong)

    label_config, config_file = text_of("label_config", shape.label_config)
    instructions = text_of("instructions", shape.instructions)[0] if shape.instructions else ""
    task_file = read_tasks(root / Path(shape.tasks).expanduser(), where=shape.tasks)
    for problem in task_file.problems:
        unreadable = problem.code in {"file-unreadable", "task-format"}
        at = document.line(("tasks",))
        problems.append(replace(problem, where=document.where, line=at) if unreadable else problem)
    annotators = _annotators(shape)
    problems += _annotator_problems(annotators, document)
    models = []
    for index, judge in enumerate(shape.judges):
        if judge.file is not None:
            missing(root / Path(judge.file).expanduser(), "judges", index)
        else:
            prompt = root / Path(judge.prompt).expanduser() if judge.prompt else resource("templates", *_JUDGE_PROMPT)
            text, wrong = read_text(prompt, where=document.where)
            problems.extend(replace(problem, line=document.line(("judges", index, "prompt"))) for problem in wrong)
            models.append(model_judge(judge, text or "", judge.prompt or prompt.name))
    gold = root / Path(shape.gold).expanduser() if shape.gold else None
    if gold is not None:
        missing(gold, "gold")
    measured = judging(shape.judging, root)
    if measured.ranking is not None:
        missing(measured.ranking, "judging", "ranking")
    study = Study(
        path=path,
        root=root,
        name=shape.name,
        title=shape.title or shape.name.replace("-", " ").capitalize(),
        label_config=label_config,
        instructions=instructions,
        tasks=task_file.tasks,
        annotators=annotators,
        order=Order(seed=shape.order.seed, shuffle=shape.order.shuffle),
        criteria=tuple(
            Criterion(
                name=criterion.name,
                control=criterion.control or criterion.name,
                level=criterion.level,
                values=criterion.values,
                title=criterion.title or criterion.name.replace("_", " ").capitalize(),
                period=criterion.period,
            )
            for criterion in shape.criteria
        ),
        judges=judge_files(shape.judges, root),
        runtime=shape.runtime,
        label_studio=LabelStudioChoice(
            version=shape.label_studio.version, image=shape.label_studio.image, start=shape.label_studio.start
        ),
        proxy=ProxySettings(
            port=shape.proxy.port,
            public_url=shape.proxy.public_url.rstrip("/") if shape.proxy.public_url else None,
            routing=shape.proxy.routing,
        ),
        limits=Limits(
            memory=shape.limits.memory,
            processes=shape.limits.processes,
            cpus=shape.limits.cpus,
            sandbox=shape.limits.sandbox,
        ),
        language=shape.language,
        simulated=shape.simulated,
        gold=gold,
        model_judges=tuple(models),
        judging=measured,
    )
    return Reading(
        problems=tuple(problems),
        document=document,
        tasks=task_file,
        draft=study,
        complete=complete,
        label_config_file=config_file,
    )


def _template_config(name: str) -> tuple[Path | None, str]:
    folder = resource("templates", "studies")
    known = sorted(entry.name for entry in folder.iterdir() if (entry / "label-config.xml").is_file())
    if name in known:
        return folder / name / "label-config.xml", ""
    return None, f"The templates are {', '.join(known)}."


# --- annotators ------------------------------------------------------------------------------------------------------


def numbered_annotators(count: int, language: Language) -> tuple[Annotator, ...]:
    """`annotator-1` … `annotator-N`."""
    return tuple(Annotator(f"annotator-{number}", f"{_NUMBERED[language]} {number}") for number in range(1, count + 1))


def with_annotators(study: Study, count: int) -> Study:
    """The study with `count` numbered annotators, for a number on the command line.

    A number in the study file gives way to it. Raises OpsError when it contradicts a roster of named annotators.
    """
    if not 1 <= count <= MOST_ANNOTATORS:
        raise OpsError(
            f"{count} annotators cannot be provisioned.",
            hint=f"Give a number from 1 to {MOST_ANNOTATORS}.",
            code="annotator-count",
        )
    roster = study.annotators
    if roster and roster != numbered_annotators(len(roster), study.language):
        if len(roster) == count:
            return study
        raise OpsError(
            f"The command line says {count} annotators, but {study.path.name} lists {len(roster)} by name.",
            hint="Leave --annotators out, or change the list in the study file.",
            code="annotators-contradict",
        )
    return replace(study, annotators=numbered_annotators(count, study.language))


def _annotators(shape: StudyShape) -> tuple[Annotator, ...]:
    if isinstance(shape.annotators, int):
        return numbered_annotators(shape.annotators, shape.language)
    return tuple(
        Annotator(
            id=unicodedata.normalize("NFC", entry.id),
            name=entry.name or entry.id,
            email=entry.email,
            language=entry.language,
            attributes=entry.attributes,
        )
        for entry in shape.annotators
    )


def _annotator_problems(annotators: tuple[Annotator, ...], document: Document) -> list[Problem]:
    problems = []
    seen: dict[str, str] = {}
    for index, annotator in enumerate(annotators):
        at: YamlPath = ("annotators", index, "id")
        folded = unicodedata.normalize("NFKC", annotator.id).casefold()
        label = host_label(annotator.id)
        earlier = seen.get(folded) or seen.get(label)
        if not valid_id(annotator.id):
            message = f"{annotator.id!r} cannot be an annotator's id."
            hint = "Use letters, digits and . _ - between them, at most 40 characters; the full name goes under `name`."
            code = "annotator-id-invalid"
        elif earlier is not None:
            same = earlier == annotator.id
            message = (
                f"The annotator {annotator.id!r} is listed twice."
                if same
                else f"The annotators {earlier!r} and {annotator.id!r} would get the same address."
            )
            hint, code = "Give each an id that differs by more than capital letters.", "annotator-id-collides"
        else:
            seen[folded] = seen[label] = annotator.id
            continue
        problems.append(Problem(document.where, message, hint, code, document.line(at)))
    return problems


# --- the environment -------------------------------------------------------------------------------------------------


def user_home() -> Path:
    """Where what several studies share lives: ANNOTATOR_OPS_HOME, or ~/.local/share/annotator-ops."""
    chosen = os.environ.get("ANNOTATOR_OPS_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".local" / "share" / "annotator-ops"


def inherited_environment() -> dict[str, str]:
    """This process's environment, to be passed down to programs that annotator_ops starts."""
    return dict(os.environ)


def ngrok_token(study: Study | None = None, *, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The ngrok token: NGROK_AUTHTOKEN, else the file `ngrok-token` in the study's `.ops` or in `user_home()`.

    Raises OpsError (code "secret-readable-by-others") for a file that others can read. None when there is none.
    """
    folders = (*([study.state_dir] if study else []), user_home())
    files = [folder / "ngrok-token" for folder in folders]
    return _secret("NGROK_AUTHTOKEN", files, what="ngrok token", environment=environment)


def judge_key(study: Study, judge: ModelJudge, *, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The key of a judge's endpoint: the environment variable that it names, else the file of that name.

    The file is in `keys/` in the study's `.ops` or in `user_home()`. None where the judge names no key.
    Raises OpsError: "no-judge-key", "secret-readable-by-others", "secret-damaged" (it has letters that no key has).
    """
    if judge.key is None:
        return None
    files = [folder / "keys" / judge.key for folder in (study.state_dir, user_home())]
    found = _secret(judge.key, files, what=f"key of {judge.name}", environment=environment)
    if found is None:
        raise OpsError(
            f"There is no key for {judge.name}: {judge.key} is not set.",
            hint=f"Set the environment variable, or write the key into {files[0]} and run `chmod 600` on it.",
            code="no-judge-key",
        )
    if not re.fullmatch(r"[!-~]+", found.reveal()):
        raise OpsError(
            f"The key in {judge.key} is damaged: it has spaces in it, or letters that no key has.",
            hint="Copy it once more from where it was made.",
            code="secret-damaged",
        )
    return found


def _secret(variable: str, files: Sequence[Path], *, what: str, environment: Mapping[str, str] | None) -> Secret | None:
    """A secret from the environment, else from the first file that has it; nobody else may read that."""
    written = (os.environ if environment is None else environment).get(variable, "").strip()
    if written:
        return Secret(written)
    for file in files:
        if not file.is_file():
            continue
        if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise OpsError(
                f"Others on this machine can read the {what} in {file}.",
                hint=f"Run `chmod 600 {file}`; if others use this machine, make a new one as well.",
                code="secret-readable-by-others",
            )
        found = re.sub(r"\s+", "", file.read_text(encoding="utf-8-sig", errors="replace"))
        if found:
            return Secret(found)
    return None
