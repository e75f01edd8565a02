"""The life of one instance, whichever way it is started: settings, sandbox, Label Studio, serving.

SETTINGS.json belongs to the user that runs this, and nobody else may read it:

    {"environment": {"LABEL_STUDIO_BASE_DATA_DIR": "…", "SECRET_KEY": "…", …},
     "host": "127.0.0.1", "port": 8081,
     "migrations": "<hash of an up-to-date database, optional>",
     "access_log": "<file, optional>",
     "sandbox": {"mode": "required" | "available", "read": […], "write": […], "memory": bytes, "processes": number,
                 "uid": number or null, "without": […]}}          (left out: no sandbox, as in a container)

The process sees that environment and, of its former one, only PATH, LANG, HOME and TMPDIR. It serves on the port asked
for or not at all. Exit codes: 0 ended by SIGTERM, 2 settings refused, 3 the sandbox is not complete, 98 the port is
taken.

`line` is a socket to whoever starts us. We wait for one byte on it, which comes once it is written down that we exist,
and end where it closes instead: a starter that is killed leaves no orphan. Back goes one line of JSON: {"sandbox": the
report of what is in force} or {"refused": why}.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Any

from launcher import allocation, labelstudio, rehearsal, sandbox, serving

SETTINGS_REFUSED = 2
SANDBOX_MISSING = 3
PORT_TAKEN = 98
# After these there is no use in starting it again.
FINAL = (0, SETTINGS_REFUSED, SANDBOX_MISSING, PORT_TAKEN)
KEPT = ("PATH", "LANG", "HOME", "TMPDIR")
BACKLOG = 128


class Refusal(Exception):  # noqa: N818 - named for what happened
    """Why this instance is not started, in words, and the exit code that says so."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def run(settings_file: Path, *, listener: int | None = None, line: int | None = None) -> int:
    """Serve one instance until SIGTERM; returns the exit code."""
    starter = None if line is None else socket.socket(fileno=line)
    if starter is not None and not starter.recv(1):
        return 0  # whoever started us ended before writing down that we exist
    # At once: an exception raised here could be swallowed by whatever is being imported.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    allocation.be_thrifty()
    try:
        settings = read_settings(settings_file)
        # Listening from the first moment holds the port; requests wait in the queue until they can be answered.
        listening = listen(settings["host"], settings["port"]) if listener is None else take_socket(listener)
        access = open_access_log(settings)
        enclose(settings, starter)
        _start(settings)
    except (Refusal, labelstudio.Unfit) as error:
        code = error.code if isinstance(error, Refusal) else SETTINGS_REFUSED
        say(str(error))
        tell(starter, {"refused": str(error), "code": code})
        return code
    serving.serve(listening, labelstudio.application(), access=access, say=say)
    return 0


def _start(settings: dict[str, Any]) -> None:
    replace_environment(settings["environment"])
    # Thousands of modules are about to be loaded for good: looking for garbage among them costs a third of the start.
    gc.disable()
    labelstudio.set_up()
    if labelstudio.migrations_hash(labelstudio.database()) != settings.get("migrations"):
        labelstudio.migrate(say)
    labelstudio.ensure_operator()
    labelstudio.load_urls()
    gc.enable()
    gc.freeze()


def migrate(settings_file: Path) -> int:
    """Bring the database up to date, or make one, and say which it is by the hash of its migrations."""
    try:
        settings = read_settings(settings_file)
        replace_environment(settings["environment"])
        labelstudio.set_up()
        labelstudio.migrate(say)
    except (Refusal, labelstudio.Unfit) as error:
        say(str(error))
        return SETTINGS_REFUSED
    say(f"migrations hash: {labelstudio.migrations_hash(labelstudio.database())}")
    return 0


def list_modules(settings_file: Path, target: Path) -> int:
    """Write into `target` which modules a Label Studio has that was used for a while; spends its database on that."""
    try:
        settings = read_settings(settings_file)
        replace_environment(settings["environment"])
        labelstudio.set_up()
        modules = rehearsal.rehearse()
    except (Refusal, labelstudio.Unfit) as error:
        say(str(error))
        return SETTINGS_REFUSED
    target.write_text(json.dumps(modules, indent=0))
    return 0


# --- what it is told -------------------------------------------------------------------------------------------------


def read_settings(path: Path) -> dict[str, Any]:
    """The settings, from a file that belongs to this user and that nobody else can read. Raises Refusal."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise Refusal(
                    f"{path} holds secrets: it must belong to uid {os.geteuid()} and have mode 0600 or 0400, "
                    f"but it belongs to uid {status.st_uid} and has mode {stat.S_IMODE(status.st_mode):04o}.",
                    SETTINGS_REFUSED,
                )
            settings = json.load(file)
        environment = settings["environment"]
        if not (
            all(isinstance(key, str) and isinstance(value, str) for key, value in environment.items())
            and isinstance(settings["host"], str)
            and isinstance(settings["port"], int)
        ):
            raise TypeError("a value has the wrong type")
    except OSError as error:
        raise Refusal(f"cannot read {path}: {error.strerror}.", SETTINGS_REFUSED) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The message of a JSON error names a place in the file, never its content.
        raise Refusal(f"{path} is not a settings file: {type(error).__name__}: {error}", SETTINGS_REFUSED) from error
    if not environment.get("LABEL_STUDIO_BASE_DATA_DIR"):
        raise Refusal(f"{path} sets no LABEL_STUDIO_BASE_DATA_DIR.", SETTINGS_REFUSED)
    return dict(settings)


def replace_environment(environment: dict[str, str]) -> None:
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    os.environ.clear()
    os.environ.update(kept | environment)


def open_access_log(settings: dict[str, Any]) -> int | None:
    """The access log's descriptor, opened while that place can still be reached."""
    path = settings.get("access_log")
    return None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def take_socket(descriptor: int) -> socket.socket:
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on exactly this port. Raises Refusal (PORT_TAKEN) where somebody else has it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # A port that a former instance has just left may be in TIME_WAIT; this does not share it with a live listener.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            taken = f"port {port} on {host} is taken by another program ({error.strerror})."
            raise Refusal(taken, PORT_TAKEN) from error
        raise
    return listener


# --- the sandbox -----------------------------------------------------------------------------------------------------


def enclose(settings: dict[str, Any], starter: socket.socket | None) -> None:
    """Put the sandbox around this process, and say what of it is in force. Raises Refusal where all was required."""
    wanted = settings.get("sandbox")
    if wanted is None:
        tell(starter, {"sandbox": None})
        return
    walls = sandbox.Walls(
        # And the launcher, wherever it is loaded from: a template's may be another copy than our starter's.
        read=(*wanted["read"], str(Path(__file__).resolve().parent)),
        write=tuple(wanted["write"]),
        memory=wanted["memory"],
        processes=wanted["processes"],
        uid=wanted["uid"],
        without=frozenset(wanted.get("without", ())),
    )
    report = sandbox.enclose(walls)
    missing = sandbox.missing(report)
    if missing and wanted["mode"] == "required":
        raise Refusal(f"the sandbox is not complete: {'; '.join(missing)}", SANDBOX_MISSING)
    for line in missing:
        say(f"sandbox: {line}")
    tell(starter, {"sandbox": report})


def tell(starter: socket.socket | None, message: dict[str, Any]) -> None:
    """One line to whoever started us. That it is gone by now is no matter: we are written down."""
    if starter is None:
        return
    with contextlib.suppress(OSError), starter:
        starter.sendall(json.dumps(message).encode() + b"\n")


def say(text: str) -> None:
    sys.stdout.write(f"launch: {text}\n")
    sys.stdout.flush()
