"""Stand-alone: the launcher, but an instance that is ready to serve does something else.

Run in Label Studio's environment in place of deploy/launch.py: `instead.py DEPLOY_FOLDER FILE (launch.py's arguments)`.
FILE is a Python file with a function `instead`, which is called as `serving.serve` would be.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    deploy, file = sys.argv.pop(1), sys.argv.pop(1)
    sys.path.insert(0, deploy)
    import launch
    from launcher import serving

    sys.path.remove(deploy)
    found = importlib.util.spec_from_file_location("other", file)
    assert found is not None
    assert found.loader is not None
    other = importlib.util.module_from_spec(found)
    found.loader.exec_module(other)
    serving.serve = other.instead
    sys.argv[0] = str(Path(deploy, "launch.py"))
    sys.exit(launch.main(sys.argv[1:]))
