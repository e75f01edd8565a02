"""Layer 2. Model judges for the terminal: a line a criterion, with every judge or why one says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from annotator_ops.models import JSONDict
from annotator_ops.reporting.judge_details import everybody, is_nominal
from annotator_ops.reporting.judge_words import bounded
from annotator_ops.reporting.rounding import count, listed, number_of, percent

# More judges than this are too many for a line: the best of them are named.
_MOST = 6
_BEST = 3
_HEADS = {
    ("spearman", False): "Spearman’s rho with the mean annotator",
    ("spearman", True): "Spearman’s rho with the annotator",
    ("accuracy", False): "accuracy against most annotators",
    ("accuracy", True): "accuracy against the annotator",
}


class _Said(NamedTuple):
    """One judge or ensemble: its name, its value, and what else is said of it."""

    name: str
    found: JSONDict
    more: str


def judge_lines(criteria: Sequence[JSONDict]) -> list[str]:
    """A line a criterion: how far each judge follows people, what one annotator reaches, who passes the test.

    Criteria stand under the measure that they have, in the order of the first of each.
    """
    groups: dict[str, list[str]] = {}
    for criterion in criteria:
        if criterion["judges"]:
            key = "accuracy" if is_nominal(criterion) else "spearman"
            head = f"Model judges, {_HEADS[key, criterion['n_raters'] == 1]}:"
            groups.setdefault(head, []).append(f"{criterion['title']}: {'; '.join(_parts(criterion, key))}.")
    return [line for head, lines in groups.items() for line in (head, *lines)]


def _parts(criterion: JSONDict, key: str) -> list[str]:
    entries = [each for each in everybody(criterion) if key == "spearman" or "rater" in each]
    said = [_Said(_name(each), each[key], _more(each, criterion, key)) for each in entries]
    parts = _named(said, key)
    if key == "accuracy":
        parts += [f"{_name(each)}: none ({_short(each['spearman']['reason'])})" for each in _declared(criterion)]
    mean = ((criterion["human_ceiling"] or {}).get("mean") or {}).get("spearman")
    if key == "spearman" and mean and mean["value"] is not None and any(one.found["value"] is not None for one in said):
        parts.append(f"one annotator with the others {bounded(mean)}")
    return [*parts, *_tested(entries)]


def _name(entry: JSONDict) -> str:
    return str(entry["rater"] if "rater" in entry else entry["name"])


def _declared(criterion: JSONDict) -> list[JSONDict]:
    """The ensembles that the study names; the first is the mean that every study has."""
    return list(criterion["ensembles"][1:])


def _named(said: Sequence[_Said], key: str) -> list[str]:
    """Every judge, or the best of many and how many more there are."""
    known = [one for one in said if one.found["value"] is not None]
    if len(said) <= _MOST:
        return [_one(each, key) for each in said]
    best = sorted(known, key=lambda one: -one.found["value"])[:_BEST]
    parts = [_one(each, key) for each in best]
    without = f" ({count(len(said) - len(known))} without a value)" if len(known) < len(said) else ""
    more = f"{count(len(said) - len(best))} more{without}, see the report"
    return [*parts, f"… and {more}" if parts else more]


def _one(said: _Said, key: str) -> str:
    if said.found["value"] is None:
        return f"{said.name}: none ({said.more})"
    value = bounded(said.found) if key == "spearman" else _share(said.found)
    return f"{said.name} {value}{said.more}"


def _share(found: JSONDict) -> str:
    bounds = "" if found["low"] is None else f" [{percent(found['low'])}, {percent(found['high'])}]"
    return f"{percent(found['value'])}{bounds}"


def _more(entry: JSONDict, criterion: JSONDict, key: str) -> str:
    """On how many of people's items a value stands, or why there is none; and what the judge did not give."""
    found, missing = entry[key], _missing(entry.get("missing") or {})
    if found["value"] is None:
        return "; ".join(filter(None, (_why(entry, found), missing)))
    n, total = found["n_items"], criterion["n_items"]
    on = f" on {count(n)} of {number_of(total, 'item')}" if n < total else ""
    return on + (f" ({missing})" if missing else "")


def _why(entry: JSONDict, found: JSONDict) -> str:
    if found["reason_code"] == "constant" and entry.get("sd") == 0:
        return "its scores are all the same"
    return _short(found["reason"])


def _short(reason: str) -> str:
    """A reason inside brackets: without its full stop."""
    return reason.removesuffix(".")


def _missing(missing: Mapping[str, int]) -> str:
    """What was asked for and not given; what was never asked for shows in the number of items."""
    given = {reason: n for reason, n in missing.items() if reason != "not-rated"}
    return ", ".join(f"{count(n)} {reason.replace('-', ' ')}" for reason, n in given.items())


def _tested(entries: Sequence[JSONDict]) -> list[str]:
    """Who passes the alternative annotator test, of those it says something of."""
    tests = [(_name(each), each["alt_test"]) for each in entries if each.get("alt_test")]
    told = [(name, test) for name, test in tests if test["passes"] is not None]
    if not told:
        return []
    passed = [name for name, test in told if test["passes"]]
    names = listed(passed) if len(passed) <= _MOST else f"{count(len(passed))} of {count(len(told))}"
    return [f"alternative annotator test (epsilon {told[0][1]['epsilon']:g}) passed by {names or 'none'}"]
