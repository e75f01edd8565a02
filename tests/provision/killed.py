"""Runs `ops provision` and ends it with SIGKILL right after the N-th recorded effect. Used by test_killed.py."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from annotator_ops.cli.board import SilentBoard
from annotator_ops.cli.wiring import workbench
from annotator_ops.steps.provision import provision
from annotator_ops.store.database import Store


def main(study: Path, after: int) -> None:
    """Exit code 0 means that provision came to its end before the N-th effect."""
    recorded = 0
    lock = threading.Lock()
    write = Store.audit

    def audit(self: Store, action: str, subject: str, detail: str = "") -> None:
        nonlocal recorded
        write(self, action, subject, detail)
        with lock:
            recorded += 1
            if recorded == after:
                os.kill(os.getpid(), signal.SIGKILL)

    Store.audit = audit  # type: ignore[method-assign]  # the fault is injected here, not in the program
    with workbench(study, SilentBoard(), check=True) as opened:
        result = provision(opened.bench)
        assert result.exit_code == 0, result


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
