"""Layer 2. The message that brings an annotator to their Label Studio, ready to paste into a mail."""

from __future__ import annotations

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from annotator_ops.models import Annotator, Study
from annotator_ops.resources import resource
from annotator_ops.secret import Secret


def invitation(study: Study, annotator: Annotator, url: str, *, email: str, password: Secret) -> str:
    """The message as plain text (Markdown): link, account, what to do, how to pause, what to do when it does not work.

    In the annotator's language, else the study's. It holds the password: it is for the annotator's eyes.
    """
    templates = Environment(
        loader=FileSystemLoader(resource("templates", "invitations")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - a mail, not a page: an escaped & would break the link or the password
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = templates.get_template(f"{annotator.language or study.language}.md.j2")
    text = template.render(
        name=_one_line(annotator.name),
        title=_one_line(study.title),
        task_count=len(study.tasks),
        instructions=study.instructions.strip(),
        url=url,
        email=email,
        password=password.reveal(),
    )
    return text.strip() + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
