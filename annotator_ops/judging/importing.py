"""Layer 2. From the rows of judges' files and runs to scores: replies read, what is off the scale counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from annotator_ops.errors import OpsError
from annotator_ops.judge_settings import Merging, base_name
from annotator_ops.judging.asked import Asked, asked_of
from annotator_ops.judging.coverage import some
from annotator_ops.judging.merging import TURN_MISSING, turns_merged, versions_apart, without_scores
from annotator_ops.judging.orders import Sides, orders_merged, usual_sides
from annotator_ops.judging.replies import parse_words
from annotator_ops.labeling import LabelConfig, criteria_of
from annotator_ops.measures import Rating, Value
from annotator_ops.models import Study
from annotator_ops.rating_cells import NUMBER, UNREAD, typed
from annotator_ops.stats.context import Position
from annotator_ops.stats.levels import CriterionSpec
from annotator_ops.stats.table import RatingTable, joined
from annotator_ops.stats.values import MISSING, display, is_finite_number
from annotator_ops.stats.vocabulary import combined, encode, used, value_key

# The reason of a score that the criterion's scale does not have.
OFF_SCALE = "off-scale"
# The reason of a reply that holds no score, or one off the scale.
_UNPARSABLE = "unparsable"
# So many scores are named.
_NAMED = 3
# So many of the names that there are.
_KNOWN = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """What a judge can answer on a criterion: `asked` is what its replies are read by.

    `declared`: a study or the command line says so, and any other score is off the scale. `numbers` are what words
    stand for. `numeric`: people gave nothing but numbers, so that any word is off the scale.
    """

    asked: Asked
    declared: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)
    sides: Sides | None = None
    numeric: bool = False

    def holds(self, value: Value) -> bool:
        """Whether a score is on the scale. Between its ends any number is: a judge may say 3.5 where people cannot."""
        asked = self.asked
        if isinstance(value, tuple):
            return not asked.labels or all(part in asked.labels for part in value)
        if asked.low is not None or asked.high is not None:
            return isinstance(value, (int, float)) and asked.holds(value)
        return not asked.labels or value_key(value) in {value_key(label) for label in _answers(asked.labels)}

    def worded(self) -> str:
        """The scale in words, for a note."""
        asked = self.asked
        if asked.low is not None and asked.high is not None:
            return f"{display(asked.low)} to {display(asked.high)}"
        if asked.low is not None or asked.high is not None:
            return f"from {display(asked.low)} on" if asked.low is not None else f"up to {display(asked.high)}"
        return ", ".join(asked.labels)


def _answers(labels: Iterable[str]) -> list[Value]:
    """Labels as what a table's cell makes of them: one that is a number is one."""
    read = [typed(label) if NUMBER.fullmatch(label) else label for label in labels]
    return [value for value in read if value is not None] + list(labels)


def declared_scales(study: Study, config: LabelConfig, specs: Sequence[CriterionSpec]) -> dict[str, Scale]:
    """The scales of a study's criteria by name, each with its spec; where several labels can be given, of each label.

    Texts, marked regions and labels from a task's data have no scale that a score could be off.
    """
    asked = {each.name: each for each in asked_of(study)}
    scales = {}
    for criterion, spec in zip(criteria_of(study), specs, strict=True):
        control = config.control(criterion.control)
        sides = Sides(*spec.sides) if spec.sides is not None else None
        own = asked.get(criterion.name)
        numeric = own is not None and not own.labels
        if own is None:
            several = control is not None and control.tag == "Choices" and not (control.dynamic or control.per_region)
            labels = control.labels if control is not None and several else ()
            own = Asked(criterion.name, criterion.title, None, None, labels, integers=False)
        declared = bool(own.labels) or own.low is not None or own.high is not None
        scales[criterion.name] = Scale(replace(own, title=spec.title), declared, criterion.values, sides, numeric)
    return scales


def seen_scale(
    name: str,
    people: Sequence[Value],
    judges: Sequence[Value],
    *,
    ends: tuple[float, float] | None = None,
    nominal: bool = False,
) -> Scale:
    """The scale that people's values on a criterion show: their lowest and highest number, or their labels.

    Nobody declared it, so that no number is off it; unless the command line says its `ends`. Where people gave nothing
    but numbers, and these are not `nominal`, words are off it.
    """
    numbers = [float(value) for value in people if is_finite_number(value) and isinstance(value, (int, float))]
    labels = tuple(sorted(value for value in people if isinstance(value, str)))
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    whole = bool(numbers) and all(number.is_integer() for number in numbers)
    if ends is not None:
        (low, high), whole = ends, whole and all(end.is_integer() for end in ends)
    asked = Asked(name, name, low, high, () if numbers or ends is not None else labels, integers=whole)
    numeric = bool(numbers) and len(numbers) == len(people) and not nominal
    return Scale(asked, ends is not None, sides=usual_sides([*people, *judges]), numeric=numeric)


@dataclass(frozen=True, slots=True)
class Imported:
    """Judges' scores, one row a judge, item and criterion; their positions in pairs; what was counted, in words."""

    table: RatingTable
    positions: Mapping[str, Mapping[str, Position]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def imported(
    given: Sequence[tuple[RatingTable, Merging | None]],
    scales: Mapping[str, Scale],
    *,
    items: Collection[str] | None = None,
) -> Imported:
    """The judges' tables as one, each given with how its turns are merged.

    Replies without a score are read by the criterion's scale; scores off a declared scale are missing (never moved
    onto it); then turns, versions and pairs are put in order (`merging`, `orders`). With `items`, which a study has,
    scores of other items and on criteria without a scale are left out, and noted. Raises OpsError as those two do.
    """
    by_turns: dict[Merging | None, list[RatingTable]] = {}
    for table, how in given:
        by_turns.setdefault(how, []).append(table)
    notes: list[str] = []
    parts = []
    for how, tables in by_turns.items():
        table = joined(tables)
        if items is not None:
            table = _only_items(_only_criteria(table, scales, notes), items, notes)
        table = _on_scale(_read(table, scales, notes), scales, notes)
        parts.append(turns_merged(table, how))
        notes += _turn_notes(parts[-1])
    table = versions_apart(joined(parts))
    sides = {name: scale.sides for name, scale in scales.items() if scale.sides is not None}
    table, positions = orders_merged(table, sides)
    return Imported(table, positions, tuple(notes))


def check_names(judges: Iterable[str], people: Collection[str]) -> None:
    """Raises OpsError ("judge-is-annotator") for a name that a judge and a person share."""
    both = [name for name in judges if name in people]
    if both:
        raise OpsError(
            f"{both[0]} is a judge and an annotator, and nobody could tell the one's scores from the other's.",
            hint="Give the judge another name in its file.",
            code="judge-is-annotator",
        )


def strangers(given: Iterable[str], known: Collection[str], what: str, where: str) -> tuple[str, str, str] | None:
    """What is wrong with names at the key `where` that are none of the `known`; None where nothing is.

    A message, a hint and the code "unknown-WHAT", `what` being judge, criterion or system.
    """
    # A judge with several versions of its prompt is known as NAME · VERSION.
    lost = [name for name in dict.fromkeys(given) if name not in known and base_name(name) not in known]
    if not lost:
        return None
    listed = ", ".join(sorted(known)[:_KNOWN]) or "none"
    there = "There is" if len(known) < 2 else "There are"
    return (
        f"'{where}' names {', '.join(map(repr, lost))}, and there is no {what} of that name.",
        f"{there} {listed}{' and more' * (len(known) > _KNOWN)}.",
        f"unknown-{what}",
    )


def _only_criteria(table: RatingTable, criteria: Collection[str], notes: list[str]) -> RatingTable:
    """The rows on known criteria; how many others there are is noted."""
    known = np.array([*(name in criteria for name in table.criteria), False], dtype=np.bool_)[table.criterion]
    if known.all():
        return table
    lost = table.where(~known)
    names = [lost.criteria[code] for code in used(lost.criteria, lost.criterion)]
    verb = "judge’s score is on what is" if len(lost) == 1 else "judges’ scores are on what is"
    they = "It is" if len(lost) == 1 else "They are"
    notes.append(f"{len(lost):,} {verb} no criterion of this study: {some(names)}. {they} left out.")
    return table.where(known)


def _only_items(table: RatingTable, items: Collection[str], notes: list[str]) -> RatingTable:
    """The rows on known items; how many others there are is noted by judge."""
    known = np.array([*(item in items for item in table.items), False], dtype=np.bool_)[table.item]
    if known.all():
        return table
    lost = table.where(~known)
    for code in used(lost.raters, lost.rater):
        own = lost.where(lost.rater == code)
        names = [own.items[item] for item in used(own.items, own.item)]
        what, they = ("item that is no task", "It is") if len(names) == 1 else ("items that are no tasks", "They are")
        notes.append(f"{own.raters[code]} scored {len(names):,} {what} of this study: {some(names)}. {they} left out.")
    return table.where(known)


def _read(table: RatingTable, scales: Mapping[str, Scale], notes: list[str]) -> RatingTable:
    """The table with a value, or the reason why there is none, for each reply that is still to be read.

    Replies without a score on a scale that only people's values show are noted: the scale may be wider.
    """
    if UNREAD not in table.reasons or not table.replies:
        return table
    rows = np.flatnonzero((table.reason == table.reasons.index(UNREAD)) & (table.reply != MISSING))
    criterion, reply = table.criterion[rows], table.reply[rows]
    key = combined((criterion, len(table.criteria)), (reply, len(table.replies)))
    pairs, place = np.unique(key, return_inverse=True)
    values: list[Value | None] = []
    reasons: list[str | None] = []
    for pair in pairs.tolist():
        code, words = divmod(pair, len(table.replies))
        name = table.criteria[code]
        scale = scales.get(name) or seen_scale(name, (), ())
        found = parse_words(table.replies[words], scale.asked)
        values.append(found.value)
        reasons.append((found.reason or _UNPARSABLE) if found.value is None else None)
    new_values, value = encode([*table.values, *values], key=value_key)
    new_reasons, reason = encode([*table.reasons, *reasons])
    all_values, all_reasons = table.value.copy(), table.reason.copy()
    all_values[rows] = value[len(table.values) :][place.ravel()]
    all_reasons[rows] = reason[len(table.reasons) :][place.ravel()]
    table = replace(table, values=new_values, reasons=new_reasons, value=all_values, reason=all_reasons)
    lost = (
        table.where(rows[all_reasons[rows] == new_reasons.index(_UNPARSABLE)]) if _UNPARSABLE in new_reasons else None
    )
    notes += _unparsable_notes(lost, scales) if lost is not None else ()
    return table


def _on_scale(table: RatingTable, scales: Mapping[str, Scale], notes: list[str]) -> RatingTable:
    """The table with words as their numbers and without scores off a declared scale, which are noted by criterion."""
    if any(scale.numbers for scale in scales.values()):
        table = table.with_values(
            lambda name, value: numbered(value, scales[name].numbers if name in scales else {}),
        )
    off = np.zeros(len(table), dtype=np.bool_)
    for code, name in enumerate(table.criteria):
        scale = scales.get(name)
        if scale is None or not (scale.declared or scale.numeric or scale.asked.low is not None):
            continue
        held = np.array([*(scale.holds(value) for value in table.values), True], dtype=np.bool_)
        own = (table.criterion == code) & ~held[table.value]
        if not scale.declared:
            words = np.isnan(table.numbers)
            notes += _outside_notes(table.where(own & ~words), scale)
            own = (table.criterion == code) & table.rated & words & scale.numeric
        if own.any():
            off |= own
            notes.append(_off_scale_note(table.where(own), scale))
    return without_scores(table, off, OFF_SCALE)


def _off_scale_note(rows: RatingTable, scale: Scale) -> str:
    named = ", ".join(f"{row.rater} gave item {row.item} {display(row.value)}" for row in _first(rows))
    more = ", …" if len(rows) > _NAMED else ""
    verb = "judge’s score is" if len(rows) == 1 else "judges’ scores are"
    missing = "It counts" if len(rows) == 1 else "They count"
    title = scale.asked.title or scale.asked.name
    words = "no number, as people’s are" if len(rows) == 1 else "no numbers, as people’s are"
    off = f"off the scale ({scale.worded()})" if scale.declared else words
    return f"{title}: {len(rows):,} {verb} {off}: {named}{more}. {missing} as missing."


def _outside_notes(rows: RatingTable, scale: Scale) -> list[str]:
    """By judge, how many scores lie outside of what people gave; nobody says whether the scale has them."""
    name, low = scale.asked.name, scale.asked.low
    theirs = f"only {display(low)}" if low is not None and low == scale.asked.high else scale.worded()
    notes = []
    for code in used(rows.raters, rows.rater):
        own = rows.where(rows.rater == code)
        named = ", ".join(f"{display(row.value)} on item {row.item}" for row in _first(own))
        verb, they = ("lies", "It counts as it is") if len(own) == 1 else ("lie", "They count as they are")
        notes.append(
            f"{len(own):,} of {own.raters[code]}’s scores on {name} {verb} outside people’s {theirs}, such as "
            f"{named}. {they}; `ops analyze` and `ops report` leave out what is off the scale with --scale "
            f"{name}=LOW..HIGH."
        )
    return notes


def _unparsable_notes(rows: RatingTable, scales: Mapping[str, Scale]) -> list[str]:
    """By criterion, how many replies hold no score among the numbers that people gave."""
    notes = []
    for code in used(rows.criteria, rows.criterion):
        name = rows.criteria[code]
        scale = scales.get(name)
        if scale is None or scale.declared or scale.asked.low is None:
            continue
        own = rows.where(rows.criterion == code)
        named = ", ".join(f"{row.rater} on item {row.item}" for row in _first(own)) + ", …" * (len(own) > _NAMED)
        verb = "judge’s reply holds" if len(own) == 1 else "judges’ replies hold"
        notes.append(
            f"{name}: {len(own):,} {verb} no score from {scale.worded()}, which is what people gave: {named}. If the "
            f"scale is wider, `ops analyze` and `ops report` read them by --scale {name}=LOW..HIGH."
        )
    return notes


def _turn_notes(table: RatingTable) -> list[str]:
    """By judge, how many scores are missing because a turn of the item is."""
    if TURN_MISSING not in table.reasons:
        return []
    lost = table.where(table.reason == table.reasons.index(TURN_MISSING))
    notes = []
    for code in used(lost.raters, lost.rater):
        own = lost.where(lost.rater == code)
        named = ", ".join(f"item {row.item} on {row.criterion}" for row in _first(own)) + ", …" * (len(own) > _NAMED)
        verb, they = ("lacks", "It counts") if len(own) == 1 else ("lack", "They count")
        notes.append(
            f"{len(own):,} of {own.raters[code]}’s scores {verb} a turn that is scored on another criterion: {named}. "
            f"{they} as missing."
        )
    return notes


def _first(rows: RatingTable) -> list[Rating]:
    """The few that are named."""
    return rows.where(np.arange(min(len(rows), _NAMED))).ratings()


def numbered(value: Value, numbers: Mapping[str, float]) -> Value:
    """A label as the number that the study gives it; any other value as it is."""
    return float(numbers[value]) if isinstance(value, str) and value in numbers else value
