"""Layer 3. The reverse proxy in front of all instances of a study, and the public endpoint in front of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from annotator_ops.models import Route, Routing


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """Everything that a proxy serves: always the complete route set, so there is no history to get wrong.

    `origin` is what browsers see, e.g. `http://localhost:8080`; `port` is the local port.
    """

    port: int
    origin: str
    routing: Routing
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class ProxyState:
    """The proxy as it is now. `annotators` are those whose routes are loaded."""

    running: bool
    port: int | None = None
    annotators: tuple[str, ...] = ()
    detail: str = ""


class Proxy(Protocol):
    """One proxy process for one study."""

    def apply(self, plan: ProxyPlan) -> bool:
        """Serve exactly this plan; start the proxy if needed. Returns False when it already did (nothing reloaded).

        Returns only when the proxy answers for every route. Raises OpsError (code "proxy-port-taken",
        "proxy-refused", …).
        """
        ...

    def observe(self) -> ProxyState: ...

    def stop(self) -> None:
        """End the proxy. Idempotent."""
        ...

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        """The last lines of the annotator's access log, without query strings or cookies."""
        ...
