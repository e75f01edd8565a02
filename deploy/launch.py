"""Starts Label Studio, inside Label Studio's own environment. Imports nothing of annotator_ops.

    launch.py SETTINGS.json                serve one instance
    launch.py SETTINGS.json --migrate      bring the database up to date (or make one) and end
    launch.py SETTINGS.json --list-modules FILE
                                           use it for a moment, and write down which modules it has loaded
    launch.py --try-walls                  print as JSON which walls of the sandbox this machine has
    launch.py --template SOCKET --modules FILE --hold N
                                           load Label Studio's modules once, and fork an instance for each request

What it does is in the folder `launcher` beside it; `launcher/instance.py` says what SETTINGS.json holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def main(argv: list[str]) -> int:
    # In isolated mode this folder is not searched. Only for as long as the launcher itself is loaded: it holds names
    # that must not be found in place of Label Studio's.
    here = str(Path(__file__).resolve().parent)
    sys.path.insert(0, here)
    from launcher import instance, sandbox, template

    sys.path.remove(here)
    sys.path.append(here)  # last: where an image has no waitress, the one that was put beside this file is taken
    options = parse(argv)
    if options.try_walls:
        print(json.dumps(sandbox.try_out()))
        return 0
    if options.template is not None:
        return template.serve(options.template, modules=options.modules, hold=options.hold)
    if options.migrate:
        return instance.migrate(options.settings)
    if options.list_modules is not None:
        return instance.list_modules(options.settings, options.list_modules)
    return instance.run(options.settings, listener=options.socket, line=options.line)


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launch.py")
    parser.add_argument("settings", type=Path, nargs="?")
    parser.add_argument("--migrate", action="store_true")
    parser.add_argument("--try-walls", action="store_true")
    parser.add_argument("--list-modules", type=Path, metavar="FILE")
    parser.add_argument("--socket", type=int, help="an inherited listening socket, instead of host and port")
    parser.add_argument("--line", type=int, help="an inherited socket to whoever starts us (see instance.py)")
    parser.add_argument("--template", type=Path, help="be the template process, and listen on this unix socket")
    parser.add_argument("--modules", type=Path, help="a JSON list of the modules that the template loads")
    parser.add_argument("--hold", type=int, help="an inherited lock, given back when the template listens")
    parser.add_argument("--room", help="no meaning: room in which a forked instance writes its own name for `ps`")
    options = parser.parse_args(argv)
    if sum((options.settings is not None, options.template is not None, options.try_walls)) != 1:
        parser.error("one of SETTINGS.json, --template and --try-walls")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
