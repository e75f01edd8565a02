"""Until N annotators can label, and what memory that takes: by hand, ordinary starts, and warm ones.

By hand: one after the other, `label-studio start` on an empty data directory, then account, project and tasks with the
SDK. Ordinary and warm: `ops provision`, whose instances load Label Studio each for itself on a copied database, or are
forked from a template; the template is ended before each run, so that its start counts. Bare: five `label-studio start`
at once on copies of a migrated database, until all answer. All in one run, since machines are shared; only the ratios
mean something elsewhere. Memory: bytes that a process shares with no other, after 30 annotations in each instance; in
all: the instances', the template's and the proxy's share. Prints JSON.

    python -m benchmarks.provision [--counts 1 5 20 100] [--rounds 3] [--without-hand]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import yaml
from label_studio_sdk import LabelStudio

from annotator_ops import study as study_file
from annotator_ops.processes import ProcessIdentity, processes_with
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.seed import Seed
from annotator_ops.runtimes.template import Template
from benchmarks.common import ANNOTATORS, TASKS, machine, write_study

OPS = Path(sys.executable).parent / "ops"
DEADLINE = 600.0
COUNTS = (1, 5, 20, 100)
ANNOTATIONS = 30
# By hand each takes as long as the one before, and an ordinary instance 200 MB: more of them say nothing new.
MOST = {"hand": ANNOTATORS, "ordinary": 20, "warm": 500}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def plain_start(installation: Installation, data: Path, port: int, token: str) -> Iterator[int]:
    """`label-studio start` as the documentation says, ended at the end. Gives its process id."""
    environment = {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_USERNAME": "operator@example.org",
        "LABEL_STUDIO_PASSWORD": secrets.token_urlsafe(12),
        "LABEL_STUDIO_USER_TOKEN": token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "SECRET_KEY": secrets.token_urlsafe(32),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }
    executable = installation.python.parent / "label-studio"
    with (data / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [executable, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=data,
            # Linux shares the processor between sessions: instances of ops have one each, so these must too.
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def wait_healthy(port: int) -> None:
    end = time.monotonic() + DEADLINE
    # One client for all probes: making one costs processor time that the starts would miss.
    with httpx.Client(timeout=5) as http:
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                if http.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    return
            time.sleep(0.1)
    raise SystemExit(f"nothing answered on port {port}")


def sign_up(port: int, token: str) -> None:
    """The annotator's own account, as a person would make it with the invitation link."""
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        link = http.get("/api/invite", headers=headers).json()["invite_url"]
        page = http.get(link)
        signed_up = http.post(
            link,
            data={
                "csrfmiddlewaretoken": page.cookies["csrftoken"],
                "email": "annotator@example.org",
                "password": secrets.token_urlsafe(12),
                "allow_newsletters": "false",
            },
        )
        assert signed_up.status_code == 302, "the sign-up form leads on to the home page"


def annotate(port: int, token: str) -> None:
    """Thirty annotations, each after the page's own question for the next task."""
    headers = {"Authorization": f"Token {token}", "Connection": "close"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120, trust_env=False) as http:
        project = http.get("/api/projects/").json()["results"][0]["id"]
        for _ in range(ANNOTATIONS):
            task = http.post(f"/api/dm/actions?id=next_task&project={project}", json={}).json()["id"]
            http.get(f"/api/tasks/{task}/").raise_for_status()
            http.post(f"/api/tasks/{task}/annotations?project={project}", json={"result": []}).raise_for_status()


def private_megabytes(pid: int, *, shared: bool = False) -> float:
    """What a process shares with no other; with `shared` also its part of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    wanted = ("Pss:",) if shared else ("Private_", "Swap:")
    return sum(int(line.split()[1]) for line in lines if line.startswith(wanted)) / 1024


# --- the ways --------------------------------------------------------------------------------------------------------


def by_hand(installation: Installation, scratch: Path, annotators: int) -> dict[str, Any]:
    study = study_file.load(write_study(scratch / "by-hand", port=free_port(), runtime="process"))
    tasks = [dict(task.data) for task in study.tasks]
    began = time.monotonic()
    running = []
    with contextlib.ExitStack() as stack:
        for number in range(annotators):
            data = scratch / f"hand-{number}"
            data.mkdir()
            port, token = free_port(), secrets.token_hex(20)
            running.append((stack.enter_context(plain_start(installation, data, port, token)), port, token))
            wait_healthy(port)
            client: Any = LabelStudio(base_url=f"http://127.0.0.1:{port}", api_key=token)  # type: ignore[no-untyped-call]
            project = client.projects.create(title="Dialogues", label_config=study.label_config)
            assert project.id is not None
            client.projects.import_tasks(id=project.id, request=tasks)
            sign_up(port, token)
        seconds = time.monotonic() - began
        for _, port, token in running:
            annotate(port, token)
        return measured(seconds, [pid for pid, _, _ in running], ())


def with_ops(installation: Installation, scratch: Path, annotators: int, start: str) -> dict[str, Any]:
    end_template(installation)
    study = write_study(scratch / "study", port=free_port(), runtime="process")
    content = yaml.safe_load(study.read_text())
    study.write_text(yaml.safe_dump(content | {"label_studio": {"start": start}}, allow_unicode=True))
    try:
        began = time.monotonic()
        run("provision", "--annotators", str(annotators), study=study)
        seconds = time.monotonic() - began
        rows = run("status", study=study)["instances"]
        # Nothing incomplete is ever timed, and everybody answers.
        assert len(rows) == annotators, "ops provision left somebody out"
        assert all(row["state"] == "running" and row["total"] == TASKS and not row["note"] for row in rows), rows
        folders = [Path(row["data_dir"]).parent for row in rows]
        pids = [json.loads((folder / "process.json").read_text())["process"]["pid"] for folder in folders]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda row: annotate(row["port"], token_of(study, row["annotator"])), rows))
        proxy = json.loads((study.parent / ".ops" / "proxy" / "process.json").read_text())["process"]["pid"]
        beside = [proxy, *(process.pid for process in templates(installation))]
        return measured(seconds, pids, beside)
    finally:
        run("destroy", "--yes", "--no-backup", study=study)


def bare(installation: Installation, scratch: Path) -> float:
    """Five starts at once on copies of the migrated database, which are made beforehand."""
    ports = []
    for number in range(ANNOTATORS):
        data = scratch / f"bare-{number}"
        data.mkdir()
        Seed(installation).copy_to(data / "label_studio.sqlite3")
        ports.append(free_port())
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(ports):
            stack.enter_context(plain_start(installation, scratch / f"bare-{number}", port, secrets.token_hex(20)))
        for port in ports:
            wait_healthy(port)
        return time.monotonic() - began


def measured(seconds: float, instances: list[int], beside: tuple[int, ...] | list[int]) -> dict[str, Any]:
    private = sorted(private_megabytes(pid) for pid in instances)
    total = sum(private_megabytes(pid, shared=True) for pid in (*instances, *beside))
    return {
        "seconds": seconds,
        "private_mb_median": round(median(private), 1),
        "private_mb_most": round(private[-1], 1),
        "all_together_mb": round(total),
    }


def run(*arguments: str, study: Path) -> dict[str, Any]:
    done = subprocess.run([OPS, *arguments, "--json", "--study", study], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def token_of(study: Path, annotator: str) -> str:
    kept = json.loads((study.parent / ".ops" / "secrets" / f"{annotator}.json").read_text())
    return str(kept["operator_token"])


def templates(installation: Installation) -> list[ProcessIdentity]:
    return processes_with(str(Template(installation).address))


def end_template(installation: Installation) -> None:
    """So that the next run has to start it; instances of other studies live on without it."""
    for process in templates(installation):
        process.signal(signal.SIGTERM)
        process.wait_gone(deadline=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--rounds", type=int, default=3, help="how often the ways alternate, up to five annotators")
    parser.add_argument("--without-hand", action="store_true", help="leave out the slow part")
    arguments = parser.parse_args()
    installation = Installation(study_file.user_home(), "1.23.2")
    installation.ensure(lambda _text, _part: None)
    Seed(installation).ensure(lambda _text, _part: None)
    report: dict[str, Any] = {"benchmark": "provision", "machine": machine(), "tasks": TASKS, "annotators": {}}
    for count in arguments.counts:
        found: dict[str, list[dict[str, Any]]] = {"ordinary": [], "warm": [], "hand": []}
        bare_seconds: list[float] = []
        for number in range(arguments.rounds if count <= ANNOTATORS else 1):
            with tempfile.TemporaryDirectory(prefix="ops-benchmark-") as folder:
                for start in ("ordinary", "warm"):
                    if count <= MOST[start]:
                        found[start].append(with_ops(installation, Path(folder, start), count, start))
                if count == ANNOTATORS:
                    bare_seconds.append(bare(installation, Path(folder)))
                if count <= MOST["hand"] and number == 0 and not arguments.without_hand:
                    found["hand"].append(by_hand(installation, Path(folder), count))
        report["annotators"][count] = summary(found, bare_seconds)
        print(f"{count} annotators: {json.dumps(report['annotators'][count])}", file=sys.stderr)
    print(json.dumps(report, indent=2))


def summary(found: dict[str, list[dict[str, Any]]], bare_seconds: list[float]) -> dict[str, Any]:
    of_count: dict[str, Any] = {}
    for way, runs in found.items():
        if runs:
            seconds = [one["seconds"] for one in runs]
            of_count[way] = {
                **runs[-1],
                "seconds": [round(one, 2) for one in seconds],
                "median": round(median(seconds), 2),
            }
    if bare_seconds:
        of_count["bare_starts"] = {"seconds": [round(one, 2) for one in bare_seconds], "median": median(bare_seconds)}
    warm = of_count.get("warm", {}).get("median")
    for way in ("hand", "ordinary", "bare_starts"):
        if warm and way in of_count:
            of_count[f"{way}_over_warm"] = round(of_count[way]["median"] / warm, 2)
    return of_count


if __name__ == "__main__":
    main()
