"""Judges with known skill beside people, as files and as a study, for tests of calibration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from annotator_ops import study as study_file
from annotator_ops.measures import Rating
from annotator_ops.models import Study
from annotator_ops.results import Parsed, reading_hash
from annotator_ops.store.database import Store
from tests.study.making import make

NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
PEOPLE = ("anna", "boris", "carla")
CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Rating name="stars" toName="text" maxRating="5"/>
</View>
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """People's scores and judges' scores with their confidence, on items named i0, i1, …; rows ready for files."""

    people: tuple[tuple[str, str, float], ...]
    judges: tuple[tuple[str, str, float, float], ...]
    items: tuple[str, ...]

    def people_csv(self, path: Path, *, only: Sequence[str] | None = None, criterion: str = "stars") -> Path:
        rows = [f"{rater},{item},{criterion},{value:g}" for rater, item, value in self.people]
        kept = [row for row in rows if only is None or row.split(",")[1] in set(only)]
        path.write_text("\n".join(["rater,item,criterion,value", *kept]) + "\n")
        return path

    def judges_csv(
        self, path: Path, *, prompt: str = "p1", criterion: str = "stars", only: Sequence[str] | None = None
    ) -> Path:
        rows = [
            f"{judge},{item},{criterion},{value:g},{confidence!r},{judge}-model,{prompt}"
            for judge, item, value, confidence in self.judges
            if only is None or item in set(only)
        ]
        path.write_text("\n".join(["judge,item,criterion,value,confidence,model,prompt", *rows]) + "\n")
        return path

    def tasks(self) -> list[dict[str, Any]]:
        return [{"id": item, "text": f"“Text” of {item}:\n<b>ünïcode</b>", "n": 3} for item in self.items]


def sample(n: int = 300, *, judges: Sequence[str] = ("cheap", "dear"), seed: int = 5) -> Sample:
    """People rate the truth, give or take one; a judge is within one of their mean about as often as it is sure."""
    random = np.random.default_rng(seed)
    items = tuple(f"i{number}" for number in range(n))
    truth = random.integers(1, 6, size=n)
    human = np.clip(
        truth + random.integers(-1, 2, size=(len(PEOPLE), n)) * (random.random((len(PEOPLE), n)) < 0.3), 1, 5
    )
    people = tuple(
        (name, item, float(human[row, place])) for row, name in enumerate(PEOPLE) for place, item in enumerate(items)
    )
    judged = []
    for number, name in enumerate(judges):
        sure = np.round(random.uniform(0.5, 1.0, size=n), 3)
        right = random.random(n) < np.minimum(sure + 0.02 + 0.06 * number, 1)
        far = np.where(human.mean(axis=0) > 3, 1, 5)
        near = np.clip(np.rint(human.mean(axis=0)), 1, 5)
        scores = np.where(right, near, far)
        judged += [(name, item, float(scores[place]), float(sure[place])) for place, item in enumerate(items)]
    return Sample(people, tuple(judged), items)


def study_of(folder: Path, given: Sample, changes: Mapping[str, Any] | None = None) -> Path:
    """A study of the sample's items whose judges' file has all scores; its file."""
    given.judges_csv(folder / "judges.csv")
    keys = {
        "annotators": [{"id": name, "name": name.capitalize()} for name in PEOPLE],
        "judges": [{"file": "judges.csv"}],
        "judging": {"agrees_within": 1},
        **(changes or {}),
    }
    return make(folder, keys, config=CONFIG, tasks=given.tasks())


@contextmanager
def collected(path: Path, given: Sample, *, rated: Sequence[str]) -> Iterator[tuple[Study, Store]]:
    """The study and its store, in which people's scores of the `rated` items have arrived."""
    study = study_file.load(path)
    here = set(rated)
    with Store(study.state_dir) as store:
        for name in PEOPLE if rated else ():
            own = [(item, value) for rater, item, value in given.people if rater == name and item in here]
            ratings = tuple(Rating(name, "human", item, "stars", value, None, NOW, 30.0) for item, value in own)
            store.put_parsed(store.add_export(name, b"[]", "f"), Parsed(ratings, (), ()), reading_hash(study))
        yield study, store


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
