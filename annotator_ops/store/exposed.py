"""Layer 3. The public address that `ops expose` holds, and which process holds it."""

from __future__ import annotations

import json
import os

from annotator_ops.models import JSONDict, State
from annotator_ops.processes import ProcessIdentity, identify
from annotator_ops.store.database import Store

_KEY = "exposed"


def put_exposed(store: Store, url: str) -> None:
    """Record that this process holds the address."""
    store.set_meta(_KEY, json.dumps({"url": url, "process": identify(os.getpid()).to_json()}))
    store.audit("expose", "proxy", url)


def exposed_url(store: Store) -> str | None:
    """The address that is recorded; whether its holder still lives says `holder_is_gone`."""
    content = _content(store)
    return str(content["url"]) if content else None


def holder_is_gone(store: Store) -> bool:
    """Whether an address is recorded whose process was killed before it could take it back."""
    content = _content(store)
    return content is not None and ProcessIdentity.from_json(content["process"]).state is State.EXITED


def _content(store: Store) -> JSONDict | None:
    written = store.get_meta(_KEY)
    return json.loads(written) if written else None


def forget_exposed(store: Store) -> None:
    """The address is nobody's any more."""
    store.set_meta(_KEY, None)
    store.audit("expose", "proxy", "closed")
