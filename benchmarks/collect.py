"""Seconds to collect five annotators with 265 annotated dialogues each: ours against Label Studio's SDK.

Five real instances. Ours is what `ops collect` does after reading its arguments: ask all at once, store each export
compressed and hashed, read it into ratings; the first time, and again when nothing is new. The SDK's way is the plain
script: one instance after the other, download the export, write it to a file; it stores no ratings. Every run is a
Python process of its own, start included; the order alternates, and the median counts. Prints JSON.

    python -m benchmarks.collect [--rounds 5] [--tasks 265]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.common import ANNOTATORS, TASKS, machine, write_study


def collect_ours(scene: dict[str, Any]) -> None:
    """What a run of ours does, in a process of its own."""
    from annotator_ops.labelstudio import LabelStudio
    from annotator_ops.secret import Secret
    from annotator_ops.steps.collect import Down, Source, collect
    from annotator_ops.store.database import Store
    from annotator_ops.study import load

    study = load(Path(scene["study"]))
    sources: dict[str, Source | Down] = {
        each["annotator"]: Source(LabelStudio(each["url"], Secret(each["token"])), each["project"])
        for each in scene["instances"]
    }
    with Store(Path(scene["state"])) as store:
        result = collect(study, store, sources)
        assert result.exit_code == 0, result.as_json()
        assert sum(rating.value is not None for rating in store.ratings()) == scene["ratings"]


def collect_with_the_sdk(scene: dict[str, Any]) -> None:
    """What the SDK's documentation leads to, in a process of its own."""
    from label_studio_sdk import LabelStudio

    for each in scene["instances"]:
        client = LabelStudio(base_url=each["url"], api_key=each["token"])  # type: ignore[no-untyped-call]
        chunks = client.projects.exports.download_sync(each["project"], export_type="JSON", download_all_tasks=True)
        tasks = json.loads(b"".join(chunks))
        assert len(tasks) == scene["tasks"]
        Path(scene["state"]).mkdir(parents=True, exist_ok=True)
        Path(scene["state"], f"{each['annotator']}.json").write_text(json.dumps(tasks))


WAYS = {"ours": collect_ours, "sdk": collect_with_the_sdk}


def prepare(scene: dict[str, Any], stack: contextlib.ExitStack, root: Path, tasks: int) -> None:
    """Five instances with everything annotated, by made-up annotators."""
    from annotator_ops import labeling
    from annotator_ops.labelstudio import LabelStudio, ProjectSettings
    from annotator_ops.secret import Secret
    from annotator_ops.simulation import Character
    from annotator_ops.study import load
    from tests.real import real_instance

    study = load(write_study(root / "study", port=18080, runtime="process", tasks=tasks))
    controls, criteria = labeling.parse(study.label_config).controls, labeling.criteria_of(study)
    rated = {criterion.control for criterion in criteria}
    scene |= {"study": str(study.path), "tasks": len(study.tasks), "instances": [], "ratings": 0}
    for number in range(ANNOTATORS):
        name = f"a{number}"
        instance = stack.enter_context(real_instance(root / name))
        client = stack.enter_context(LabelStudio(instance.url, Secret(instance.operator_token)))
        project = client.ensure_project(ProjectSettings(study.title, study.label_config, "", "benchmark"))
        annotated = []
        for task in study.tasks:
            answer = Character(name, number).answer(task.id, task.data, controls, criteria)
            annotation = {
                "result": list(answer.result),
                "lead_time": answer.seconds,
                "was_cancelled": answer.skipped,
            }
            annotated.append({"data": dict(task.data), "annotations": [annotation]})
            scene["ratings"] += len({result["from_name"] for result in answer.result} & rated)
        # Annotations come with the tasks here, which takes a second instead of minutes.
        httpx.post(
            f"{instance.url}/api/projects/{project}/import",
            json=annotated,
            headers={"Authorization": f"Token {instance.operator_token}"},
            timeout=300,
            trust_env=False,
        ).raise_for_status()
        scene["instances"].append(
            {"annotator": name, "url": instance.url, "token": instance.operator_token, "project": project}
        )


def timed(way: str, scene: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchmarks.collect", "--way", way, "--scene", str(scene)], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--way", choices=sorted(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--scene", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        WAYS[options.way](json.loads(options.scene.read_text()))
        return
    seconds: dict[str, list[float]] = {"first": [], "again": [], "sdk": []}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        about = machine()
        scene: dict[str, Any] = {"state": str(root / "state")}
        prepare(scene, stack, root, options.tasks)
        file = root / "scene.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(scene))
        for _ in range(options.rounds):
            shutil.rmtree(scene["state"], ignore_errors=True)
            seconds["sdk"].append(timed("sdk", file))
            shutil.rmtree(scene["state"])
            seconds["first"].append(timed("ours", file))
            seconds["again"].append(timed("ours", file))
    middle = {name: median(values) for name, values in seconds.items()}
    report = {
        "benchmark": "collect",
        "machine": about,
        "instances": ANNOTATORS,
        "tasks": options.tasks,
        "seconds": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
        "median": {name: round(value, 3) for name, value in middle.items()},
        "ratio_first": round(middle["sdk"] / middle["first"], 2),
        "ratio_again": round(middle["sdk"] / middle["again"], 2),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
