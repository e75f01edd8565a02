"""Layer 3. Label Studio in any image: where its Python is, which version it is, and the seed database that suits it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

import docker
from docker.errors import APIError, ImageNotFound, NotFound

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.models import LabelStudioChoice, Limits
from annotator_ops.resources import resource
from annotator_ops.runtimes import Progress
from annotator_ops.runtimes.docker_container import DATA, SETTINGS, Program, Walls, bound, confined
from annotator_ops.runtimes.docker_engine import in_words
from annotator_ops.runtimes.docker_front_end import folder_of, take_front_end
from annotator_ops.runtimes.front_end import if_made
from annotator_ops.runtimes.image import HOME, ensure_image, image_tag, our_program, read_files
from annotator_ops.runtimes.owner import Owner, give
from annotator_ops.runtimes.seed import DATABASE, copy_database

TOOLS = "/run/annotator-ops"
SEED = "seed.sqlite3"
MIGRATIONS = "seed.migrations"
_FACTS = "image.json"
_MIGRATION_SECONDS = 900
_ASK_SECONDS = 60
_ASK = "import importlib.metadata as m; import label_studio; print('label-studio ' + m.version('label-studio'))"


@dataclass(frozen=True, slots=True)
class Ready:
    """An image from which instances can start: its program, its Label Studio's version, its migrated database."""

    program: Program
    version: str
    database: bytes = field(repr=False)


class Images:
    """The images of one study. `folder` keeps what was found out about images that are not ours."""

    def __init__(self, client: docker.DockerClient, *, folder: Path, owner: Owner, seccomp: str) -> None:
        self._client = client
        self._folder = folder
        self._owner = owner
        self._walls = Walls(network="none", seccomp=seccomp)
        self._lock = Lock()
        self._ready: dict[str, Ready] = {}

    def prepare(self, choice: LabelStudioChoice, progress: Progress, *, ca_bundle: Path | None) -> Ready:
        """Build our image, or fetch and examine the one that was chosen. Idempotent.

        Raises OpsError: besides those of `ensure_image`, code "image-missing" or "image-unfit".
        """
        if choice.image is None:
            ours = ensure_image(self._client, choice.version, progress, ca_bundle=ca_bundle)
            take_front_end(self._client, ours, self._identity(ours))
        elif not self._present(choice.image):
            progress(f"Fetching the image {choice.image}", None)
            with in_words(f"The image {choice.image} could not be fetched"):
                repository, tag = _split(choice.image)
                self._client.images.pull(repository, tag=tag)
        if choice.image is not None:
            self._examine(choice.image, progress)
        return self.ready(choice)

    def ready(self, choice: LabelStudioChoice) -> Ready:
        """What an instance of this choice starts from. Raises OpsError (code "image-missing") before `prepare`."""
        name = choice.image or image_tag(choice.version)
        with self._lock:
            identity = self._identity(name)
            if identity not in self._ready:
                self._ready[identity] = self._ours(name) if choice.image is None else self._foreign(name, identity)
            return self._ready[identity]

    def static_files(self, choice: LabelStudioChoice) -> Path | None:
        """The front-end files that were taken from our image; None for another's image, and before `prepare`."""
        if choice.image is not None:
            return None
        return if_made(folder_of(self._identity(image_tag(choice.version))))

    def _identity(self, name: str) -> str:
        with in_words(f"The image {name} is not on this machine"):
            return str(self._client.images.get(name).id)

    def _present(self, name: str) -> bool:
        with in_words(f"The engine could not be asked for the image {name}"), suppress(ImageNotFound):
            self._client.images.get(name)
            return True
        return False

    def _ours(self, tag: str) -> Ready:
        with in_words(f"The seed database could not be read from the image {tag}"):
            files = read_files(self._client, tag, HOME)
            labels = self._client.images.get(tag).labels
        migrations = files[MIGRATIONS].decode().strip()
        return Ready(replace(our_program(tag), migrations=migrations), labels["annotator-ops.version"], files[SEED])

    # --- images that are not ours ------------------------------------------------------------------------------------

    def _place(self, identity: str) -> Path:
        """Another launcher is another place: it was not tried with this image yet."""
        digest = hashlib.sha256()
        for source in _tools().values():
            digest.update(source.read_bytes())
        return self._folder / f"{identity.removeprefix('sha256:')[:16]}-{digest.hexdigest()[:8]}"

    def _foreign(self, name: str, identity: str) -> Ready:
        place = self._place(identity)
        try:
            facts = json.loads((place / _FACTS).read_text())
        except FileNotFoundError as error:
            raise OpsError(
                f"The image {name} has not been examined yet.",
                hint="Run `ops provision`, which does that first.",
                code="image-missing",
            ) from error
        program = replace(_tooled(name, facts["python"], place), migrations=facts["migrations"])
        return Ready(program, facts["version"], (place / SEED).read_bytes())

    def _examine(self, name: str, progress: Progress) -> None:
        """Find Label Studio in an image and let it make its seed database restricted as instances are."""
        place = self._place(self._identity(name))
        with locked(place.with_suffix(".lock"), what=f"another look at the image {name}", deadline=_MIGRATION_SECONDS):
            if (place / _FACTS).exists():
                return
            partial = place.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True, mode=0o755)
            for tool, source in _tools().items():
                copied = partial / tool
                copied.parent.mkdir(mode=0o755, exist_ok=True)
                shutil.copyfile(source, copied)
                copied.chmod(0o444)  # the container's user reads it
            progress(f"Looking for Label Studio in the image {name}", None)
            python, version = self._find_python(name)
            progress(f"Making the empty database of Label Studio {version} in the image {name}", None)
            migrations = self._make_seed(_tooled(name, python, partial), partial)
            facts = {"image": name, "python": python, "version": version, "migrations": migrations}
            (partial / _FACTS).write_text(json.dumps(facts) + "\n")
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)

    def _find_python(self, name: str) -> tuple[str, str]:
        """The interpreter that can import Label Studio, and its version."""
        with in_words(f"The image {name} could not be examined"):
            candidates = _pythons(self._client.images.get(name).attrs.get("Config") or {})
            existing = self._existing(name, candidates)
            said = []
            for python in existing:
                code, output = self._run(name, [python, "-B", "-c", _ASK], (), seconds=_ASK_SECONDS)
                found = re.search(r"^label-studio (\S+)$", output, re.MULTILINE)
                if code == 0 and found:
                    return python, found[1]
                said.append(f"{python}: {output.strip().splitlines()[-1] if output.strip() else f'exit code {code}'}")
        detail = "; ".join(said) if said else f"no interpreter at {', '.join(candidates)}"
        raise OpsError(
            f"The image {name} has no Python that can import Label Studio as user {self._owner} ({detail}).",
            hint="Name an image whose Label Studio every user can read, or leave label_studio.image out.",
            code="image-unfit",
        )

    def _existing(self, name: str, candidates: list[str]) -> list[str]:
        container = self._client.containers.create(name, command=["-"], network_mode="none")
        try:
            return [path for path in candidates if _has_path(container, path)]
        finally:
            container.remove(force=True)

    def _make_seed(self, program: Program, place: Path) -> str:
        """Put the migrated database into `place`; returns the hash of its migrations."""
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            data = Path(scratch, "data")
            data.mkdir(mode=0o700)
            settings = Path(scratch, "settings.json")
            environment = {
                "LABEL_STUDIO_BASE_DATA_DIR": DATA,
                "SECRET_KEY": "used for making the seed only",
                "SENTRY_DSN": "",
                "FRONTEND_SENTRY_DSN": "",
                "COLLECT_ANALYTICS": "false",
                "LATEST_VERSION_CHECK": "false",
            }
            settings.touch(mode=0o600)
            settings.write_text(json.dumps({"environment": environment, "host": "127.0.0.1", "port": 0}))
            for path in (data, settings):
                give(path, self._owner)
            mounts = (
                bound(data, DATA, read_only=False),
                bound(settings, SETTINGS, read_only=True),
                *(bound(source, target, read_only=True) for source, target in program.tools),
            )
            with in_words(f"The image {program.image} could not be tried"):
                argv = [program.python, program.launcher, SETTINGS, "--migrate"]
                code, output = self._run(program.image, argv, mounts, seconds=_MIGRATION_SECONDS)
            found = re.search(r"^launch: migrations hash: (\w+)$", output, re.MULTILINE)
            if code != 0 or not found:
                lines = "\n".join(f"  {line}" for line in output.strip().splitlines()[-10:])
                raise OpsError(
                    f"Label Studio in the image {program.image} does not run restricted (exit code {code}):\n{lines}",
                    hint="It must write below /data only and connect to nothing; or leave label_studio.image out.",
                    code="image-unfit",
                )
            copy_database(data / DATABASE, place / SEED)
            return found[1]

    def _run(self, image: str, argv: list[str], mounts: tuple[Any, ...], *, seconds: int) -> tuple[int, str]:
        """Run a program of the image to its end, restricted as instances are and without any network."""
        container = self._client.containers.create(
            image=image,
            entrypoint=argv[:1],
            command=argv[1:],
            mounts=list(mounts),
            **_offline(self._owner, self._walls, has_data=bool(mounts)),
        )
        try:
            try:
                container.start()
            except APIError as error:  # not executable for our user, wrong processor, …
                return 126, str(error.explanation or error)
            try:
                code = int(container.wait(timeout=seconds)["StatusCode"])
            except OSError:  # requests' errors are OSErrors: it took too long
                return 124, f"no end after {seconds} s\n" + container.logs(tail=30).decode(errors="replace")
            return code, container.logs(tail=60).decode(errors="replace")
        finally:
            container.remove(force=True)


def _offline(owner: Owner, walls: Walls, *, has_data: bool) -> dict[str, Any]:
    options = confined(owner, walls, Limits())
    del options["network"]
    options["network_mode"] = "none"
    if not has_data:
        options["working_dir"] = "/"
    return options


def _tools() -> dict[str, Path]:
    """What an image that is not ours lacks: the launcher, the health check, the server. By their names in `place`."""
    found = {name: resource("deploy", name) for name in ("launch.py", "health.py")}
    server = importlib.util.find_spec("waitress")
    folders = [resource("deploy", "launcher"), *map(Path, (server and server.submodule_search_locations) or ())]
    for folder in folders:
        found |= {f"{folder.name}/{path.name}": path for path in sorted(folder.glob("*.py"))}
    return found


def _tooled(image: str, python: str, place: Path) -> Program:
    """A program whose launcher and health check are ours, mounted from `place`."""
    names = dict.fromkeys(name.partition("/")[0] for name in _tools())
    tools = tuple((place / name, f"{TOOLS}/{name}") for name in names)
    return Program(image, python, f"{TOOLS}/launch.py", f"{TOOLS}/health.py", tools=tools)


def _pythons(config: Mapping[str, Any]) -> list[str]:
    """Where an image's Python may be, likeliest first: beside what it starts, its environment, its PATH."""
    environment = dict(entry.split("=", 1) for entry in config.get("Env") or () if "=" in entry)
    started = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    folders = [str(PurePosixPath(word).parent) for word in started if word.startswith("/") and "/bin/" in word]
    folders += [f"{environment[name]}/bin" for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if name in environment]
    folders += environment.get("PATH", "/usr/local/bin:/usr/bin").split(":")
    folders += ["/label-studio/.venv/bin"]  # the official image
    paths = [f"{folder}/{name}" for folder in folders if folder.startswith("/") for name in ("python3", "python")]
    return list(dict.fromkeys(paths))


def _has_path(container: Any, path: str) -> bool:
    try:
        chunks, _ = container.get_archive(path)
    except NotFound:
        return False
    for _ in chunks:  # read to the end, so that the connection can serve again
        pass
    return True


def _split(name: str) -> tuple[str, str | None]:
    """Repository and tag (or digest) for a pull; without a tag the engine would fetch all of them."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")
