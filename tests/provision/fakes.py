"""A workbench without any Label Studio: for what the steps decide, not for what Label Studio does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from annotator_ops.cli.board import SilentBoard
from annotator_ops.labelstudio import LabelStudio, ProjectSettings
from annotator_ops.labelstudio.records import ImportResult, ProjectProgress
from annotator_ops.models import Annotator, Study, Task
from annotator_ops.plan import Wanted
from annotator_ops.proxies.fake import FakeProxy
from annotator_ops.runtimes.fake import FakeMachine, FakeRuntime
from annotator_ops.secret import Secret
from annotator_ops.steps import Workbench
from annotator_ops.store.database import Store
from annotator_ops.store.vault import Vault

STUDY_ID = "one-abc123"


@dataclass(slots=True)
class FakeLabelStudio:
    """Answers as a Label Studio that does all that it is asked. `calls` is what was changed in it."""

    calls: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def healthy(self) -> bool:
        return True

    def authenticated(self) -> bool:
        return True

    def ensure_annotator(self, email: str, password: Secret, name: str) -> None:
        self.calls.append(f"account {name}")

    def ensure_project(self, settings: ProjectSettings) -> int:
        self.calls.append(f"project {settings.title}")
        return 1

    def import_tasks(self, project: int, tasks: Sequence[Task]) -> ImportResult:
        self.calls.append(f"{len(tasks)} tasks into {project}")
        return ImportResult(added=len(tasks), already=0)

    def fingerprint(self, project: int) -> str:
        return f"fingerprint of {project}"

    def progress(self, project: int) -> ProjectProgress:
        return ProjectProgress(done=0, skipped=0, drafts=0, total=0, median_seconds=None, last_activity=None)

    def export(self, project: int) -> bytes:
        return b"[]"


@dataclass(slots=True)
class World:
    """What stays when one command ends and the next begins: the machine, the proxy, all Label Studios."""

    machine: FakeMachine = field(default_factory=FakeMachine)
    proxy: FakeProxy = field(default_factory=FakeProxy)
    label_studio: FakeLabelStudio = field(default_factory=FakeLabelStudio)

    @contextmanager
    def bench(self, study: Study) -> Iterator[Workbench]:
        """The workbench of one command."""
        wanted = Wanted(study=study, study_id=STUDY_ID, runtime="process", origin="http://localhost:8080")
        with Store(study.state_dir) as store:
            yield Workbench(
                wanted=wanted,
                store=store,
                vault=Vault(study.state_dir),
                runtimes={"process": FakeRuntime(STUDY_ID, self.machine)},
                proxy=self.proxy,
                client=lambda _url, _token: cast(LabelStudio, self.label_studio),
                board=SilentBoard(),
                cores=2,
            )


def study_of(root: Path, *names: str, **changes: Any) -> Study:
    """A small study of these annotators in a folder."""
    from tests.provision.test_plan import a_study

    people = tuple(Annotator(id=name, name=name.capitalize()) for name in names)
    return a_study(**{"path": root / "study.yaml", "root": root, "annotators": people, **changes})
