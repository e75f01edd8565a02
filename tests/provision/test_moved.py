"""A study that was stopped and moved, on a real Label Studio: it starts at its new place with all that was done."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator_ops.browsing import AnnotatorSession
from annotator_ops.secret import Secret
from tests.studies import destroyed_at_the_end, well, write_study


@pytest.mark.labelstudio
def test_a_stopped_study_is_moved_and_started(tmp_path: Path) -> None:
    old = write_study(tmp_path / "old" / "study", {"annotators": ["anna"], "runtime": "process"})
    new = tmp_path / "new" / "study" / "study.yaml"
    with destroyed_at_the_end(old):
        said = well("provision", study=old)
        invitation = well("invite", study=old)["invitations"][0]
        port = int(said["origin"].rpartition(":")[2])
        with AnnotatorSession(invitation["url"], connect_to=f"http://127.0.0.1:{port}") as session:
            session.sign_in(invitation["email"], Secret(invitation["password"]))
            task = session.next_task(1)
            assert task is not None
            session.submit(task["id"], [], seconds=3.0, skipped=True)
        well("stop", study=old)
        (tmp_path / "old").rename(tmp_path / "new")
    with destroyed_at_the_end(new):
        well("start", study=new)
        (row,) = well("status", study=new)["instances"]
        assert (row["state"], row["skipped"]) == ("running", 1)
        assert Path(row["data_dir"]) == new.parent / ".ops" / "instances" / "anna" / "data"
        assert well("invite", study=new)["invitations"][0] == invitation
        assert {outcome["code"] for outcome in well("provision", study=new)["outcomes"]} == {"nothing-to-do"}
    assert not (tmp_path / "old").exists(), "nothing is made at the old place"
