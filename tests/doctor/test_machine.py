"""What doctor looks at, on this machine and on made-up ones."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator_ops.machine import Memory, clock, disk, look, memory

GIB = 1024**3
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1000000 kB\nMemAvailable:    8388608 kB\n"


def test_this_machine(tmp_path: Path) -> None:
    seen = look(tmp_path / "not" / "yet", tmp_path)
    assert seen.python == sys.version_info[:3]
    assert seen.memory is not None
    assert 0 < seen.memory.available <= seen.memory.total
    assert seen.study_disk is not None
    assert seen.study_disk.folder == tmp_path / "not" / "yet"
    assert seen.study_disk.free > 0
    assert seen.uv is not None
    assert not (tmp_path / "not").exists()
    assert list(tmp_path.iterdir()) == []


def test_memory_of_the_machine_and_of_a_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO)
    assert memory(meminfo, tmp_path) == Memory(16 * GIB, 8 * GIB)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(meminfo, tmp_path) == Memory(16 * GIB, 8 * GIB)
    (tmp_path / "memory.max").write_text(f"{2 * GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 2}\n")
    assert memory(meminfo, tmp_path) == Memory(2 * GIB, 2 * GIB - GIB // 2)


@pytest.mark.parametrize("content", [None, "", "MemTotal: 5 kB\n", "MemTotal: x kB\nMemAvailable: y\n", "MemTotal:"])
def test_memory_that_is_not_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "meminfo").write_text(content)
    assert memory(tmp_path / "meminfo", tmp_path) is None


def test_the_clock(tmp_path: Path) -> None:
    seen = clock(tmp_path)
    assert seen.disk_ahead is not None
    assert abs(seen.disk_ahead) < 30
    assert abs((datetime.now(UTC) - seen.now).total_seconds()) < 30
    assert seen.installed.timestamp() == pytest.approx(
        os.stat(sys.modules["annotator_ops.machine"].__file__ or "").st_mtime  # noqa: PTH116
    )


def test_a_folder_that_cannot_be_written_to() -> None:
    assert clock(Path("/proc")).disk_ahead is None
    assert disk(Path("/proc/none/at/all")) is not None
