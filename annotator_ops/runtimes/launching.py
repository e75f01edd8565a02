"""Layer 3. How a Label Studio process is launched: the one place to change when that changes."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from annotator_ops.errors import OpsError
from annotator_ops.models import InstanceSpec
from annotator_ops.processes import identify
from annotator_ops.resources import resource
from annotator_ops.runtimes.folder import Record, database_lock, open_log, rotate_log, write_private
from annotator_ops.runtimes.installation import Installation

HOST = "127.0.0.1"
BACKLOG = 128


def launch(spec: InstanceSpec, installation: Installation, *, migrations: str | None) -> Record:
    """Start an instance, detached, and write down that it runs. Call it under the instance's lock.

    `migrations` is the hash of an up-to-date database: with it the launcher need not ask Django.
    Raises OpsError with code "port-taken", "instance-locked" or "start-failed".
    """
    try:
        return _launch(spec, installation, migrations)
    except OSError as error:
        raise OpsError(
            f"Label Studio of {spec.annotator} could not be started: {error}.",
            hint=f"Look whether the disk of {spec.directory} is full, and run the command again.",
            code="start-failed",
        ) from error


def _launch(spec: InstanceSpec, installation: Installation, migrations: str | None) -> Record:
    directory = spec.directory
    with database_lock(directory) as database, listen(spec.port) as listener:
        for folder in (spec.data_dir, directory / "log", directory / "tmp"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(directory / "settings.json", _settings(spec, migrations))
        rotate_log(directory)
        return _spawn(spec, installation, listener=listener.fileno(), database=database)


def launcher_argv(installation: Installation, settings: Path) -> list[str]:
    """The command that runs the launcher in Label Studio's environment (isolated from ours); shows no secret."""
    return [str(installation.python), "-I", str(resource("deploy", "launch.py")), str(settings)]


def launcher_environment(installation: Installation, home: Path) -> dict[str, str]:
    """All that a process of Label Studio gets before it reads its settings: nothing is inherited from us."""
    return {
        "PATH": f"{installation.environment_dir}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
    }


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


def _settings(spec: InstanceSpec, migrations: str | None) -> dict[str, Any]:
    secrets = {key: secret.reveal() for key, secret in spec.secrets.items()}
    return {
        "environment": {**spec.environment, **secrets, "LABEL_STUDIO_BASE_DATA_DIR": str(spec.data_dir)},
        "host": HOST,
        "port": spec.port,
        "migrations": migrations,
    }


def _spawn(spec: InstanceSpec, installation: Installation, *, listener: int, database: int) -> Record:
    """Start the process. It inherits three descriptors:

    the socket, so that nobody can take the port in between; the lock on the database, for as long as it lives; and
    a pipe that lets it go on only after it has been written down: were we killed before that, it would end itself.
    """
    gate, opener = os.pipe()
    try:
        with open_log(spec.directory) as log:
            process = subprocess.Popen(
                [
                    *launcher_argv(installation, spec.directory / "settings.json"),
                    *("--socket", str(listener), "--gate", str(gate)),
                ],
                cwd=spec.directory,
                env=launcher_environment(installation, spec.directory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(listener, database, gate),
                umask=0o077,
            )
        process.returncode = 0  # it outlives us on purpose: Popen must not warn of that
        record = Record(spec.study, spec.annotator, spec.spec_hash, spec.port, identify(process.pid))
        record.write(spec.directory)
        os.write(opener, b"1")
    finally:
        os.close(gate)
        os.close(opener)
    return record
