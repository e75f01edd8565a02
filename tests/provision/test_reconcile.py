"""What provision, start, stop and destroy decide when something is lost, moved, left over or refused."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.models import LabelStudioChoice, Limits, Outcome, State, StepResult, Target
from annotator_ops.plan import directory_of
from annotator_ops.runtimes.seed import DATABASE
from annotator_ops.steps import provision as module
from annotator_ops.steps.operate import destroy, stop
from annotator_ops.steps.provision import provision, start
from annotator_ops.steps.status import status
from tests.provision.fakes import STUDY_ID, World, study_of

PROXY_FAILS = OpsError("Port 8080 is taken.", hint="End that program.", code="proxy-port-taken")


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake proxy serves nothing that could be asked for."""
    monkeypatch.setattr(module, "wait_served", lambda _plan, _url: None)


@pytest.fixture
def world() -> World:
    return World()


def states(result: StepResult) -> dict[str, tuple[str, str]]:
    return {outcome.subject: (outcome.state, outcome.code) for outcome in result.outcomes}


def outcome_of(result: StepResult, subject: str) -> Outcome:
    return next(outcome for outcome in result.outcomes if outcome.subject == subject)


# --- lost data -------------------------------------------------------------------------------------------------------


def test_lost_data_is_said_and_not_replaced_by_an_empty_database(tmp_path: Path, world: World) -> None:
    study = study_of(tmp_path, "anna", "ben")
    with world.bench(study) as bench:
        assert provision(bench).exit_code == 0
        world.machine.crash(STUDY_ID, "anna")
        shutil.rmtree(directory_of(study, "anna"))
        result = provision(bench)
    assert states(result) == {"anna": ("failed", "data-missing"), "ben": ("ok", "nothing-to-do")}
    assert "ops destroy --no-backup anna" in outcome_of(result, "anna").hint
    assert not directory_of(study, "anna").exists()


def test_destroyed_without_backup_it_starts_anew(tmp_path: Path, world: World) -> None:
    study = study_of(tmp_path, "anna")
    with world.bench(study) as bench:
        provision(bench)
        world.machine.crash(STUDY_ID, "anna")
        shutil.rmtree(directory_of(study, "anna"))
        assert destroy(bench, ["anna"], backup=False).exit_code == 0
        assert states(provision(bench)) == {"anna": ("ok", "ready")}


# --- a study that is moved -------------------------------------------------------------------------------------------


def test_a_moved_study_starts_with_its_data_at_the_new_place(tmp_path: Path, world: World) -> None:
    old, new = study_of(tmp_path / "old", "anna"), study_of(tmp_path / "new", "anna")
    with world.bench(old) as bench:
        provision(bench)
        (directory_of(old, "anna") / "data" / "kept").write_text("work")
        stop(bench, [])
    (tmp_path / "old").rename(tmp_path / "new")
    with world.bench(new) as bench:
        assert states(start(bench, [])) == {"anna": ("ok", "ready")}
        assert bench.observe()["anna"].directory == directory_of(new, "anna")
        row = status(bench).data["instances"][0]
    assert Path(row["data_dir"], "kept").read_text() == "work"
    assert not (tmp_path / "old").exists(), "nothing is made at the old place"


def test_an_instance_that_runs_with_another_folder_is_out_of_date(tmp_path: Path, world: World) -> None:
    old, new = study_of(tmp_path / "old", "anna"), study_of(tmp_path / "new", "anna")
    with world.bench(old) as bench:
        provision(bench)
    (tmp_path / "old").rename(tmp_path / "new")
    with world.bench(new) as bench:
        provision(bench)
        assert bench.observe()["anna"].directory == directory_of(new, "anna")
        assert states(provision(bench)) == {"anna": ("ok", "nothing-to-do")}


# --- who is in the study no more -------------------------------------------------------------------------------------


def test_who_left_the_study_is_started_when_named(tmp_path: Path, world: World) -> None:
    with world.bench(study_of(tmp_path, "anna", "ben")) as bench:
        provision(bench)
        stop(bench, ["ben"])
    with world.bench(study_of(tmp_path, "anna", title="Another title")) as bench:
        before = len(world.label_studio.calls)
        result = start(bench, ["ben"])
        assert states(result) == {"ben": ("ok", "ready")}
        assert bench.observe()["ben"].state is State.RUNNING
        assert world.label_studio.calls[before:] == [], "what the study says now is not for one who left it"
    assert result.notes == ()


def test_status_names_the_way_for_who_left_the_study(tmp_path: Path, world: World) -> None:
    with world.bench(study_of(tmp_path, "anna", "ben")) as bench:
        provision(bench)
    world.machine.crash(STUDY_ID, "anna")
    world.machine.crash(STUDY_ID, "ben")
    with world.bench(study_of(tmp_path, "anna")) as bench:
        result = status(bench)
    assert "ops provision" in outcome_of(result, "anna").hint
    assert "ops start ben" in outcome_of(result, "ben").hint


# --- the proxy fails -------------------------------------------------------------------------------------------------


def test_a_failing_proxy_concerns_only_those_who_run(tmp_path: Path, world: World) -> None:
    with world.bench(study_of(tmp_path, "anna", "ben")) as bench:
        provision(bench)
        stop(bench, ["ben"])
        world.proxy.failure = PROXY_FAILS
        result = provision(bench)
    assert states(result) == {"anna": ("failed", "proxy-port-taken"), "ben": ("ok", "nothing-to-do")}


def test_a_failing_proxy_is_said_when_nobody_of_the_study_runs(tmp_path: Path, world: World) -> None:
    with world.bench(study_of(tmp_path, "anna", "ben")) as bench:
        provision(bench)
        stop(bench, ["anna"])
        world.proxy.failure = PROXY_FAILS
    with world.bench(study_of(tmp_path, "anna")) as bench:
        result = provision(bench)
    assert states(result) == {"anna": ("ok", "nothing-to-do"), "proxy": ("failed", "proxy-port-taken")}


@pytest.mark.parametrize("verb", ["stop", "destroy"])
def test_a_failing_proxy_does_not_hide_what_was_done(tmp_path: Path, world: World, verb: str) -> None:
    with world.bench(study_of(tmp_path, "anna", "ben")) as bench:
        provision(bench)
        world.proxy.failure = PROXY_FAILS
        result = stop(bench, ["ben"]) if verb == "stop" else destroy(bench, ["ben"], backup=False)
    assert outcome_of(result, "ben").state == "ok"
    assert states(result)["proxy"] == ("failed", "proxy-port-taken")


# --- backups ---------------------------------------------------------------------------------------------------------


def test_a_damaged_database_stops_only_its_own_removal(tmp_path: Path, world: World) -> None:
    study = study_of(tmp_path, "anna", "ben")
    with world.bench(study) as bench:
        provision(bench)
        for name, damaged in (("anna", True), ("ben", False)):
            database = directory_of(study, name) / "data" / DATABASE
            if damaged:
                database.write_bytes(b"this is no database" * 1000)
                continue
            connection = sqlite3.connect(database)
            connection.execute("CREATE TABLE t (a)")
            connection.close()
        result = destroy(bench, [], backup=True)
        assert states(result) == {"anna": ("failed", "backup-damaged"), "ben": ("ok", "removed")}
        assert set(bench.store.instances()) == {"anna"}
    assert directory_of(study, "anna").exists()
    assert [path.name for path in (study.state_dir / "backups").iterdir()] == [Path(result.data["backups"]["ben"]).name]


# --- notes -----------------------------------------------------------------------------------------------------------


def test_settings_without_effect_are_named(tmp_path: Path, world: World) -> None:
    study = study_of(tmp_path, "anna", label_studio=LabelStudioChoice("1.23.2", "own:1"), limits=Limits(cpus=0.5))
    with world.bench(study) as bench:
        notes = provision(bench, dry_run=True, runtime_reason="no engine answers").notes
        assert any("`label_studio.image` and `limits.cpus` have no effect" in note for note in notes)
        plain = replace(study, label_studio=LabelStudioChoice("1.23.2"), limits=Limits())
    with world.bench(plain) as bench:
        assert not any("no effect" in note for note in provision(bench, dry_run=True).notes)


def test_stopped_stays_stopped(tmp_path: Path, world: World) -> None:
    with world.bench(study_of(tmp_path, "anna")) as bench:
        provision(bench)
        stop(bench, [])
        assert states(provision(bench)) == {"anna": ("ok", "nothing-to-do")}
        assert bench.store.instances()["anna"].target is Target.STOPPED
