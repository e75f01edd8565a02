"""Caddy as a process: started, left alone, changed, killed, ended. The fake keeps the same protocol."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from annotator_ops.errors import OpsError
from annotator_ops.locking import locked
from annotator_ops.models import State
from annotator_ops.ports import port_holder, port_taken
from annotator_ops.processes import identify
from annotator_ops.proxies import Proxy, ProxyState
from annotator_ops.proxies import caddy as module
from annotator_ops.proxies.caddy import OLDEST, CaddyProxy, check_version, find_caddy
from annotator_ops.proxies.fake import FakeProxy
from annotator_ops.waiting import WaitTimeout, wait_until
from tests.proxies.conftest import MakeProxy
from tests.proxies.plans import get, plan


def pid_of(proxy: CaddyProxy) -> int:
    match = re.search(r"pid (\d+)", proxy.observe().detail)
    assert match is not None
    return int(match[1])


# --- the protocol, which the fake keeps too ---------------------------------------------------------------------------


@pytest.fixture(params=["fake", "caddy"])
def any_proxy(request: pytest.FixtureRequest, make: MakeProxy) -> Proxy:
    return FakeProxy() if request.param == "fake" else make()


def test_the_same_plan_again_changes_nothing(any_proxy: Proxy, upstream: int) -> None:
    assert not any_proxy.observe().running
    wanted = plan(upstream, "anna", "boris")
    assert any_proxy.apply(wanted) is True
    assert any_proxy.apply(wanted) is False
    state = any_proxy.observe()
    assert replace(state, detail="") == ProxyState(True, wanted.port, ("anna", "boris"), "")


def test_a_plan_is_the_whole_truth(any_proxy: Proxy, upstream: int) -> None:
    wanted = plan(upstream, "anna", "boris")
    any_proxy.apply(wanted)
    assert any_proxy.apply(replace(wanted, routes=wanted.routes[1:])) is True
    assert any_proxy.observe().annotators == ("boris",)
    assert any_proxy.apply(replace(wanted, routes=())) is True
    assert any_proxy.observe().annotators == ()


def test_stopping_is_idempotent(any_proxy: Proxy, upstream: int) -> None:
    any_proxy.stop()
    wanted = plan(upstream)
    any_proxy.apply(wanted)
    any_proxy.stop()
    any_proxy.stop()
    assert not any_proxy.observe().running
    assert not port_taken(wanted.port)
    assert any_proxy.apply(wanted) is True
    assert any_proxy.logs("nobody", 5) == []


# --- the process ------------------------------------------------------------------------------------------------------


def test_another_object_finds_the_running_proxy(make: MakeProxy, upstream: int) -> None:
    wanted = plan(upstream)
    first = make()
    first.apply(wanted)
    second = make()  # as the next `ops` command would
    assert second.observe() == first.observe()
    assert second.apply(wanted) is False
    second.stop()
    assert not first.observe().running


def test_a_killed_proxy_comes_back(make: MakeProxy, upstream: int) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    pid = pid_of(proxy)
    running = identify(pid)
    running.signal(signal.SIGKILL)
    running.wait_gone(deadline=10)
    assert not proxy.observe().running
    assert proxy.apply(wanted) is True
    assert pid_of(proxy) != pid
    assert get(wanted, "/api/version").status == 200


def test_a_proxy_that_hears_nothing_is_replaced(make: MakeProxy, upstream: int, tmp_path: Path) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    deaf = identify(pid_of(proxy))
    (tmp_path / "study" / "proxy" / "admin.sock").unlink()
    assert proxy.apply(wanted) is True
    assert deaf.state is State.EXITED
    assert get(wanted, "/api/version").status == 200


def test_a_taken_port_is_said_with_its_holder(make: MakeProxy, upstream: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OpsError) as caught:
            make().apply(plan(upstream, port=port))
        assert caught.value.code == "proxy-port-taken"
        assert f"(pid {os.getpid()})" in caught.value.message
        assert port_holder(port) is not None


def test_a_move_to_a_taken_port_leaves_the_old_one_served(make: MakeProxy, upstream: int) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        moved = replace(wanted, port=taken.getsockname()[1])
        with pytest.raises(OpsError) as caught:
            proxy.apply(moved)
        assert caught.value.code == "proxy-port-taken"
    assert get(wanted, "/api/version").status == 200
    assert proxy.apply(wanted) is False


def test_a_refused_configuration_changes_nothing(make: MakeProxy, upstream: int) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    broken = replace(wanted, port=70000)
    with pytest.raises(OpsError) as caught:
        proxy.apply(broken)
    assert caught.value.code == "proxy-refused"
    assert get(wanted, "/api/version").status == 200
    assert not port_taken(2019)  # where Caddy's admin interface would be without its key
    assert proxy.apply(wanted) is False


def test_a_killed_provision_leaves_nothing_that_hinders(make: MakeProxy, upstream: int, tmp_path: Path) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    (tmp_path / "study" / "proxy" / "process.json").unlink()  # killed after the start, before it was written down
    assert proxy.apply(wanted) is False
    proxy.stop()
    wait_until(lambda: not port_taken(wanted.port) or None, what="the end", deadline=10, hint="")


def test_two_studies_side_by_side(make: MakeProxy, upstream: int) -> None:
    one, two = make("one"), make("two")
    first, second = plan(upstream, "anna"), plan(upstream, "boris")
    one.apply(first)
    two.apply(second)
    assert one.observe().annotators == ("anna",)
    assert two.observe().annotators == ("boris",)
    one.stop()
    assert get(second, "/api/version", host="boris.localhost").status == 200


def test_a_deep_folder_still_gets_a_socket(make: MakeProxy, upstream: int) -> None:
    proxy, wanted = make("/".join(["a-folder-with-a-long-name"] * 6)), plan(upstream)
    assert proxy.apply(wanted) is True
    assert proxy.apply(wanted) is False
    proxy.stop()
    assert not proxy.observe().running


def test_nobody_else_can_read_what_the_proxy_keeps(make: MakeProxy, upstream: int, tmp_path: Path) -> None:
    proxy, wanted = make(), plan(upstream)
    proxy.apply(wanted)
    get(wanted, "/api/version")
    folder = tmp_path / "study" / "proxy"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    wait_until(lambda: (folder / "access" / "anna.log").exists() or None, what="the log", deadline=5, hint="")
    for name in ("caddy.json", "caddy.log", "process.json", "access/anna.log", "admin.sock"):
        assert stat.S_IMODE((folder / name).stat().st_mode) & 0o077 == 0, name
    environment = Path(f"/proc/{pid_of(proxy)}/environ").read_bytes().split(b"\0")
    assert {entry.partition(b"=")[0] for entry in environment if entry} == {
        b"HOME",
        b"XDG_CONFIG_HOME",
        b"XDG_DATA_HOME",
    }


def test_an_old_caddy_is_refused(tmp_path: Path) -> None:
    assert check_version(find_caddy(), {}) >= OLDEST
    old = tmp_path / "caddy"
    old.write_text("#!/bin/sh\necho 'v2.6.2 h1:abc'\n")
    old.chmod(0o755)
    with pytest.raises(OpsError) as caught:
        check_version(old, {})
    assert caught.value.code == "proxy-too-old"
    assert "2.6.2" in caught.value.message
    with pytest.raises(OpsError) as caught:
        check_version(tmp_path / "none", {})
    assert caught.value.code == "proxy-missing"


def test_a_command_that_finds_another_at_work_waits_and_then_says_so(
    make: MakeProxy, upstream: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = make()
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.1)
    with (
        locked(tmp_path / "study" / "proxy" / "lock", what="nobody", deadline=1),
        pytest.raises(WaitTimeout, match="another command on the proxy"),
    ):
        proxy.apply(plan(upstream))
    assert not proxy.observe().running


# --- a Caddy that does not answer -------------------------------------------------------------------------------------


def hanging(folder: Path) -> Path:
    """An executable that says a good version, and of everything else nothing, for ever."""
    binary = folder / "caddy"
    binary.write_text('#!/bin/sh\n[ "$1" = version ] && echo v2.11.7 && exit 0\nexec sleep 600\n')
    binary.chmod(0o700)
    return binary


def test_a_start_that_never_ends_is_said(tmp_path: Path, upstream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", 1)
    with pytest.raises(OpsError) as caught:
        CaddyProxy("s", tmp_path / "study", binary=hanging(tmp_path)).apply(plan(upstream))
    assert caught.value.code == "proxy-start-failed"
    assert "did not start within 1 s" in caught.value.message


def test_a_check_that_never_ends_is_said_and_costs_no_running_study(
    make: MakeProxy, tmp_path: Path, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = make()
    wanted = plan(upstream, "anna")
    proxy.apply(wanted)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_START_SECONDS", 1)
        patched.setattr(proxy, "_binary", hanging(tmp_path))
        with pytest.raises(OpsError) as caught:
            proxy.apply(replace(wanted, routes=()))
    assert caught.value.code == "proxy-silent"
    assert proxy.observe().annotators == ("anna",)


def refuse(*_arguments: object, **_options: object) -> httpx.Response:
    raise httpx.ReadTimeout("nothing came")


def test_a_load_that_is_not_answered_is_said(make: MakeProxy, upstream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = make()
    wanted = plan(upstream, "anna")
    proxy.apply(wanted)
    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "post", refuse)
        with pytest.raises(OpsError) as caught:
            proxy.apply(replace(wanted, routes=()))
    assert caught.value.code == "proxy-silent"
    assert proxy.observe().annotators == ("anna",)


def test_one_that_does_not_hear_that_it_shall_end_is_ended(
    make: MakeProxy, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = make()
    proxy.apply(plan(upstream))
    process = identify(pid_of(proxy))
    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "post", refuse)
        proxy.stop()
    assert process.state is State.EXITED
    assert not proxy.observe().running
