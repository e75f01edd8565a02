"""Puts the walls around itself, then becomes another program. Stand-alone; the sandbox is imported from a copy.

inside.py SPEC.json     {"deploy": folder, "walls": {…} or null, "report": file, "command": [program, argument …]}
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def main(path: str) -> None:
    spec: dict[str, Any] = json.loads(Path(path).read_text())
    sys.path.insert(0, spec["deploy"])
    from launcher import sandbox

    if spec["walls"] is not None:
        wanted = spec["walls"]
        walls = sandbox.Walls(
            read=tuple(wanted["read"]),
            write=tuple(wanted["write"]),
            memory=wanted["memory"],
            processes=wanted["processes"],
            uid=wanted["uid"],
            without=frozenset(wanted["without"]),
        )
        with Path(spec["report"]).open("w") as file:
            begin = time.perf_counter()
            report = sandbox.enclose(walls)
            milliseconds = (time.perf_counter() - begin) * 1000
            json.dump({"report": report, "missing": sandbox.missing(report), "milliseconds": milliseconds}, file)
    os.execv(spec["command"][0], spec["command"])  # noqa: S606  (to become that program is the point)


if __name__ == "__main__":
    main(sys.argv[1])
