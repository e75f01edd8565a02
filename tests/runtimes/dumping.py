"""What an instance does in place of serving (see instead.py): write down everything by which it could differ."""

from __future__ import annotations

import gc
import json
import locale
import logging
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import uuid
import warnings
from pathlib import Path
from typing import Any


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON that two processes write alike when they mean the same."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth > 8:
        return f"<{type(value).__qualname__}>"
    if isinstance(value, dict):
        return {str(key): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(inner, depth + 1) for inner in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, re.Pattern):
        return f"re {value.pattern!r} {value.flags}"
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if type(value).__module__.startswith("django.utils.functional"):
        return str(value)
    if hasattr(value, "__dict__") and type(value).__module__ != "builtins":
        inner = {key: plain(held, depth + 1) for key, held in sorted(vars(value).items())}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **inner}
    # What is left (datetimes, loggers' levels …) writes itself; an address in memory means nothing.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def everything() -> dict[str, Any]:
    """Settings, what is derived of them, and what the interpreter itself knows."""
    from django.apps import apps
    from django.conf import settings
    from django.core import signing
    from django.core.files.storage import default_storage, storages
    from django.db import connections
    from django.middleware.csrf import CsrfViewMiddleware
    from django.urls import get_resolver, get_script_prefix, reverse
    from rest_framework.settings import api_settings
    from rest_framework_simplejwt.settings import api_settings as jwt_settings
    from rest_framework_simplejwt.state import token_backend

    csrf = CsrfViewMiddleware(lambda _request: None)
    return {
        "settings": {name: plain(getattr(settings, name)) for name in sorted(dir(settings)) if name.isupper()},
        "rest_framework": {name: plain(getattr(api_settings, name)) for name in sorted(api_settings.defaults)},
        "jwt": {name: plain(getattr(jwt_settings, name)) for name in sorted(jwt_settings.defaults)},
        "jwt_backend": {"signing": token_backend.signing_key, "verifying": token_backend.verifying_key},
        "signature": signing.Signer().sign("the same words"),
        "storage": {
            "class": plain(type(default_storage._wrapped if default_storage else None)),
            "location": str(getattr(default_storage, "location", None)),
            "base_url": str(getattr(default_storage, "base_url", None)),
            "backends": plain(storages.backends),
        },
        "csrf": {
            "hosts": plain(csrf.csrf_trusted_origins_hosts),
            "exact": plain(csrf.allowed_origins_exact),
            "subdomains": plain(dict(csrf.allowed_origin_subdomains)),
        },
        "addresses": {"prefix": get_script_prefix(), "login": reverse("user-login"), "main": reverse("main")},
        "urls": sorted(str(pattern.pattern) for pattern in get_resolver().url_patterns),
        "connections": plain(connections.settings),
        "database": {name: pragma(name) for name in ("journal_mode", "synchronous", "temp_store", "busy_timeout")},
        "models": sorted(str(model._meta.label) for model in apps.get_models()),
        "logging": {
            # The level that counts: one that inherits its parent's is as good as one that has the same itself.
            name: [logger.getEffectiveLevel(), logger.disabled, [type(one).__qualname__ for one in logger.handlers]]
            for name, logger in sorted(logging.root.manager.loggerDict.items())
            if isinstance(logger, logging.Logger)
        },
        "root_logger": [logging.root.level, [type(handler).__qualname__ for handler in logging.root.handlers]],
        "warnings": sorted(plain(filter_) for filter_ in map(str, warnings.filters)),
        "temporary": tempfile.gettempdir(),
        "home": str(Path.home()),
        "folder": str(Path.cwd()),
        "environment": dict(sorted(os.environ.items())),
        "locale": locale.getlocale(),
        "time": [time.tzname, time.timezone],
        "path": sys.path,
        "flags": str(sys.flags),
        "user": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
        "garbage": [gc.isenabled(), gc.get_threshold()],
        "umask": os.umask(os.umask(0o077)),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT_" in name},
        "signals": {
            str(number): plain(signal.getsignal(number)) for number in sorted(signal.valid_signals()) if number != 15
        },
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "dice": {"python": random.random(), "uuid": str(uuid.uuid4()), "numpy": _numpy()},
    }


def pragma(name: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        return cursor.execute(f"PRAGMA {name}").fetchone()[0]


def _numpy() -> float:
    import numpy

    return float(numpy.random.random())


def instead(*_: Any, **__: Any) -> None:
    target = Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"], "everything.json")
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(everything(), default=plain))
    partial.rename(target)
