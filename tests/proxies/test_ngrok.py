"""The endpoint, held over a stand-in of the v3 agent (a process and API of its own) and over the real v2 agent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pyngrok import conf

from annotator_ops.errors import OpsError
from annotator_ops.proxies.ngrok import Agent, NgrokEndpoint, agent_config, find_agent
from annotator_ops.proxies.ngrok_words import explain
from annotator_ops.secret import Secret
from annotator_ops.waiting import wait_until
from tests.proxies.ngrok_agents import real_v2_agent, stand_in
from tests.proxies.wire import echo_upstream
from tests.real import free_port

TOKEN = "2abcDEFsecret_5token"
# pyngrok leaves the pipe of an agent that failed to start to the garbage collector.
leaves_a_pipe = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return stand_in(tmp_path)


@pytest.fixture
def upstream() -> Iterator[int]:
    with echo_upstream() as port:
        yield port


def endpoint(tmp_path: Path, agent: Path, token: str = TOKEN, *, patience: float = 20.0) -> NgrokEndpoint:
    return NgrokEndpoint(Secret(token), tmp_path / "state" / "ngrok", agent=agent, patience=patience)


def children() -> dict[int, list[str]]:
    """The command lines of this process's children."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
    return found


def test_an_endpoint_leads_to_the_port_and_ends(tmp_path: Path, agent: Path, upstream: int) -> None:
    one = endpoint(tmp_path, agent)
    assert one.alive() == "The endpoint is not open."
    url = one.open(upstream, domain=None)
    try:
        answer = httpx.get(f"{url}/hello?x=1", trust_env=False).json()
        assert answer["target"] == "/hello?x=1"
        assert one.alive() is None
    finally:
        one.close()
    assert one.alive() is not None
    assert not [line for line in children().values() if str(agent.parent) in " ".join(line)]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    one.close()
    assert one.open(upstream, domain=None) != ""  # an endpoint can be opened again
    one.close()


def test_the_token_is_only_in_a_file_of_its_owner(
    tmp_path: Path, agent: Path, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where pyngrok looks for a token by itself, to put it on the command line.
    monkeypatch.setenv("NGROK_AUTHTOKEN", TOKEN)
    one = endpoint(tmp_path, agent)
    one.open(upstream, domain=None)
    try:
        for line in [folder / "cmdline" for folder in Path("/proc").iterdir() if folder.name.isdigit()]:
            try:
                assert TOKEN.encode() not in line.read_bytes(), line
            except (FileNotFoundError, ProcessLookupError):
                continue
        (held,) = [line for line in children().values() if "start" in line]
        config = Path(held[held.index("--config") + 1])
        assert stat.S_IMODE(config.stat().st_mode) == 0o600
        assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
        assert yaml.safe_load(config.read_text())["agent"]["authtoken"] == TOKEN
        assert TOKEN not in repr(one.__dict__)
    finally:
        one.close()
    assert not config.exists()


def test_a_dead_agent_is_noticed_and_not_replaced(tmp_path: Path, agent: Path, upstream: int) -> None:
    one = endpoint(tmp_path, agent)
    one.open(upstream, domain=None)
    try:
        (pid,) = [pid for pid, line in children().items() if "start" in line]
        os.kill(pid, signal.SIGKILL)
        reason = wait_until(one.alive, what="the death to be noticed", deadline=10, hint="")
        assert "ended by itself" in reason
        assert one.alive() == reason
        assert not [line for line in children().values() if "start" in line]
    finally:
        one.close()


def test_one_answer_that_does_not_come_ends_nothing(
    tmp_path: Path, agent: Path, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = endpoint(tmp_path, agent)
    one.open(upstream, domain=None)
    ask, silences = httpx.get, [1]

    def get(*arguments: Any, **options: Any) -> httpx.Response:
        if silences[0]:
            silences[0] -= 1
            raise httpx.ReadTimeout("nothing came")
        return ask(*arguments, **options)

    monkeypatch.setattr(httpx, "get", get)
    try:
        assert one.alive() is None
        silences[0] = 99
        assert one.alive() == "The ngrok agent no longer answers (ReadTimeout)."
    finally:
        one.close()


def test_an_endpoint_closed_elsewhere_is_noticed(tmp_path: Path, agent: Path, upstream: int) -> None:
    one = endpoint(tmp_path, agent)
    one.open(upstream, domain=None)
    try:
        assert one._process is not None
        httpx.delete(f"{one._process.api_url}/api/endpoints/annotator-ops", trust_env=False).raise_for_status()
        assert "has closed" in (one.alive() or "")
    finally:
        one.close()


@leaves_a_pipe
@pytest.mark.parametrize(("token", "word"), [("wrong-token", "does not look like"), ("busy-token", "as many agents")])
def test_refusals_are_said_in_words(tmp_path: Path, agent: Path, upstream: int, token: str, word: str) -> None:
    with pytest.raises(OpsError) as caught:
        endpoint(tmp_path, agent, token).open(upstream, domain=None)
    assert caught.value.code == "ngrok-refused"
    assert word in caught.value.message
    assert token not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not (tmp_path / "state" / "ngrok" / "ngrok.yml").exists()


def test_a_domain_of_another_account(tmp_path: Path, agent: Path, upstream: int) -> None:
    one = endpoint(tmp_path, agent)
    with pytest.raises(OpsError) as caught:
        one.open(upstream, domain="theirs.ngrok-free.app")
    assert "theirs.ngrok-free.app belongs to another account" in caught.value.message
    assert not [line for line in children().values() if "start" in line]
    assert one.open(upstream, domain="yours.ngrok-free.app") == "https://yours.ngrok-free.app"
    assert one.alive() is None
    one.close()


@leaves_a_pipe
def test_a_silent_agent_is_given_up(tmp_path: Path, agent: Path, upstream: int) -> None:
    with pytest.raises(OpsError) as caught:
        endpoint(tmp_path, agent, "silent", patience=2.0).open(upstream, domain=None)
    assert caught.value.code == "ngrok-silent"
    assert not [line for line in children().values() if "start" in line]


def test_no_token_and_no_agent_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Path) -> None:
    with pytest.raises(OpsError) as caught:
        NgrokEndpoint(None, tmp_path, agent=agent).open(1, domain=None)
    assert caught.value.code == "ngrok-no-token"
    with pytest.raises(OpsError) as caught:
        NgrokEndpoint(Secret(TOKEN), tmp_path, agent=tmp_path / "absent").open(1, domain=None)
    assert caught.value.code == "ngrok-missing"
    # None anywhere: said, and nothing is downloaded.
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(conf, "DEFAULT_NGROK_PATH", str(tmp_path / "empty" / "ngrok"))
    with pytest.raises(OpsError) as caught:
        NgrokEndpoint(Secret(TOKEN), tmp_path).open(1, domain=None)
    assert caught.value.code == "ngrok-missing"
    assert "https://ngrok.com/download" in caught.value.hint
    assert not (tmp_path / "empty").exists()


def test_each_version_gets_its_own_configuration() -> None:
    token = Secret(TOKEN)
    new = agent_config(Agent(Path("ngrok"), (3, 39)), token)
    assert new["agent"]["authtoken"] == TOKEN
    assert new["agent"]["inspect_db_size"] == -1  # no request is kept where anybody on the machine can read it
    assert agent_config(Agent(Path("ngrok"), (3, 5)), token)["version"] == "2"
    assert "version" not in agent_config(Agent(Path("ngrok"), (2, 3)), token)


@pytest.mark.ngrok
@leaves_a_pipe
def test_the_real_v2_agent_says_that_it_is_offline(tmp_path: Path) -> None:
    agent = real_v2_agent()
    assert find_agent(agent).version == (2, 3)
    with pytest.raises(OpsError) as caught:
        endpoint(tmp_path, agent, patience=8.0).open(free_port(), domain=None)
    # Without the internet it never gets a session; with it, ngrok refuses this token or this old agent.
    assert caught.value.code in {"ngrok-offline", "ngrok-refused", "ngrok-silent", "ngrok-failed"}
    assert TOKEN not in str(caught.value)
    assert not [line for line in children().values() if "start" in line]


@pytest.mark.ngrok
def test_the_real_v2_agent_reads_our_file_and_answers_on_its_local_api(tmp_path: Path) -> None:
    agent = find_agent(real_v2_agent())
    port = free_port()
    config = tmp_path / "ngrok.yml"
    config.write_text(yaml.safe_dump({**agent_config(agent, Secret(TOKEN)), "web_addr": f"127.0.0.1:{port}"}))
    api = f"http://127.0.0.1:{port}/api/tunnels"
    with subprocess.Popen(
        [str(agent.path), "start", "--none", "--log", "stdout", "--config", str(config)], stdout=subprocess.DEVNULL
    ) as running:
        try:
            listed = wait_until(
                lambda: httpx.get(api, trust_env=False),
                what="the local API",
                deadline=20,
                hint="",
                retry_on=(httpx.TransportError,),
            )
            assert listed.status_code == 200
            assert listed.json()["tunnels"] == []
            refused = httpx.post(api, json={"name": "x", "addr": "127.0.0.1:1", "proto": "http"}, trust_env=False)
            assert refused.status_code in {502, 503}
            said = explain(refused.text)
            assert "{" not in said.message
            assert said.code in {"ngrok-offline", "ngrok-refused"}
        finally:
            running.terminate()
    assert running.returncode is not None
