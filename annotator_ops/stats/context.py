"""Layer 2. What an analysis knows beside the ratings: the items' texts, right answers, groups of annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from annotator_ops.judge_settings import Judging
from annotator_ops.measures import Value


@dataclass(frozen=True, slots=True)
class Position:
    """A judge that saw pairs in both orders: of so many pairs, how often it chose the same side each time, and how
    often, over both orders, the side that it was shown first (at most twice a pair)."""

    n_pairs: int
    n_consistent: int
    n_first_chosen: int


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known.

    `texts` by item; `lengths` by criterion, then item, how long the parts are that spans are marked in; `gold` the
    right answers by criterion, then item; `groups` the raters of each group by name.

    For judges: `systems` is which system made an item, `sources` from which input, `sizes` how many words an item has;
    `positions`, by judge, then criterion, is of pairs that were judged in both orders; `judging` is how judges are to
    be measured. `outside` is an outside ranking of the systems: each one's score there, higher is better.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    lengths: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    gold: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    positions: Mapping[str, Mapping[str, Position]] = field(default_factory=dict)
    judging: Judging = field(default_factory=Judging)
    sources: Mapping[str, str] = field(default_factory=dict)
    outside: Mapping[str, float] = field(default_factory=dict)
