"""Layer 3. The stored raw exports read against the study as it is now, over all instances an annotator has had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from annotator_ops.errors import OpsError
from annotator_ops.measures import Rating
from annotator_ops.models import Outcome, Study
from annotator_ops.results import (
    Comment,
    Finding,
    Parsed,
    Reading,
    joined,
    parse_export,
    reading_hash,
    reading_of,
    task_marks,
)
from annotator_ops.store.database import Store
from annotator_ops.store.records import Changes, Export

# What reading an export that is none can raise.
_MISREAD = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class Reader:
    """Reads a study's stored exports; for one run, in which the study does not change."""

    def __init__(self, study: Study, store: Store) -> None:
        self._study = study
        self._store = store
        self._reading: Reading | None = None
        self._marks: dict[str, frozenset[tuple[int, str | None]]] = {}
        self._last_of_earlier: dict[tuple[str, str], Parsed] = {}
        self.key = reading_hash(study)

    @property
    def reading(self) -> Reading:
        """What the exports are read against. Raises OpsError ("study-invalid")."""
        if self._reading is None:
            self._reading = reading_of(self._study)
        return self._reading

    def view(self, export: Export) -> Parsed:
        """What an annotator's exports say up to this one, those of earlier instances included (see `results.joined`).

        Raises OpsError: "export-not-understood", "export-damaged", "study-invalid".
        """
        newest = self._parsed(export)
        instances = self._instances(export)
        # The last export of each instance before this one; the instance used last comes first.
        earlier: dict[int, Export] = {}
        for each in reversed(self._store.exports(export.annotator)):
            if each.id < export.id and each.id in instances and instances[each.id] != instances.get(export.id):
                earlier.setdefault(instances[each.id], each)
        readings = [self._parsed_earlier(each) for each in earlier.values()]
        return joined(newest, readings, annotator=export.annotator, reading=self.reading)

    def catch_up(self, annotator: str) -> Changes | None:
        """Read what is stored from an annotator and not read yet, or read against another study; None: nothing is.

        Raises OpsError as `view` does, where it is the latest export that cannot be read.
        """
        exports = self._store.exports(annotator)
        done = self._store.last_reading(annotator)
        if not exports or done == (exports[-1].id, self.key):
            return None
        changes = Changes()
        for export in exports[:-1]:
            if done is None or export.id > done[0]:
                try:
                    parsed = self.view(export)
                except OpsError:
                    continue  # a later one stands in its place, and this one stays as it is
                changes += self._store.put_parsed(export, parsed, self.key)
        return changes + self._store.put_parsed(exports[-1], self.view(exports[-1]), self.key)

    def rebuild(self, annotator: str) -> tuple[int, list[OpsError]]:
        """Read all exports of an annotator again: how many were read, and why earlier ones could not be.

        Raises OpsError as `view` does, where it is the latest export that cannot be read; nothing is changed then.
        """
        exports = self._store.exports(annotator)
        unread: list[OpsError] = []

        def readings() -> Iterator[tuple[Export, Parsed]]:
            for export in exports:
                try:
                    parsed = self.view(export)
                except OpsError as error:
                    if export is exports[-1]:
                        raise
                    unread.append(error)
                else:
                    yield export, parsed

        self._store.rebuild(annotator, readings(), self.key)
        return len(exports) - len(unread), unread

    def _parsed(self, export: Export) -> Parsed:
        reading = self.reading
        content = self._store.export_content(export.hash)
        try:
            return parse_export(content, annotator=export.annotator, reading=reading, source=export.hash)
        except _MISREAD as error:
            raise OpsError(
                f"The export of {export.annotator} is stored, but it cannot be read ({type(error).__name__}: {error}).",
                hint="Nothing is lost: the raw export is kept. Report this with the version of Label Studio; "
                "a later annotator_ops can read it.",
                code="export-not-understood",
            ) from error

    def _parsed_earlier(self, export: Export) -> Parsed:
        key = (export.annotator, export.hash)
        if key not in self._last_of_earlier:
            self._last_of_earlier[key] = self._parsed(export)
        return self._last_of_earlier[key]

    def _instances(self, export: Export) -> dict[int, int]:
        """Which instance each export up to this one is of, as its first export's id; none for what is no export."""
        known = self._store.instances_of_exports(export.annotator)
        fresh: dict[int, int] = {}
        exports = {each.id: each for each in self._store.exports(export.annotator) if each.id <= export.id}
        for number, each in exports.items():
            if number in known:
                continue
            marks = self._marks_of(each)
            if marks is None:
                continue
            last = {instance: before for before, instance in sorted(known.items()) if before < number}
            shared = (
                instance
                for instance, before in sorted(last.items(), key=lambda pair: -pair[1])
                if marks & (self._marks_of(exports[before]) or frozenset())
            )
            known[number] = fresh[number] = next(shared, number)
        if fresh:
            self._store.note_instances(fresh)
        return known

    def _marks_of(self, export: Export) -> frozenset[tuple[int, str | None]] | None:
        if export.hash not in self._marks:
            try:
                self._marks[export.hash] = task_marks(self._store.export_content(export.hash))
            except (*_MISREAD, OpsError):
                return None
        return self._marks[export.hash]


@dataclass(frozen=True, slots=True)
class Current:
    """What is collected, read against the study as it is now.

    `failed`: annotators whose latest export cannot be read. An earlier one counts in its place where that was read
    against this very study; otherwise the annotator is left out, for numbers of two scales must not be mixed.
    """

    of_ratings: tuple[Rating, ...]
    of_findings: tuple[Finding, ...]
    of_comments: tuple[Comment, ...]
    failed: tuple[Outcome, ...] = ()
    of_judgements: tuple[Rating, ...] = ()

    def ratings(self) -> tuple[Rating, ...]:
        """By annotator, then in the order of the study."""
        return self.of_ratings

    def judgements(self) -> tuple[Rating, ...]:
        """What the study's judges said that were asked here, each with the model and the version of the prompt."""
        return self.of_judgements

    def findings(self) -> tuple[Finding, ...]:
        """By annotator."""
        return self.of_findings

    def comments(self) -> tuple[Comment, ...]:
        """By annotator."""
        return self.of_comments


def current(study: Study, store: Store) -> Current:
    """Everything collected, from everybody of whom an export is stored; for commands that need no engine.

    What the store holds is taken as it is where it was read against this study; else the raw exports are read again,
    in memory: this writes no ratings, so it needs no lock. Raises OpsError ("study-invalid").
    """
    reader = Reader(study, store)
    again: dict[str, Parsed] = {}
    failed: list[Outcome] = []
    for name in store.annotators():
        latest = store.latest_export(name)
        if latest is None or store.is_read(latest, reader.key):
            continue
        _ = reader.reading  # a study that nothing can be read against is no fault of an export
        try:
            again[name] = reader.view(latest)
        except OpsError as error:
            done = store.last_reading(name)
            kept = done is not None and done[1] == reader.key
            if not kept:
                again[name] = Parsed()
            then = "What was collected earlier counts." if kept else "The annotator is left out."
            failed.append(Outcome(name, "failed", f"{error.message} {then}", error.code, error.hint))
    ratings = [each for each in store.ratings() if each.rater not in again]
    findings = [each for each in store.findings() if each.annotator not in again]
    comments = [each for each in store.comments() if each.annotator not in again]
    for parsed in again.values():
        ratings += parsed.ratings
        findings += parsed.findings
        comments += parsed.comments
    return Current(
        tuple(sorted(ratings, key=lambda each: each.rater)),  # the sort is stable: an annotator's order stays
        tuple(sorted(findings, key=lambda each: each.annotator)),
        tuple(sorted(comments, key=lambda each: each.annotator)),
        tuple(failed),
        _judgements(study, store),
    )


def _judgements(study: Study, store: Store) -> tuple[Rating, ...]:
    answers = store.judgements.answers() if study.model_judges else ()
    if not answers:
        return ()
    from annotator_ops.judging.judgements import ratings_of

    return tuple(ratings_of(answers, study, study.model_judges))
