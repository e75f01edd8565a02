"""Layer 3. How requests reach one Label Studio: timeouts, retries of what may be repeated, failures in words."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import httpx

from annotator_ops.errors import OpsError
from annotator_ops.secret import Secret

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio as Sdk
    from label_studio_sdk.core.request_options import RequestOptions

SECONDS = 60.0
_ATTEMPTS = 3
_PAUSE = 0.2
_TRY_AGAIN = frozenset({502, 503, 504})


def _trust(base_url: str) -> ssl.SSLContext | bool:
    """Whom to trust: for a plain address nobody, since reading the machine's certificates takes 40 ms an instance."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if base_url.startswith("http://") else True


def load_sdk() -> None:
    """Import Label Studio's SDK now, e.g. while an instance starts, rather than when the first write needs it."""
    from label_studio_sdk import LabelStudio as Sdk
    from label_studio_sdk.core import api_error

    _ = Sdk, api_error


class Transport:
    """Requests to one instance as its operator. Only GET is repeated after a failure: a write might have happened."""

    def __init__(self, base_url: str, token: Secret, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.base_url = base_url.rstrip("/")
        self._token = token
        self._sleep = sleep
        # A cookie would make the next request a session's instead of the token's.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        # A connection for each request: Django's server answers 40 ms late on a kept one (delayed acknowledgement).
        # The environment's proxies are not for addresses of this machine.
        self.http = httpx.Client(
            timeout=httpx.Timeout(SECONDS, connect=10.0),
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"Connection": "close"},
            cookies=no_cookies,
            trust_env=False,
            verify=_trust(self.base_url),
        )
        self._sdk: Sdk | None = None

    def close(self) -> None:
        self.http.close()

    @property
    def sdk(self) -> Sdk:
        """Label Studio's SDK, imported (more than a second) when the first write needs it."""
        if self._sdk is None:
            from label_studio_sdk import LabelStudio as Sdk

            self._sdk = Sdk(  # type: ignore[no-untyped-call]
                base_url=self.base_url, api_key=self._token.reveal(), httpx_client=self.http
            )
        return self._sdk

    def get(self, path: str, what: str, *, params: Mapping[str, Any] | None = None, seconds: float = SECONDS) -> Any:
        """The JSON at `path`. `what` completes "Label Studio at … could not …" when it fails."""
        response = self.get_response(path, what, params=params, seconds=seconds)
        try:
            return response.json()
        except ValueError as error:
            raise self._strange(what) from error

    def get_response(
        self, path: str, what: str, *, params: Mapping[str, Any] | None = None, seconds: float = SECONDS
    ) -> httpx.Response:
        """The answer to a GET, repeated a few times where the connection broke or the instance was not ready."""
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                response = self.http.get(
                    self.base_url + path,
                    params=params,
                    headers={"Authorization": f"Token {self._token.reveal()}"},
                    timeout=seconds,
                )
            except httpx.TransportError as error:
                # Nobody listens, or it takes too long: asking at once again gives the same.
                if last or isinstance(error, (httpx.ConnectError, httpx.TimeoutException)):
                    raise self._unreachable(what, error) from error
            else:
                if last or response.status_code not in _TRY_AGAIN:
                    self._check(response.status_code, what, detail=response.text)
                    return response
            self._sleep(_PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def changing(self, what: str) -> Iterator[RequestOptions]:
        """Around a change through the SDK or by hand; yields the SDK's request options, which forbid repeating it."""
        from label_studio_sdk.core.api_error import ApiError

        try:
            yield {"max_retries": 0, "timeout_in_seconds": int(SECONDS)}
        except httpx.TransportError as error:
            raise self._unreachable(what, error) from error
        except ApiError as error:
            self._check(error.status_code or 0, what, detail=str(error.body))
            raise self._strange(what) from error

    def _check(self, status: int, what: str, *, detail: str) -> None:
        """Raise OpsError, in words, unless the status says that it worked."""
        if 200 <= status < 300:
            return
        place = f"Label Studio at {self.base_url}"
        if status in {401, 403}:
            raise OpsError(
                f"{place} could not {what}: it refuses the operator's token (HTTP {status}).",
                hint="Its data and the secrets in .ops/secrets/ belong to different runs; restore the one that fits.",
                code="labelstudio-refused",
            )
        if status >= 500:
            raise OpsError(
                f"{place} could not {what}: it failed inside (HTTP {status}).",
                hint="The instance's own log says why; `ops provision` starts it again if it is down.",
                code="labelstudio-failed",
            )
        # A page instead of JSON helps nobody.
        said = "" if detail.lstrip()[:1] == "<" else f": {detail.strip()[:500]}"
        raise OpsError(
            f"{place} could not {what}: it refused the request (HTTP {status}){said}.",
            hint="Look for what it names in the study; `ops validate` finds most of it.",
            code="labelstudio-rejected",
        )

    def _unreachable(self, what: str, error: httpx.TransportError) -> OpsError:
        place = f"Label Studio at {self.base_url}"
        if isinstance(error, httpx.TimeoutException):
            return OpsError(
                f"{place} could not {what}: it did not answer in time.",
                hint="The machine may be overloaded or the instance stuck: see `ops status`, then try again.",
                code="labelstudio-timeout",
            )
        return OpsError(
            f"{place} could not {what}: it cannot be reached ({error}).",
            hint="See `ops status`; `ops provision` starts an instance that is down.",
            code="labelstudio-unreachable",
        )

    def _strange(self, what: str) -> OpsError:
        return OpsError(
            f"Label Studio at {self.base_url} could not {what}: its answer is not what Label Studio 1.23 sends.",
            hint="Check that the address is a Label Studio of the pinned version.",
            code="labelstudio-strange",
        )
