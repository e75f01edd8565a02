"""The vault: made once, private, and independent of the database."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.store.vault import Vault, study_id


def test_credentials_are_made_once(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    assert vault.credentials("anna") is None
    made = vault.ensure_credentials("anna")
    assert Vault(tmp_path).ensure_credentials("anna") == made
    assert vault.credentials("anna") == vault.require_credentials("anna") == made
    assert made.annotator_email == "anna@annotators.invalid"
    other = vault.ensure_credentials("ben")
    assert other.annotator_email == "ben@annotators.invalid"
    everything = [
        (each.secret_key, each.operator_password, each.operator_token, each.annotator_password)
        for each in (made, other)
    ]
    assert len({secret for secrets in everything for secret in secrets}) == 8


def test_they_are_strong_and_can_be_read_aloud(tmp_path: Path) -> None:
    made = Vault(tmp_path).ensure_credentials("anna")
    assert re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", made.annotator_password.reveal())
    assert len(made.operator_token.reveal()) == 40
    assert len(made.secret_key.reveal()) >= 50
    assert made.annotator_password.reveal() not in repr(made)


def test_files_are_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    vault = Vault(tmp_path / ".ops")
    for name in ("anna", "Анна", "a.b"):
        vault.ensure_credentials(name)
    files = list(vault.directory.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(vault.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    vault = Vault(tmp_path)
    vault.ensure_credentials("anna")
    (path,) = vault.directory.iterdir()
    path.chmod(mode)
    with pytest.raises(OpsError) as caught:
        vault.ensure_credentials("anna")
    assert caught.value.code == "secrets-exposed"
    assert f"chmod 600 {path}" in caught.value.hint


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    vault.ensure_credentials("anna")
    vault.directory.chmod(0o755)
    with pytest.raises(OpsError, match="Others on this machine") as caught:
        vault.credentials("anna")
    assert caught.value.code == "secrets-exposed"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"secret_key": "hidden-thing'])
def test_a_damaged_file_is_said_without_its_content(tmp_path: Path, content: str) -> None:
    vault = Vault(tmp_path)
    vault.ensure_credentials("anna")
    (path,) = vault.directory.iterdir()
    path.write_text(content)
    with pytest.raises(OpsError) as caught:
        vault.credentials("anna")
    assert caught.value.code == "secrets-damaged"
    assert caught.value.__cause__ is None
    assert "hidden-thing" not in f"{caught.value} {caught.value.hint}"


def test_many_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _number: Vault(tmp_path).ensure_credentials("anna"), range(16)))
    assert len({each.secret_key for each in made}) == 1


def test_missing_credentials_are_said(tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        Vault(tmp_path).require_credentials("anna")
    assert caught.value.code == "no-secrets"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("PingPong 2026", r"pingpong-2026-[0-9a-f]{6}"),
        ("Диалоги", r"study-[0-9a-f]{6}"),
        ("A very long name of a study indeed", r"a-very-long-name-of-[0-9a-f]{6}"),
    ],
)
def test_a_study_keeps_its_id(tmp_path: Path, name: str, pattern: str) -> None:
    made = study_id(tmp_path, name)
    assert re.fullmatch(pattern, made), made
    assert study_id(tmp_path, "renamed") == made
