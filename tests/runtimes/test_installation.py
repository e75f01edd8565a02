"""Installing is done once, survives being killed, and fails in words. Real uv; one small package where it suffices."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from annotator_ops.errors import OpsError
from annotator_ops.runtimes import installation as module
from annotator_ops.runtimes.commands import Ended
from annotator_ops.runtimes.installation import Installation, lock_file, supported_versions
from tests.real import VERSION, prepared_installation

KILLED_ON_THE_WAY = """
import os, signal, sys
from pathlib import Path
from annotator_ops.runtimes import installation as module
module.lock_file = lambda version: Path(sys.argv[2])
def progress(sentence, done):
    if "environment at" in sentence:
        os.kill(os.getpid(), signal.SIGKILL)
module.Installation(Path(sys.argv[1]), "1.23.2").ensure(progress)
"""


@pytest.fixture
def small_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock file with one small package, cut out of the real one, so that a test takes a second."""
    found = re.search(r"^sqlparse==.*?(?=^[a-z])", lock_file(VERSION).read_text(), re.MULTILINE | re.DOTALL)
    assert found
    path = tmp_path / "small.lock"
    path.write_text(found[0])
    monkeypatch.setattr(module, "lock_file", lambda _version: path)
    return path


def quiet(_sentence: str, _done: float | None) -> None:
    pass


def imports(installation: Installation, name: str) -> bool:
    return subprocess.run([str(installation.python), "-c", f"import {name}"], check=False).returncode == 0


def test_the_newest_version_is_the_last_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("1.9.2", "1.23.2", "1.23.10"):
        (tmp_path / f"label-studio-{version}.lock").touch()
    monkeypatch.setattr(module, "resource", lambda *_parts: tmp_path)
    assert supported_versions() == ("1.9.2", "1.23.2", "1.23.10")


def test_every_file_in_the_lock_has_its_hash_and_no_address() -> None:
    assert VERSION in supported_versions()
    text = lock_file(VERSION).read_text()
    packages = re.findall(r"^([a-z0-9][\w.-]*)==.*?(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) == len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert f"label-studio=={VERSION} " in text


def test_an_unknown_version_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(OpsError) as caught:
        Installation(tmp_path, "0.9").ensure(quiet)
    assert caught.value.code == "label-studio-version-unknown"
    assert VERSION in caught.value.hint


def test_killed_half_way_it_is_repaired_by_the_next_run(tmp_path: Path, small_lock: Path) -> None:
    home = tmp_path / "home"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_ON_THE_WAY, str(home), str(small_lock)], check=False, capture_output=True
    )
    installation = Installation(home, VERSION)
    assert killed.returncode == -9, killed.stderr
    assert installation.root.exists()
    assert not installation.complete
    installation.ensure(quiet)
    assert installation.complete
    assert imports(installation, "sqlparse")


def test_two_at_once_install_once(tmp_path: Path, small_lock: Path) -> None:
    said: list[str] = []
    installation = Installation(tmp_path / "home", VERSION)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: installation.ensure(lambda sentence, _done: said.append(sentence)), range(2)))
    assert sum(sentence.endswith("is installed") for sentence in said) == 1
    stamp = json.loads((installation.root / "installed.json").read_text())
    assert (stamp["version"], stamp["packages"]) == (VERSION, 1)


def test_a_python_that_is_gone_means_installing_again(tmp_path: Path, small_lock: Path) -> None:
    installation = Installation(tmp_path / "home", VERSION)
    installation.ensure(quiet)
    installation.python.unlink()
    installation.python.symlink_to("/nowhere/python3.11")
    assert not installation.complete
    installation.ensure(quiet)
    assert imports(installation, "sqlparse")


def test_no_network_is_said(tmp_path: Path, small_lock: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
    }
    with pytest.raises(OpsError) as caught:
        Installation(tmp_path / "home", VERSION, environment).ensure(quiet)
    assert caught.value.code == "no-network"
    assert "package index" in caught.value.message


def test_a_file_that_is_not_the_locked_one_is_refused(tmp_path: Path, small_lock: Path) -> None:
    small_lock.write_text(re.sub(r"sha256:\w{64}", "sha256:" + "0" * 64, small_lock.read_text()))
    with pytest.raises(OpsError) as caught:
        Installation(tmp_path / "home", VERSION).ensure(quiet)
    assert caught.value.code == "install-failed"
    assert "hash" in caught.value.message.lower()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    ended = Ended(2, ("error: Failed to write to the distribution cache", "Caused by: (os error 28)"), late=False)
    error = module._install_error(ended, Installation(tmp_path, VERSION))
    assert error.code == "disk-full"


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(OpsError, match="could not be installed") as caught:
        Installation(tmp_path / "home", VERSION).ensure(quiet)
    assert caught.value.code == "install-failed"


@pytest.mark.labelstudio
def test_the_real_one_is_compiled_and_of_its_version() -> None:
    installation = prepared_installation()
    said: list[str] = []
    installation.ensure(lambda sentence, _done: said.append(sentence))
    assert said == []
    code = (
        "import label_studio, pathlib; print(label_studio.__version__, pathlib.Path(label_studio.__cached__).exists())"
    )
    shown = subprocess.run([str(installation.python), "-I", "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout.split() == [VERSION, "True"]
