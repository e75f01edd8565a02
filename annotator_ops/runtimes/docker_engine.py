"""Layer 3. Reaching a Docker Engine, and its errors in words: what failed, why, and the way out."""

from __future__ import annotations

import errno
import getpass
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, Timeout

from annotator_ops.errors import OpsError

SOCKET = "unix:///var/run/docker.sock"
OLDEST_API = (1, 41)  # Engine 20.10, the oldest that this was run with
CALL_SECONDS = 120.0  # the engine answers in milliseconds; creating a container on a busy disk has taken half a minute

_PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")
_DISK_FULL = ("no space left on device", "disk quota exceeded")


def connect(host: str = SOCKET, *, timeout: float = CALL_SECONDS) -> docker.DockerClient:
    """A client of the engine at `host` (a unix socket's URL); every call of it may take `timeout` seconds.

    Raises OpsError (code "engine-unreachable" or "engine-unfit").
    """
    with in_words("The Docker Engine could not be reached"):
        _knock(host, timeout)
        # The SDK's types know whole seconds only; a fraction works.
        client = docker.DockerClient(base_url=host, version="auto", timeout=timeout)  # type: ignore[arg-type]
    try:
        with in_words("The Docker Engine could not be asked what it can do"):
            unfit = _why_unfit(client)
    except BaseException:
        client.close()
        raise
    if unfit:
        client.close()
        raise OpsError(
            f"The Docker Engine at {host} cannot isolate annotators: {unfit}.",
            hint="Use an engine of your own machine, run by root, or set `runtime: process` in the study file.",
            code="engine-unfit",
        )
    return client


def engine_answers(host: str = SOCKET, *, timeout: float = 1.5) -> tuple[bool, str]:
    """Whether instances can run in containers here, and why (a sentence). Takes `timeout` seconds at most per call.

    Never raises for an engine that is absent, silent, forbidden or unfit.
    """
    try:
        with closing(connect(host, timeout=timeout)) as client, in_words("The Docker Engine did not say its version"):
            version = client.version()["Version"]
    except OpsError as error:
        return False, error.message
    return True, f"Docker Engine {version} answers."


def _knock(host: str, timeout: float) -> None:
    """Open the engine's socket and close it again: the SDK hides why that failed, and leaves its own socket open."""
    if not host.startswith("unix://"):
        raise OpsError(
            f"The Docker Engine at {host} cannot be used: containers need folders of the machine that it runs on.",
            hint="Name a unix socket, such as unix:///var/run/docker.sock, or run ops on that machine.",
            code="engine-unfit",
        )
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError as error:
            raise DockerException(str(error)) from error


def _why_unfit(client: docker.DockerClient) -> str | None:
    api = client.version()["ApiVersion"]
    if tuple(int(part) for part in api.split(".")) < OLDEST_API:
        return f"it speaks API {api}, and {'.'.join(map(str, OLDEST_API))} (Engine 20.10) is needed"
    info: dict[str, Any] = client.info()
    if info.get("OSType") != "linux":
        return f"it runs {info.get('OSType')} containers"
    options = " ".join(info.get("SecurityOptions") or ())
    if "name=seccomp" not in options:
        return "it has no seccomp, which keeps a container from connecting to anything"
    if "name=rootless" in options or "name=userns" in options:
        return "it maps user ids (rootless or userns-remap), so that a data folder cannot belong to its container"
    return None


@contextmanager
def in_words(failed: str, *, port: int | None = None) -> Iterator[None]:
    """Turn what the SDK raises inside into an OpsError whose sentence begins with `failed` ("X did not start")."""
    try:
        yield
    except (DockerException, RequestException) as error:
        raise _explain(error, failed, port) from error


def port_is_taken(error: APIError) -> bool:
    """Whether the engine refused because somebody else listens on the published port."""
    return any(sign in str(error.explanation or error).lower() for sign in _PORT_TAKEN)


def port_taken(failed: str, port: int | None) -> OpsError:
    number = "the port" if port is None else f"port {port} of 127.0.0.1"
    return OpsError(
        f"{failed}: another program listens on {number}.",
        hint=f"`ss -ltnp 'sport = :{port or 0}'` names it. End it, or provision again to get another port.",
        code="port-taken",
    )


def _explain(error: Exception, failed: str, port: int | None) -> OpsError:
    text = _text(error)
    low = text.lower()
    if isinstance(error, APIError) and port_is_taken(error):
        return port_taken(failed, port)
    message, hint, code = f"{failed}: {text}", "Look at the engine's log: `journalctl -u docker`.", "engine-error"
    if any(sign in low for sign in _DISK_FULL):
        message = f"{failed}: the disk is full."
        hint, code = (
            "Free some space; `docker system df` shows what Docker uses, `docker image prune` frees some.",
            "disk-full",
        )
    elif isinstance(error, ImageNotFound) or "no such image" in low:
        hint, code = "Run `ops provision`, which builds or fetches the image first.", "image-missing"
    elif "docker-init" in low:
        message = f"{failed}: the engine lacks docker-init, a part of Docker."
        hint, code = "Install it: `apt-get install tini` with Debian's docker.io.", "engine-incomplete"
    elif "bind source path does not exist" in low:
        hint, code = "The instance's folder was moved or deleted. Bring it back, or restore a backup.", "data-missing"
    elif "non-overlapping" in low and "pool" in low:
        message = f"{failed}: the engine has no addresses left for another network."
        hint, code = "`docker network prune` removes networks that nothing uses.", "networks-exhausted"
    elif not isinstance(error, APIError):
        return _unreachable(error, failed, low)
    return OpsError(message, hint=hint, code=code)


def _unreachable(error: Exception, failed: str, low: str) -> OpsError:
    cause = _os_error(error)
    if cause == errno.EACCES or "permission denied" in low:
        return OpsError(
            f"{failed}: you may not use Docker's socket.",
            hint=f"`sudo usermod -aG docker {_user()}`, then log in again. That group is as powerful as root.",
            code="engine-unreachable",
        )
    if isinstance(error, Timeout) or "timed out" in low or "timeout" in low:
        why, hint = (
            "the engine does not answer in time",
            "`systemctl restart docker`; the instances come back by themselves.",
        )
    elif cause in (errno.ENOENT, errno.ECONNREFUSED) or isinstance(error, NoConnection) or "connection" in low:
        why, hint = (
            "no Docker Engine is running",
            "Start it: `systemctl start docker`; or install it: `apt-get install docker.io`.",
        )
    else:
        why, hint = _text(error), "Start the engine: `systemctl start docker`."
    return OpsError(f"{failed}: {why}.", hint=hint, code="engine-unreachable")


def _text(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    text = explanation.decode(errors="replace") if isinstance(explanation, bytes) else explanation
    return str(text or error).strip().rstrip(".")


def _os_error(error: BaseException) -> int | None:
    """The errno at the bottom: the SDK wraps urllib3, which wraps the socket's own error in its arguments."""
    seen: list[BaseException] = [error]
    while seen:
        current = seen.pop()
        if isinstance(current, OSError) and current.errno is not None:
            return current.errno
        inner = [*current.args, current.__cause__, current.__context__, getattr(current, "reason", None)]
        seen += [part for part in inner if isinstance(part, BaseException)]
    return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "$USER"
