"""Layer 4. Collect: fetch what annotators have done, keep it raw, then read it into ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Literal, Protocol

from annotator_ops.errors import OpsError
from annotator_ops.models import JSONDict, Outcome, StepResult, Study
from annotator_ops.results import Counts, Finding, Parsed, Reading, parse_export, reading_hash, reading_of
from annotator_ops.store.database import Store
from annotator_ops.store.records import Changes, Export

_NAMED = 10
# What stands before the names of the items, in the notes for a person; the first group is nothing out of the ordinary.
_ORDINARY = {"skipped": "skipped", "draft": "with work not submitted", "empty": "submitted with an answer missing"}
_ODD = {
    "invalid": "with an answer that the label config does not allow",
    "second-annotation": "annotated more than once",
    "altered-task": "altered in Label Studio",
    "doubled-task": "in the project more than once",
    "unknown-task": "not in the study",
    "missing-task": "missing in Label Studio",
}


class ProjectClient(Protocol):
    """What collecting needs of an instance."""

    def fingerprint(self, project_id: int) -> str:
        """Changes with everything that an export would show."""
        ...

    def export(self, project_id: int) -> bytes:
        """The whole project; equal content gives equal bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """Where one annotator's work is fetched from."""

    client: ProjectClient
    project_id: int


@dataclass(frozen=True, slots=True)
class Down:
    """Why one annotator's work cannot be fetched now, as a sentence, and what to do.

    `on_purpose`: somebody stopped it, so it is passed over and not a failure.
    """

    reason: str
    hint: str = "Run `ops provision`: it starts what is down. Then run `ops collect` again."
    code: str = "instance-down"
    on_purpose: bool = False


def collect(study: Study, store: Store, sources: Mapping[str, Source | Down], *, fetch_all: bool = False) -> StepResult:
    """Fetch from all sources at once; store each raw export before it is read; make its ratings the current ones.

    An instance whose fingerprint is that of its latest export is not fetched again (`fetch_all` fetches it all the
    same), and where that export was read against the study as it is now, nothing is written at all. One that is down or
    fails is a failed outcome; the others are collected. Interrupted anywhere, the next run goes on from there.
    """
    step = _Step(study, store, fetch_all=fetch_all)
    outcomes: dict[str, Outcome] = {}
    rows: dict[str, JSONDict] = {}
    working: dict[Future[_Fetched | None], str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        for name, source in sources.items():
            if isinstance(source, Down):
                state: Literal["skipped", "failed"] = "skipped" if source.on_purpose else "failed"
                outcomes[name] = Outcome(name, state, source.reason, source.code, source.hint)
            else:
                working[pool.submit(step.fetch, name, source)] = name
        for future in as_completed(working):
            name = working[future]
            try:
                changes = step.take_in(name, future.result())
            except OpsError as error:
                outcomes[name] = Outcome(name, "failed", error.message, error.code, error.hint)
            else:
                rows[name] = {"new": 0, "changed": 0, "deleted": 0}
                if changes is not None:
                    rows[name] = {"new": changes.new, "changed": changes.changed, "deleted": changes.deleted}
                outcomes[name] = _outcome(name, changes, store.counts()[name])
    return _result(store, sources, outcomes, rows)


def rebuild(study: Study, store: Store, annotators: Sequence[str]) -> StepResult:
    """Read every stored export again, oldest first: ratings, findings, comments and history are made anew from raw."""
    reading, key = reading_of(study), reading_hash(study)
    outcomes = []
    for name in annotators:
        if store.latest_export(name) is None:
            outcomes.append(Outcome(name, "skipped", "nothing was collected yet", code="nothing-collected"))
            continue
        store.rebuild(name, lambda content, export: _read(content, export, reading), key)
        store.audit("rebuild", name, "from raw exports")
        outcomes.append(Outcome(name, "ok", f"read {len(store.exports(name))} exports again", code="rebuilt"))
    return StepResult("rebuild", tuple(outcomes))


@dataclass(frozen=True, slots=True)
class _Fetched:
    content: bytes
    fingerprint: str


class _Step:
    """One run of collect: what is asked of the instances (from many threads), and what becomes of the answers."""

    def __init__(self, study: Study, store: Store, *, fetch_all: bool) -> None:
        self._study = study
        self._store = store
        self._fetch_all = fetch_all
        self._key = reading_hash(study)
        self._reading: Reading | None = None

    def fetch(self, name: str, source: Source) -> _Fetched | None:
        """The export, or None where nothing has changed since the last one."""
        # Asked before the export: what changes in between makes the next run fetch again, never miss it.
        fingerprint = source.client.fingerprint(source.project_id)
        latest = self._store.latest_export(name)
        if latest is not None and latest.fingerprint == fingerprint and not self._fetch_all:
            return None
        return _Fetched(source.client.export(source.project_id), fingerprint)

    def take_in(self, name: str, fetched: _Fetched | None) -> Changes | None:
        """Store what was fetched, then read it; None where that changes nothing."""
        if fetched is not None:
            export: Export | None = self._store.add_export(name, fetched.content, fetched.fingerprint)
        else:
            export = self._store.latest_export(name)
        if export is None or self._store.is_read(export, self._key):
            return None
        # A run that was killed between storing and reading, or a study that was changed, leads here too.
        content = fetched.content if fetched is not None else self._store.export_content(export.hash)
        if self._reading is None:
            self._reading = reading_of(self._study)
        changes = self._store.put_parsed(export, _read(content, export, self._reading), self._key)
        self._store.audit(
            "collect",
            name,
            f"{export.hash[:12]}: {changes.new} new, {changes.changed} changed, {changes.deleted} deleted",
        )
        return changes


def _read(content: bytes, export: Export, reading: Reading) -> Parsed:
    try:
        return parse_export(content, annotator=export.annotator, reading=reading, source=export.hash)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OpsError(
            f"The export of {export.annotator} is stored, but it cannot be read ({type(error).__name__}: {error}).",
            hint="Nothing is lost. Report this with the version of Label Studio; a later annotator_ops can read it.",
            code="export-not-understood",
        ) from error


def _outcome(name: str, changes: Changes | None, counts: Counts) -> Outcome:
    far = f"{counts.done} of {counts.total} done, {counts.skipped} skipped"
    if changes is None:
        return Outcome(name, "ok", f"nothing new; {far}", code="unchanged")
    news = f"{changes.new} new, {changes.changed} changed, {changes.deleted} deleted"
    return Outcome(name, "ok", f"{news}; {far}", code="collected")


def _result(
    store: Store,
    sources: Mapping[str, Source | Down],
    outcomes: Mapping[str, Outcome],
    rows: Mapping[str, JSONDict],
) -> StepResult:
    counts = store.counts()
    findings = [finding for finding in store.findings() if finding.annotator in sources]
    per_annotator = []
    noted: list[Outcome] = []
    notes: list[str] = []
    for name in sources:
        of_one = [finding for finding in findings if finding.annotator == name]
        codes = Counter(finding.code for finding in of_one)
        latest = store.latest_export(name)
        known = counts.get(name, Counts())
        per_annotator.append(
            {
                "annotator": name,
                "collected": name in rows,
                "done": known.done,
                "skipped": known.skipped,
                "drafts": known.drafts,
                "total": known.total,
                **(rows.get(name) or {"new": 0, "changed": 0, "deleted": 0}),
                "findings": dict(sorted(codes.items())),
                "export": latest.hash if latest else None,
            }
        )
        notes += _notes(name, of_one)
        outcome = outcomes[name]
        odd = sum(codes[code] for code in _ODD)
        if odd and outcome.state == "ok":
            message = f"{outcome.message}; {odd} things to look at"
            outcome = Outcome(name, "warning", message, outcome.code, "See the notes, or `findings` with --json.")
        noted.append(outcome)
    listed = [
        {"annotator": each.annotator, "item": each.item, "code": each.code, "message": each.message}
        for each in findings
    ]
    return StepResult("collect", tuple(noted), {"annotators": per_annotator, "findings": listed}, tuple(notes))


def _notes(name: str, findings: Sequence[Finding]) -> list[str]:
    """One line a kind of finding, naming the items."""
    notes = []
    for code, words in (_ODD | _ORDINARY).items():
        items = list(dict.fromkeys(finding.item or "" for finding in findings if finding.code == code))
        if items:
            more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
            notes.append(f"{name}, {words}: {', '.join(items[:_NAMED])}{more}")
    return notes
