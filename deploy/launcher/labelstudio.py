"""Label Studio itself: Django's set-up, the database and how it is opened, the operator's account."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

DATABASE = "label_studio.sqlite3"
SHORTEST_TOKEN = 5
PBKDF2 = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
# How long a request waits for another one's write. Label Studio writes for milliseconds, an import for seconds.
BUSY_SECONDS = 20

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Unfit(Exception):  # noqa: N818 - named for what happened
    """Why this Label Studio cannot serve with these settings, in words."""


def data_dir() -> Path:
    return Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"])


def database() -> Path:
    return data_dir() / DATABASE


def set_up() -> None:
    """What `label-studio start` does before it looks at the database. Raises Unfit."""
    found = importlib.util.find_spec("label_studio")
    if found is None or not found.submodule_search_locations:
        raise Unfit("Label Studio is not installed in this environment.")
    sys.path.insert(0, found.submodule_search_locations[0])
    os.environ["DJANGO_SETTINGS_MODULE"] = "label_studio.core.settings.label_studio"
    import django
    import yaml

    # The same parser of the same library, in C: Label Studio reads long YAML files as it starts, and spends a third of
    # its own set-up on them in Python.
    setattr(yaml, "SafeLoader", getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: B010 - to mypy it is a type

    django.setup(set_prefix=False)
    _tune_passwords()
    _tune_database()


def application() -> WSGIApp:
    from django.core.handlers.wsgi import WSGIHandler

    return WSGIHandler()  # type: ignore[no-any-return, unused-ignore]


def _tune_passwords() -> None:
    """See passwords.py. The kind of hash stays the same, so that each Label Studio understands what another kept."""
    from django.conf import settings

    hashers = [name for name in settings.PASSWORD_HASHERS if name != PBKDF2]
    settings.PASSWORD_HASHERS = ["launcher.passwords.MachineMade", *hashers]


def _tune_database() -> None:
    """How every connection to the database is opened.

    Readers do not wait for a writer (WAL), and what was answered is on the disk (synchronous FULL). A transaction takes
    its right to write when it begins, and waits for it: one that asks for it halfway is refused at once, and
    annotators see "database is locked". Temporary tables stay in memory: SQLite chooses its folder for temporary files
    when it is first loaded, which may have been before this process had a folder of its own.
    """
    from django.db import connections
    from django.db.backends.signals import connection_created

    connections.settings["default"]["OPTIONS"]["transaction_mode"] = "IMMEDIATE"

    def tune(connection: Any, **_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA temp_store = MEMORY")
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            # Where the file system cannot do it (no shared memory, no locks), SQLite stays with its rollback journal.
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")

    # Not weak: nothing else holds this function.
    connection_created.connect(tune, weak=False, dispatch_uid="annotator_ops")


def load_urls() -> None:
    """Load what the first request would load, so that several first requests at once don't."""
    from django.urls import get_resolver

    _ = get_resolver().url_patterns


# --- the database ----------------------------------------------------------------------------------------------------


def migrations_hash(path: Path) -> str | None:
    """A hash of the migrations that a database has had; None where there is no migrated database.

    A database that was just migrated by some version of Label Studio has that version's hash. Comparing it takes a
    millisecond, where Django's own check loads every migration.
    """
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
    except sqlite3.OperationalError:
        return None
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def migrate(say: Callable[[str], None]) -> None:
    """Run the migrations that are missing; an existing database is copied first, beside itself. Raises Unfit."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    is_new = migrations_hash(database()) is None
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    on_disk = executor.loader.disk_migrations
    # A squashed migration also enters those that it replaces, which are no longer on disk.
    known = set(on_disk).union(*(map(tuple, migration.replaces) for migration in on_disk.values()))
    unknown = set(executor.loader.applied_migrations) - known
    if unknown and not is_new:
        newer = ", ".join(sorted(f"{app}.{name}" for app, name in unknown)[:3])
        raise Unfit(f"the database comes from a newer Label Studio (migrations {newer}): not touched.")
    if not missing:
        return
    if not is_new:
        connection.close()
        _back_up(say)
    say(f"migrations to apply: {len(missing)}")
    # One "Applying …" line for each: whoever waits can count them.
    call_command("migrate", interactive=False, no_color=True, verbosity=1)
    connection.close()


def _back_up(say: Callable[[str], None]) -> None:
    copy = database().with_name(f"{DATABASE}.before-migration-{time.strftime('%Y%m%dT%H%M%S')}")
    partial = copy.with_suffix(".partial")
    with (
        contextlib.closing(sqlite3.connect(database())) as source,
        contextlib.closing(sqlite3.connect(partial)) as target,
    ):
        source.backup(target)
    partial.rename(copy)
    say(f"the database is older than this Label Studio; kept a copy as {copy.name} before migrating it.")


def ensure_operator() -> None:
    """The operator's account, made as `label-studio start` makes it, with a token that the API accepts. Raises Unfit.

    Looking first saves the password hash that Label Studio computes at each start. Settings whose token differs from
    the database's are the newer ones (the file with the credentials was lost): the account follows them.
    """
    from django.db import connection, transaction
    from label_studio.core.utils.params import get_env
    from rest_framework.authtoken.models import Token
    from users.models import User

    email, password, token = get_env("USERNAME"), get_env("PASSWORD"), get_env("USER_TOKEN")
    if not email or not password:
        return
    if token and len(token) <= SHORTEST_TOKEN:
        # Label Studio would go on with a token of its own, and print ours.
        raise Unfit("LABEL_STUDIO_USER_TOKEN is too short: Label Studio ignores tokens of five characters.")
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
    connection.close()
