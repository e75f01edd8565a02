"""A forked instance is an ordinary one: every setting, and everything derived of one, is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotator_ops.models import InstanceSpec
from annotator_ops.runtimes.installation import Installation
from annotator_ops.runtimes.process import ProcessRuntime
from annotator_ops.waiting import wait_until
from tests.real import make_spec

pytestmark = pytest.mark.labelstudio

# Fresh in every process, or it would be no die.
DIFFERENT = ("dice",)
# Label Studio makes this list from a set: two ordinary starts differ in its order, too.
UNORDERED = "DATA_MANAGER_FILTER_ALLOWLIST"


@pytest.fixture(autouse=True)
def dumping(do_instead: Callable[[str], None]) -> None:
    """Instances write down what they are instead of serving, also those of a template of this test's own."""
    do_instead("dumping.py")


def dumped(spec: InstanceSpec, installation: Installation, *, warm: bool) -> dict[str, Any]:
    runtime = ProcessRuntime(spec.study, spec.directory.parent, installation, warm=warm)
    target = spec.data_dir / "everything.json"
    target.unlink(missing_ok=True)
    runtime.seed(spec)
    runtime.start(spec)
    try:
        wait_until(lambda: True if target.exists() else None, what="the instance to tell", deadline=60, hint="")
    except Exception as error:
        error.add_note("\n".join(runtime.logs(spec.annotator, 40)))
        raise
    finally:
        note = runtime.observe()[spec.annotator].note
        runtime.remove(spec.annotator)
    assert note == "", "it was started the other way"
    found: dict[str, Any] = json.loads(target.read_text())
    found["settings"][UNORDERED].sort()
    # What is added to the study's limit is what it had when it was limited: see sandbox.py.
    soft, hard = found["limits"].pop("RLIMIT_DATA")
    assert soft == hard > spec.limits.memory
    return found


@pytest.mark.parametrize(
    "public_url", ["http://anna.localhost:8080", "https://study.example.org/a/anna"], ids=["plain", "tls-and-path"]
)
def test_every_setting_is_the_same(tmp_path: Path, installation: Installation, public_url: str) -> None:
    spec = make_spec(tmp_path / "anna", public_url=public_url)
    dumped(spec, installation, warm=False)  # the first start makes the operator's account, with modules of its own
    ordinary = dumped(spec, installation, warm=False)
    warm = dumped(spec, installation, warm=True)
    assert len(ordinary["settings"]) > 300, "the dump would show a difference"
    assert ordinary["settings"]["SECRET_KEY"] == spec.secrets["SECRET_KEY"].reveal()
    assert ordinary["database"] == {"journal_mode": "wal", "synchronous": 2, "temp_store": 2, "busy_timeout": 20000}
    assert set(warm) == set(ordinary)
    for part in ordinary:
        if part not in DIFFERENT:
            assert warm[part] == ordinary[part], part
    assert all(warm["dice"][kind] != ordinary["dice"][kind] for kind in warm["dice"])


def test_two_forks_share_no_dice_and_no_setting_of_their_own(tmp_path: Path, installation: Installation) -> None:
    anna, ben = make_spec(tmp_path / "anna"), make_spec(tmp_path / "ben", annotator="ben")
    one, two = dumped(anna, installation, warm=True), dumped(ben, installation, warm=True)
    for kind in one["dice"]:
        assert one["dice"][kind] != two["dice"][kind], kind
    for name in ("SECRET_KEY", "BASE_DATA_DIR", "MEDIA_ROOT", "HOSTNAME", "CSRF_TRUSTED_ORIGINS", "DATABASES"):
        assert one["settings"][name] != two["settings"][name], name
    assert one["signature"] != two["signature"]
    assert one["jwt_backend"]["signing"] != two["jwt_backend"]["signing"]
    assert one["storage"]["location"] != two["storage"]["location"]
