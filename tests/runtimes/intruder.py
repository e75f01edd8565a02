"""What an instance does in place of serving (see instead.py): run somebody's own code, which tries to get out.

That code is in the instance's own data folder, with its targets; what came of it goes into `result.json` there.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any


def instead(listener: socket.socket, *_: Any, **__: Any) -> None:
    data = Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"])
    sys.path.insert(0, str(data))
    from hostile.main import NOT_IN_CHILD, PROBES, attempt, in_another_interpreter

    targets = json.loads((data / "targets.json").read_text()) | {"listener": listener.fileno()}
    (data / "targets.json").write_text(json.dumps(targets))
    names = [name for name in PROBES if name not in targets["spare"]]
    in_child = [name for name in names if name not in NOT_IN_CHILD]
    results = {
        f"child: {name}": said
        for name, said in in_another_interpreter(targets, str(data / "targets.json"), in_child).items()
    }
    results |= {name: attempt(PROBES[name], targets) for name in names}
    (data / "result.partial").write_text(json.dumps(results))
    (data / "result.partial").rename(data / "result.json")
