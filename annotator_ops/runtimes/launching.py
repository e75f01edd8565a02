"""Layer 3. How an instance is launched: forked from the template, or, where that cannot be, started by itself."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from dataclasses import dataclass, replace
from typing import BinaryIO

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec
from annotator_ops.processes import identify
from annotator_ops.runtimes.folder import Record, database_lock, open_log, rotate_log, write_private
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.launcher import (
    HOST,
    SANDBOX_MISSING,
    Line,
    launcher_argv,
    launcher_environment,
    line,
    settings_of,
)
from annotator_ops.runtimes.owner import Owner, give, not_owned_by, own_uid
from annotator_ops.runtimes.template import Template, TemplateUnavailable

BACKLOG = 128
REPORT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Launcher:
    """Launches instances of one installation.

    `migrations` is the hash of an up-to-date database: with it the instance need not ask Django. `warm`: fork them from
    the template where that works.
    """

    installation: Installation
    migrations: str | None
    warm: bool = True

    def launch(self, spec: InstanceSpec) -> Record:
        """Start an instance, detached, and write down that it runs. Call it under the instance's lock.

        Raises OpsError with code "port-taken", "instance-locked", "sandbox-incomplete", "memory-short" or
        "start-failed".
        """
        try:
            return self._launch(spec)
        except OSError as error:
            raise _start_failed(spec, error) from error

    def _launch(self, spec: InstanceSpec) -> Record:
        directory = spec.directory
        with database_lock(directory) as database, listen(spec.port) as listener:
            owner = _owner(spec)
            for folder in (spec.data_dir, directory / "log", directory / "tmp"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if owner is not None:
                for foreign in (*not_owned_by(spec.data_dir, owner.uid), *not_owned_by(directory / "tmp", owner.uid)):
                    give(foreign, owner)
            settings = settings_of(spec, self.installation, migrations=self.migrations, owner=owner)
            write_private(directory / "settings.json", settings)
            rotate_log(directory)
            with open_log(directory) as log:
                return self._start(spec, (listener.fileno(), database), log)

    def _start(self, spec: InstanceSpec, held: tuple[int, int], log: BinaryIO) -> Record:
        """Warm, or else the ordinary way. `held`: the socket and the lock, which the instance keeps."""
        note = ""
        if self.warm:
            # A line for each try: an instance that a dying template may have left behind ends with the first.
            try:
                with line() as to_instance:
                    return self._go(spec, to_instance, self._fork(spec, held, log, to_instance), note)
            except TemplateUnavailable as error:
                note = f"started the ordinary way, with more time and memory, because of the template: {error}"
        with line() as to_instance:
            return self._go(spec, to_instance, self._spawn(spec, held, log, to_instance), note)

    def _fork(self, spec: InstanceSpec, held: tuple[int, int], log: BinaryIO, to_instance: Line) -> int:
        template = Template(self.installation)
        template.ensure()
        return template.fork(
            spec.directory / "settings.json",
            launcher_environment(self.installation, spec.directory),
            (*held, log.fileno(), to_instance.theirs.fileno()),
        )

    def _spawn(self, spec: InstanceSpec, held: tuple[int, int], log: BinaryIO, to_instance: Line) -> int:
        theirs = to_instance.theirs.fileno()
        settings = spec.directory / "settings.json"
        process = subprocess.Popen(
            launcher_argv(self.installation, str(settings), "--socket", str(held[0]), "--line", str(theirs)),
            cwd=spec.directory,
            env=launcher_environment(self.installation, spec.directory),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(*held, theirs),
            umask=0o077,
        )
        process.returncode = 0  # it outlives us on purpose: Popen must not warn of that
        return process.pid

    def _go(self, spec: InstanceSpec, to_instance: Line, pid: int, note: str) -> Record:
        """Write down that it exists, and only then let it start: were we killed before, it would end by itself."""
        record = Record(spec.study, spec.annotator, spec.spec_hash, spec.port, identify(pid), note=note)
        record.write(spec.directory)
        to_instance.go()
        report = to_instance.hear(REPORT_SECONDS)
        if report.refusal is not None and report.code == SANDBOX_MISSING:
            raise _sandbox_incomplete(spec, report.refusal)
        if report.walls is not None:
            record = replace(record, walls=report.walls)
            record.write(spec.directory)
        return record


def listen(port: int) -> socket.socket:
    """A listening socket on the port. Raises OpsError with code "port-taken"."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port that a former instance has just left may be in TIME_WAIT; this does not share it with a live listener.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise OpsError(
            f"Port {port} on {HOST} is taken by another program.",
            hint=f"`ss -ltnp 'sport = :{port}'` names it. End it, or let provision choose another port.",
            code="port-taken",
        ) from error
    return listener


def _owner(spec: InstanceSpec) -> Owner | None:
    """Whom the instance becomes: as root one user for each, who owns nothing else; else it stays who we are."""
    if os.geteuid() != 0:
        return None
    uid = own_uid(spec.study, spec.annotator)
    return Owner(uid, uid)


def _sandbox_incomplete(spec: InstanceSpec, refusal: str) -> OpsError:
    return OpsError(
        f"{spec.annotator}'s Label Studio was not started: {refusal}.",
        hint="`ops doctor` shows what this machine has. Use a newer kernel or Docker (`runtime: docker`), or set "
        "`limits: {sandbox: available}` in study.yaml to go on with the walls that there are.",
        code="sandbox-incomplete",
    )


def _start_failed(spec: InstanceSpec, error: OSError) -> OpsError:
    what = f"Label Studio of {spec.annotator} could not be started"
    if error.errno in (errno.ENOMEM, errno.EAGAIN):
        return OpsError(
            f"{what}: this machine has no memory or process left for it ({error.strerror}).",
            hint="End other programs, or give fewer annotators an instance at the same time (`ops stop NAME`).",
            code="memory-short",
        )
    return OpsError(
        f"{what}: {error}.",
        hint=f"Look whether the disk of {spec.directory} is full, and run the command again.",
        code="start-failed",
    )
