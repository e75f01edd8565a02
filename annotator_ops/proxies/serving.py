"""Layer 3. Whether an annotator's public address is served: asked here, on this machine, under the public name."""

from __future__ import annotations

import httpx

from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.caddy_config import owns_https
from annotator_ops.waiting import wait_until

_SECONDS = 30.0


def wait_served(plan: ProxyPlan, url: str) -> None:
    """Wait until the sign-in page of `url` comes through the proxy that serves `plan`. Raises OpsError ("timeout").

    The proxy is asked at its local port with the public host name: name resolution and tunnels are tried by others.
    """
    public = httpx.URL(url)
    own_https = owns_https(plan)
    local = httpx.URL(
        scheme="https" if own_https else "http",
        host="127.0.0.1",
        port=plan.port,
        path=f"{public.path.rstrip('/')}/user/login",
    )
    where = "that the name's DNS leads here and ports 80 and 443 are open, and " if own_https else ""
    # `verify`: whether it is served is asked, not by whom; a certificate of Caddy's own for a local name is fine.
    # `trust_env`: the environment's proxies are not for this machine's addresses.
    with httpx.Client(timeout=10, verify=False, trust_env=False) as http:  # noqa: S501 - reason above

        def served() -> bool | None:
            answer = http.get(local, headers={"Host": public.netloc.decode()}, extensions={"sni_hostname": public.host})
            if answer.status_code == 200:
                return True
            raise httpx.HTTPError(f"the proxy answered {answer.status_code}")

        wait_until(
            served,
            what=f"{public} to serve the sign-in page",
            deadline=_SECONDS,
            interval=0.1,
            retry_on=(httpx.HTTPError,),
            hint=f"Check {where}the log in .ops/proxy/, then run `ops provision` again.",
        )
