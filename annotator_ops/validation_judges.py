"""Layer 2. What can be found wrong with what a study says about its model judges, before any is asked or measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from annotator_ops.errors import OpsError, Problem
from annotator_ops.judging.importing import strangers
from annotator_ops.judging.prompts import Prompter
from annotator_ops.judging.requests import check_orders
from annotator_ops.labeling import LabelConfig, default_criteria
from annotator_ops.models import Study
from annotator_ops.ranking_file import read_ranking
from annotator_ops.validation_scores import Place
from annotator_ops.wordings import systems


def model_problems(study: Study, place: Place, at: Sequence[int]) -> Iterator[Problem]:
    """The models to ask: names of their own, and prompts that can be filled in. `at` are their places in `judges`."""
    people = {annotator.id for annotator in study.annotators}
    seen: set[str] = set()
    for judge, index in zip(study.model_judges, at, strict=True):
        if judge.name in seen or judge.name in people:
            what = "two judges" if judge.name in seen else "a judge and an annotator"
            message = f"{judge.name!r} is the name of {what}."
            yield place(message, "Give every judge a name of its own.", "judge-name-taken", "judges", index, "name")
        seen.add(judge.name)
        if judge.prompt and study.tasks:
            try:
                prompter = Prompter(judge, study)
                prompter.messages(study.tasks[0].data)
                check_orders(judge, prompter)
            except OpsError as error:
                yield place(error.message, error.hint, error.code, "judges", index)


def judging_problems(study: Study, config: LabelConfig, place: Place, scored: set[str] | None) -> Iterator[Problem]:
    """Ensembles, weights, relatives and the ranking: about judges, criteria and systems that there are.

    `scored` are the judges in the study's files; None where a file could not be read, so that they are not all known.
    """
    criteria = {criterion.name for criterion in study.criteria or default_criteria(config)}
    made = set(systems(study.tasks).values())
    judging = study.judging
    judges = set() if scored is None else scored | {judge.name for judge in study.model_judges}
    for index, ensemble in enumerate(judging.ensembles):
        if ensemble.name in {other.name for other in judging.ensembles[:index]}:
            message = f"Two ensembles are called {ensemble.name!r}."
            yield place(message, "Name them apart.", "ensemble-twice", "judging", "ensembles", index, "name")
        yield from _unknown(
            place, [*ensemble.judges, *ensemble.weights], judges, "judge", ("judging", "ensembles", index)
        )
    yield from _unknown(place, judging.weights, criteria, "criterion", ("judging", "weights"))
    yield from _unknown(place, judging.relatives, judges, "judge", ("judging", "relatives"))
    related = [name for names in judging.relatives.values() for name in names]
    if made:
        yield from _unknown(place, related, made, "system", ("judging", "relatives"))
    elif related:
        message = "'judging.relatives' names systems, but no task says under `system` which one made it."
        yield place(message, "Add a key `system` to the tasks.", "no-systems", "judging", "relatives")
    if judging.ranking is not None and judging.ranking.is_file():
        try:
            read_ranking(judging.ranking)
        except OpsError as error:
            yield place(error.message, error.hint, error.code, "judging", "ranking")


def _unknown(
    place: Place, given: Iterable[str], known: set[str], what: str, key: tuple[str | int, ...]
) -> Iterator[Problem]:
    where = ".".join(str(part) for part in key if isinstance(part, str))
    found = strangers(given, known, what, where) if known else None
    if found is not None:
        yield place(*found, *key)
