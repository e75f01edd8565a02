"""Layer 4. `ops doctor`: whether this machine can run the study; one sentence and one fix for each thing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path

from annotator_ops import study as study_file
from annotator_ops.errors import OpsError
from annotator_ops.machine import Machine, look
from annotator_ops.models import LabelStudioChoice, Outcome, ProxySettings, Sandbox, State, StepResult, Study
from annotator_ops.ports import PortState, port_state
from annotator_ops.study_schema import LABEL_STUDIO_VERSION

# Measured: a forked instance holds 65 to 95 MB of its own, beside a template of 300; one in a container 200 to 270.
# Label Studio's installation takes 1 GB, its image 1.2.
_PROCESS_MEMORY = 100 * 1024**2
_TEMPLATE_MEMORY = 300 * 1024**2
_CONTAINER_MEMORY = 270 * 1024**2
_INSTANCE_DISK = 100 * 1024**2
_INSTALLATION_DISK = 2 * 1024**3
_ANNOTATORS = 5
_OLDEST_PYTHON = (3, 11)
_CLOCK_SLACK = timedelta(days=1)
_DISK_CLOCK_SLACK = 60.0


@dataclass(frozen=True, slots=True)
class Need:
    """What is to run here: from a study, or with none the defaults."""

    annotators: int = _ANNOTATORS
    runtime: str = "auto"
    label_studio: LabelStudioChoice = field(default_factory=lambda: LabelStudioChoice(LABEL_STUDIO_VERSION))
    proxy: ProxySettings = field(default_factory=ProxySettings)
    public_url: bool = False
    sandbox: Sandbox = "available"


@dataclass(frozen=True, slots=True)
class Programs:
    """What the adapters say of the programs that they start, each as an outcome already."""

    engine: Outcome
    image: Outcome
    label_studio: Outcome
    walls: Outcome
    caddy: Outcome
    with_docker: bool = False
    proxy_runs_on: int | None = None


def doctor(path: Path | None) -> StepResult:
    """Look at this machine with the study at `path` in mind, or with five annotators and defaults.

    Nothing is started, but for a trial of an image that the study names in place of ours.
    """
    study: Study | None = None
    found: list[Outcome] = []
    if path is not None:
        study, problems = study_file.read(path)
        if problems:
            message = f"{path} has {len(problems)} problem{'' if len(problems) == 1 else 's'}."
            found.append(Outcome("study", "failed", message, "study-invalid", "`ops validate` names each."))
    need = need_of(study)
    folder = study.root if study else Path.cwd()
    machine = look(folder, study_file.user_home())
    programs = _ask_programs(need, study)
    found += judge(machine, need, programs, port_state(need.proxy.port))
    found += _instances(study)
    states = [outcome.state for outcome in found]
    note = (
        "Something has to be mended before a study can run here."
        if "failed" in states
        else f"{need.annotators} annotators can label on this machine."
    )
    return StepResult("doctor", tuple(found), {"annotators": need.annotators, "runtime": need.runtime}, (note,))


def need_of(study: Study | None) -> Need:
    """What a study needs of a machine."""
    if study is None:
        return Need()
    return Need(
        annotators=len(study.annotators) or _ANNOTATORS,
        runtime=study.runtime,
        label_studio=study.label_studio,
        proxy=study.proxy,
        public_url=study.proxy.public_url is not None,
        sandbox=study.limits.sandbox,
    )


def judge(machine: Machine, need: Need, programs: Programs, port: PortState) -> list[Outcome]:
    """What all that means for the study. Pure."""
    return [
        _python(machine),
        _clock(machine),
        _memory(machine, need, with_docker=programs.with_docker),
        _disk(machine, need, installed=programs.label_studio.state == "ok"),
        programs.engine,
        programs.image,
        programs.label_studio,
        programs.walls,
        _uv(machine, programs),
        programs.caddy,
        _port(need, port, ours=programs.proxy_runs_on == need.proxy.port),
        _ngrok(machine, need),
    ]


# --- the machine -----------------------------------------------------------------------------------------------------


def _python(machine: Machine) -> Outcome:
    version = ".".join(map(str, machine.python))
    if machine.python[:2] < _OLDEST_PYTHON:
        return Outcome("Python", "failed", f"This is Python {version}.", "python-old", "Install Python 3.11 or later.")
    if machine.system != "linux":
        message = f"This is {machine.system}; instances run on Linux."
        return Outcome("Python", "failed", message, "not-linux", "Use a Linux machine, or WSL 2 on Windows.")
    return Outcome("Python", "ok", f"Python {version} on Linux.")


def _clock(machine: Machine) -> Outcome:
    clock = machine.clock
    now = f"{clock.now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if clock.now < clock.installed - _CLOCK_SLACK:
        message = f"The clock says {now}, which is before annotator_ops was installed."
        hint = "Set the clock (`timedatectl set-ntp true`); logins and certificates depend on it."
        return Outcome("clock", "failed", message, "clock-wrong", hint)
    if clock.disk_ahead is not None and abs(clock.disk_ahead) > _DISK_CLOCK_SLACK:
        which = "ahead of" if clock.disk_ahead > 0 else "behind"
        message = f"The disk's clock is {abs(clock.disk_ahead):.0f} s {which} this machine's."
        hint = "Set both clocks by the network, or keep the study on a local disk."
        return Outcome("clock", "warning", message, "clock-skewed", hint)
    return Outcome("clock", "ok", f"The clock says {now}.")


def _memory(machine: Machine, need: Need, *, with_docker: bool) -> Outcome:
    if machine.memory is None:
        return Outcome("memory", "warning", "This system does not say how much memory it has.", "memory-unknown")
    each, once = (_CONTAINER_MEMORY, 0) if with_docker else (_PROCESS_MEMORY, _TEMPLATE_MEMORY)
    wanted = need.annotators * each + once
    free, total = _gigabytes(machine.memory.available), _gigabytes(machine.memory.total)
    message = f"{need.annotators} instances need about {_gigabytes(wanted)}; {free} of {total} are free."
    if wanted > machine.memory.total:
        hint = "Use a larger machine, or give fewer annotators an instance at the same time (`ops stop NAME`)."
        return Outcome("memory", "failed", message, "memory-short", hint)
    if wanted > machine.memory.available:
        hint = "Close other programs. Where the study's instances already run, this is as it should be."
        return Outcome("memory", "warning", message, "memory-tight", hint)
    return Outcome("memory", "ok", message)


def _disk(machine: Machine, need: Need, *, installed: bool) -> Outcome:
    study, home = machine.study_disk, machine.home_disk
    if study is None or home is None:
        return Outcome("disk", "warning", "The disk does not say how much of it is free.", "disk-unknown")
    instances = need.annotators * _INSTANCE_DISK
    rest = 0 if installed else _INSTALLATION_DISK
    # Two folders with the same free space to the byte are on the same disk.
    wanted = [(study, instances + rest)] if study.free == home.free else [(study, instances), (home, rest)]
    for disk, amount in wanted:
        if disk.free >= 2 * amount:
            continue
        message = f"About {_gigabytes(amount)} are needed in {disk.folder}; {_gigabytes(disk.free)} are free."
        hint = "Free some space, or move the study (or ANNOTATOR_OPS_HOME) to another disk."
        return Outcome("disk", "failed" if disk.free < amount else "warning", message, "disk-short", hint)
    return Outcome("disk", "ok", f"{_gigabytes(min(study.free, home.free))} are free.")


def _port(need: Need, port: PortState, *, ours: bool) -> Outcome:
    subject, number = "port", need.proxy.port
    if ours:
        return Outcome(subject, "ok", f"This study's proxy listens on port {number}.")
    if port == "taken":
        message = f"Another program listens on port {number}."
        hint = f"End it (`ss -ltnp 'sport = :{number}'` names it), or set another `proxy.port` in the study file."
        return Outcome(subject, "failed", message, "port-taken", hint)
    if port == "forbidden":
        message = f"Only root may listen on port {number}."
        hint = "Set `proxy.port` to 1024 or more, or allow it: `sysctl net.ipv4.ip_unprivileged_port_start=80`."
        return Outcome(subject, "failed", message, "port-forbidden", hint)
    return Outcome(subject, "ok", f"Port {number} is free for the proxy.")


def _uv(machine: Machine, programs: Programs) -> Outcome:
    if machine.uv is not None:
        return Outcome("uv", "ok", "uv is here to install Label Studio.")
    if programs.label_studio.state in {"ok", "skipped"}:
        return Outcome("uv", "skipped", "uv is missing, but nothing is left to install with it.")
    return Outcome("uv", "failed", "uv, which installs Label Studio, is missing.", "uv-missing", "`pip install uv`")


def _ngrok(machine: Machine, need: Need) -> Outcome:
    if machine.ngrok is not None:
        return Outcome("ngrok", "ok", f"The ngrok agent is {machine.ngrok}.")
    message = "No ngrok agent; only `ops expose` needs one."
    if need.public_url:
        message = "No ngrok agent, and the study has a public address of its own."
    return Outcome("ngrok", "skipped", message, hint="Install it from ngrok.com/download if you want `ops expose`.")


def _gigabytes(amount: int) -> str:
    return f"{amount / 1024**3:.1f} GB"


# --- programs --------------------------------------------------------------------------------------------------------


def _ask_programs(need: Need, study: Study | None) -> Programs:
    engine, answers = _engine(need)
    with_docker = need.runtime == "docker" or (need.runtime == "auto" and answers)
    skipped = Outcome("image", "skipped", "No image is needed: instances run as processes.")
    return Programs(
        engine=engine,
        image=_image(need, study) if with_docker and answers else skipped,
        label_studio=_label_studio(need, with_docker=with_docker),
        walls=_walls(need, with_docker=with_docker),
        caddy=_caddy(),
        with_docker=with_docker,
        proxy_runs_on=_proxy_port(study),
    )


def _engine(need: Need) -> tuple[Outcome, bool]:
    if need.runtime == "process":
        return Outcome("engine", "skipped", "The study file asks for plain processes, so no engine is needed."), False
    from annotator_ops.runtimes.docker_engine import engine_answers

    answers, words = engine_answers()
    if answers:
        return Outcome("engine", "ok", words), True
    hint = "Install Docker (`apt install docker.io`) and let this user use it (`usermod -aG docker $USER`)."
    if need.runtime == "docker":
        return Outcome("engine", "failed", words, "engine-unreachable", hint), False
    message = f"{words.rstrip('.')}; instances will run as processes, each in a sandbox of its own."
    return Outcome("engine", "skipped", message), False


def _image(need: Need, study: Study | None) -> Outcome:
    from annotator_ops.runtimes.docker_engine import connect
    from annotator_ops.runtimes.image import has_image, image_tag

    chosen = need.label_studio.image
    try:
        name = chosen or image_tag(need.label_studio.version)
        with closing(connect()) as client:
            present = has_image(client, name)
    except OpsError as error:
        return Outcome("image", "failed", error.message, error.code, error.hint)
    if present:
        # Ours was made to run so restricted; of another one only a trial can tell.
        return _trial(study) if chosen and study else Outcome("image", "ok", f"The image {name} is here.")
    how = "fetched" if chosen else "built (a few minutes, once)"
    hint = f"`docker pull {chosen}` fetches it now." if chosen else "`ops image` builds it now."
    return Outcome("image", "warning", f"The image will be {how} at the first `ops provision`.", "image-missing", hint)


def _trial(study: Study) -> Outcome:
    """Whether the image that the study names runs as confined as every instance is."""
    from annotator_ops.runtimes.docker_check import can_run

    study.state_dir.mkdir(mode=0o700, exist_ok=True)
    report = can_run(study.label_studio, study.state_dir, lambda _sentence, _done: None, limits=study.limits)
    if report.problems:
        problem = report.problems[0]
        message = f"The image {report.image} cannot serve annotators: {problem.message}"
        return Outcome("image", "failed", message, problem.code, problem.hint)
    took = f" and answers after {report.seconds:.0f} s" if report.seconds is not None else ""
    version = report.version or study.label_studio.version
    message = f"Confined as instances are, the image {report.image} runs Label Studio {version}{took}."
    return Outcome("image", "ok", message)


def _label_studio(need: Need, *, with_docker: bool) -> Outcome:
    subject, version = "Label Studio", need.label_studio.version
    if with_docker:
        return Outcome(subject, "skipped", "Label Studio is inside the image.")
    from annotator_ops.runtimes.installation import Installation

    try:
        installed = Installation(study_file.user_home(), version).complete
    except OpsError as error:
        return Outcome(subject, "failed", error.message, error.code, error.hint)
    if installed:
        return Outcome(subject, "ok", f"Label Studio {version} is installed.")
    message = f"Label Studio {version} will be installed at the first `ops provision` (a minute, once)."
    return Outcome(subject, "warning", message, "not-installed", "Nothing to do, if this machine can reach PyPI then.")


def _walls(need: Need, *, with_docker: bool) -> Outcome:
    """Which walls a process would have around it here; a trial says it, not the kernel's version."""
    subject = "walls"
    if with_docker:
        return Outcome(subject, "skipped", "Containers bring their own.")
    from annotator_ops.runtimes.walls import try_walls

    walls = try_walls()
    if walls is None:
        message = "Which walls this machine has around a process could not be tried."
        return Outcome(subject, "warning", message, "walls-unknown", "`ops status` says what instances have.")
    missing = [f"{wall.name}: {wall.detail}" for wall in walls if not wall.in_force]
    if not missing:
        names = ", ".join(wall.name for wall in walls)
        return Outcome(subject, "ok", f"All walls stand around an instance here: {names}.")
    message = f"{len(walls) - len(missing)} of {len(walls)} walls stand around an instance here. {'; '.join(missing)}."
    if need.sandbox == "required":
        hint = "Use a newer kernel or Docker, or set `limits: {sandbox: available}` in the study file."
        return Outcome(subject, "failed", message, "sandbox-incomplete", hint)
    hint = "docs/isolation.md says what each is for. A newer kernel or Docker has them all."
    return Outcome(subject, "warning", message, "sandbox-incomplete", hint)


def _instances(study: Study | None) -> list[Outcome]:
    """The walls around each process that runs for this study now."""
    if study is None or not study.state_dir.is_dir():
        return []
    from annotator_ops.plan import instances_dir
    from annotator_ops.runtimes.installation import Installation
    from annotator_ops.runtimes.process import ProcessRuntime
    from annotator_ops.store.vault import study_id

    runtime = ProcessRuntime(
        study_id(study.state_dir, study.name),
        instances_dir(study.state_dir),
        Installation(study_file.user_home(), study.label_studio.version),
    )
    outcomes = []
    for name, seen in sorted(runtime.observe().items()):
        if seen.state is not State.RUNNING or seen.walls is None:
            continue
        missing = [f"{wall.name}: {wall.detail}" for wall in seen.walls if not wall.in_force]
        if missing:
            outcomes.append(Outcome(name, "warning", f"Not every wall is in force. {'; '.join(missing)}."))
        else:
            outcomes.append(Outcome(name, "ok", f"All {len(seen.walls)} walls are in force around this instance."))
    return outcomes


def _caddy() -> Outcome:
    from annotator_ops.proxies.caddy import check_version, find_caddy

    try:
        version = check_version(find_caddy(), study_file.inherited_environment())
    except OpsError as error:
        return Outcome("Caddy", "failed", error.message, error.code, error.hint)
    return Outcome("Caddy", "ok", f"Caddy {'.'.join(map(str, version))} is here.")


def _proxy_port(study: Study | None) -> int | None:
    """The port of the study's own proxy, if it runs."""
    if study is None or not study.state_dir.is_dir():
        return None
    from annotator_ops.proxies.caddy import CaddyProxy

    return CaddyProxy(study.name, study.state_dir).observe().port
