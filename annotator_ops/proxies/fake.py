"""Layer 3. A proxy that only remembers: for tests of the steps, and for the contract that real proxies keep too."""

from __future__ import annotations

from collections.abc import Sequence

from annotator_ops.errors import OpsError
from annotator_ops.proxies import ProxyPlan, ProxyState


class FakeProxy:
    """Keeps the plan that was applied. `loads` counts the reloads; `failure`, if set, is raised by the next `apply`."""

    def __init__(self) -> None:
        self.plan: ProxyPlan | None = None
        self.loads = 0
        self.failure: OpsError | None = None
        self.lines: dict[str, list[str]] = {}

    def apply(self, plan: ProxyPlan) -> bool:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if plan == self.plan:
            return False
        self.plan = plan
        self.loads += 1
        return True

    def observe(self) -> ProxyState:
        if self.plan is None:
            return ProxyState(running=False, detail="nothing was applied")
        return ProxyState(
            running=True, port=self.plan.port, annotators=tuple(route.annotator for route in self.plan.routes)
        )

    def stop(self) -> None:
        self.plan = None

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        return self.lines.get(annotator, [])[-lines:]
