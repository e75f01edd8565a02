"""Layer 3. What an annotator's container is made of, as plain data; nothing here talks to the engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.types import LogConfig, Mount, Ulimit

from annotator_ops.models import InstanceSpec, JSONDict, Limits, Wall, content_hash
from annotator_ops.naming import resource_name
from annotator_ops.runtimes.owner import Owner

STUDY = "annotator-ops.study"
ANNOTATOR = "annotator-ops.annotator"
SPEC = "annotator-ops.spec"
DIRECTORY = "annotator-ops.directory"
PORT = "annotator-ops.port"
CONTAINER = "annotator-ops.container"

INNER_PORT = 8080
DATA = "/data"
SETTINGS = "/run/annotator-ops/settings.json"
_SECOND = 1_000_000_000  # the engine counts in nanoseconds


@dataclass(frozen=True, slots=True)
class Program:
    """Label Studio in an image: how to start it. `tools` are host files mounted read-only, by their path inside.

    `migrations` is the hash that the launcher gives for an up-to-date database of this Label Studio.
    """

    image: str
    python: str
    launcher: str
    health: str
    migrations: str = ""
    tools: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Walls:
    """What keeps containers apart: the study's network and the system calls that they may use."""

    network: str
    seccomp: str


# What every container of ours has around it, in the words that a process uses for its own sandbox.
WALLS = (
    Wall("user", in_force=True, detail="a user who owns nothing but the data, without capabilities"),
    Wall("files", in_force=True, detail="the image read-only, and its own data folder"),
    Wall("network", in_force=True, detail="a bridge that leads nowhere"),
    Wall("tcp", in_force=True, detail="the filter of system calls refuses connections"),
    Wall("signals", in_force=True, detail="sees no process but its own"),
    Wall("system-calls", in_force=True, detail="only those on the list in deploy/seccomp.json"),
    Wall("limits", in_force=True, detail="memory, processes and threads, no core dumps"),
)


def settings_file(directory: Path) -> Path:
    """Where an instance's settings are, secrets included; 0600, and not below the writable data directory."""
    return directory / "settings.json"


def settings_of(spec: InstanceSpec, program: Program) -> str:
    """The launcher's settings, in which the secrets are. The data directory is the container's own path."""
    environment = {
        **spec.environment,
        **{name: secret.reveal() for name, secret in spec.secrets.items()},
        "LABEL_STUDIO_BASE_DATA_DIR": DATA,
    }
    everywhere = "0.0.0.0"  # noqa: S104 - inside the container; outside, the port is published on the loopback only
    settings = {"environment": environment, "host": everywhere, "port": INNER_PORT, "migrations": program.migrations}
    return json.dumps(settings, sort_keys=True)


def confined(owner: Owner, walls: Walls, limits: Limits) -> JSONDict:
    """The restrictions of every container that runs Label Studio's code, as arguments for the SDK's `create`."""
    options: JSONDict = {
        "user": str(owner),
        "read_only": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=256m,mode=1777"},  # noqa: S108 - the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", f"seccomp={walls.seccomp}"],
        "init": True,
        "pids_limit": limits.processes,
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,  # memory and swap together: no swap beyond the memory
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],  # a core dump would hold the secret key
        "network": walls.network,
        "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "5m", "max-file": "2"}),
        "environment": {"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"},  # noqa: S108 - the container's own
        "working_dir": DATA,
    }
    if limits.cpus is not None:
        options["nano_cpus"] = int(limits.cpus * _SECOND)
    return options


def bound(source: Path, target: str, *, read_only: bool) -> Mount:
    """A bind mount. Unlike `-v`, it refuses a missing source, where Docker would make a folder that root owns."""
    return Mount(target=target, source=str(source), type="bind", read_only=read_only)


def container_options(spec: InstanceSpec, *, study: str, program: Program, owner: Owner, walls: Walls) -> JSONDict:
    """Arguments of the SDK's `containers.create` for one annotator's instance. No secret is among them.

    The label annotator-ops.container is a hash of all the others: a container with another one is made anew.
    """
    mounts = [
        bound(spec.data_dir, DATA, read_only=False),
        bound(settings_file(spec.directory), SETTINGS, read_only=True),
        *(bound(source, target, read_only=True) for source, target in program.tools),
    ]
    options = {
        **confined(owner, walls, spec.limits),
        "image": program.image,
        "name": resource_name(study, spec.annotator),
        "entrypoint": [program.python, program.launcher],
        "command": [SETTINGS],
        "mounts": mounts,
        # Without the address Docker would publish on every interface, past the proxy and past most firewalls.
        "ports": {f"{INNER_PORT}/tcp": ("127.0.0.1", spec.port)},
        "restart_policy": {"Name": "unless-stopped"},
        "healthcheck": {
            "test": ["CMD", program.python, "-I", "-S", program.health, str(INNER_PORT)],
            "interval": 30 * _SECOND,
            "timeout": 10 * _SECOND,
            "start_period": 120 * _SECOND,
            "retries": 3,
        },
    }
    labels = {
        STUDY: study,
        ANNOTATOR: spec.annotator,
        SPEC: spec.spec_hash,
        DIRECTORY: str(spec.directory),
        PORT: str(spec.port),
    }
    return {**options, "labels": {**labels, CONTAINER: content_hash(options)}}


def network_options(study: str) -> dict[str, Any]:
    """Arguments of the SDK's `networks.create` for a study's bridge: no way out, and none between its containers."""
    return {
        "name": network_name(study),
        "driver": "bridge",
        "check_duplicate": True,
        "enable_ipv6": False,
        "options": {
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "false",
        },
        "labels": {STUDY: study},
    }


def network_name(study: str) -> str:
    return f"annotator-ops-{study}"


def is_walled(attributes: Mapping[str, Any], study: str) -> bool:
    """Whether an existing network (as the engine describes it) is this study's, and as closed as we make it."""
    wanted = network_options(study)
    options = attributes.get("Options") or {}
    labels = attributes.get("Labels") or {}
    return labels.get(STUDY) == study and all(options.get(key) == value for key, value in wanted["options"].items())
