"""Layer 2. What an analysis knows beside the ratings: the items' texts, right answers, groups of annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotator_ops.measures import Value


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known.

    `texts` by item; `lengths` by criterion, then item, how long the parts are that spans are marked in; `gold` the
    right answers by criterion, then item; `groups` the raters of each group by name.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    lengths: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    gold: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
