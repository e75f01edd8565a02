"""Layer 4. Collect: fetch what annotators have done, keep it raw, then read it into ratings.

An annotator whose instance was destroyed and made anew loses nothing: what was collected from the earlier instance
counts on, item by item, until the new one has an annotation of that item (see `results` for how instances are told
apart). What is deleted within one instance counts no more; it stays in the raw exports, and a warning names the items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, Protocol

from annotator_ops.errors import OpsError
from annotator_ops.models import Outcome, State, StepResult, Study, Target
from annotator_ops.results import Counts, Finding
from annotator_ops.steps import Workbench
from annotator_ops.store.current import Reader
from annotator_ops.store.database import Store
from annotator_ops.store.records import Changes

_NAMED = 10
_EARLIER = "earlier-instance"
# What stands before the names of the items, in the notes for a person; the first group is nothing out of the ordinary.
_ORDINARY = {
    "skipped": "skipped",
    "draft": "with work not submitted",
    "empty": "submitted with an answer missing",
    _EARLIER: "kept from an earlier instance",
}
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


_GONE = Down(
    "it has no instance any more; what was collected from it counts on",
    "`ops provision` makes a new one for everybody in the study.",
    "no-instance",
    on_purpose=True,
)


def collect_study(bench: Workbench, *, fetch_all: bool = False) -> StepResult:
    """`collect` from every recorded instance that can be reached now, while holding the study's lock."""
    with bench.store.lock("collect"), ExitStack() as clients:
        return collect(bench.study, bench.store, _sources(bench, clients), fetch_all=fetch_all)


def collect(study: Study, store: Store, sources: Mapping[str, Source | Down], *, fetch_all: bool = False) -> StepResult:
    """Fetch from all sources at once; store each raw export before it is read; make its ratings the current ones.

    An instance whose fingerprint is that of its latest export is not fetched again (`fetch_all` fetches it all the
    same), and where that export was read against the study as it is now, nothing is written at all. One that is down or
    fails is a failed outcome; the others are collected. What is stored is read against the study as it is now from
    everybody: also from one that is down, and from one whose instance is no more. Interrupted anywhere, the next run
    goes on from there.
    """
    step = _Step(study, store, fetch_all=fetch_all)
    every = {**sources, **{name: _GONE for name in store.annotators() if name not in sources}}
    outcomes: dict[str, Outcome] = {}
    changes: dict[str, Changes] = {}
    collected: set[str] = set()
    working: dict[Future[_Fetched | None], str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        for name, source in every.items():
            if isinstance(source, Source):
                working[pool.submit(step.fetch, name, source)] = name
        for name, source in every.items():
            if isinstance(source, Down):
                try:
                    changes[name] = step.read(name) or Changes()
                    outcomes[name] = _down(name, source)
                except OpsError as error:
                    outcomes[name] = _failed(name, error)
        for future in as_completed(working):
            name = working[future]
            try:
                news = step.take_in(name, future.result())
            except OpsError as error:
                outcomes[name] = _failed(name, error)
            # Anything at all can come from an instance that its annotator's work has put into an odd state.
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                outcomes[name] = _failed(name, _strange(name, error))
            else:
                collected.add(name)
                changes[name] = news or Changes()
                outcomes[name] = _outcome(name, news, store.counts().get(name, Counts()))
    return _result(store, {name: outcomes[name] for name in every}, changes, collected)


def rebuild(study: Study, store: Store) -> StepResult:
    """Read every stored export again, oldest first: ratings, findings, comments and history are made anew from raw.

    This is done for everybody from whom something is stored, for each all or nothing. Raises OpsError
    ("study-invalid") where the study cannot be read against.
    """
    reader = Reader(study, store)
    _ = reader.reading  # before any annotator, whose fault it would not be
    outcomes = []
    for name in store.annotators():
        try:
            read, unread = reader.rebuild(name)
        except OpsError as error:
            outcomes.append(_failed(name, error))
            continue
        store.audit("rebuild", name, "from raw exports")
        again = f"read {read} {'export' if read == 1 else 'exports'} again"
        if unread:
            ones = "one" if len(unread) == 1 else "ones"
            message = f"{again}; {len(unread)} earlier {ones} cannot be read: {unread[0].message}"
            outcomes.append(Outcome(name, "warning", message, unread[0].code, unread[0].hint))
        else:
            outcomes.append(Outcome(name, "ok", again, code="rebuilt"))
    if not outcomes:
        nothing = Outcome(study.name, "skipped", "nothing was collected yet", "nothing-collected", "Run `ops collect`.")
        outcomes.append(nothing)
    return StepResult("rebuild", tuple(outcomes))


def _sources(bench: Workbench, stack: ExitStack) -> dict[str, Source | Down]:
    """Where each recorded instance's work can be fetched now, or why it cannot. Clients are closed with `stack`."""
    seen, problems = bench.observe_leniently()
    found: dict[str, Source | Down] = {}
    for name, instance in sorted(bench.store.instances().items()):
        state = seen[name].state if name in seen else State.ABSENT
        if state is State.RUNNING and instance.project_id is not None:
            try:
                client = bench.client_of(instance)
            except OpsError as error:
                found[name] = Down(error.message, error.hint, error.code)
            else:
                found[name] = Source(stack.enter_context(client), instance.project_id)
        elif instance.target is Target.STOPPED and state is not State.UNKNOWN:
            found[name] = Down("stopped on purpose", "`ops start` brings it back.", "stopped", on_purpose=True)
        elif state is State.UNKNOWN and instance.runtime in problems:
            problem = problems[instance.runtime]
            found[name] = Down(problem.message, problem.hint, problem.code)
        elif state is State.RUNNING:
            found[name] = Down("its project is not made yet", "Run `ops provision`.", "not-ready")
        else:
            found[name] = Down(f"its Label Studio is {state}")
    return found


@dataclass(frozen=True, slots=True)
class _Fetched:
    content: bytes
    fingerprint: str


class _Step:
    """One run of collect: what is asked of the instances (from many threads), and what becomes of the answers."""

    def __init__(self, study: Study, store: Store, *, fetch_all: bool) -> None:
        self._store = store
        self._fetch_all = fetch_all
        self._reader = Reader(study, store)

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
            self._store.add_export(name, fetched.content, fetched.fingerprint)
        # A run that was killed between storing and reading, or a study that was changed, has something to read too.
        return self.read(name)

    def read(self, name: str) -> Changes | None:
        """Read what is stored and not read against this study yet; None where that is nothing."""
        changes = self._reader.catch_up(name)
        latest = self._store.latest_export(name)
        if changes is not None and latest is not None:
            self._store.audit("collect", name, f"{latest.hash[:12]}: {_news(changes)}")
        return changes


def _failed(name: str, error: OpsError) -> Outcome:
    return Outcome(name, "failed", error.message, error.code, error.hint)


def _strange(name: str, error: Exception) -> OpsError:
    return OpsError(
        f"The Label Studio of {name} gave an answer that is not understood ({type(error).__name__}: {error}). "
        "Every raw export stored so far is kept.",
        hint="Run `ops collect` again; if it stays so, report this with the version of Label Studio.",
        code="labelstudio-strange",
    )


def _down(name: str, source: Down) -> Outcome:
    state: Literal["skipped", "failed"] = "skipped" if source.on_purpose else "failed"
    return Outcome(name, state, source.reason, source.code, source.hint)


def _news(changes: Changes) -> str:
    return f"{changes.new} new, {changes.changed} changed, {changes.deleted} deleted"


def _outcome(name: str, changes: Changes | None, counts: Counts) -> Outcome:
    far = f"{counts.done} of {counts.total} done, {counts.skipped} skipped"
    if changes is None:
        return Outcome(name, "ok", f"nothing new; {far}", code="unchanged")
    return Outcome(name, "ok", f"{_news(changes)}; {far}", code="collected")


def _result(
    store: Store, outcomes: Mapping[str, Outcome], changes: Mapping[str, Changes], collected: set[str]
) -> StepResult:
    counts = store.counts()
    findings = [finding for finding in store.findings() if finding.annotator in outcomes]
    per_annotator = []
    noted: list[Outcome] = []
    notes: list[str] = []
    for name, outcome in outcomes.items():
        of_one = [finding for finding in findings if finding.annotator == name]
        codes = Counter(finding.code for finding in of_one)
        latest = store.latest_export(name)
        known = counts.get(name, Counts())
        news = changes.get(name, Changes())
        per_annotator.append(
            {
                "annotator": name,
                "collected": name in collected,
                "done": known.done,
                "skipped": known.skipped,
                "drafts": known.drafts,
                "total": known.total,
                "new": news.new,
                "changed": news.changed,
                "deleted": news.deleted,
                "findings": dict(sorted(codes.items())),
                "export": latest.hash if latest else None,
            }
        )
        if news.deleted_items:
            notes.append(f"{name}, deleted in Label Studio, so they count no more: {_listed(news.deleted_items)}")
        notes += _notes(name, of_one)
        noted.append(_weighed(outcome, codes, news))
    listed = [
        {"annotator": each.annotator, "item": each.item, "code": each.code, "message": each.message}
        for each in findings
    ]
    return StepResult("collect", tuple(noted), {"annotators": per_annotator, "findings": listed}, tuple(notes))


def _weighed(outcome: Outcome, codes: Mapping[str, int], news: Changes) -> Outcome:
    """The outcome with what is kept from an earlier instance said, and as a warning where there is reason for one."""
    message, hints = outcome.message, []
    if codes.get(_EARLIER):
        message += f"; {codes[_EARLIER]} kept from an earlier instance"
    if news.deleted:
        hints.append(f"Deleted in Label Studio: {_listed(news.deleted_items)}. The raw exports still have them.")
    odd = sum(codes.get(code, 0) for code in _ODD)
    if odd:
        message += f"; {odd} {'thing' if odd == 1 else 'things'} to look at"
        hints.append("See the notes, or `findings` with --json.")
    if outcome.state == "ok" and hints:
        return Outcome(outcome.subject, "warning", message, outcome.code, " ".join(hints))
    if outcome.state == "ok":
        return Outcome(outcome.subject, "ok", message, outcome.code, outcome.hint)
    return outcome


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return f"{', '.join(items[:_NAMED])}{more}"


def _notes(name: str, findings: Sequence[Finding]) -> list[str]:
    """One line a kind of finding, naming the items."""
    notes = []
    for code, words in (_ODD | _ORDINARY).items():
        items = list(dict.fromkeys(finding.item or "" for finding in findings if finding.code == code))
        if items:
            notes.append(f"{name}, {words}: {_listed(items)}")
    return notes
