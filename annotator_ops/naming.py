"""Layer 1. Names made from an annotator's id: host label, container and folder name."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# What an id may look like: letters and digits of any script, then also `.`, `_`, `-`; at most 40 characters.
ID_PATTERN = re.compile(r"[^\W_](?:[\w.-]{0,38}[^\W_])?")
_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST = 40


def valid_id(text: str) -> bool:
    """Whether `text` can be an annotator's id."""
    return ID_PATTERN.fullmatch(text) is not None


def host_label(annotator_id: str) -> str:
    """A DNS label (at most 63 characters) for an id, injective over ids that differ by more than case.

    A plain id (`anna-2`) is its own label. Any other gets its readable part, `--` and a hash: a plain id never has
    `--`, so the two kinds cannot meet.
    """
    folded = unicodedata.normalize("NFKC", annotator_id).casefold()
    if folded == annotator_id and _PLAIN.fullmatch(annotator_id) and len(annotator_id) <= _LONGEST:
        return annotator_id
    ascii_only = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_LONGEST].strip("-") or "annotator"
    if readable == "xn":  # `xn--…` is reserved for internationalised names
        readable = "annotator"
    return f"{readable}--{hashlib.sha256(folded.encode()).hexdigest()[:10]}"


def resource_name(study_id: str, annotator_id: str) -> str:
    """Name of an annotator's container or process: recognisable by a person, unique on the machine."""
    return f"annotator-ops-{study_id}-{host_label(annotator_id)}"
