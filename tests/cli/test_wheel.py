"""The wheel is whole: from an installed one, without the repository, a study can be made and checked."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def ops(unpacked: Path, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    """`ops` from the unpacked wheel: a folder on the path wins over the editable install."""
    code = (
        "import sys; import annotator_ops; "
        f"assert annotator_ops.__file__.startswith({str(unpacked)!r}), annotator_ops.__file__; "
        "from annotator_ops.cli.main import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=where,
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin", "HOME": str(where)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_study_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    made = ops(unpacked, "init", "study", "--template", "dialogue-ratings", where=tmp_path)
    assert made.returncode == 0, made.stderr
    checked = ops(unpacked, "validate", "--study", "study/study.yaml", where=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_report_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    rows = [f"{rater},{item},clear,{(item + rater) % 3}" for rater in (1, 2) for item in range(6)]
    (tmp_path / "ratings.csv").write_text("\n".join(["rater,item,criterion,value", *rows]) + "\n")
    done = ops(unpacked, "report", "ratings.csv", "-o", "page.html", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Krippendorff" in (tmp_path / "page.html").read_text()


def test_everything_that_is_shipped_is_in_it(unpacked: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "templates", "deploy"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        assert (unpacked / "annotator_ops" / "_data" / name).is_file(), f"{name} is not in the wheel"
