"""Layer 4. `ops init`: writes a study that works as it is, from one of the shipped templates."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.models import Outcome, StepResult
from annotator_ops.resources import resource

_STUDY = "study.yaml"
_EXAMPLE = "study.example.yaml"
_LONGEST_NAME = 40
# The state folder holds secrets and annotators' data; a study is often kept under version control.
_IGNORE = (".gitignore", "# secrets and annotators' data\n.ops/\n")


def templates() -> dict[str, str]:
    """Every shipped study template by name, with one sentence about it."""
    found = {}
    for folder in sorted(resource("templates", "studies").iterdir()):
        file = folder / _STUDY
        if file.is_file():
            found[folder.name] = file.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ").strip()
    return found


def init(directory: Path, template: str) -> StepResult:
    """Write the template's files into `directory`, which is made where it is missing.

    Nothing is overwritten. Raises OpsError with code "unknown-template", "would-overwrite" or "not-writable".
    """
    known = templates()
    if template not in known:
        listing = "\n".join(f"  {name:22} {sentence}" for name, sentence in known.items())
        raise OpsError(
            f"There is no template {template!r}.",
            hint=f"Choose one with --template:\n{listing}",
            code="unknown-template",
        )
    source = resource("templates", "studies", template)
    contents = {file.name: file.read_text(encoding="utf-8") for file in sorted(source.iterdir()) if file.is_file()}
    contents[_STUDY] = _named_after(directory, contents[_STUDY])
    contents[_EXAMPLE] = resource("templates", _EXAMPLE).read_text(encoding="utf-8")
    in_the_way = [name for name in contents if (directory / name).exists()]
    if in_the_way:
        raise OpsError(
            f"{directory} already has {', '.join(in_the_way)}, and nothing is ever overwritten.",
            hint="Name another folder, or move these files away.",
            code="would-overwrite",
        )
    if not (directory / _IGNORE[0]).exists():
        contents[_IGNORE[0]] = _IGNORE[1]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            # Exclusive: a file that appeared meanwhile is not overwritten either.
            with (directory / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise OpsError(
            f"{directory} cannot be written: {error.strerror}.",
            hint="Choose a folder that you may write to.",
            code="not-writable",
        ) from error
    outcomes = tuple(Outcome(name, "ok", "written") for name in contents)
    study = directory / _STUDY
    here = "" if directory.resolve() == Path.cwd() else f" --study {shlex.quote(str(study))}"
    notes = (
        f"Put your own tasks in {directory / 'tasks.jsonl'}; {_EXAMPLE} explains every key of {_STUDY}.",
        f"Next: `ops validate{here}`, then `ops provision --annotators 5{here}`.",
    )
    return StepResult("init", outcomes, {"directory": str(directory), "template": template, "study": str(study)}, notes)


def _named_after(directory: Path, text: str) -> str:
    """The study file with the folder's name as the study's, where that can be one."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return re.sub(r"^name: .*$", f"name: {name}", text, count=1, flags=re.MULTILINE) if name else text
