"""The house's one rule: imports point downward only, and no room grows too large."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "annotator_ops"

# The first matching prefix gives the layer. A module may import from lower layers, and from its own package.
LAYERS = {
    "annotator_ops.cli": 5,
    "annotator_ops.__main__": 5,
    "annotator_ops.steps": 4,
    "annotator_ops.runtimes": 3,
    "annotator_ops.proxies": 3,
    "annotator_ops.labelstudio": 3,
    "annotator_ops.store": 3,
    "annotator_ops.machine": 3,
    "annotator_ops.reporting.render": 3,
    "annotator_ops.reporting": 2,
    "annotator_ops.stats": 2,
    "annotator_ops.plan": 2,
    "annotator_ops.gate": 2,
    "annotator_ops.gold": 2,
    "annotator_ops.wordings": 2,
    "annotator_ops.labeling": 2,
    "annotator_ops.results": 2,
    "annotator_ops.answers": 2,
    "annotator_ops.assignment": 2,
    "annotator_ops.validation": 2,
    "annotator_ops.validation_scores": 2,
    "annotator_ops.validation_judges": 2,
    "annotator_ops.invitation": 2,
    "annotator_ops.addresses": 2,
    "annotator_ops.environment": 2,
    "annotator_ops.instructions": 2,
    "annotator_ops.simulation": 2,
    "annotator_ops.browsing": 3,
    "annotator_ops.ratings": 2,
    "annotator_ops.rating_cells": 2,
    "annotator_ops.rating_columns": 2,
    "annotator_ops.rating_judging": 2,
    "annotator_ops.rating_rows": 2,
    "annotator_ops.tables": 2,
    "annotator_ops.preferences": 2,
    "annotator_ops.preference_fields": 2,
    "annotator_ops.preference_scores": 2,
    "annotator_ops.ranking_file": 2,
    "annotator_ops.targets": 2,
    "annotator_ops.judging.client": 3,
    "annotator_ops.judging": 2,
    "annotator_ops.errors": 1,
    "annotator_ops.judge_settings": 1,
    "annotator_ops.judge_schema": 1,
    "annotator_ops.measures": 1,
    "annotator_ops.models": 1,
    "annotator_ops.naming": 1,
    "annotator_ops.secret": 1,
    "annotator_ops.waiting": 1,
    "annotator_ops.resources": 1,
    "annotator_ops.processes": 1,
    "annotator_ops.ports": 1,
    "annotator_ops.sockets": 1,
    "annotator_ops.locking": 1,
    "annotator_ops.files": 1,
    "annotator_ops.study": 1,
    "annotator_ops.study_schema": 1,
    "annotator_ops.study_yaml": 1,
    "annotator_ops.task_files": 1,
    "annotator_ops": 0,
}
# Within one of these packages modules may import each other; everywhere else in layers 3 and 4 they may not.
ROOMS = ("runtimes", "proxies", "store", "labelstudio", "cli", "machine")
STATS_MAY_SEE = {"numpy", "scipy", "krippendorff"}
LONGEST = 400


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_data" in path.parts:
            continue
        dotted = ".".join(("annotator_ops", *path.relative_to(PACKAGE).with_suffix("").parts))
        found.append((dotted.removesuffix(".__init__"), path))
    return found


def layer_of(module: str) -> int:
    for prefix, layer in LAYERS.items():
        if module == prefix or module.startswith(prefix + "."):
            return layer
    raise AssertionError(f"{module} has no layer: add it to LAYERS on purpose")


def imports_of(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            for alias in node.names:
                deeper = PACKAGE.parent.joinpath(*f"{base}.{alias.name}".split("."))
                is_module = deeper.with_suffix(".py").exists() or deeper.is_dir()
                names.append(f"{base}.{alias.name}" if is_module else base)
    return names


def room_of(module: str) -> str:
    return module.split(".")[1] if module.count(".") else module


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_downward(module: str, path: Path) -> None:
    layer = layer_of(module)
    for imported in imports_of(path):
        if not imported.startswith("annotator_ops"):
            continue
        below = layer_of(imported)
        assert below <= layer, f"{module} (layer {layer}) imports {imported} (layer {below})"
        same_room = room_of(imported) == room_of(module)
        if below == layer == 4 and imported != "annotator_ops.steps":
            raise AssertionError(f"steps never import each other: {module} imports {imported}")
        if below == layer == 3:
            assert same_room and room_of(module) in ROOMS, f"adapters never import each other: {module} → {imported}"


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_no_room_grows_too_large(module: str, path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST, f"{module} is over {LONGEST} lines: split by responsibility"


def test_stats_sees_numbers_only() -> None:
    import sys

    for module, path in modules():
        if not module.startswith("annotator_ops.stats"):
            continue
        for imported in imports_of(path):
            top = imported.split(".")[0]
            allowed = top in STATS_MAY_SEE or top in sys.stdlib_module_names
            base = ("annotator_ops.models", "annotator_ops.measures", "annotator_ops.judge_settings")
            ours = imported.startswith(("annotator_ops.stats", *base))
            assert allowed or ours, f"{module} imports {imported}"


def test_only_the_study_reads_the_environment() -> None:
    for module, path in modules():
        if module == "annotator_ops.study":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            assert not reads, f"{module}:{getattr(node, 'lineno', 0)} reads the environment; only study.py may"
