"""The template: a process that has loaded Label Studio's third-party modules once, and forks an instance a request.

Loading them is what an ordinary start spends its time and memory on; a forked instance has them already, shared with
its siblings until one writes to them. Nothing of Label Studio or of Django's settings is set up here: each instance
does that itself, with its own environment, on the ordinary way (`instance.run`).

One request is one message on a unix socket: {"settings": file, "directory": the instance's folder, "environment":
{PATH, LANG, HOME, TMPDIR}} with four descriptors: the listening socket, the lock on the database, the log, and the line
to the starter. The answer is {"pid": …} or {"error": why}.

An instance that ends by itself, though nobody stopped it, is started again after a moment (`Revival`). When the
template dies, instances live on; they are then started again by the next `ops provision` or `ops start` only. With no
instance left it ends after IDLE_SECONDS.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from launcher import allocation, instance
from launcher.revival import Revival

IDLE_SECONDS = 60.0
LOADING_THRESHOLD = 5000  # new objects between two looks for garbage; Python's own is 700
MESSAGE_BYTES = 65536
DESCRIPTORS = 4
_PEER = struct.Struct("3i")  # struct ucred: pid, uid, gid


@dataclass(frozen=True, slots=True)
class Request:
    """What to start, and with which descriptors: listening socket, lock on the database, log, line to the starter."""

    settings: Path
    directory: Path
    environment: dict[str, str]
    listener: int
    database: int
    log: int
    line: int

    def close(self) -> None:
        for descriptor in (self.listener, self.database, self.log, self.line):
            os.close(descriptor)


def serve(address: Path, *, modules: Path | None, hold: int | None) -> int:
    """Load the modules, listen at `address` and fork instances until none is left.

    `hold` is a lock that whoever waits for us wants: it is given back once we listen, or with our death.
    """
    allocation.be_thrifty()
    title = _Title()
    title.write(["label-studio: template", str(address)])
    # Looking for garbage costs a quarter of the time; never looking would leave holes between what stays, which each
    # instance then fills, and so gets for itself (6 MB each).
    usual = gc.get_threshold()
    gc.set_threshold(LOADING_THRESHOLD, *usual[1:])
    loaded, failed = load(json.loads(modules.read_text()) if modules is not None else [])
    gc.set_threshold(*usual)
    # What is here now stays for good: neither this process nor an instance looks for garbage among it, which would
    # write to every page of it.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(os.fsencode(address))
        server.listen(64)
        server.settimeout(0)
        sys.stdout.write(f"template: {loaded} modules loaded, {failed} left to the instances\n")
        sys.stdout.flush()
        if hold is not None:
            os.close(hold)
        _Loop(server, title).run()
    return 0


def load(names: Sequence[str]) -> tuple[int, int]:
    """Import what can be imported without Django's settings. Returns how many modules there are, and how many are not.

    The list is a hint and no more: what cannot be imported here, an instance imports for itself.
    """
    failed = 0
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - whatever it needs, such as Django's settings, is not here
            failed += 1
    return len(names) - failed, failed


class _Loop:
    """Waits for requests and for instances that end. One thread: a fork copies no other."""

    def __init__(self, server: socket.socket, title: _Title) -> None:
        self._server = server
        self._title = title
        self._selector = selectors.DefaultSelector()
        self._revival = Revival(self._start_again)
        self._idle_since = time.monotonic()

    def run(self) -> None:
        woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(woken, selectors.EVENT_READ)
        while not self._is_idle():
            for key, _ in self._selector.select(timeout=self._revival.next_due(default=IDLE_SECONDS / 4)):
                if key.fileobj is self._server:
                    self._accept()
                else:
                    os.read(woken, 4096)
            self._revival.look()

    def _is_idle(self) -> bool:
        if self._revival.busy:
            self._idle_since = time.monotonic()
        return time.monotonic() - self._idle_since > IDLE_SECONDS

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:  # whoever asked has given up
            return
        self._idle_since = time.monotonic()
        with connection:
            connection.settimeout(10)
            _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            if uid != os.geteuid():
                return
            request: Request | None = None
            try:
                request = _receive(connection)
                if request is None:
                    return
                pid = self._fork(request)
                answer: dict[str, Any] = {"pid": pid}
                self._revival.watch(pid, request.settings, request.directory, request.environment)
            except (OSError, ValueError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            finally:
                if request is not None:
                    request.close()
            with contextlib.suppress(OSError):
                connection.send(json.dumps(answer).encode())

    def _start_again(self, request: Request) -> int:
        try:
            return self._fork(request)
        finally:
            request.close()

    def _fork(self, request: Request) -> int:
        pid = os.fork()
        if pid == 0:
            become(request, self._title)
        return pid


def _receive(connection: socket.socket) -> Request | None:
    """The request on a connection; None where it was closed without one, as by somebody who only looks."""
    message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE_BYTES, DESCRIPTORS)
    if not message:
        return None
    try:
        content = json.loads(message)
        listener, database, log, line = descriptors
        return Request(
            Path(content["settings"]),
            Path(content["directory"]),
            dict(content["environment"]),
            listener=listener,
            database=database,
            log=log,
            line=line,
        )
    except (ValueError, KeyError, TypeError):
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def become(request: Request, title: _Title) -> NoReturn:
    """In a forked process: be that instance, as if it had been started by itself, and end with it."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.umask(0o077)
        _only_descriptors(request)
        title.write(["label-studio", str(request.settings)])
        os.environ.clear()
        os.environ.update(request.environment)
        os.chdir(request.directory)
        _forget()
        code = instance.run(request.settings, listener=request.listener, line=request.line)
    except BaseException:  # noqa: BLE001 - nothing may escape into the template's own code
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _only_descriptors(request: Request) -> None:
    """Standard input from nowhere, output into the log; of the others only this instance's own stay open."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(request.log, 1)
    os.dup2(request.log, 2)
    keep = {0, 1, 2, request.listener, request.database, request.line}
    for descriptor in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _forget() -> None:
    """What modules remember of the template that an instance has to find out for itself."""
    import tempfile

    tempfile.tempdir = None
    sys.argv = sys.argv[:1]
    # Python seeds its own dice anew in a fork; numpy does not.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


class _Title:
    """The command line of this process as `ps` shows it: written over where the kernel keeps it."""

    def __init__(self) -> None:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        self._start, self._end = int(fields[45]), int(fields[46])

    def write(self, words: Sequence[str]) -> None:
        room = self._end - self._start
        if self._start <= 0 or room <= 0:
            return
        text = b"\0".join(os.fsencode(word) for word in words)[: room - 1]
        ctypes.memmove(self._start, text.ljust(room, b"\0"), room)
