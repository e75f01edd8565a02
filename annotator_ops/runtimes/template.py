"""Layer 3. The template process from which instances are forked: found, started, and asked for an instance.

One for each installation of Label Studio and user. It is no part of any study's state: it can end, be killed or be
absent at any time, and whoever needs it starts another (deploy/launcher/template.py is what runs in it).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.files import private_folder
from annotator_ops.locking import locked, try_lock
from annotator_ops.resources import resource
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import launcher_argv, launcher_environment
from annotator_ops.runtimes.seed import Seed
from annotator_ops.sockets import listened_to, socket_path

START_SECONDS = 60.0
FORK_SECONDS = 20.0
# Room in the command line, into which an instance writes its own name for `ps` and for whoever looks for it.
_ROOM = 512


class TemplateUnavailable(Exception):  # noqa: N818 - not a failure: the instance is then started the ordinary way
    """Why no instance can be forked just now, in words."""


@dataclass(frozen=True, slots=True)
class Template:
    """The template of one installation."""

    installation: Installation

    @property
    def folder(self) -> Path:
        """Its log, and its home; private."""
        return self.installation.root / "template"

    @property
    def address(self) -> Path:
        """Its unix socket: another launcher is another template, so that an upgrade never talks to an older one."""
        return socket_path(self.folder, f"{_launcher_digest()}.sock")

    def begin(self) -> None:
        """Start it where it does not run, and do not wait for it. What goes wrong is said by `ensure`."""
        with contextlib.suppress(OSError, OpsError, TemplateUnavailable):
            self._make_folders()
            lock = None if self._listens() else try_lock(self.folder / "lock")
            if lock is None:  # it runs, or somebody else starts it
                return
            try:
                _leave(self._spawn(lock))
            finally:
                os.close(lock)

    def ensure(self) -> None:
        """Wait until it listens; start it where it does not run (two seconds). Raises TemplateUnavailable."""
        process: subprocess.Popen[bytes] | None = None
        try:
            self._make_folders()
            if self._listens():
                return
            with self._starting() as lock:
                if not self._listens():
                    process = self._spawn(lock)
            # The template holds the lock, too, and lets go when it listens, or when it dies.
            with self._starting():
                if self._listens():
                    _leave(process)
                    return
        except (OSError, OpsError) as error:
            if process is not None:
                process.kill()
                process.wait()
            raise TemplateUnavailable(f"it could not be started: {error}") from error
        code = "" if process is None else f" with code {process.wait(START_SECONDS)}"
        raise TemplateUnavailable(f"it ended{code} while it was loading; {self._log} has its words")

    def fork(self, settings: Path, environment: dict[str, str], descriptors: Sequence[int]) -> int:
        """The process id of a new instance with these settings, beside which its folder's other files lie.

        `descriptors`: listening socket, lock on the database, log, line to us. Raises TemplateUnavailable.
        """
        request = {"settings": str(settings), "directory": str(settings.parent), "environment": environment}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.settimeout(FORK_SECONDS)
                connection.connect(os.fsencode(self.address))
                socket.send_fds(connection, [json.dumps(request).encode()], list(descriptors))
                answer = connection.recv(65536)
        except OSError as error:
            raise TemplateUnavailable(f"it did not answer: {error}") from error
        if not answer:
            raise TemplateUnavailable("it ended while it was asked")
        said = json.loads(answer)
        if "pid" not in said:
            raise TemplateUnavailable(f"it could not fork: {said.get('error', 'no reason given')}")
        return int(said["pid"])

    def _listens(self) -> bool:
        return listened_to(self.address, kind=socket.SOCK_SEQPACKET)

    def _starting(self) -> contextlib.AbstractContextManager[int]:
        return locked(self.folder / "lock", what="the template to be started", deadline=START_SECONDS)

    def _make_folders(self) -> None:
        private_folder(self.folder)
        private_folder(self.address.parent)

    @property
    def _log(self) -> Path:
        return self.folder / "template.log"

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        modules = Seed(self.installation).modules
        if not modules.is_file():
            raise TemplateUnavailable("there is no list of the modules that this Label Studio loads")
        self.address.unlink(missing_ok=True)  # of one that has ended: nobody listens there
        (self.folder / "tmp").mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            return subprocess.Popen(
                [
                    *launcher_argv(self.installation),
                    *("--template", str(self.address), "--modules", str(modules), "--hold", str(lock)),
                    f"--room={'.' * _ROOM}",
                ],
                cwd=self.folder,
                env=launcher_environment(self.installation, self.folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock,),
                umask=0o077,
            )


def _leave(process: subprocess.Popen[bytes] | None) -> None:
    """It outlives us on purpose: Popen must not warn of that."""
    if process is not None:
        process.returncode = 0


def _launcher_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(resource("deploy", "launcher").glob("*.py")):
        content = path.read_bytes()
        digest.update(len(content).to_bytes(8) + content)
    return digest.hexdigest()[:12]
