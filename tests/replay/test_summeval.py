"""Real ratings through the whole chain: submitted at the proxy, collected; statistics equal to the files' own."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.browsing import AnnotatorSession
from annotator_ops.secret import Secret
from tests.studies import EVERY_WAY, WAYS, destroyed_at_the_end, free_port, well, write_study

ITEMS = 60
CRITERIA = ("coherence", "consistency", "fluency", "relevance")
EXPERTS = ("expert_1", "expert_2", "expert_3")


def rows_of(path: Path, items: set[str]) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["item"] in items]


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["rater", "item", "criterion", "value"])
        writer.writeheader()
        writer.writerows(rows)


def label_config() -> str:
    words = "".join(f'<Choice value="{number}"/>' for number in range(1, 6))
    controls = "".join(
        f'<Header value="{name}"/><Choices name="{name}" toName="summary" required="true">{words}</Choices>'
        for name in CRITERIA
    )
    return f'<View><Text name="summary" value="$summary"/>{controls}</View>'


def summeval_study(directory: Path, find: Callable[[str], Path], way: str) -> tuple[Path, list[dict[str, str]]]:
    """Every 20th summary, so that all twelve systems are in it; the experts' ratings of these items."""
    lines = find("summeval/tasks.jsonl").read_text().splitlines()
    tasks = [json.loads(line) for line in lines[::20]][:ITEMS]
    items = {task["id"] for task in tasks}
    study = write_study(
        directory,
        {
            "name": "summeval",
            **WAYS[way],
            "annotators": [{"id": expert} for expert in EXPERTS],
            "label_config": "summeval.xml",
            "criteria": [
                {"name": name, "level": "ordinal", "values": {str(n): n for n in range(1, 6)}} for name in CRITERIA
            ],
            "judges": [{"file": "judges.csv"}],
            "proxy": {"port": free_port(), "routing": "path"},
        },
    )
    (directory / "summeval.xml").write_text(label_config())
    (directory / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    write_rows(directory / "judges.csv", rows_of(find("summeval/judges.csv"), items))
    return study, rows_of(find("summeval/ratings-experts.csv"), items)


def submit_all(study: Path, ratings: list[dict[str, str]]) -> None:
    """Each expert signs in at the proxy and submits their own real ratings, in the order of their own stream."""
    answers: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in ratings:
        answers[row["rater"], row["item"]][row["criterion"]] = row["value"]
    projects = {row["annotator"]: row["project_id"] for row in well("status", study=study)["instances"]}
    for invitation in well("invite", study=study)["invitations"]:
        expert = invitation["annotator"]
        with AnnotatorSession(invitation["url"], connect_to=local_address(study)) as session:
            session.sign_in(invitation["email"], Secret(invitation["password"]))
            seen = []
            while (task := session.next_task(projects[expert])) is not None:
                item = task["data"]["id"]
                result = [
                    {"from_name": name, "to_name": "summary", "type": "choices", "value": {"choices": [value]}}
                    for name, value in answers[expert, item].items()
                ]
                session.submit(task["id"], result, seconds=1.0)
                seen.append(item)
            assert sorted(seen) == sorted({item for rater, item in answers if rater == expert})


def local_address(study: Path) -> str:
    import yaml

    return f"http://127.0.0.1:{yaml.safe_load(study.read_text())['proxy']['port']}"


def numbers(analysis: dict[str, Any]) -> dict[str, float | None]:
    """The alpha and the judges' correlations of every criterion."""
    found = {}
    for criterion in (*analysis["criteria"], analysis["overall"]):
        found[f"{criterion['name']}/alpha"] = criterion["agreement"]["krippendorff_alpha"]["value"]
        for judge in criterion["judges"]:
            found[f"{criterion['name']}/{judge['rater']}"] = judge["spearman"]["value"]
        found[f"{criterion['name']}/ensemble"] = criterion["ensembles"][0]["spearman"]["value"]
    return found


@pytest.mark.labelstudio
@pytest.mark.parametrize("way", EVERY_WAY)
def test_statistics_of_the_replay_equal_those_of_the_files(
    tmp_path: Path, shared_data: Callable[[str], Path], way: str
) -> None:
    study, ratings = summeval_study(tmp_path / "study", shared_data, way)
    with destroyed_at_the_end(study):
        well("provision", study=study)
        submit_all(study, ratings)
        well("collect", study=study)
        through_label_studio = numbers(well("analyze", study=study))
    straight = tmp_path / "ratings.csv"
    write_rows(straight, ratings)
    from_files = numbers(analyze_files(straight, tmp_path / "study" / "judges.csv"))
    assert {f"{name}/alpha" for name in CRITERIA} <= set(through_label_studio)
    assert set(through_label_studio) == set(from_files)
    for key, value in through_label_studio.items():
        assert value is not None, key
        assert value == pytest.approx(from_files[key], abs=1e-12), key


def analyze_files(ratings: Path, judges: Path) -> dict[str, Any]:
    import subprocess

    from tests.studies import OPS

    levels = [part for name in CRITERIA for part in ("--level", f"{name}=ordinal")]
    done = subprocess.run(
        [OPS, "analyze", ratings, "--judges", judges, *levels, "--json"], capture_output=True, text=True, check=True
    )
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded
