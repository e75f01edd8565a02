"""study.example.yaml is the documentation: it is valid, it has every key, and what it says of defaults is true."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from annotator_ops import study_schema
from annotator_ops.judge_schema import Shape
from annotator_ops.study import load
from annotator_ops.validation import validate
from tests.conftest import REPOSITORY
from tests.study.making import make

EXAMPLE = REPOSITORY / "templates" / "study.example.yaml"


def test_it_is_valid(tmp_path: Path) -> None:
    template = REPOSITORY / "templates" / "studies" / "dialogue-ratings"
    for name in ("label-config.xml", "instructions.md", "tasks.jsonl"):
        shutil.copy(template / name, tmp_path)
    shutil.copy(template / "judges.example.csv", tmp_path / "judges.csv")
    shutil.copy(REPOSITORY / "templates" / "judges" / "default.md.j2", tmp_path / "judge.md.j2")
    (tmp_path / "arena.csv").write_text("system,score\ngpt-4o,1\n")
    shutil.copy(EXAMPLE, tmp_path / "study.yaml")
    study, problems = validate(tmp_path / "study.yaml")
    assert problems == ()
    assert study is not None
    assert [annotator.id for annotator in study.annotators] == ["anna", "boris"]


def test_it_stays_valid_with_every_comment_taken_out(tmp_path: Path) -> None:
    """The keys that are commented out are keys, too."""
    text = re.sub(r"^(\s*)# (image|cpus|public_url|relatives): ", r"\1\2: ", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "study.yaml").write_text(text)
    shape_problems = {problem.code for problem in validate(tmp_path / "study.yaml")[1]}
    assert "unknown-key" not in shape_problems


def test_it_has_every_key() -> None:
    text = EXAMPLE.read_text()
    shapes = [value for value in vars(study_schema).values() if isinstance(value, type) and issubclass(value, Shape)]
    assert len(shapes) >= 9
    for shape in shapes:
        for key in shape.model_fields:
            assert re.search(rf"^\s*(?:- |# )?{key}:", text, flags=re.MULTILINE), f"{shape.__name__}.{key}"


def test_its_values_are_the_defaults(tmp_path: Path) -> None:
    """Where a key's value is the default, the file says so and it is so."""
    plain = load(make(tmp_path))
    text = EXAMPLE.read_text()
    for said, default in {
        "port: 8080": plain.proxy.port == 8080,
        "routing: subdomain": plain.proxy.routing == "subdomain",
        "seed: 0": plain.order.seed == 0,
        "shuffle: true": plain.order.shuffle,
        "memory: 1GB": plain.limits.memory == 1024**3,
        "processes: 128": plain.limits.processes == 128,
        "version: 1.23.2": plain.label_studio.version == "1.23.2",
        "runtime: auto": plain.runtime == "auto",
        "simulated: false": not plain.simulated,
        "epsilon: skilled": plain.judging.epsilon == 0.15,
        "random_sample: false": not plain.judging.random_sample,
        "language: en": plain.language == "en",
    }.items():
        assert said in text
        assert default, said
