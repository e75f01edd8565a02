"""Layer 3. What ngrok's errors mean and what a public address needs, in words. Pure."""

from __future__ import annotations

import json
import re

from annotator_ops.errors import OpsError
from annotator_ops.secret import Secret

_DASHBOARD = "https://dashboard.ngrok.com"
_TOKEN_HINT = (
    f"Copy the token again from {_DASHBOARD}/get-started/your-authtoken into NGROK_AUTHTOKEN, whole, and retry."
)
_UPDATE_HINT = "Update it with `ngrok update` or from https://ngrok.com/download."

# Code → (what is wrong, what to do). The numbers are ngrok's own; everything else is quoted as ngrok says it.
_KNOWN: dict[int, tuple[str, str]] = {
    105: ("the token does not look like an ngrok token", _TOKEN_HINT),
    106: ("the token is one of ngrok's first version, which no longer works", _TOKEN_HINT),
    107: ("the token was reset or revoked", _TOKEN_HINT),
    108: (
        "the account already runs as many agents as its plan allows",
        f"End the other one (`ops expose` in another terminal, or see {_DASHBOARD}/agents), then run this again.",
    ),
    120: ("this version of the agent is no longer served", _UPDATE_HINT),
    121: ("this version of the agent is no longer served", _UPDATE_HINT),
    313: (
        "the account's plan does not allow a name of your own choice",
        f"Use the domain that is yours for free, listed at {_DASHBOARD}/domains: `ops expose --domain NAME`.",
    ),
    319: (
        "the domain {domain} is not reserved in this account",
        "Your domains are listed at " + _DASHBOARD + "/domains.",
    ),
    320: (
        "the domain {domain} belongs to another account",
        f"Use a token of that account, or a domain of yours ({_DASHBOARD}/domains).",
    ),
    334: (
        "the address is already open elsewhere",
        f"End the other `ops expose`, or see {_DASHBOARD}/endpoints for what holds it.",
    ),
    4018: (
        "ngrok works only with an account and its token",
        f"Sign up at {_DASHBOARD}/signup, confirm your e-mail address, and put the token into NGROK_AUTHTOKEN.",
    ),
    7117: (
        "the domain {domain} is not reserved in this account",
        "Your domains are listed at " + _DASHBOARD + "/domains.",
    ),
}
_OFFLINE = ("no such host", "session has not yet been established", "connection refused", "network is unreachable")
_FREE = (".ngrok-free.app", ".ngrok-free.dev")


def explain(said: str, *, token: Secret | None = None, domain: str | None = None) -> OpsError:
    """The error that a person can act on, from everything that ngrok said. The token is never repeated.

    Codes: "ngrok-refused" (ngrok gave a reason), "ngrok-too-old", "ngrok-offline", "ngrok-failed".
    """
    said = scrubbed(said, token)
    codes = [int(code) for code in re.findall(r"ERR_NGROK_(\d+)", said)]
    for code in codes:
        if code in _KNOWN:
            what, hint = _KNOWN[code]
            return OpsError(
                f"ngrok refuses: {what.format(domain=domain or '')} (ERR_NGROK_{code}).",
                hint=hint,
                code="ngrok-refused",
            )
    if codes:
        return OpsError(
            f"ngrok refuses: {_sentence(said)} (ERR_NGROK_{codes[0]}).",
            hint=f"Read https://ngrok.com/docs/errors/err_ngrok_{codes[0]}.",
            code="ngrok-refused",
        )
    if "404" in said and "/api/endpoints" in said:
        return OpsError("This ngrok agent is too old for endpoints.", hint=_UPDATE_HINT, code="ngrok-too-old")
    if any(sign in said for sign in _OFFLINE):
        return OpsError(
            f"The ngrok agent does not reach ngrok: {_sentence(said)}.",
            hint="Check this machine's internet connection and firewall (`ngrok diagnose` says more), then try again.",
            code="ngrok-offline",
        )
    return OpsError(
        f"The ngrok agent could not open the address: {_sentence(said)}.",
        hint="Run `ngrok diagnose`; the agent's documentation is at https://ngrok.com/docs/agent.",
        code="ngrok-failed",
    )


def scrubbed(text: str, token: Secret | None) -> str:
    """`text` without the token: ngrok repeats a token that it refuses."""
    if token is not None and token.reveal():
        text = text.replace(token.reveal(), "…")
    return re.sub(r"(?i)(your authtoken:\s*)[\w-]+", r"\1…", text)


def free_plan_notes(url: str) -> str | None:
    """What annotators and the coordinator will notice on ngrok's free plan; None for any other address."""
    if not url.endswith(_FREE):
        return None
    return (
        "On ngrok's free plan every annotator first sees a warning page of ngrok's and clicks “Visit Site”, about once "
        "a week. The plan carries 1 GB and 20,000 requests a month: about 60 for a first visit, then three a task."
    )


def own_domain_needs(domain: str) -> str:
    """What a domain of one's own needs, so that Caddy gets its certificates by itself. Text for a person."""
    domain = domain.strip().rstrip("/.").removeprefix("https://").removeprefix("http://")
    return f"""\
To serve this study at https://{domain} without ngrok:

1. DNS: point two names at this machine's public address.
     {domain}      A (and AAAA, if it has IPv6)
     *.{domain}    A (and AAAA): every annotator has a name of their own, such as anna.{domain}
   Without the second record use `routing: path`; then all annotators share one name.
2. Ports: 80 and 443 must reach this machine from the internet (router, firewall, cloud security group).
   Ports below 1024 need a permission, once: sudo setcap cap_net_bind_service=+ep "$(command -v caddy)"
3. study.yaml:
     proxy:
       public_url: https://{domain}
       port: 443
       routing: subdomain
4. `ops provision`. Caddy gets and renews the certificates by itself, one for each annotator's name; the first
   request may take a few seconds. Let's Encrypt issues at most 50 new certificates a week for one domain.

If another server on this machine already has ports 80 and 443, leave `port` as it is (8080) and let that server pass
{domain} and *.{domain} on to it with the Host header unchanged: deploy/Caddyfile.example shows how.
"""


def _sentence(said: str) -> str:
    """The most telling part of what was said: the reason inside the agent's JSON answer, else the last line."""
    for written in re.findall(r"\{.*\}", said):
        try:
            answer = json.loads(written)
        except ValueError:
            continue
        details = answer.get("details")
        reason = (details.get("err") if isinstance(details, dict) else None) or answer.get("msg")
        if reason:
            return _short(str(reason))
    lines = [line for line in said.splitlines() if line.strip() and line.strip() != "nil"]
    return _short(lines[-1]) if lines else "it gave no reason"


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 300 else text[:299] + "…"
