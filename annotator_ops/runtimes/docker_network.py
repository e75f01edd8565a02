"""Layer 3. The bridge of one study: made before its first container, removed after its last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.runtimes.docker_container import STUDY, is_walled, network_name, network_options


@dataclass(frozen=True, slots=True)
class StudyNetwork:
    """`lock_file` keeps apart whoever makes the network or a container in it, and whoever removes it as unused.

    The engine itself would make two networks of one name when asked twice at once.
    """

    client: docker.DockerClient
    study: str
    lock_file: Path

    @contextmanager
    def present(self) -> Iterator[None]:
        """The network exists and stays while the block runs. Raises OpsError (code "network-unsafe")."""
        with self._alone():
            name = network_name(self.study)
            existing = [one for one in self.client.networks.list(names=[name]) if one.name == name]
            if not existing:
                self.client.networks.create(**network_options(self.study))
            elif not is_walled(existing[0].attrs, self.study):
                raise OpsError(
                    f"There is a Docker network named {name} that is not closed as this study's network must be.",
                    hint=f"If nobody needs it: `docker network rm {name}`, and run the command again.",
                    code="network-unsafe",
                )
            yield

    def drop_unused(self) -> None:
        """Remove it when no container of the study is left: a machine has addresses for about 30 networks."""
        label = f"{STUDY}={self.study}"
        with self._alone():
            if self.client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
                return
            for network in self.client.networks.list(filters={"label": label}):
                try:
                    network.remove()
                except APIError as error:
                    # Gone already, or somebody put a container of their own into it: then it stays.
                    if error.status_code not in (403, 404):
                        raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.lock_file, what="another command that makes containers of this study", deadline=120):
            yield
