"""Layer 3. One ngrok endpoint in front of the proxy, held by this process for as long as it lives."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from pyngrok import conf, ngrok
from pyngrok.exception import PyngrokError, PyngrokNgrokError, PyngrokNgrokHTTPError
from pyngrok.process import NgrokProcess

from annotator_ops.errors import OpsError
from annotator_ops.files import private_folder, write_private
from annotator_ops.models import JSONDict
from annotator_ops.processes import processes_with
from annotator_ops.proxies.ngrok_words import explain, own_domain_needs, scrubbed
from annotator_ops.proxies.orphans import CONFIG_NAME
from annotator_ops.secret import Secret

__all__ = ["Agent", "NgrokEndpoint", "agent_config", "find_agent", "own_domain_needs"]

T = TypeVar("T")

_NAME = "annotator-ops"
_LOOKS = 3  # how often an agent that runs but does not answer is asked before the endpoint counts as dead
# Since this version the agent has `/api/endpoints` (and the configuration that goes with it).
_ENDPOINTS_SINCE = (3, 30)
_AGENT_HINT = (
    "Install the ngrok agent from https://ngrok.com/download (one file; put it on PATH), check it with "
    "`ngrok version`, and run `ops expose` again. It is not downloaded for you: nothing could check the download."
)


@dataclass(frozen=True, slots=True)
class Agent:
    """An installed ngrok agent: the executable, and its version's first two numbers."""

    path: Path
    version: tuple[int, int]

    @property
    def has_endpoints(self) -> bool:
        return self.version >= _ENDPOINTS_SINCE


class NgrokEndpoint:
    """A public address that leads to one local port. It lives as long as this process, and its agent dies with it.

    The token goes to the agent in a file that only its owner can read, never on a command line. `directory` is where
    that file is while the endpoint is open; `agent` overrides which executable is used; `patience` is in seconds.
    """

    def __init__(
        self, token: Secret | None, directory: Path, *, agent: Path | None = None, patience: float = 30.0
    ) -> None:
        self._token = token
        self._config_file = directory / CONFIG_NAME
        self._agent = agent
        self._patience = patience
        self._config: conf.PyngrokConfig | None = None
        self._process: NgrokProcess | None = None
        self._url = ""

    def open(self, port: int, *, domain: str | None) -> str:
        """Open the endpoint to 127.0.0.1:`port`, at the account's own `domain` if given. Returns its public URL.

        Raises OpsError: "ngrok-no-token", "ngrok-missing", "ngrok-refused" (with ngrok's own reason), "ngrok-offline",
        "ngrok-silent" (no answer within the patience), "ngrok-too-old".
        """
        if self._token is None:
            raise OpsError(
                "There is no ngrok token.",
                hint="Copy yours from https://dashboard.ngrok.com/get-started/your-authtoken into the environment "
                "variable NGROK_AUTHTOKEN or into a file `.ops/ngrok-token` beside study.yaml (mode 0600).",
                code="ngrok-no-token",
            )
        agent = find_agent(self._agent)
        # The library reports through logging what the agent says, which can hold the token.
        logger = logging.getLogger("pyngrok")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        private_folder(self._config_file.parent)
        write_private(self._config_file, yaml.safe_dump(agent_config(agent, self._token)))
        config = conf.PyngrokConfig(
            ngrok_path=str(agent.path),
            config_path=str(self._config_file),
            startup_timeout=max(1, int(self._patience * 0.6)),
            request_timeout=max(1.0, self._patience * 0.3),
            config_version="3" if agent.has_endpoints else "2",
        )
        # The library takes it from the environment by itself and then puts it on the agent's command line.
        config.auth_token = None
        self._config = config
        try:
            self._url = self._within_patience(lambda: self._connect(config, port, domain))
        except PyngrokError as error:
            # Not chained: the library's exceptions and their logs quote the token.
            said = _said(error)
            if self._process is None and "ERR_NGROK" not in said:
                said += "\n" + _last_words(agent, self._config_file, patience=self._patience * 0.4)
            failure = explain(said, token=self._token, domain=domain)
            self.close()
            raise failure from None
        except OpsError:
            self.close()
            raise
        return self._url

    def alive(self) -> str | None:
        """None while the endpoint is open, else why it is not, in words."""
        process, config = self._process, self._config
        if process is None or config is None:
            return "The endpoint is not open."
        code = process.proc.poll()
        if code is not None:
            return self._death(process, code)
        # Asked again before it is given up: a busy machine may miss one answer, and giving up ends it for everybody.
        for _ in range(_LOOKS):
            try:
                urls = self._listed(process, config)
            except (httpx.HTTPError, ValueError) as error:
                failure = type(error).__name__
            else:
                return None if self._url in urls else f"The ngrok agent runs, but has closed {self._url}."
            try:
                return self._death(process, process.proc.wait(timeout=1.0))
            except subprocess.TimeoutExpired:
                continue
        return f"The ngrok agent no longer answers ({failure})."

    def _listed(self, process: NgrokProcess, config: conf.PyngrokConfig) -> set[str]:
        """The agent's public addresses, asked directly: the library would start an empty agent for a dead one."""
        kind = "endpoints" if config.config_version == "3" else "tunnels"
        answer = httpx.get(f"{process.api_url}/api/{kind}", timeout=config.request_timeout, trust_env=False)
        listed = answer.json().get(kind) or []
        return {str(entry.get("url") or entry.get("public_url")).rstrip("/") for entry in listed}

    def _death(self, process: NgrokProcess, code: int) -> str:
        last = next((log.err for log in reversed(process.logs) if log.err and log.err != "nil"), None)
        reason = f"; its last words: {scrubbed(last, self._token)}" if last else ""
        return f"The ngrok agent ended by itself (exit status {code}){reason}."

    def close(self) -> None:
        """End the endpoint and its agent, and remove the file that holds the token. Idempotent."""
        process, config = self._process, self._config
        self._process = self._config = None
        if config is not None:
            ngrok.kill(config)
        if process is not None:
            process.proc.wait()
            if process.proc.stdout is not None:
                process.proc.stdout.close()
        self._config_file.unlink(missing_ok=True)

    def _connect(self, config: conf.PyngrokConfig, port: int, domain: str | None) -> str:
        self._process = ngrok.get_ngrok_process(config)
        options: dict[str, Any] = {}
        if config.config_version == "3":
            addr = f"http://127.0.0.1:{port}"
            if domain:
                options["url"] = f"https://{domain}"
        else:
            addr = f"127.0.0.1:{port}"
            options["bind_tls"] = True
            if domain:
                options["domain"] = domain
        tunnel = ngrok.connect(addr, "http", _NAME, config, **options)
        return str(tunnel.public_url).rstrip("/")

    def _within_patience(self, work: Callable[[], T]) -> T:
        """Do `work`, but give up on an agent that says nothing: the library waits for its next line for ever."""
        done: list[T] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except (PyngrokError, OSError, ValueError) as error:
                failed.append(error)

        worker = threading.Thread(target=run, daemon=True, name="ngrok-connect")
        worker.start()
        worker.join(self._patience)
        if worker.is_alive():
            for child in processes_with(str(self._config_file), parent=os.getpid()):
                child.signal(signal.SIGKILL)
            worker.join(10.0)
            raise OpsError(
                f"The ngrok agent said nothing useful for {self._patience:g} s.",
                hint="Check that this machine reaches the internet (`ngrok diagnose`), then run `ops expose` again.",
                code="ngrok-silent",
            )
        if failed:
            raise failed[0]
        return done[0]


def find_agent(chosen: Path | None = None) -> Agent:
    """The ngrok agent to use: `chosen`, one on PATH, or one that pyngrok installed earlier. Never downloads.

    Raises OpsError, code "ngrok-missing" or "ngrok-too-old".
    """
    earlier = Path(conf.DEFAULT_NGROK_PATH)
    found = chosen or shutil.which("ngrok") or (earlier if earlier.is_file() else None)
    if found is None:
        raise OpsError("The ngrok agent is not installed.", hint=_AGENT_HINT, code="ngrok-missing")
    path = Path(found)
    try:
        said = subprocess.run([str(path), "version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise OpsError(
            f"The ngrok agent {path} cannot be run: {error}", hint=_AGENT_HINT, code="ngrok-missing"
        ) from error
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None:
        raise OpsError(f"{path} does not say which ngrok version it is.", hint=_AGENT_HINT, code="ngrok-missing")
    return Agent(path, (int(match[1]), int(match[2])))


def agent_config(agent: Agent, token: Secret) -> JSONDict:
    """The agent's configuration file. No request is kept for its inspection page, which has no password: requests hold
    the annotators' passwords and cookies.
    """
    shared: JSONDict = {"authtoken": token.reveal(), "inspect_db_size": -1, "console_ui": False}
    if agent.has_endpoints:
        return {"version": "3", "agent": {**shared, "update_check": False}}
    if agent.version >= (3, 0):
        return {"version": "2", **shared, "update_check": False}
    return {**shared, "update": False}


def _said(error: PyngrokError) -> str:
    """Everything that ngrok said: the library leaves the code inside the answer's body or the agent's log."""
    parts = [str(error)]
    if isinstance(error, PyngrokNgrokHTTPError):
        parts.append(error.body or "")
    if isinstance(error, PyngrokNgrokError):
        parts.append(error.ngrok_error or "")
        parts += [log.err for log in error.ngrok_logs if log.err]
    return "\n".join(parts)


def _last_words(agent: Agent, config_file: Path, *, patience: float) -> str:
    """What an agent that did not start says when it is asked once more.

    The library stops reading as soon as the agent has ended, which can be before it reads the agent's reason.
    """
    command = [str(agent.path), "start", "--none", "--log", "stdout", "--config", str(config_file)]
    try:
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        return (error.stdout or b"").decode("utf-8", "replace") if isinstance(error.stdout, bytes) else ""
    return ran.stdout
