"""Layer 3. Accounts by the forms that people use: sign-up through an invitation link, and login.

`POST /api/users/` sets no usable password, and an account from the environment is a superuser; only the sign-up form
makes a plain account that can log in. Cookies are carried by hand, because behind TLS they are `Secure` and a cookie
jar would not send them to this machine's own plain address.
"""

from __future__ import annotations

import html
import re
from http.cookies import SimpleCookie

import httpx

from annotator_ops.errors import OpsError
from annotator_ops.labelstudio.transport import SECONDS, Transport
from annotator_ops.secret import Secret

_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_FORM_ERROR = re.compile(r"<li[^>]*>\s*([^<]+?)\s*</li>")


def sign_up(transport: Transport, email: str, password: Secret) -> None:
    """Make a plain account through the invitation link. Raises OpsError ("sign-up-refused") with the form's words."""
    invitation = transport.get("/api/invite", "make an invitation link")
    path = f"/user/signup/?token={invitation['token']}"
    answer = _submit(transport, path, "sign an annotator up", email=email, password=password)
    if not _signed_in(answer):
        said = (
            "; ".join(html.unescape(line) for line in _FORM_ERROR.findall(answer.text)) or f"HTTP {answer.status_code}"
        )
        raise OpsError(
            f"Label Studio at {transport.base_url} refused to sign up {email}: {said}",
            hint="annotator_ops made this address itself; it is not the roster's. Run `ops provision` again; if it is "
            "refused again, look at the instance's log.",
            code="sign-up-refused",
        )


def login_works(transport: Transport, email: str, password: Secret) -> bool:
    """Whether the login form lets this account in with this password."""
    return _signed_in(_submit(transport, "/user/login/", "log an annotator in", email=email, password=password))


def _submit(transport: Transport, path: str, what: str, *, email: str, password: Secret) -> httpx.Response:
    form = transport.get_response(path, what)
    token = _FORM_TOKEN.search(form.text)
    if token is None:
        raise OpsError(
            f"Label Studio at {transport.base_url} could not {what}: there is no form at {path.partition('?')[0]}.",
            hint="Check that the address is a Label Studio of the pinned version.",
            code="labelstudio-strange",
        )
    cookies: SimpleCookie = SimpleCookie()
    for header in form.headers.get_list("set-cookie"):
        cookies.load(header)
    fields = {
        "csrfmiddlewaretoken": token[1],
        "email": email,
        "password": password.reveal(),
        "allow_newsletters": "false",
        "persist_session": "on",
    }
    with transport.changing(what):
        return transport.http.post(
            transport.base_url + path,
            data=fields,
            headers={"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())},
            timeout=SECONDS,
        )


def _signed_in(answer: httpx.Response) -> bool:
    """A form that worked redirects to the start page; one that did not shows itself again with the status 200."""
    return answer.status_code == 302
