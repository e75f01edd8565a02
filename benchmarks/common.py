"""What the benchmarks share: the machine they ran on, and a study of 265 dialogues."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import yaml

from annotator_ops.models import StepResult
from annotator_ops.steps.init import init

TASKS = 265
ANNOTATORS = 5


def machine() -> dict[str, Any]:
    """Cores, memory (GB), kernel and Python of this machine; load before the run, since machines are shared."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def write_study(directory: Path, *, port: int, runtime: str, tasks: int = TASKS) -> Path:
    """The dialogue template with its dialogues repeated under new ids until there are `tasks` of them."""
    result: StepResult = init(directory, "dialogue-ratings")
    assert result.exit_code == 0, result
    file = directory / "tasks.jsonl"
    originals = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    with file.open("w") as out:
        for number in range(tasks):
            task = {**originals[number % len(originals)], "id": f"dialogue-{number:03d}"}
            out.write(json.dumps(task, ensure_ascii=False) + "\n")
    study = directory / "study.yaml"
    content = yaml.safe_load(study.read_text())
    content.pop("annotators", None)
    content |= {"runtime": runtime, "proxy": {**content.get("proxy", {}), "port": port}}
    study.write_text(yaml.safe_dump(content, allow_unicode=True))
    return study
