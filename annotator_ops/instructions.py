"""Layer 2. The study's instructions: Markdown to the HTML that Label Studio shows beside the first task."""

from __future__ import annotations

import re

import markdown

# Label Studio's style sheet takes the space between paragraphs and the marks of lists away, so each tag brings its own.
_STYLES = {
    "h1": "margin:0 0 .5em;line-height:1.25",
    "h2": "margin:1em 0 .4em;line-height:1.25",
    "h3": "margin:.8em 0 .3em;line-height:1.25",
    "p": "margin:0 0 .7em",
    "ul": "margin:0 0 .7em;padding-left:1.4em;list-style:disc",
    "ol": "margin:0 0 .7em;padding-left:1.4em;list-style:decimal",
    "li": "margin:0 0 .25em;display:list-item",
    "blockquote": "margin:0 0 .7em;padding-left:1em;border-left:3px solid #ccc",
    "th": "padding:.2em .8em;text-align:left",
    "td": "padding:.2em .8em;vertical-align:top",
}
_OPENING = re.compile(rf"<({'|'.join(_STYLES)})>")


def to_html(text: str) -> str:
    """HTML of a Markdown text; empty for an empty one, so that Label Studio shows no window for it."""
    page = markdown.markdown(text, extensions=["extra", "sane_lists"])
    return _OPENING.sub(lambda found: f'<{found[1]} style="{_STYLES[found[1]]}">', page)
