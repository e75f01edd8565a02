"""Layer 3. The template process from which instances are forked: found, started, and asked for an instance.

One for each installation of Label Studio and user. It is no part of any study's state: it can end, be killed or be
absent at any time, and whoever needs it starts another (deploy/launcher/template.py is what runs in it).
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.files import private_folder
from annotator_ops.locking import locked
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

    def ensure(self) -> None:
        """Start it where it does not run (three seconds). Raises TemplateUnavailable."""
        try:
            private_folder(self.folder)
            private_folder(self.address.parent)
            if self._listens():
                return
            with locked(self.folder / "lock", what="another start of the template", deadline=START_SECONDS):
                if not self._listens():
                    self._start()
        except (OSError, OpsError) as error:
            raise TemplateUnavailable(f"it could not be started: {error}") from error

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

    def _start(self) -> None:
        modules = Seed(self.installation).modules
        if not modules.is_file():
            raise TemplateUnavailable("there is no list of the modules that this Label Studio loads")
        self.address.unlink(missing_ok=True)  # of one that has ended: nobody listens there
        (self.folder / "tmp").mkdir(mode=0o700, exist_ok=True)
        log = self.folder / "template.log"
        ready, told = os.pipe()
        try:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                process = subprocess.Popen(
                    [
                        *launcher_argv(self.installation),
                        *("--template", str(self.address), "--modules", str(modules), "--ready", str(told)),
                        f"--room={'.' * _ROOM}",
                    ],
                    cwd=self.folder,
                    env=launcher_environment(self.installation, self.folder),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(told,),
                    umask=0o077,
                )
            os.close(told)
            told = -1
            if not select.select([ready], [], [], START_SECONDS)[0]:
                process.kill()
                process.wait()
                raise TemplateUnavailable(f"it was not ready after {START_SECONDS:g} s")
            if not os.read(ready, 4096):
                code = process.wait()
                raise TemplateUnavailable(f"it ended with code {code} while it was loading; {log} has its words")
            process.returncode = 0  # it outlives us on purpose: Popen must not warn of that
        finally:
            os.close(ready)
            if told >= 0:
                os.close(told)


def _launcher_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(resource("deploy", "launcher").glob("*.py")):
        content = path.read_bytes()
        digest.update(len(content).to_bytes(8) + content)
    return digest.hexdigest()[:12]
