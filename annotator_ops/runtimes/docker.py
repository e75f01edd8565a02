"""Layer 3. The Docker runtime: one confined container per annotator, on a bridge per study that leads nowhere."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.models import InstanceSpec, JSONDict, LabelStudioChoice, Observation, RuntimeKind, State
from annotator_ops.ports import port_refusal
from annotator_ops.resources import resource
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes import docker_container as labels
from annotator_ops.runtimes.docker_claim import claim_for
from annotator_ops.runtimes.docker_container import Walls, container_options, network_name
from annotator_ops.runtimes.docker_engine import connect, in_words, port_taken
from annotator_ops.runtimes.docker_files import put_database, write_settings
from annotator_ops.runtimes.docker_images import Images, Ready
from annotator_ops.runtimes.docker_memory import memory_of
from annotator_ops.runtimes.docker_network import StudyNetwork
from annotator_ops.runtimes.owner import Owner, give, not_owned_by

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

OUR_UID = 10001
STOP_SECONDS = 15  # the launcher gives requests that have begun 10 s
_START_SECONDS = 180.0
_STEADY = timedelta(seconds=10)  # after which the engine itself takes a container for recovered
_STATES = {"running": State.RUNNING, "removing": State.ABSENT}


def owner_for(uid: int, gid: int) -> Owner:
    """Who a container runs as: the caller, whose files its data then are; for root, a user that owns nothing else."""
    return Owner(OUR_UID, OUR_UID) if uid == 0 else Owner(uid, gid)


class DockerRuntime:
    """Instances of one study as Docker containers. Keeps the `Runtime` protocol.

    `instances_dir` is where the instances' directories are; what is found out about images that are not ours is kept
    in `images` beside it. `client_factory` makes the engine's client, on first use; `ca_bundle` is what downloads
    during the build of our image trust (default: what this Python trusts); `owner` is who containers run as.
    """

    def __init__(
        self,
        study_id: str,
        instances_dir: Path,
        *,
        client_factory: Callable[[], docker.DockerClient] = connect,
        ca_bundle: Path | None = None,
        owner: Owner | None = None,
    ) -> None:
        self.study_id = study_id
        self._beside = instances_dir.parent
        self._connect = client_factory
        self._ca_bundle = ca_bundle
        self._owner = owner or owner_for(os.geteuid(), os.getegid())
        self._lock = RLock()
        self._connected: tuple[docker.DockerClient, Images] | None = None

    @property
    def kind(self) -> RuntimeKind:
        return "docker"

    def close(self) -> None:
        """Close the connection to the engine; the next call opens another."""
        with self._lock:
            if self._connected is not None:
                self._connected[0].close()
                self._connected = None

    # --- the protocol ------------------------------------------------------------------------------------------------

    def prepare(self, choice: LabelStudioChoice, progress: Progress) -> None:
        """Build our image (two minutes, once), or fetch and try the one that was chosen.

        Raises OpsError with code "image-build-failed", "base-image-missing", "image-missing", "image-unfit", …
        """
        self.prepare_image(choice, progress)

    def prepare_image(self, choice: LabelStudioChoice, progress: Progress) -> Ready:
        """The same, and what was found: the program, its Label Studio's version, its seed database."""
        return self._images.prepare(choice, progress, ca_bundle=self._ca_bundle)

    def begin(self, choice: LabelStudioChoice) -> None:
        """Nothing: the engine has all it needs."""

    def static_files(self, choice: LabelStudioChoice) -> Path | None:
        """Those of our image; one that is not ours serves its files itself."""
        try:
            return self._images.static_files(choice)
        except OpsError:
            return None

    def seed(self, spec: InstanceSpec) -> None:
        """Copy the image's seed database into a new data directory that belongs to the container's user.

        The directory appears whole or not at all; an existing one is left as it is.
        """
        if not spec.data_dir.exists():
            put_database(spec, self._images.ready(spec.label_studio).database, self._owner)

    def start(self, spec: InstanceSpec) -> str:
        """Start the annotator's container, or make it anew where it has another spec. Returns its id.

        Raises OpsError: "port-taken", "data-missing" (call `seed` first), "image-missing" (call `prepare` first),
        "name-taken", "network-unsafe", and those of the engine.
        """
        failed = f"The container of {spec.annotator} did not start"
        if not spec.data_dir.is_dir():
            raise OpsError(
                f"{failed}: its data directory {spec.data_dir} is missing.",
                hint="Provision again for a new instance, or restore a backup into that place.",
                code="data-missing",
            )
        lock = spec.directory / "container.lock"
        with (
            in_words(failed, port=spec.port),
            locked(lock, what=f"another command that starts {spec.annotator}", deadline=_START_SECONDS),
        ):
            found = self._found(spec.annotator)
            for one in found:
                if one.labels.get(labels.SPEC) == spec.spec_hash and _runs_steadily(one):
                    return str(one.id)
            ready = self._images.ready(spec.label_studio)
            options = container_options(
                spec, study=self.study_id, program=ready.program, owner=self._owner, walls=self._walls
            )
            kept = [one for one in found if one.status != "dead" and _made_with(one, options)][:1]
            for one in found:
                if one in kept:
                    _end(one)
                else:
                    _discard(one)
            _refuse_taken_port(failed, spec.port)
            self._own(spec.directory)
            write_settings(spec, ready.program, self._owner)
            if kept:
                kept[0].start()
                return str(kept[0].id)
            return self._create_and_start(options)

    def observe(self) -> dict[str, Observation]:
        failed = "What became of this study's containers is not known"
        try:
            with in_words(failed):
                mine = [f"{labels.STUDY}={self.study_id}", labels.ANNOTATOR]
                rows = self._client.api.containers(all=True, filters={"label": mine})
        except OpsError as error:
            if error.code == "engine-unreachable":
                raise
            raise OpsError(error.message, hint=error.hint, code="engine-unreachable") from error
        seen = [_observation(row) for row in rows]
        return {one.annotator: one for one in seen if one.state is not State.ABSENT}

    def stop(self, annotator: str) -> None:
        with in_words(f"The container of {annotator} did not stop"):
            for container in self._found(annotator):
                _end(container)

    def remove(self, annotator: str) -> None:
        with in_words(f"The container of {annotator} could not be removed"):
            for container in self._found(annotator):
                _discard(container)
            self._network.drop_unused()

    def logs(self, annotator: str, lines: int) -> Sequence[str]:
        with in_words(f"The log of {annotator} could not be read"):
            for container in self._found(annotator):
                return str(container.logs(tail=lines), errors="replace").splitlines()
        return []

    def claim(self, directory: Path) -> None:
        """Give what is below `directory` to the caller, by a short root container that may change owners and no more.

        Root can read and write it anyway, and an ordinary caller's containers run as the caller: then nothing is done.
        """
        caller = Owner(os.geteuid(), os.getegid())
        if caller.uid != 0 and not_owned_by(directory, caller.uid):
            claim_for(self._client, directory, caller, seccomp=self._walls.seccomp)

    # --- how ---------------------------------------------------------------------------------------------------------

    @property
    def _walls(self) -> Walls:
        return Walls(network_name(self.study_id), seccomp_profile())

    @property
    def _client(self) -> docker.DockerClient:
        return self._connection()[0]

    @property
    def _images(self) -> Images:
        return self._connection()[1]

    @property
    def _network(self) -> StudyNetwork:
        return StudyNetwork(self._client, self.study_id, self._beside / "network.lock")

    def _connection(self) -> tuple[docker.DockerClient, Images]:
        with self._lock:
            if self._connected is None:
                client = self._connect()
                images = Images(client, folder=self._beside / "images", owner=self._owner, seccomp=seccomp_profile())
                self._connected = (client, images)
            return self._connected

    def _found(self, annotator: str) -> list[Container]:
        """The annotator's containers, by label. More than one only after somebody copied labels by hand."""
        mine = [f"{labels.STUDY}={self.study_id}", f"{labels.ANNOTATOR}={annotator}"]
        return self._client.containers.list(all=True, filters={"label": mine}, ignore_removed=True)

    def _create_and_start(self, options: JSONDict) -> str:
        with self._network.present():
            try:
                container = self._client.containers.create(**options)
            except APIError as error:
                raise _name_taken(options["name"]) if _is_name_conflict(error) else error from error
        try:
            container.start()
        except BaseException:
            with suppress(APIError):
                container.remove(force=True)
            raise
        return str(container.id)

    def _own(self, directory: Path) -> None:
        """See that the data belongs to the container's user, e.g. after a backup was restored by somebody else."""
        foreign = not_owned_by(directory / "data", self._owner.uid)
        if foreign and os.geteuid() != 0:
            claim_for(self._client, directory, self._owner, seccomp=self._walls.seccomp)
            return
        for path in foreign:
            give(path, self._owner)


def _observation(row: dict[str, Any]) -> Observation:
    said = row["Labels"]
    state = _STATES.get(row["State"], State.EXITED)
    port, directory = said.get(labels.PORT, ""), said.get(labels.DIRECTORY)
    return Observation(
        annotator=said[labels.ANNOTATOR],
        state=state,
        handle=row["Id"],
        port=int(port) if port.isdigit() else None,
        directory=Path(directory) if directory else None,
        spec_hash=said.get(labels.SPEC),
        memory=memory_of(row["Id"]) if state is State.RUNNING else None,
        walls=labels.WALLS,
        detail=str(row["Status"]),
    )


def seccomp_profile() -> str:
    """The seccomp profile as the engine wants it: its content on one line."""
    return json.dumps(json.loads(resource("deploy", "seccomp.json").read_text()), separators=(",", ":"))


def _made_with(container: Container, options: JSONDict) -> bool:
    wanted = options["labels"]
    return all(container.labels.get(label) == wanted[label] for label in (labels.SPEC, labels.CONTAINER))


def _runs_steadily(container: Container) -> bool:
    """Whether it runs, and not just for the moment between two crashes (the engine starts it again each time)."""
    if container.status != "running":
        return False
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"][:19] + "+00:00")
    return not container.attrs["RestartCount"] or datetime.now(UTC) - started > _STEADY


def _end(container: Container) -> None:
    """Stop a container in an orderly way; one that does not run, or is gone, stays as it is."""
    with suppress(NotFound):
        if container.status == "paused":
            container.unpause()
        container.stop(timeout=STOP_SECONDS)


def _discard(container: Container) -> None:
    """Stop and remove a container. Somebody else removing it at the same time is fine."""
    _end(container)
    with suppress(NotFound):
        try:
            container.remove(force=True)
        except APIError as error:
            if "already in progress" not in str(error.explanation):
                raise


def _is_name_conflict(error: APIError) -> bool:
    return error.status_code == 409 and "already in use by container" in str(error.explanation)


def _name_taken(name: str) -> OpsError:
    return OpsError(
        f"There is a container named {name} that is not one of this study's.",
        hint=f"If nobody needs it: `docker rm -f {name}`, and run the command again.",
        code="name-taken",
    )


def _refuse_taken_port(failed: str, port: int) -> None:
    """Ask the kernel first: an engine without its userland proxy would publish past whoever listens there."""
    refusal = port_refusal(port)
    if refusal is None:
        return
    if refusal.errno == errno.EADDRINUSE:
        raise port_taken(failed, port) from refusal
    raise OpsError(
        f"{failed}: port {port} cannot be used ({refusal.strerror}).",
        hint="Choose ports above 1023.",
        code="port-refused",
    ) from refusal
