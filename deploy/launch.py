"""Starts one Label Studio, inside Label Studio's own environment. Imports nothing of annotator_ops.

    launch.py SETTINGS.json                serve
    launch.py SETTINGS.json --migrate      bring the database up to date (or make one) and end

SETTINGS.json belongs to the user that runs this, and nobody else may read it:

    {"environment": {"LABEL_STUDIO_BASE_DATA_DIR": "…", "SECRET_KEY": "…", …},
     "host": "127.0.0.1", "port": 8081, "migrations": "<hash of an up-to-date database, optional>"}

The process sees that environment and, of its former one, only PATH, LANG, HOME and TMPDIR. It serves on the port asked
for or not at all. Exit codes: 0 ended by SIGTERM, 2 settings refused, 98 the port is taken.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import hashlib
import importlib.util
import json
import os
import signal
import socket
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

SETTINGS_REFUSED = 2
PORT_TAKEN = 98
KEPT = ("PATH", "LANG", "HOME", "TMPDIR")
DATABASE = "label_studio.sqlite3"
BACKLOG = 128
SHORTEST_TOKEN = 5
DRAIN_SECONDS = 10.0

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def main(argv: list[str]) -> int:
    options = parse(argv)
    if options.gate is not None and not os.read(options.gate, 1):
        return 0  # whoever started us ended before writing down that we exist
    # At once: an exception raised here could be swallowed by whatever is being imported.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = read_settings(options.settings)
    replace_environment(settings["environment"])
    if options.migrate:
        set_up_django()
        migrate()
        say(f"migrations hash: {migrations_hash(data_dir() / DATABASE)}")
        return 0
    # Listening from the first moment holds the port; requests wait in the queue until Label Studio can answer them.
    listener = take_socket(options.socket) if options.socket is not None else listen(settings["host"], settings["port"])
    # Thousands of modules are about to be loaded for good: looking for garbage among them costs a third of the start.
    gc.disable()
    application = set_up_django()
    if migrations_hash(data_dir() / DATABASE) != settings.get("migrations"):
        migrate()
    ensure_operator()
    warm_urls()
    gc.enable()
    gc.freeze()
    serve(listener, application)
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="launch.py")
    parser.add_argument("settings", type=Path)
    parser.add_argument("--migrate", action="store_true")
    parser.add_argument("--socket", type=int, help="an inherited listening socket, instead of host and port")
    parser.add_argument("--gate", type=int, help="an inherited pipe: start when a byte comes, end when it closes")
    return parser.parse_args(argv)


def say(text: str) -> None:
    sys.stdout.write(f"launch: {text}\n")
    sys.stdout.flush()


def refuse(text: str, code: int) -> NoReturn:
    say(text)
    sys.exit(code)


# --- before Label Studio ---------------------------------------------------------------------------------------------


def read_settings(path: Path) -> dict[str, Any]:
    """The settings, from a file that belongs to this user and that nobody else can read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                refuse(
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
        refuse(f"cannot read {path}: {error.strerror}.", SETTINGS_REFUSED)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The message of a JSON error names a place in the file, never its content.
        refuse(f"{path} is not a settings file: {type(error).__name__}: {error}", SETTINGS_REFUSED)
    if not environment.get("LABEL_STUDIO_BASE_DATA_DIR"):
        refuse(f"{path} sets no LABEL_STUDIO_BASE_DATA_DIR.", SETTINGS_REFUSED)
    return dict(settings)


def replace_environment(environment: dict[str, str]) -> None:
    kept = {key: os.environ[key] for key in KEPT if key in os.environ}
    os.environ.clear()
    os.environ.update(kept | environment)


def data_dir() -> Path:
    return Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"])


def take_socket(descriptor: int) -> socket.socket:
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    return listener


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on exactly this port; the process ends with PORT_TAKEN where somebody else has it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    # A port that a former instance has just left may be in TIME_WAIT; this does not share it with a live listener.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            refuse(f"port {port} on {host} is taken by another program ({error.strerror}).", PORT_TAKEN)
        raise
    return listener


# --- Label Studio ----------------------------------------------------------------------------------------------------


def set_up_django() -> WSGIApp:
    """What `label-studio start` does before it looks at the database."""
    found = importlib.util.find_spec("label_studio")
    if found is None or not found.submodule_search_locations:
        refuse("Label Studio is not installed in this environment.", SETTINGS_REFUSED)
    sys.path.insert(0, found.submodule_search_locations[0])
    os.environ["DJANGO_SETTINGS_MODULE"] = "label_studio.core.settings.label_studio"
    from django.core.wsgi import get_wsgi_application

    application: WSGIApp = get_wsgi_application()
    return application


def migrations_hash(database: Path) -> str | None:
    """A hash of the migrations that a database has had; None where there is no migrated database.

    A database that was just migrated by some version of Label Studio has that version's hash. Comparing it takes a
    millisecond, where Django's own check loads every migration.
    """
    if not database.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
    except sqlite3.OperationalError:
        return None
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def migrate() -> None:
    """Run the migrations that are missing; an existing database is copied first, beside itself."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    database = data_dir() / DATABASE
    is_new = migrations_hash(database) is None
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    on_disk = executor.loader.disk_migrations
    # A squashed migration also enters those that it replaces, which are no longer on disk.
    known = set(on_disk).union(*(map(tuple, migration.replaces) for migration in on_disk.values()))
    unknown = set(executor.loader.applied_migrations) - known
    if unknown and not is_new:
        newer = ", ".join(sorted(f"{app}.{name}" for app, name in unknown)[:3])
        refuse(f"the database comes from a newer Label Studio (migrations {newer}): not touched.", SETTINGS_REFUSED)
    if not missing:
        return
    if not is_new:
        connection.close()
        back_up(database)
    say(f"migrations to apply: {len(missing)}")
    # One "Applying …" line for each: whoever waits can count them.
    call_command("migrate", interactive=False, no_color=True, verbosity=1)
    connection.close()


def back_up(database: Path) -> None:
    copy = database.with_name(f"{database.name}.before-migration-{time.strftime('%Y%m%dT%H%M%S')}")
    partial = copy.with_suffix(".partial")
    with (
        contextlib.closing(sqlite3.connect(database)) as source,
        contextlib.closing(sqlite3.connect(partial)) as target,
    ):
        source.backup(target)
    partial.rename(copy)
    say(f"the database is older than this Label Studio; kept a copy as {copy.name} before migrating it.")


def ensure_operator() -> None:
    """The operator's account, made as `label-studio start` makes it, with a token that the API accepts.

    Looking first saves the password hash that Label Studio computes at each start. Settings whose token differs from
    the database's are the newer ones (the file with the credentials was lost): the account follows them.
    """
    from django.db import transaction
    from label_studio.core.utils.params import get_env
    from rest_framework.authtoken.models import Token
    from users.models import User

    email, password, token = get_env("USERNAME"), get_env("PASSWORD"), get_env("USER_TOKEN")
    if not email or not password:
        return
    if token and len(token) <= SHORTEST_TOKEN:
        # Label Studio would go on with a token of its own, and print ours.
        refuse(
            "LABEL_STUDIO_USER_TOKEN is too short: Label Studio ignores tokens of five characters.", SETTINGS_REFUSED
        )
    with transaction.atomic():
        user = User.objects.filter(email=email).first()
        if user is None:
            from label_studio.server import _create_user

            choices = {"username": email, "password": password, "user_token": token}
            user = _create_user(argparse.Namespace(**choices, quiet_mode=True, enable_legacy_api_token=True), {})
        if token and not Token.objects.filter(user=user, key=token).exists():
            Token.objects.filter(user=user).delete()
            Token.objects.create(user=user, key=token)
            user.set_password(password)
            user.save()


def warm_urls() -> None:
    """Load what the first request would load, so that several first requests at once don't."""
    from django.urls import get_resolver

    _ = get_resolver().url_patterns


# --- serving ---------------------------------------------------------------------------------------------------------


class InFlight:
    """Counts the requests being answered, so that the end can wait for them."""

    def __init__(self, application: WSGIApp) -> None:
        self._application = application
        self._count = 0
        self._changed = threading.Condition()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._changed:
            self._count += 1
        try:
            response = self._application(environ, start_response)
        except BaseException:
            self._leave()
            raise
        return _Closing(response, self._leave)

    def _leave(self) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def drained(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout=seconds)


class _Closing:
    """A WSGI response that says when the server is done with it."""

    def __init__(self, response: Iterable[bytes], done: Callable[[], None]) -> None:
        self._response = response
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response)

    def close(self) -> None:
        try:
            close = getattr(self._response, "close", None)
            if close is not None:
                close()
        finally:
            self._done()


def serve(listener: socket.socket, application: WSGIApp) -> None:
    """Answer requests until SIGTERM, then finish those that have begun. The one place that knows the server."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    class Handler(WSGIRequestHandler):  # type: ignore[misc, no-any-unimported, unused-ignore]
        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Nothing: the proxy keeps the access log, without the queries, in which invitations carry their token."""

    counted = InFlight(application)
    host, port = listener.getsockname()[:2]
    server = ThreadedWSGIServer((host, port), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = host, port
    server.setup_environ()
    server.set_app(counted)
    # `shutdown` waits for the loop that this signal interrupts, hence the thread.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    say(f"serving on {host}:{port}")
    server.serve_forever(poll_interval=0.1)
    server.socket.close()
    say("ended" if counted.drained(DRAIN_SECONDS) else f"ended; a request took over {DRAIN_SECONDS:g} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
