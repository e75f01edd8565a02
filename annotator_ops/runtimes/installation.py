"""Layer 3. Label Studio in an environment of its own, installed once per version from a hash-locked list."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.resources import resource
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.commands import Command, Ended, run
from annotator_ops.runtimes.front_end import if_made, linked_from, make_front_end

INSTALL_DEADLINE = 1800.0
_LOCK_NAME = "label-studio-{}.lock"
_NO_NETWORK = (
    "error sending request",
    "dns error",
    "failed to lookup",
    "connection refused",
    "timed out",
    "failed to fetch",
)


def supported_versions() -> tuple[str, ...]:
    """The versions of Label Studio that this annotator_ops has a lock file for, oldest first."""
    before, after = _LOCK_NAME.split("{}")
    return tuple(
        sorted(
            (
                path.name.removeprefix(before).removesuffix(after)
                for path in resource("deploy").glob(_LOCK_NAME.format("*"))
            ),
            key=lambda version: [int(number) for number in re.findall(r"\d+", version)],  # 1.9 before 1.23
        )
    )


def lock_file(version: str) -> Path:
    """The hash-locked requirements of a version. Raises OpsError (code "label-studio-version-unknown")."""
    if version not in supported_versions():
        raise OpsError(
            f"Label Studio {version} cannot be installed: there is no locked list of its packages.",
            hint=f"Set label_studio.version to one of: {', '.join(supported_versions())}.",
            code="label-studio-version-unknown",
        )
    return resource("deploy", _LOCK_NAME.format(version))


@dataclass(frozen=True, slots=True)
class Installation:
    """One version of Label Studio below `home`, shared by all studies of this user.

    `environment` is what the installer sees (proxies, package mirrors); None means the environment of this process.
    """

    home: Path
    version: str
    environment: Mapping[str, str] | None = None

    @property
    def root(self) -> Path:
        """Its folder: another version or another lock file is another folder, so none is ever changed in place."""
        digest = hashlib.sha256(lock_file(self.version).read_bytes()).hexdigest()
        return self.home / "label-studio" / f"{self.version}-{digest[:12]}"

    @property
    def environment_dir(self) -> Path:
        return self.root / "env"

    @property
    def python(self) -> Path:
        """The interpreter that Label Studio runs in."""
        return self.environment_dir / "bin" / "python"

    @property
    def seed_dir(self) -> Path:
        """Where the migrated database is kept that new instances start from."""
        return self.root / "seed"

    @property
    def packages_dir(self) -> Path:
        """Its site-packages, whichever Python it was made with."""
        return next((self.environment_dir / "lib").glob("python3*/site-packages"))

    def static_files(self) -> Path | None:
        """The folder of its front-end files; None before `ensure`, and for a version that is not supported any more."""
        return if_made(self._front_end_dir) if self.version in supported_versions() else None

    @property
    def _front_end_dir(self) -> Path:
        return self.root / "front-end"

    @property
    def complete(self) -> bool:
        """Whether it was installed to the end, and the Python that it was made with is still there."""
        return (self.root / "installed.json").is_file() and self.python.exists()

    def ensure(self, progress: Progress) -> None:
        """Install it where that is not yet done; an installation that was cut off is made anew.

        Raises OpsError with code "label-studio-version-unknown", "no-network", "disk-full" or "install-failed".
        """
        if self.complete and self._front_end_dir.is_dir():
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            # uv inherits the lock: were we killed, nobody would touch the folder before uv has ended too.
            with locked(
                self.root / "install.lock", what="another installation of Label Studio", deadline=INSTALL_DEADLINE
            ) as lock:
                if not self.complete:
                    self._install(progress, lock)
            make_front_end(self._front_end_dir, linked_from(self.packages_dir))
        except OSError as error:
            raise _file_error(error, self.root) from error

    def _install(self, progress: Progress, lock: int) -> None:
        (self.root / "installed.json").unlink(missing_ok=True)
        if self.environment_dir.exists():
            shutil.rmtree(self.environment_dir)
        requirements = lock_file(self.version)
        packages = sum(line[:1].isalnum() for line in requirements.read_text().splitlines())
        title = f"Installing Label Studio {self.version}"
        progress(f"{title}: {packages} packages", 0.0)
        self._uv(["venv", "--python", sys.executable, str(self.environment_dir)], progress, title, lock)
        self._uv(
            ["pip", "sync", "--require-hashes", "--compile-bytecode", "--python", str(self.python), str(requirements)],
            progress,
            title,
            lock,
        )
        stamp = {"format": 1, "version": self.version, "python": sys.version.split()[0], "packages": packages}
        partial = self.root / "installed.partial"
        partial.write_text(json.dumps(stamp) + "\n")
        partial.rename(self.root / "installed.json")
        progress(f"Label Studio {self.version} is installed", 1.0)

    def _uv(self, arguments: Sequence[str], progress: Progress, title: str, lock: int) -> None:
        command = Command(
            argv=[_find_uv(), *arguments],
            directory=self.root,
            deadline=INSTALL_DEADLINE,
            environment=self.environment,
            keep_open=(lock,),
        )
        # The steps that uv reports, and how much of the time has passed when it does, measured with an empty cache.
        passed = {"Using": 0.02, "Downloading": 0.1, "Prepared": 0.4, "Installed": 0.5, "Bytecode": 0.95}
        done = 0.0

        def on_line(line: str) -> None:
            nonlocal done
            done = max(done, passed.get(line.split()[0], 0.0))
            if line.split()[0] in passed:
                progress(f"{title}: {line[0].lower()}{line[1:]}", done)

        ended = run(command, on_line)
        if ended.code != 0:
            raise _install_error(ended, self)


def _find_uv() -> str:
    import uv  # here, because importing it looks for the program

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise OpsError(
            "The installer uv, which comes with annotator_ops, is not there.",
            hint="Install it: `pip install uv`.",
            code="installation-incomplete",
        ) from error


def _install_error(ended: Ended, installation: Installation) -> OpsError:
    said = "\n".join(ended.tail)
    title = f"Label Studio {installation.version} could not be installed"
    if "os error 28" in said or "No space left" in said:
        return OpsError(
            f"{title}: the disk of {installation.home} is full.",
            hint="It needs about 1 GB. Make room, or set ANNOTATOR_OPS_HOME to a folder on another disk.",
            code="disk-full",
        )
    if ended.late or any(sign in said.lower() for sign in _NO_NETWORK):
        return OpsError(
            f"{title}: the package index did not answer.\n{said}",
            hint="Check the network, or a proxy or mirror (HTTPS_PROXY, UV_DEFAULT_INDEX), and run the command again.",
            code="no-network",
        )
    return OpsError(
        f"{title}; the installer (uv) ended with code {ended.code}:\n{said}",
        hint=f"Mend what it says and run the command again. To start afresh, delete {installation.root}.",
        code="install-failed",
    )


def _file_error(error: OSError, folder: Path) -> OpsError:
    full = error.errno == 28
    return OpsError(
        f"Label Studio could not be installed: {folder}: {error.strerror}.",
        hint="Make room on that disk." if full else "Set ANNOTATOR_OPS_HOME to a folder that you may write to.",
        code="disk-full" if full else "install-failed",
    )
