"""Provision killed after every recorded effect, and run again: it converges, with nothing twice and nobody orphaned."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from annotator_ops.labelstudio import LabelStudio
from annotator_ops.store.vault import Vault
from tests.studies import destroyed_at_the_end, well, write_study

ANNOTATORS = ["anna", "Борис"]


def processes_of(study: Path) -> list[int]:
    """Processes whose command line names this study's instances."""
    needle = str(study.parent / ".ops" / "instances").encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.labelstudio
@pytest.mark.timeout(1500)
def test_killed_after_every_recorded_effect(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", {"annotators": ANNOTATORS, "runtime": "process"})
    total = len((study.parent / "tasks.jsonl").read_text().splitlines())
    with destroyed_at_the_end(study):
        kills = 0
        for after in range(1, 60):
            # Always after the first effect of what is left, then the second, …: every effect is the last one once.
            done = subprocess.run(
                [sys.executable, "-m", "tests.provision.killed", study, str(after if kills < 2 else 1)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                break
            assert done.returncode == -signal.SIGKILL, done.stderr
            kills += 1
        assert kills >= 6, "provision recorded too little for this test to mean anything"
        assert well("provision", study=study)["outcomes"][0]["code"] == "nothing-to-do"

        rows = {row["annotator"]: row for row in well("status", study=study)["instances"]}
        assert set(rows) == set(ANNOTATORS)
        assert len(processes_of(study)) == len(ANNOTATORS)
        for name, row in rows.items():
            assert (row["state"], row["total"]) == ("running", total)
            token = Vault(study.parent / ".ops").require_credentials(name).operator_token
            client = LabelStudio(f"http://127.0.0.1:{row['port']}", token)
            tasks = json.loads(client.export(row["project_id"]))
            assert len({task["data"]["id"] for task in tasks}) == len(tasks) == total
            assert row["project_id"] == 1, "a second project was made"
    assert processes_of(study) == []
