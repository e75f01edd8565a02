"""Layer 2. What a criterion's numbers say of its model judges, in sentences, and where the thresholds come from."""

from __future__ import annotations

from collections.abc import Sequence

from annotator_ops.judge_settings import EPSILONS
from annotator_ops.models import JSONDict
from annotator_ops.reporting.rounding import counted, journal, listed, number_of, percent

CALDERON = "Calderon, Reichart & Dror 2025, ACL, pp. 16051–16081"
# So many judges are spoken of one by one.
_MOST_NAMED = 3


def judges_verdict(criterion: JSONDict) -> JSONDict | None:
    """What is said of the judges of a criterion, a text a matter, with the sources of its thresholds.

    First how far they follow people, then what a person reaches, then the alternative annotator test. None where there
    are no judges.
    """
    judges = criterion["judges"]
    if not judges:
        return None
    nominal = any(judge.get("accuracy") for judge in judges)
    sentences = _accuracies(judges) if nominal else _correlations(criterion)
    tested = _alternative(criterion)
    if judges[0]["spearman"]["reason"] and any(judges[0]["spearman"]["reason"] in said for said in tested):
        tested = []  # the same reason was given for what they follow
    said = [sentence.replace("= > ", "> ") for sentence in (*sentences, *tested)]
    return {"sentences": said, "sources": [CALDERON] if tested else []}


def alternative(found: JSONDict, name: str) -> str:
    """What the alternative annotator test says of one judge, and no more than what was tested."""
    if found["winning_rate"] is None:
        return f"It says nothing of {name}: {found['reason']}"
    tested = [one for one in found["annotators"] if one["beaten"] is not None]
    n_beaten = sum(one["beaten"] for one in tested)
    beaten = _of(n_beaten, len(tested))
    everybody = len(found["annotators"])
    if len(tested) < everybody:
        beaten += f" who could be tested, of {counted(everybody, 'annotator')} in all,"
    rate = f"ω = {journal(found['winning_rate'], digits=2)}"
    if found["passes"]:
        return f"{name} beats {beaten} ({rate}) and passes: it may stand in for one of them."
    return f"{name} beats {beaten} ({rate}, and .50 is needed) and does not pass."


def epsilon_text(epsilon: float) -> str:
    """The ε of the test with the kind of annotators that it stands for: "ε = .15, skilled annotators"."""
    kind = next((kind for kind, value in EPSILONS.items() if value == epsilon), None)
    people = {"crowd": "crowd workers", "expert": "experts", "skilled": "skilled annotators"}
    return f"ε = {journal(epsilon, digits=2)}" + (f", {people[kind]}" if kind else "")


def bounded(found: JSONDict, *, digits: int = 3) -> str:
    """An estimate as journals print it: ".448 [.399, .494]"."""
    value, low, high = (
        None if found[key] is None else journal(found[key], digits=digits) for key in ("value", "low", "high")
    )
    return f"{value}" if low is None else f"{value} [{low}, {high}]"


def _correlations(criterion: JSONDict) -> list[str]:
    judges = [(judge["rater"], judge["spearman"]) for judge in criterion["judges"]]
    known = sorted((each for each in judges if each[1]["value"] is not None), key=lambda each: -each[1]["value"])
    if not known:
        return [f"How far the judges follow the annotators cannot be said: {judges[0][1]['reason']}"]
    best, rho = known[0]
    people = counted(max(found["n_raters"] for _, found in known), "annotator")
    mean = "the one annotator" if people.startswith("one ") else f"the mean of {people}"
    said = f"{best} follows {mean} with ρ = {bounded(rho)}"
    if len(known) > _MOST_NAMED:
        last, least = known[-1]
        said = f"Of {counted(len(known), 'judge')} {best} follows {mean} best, with ρ = {bounded(rho)}"
        said += f", and {last} least, with {bounded(least)}"
    else:
        said += "".join(f", {name} with {bounded(found)}" for name, found in known[1:])
    sentence = f"{said}."
    spoken = known if len(known) <= _MOST_NAMED else [known[0]]
    ensembles = [
        (_named(each), each["spearman"]) for each in criterion["ensembles"] if each["spearman"]["value"] is not None
    ]
    if ensembles:
        first, found = ensembles[0]
        said = f"{_capital(first)} reaches {bounded(found)}"
        other = max(ensembles, key=lambda each: each[1]["value"])
        if other[0] != first:
            said += f", {other[0]} {bounded(other[1])}"
        sentence += f" {said}."
        spoken = [*spoken, *dict([ensembles[0], other]).items()]
    lost = [name for name, found in spoken if found["low"] is not None and found["low"] <= 0 <= found["high"]]
    if lost:
        what = "the interval holds" if len(lost) == 1 else "the intervals hold"
        sentence += f" {_capital(listed(lost))} {_be(lost)} not shown to follow people at all: {what} 0."
    against = [name for name, found in spoken if found["high"] is not None and found["high"] < 0]
    if against:
        sentence += f" {_capital(listed(against))} {'goes' if len(against) == 1 else 'go'} against people."
    return [sentence, *_ceiling(criterion["human_ceiling"], spoken)]


def _ceiling(ceiling: JSONDict, spoken: Sequence[tuple[str, JSONDict]]) -> list[str]:
    """What a person reaches, and which judges are above and below by their intervals."""
    mean = ceiling["mean"]["spearman"] if ceiling["mean"] else None
    if mean is None or mean["value"] is None:
        reason = ceiling["reason"] or (mean or {}).get("reason")
        return [f"What could be expected of a person cannot be said: {reason}"] if reason else []
    values = [one["spearman"]["value"] for one in ceiling["annotators"] if one["spearman"]["value"] is not None]
    said = f"A single annotator follows the mean of the others with ρ = {bounded(mean)} on average"
    ends = [journal(end(values)) for end in (min, max)] if values else []
    if len(set(ends)) > 1:
        said += f" (from {ends[0]} to {ends[1]})"
    low, high = (mean["value"] if mean[end] is None else mean[end] for end in ("low", "high"))
    above = [name for name, rho in spoken if rho["low"] is not None and rho["low"] > high]
    below = [name for name, rho in spoken if rho["high"] is not None and rho["high"] < low]
    near = [name for name, rho in spoken if rho["low"] is not None and name not in (*above, *below)]
    parts = [f"{listed(above)} {_be(above)} above that"] if above else []
    parts += [f"{listed(below)} {_be(below)} below that"] if below else []
    parts += [f"{listed(near)} {_be(near)} not shown to differ from that"] if near else []
    compared = f" Going by the intervals, {'; '.join(parts)}." if parts else ""
    return [f"{said}: so much could be expected of a person.{compared}"]


def _accuracies(judges: Sequence[JSONDict]) -> list[str]:
    known = [judge for judge in judges if judge["accuracy"] and judge["accuracy"]["value"] is not None]
    if not known:
        found = judges[0]["accuracy"] or {}
        return [f"How often the judges agree with the annotators cannot be said: {found.get('reason')}"]
    known.sort(key=lambda judge: -judge["accuracy"]["value"])
    shown = known if len(known) <= _MOST_NAMED else [known[0], known[-1]]
    parts = []
    for judge in shown:
        found, kappa = judge["accuracy"], judge["cohen_kappa"]
        bounds = "" if found["low"] is None else f" [{percent(found['low'])}, {percent(found['high'])}]"
        more = f", Cohen’s κ = {bounded(kappa)}" if kappa and kappa["value"] is not None else ""
        items = number_of(found["n_items"], "item")
        parts.append(f"{judge['rater']} to {percent(found['value'])}{bounds} of {items}{more}")
    lead = f"Of {counted(len(known), 'judge')} the best and the least: " if len(known) > _MOST_NAMED else ""
    return [f"{lead}The annotators’ most frequent answer is given by " + "; ".join(parts) + "."]


def _alternative(criterion: JSONDict) -> list[str]:
    """The test of every judge and of the first ensemble; many of them are counted by what it says."""
    tests = [(judge["rater"], judge["alt_test"]) for judge in criterion["judges"] if judge.get("alt_test")]
    tests += [(_named(each), each["alt_test"]) for each in criterion["ensembles"][:1] if each.get("alt_test")]
    if not tests:
        return []
    head = f"The alternative annotator test ({epsilon_text(tests[0][1]['epsilon'])}; {_score(tests[0][1]['score'])})"
    if (
        all(found["winning_rate"] is None for _, found in tests)
        and len({found["reason_code"] for _, found in tests}) == 1
    ):
        return [f"{head} says nothing: {tests[0][1]['reason']}"]
    if len(tests) <= _MOST_NAMED + 1:
        parts = [_capital(alternative(found, name)) for name, found in tests]
        return [f"{head}: " + " ".join(parts)]
    groups = {
        "passed by": [name for name, found in tests if found["passes"]],
        "not passed by": [name for name, found in tests if found["passes"] is False],
        "of no say on": [name for name, found in tests if found["passes"] is None],
    }
    return [f"{head} is " + "; ".join(f"{how} {listed(names)}" for how, names in groups.items() if names) + "."]


def _score(code: str) -> str:
    return {"-RMSE": "nearness to the other annotators by −RMSE"}.get(
        code, "nearness to the other annotators by the share with the same answer"
    )


def _named(ensemble: JSONDict) -> str:
    """An ensemble in a sentence: its own name, unless that is a description."""
    name = ensemble["name"]
    return f"the {name}" if name.startswith(("mean of", "median of", "weighted mean of")) else f"the ensemble {name}"


def _of(n: int, total: int) -> str:
    everybody = counted(total, "annotator")
    if n == total:
        return "the one annotator" if total == 1 else "both annotators" if total == 2 else f"all {everybody}"
    return f"{counted(n, 'annotator').split()[0] if n else 'none'} of {everybody}"


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _capital(text: str) -> str:
    """A sentence's first letter in capitals, unless it is a name, which is left as it is."""
    return text[:1].upper() + text[1:] if text.startswith(("the ", "it ")) else text
