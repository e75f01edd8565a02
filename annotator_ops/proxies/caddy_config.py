"""Layer 3. Caddy's whole configuration as a pure function of the plan: hosts or paths, the gate, pages, logs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from annotator_ops.addresses import PATH_PREFIX
from annotator_ops.gate import KEEPABLE, STRIPPED_HEADERS, TIPS, gates
from annotator_ops.models import JSONDict, Route
from annotator_ops.proxies import ProxyPlan
from annotator_ops.proxies.static_files import serve_files

# Answered by the proxy itself on every annotator's address, so that "the proxy serves it" needs no instance.
READY_PATH = "/.annotator-ops/ready"
READY_HEADER = "X-Annotator-Ops-Route"

# A large brush annotation is a few megabytes of JSON; nothing that a browser sends while labeling comes near this.
MAX_BODY = 16 * 1024**2
# A read carries nothing on: Label Studio would take filters from its body. An unset variable is an empty body; a size
# limit would not do, for Caddy repeats a read that failed, and takes 0 for "no limit".
_NO_BODY = "{http.vars.no_body}"
# A restarting instance is back within this time; its annotator's requests wait instead of failing.
_HOLD = "20s"
_KEEP_SECONDS = 24 * 3600
_URI = "{http.request.uri}"


@dataclass(frozen=True, slots=True)
class Pages:
    """What people see of the proxy itself, as complete HTML. `{http.vars.home}` stands for the way back to labeling."""

    denied: str
    missing: str
    unavailable: str
    paused: str
    front: str


def owns_https(plan: ProxyPlan) -> bool:
    """Whether Caddy itself is to get certificates: an https address on the very port that Caddy listens on.

    Behind an endpoint or another server that ends TLS, the public port (443) differs from the local one.
    """
    return urlsplit(plan.origin).scheme == "https" and _public_port(plan.origin) == plan.port


def prefix_of(plan: ProxyPlan, route: Route) -> str:
    """The path under which an annotator's Label Studio is mounted: empty with subdomain routing."""
    return f"{PATH_PREFIX}{route.host_label}" if plan.routing == "path" else ""


def host_of(plan: ProxyPlan, route: Route) -> str:
    """The host name, without port, on which an annotator is served."""
    host = urlsplit(plan.origin).hostname or ""
    return host if plan.routing == "path" else f"{route.host_label}.{host}"


def origin_of(plan: ProxyPlan, route: Route) -> str:
    """What an annotator's browser sends as `Origin`."""
    if plan.routing == "path":
        return plan.origin
    parts = urlsplit(plan.origin)
    return f"{parts.scheme}://{route.host_label}.{parts.netloc}"


def access_log(directory: Path, host_label: str) -> Path:
    """The file of one annotator's access log."""
    return directory / f"{host_label}.log"


def caddy_config(
    plan: ProxyPlan, *, admin_socket: Path, access_log_dir: Path, pages: Pages, ipv6: bool = False
) -> JSONDict:
    """Caddy's JSON configuration for exactly this plan.

    Always holds the `admin` key: a configuration without it would move Caddy's admin interface to an open port.
    """
    https = owns_https(plan)
    loopback = ["127.0.0.1", "[::1]"] if ipv6 else ["127.0.0.1"]
    server: JSONDict = {
        "listen": [f"{address}:{plan.port}" for address in ([""] if https else loopback)],
        "protocols": ["h1", "h2"] if https else ["h1"],
        "automatic_https": {"disable_redirects": plan.port != 443} if https else {"disable": True},
        "read_header_timeout": "15s",
        "idle_timeout": "2m",
        "max_header_bytes": 32768,
        "routes": [
            {"handle": [{"handler": "headers", "response": _SAFE_HEADERS}]},
            *(_annotator(plan, route) for route in plan.routes),
            *_origin_routes(plan, pages),
        ],
        "errors": {"routes": _error_routes(pages)},
        "logs": {},
    }
    apps: JSONDict = {"http": {"grace_period": "10s", "servers": {"annotators": server}}}
    if https:
        # Names that can have no public certificate (`*.localhost`) get one of Caddy's own; nothing else is told of it.
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return {
        "admin": {"listen": f"unix/{admin_socket}|0600", "config": {"persist": False}},
        "logging": {"logs": _logs(plan, access_log_dir)},
        "apps": apps,
    }


# --- one annotator ---------------------------------------------------------------------------------------------------


def _annotator(plan: ProxyPlan, route: Route) -> JSONDict:
    prefix = prefix_of(plan, route)
    here: JSONDict = {"host": [host_of(plan, route)]}
    if prefix:
        here.update(_uri(f"^{re.escape(prefix)}(?:[/?]|$)"))
    home = f"{prefix}/" if route.project_id is None else f"{prefix}/projects/{route.project_id}/data?labeling=1"
    inside: list[JSONDict] = [
        {
            "handle": [
                {
                    "handler": "vars",
                    "access_logger_names": [route.host_label],
                    "annotator": route.annotator,
                    "home": home,
                },
                {"handler": "headers", "request": {"delete": list(STRIPPED_HEADERS)}},
            ]
        },
        {
            "match": [_uri(f"^{re.escape(prefix + READY_PATH)}$")],
            "handle": [
                {"handler": "vars", "log_skip": True},
                {"handler": "static_response", "status_code": 204, "headers": {READY_HEADER: [route.host_label]}},
            ],
            "terminal": True,
        },
        _answer(_uri(f"^{re.escape(prefix)}{TIPS}$"), _json_body(200, {})),
    ]
    if route.paused:
        inside.append({"handle": [{"handler": "error", "status_code": str(_PAUSED)}]})
    elif route.project_id is not None:
        # Label Studio's own home page offers what an annotator may not do; theirs is the next task.
        at_home = {**_uri(rf"^{re.escape(prefix)}/(?:\?|$)"), "method": ["GET", "HEAD"]}
        there: JSONDict = {"Location": [home], "Cache-Control": ["no-store"]}
        inside.append(_answer(at_home, {"status_code": 302, "headers": there}))
    if prefix:
        inside.append(
            _answer(
                _uri(rf"^{re.escape(prefix)}(?:\?|$)"), {"status_code": 308, "headers": {"Location": [f"{prefix}/"]}}
            )
        )
    inside += [_through(plan, route, prefix), {"handle": [{"handler": "error", "status_code": "403"}]}]
    return {"match": [here], "handle": [{"handler": "subroute", "routes": inside}], "terminal": True}


def _through(plan: ProxyPlan, route: Route, prefix: str) -> JSONDict:
    """What the gate lets through, and how it reaches the instance."""
    match: list[JSONDict] = []
    for gate in gates(route.project_id, prefix=prefix):
        matcher = {"method": list(gate.methods), **_uri(gate.pattern)}
        if gate.write:
            # Several Origin headers come joined with commas here, so that one good one among them is not enough.
            matcher["vars"] = {"{http.request.header.Origin}": [origin_of(plan, route)]}
        match.append(matcher)
    proxy: JSONDict = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": route.upstream}],
        "load_balancing": {"try_duration": _HOLD, "try_interval": "250ms"},
        # No kept connection: after a restart a POST on a stale one would fail, and it holds somebody's work.
        "transport": {"protocol": "http", "dial_timeout": "3s", "keep_alive": {"enabled": False}},
    }
    if prefix:
        proxy["headers"] = {"response": {"replace": _prefixed(prefix)}}
    handle: list[JSONDict] = [
        {
            "handler": "subroute",
            "routes": [
                {"match": [{"method": ["GET", "HEAD"]}], "handle": [{"handler": "request_body", "set": _NO_BODY}]},
                {"handle": [{"handler": "request_body", "max_size": MAX_BODY}]},
                {"match": [_uri(f"^{re.escape(prefix)}{KEEPABLE}")], "handle": [_KEEP]},
            ],
        },
        {"handler": "encode", "encodings": {"gzip": {}}, "prefer": ["gzip"], "minimum_length": 1024},
    ]
    if prefix:
        handle.append({"handler": "rewrite", "strip_path_prefix": prefix})
    if route.static is not None:
        handle += serve_files(route.static)
    return {"match": match, "handle": [*handle, proxy], "terminal": True}


def _prefixed(prefix: str) -> JSONDict:
    """Label Studio sets cookies and some redirects as if it were alone on its host."""
    return {
        "Set-Cookie": [{"search_regexp": r"(?i)(;\s*path)=/(;|\s|$)", "replace": f"$1={prefix}/$2"}],
        "Location": [
            {"search_regexp": f"^{re.escape(prefix)}(/|$)", "replace": "$1"},
            {"search_regexp": "^/([^/]|$)", "replace": f"{prefix}/$1"},
        ],
    }


_SAFE_HEADERS: JSONDict = {
    "deferred": True,
    "set": {
        "X-Content-Type-Options": ["nosniff"],
        "X-Frame-Options": ["SAMEORIGIN"],
        # Not `no-referrer`: browsers then send `Origin: null` with the login form.
        "Referrer-Policy": ["same-origin"],
        "X-Robots-Tag": ["noindex, nofollow"],
    },
    "delete": ["Server", "Via"],
}

# A day and no longer: most of these addresses stay the same when a new version changes what is there (`main.js`, and
# the parts that it loads). Afterwards the browser asks by ETag; a 304 of Caddy's costs a millisecond and no Python.
_KEEP: JSONDict = {
    "handler": "headers",
    "response": {
        "require": {"status_code": [200]},
        # Label Studio says that its files depend on the cookie, and renews that at every answer: nothing would be kept.
        "set": {"Cache-Control": [f"private, max-age={_KEEP_SECONDS}"], "Vary": ["Accept-Encoding"]},
    },
}


# --- the bare origin, and everything that is nobody's --------------------------------------------------------------


def _origin_routes(plan: ProxyPlan, pages: Pages) -> list[JSONDict]:
    host = urlsplit(plan.origin).hostname or ""
    look: JSONDict = {"host": [host], "method": ["GET", "HEAD"]}
    routes = [_answer({**look, **_uri(r"^/(?:\?|$)")}, _page(200, pages.front))]
    if plan.routing == "path":
        routes.append(_answer({**look, **_uri(f"^{TIPS}$")}, _json_body(200, {})))
        # Style sheets name their fonts from the root of the host; the page that asks says whose they are.
        routes += [
            _answer(
                {
                    **look,
                    **_uri(f"^{KEEPABLE}"),
                    "header_regexp": {"Referer": {"pattern": f"^{re.escape(plan.origin + prefix_of(plan, route))}/"}},
                },
                {"status_code": 307, "headers": {"Location": [f"{prefix_of(plan, route)}{_URI}"]}},
            )
            for route in plan.routes
        ]
    return [*routes, {"handle": [{"handler": "error", "status_code": "404"}]}]


# --- errors ----------------------------------------------------------------------------------------------------------

_PAUSED = 423  # "locked"; nothing else here answers so
_DETAILS = {
    403: "Annotators cannot do this here. What you have submitted is safe; go on with the next task. / "
    "Разметчикам это действие недоступно. Всё отправленное сохранено; переходите к следующему заданию.",
    404: "There is nothing at this address. / По этому адресу ничего нет.",
    413: "This is larger than an annotation can be. / Слишком большой объём данных для одной разметки.",
    _PAUSED: "Labeling is paused. What you have submitted is safe. / "
    "Разметка приостановлена. Всё отправленное сохранено.",
    502: "Your labeling space is not answering. Wait a minute and try again; nothing that was saved is lost. / "
    "Ваше рабочее место не отвечает. Подождите минуту и попробуйте снова; всё сохранённое на месте.",
}
_DOWN = ("502", "503", "504")


def _error_routes(pages: Pages) -> list[JSONDict]:
    """Pages for people, JSON (in Label Studio's own form, `detail`) for its front end."""
    for_person: JSONDict = {
        "method": ["GET", "HEAD"],
        "not": [{"vars_regexp": {"{http.request.orig_uri}": {"pattern": r"^(?:/a/[^/?]*)?/api(?:[/?]|$)"}}}],
    }
    routes = [{"handle": [{"handler": "headers", "response": _SAFE_HEADERS}]}]
    for codes, status, page in (
        (("403",), 403, pages.denied),
        (("404",), 404, pages.missing),
        (("413",), 413, None),
        ((str(_PAUSED),), _PAUSED, pages.paused),
        (_DOWN, 502, pages.unavailable),
    ):
        failed = {"vars": {"{http.error.status_code}": list(codes)}}
        if page is not None:
            routes.append(_answer({**failed, **for_person}, _page("{http.error.status_code}", page)))
        routes.append(_answer(failed, _json_body("{http.error.status_code}", {"detail": _DETAILS[status]})))
    return routes


# --- logs ------------------------------------------------------------------------------------------------------------


def _logs(plan: ProxyPlan, directory: Path) -> JSONDict:
    """One access log per annotator, and Caddy's own messages; neither holds a query string, a cookie or any header."""
    logs: JSONDict = {
        "default": {"writer": {"output": "stderr"}, "encoder": _DISCREET, "exclude": ["http.log.access", "admin.api"]},
    }
    for route in plan.routes:
        logs[f"annotator-{route.host_label}"] = {
            "writer": {
                "output": "file",
                "filename": str(access_log(directory, route.host_label)),
                "mode": "0600",
                "roll_size_mb": 10,
                "roll_keep": 3,
            },
            "encoder": _DISCREET,
            "include": [f"http.log.access.{route.host_label}"],
        }
    return logs


_DISCREET: JSONDict = {
    "format": "filter",
    "wrap": {"format": "json", "time_format": "iso8601"},
    "fields": {
        "request>uri": {"filter": "regexp", "regexp": r"\?.*", "value": ""},
        "request>headers": {"filter": "delete"},
        "resp_headers": {"filter": "delete"},
    },
}


# --- pieces ----------------------------------------------------------------------------------------------------------


def _uri(pattern: str) -> JSONDict:
    """Match the raw path and query as they would be sent on; Caddy's own path matchers see a decoded, tidied path."""
    return {"vars_regexp": {_URI: {"pattern": pattern}}}


def _answer(match: JSONDict, response: JSONDict) -> JSONDict:
    return {"match": [match], "handle": [{"handler": "static_response", **response}], "terminal": True}


def _json_body(status: int | str, body: Any) -> JSONDict:
    return {
        "status_code": status,
        "headers": {"Content-Type": ["application/json; charset=utf-8"], "Cache-Control": ["no-store"]},
        "body": json.dumps(body, ensure_ascii=False),
    }


def _page(status: int | str, html: str) -> JSONDict:
    return {
        "status_code": status,
        "headers": {
            "Content-Type": ["text/html; charset=utf-8"],
            "Cache-Control": ["no-store"],
            "Content-Security-Policy": ["default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"],
        },
        "body": html,
    }


def _public_port(origin: str) -> int:
    parts = urlsplit(origin)
    return parts.port or (443 if parts.scheme == "https" else 80)
