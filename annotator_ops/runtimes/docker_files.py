"""Layer 3. What a container finds in its instance's directory: the data, the settings, and whose they are."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from annotator_ops.errors import OpsError
from annotator_ops.files import write_private
from annotator_ops.models import InstanceSpec
from annotator_ops.runtimes.docker_container import Program, settings_file, settings_of
from annotator_ops.runtimes.owner import Owner, give
from annotator_ops.runtimes.seed import DATABASE


def put_database(spec: InstanceSpec, database: bytes, owner: Owner) -> None:
    """Make the data directory with `database` in it, belonging to `owner`: whole or not at all, and never over another.

    Raises OpsError (code "disk-full" or "seed-failed").
    """
    try:
        spec.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = Path(tempfile.mkdtemp(prefix="data.", suffix=".partial", dir=spec.directory))
        try:
            with (partial / DATABASE).open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(database)
                file.flush()
                os.fsync(file.fileno())
            give(partial / DATABASE, owner)
            give(partial, owner)
            partial.rename(spec.data_dir)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and spec.data_dir.is_dir():  # somebody else was first
            return
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OpsError(
            f"The data directory of {spec.annotator} could not be made: {error}.",
            hint="Free some disk space."
            if full
            else f"See that {spec.directory.parent} is a folder that you may write to.",
            code="disk-full" if full else "seed-failed",
        ) from error


def write_settings(spec: InstanceSpec, program: Program, owner: Owner) -> None:
    """Write the settings, secrets included, for the container's user alone (0600).

    They are written at every start: secrets may change without the spec's hash.
    """
    # Only root can give a file away; whatever another caller makes is its own already.
    given = (owner.uid, owner.gid) if os.geteuid() == 0 else None
    write_private(settings_file(spec.directory), settings_of(spec, program), owner=given)
