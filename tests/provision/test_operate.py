"""A study's whole life through the command line, on real Label Studios."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from annotator_ops.browsing import AnnotatorSession
from annotator_ops.secret import Secret
from tests.studies import OPS, WAYS, destroyed_at_the_end, free_port, ops, well, write_study

pytestmark = pytest.mark.labelstudio

STATUS_KEYS = {
    "annotator", "state", "target", "runtime", "url", "port", "data_dir", "project_id", "done", "skipped", "drafts",
    "total", "median_seconds", "last_activity", "memory", "disk", "problem", "walls", "note",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("life") / "study"
    written = write_study(
        folder,
        {
            "annotators": [{"id": "anna", "name": "Anna"}, {"id": "Борис", "name": "Борис", "language": "ru"}],
            "runtime": "process",
        },
    )
    with destroyed_at_the_end(written):
        assert well("provision", study=written)["runtime"] == "process"
        yield written


@contextmanager
def session(study: Path, name: str) -> Iterator[tuple[AnnotatorSession, int]]:
    invitation = next(i for i in well("invite", name, study=study)["invitations"])
    row = next(r for r in well("status", study=study)["instances"] if r["annotator"] == name)
    port = yaml.safe_load(study.read_text())["proxy"]["port"]
    with AnnotatorSession(invitation["url"], connect_to=f"http://127.0.0.1:{port}") as opened:
        opened.sign_in(invitation["email"], Secret(invitation["password"]))
        yield opened, row["project_id"]


def test_status_has_its_keys(study: Path) -> None:
    said = well("status", study=study)
    assert {row["annotator"] for row in said["instances"]} == {"anna", "Борис"}
    for row in said["instances"]:
        assert set(row) == STATUS_KEYS
        assert row["state"] == "running"
        assert row["total"] == len((study.parent / "tasks.jsonl").read_text().splitlines())
        assert row["memory"] > 10e6
        assert Path(row["data_dir"]).is_dir()
    assert said["proxy"]["running"] is True


def test_a_second_provision_has_nothing_to_do(study: Path) -> None:
    before = {row["annotator"]: row["port"] for row in well("status", study=study)["instances"]}
    said = well("provision", study=study)
    assert {outcome["code"] for outcome in said["outcomes"]} == {"nothing-to-do"}
    assert {row["annotator"]: row["port"] for row in said["instances"]} == before


def test_dry_run_changes_nothing(study: Path) -> None:
    said = well("provision", "--dry-run", study=study)
    assert [step["do"] for step in said["plan"]] == ["nothing", "nothing"]


def test_invitations_are_complete_and_in_the_annotators_language(study: Path) -> None:
    invitations = {i["annotator"]: i for i in well("invite", study=study)["invitations"]}
    for invitation in invitations.values():
        assert {"annotator", "url", "email", "password", "message"} <= set(invitation)
        for key in ("url", "email", "password"):
            assert invitation[key] in invitation["message"]
    assert "Здравствуйте" in invitations["Борис"]["message"]
    assert invitations["anna"]["password"] != invitations["Борис"]["password"]


def test_invitations_as_files_are_private(study: Path, tmp_path: Path) -> None:
    well("invite", "--output", str(tmp_path / "mail"), study=study)
    files = list((tmp_path / "mail").iterdir())
    assert len(files) == 2
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_nothing_secret_is_readable_by_others_or_shown(study: Path) -> None:
    state = study.parent / ".ops"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    secrets = {i["password"] for i in well("invite", study=study)["invitations"]}
    shown = ops("status", study=study).json, ops("provision", study=study).json
    command_lines = [
        (folder / "cmdline").read_bytes().decode(errors="replace")
        for folder in Path("/proc").glob("[0-9]*")
        if (folder / "cmdline").exists()
    ]
    for password in secrets:
        assert password not in str(shown)
        assert not any(password in line for line in command_lines)
    for path in state.rglob("*"):
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            content = path.read_bytes()
            assert not any(password.encode() in content for password in secrets), path


def test_an_annotator_labels_and_the_work_survives_a_stop(study: Path) -> None:
    with session(study, "anna") as (opened, project):
        task = opened.next_task(project)
        assert task is not None
        opened.submit(task["id"], [], seconds=3.0, skipped=True)
    said = well("stop", "anna", study=study)
    assert said["outcomes"][0]["code"] == "stopped"
    rows = {row["annotator"]: row for row in well("status", study=study)["instances"]}
    assert (rows["anna"]["state"], rows["anna"]["target"]) == ("exited", "stopped")
    assert rows["Борис"]["state"] == "running"
    assert well("provision", study=study)["outcomes"][0]["code"] == "nothing-to-do", "stopped on purpose stays stopped"
    well("start", "anna", study=study)
    rows = {row["annotator"]: row for row in well("status", study=study)["instances"]}
    assert rows["anna"]["skipped"] == 1


def test_a_killed_instance_is_reported_and_started_again(study: Path) -> None:
    from tests.provision.test_killed import processes_of

    before = processes_of(study)
    os.kill(before[0], 9)
    ran = ops("status", study=study)
    assert ran.code == 1
    assert any("ops provision" in outcome["hint"] for outcome in ran.json["outcomes"] if outcome["state"] == "failed")
    well("provision", study=study)
    assert len(processes_of(study)) == len(before)


def test_a_lost_database_adopts_what_runs(study: Path) -> None:
    before = {row["annotator"]: (row["port"], row["total"]) for row in well("status", study=study)["instances"]}
    for file in (study.parent / ".ops").glob("study.sqlite3*"):
        file.unlink()
    said = well("provision", study=study)
    after = {row["annotator"]: (row["port"], row["total"]) for row in well("status", study=study)["instances"]}
    assert after == before
    assert said["instances"][0]["port"] == before["anna"][0]


def test_more_tasks_reach_everybody_without_doubling(study: Path) -> None:
    file = study.parent / "tasks.jsonl"
    first = file.read_text().splitlines()[0]
    import json

    file.write_text(file.read_text().rstrip("\n") + "\n" + json.dumps({**json.loads(first), "id": "added"}) + "\n")
    well("provision", study=study)
    total = len(file.read_text().splitlines())
    assert {row["total"] for row in well("status", study=study)["instances"]} == {total}


def test_an_unknown_annotator_is_named(study: Path) -> None:
    ran = ops("stop", "carol", study=study)
    assert ran.code == 2
    assert ran.json["error"]["code"] == "unknown-annotator"
    assert "anna" in ran.json["error"]["hint"]


def test_the_instance_is_not_reachable_from_elsewhere(study: Path) -> None:
    """Instances listen on the loopback address only: the machine's other addresses refuse."""
    port = well("status", study=study)["instances"][0]["port"]
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    for address in {str(address) for address in own if not str(address).startswith("127.")}:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{address}:{port}/health", timeout=2)


def test_destroy_keeps_a_backup_that_can_be_read(tmp_path: Path) -> None:
    written = write_study(tmp_path / "study", {"annotators": ["solo"], "runtime": "process"})
    with destroyed_at_the_end(written):
        well("provision", study=written)
        refused = ops("destroy", study=written)
        assert refused.json["error"]["code"] == "not-confirmed"
        backup = Path(well("destroy", "--yes", study=written)["backups"]["solo"])
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        with tarfile.open(backup) as archive:
            assert "label_studio.sqlite3" in archive.getnames()
        assert well("status", study=written)["instances"] == []
        assert not (written.parent / ".ops" / "instances" / "solo").exists()


def test_caddy_serves_https_itself_for_an_address_on_its_own_port(tmp_path: Path) -> None:
    port = free_port()
    written = write_study(
        tmp_path / "study",
        {
            "annotators": ["anna"],
            "runtime": "process",
            "proxy": {"port": port, "public_url": f"https://localhost:{port}"},
        },
    )
    with destroyed_at_the_end(written):
        assert well("provision", study=written)["instances"][0]["url"] == f"https://anna.localhost:{port}"


def test_a_stopped_annotator_is_told_that_it_is_paused(study: Path) -> None:
    well("stop", "anna", study=study)
    try:
        url = httpx.URL(well("invite", "anna", study=study)["invitations"][0]["url"])
        page = httpx.get(f"http://127.0.0.1:{url.port}/", headers={"Host": url.netloc.decode()})
        assert page.status_code == 423
        assert "Labeling is paused" in page.text
        assert "Разметка приостановлена" in page.text
    finally:
        well("start", "anna", study=study)


def test_a_taken_port_is_found_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        written = write_study(
            tmp_path / "study", {"annotators": ["anna"], "runtime": "process", "proxy": {"port": port}}
        )
        ran = ops("provision", study=written)
    assert ran.code == 2
    assert ran.json["error"]["code"] == "proxy-port-taken"
    assert str(port) in ran.json["error"]["message"]
    assert well("status", study=written)["instances"] == []


def test_ctrl_c_is_acknowledged_at_once_and_the_next_run_goes_on(tmp_path: Path) -> None:
    # The ordinary start takes long enough to be interrupted.
    written = write_study(tmp_path / "study", {"annotators": ["anna"], **WAYS["ordinary"]})
    with destroyed_at_the_end(written):
        with subprocess.Popen(
            [OPS, "provision", "--study", written],
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has it ignored, and so its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "starting Label Studio" in line:
                    break
            process.send_signal(signal.SIGINT)
            assert any("Stopping after what is under way" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130
        well("provision", study=written)
        assert well("status", study=written)["instances"][0]["state"] == "running"
