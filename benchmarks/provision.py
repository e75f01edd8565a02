"""Seconds until five annotators can label: `ops provision`, against doing it by hand and against five bare starts.

By hand: one after the other, `label-studio start` on an empty data directory, then account, project and tasks with the
SDK. Bare: five `label-studio start` at once on copies of a migrated database, until all answer. All in one run, since
machines are shared; only the ratios mean something elsewhere. Prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from label_studio_sdk import LabelStudio

from annotator_ops import study as study_file
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.seed import Seed
from benchmarks.common import ANNOTATORS, TASKS, machine, write_study

OPS = Path(sys.executable).parent / "ops"
DEADLINE = 600.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def plain_start(installation: Installation, data: Path, port: int, token: str) -> Iterator[None]:
    """`label-studio start` as the documentation says, ended at the end."""
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
        yield
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


def by_hand(installation: Installation, scratch: Path, study: Path, annotators: int) -> float:
    loaded = study_file.load(study)
    tasks = [dict(task.data) for task in loaded.tasks]
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        for number in range(annotators):
            data = scratch / f"hand-{number}"
            data.mkdir()
            port, token = free_port(), secrets.token_hex(20)
            stack.enter_context(plain_start(installation, data, port, token))
            wait_healthy(port)
            client: Any = LabelStudio(base_url=f"http://127.0.0.1:{port}", api_key=token)  # type: ignore[no-untyped-call]
            project = client.projects.create(title="Dialogues", label_config=loaded.label_config)
            assert project.id is not None
            client.projects.import_tasks(id=project.id, request=tasks)
            sign_up(port, token)
        return time.monotonic() - began


def bare(installation: Installation, scratch: Path, annotators: int) -> float:
    """Five starts at once on copies of the migrated database, which are made beforehand."""
    ports = []
    for number in range(annotators):
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


def with_ops(study: Path, annotators: int) -> float:
    began = time.monotonic()
    subprocess.run(
        [OPS, "provision", "--annotators", str(annotators), "--study", study], check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - began


def tasks_there(study: Path, annotators: int) -> bool:
    """Whether what was provisioned is complete, so that nothing incomplete is ever timed."""
    said = subprocess.run([OPS, "status", "--json", "--study", study], check=True, capture_output=True, text=True)
    rows = json.loads(said.stdout)["instances"]
    return len(rows) == annotators and all(row["state"] == "running" and row["total"] == TASKS for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotators", type=int, default=ANNOTATORS)
    parser.add_argument("--runtime", choices=["process", "docker"], default="process")
    parser.add_argument("--rounds", type=int, default=3, help="how often ops and the bare starts alternate")
    parser.add_argument("--without-hand", action="store_true", help="leave out the slow part")
    arguments = parser.parse_args()
    count = arguments.annotators
    installation = Installation(study_file.user_home(), "1.23.2")
    installation.ensure(lambda _text, _part: None)
    Seed(installation).ensure(lambda _text, _part: None)
    result: dict[str, object] = {
        "machine": machine(),
        "annotators": count,
        "tasks": TASKS,
        "runtime": arguments.runtime,
    }
    ops_seconds, bare_seconds = [], []
    with tempfile.TemporaryDirectory(prefix="ops-benchmark-") as folder:
        scratch = Path(folder)
        for number in range(arguments.rounds):
            turn = scratch / f"round-{number}"
            turn.mkdir()
            study = write_study(turn / "study", port=free_port(), runtime=arguments.runtime)
            try:
                ops_seconds.append(with_ops(study, count))
                assert tasks_there(study, count), "ops provision left something out"
            finally:
                subprocess.run(
                    [OPS, "destroy", "--yes", "--no-backup", "--study", study], check=True, stdout=subprocess.DEVNULL
                )
            bare_seconds.append(bare(installation, turn, count))
        result["ops_seconds"] = [round(s, 2) for s in ops_seconds]
        result["bare_starts_seconds"] = [round(s, 2) for s in bare_seconds]
        result["ops_over_bare"] = round(median(ops_seconds) / median(bare_seconds), 3)
        if not arguments.without_hand:
            study = write_study(scratch / "by-hand", port=free_port(), runtime="process")
            hand = by_hand(installation, scratch, study, count)
            result["by_hand_seconds"] = round(hand, 1)
            result["hand_over_ops"] = round(hand / median(ops_seconds), 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
