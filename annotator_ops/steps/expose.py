"""Layer 4. Expose: hold one public endpoint in front of the proxy, and record its address while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from annotator_ops.addresses import why_no_subdomains
from annotator_ops.errors import OpsError
from annotator_ops.models import Outcome, StepResult, Study
from annotator_ops.proxies.ngrok_words import free_plan_notes
from annotator_ops.store.database import Store
from annotator_ops.store.exposed import forget_exposed, put_exposed


class Endpoint(Protocol):
    """A public endpoint that lives as long as this process."""

    def open(self, port: int, *, domain: str | None) -> str: ...

    def alive(self) -> str | None: ...

    def close(self) -> None: ...


def open_endpoint(study: Study, store: Store, endpoint: Endpoint, *, domain: str | None) -> str:
    """Open the endpoint and record its address, which is returned. Provision must follow: instances need to know it.

    Raises OpsError when the address cannot carry the study's routing or is not the one that the study names.
    """
    if domain is None and study.proxy.public_url:
        domain = urlsplit(study.proxy.public_url).hostname
    if domain is not None:
        _check_routing(study, domain)
    url = endpoint.open(study.proxy.port, domain=domain).rstrip("/")
    try:
        _check_routing(study, urlsplit(url).hostname or "")
        if study.proxy.public_url and study.proxy.public_url.rstrip("/") != url:
            raise OpsError(
                f"The endpoint is {url}, but study.yaml says `public_url: {study.proxy.public_url}`.",
                hint="Remove `public_url` or make it the endpoint's address; annotators' links follow it.",
                code="other-address",
            )
    except OpsError:
        endpoint.close()
        raise
    put_exposed(store, url)
    return url


def announcement(url: str, provisioned: StepResult) -> list[str]:
    """What the coordinator has to know once the address is open."""
    sentences = [f"Public address: {url}"]
    if notes := free_plan_notes(url):
        sentences.append(notes)
    if provisioned.exit_code:
        names = ", ".join(outcome.subject for outcome in provisioned.outcomes if outcome.state == "failed")
        sentences.append(f"Not ready: {names}. `ops status` says why.")
    sentences.append("`ops invite` has the annotators' links. Leave this running; Ctrl-C ends it.")
    return sentences


@contextmanager
def closed_at_the_end(endpoint: Endpoint, store: Store) -> Iterator[None]:
    """Whatever happens, the endpoint is closed, and its address is no longer anybody's."""
    try:
        yield
    finally:
        endpoint.close()
        forget_exposed(store)


def hold(endpoint: Endpoint, *, stopped: Callable[[], bool]) -> StepResult:
    """Keep the endpoint until `stopped`, which waits a while each time, says so, or the endpoint dies."""
    while not stopped():
        death = endpoint.alive()
        if death is not None:
            hint = "Run `ops expose` again; with a fixed domain the annotators' links stay the same."
            return StepResult("expose", (Outcome("endpoint", "failed", death, "endpoint-died", hint),))
    said = "closed; run `ops provision`, so that instances and links have this machine's own address again"
    return StepResult("expose", (Outcome("endpoint", "ok", said, "closed"),))


def _check_routing(study: Study, host: str) -> None:
    why = why_no_subdomains(host)
    if study.proxy.routing == "subdomain" and why:
        raise OpsError(
            f"This study puts each annotator's name in front of the host name, but {host} cannot have that: {why}.",
            hint="Write `proxy: {routing: path}` into study.yaml, then run `ops expose` again.",
            code="routing-needs-path",
        )
