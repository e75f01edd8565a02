"""Annotations a second on one instance: as ops serves it, and by `label-studio start`, Django's development server.

1, 8 and 32 annotators' sessions at once, each asking for its next task and submitting an answer to it, over and over,
for so many seconds; the two sides alternate. An answer that is not a success is an error, and is counted. Prints JSON.

    python -m benchmarks.throughput [--seconds 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from annotator_ops.runtimes.seed import Seed
from benchmarks.common import machine
from benchmarks.provision import free_port, plain_start, wait_healthy
from tests.real import prepared_installation, real_instance

SESSIONS = (1, 8, 32)
LABEL_CONFIG = (
    '<View><Text name="t" value="$text"/>'
    '<Choices name="q" toName="t"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)
ANSWER = {
    "result": [{"from_name": "q", "to_name": "t", "type": "choices", "value": {"choices": ["good"]}}],
    "lead_time": 1.0,
}


@dataclass(frozen=True, slots=True)
class Server:
    """A Label Studio with a project that has more tasks than will be annotated."""

    url: str
    token: str
    project: int

    def client(self) -> httpx.Client:
        # A connection for each request, as the proxy makes them.
        headers = {"Authorization": f"Token {self.token}", "Connection": "close"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)


@contextlib.contextmanager
def ours(folder: Path, tasks: int) -> Iterator[Server]:
    with real_instance(folder) as instance:
        yield furnish(instance.url, instance.operator_token, tasks)


@contextlib.contextmanager
def development_server(folder: Path, tasks: int) -> Iterator[Server]:
    installation = prepared_installation()
    folder.mkdir()
    Seed(installation).copy_to(folder / "label_studio.sqlite3")
    port, token = free_port(), secrets.token_hex(20)
    with plain_start(installation, folder, port, token):
        wait_healthy(port)
        yield furnish(f"http://127.0.0.1:{port}", token, tasks)


def furnish(url: str, token: str, tasks: int) -> Server:
    with Server(url, token, 0).client() as client:
        made = client.post("/api/projects/", json={"title": "Throughput", "label_config": LABEL_CONFIG})
        made.raise_for_status()
        project = int(made.json()["id"])
        texts = [{"text": f"Text {number}"} for number in range(tasks)]
        client.post(f"/api/projects/{project}/import", json=texts).raise_for_status()
    return Server(url, token, project)


def annotate(server: Server, sessions: int, seconds: float) -> dict[str, float]:
    """So many sessions at once: annotations a second, the median and the slowest answer in milliseconds, errors."""
    end = time.monotonic() + seconds
    lock = threading.Lock()
    taken: list[float] = []
    errors = 0

    def session(number: int) -> None:
        nonlocal errors
        with server.client() as client:
            # Sessions begin at tasks of their own: annotators of one project would not meet at one task either.
            page = client.get("/api/tasks/", params={"project": server.project, "page": number + 1, "page_size": 50})
            ids = [task["id"] for task in page.json()["tasks"]]
            for turn in range(10**6):
                if time.monotonic() > end:
                    return
                began = time.monotonic()
                task = ids[turn % len(ids)]
                answers = [
                    client.get(f"/api/tasks/{task}/"),
                    client.post(f"/api/tasks/{task}/annotations", params={"project": server.project}, json=ANSWER),
                ]
                with lock:
                    if all(answer.is_success for answer in answers):
                        taken.append(time.monotonic() - began)
                    else:
                        errors += 1

    threads = [threading.Thread(target=session, args=(number,)) for number in range(sessions)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "per_second": len(taken) / (time.monotonic() - began),
        "median_ms": 1000 * median(taken) if taken else 0.0,
        "slowest_ms": 1000 * max(taken, default=0.0),
        "errors": errors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tasks = 50 * max(SESSIONS)
    report: dict[str, Any] = {"benchmark": "throughput", "machine": machine(), "seconds": options.seconds}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(ours(Path(folder, "ours"), tasks)),
            "development_server": stack.enter_context(development_server(Path(folder, "plain"), tasks)),
        }
        for sessions in SESSIONS:
            runs: dict[str, list[dict[str, float]]] = {side: [] for side in servers}
            for _ in range(options.rounds):
                for side, server in servers.items():
                    runs[side].append(annotate(server, sessions, options.seconds))
            found: dict[str, Any] = {
                side: {
                    "per_second": round(median(run["per_second"] for run in of_side), 2),
                    "median_ms": round(median(run["median_ms"] for run in of_side)),
                    "slowest_ms": round(max(run["slowest_ms"] for run in of_side)),
                    "errors": int(sum(run["errors"] for run in of_side)),
                }
                for side, of_side in runs.items()
            }
            found["ratio"] = round(found["ours"]["per_second"] / found["development_server"]["per_second"], 2)
            report[f"sessions_{sessions}"] = found
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
