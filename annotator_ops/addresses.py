"""Layer 2. Public addresses: where browsers find each annotator's Label Studio."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from annotator_ops.models import ProxySettings, Routing
from annotator_ops.naming import host_label

# Under path routing every annotator lives below this, so that the bare origin stays free for the project's own pages.
PATH_PREFIX = "/a/"
# Tunnels that give one host name and no names below it.
_ONE_NAME = (".ngrok-free.app", ".ngrok-free.dev", ".ngrok.app", ".ngrok.dev", ".ngrok.io", ".trycloudflare.com")


def origin_of(settings: ProxySettings, exposed_url: str | None) -> str:
    """Scheme, host and port that browsers use, without a trailing slash.

    The study's `public_url` wins over `exposed_url` (an endpoint that `ops expose` holds); with neither, it is this
    machine's own `http://localhost:PORT`.
    """
    chosen = settings.public_url or exposed_url or f"http://localhost:{settings.port}"
    return chosen.rstrip("/")


def annotator_url(origin: str, routing: Routing, annotator: str) -> str:
    """The address that an annotator opens, without a trailing slash."""
    label = host_label(annotator)
    if routing == "path":
        return f"{origin}{PATH_PREFIX}{label}"
    parts = urlsplit(origin)
    return f"{parts.scheme}://{label}.{parts.netloc}"


def why_no_subdomains(host: str) -> str | None:
    """Why no name can stand below this host name, as half a sentence; None where one can."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return "an IP address has no subdomains"
    if host.endswith(_ONE_NAME) or host in {ending[1:] for ending in _ONE_NAME}:
        return "such an address is one host name, without subdomains"
    if "." not in host and host != "localhost":
        return f"browsers will hardly find names below {host!r}"
    return None


def host_of(url: str) -> str:
    """The host name of a URL, without the port."""
    return urlsplit(url).hostname or ""
