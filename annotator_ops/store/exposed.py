"""Layer 3. The public address that `ops expose` holds now, and by which process: with that one gone, there is none."""

from __future__ import annotations

import json
import os

from annotator_ops.models import State
from annotator_ops.processes import ProcessIdentity, identify
from annotator_ops.store.database import Store

_KEY = "exposed"


def put_exposed(store: Store, url: str) -> None:
    """Record that this process holds the address."""
    store.set_meta(_KEY, json.dumps({"url": url, "process": identify(os.getpid()).to_json()}))
    store.audit("expose", "proxy", url)


def exposed_url(store: Store) -> str | None:
    """The address, while the process that holds it lives: one that was killed took its endpoint with it."""
    written = store.get_meta(_KEY)
    if written is None:
        return None
    content = json.loads(written)
    holder = ProcessIdentity.from_json(content["process"])
    return None if holder.state is State.EXITED else str(content["url"])


def forget_exposed(store: Store) -> None:
    """The address is nobody's any more."""
    store.set_meta(_KEY, None)
    store.audit("expose", "proxy", "closed")
