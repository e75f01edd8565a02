"""Layer 3. Secrets of a study: one 0600 file for each annotator, apart from the database."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.files import close_folder, write_once
from annotator_ops.models import Credentials
from annotator_ops.naming import host_label
from annotator_ops.secret import Secret

# Annotators see the operator's address in Label Studio; `.invalid` is reserved, so it is nobody's.
OPERATOR_EMAIL = "operator@annotator-ops.invalid"
# No letter or digit that is taken for another when read aloud or written by hand (l and 1, o and 0, …).
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_OTHERS = 0o077


class Vault:
    """The credentials of a study's instances, in `state_dir`/secrets/. Made once, never changed."""

    def __init__(self, state_dir: Path) -> None:
        self.directory = state_dir / "secrets"

    def credentials(self, annotator: str) -> Credentials | None:
        """An annotator's credentials, or None where none were made.

        Raises OpsError: "secrets-exposed" (others can read the file), "secrets-damaged".
        """
        path = self._path(annotator)
        if not path.exists():
            return None
        for place, right in ((self.directory, "700"), (path, "600")):
            mode = place.stat().st_mode & 0o777
            if mode & _OTHERS:
                raise OpsError(
                    f"Others on this machine can read {place} (mode {mode:o}), so its secrets are not used.",
                    hint=f"Run `chmod {right} {place}`; if others may have read it, make the instance anew.",
                    code="secrets-exposed",
                )
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return Credentials(
                secret_key=Secret(kept["secret_key"]),
                operator_email=kept["operator_email"],
                operator_password=Secret(kept["operator_password"]),
                operator_token=Secret(kept["operator_token"]),
                annotator_email=kept["annotator_email"],
                annotator_password=Secret(kept["annotator_password"]),
            )
        # The cause is left out: a parser's error quotes what it read.
        except (ValueError, KeyError, TypeError):
            raise OpsError(
                f"{path} is damaged: it does not hold an annotator's credentials.",
                hint="Restore it from a backup; without it the instance cannot be opened any more.",
                code="secrets-damaged",
            ) from None

    def require_credentials(self, annotator: str) -> Credentials:
        """An annotator's credentials. Raises OpsError (code "no-secrets") where none were made."""
        found = self.credentials(annotator)
        if found is None:
            raise OpsError(
                f"There are no credentials for {annotator} in {self.directory}.",
                hint="Run `ops provision`, or restore the folder from a backup if the instance exists already.",
                code="no-secrets",
            )
        return found

    def ensure_credentials(self, annotator: str) -> Credentials:
        """An annotator's credentials, made on the first call and the same ever after.

        The login is an address that is nobody's, made from the id.
        """
        found = self.credentials(annotator)
        if found is not None:
            return found
        content = {
            "annotator": annotator,
            "annotator_email": f"{host_label(annotator)}@annotators.invalid",
            "annotator_password": "-".join(_word(4) for _ in range(4)),
            "operator_email": OPERATOR_EMAIL,
            "operator_password": secrets.token_urlsafe(24),
            "operator_token": secrets.token_hex(20),  # 40 characters: what Label Studio's tokens hold at most
            "secret_key": secrets.token_urlsafe(48),
        }
        close_folder(self.directory.parent)
        close_folder(self.directory)
        write_once(self._path(annotator), json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        return self.require_credentials(annotator)

    def _path(self, annotator: str) -> Path:
        return self.directory / f"{host_label(annotator)}.json"


def study_id(state_dir: Path, name: str) -> str:
    """The study's id on this machine, `<slug of its name>-<6 hex digits>`: made once, and the same ever after."""
    path = state_dir / "id"
    if not path.exists():
        ascii_only = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
        slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:20].strip("-") or "study"
        close_folder(state_dir)
        write_once(path, f"{slug}-{secrets.token_hex(3)}\n")
    return path.read_text(encoding="utf-8").strip()


def _word(length: int) -> str:
    return "".join(secrets.choice(_READABLE) for _ in range(length))
