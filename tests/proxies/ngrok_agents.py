"""The agents that the ngrok tests run: the stand-in of v3, and the real v2 agent from npm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.conftest import need

_STAND_IN = Path(__file__).with_name("ngrok_stand_in.py")
_V2 = "@expo/ngrok-bin-linux-x64@2.3.42"


def stand_in(directory: Path) -> Path:
    """The stand-in as an executable file that pyngrok can start."""
    agent = directory / "ngrok"
    agent.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_STAND_IN}" "$@"\n')
    agent.chmod(0o755)
    return agent


def real_v2_agent() -> Path:
    """ngrok's real v2 agent, fetched once with npm into the user's cache, outside the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "annotator-ops-tests" / "ngrok-v2"
    agent = cache / "package" / "ngrok"
    if not agent.is_file():
        npm = shutil.which("npm")
        need(npm, "npm, which brings the ngrok v2 agent")
        cache.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            [str(npm), "pack", "--silent", _V2], cwd=cache, capture_output=True, text=True, timeout=300, check=False
        )
        need(packed.returncode == 0, "the ngrok v2 agent (npm could not fetch it)")
        with tarfile.open(cache / packed.stdout.strip().splitlines()[-1]) as archive:
            archive.extract("package/ngrok", cache, filter="data")
        agent.chmod(0o755)
    return agent
