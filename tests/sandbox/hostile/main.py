"""The program: every probe, here and in another interpreter."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

from . import files, network, processes, system
from .common import NothingChangedError, Probe, Targets

PROBES: dict[str, Probe] = {**files.PROBES, **network.PROBES, **processes.PROBES, **system.PROBES}

START = "import sys; sys.path.insert(0, sys.argv[1]); from hostile.main import main; main(sys.argv[1:])"

# A child is limited as its parent is; these have children of their own.
NOT_IN_CHILD = {"too much memory", "too many processes"}


def attempt(probe: Probe, targets: Targets) -> str:
    try:
        probe(targets)
    except OSError as error:
        return f"refused: {errno.errorcode.get(error.errno or 0, type(error).__name__)}"
    except MemoryError:
        return "refused: MemoryError"
    except NothingChangedError:
        return "refused: nothing changed"
    return "SUCCEEDED"


def in_another_interpreter(targets: Targets, path: str, names: list[str]) -> dict[str, str]:
    here = str(Path(__file__).parent.parent)
    command = [sys.executable, "-I", "-B", "-c", START, here, path, *names]
    listener = targets["listener"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, pass_fds=[listener])
    except OSError as error:
        return dict.fromkeys(names, f"refused: {error}")
    if result.returncode:
        return dict.fromkeys(names, f"BROKEN: {result.stderr[-500:]}")
    return dict(json.loads(result.stdout))


def main(arguments: list[str]) -> None:
    """Arguments: the folder of this package, a JSON file of targets, names of probes (none: all, twice)."""
    _, path, *names = arguments
    targets: Targets = json.loads(Path(path).read_text())
    results: dict[str, str] = {}
    if not names:
        # First, while there is still something to be had.
        others = [name for name in PROBES if name not in (*NOT_IN_CHILD, *targets["not_in_child"])]
        for name, result in in_another_interpreter(targets, path, others).items():
            results[f"child: {name}"] = result
    for name in names or PROBES:
        results[name] = attempt(PROBES[name], targets)
    sys.stdout.write(json.dumps(results))
