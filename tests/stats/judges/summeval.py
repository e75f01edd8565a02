"""The scores of SummEval as arrays, for the tests of this folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from annotator_ops.stats.values import FloatArray

CRITERIA = ("coherence", "consistency", "fluency", "relevance")
SharedData = Callable[[str], Path]


def tasks(shared_data: SharedData) -> list[dict[str, str]]:
    """The tasks (1,200): id, system and more of each."""
    return [json.loads(line) for line in shared_data("summeval/tasks.jsonl").read_text().splitlines()]


def people_of(criterion: str, shared_data: SharedData) -> FloatArray:
    """The experts' mean for each task."""
    mean: FloatArray = _scores(criterion, shared_data, "summeval/ratings-experts.csv").mean(axis=0)
    return mean


def judges_of(criterion: str, shared_data: SharedData) -> FloatArray:
    """Judges × tasks."""
    return _scores(criterion, shared_data, "summeval/judges.csv")


def _scores(criterion: str, shared_data: SharedData, file: str) -> FloatArray:
    """Raters in the order of their names × tasks in the order of their file; NaN where there is no score."""
    with shared_data(file).open(newline="") as rows:
        given = {
            (row["rater"], row["item"]): row["value"] for row in csv.DictReader(rows) if row["criterion"] == criterion
        }
    raters = sorted({rater for rater, _ in given})
    items = [task["id"] for task in tasks(shared_data)]
    return np.array([[float(given.get((rater, item)) or "nan") for item in items] for rater in raters])
