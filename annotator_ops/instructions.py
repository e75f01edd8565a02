"""Layer 2. The study's instructions: Markdown to the HTML that Label Studio shows before the first task."""

from __future__ import annotations

import markdown

# Label Studio's style sheet takes the space between paragraphs and the marks of lists away. It drops `style`
# attributes from instructions but keeps a style element; `article` is a tag that its own pages do not use. No `>`
# in it, which would be escaped.
_STYLE = (
    "article {line-height: 1.5} "
    "article h1, article h2, article h3 {margin: 0.8em 0 0.4em; line-height: 1.25} "
    "article p, article ul, article ol, article blockquote, article table {margin: 0 0 0.7em} "
    "article ul {padding-left: 1.4em; list-style: disc} "
    "article ol {padding-left: 1.4em; list-style: decimal} "
    "article li {display: list-item; margin: 0 0 0.25em} "
    "article th, article td {padding: 0.2em 0.8em; text-align: left; vertical-align: top}"
)


def to_html(text: str) -> str:
    """HTML of a Markdown text; empty for an empty one, so that Label Studio shows no window for it."""
    if not text.strip():
        return ""
    page = markdown.markdown(text, extensions=["extra", "sane_lists"])
    return f"<style>{_STYLE}</style><article>{page}</article>"
