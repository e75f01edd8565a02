"""What a request costs beside the endpoint's own time: ours against a plain script with the `openai` package.

1,000 items, a server in a process of its own that answers at once. Ours is `ops judge run` without its start: prompts
made, requests made by N workers, every raw reply stored in a transaction of its own. The plain script sends the same
bodies from N threads with the synchronous client and keeps nothing. The two alternate, and the median counts; what a
transaction alone takes on this disk stands beside. Prints JSON.

    python -m benchmarks.judge_run [--items 1000] [--workers 8] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

from annotator_ops.judge_settings import ModelJudge
from annotator_ops.judging.client import Endpoint
from annotator_ops.judging.pacing import Pace
from annotator_ops.judging.requests import requests_of
from annotator_ops.models import Study, Task
from annotator_ops.resources import resource
from annotator_ops.steps.judge_run import Order, run_judges
from annotator_ops.store.database import Store
from annotator_ops.study import load
from benchmarks.common import machine, write_study
from tests.judging.endpoint import Server


class _Silent:
    def update(self, subject: str, message: str, fraction: float | None = None) -> None:
        pass


def serve() -> None:
    """The endpoint, until standard input is closed."""
    with Server() as server:
        print(server.url, flush=True)
        sys.stdin.read()


def ours(study: Study) -> float:
    """Seconds for a whole run into an empty store."""

    def connect(judge: ModelJudge, stop: threading.Event) -> Endpoint:
        return Endpoint(judge, None, Pace(stop))

    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with Store(Path(folder) / ".ops") as store:
            result = run_judges(study, store, Order(), connect=connect, board=_Silent())
        seconds = time.perf_counter() - began
    assert result.exit_code == 0, result.outcomes
    return seconds


def plain(study: Study) -> float:
    """Seconds for the same bodies with a script's means."""
    from openai import OpenAI

    judge = study.model_judges[0]
    bodies = [request.body for request in requests_of(judge, study)]
    began = time.perf_counter()
    with (
        OpenAI(base_url=judge.base_url, api_key="none", max_retries=0) as client,
        ThreadPoolExecutor(judge.concurrency) as pool,
    ):
        list(pool.map(lambda body: client.chat.completions.create(**body), bodies))
    return time.perf_counter() - began


def transactions(study: Study) -> float:
    """Seconds for as many transactions of a store, one after the other, with nothing in them to speak of."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / ".ops") as store:
        began = time.perf_counter()
        for number in range(len(study.tasks)):
            store.set_meta(f"t{number}", "x")
        return time.perf_counter() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--items", type=int, default=1000)
    arguments.add_argument("--workers", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.serve:
        serve()
        return
    about = machine()
    command = [sys.executable, "-m", "benchmarks.judge_run", "--serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        prompt = resource("templates", "judges", "default.md.j2").read_text(encoding="utf-8")
        judge = ModelJudge("quick", "m", url, None, prompt, "default.md.j2", concurrency=given.workers)
        path = write_study(Path(folder) / "study", port=8080, runtime="process", tasks=given.items)
        study = replace(load(path), model_judges=(judge,), judges=())
        study = replace(study, tasks=_told_apart(study))
        ways: dict[str, Callable[[Study], float]] = {"ours": ours, "plain": plain, "transactions": transactions}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(given.rounds):
            for name, way in ways.items():
                seconds[name].append(way(study))
        server.stdin.close()
    middle = {name: median(each) for name, each in seconds.items()}
    print(
        json.dumps(
            {
                "machine": about,
                "items": given.items,
                "workers": given.workers,
                "seconds": seconds,
                "ms_a_request": {name: 1000 * each / given.items for name, each in middle.items()},
                "ms_a_request_beyond_plain": 1000 * (middle["ours"] - middle["plain"]) / given.items,
            },
            indent=2,
        )
    )


def _told_apart(study: Study) -> tuple[Task, ...]:
    """Equal texts would be asked about once."""
    return tuple(
        replace(task, data={**task.data, "char_name": f"{task.data['char_name']} ({task.id})"}) for task in study.tasks
    )


if __name__ == "__main__":
    main()
