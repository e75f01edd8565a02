"""`ops expose` from end to end. The agent is a stand-in of ngrok v3: no registry that tests reach has the real one."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from annotator_ops.models import State
from annotator_ops.processes import processes_with
from tests.browser.labeling import choose, shown, sign_in, texts_of
from tests.chromium import chromium
from tests.proxies.ngrok_agents import stand_in
from tests.studies import OPS, destroyed_at_the_end, free_port, ops, well, write_study

pytestmark = pytest.mark.labelstudio
TOKEN = "2abcDEFghiJKLmnoPQRstuVWXyz_1234567890abcdefghij"


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Path]:
    written = write_study(
        tmp_path / "study",
        {"annotators": ["anna"], "runtime": "process", "proxy": {"port": free_port(), "routing": "path"}},
    )
    with destroyed_at_the_end(written):
        yield written


class Exposed:
    """A running `ops expose`, and what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, beginning: str, *, seconds: float = 180) -> str:
        """The next line that begins so; fails when the process ends first."""
        while True:
            line = self._lines.get(timeout=seconds)
            assert line is not None, "".join(self.said)
            self.said.append(line)
            if line.startswith(beginning):
                return line.removeprefix(beginning).strip()


@contextmanager
def exposed(study: Path, agent: Path) -> Iterator[Exposed]:
    environment = {**os.environ, "PATH": f"{agent.parent}:{os.environ['PATH']}", "NGROK_AUTHTOKEN": TOKEN}
    with subprocess.Popen(
        [OPS, "expose", "--study", study],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        running = Exposed(process)
        try:
            yield running
        finally:
            process.terminate()
            process.wait(60)


def command_lines() -> str:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


@pytest.mark.browser
def test_an_annotator_labels_at_the_public_address(study: Path, tmp_path: Path) -> None:
    well("provision", study=study)
    local = well("invite", study=study)["invitations"][0]["url"]
    with exposed(study, stand_in(tmp_path)) as running:
        public = running.wait_for("Public address: ")
        running.wait_for("`ops invite`")
        invitation = well("invite", study=study)["invitations"][0]
        assert invitation["url"] == f"{public}/a/anna" != local
        said = well("status", study=study)
        assert said["exposed_url"] == public
        assert said["instances"][0]["url"] == invitation["url"]
        assert TOKEN not in command_lines()
        texts = texts_of(study)
        with chromium() as browser:
            page = browser.new_page()
            sign_in(page, invitation)
            item = shown(page, texts)
            choose(page, "Praise")
        assert well("collect", study=study)["annotators"][0]["done"] == 1, item
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert well("status", study=study)["exposed_url"] is None
    well("provision", study=study)
    assert well("invite", study=study)["invitations"][0]["url"] == local


def test_a_dead_agent_is_said_with_the_way_out(study: Path, tmp_path: Path) -> None:
    with exposed(study, stand_in(tmp_path)) as running:
        running.wait_for("`ops invite`")
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        agents = [int(pid) for pid in children if b"ngrok" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert agents
        for pid in agents:
            os.kill(pid, signal.SIGKILL)
        assert running.process.wait(60) == 1
        assert running.process.stdout is not None
        said = running.process.stdout.read()
        assert "ops expose" in said
    assert well("status", study=study)["exposed_url"] is None


def test_without_an_agent_or_token_it_says_what_to_do(study: Path, tmp_path: Path) -> None:
    ran = ops("expose", study=study)
    assert ran.code == 2
    assert ran.json["error"]["code"] in {"ngrok-missing", "ngrok-no-token"}
    assert ran.json["error"]["hint"]


def test_subdomains_need_more_than_one_name(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", {"annotators": ["anna"], "runtime": "process"})
    ran = ops("expose", "--domain", "somebody.ngrok-free.app", study=study)
    assert ran.code == 2
    assert ran.json["error"]["code"] == "routing-needs-path"


def test_what_an_own_domain_needs(tmp_path: Path) -> None:
    said = ops("expose", "--own-domain", "study.example.org", study=tmp_path / "none.yaml")
    assert said.code == 0
    assert "study.example.org" in said.json["notes"][0]


def test_the_agent_of_a_killed_expose_is_ended_by_the_next_command(study: Path, tmp_path: Path) -> None:
    config = study.parent / ".ops" / "ngrok" / "ngrok.yml"
    with exposed(study, stand_in(tmp_path)) as running:
        running.wait_for("`ops invite`")
        (agent,) = processes_with(str(config))
        running.process.kill()
        running.process.wait(60)
        states = [agent.state]
        assert well("status", study=study)["exposed_url"] is None
        states.append(agent.state)
        # One that died with its parent would need no such care.
        assert states == [State.RUNNING, State.EXITED]
        assert not config.exists(), "the file with the token stayed behind"
    assert "localhost" in well("invite", study=study)["invitations"][0]["url"]
