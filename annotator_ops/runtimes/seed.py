"""Layer 3. The seed: a migrated, empty database, made once per installation, that every new instance starts from."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.commands import Command, run
from annotator_ops.runtimes.folder import write_private
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import HOST, launcher_argv, launcher_environment

DATABASE = "label_studio.sqlite3"
MODULES = "modules.json"
MIGRATION_DEADLINE = 900.0


@dataclass(frozen=True, slots=True)
class Seed:
    """The seed of one installation."""

    installation: Installation

    @property
    def database(self) -> Path:
        return self.installation.seed_dir / DATABASE

    @property
    def modules(self) -> Path:
        """A list of the modules that this Label Studio loads and that are not its own."""
        return self.installation.seed_dir / MODULES

    @property
    def migrations(self) -> str | None:
        """The hash of the migrations that an up-to-date database of this version has had; None without a seed."""
        try:
            stamp = json.loads((self.installation.seed_dir / "seed.json").read_text())
        except FileNotFoundError:
            return None
        return str(stamp["migrations"])

    def ensure(self, progress: Progress) -> None:
        """Make the seed where there is none (half a minute). The installation must be complete.

        Raises OpsError with code "seed-failed".
        """
        if self.migrations is not None:
            return
        root = self.installation.root
        with locked(
            root / "seed.lock", what="another making of the seed database", deadline=MIGRATION_DEADLINE
        ) as lock:
            if self.migrations is None:
                try:
                    self._make(progress, lock)
                except (OSError, sqlite3.Error) as error:
                    raise OpsError(
                        f"The empty database could not be made in {root}: {error}.",
                        hint="Look whether the disk is full, and run the command again.",
                        code="seed-failed",
                    ) from error

    def _make(self, progress: Progress, lock: int) -> None:
        root, final = self.installation.root, self.installation.seed_dir
        work, ready = root / "seed.making", root / "seed.partial"
        for leftover in (work, ready, final):
            if leftover.exists():
                shutil.rmtree(leftover)
        work.mkdir(mode=0o700)
        ready.mkdir(mode=0o700)
        stamp = _migrate(self.installation, work, progress, lock)
        # A key that Label Studio may have written beside its database stays behind: a key is never shared.
        copy_database(work / DATABASE, ready / DATABASE)
        _list_modules(self.installation, work, ready / MODULES, progress, lock)
        (ready / "seed.json").write_text(json.dumps({"format": 1, "migrations": stamp}) + "\n")
        ready.rename(final)
        shutil.rmtree(work)
        progress("The empty database is ready", 1.0)

    def copy_to(self, database: Path) -> None:
        """Copy the seed to `database`; an existing one is never touched. Call it under the instance's lock.

        Raises OpsError with code "seed-missing" or "seed-failed".
        """
        if database.exists():
            return
        if self.migrations is None:
            raise OpsError(
                f"There is no empty database of Label Studio {self.installation.version} to start from.",
                hint="Run `ops provision`, which makes it.",
                code="seed-missing",
            )
        try:
            database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            copy_database(self.database, database)
        except (OSError, sqlite3.Error) as error:
            raise OpsError(
                f"The empty database could not be copied to {database}: {error}.",
                hint=f"Look whether the disk is full. A damaged {self.database} is made anew once it is deleted.",
                code="seed-failed",
            ) from error


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database, live or not, whole or not at all: checked under another name, then renamed.

    Raises sqlite3.Error when the source is no intact database.
    """
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(partial)) as copy,
    ):
        partial.chmod(0o600)
        original.backup(copy)
        verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"{source} is damaged: {verdict}")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(target)


def _migrate(installation: Installation, work: Path, progress: Progress, lock: int) -> str:
    """Let Label Studio make its database in `work`; gives the hash of its migrations, as the launcher says it."""
    settings = _write_settings(work)
    (work / "tmp").mkdir(mode=0o700)
    total = applied = 0
    stamp = ""

    def on_line(line: str) -> None:
        nonlocal total, applied, stamp
        if found := re.fullmatch(r"launch: migrations to apply: (\d+)", line):
            total = int(found[1])
        elif found := re.fullmatch(r"launch: migrations hash: (\w+)", line):
            stamp = found[1]
        elif line.lstrip().startswith("Applying "):
            applied += 1
            progress("Making the empty database, once for all instances", applied / total if total else None)

    progress("Making the empty database, once for all instances", 0.0)
    ended = run(
        Command(
            argv=launcher_argv(installation, str(settings), "--migrate"),
            directory=work,
            deadline=MIGRATION_DEADLINE,
            environment=launcher_environment(installation, work),
            keep_open=(lock,),
        ),
        on_line,
    )
    if ended.code != 0 or not stamp:
        raise OpsError(
            "Label Studio could not make its empty database:\n" + "\n".join(ended.tail),
            hint=f"Look at the lines above. To install Label Studio afresh, delete {installation.root}.",
            code="seed-failed",
        )
    return stamp


def _list_modules(installation: Installation, work: Path, target: Path, progress: Progress, lock: int) -> None:
    """Let Label Studio be used for a moment, and write down which modules it has loaded then. Spends the database.

    Without the list instances start the ordinary way, and say so; no reason to have none at all.
    """
    progress("Looking which modules Label Studio loads", None)
    operator = {"LABEL_STUDIO_USERNAME": "seed@example.org", "LABEL_STUDIO_PASSWORD": secrets.token_urlsafe(24)}
    settings = _write_settings(work, **operator, LABEL_STUDIO_USER_TOKEN=secrets.token_hex(20))
    run(
        Command(
            argv=launcher_argv(installation, str(settings), "--list-modules", str(target)),
            directory=work,
            deadline=MIGRATION_DEADLINE,
            environment=launcher_environment(installation, work),
            keep_open=(lock,),
        ),
        lambda _line: None,
    )


def _write_settings(work: Path, **more: str) -> Path:
    """Settings for a Label Studio in `work` that nobody will use."""
    settings = work / "settings.json"
    environment = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(work),
        "SECRET_KEY": "used for making the seed only",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "LOG_LEVEL": "WARNING",
        **more,
    }
    write_private(settings, {"environment": environment, "host": HOST, "port": 0})
    return settings
