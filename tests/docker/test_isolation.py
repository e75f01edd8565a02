"""What somebody who runs code in an annotator's container can reach: nothing. Each probe works without our walls."""

from __future__ import annotations

import platform
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import docker
import pytest
from docker.models.containers import Container

from annotator_ops.models import Limits
from annotator_ops.runtimes.docker import seccomp_profile
from annotator_ops.runtimes.docker_container import network_name
from annotator_ops.waiting import wait_until
from tests.docker.conftest import Bench, Pair, ask
from tests.real import wait_healthy

pytestmark = [pytest.mark.docker, pytest.mark.labelstudio]

REFUSED = {"errno": "EPERM"}

CONNECT = """
def probe(host, port):
    import socket
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        return "connected"
"""

# A host that does not exist (RFC 5737): only whether the attempt begins is looked at.
BEGIN_CONNECT = """
def probe(host, port):
    import errno, socket
    with socket.socket() as connection:
        connection.setblocking(False)
        return errno.errorcode[connection.connect_ex((host, int(port)))]
"""

SEND_UDP = """
def probe(host, port):
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"hello", (host, int(port)))
"""

FAST_OPEN = """
def probe(host, port, how):
    import socket
    with socket.socket() as sender:
        if how == "sendto":
            return sender.sendto(b"hello", socket.MSG_FASTOPEN, (host, int(port)))
        return sender.sendmsg([b"hello"], [], socket.MSG_FASTOPEN, (host, int(port)))
"""

OPEN_SOCKET = """
def probe(family, kind, protocol):
    import socket
    with socket.socket(int(family), int(kind), int(protocol)):
        return "opened"
"""

UNIX_CONNECT = """
def probe():
    import socket
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as other:
        server.bind("\\0somewhere")
        server.listen()
        other.connect("\\0somewhere")
        return "connected"
"""

SYSTEM_CALL = """
def probe(number, *arguments):
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(ctypes.c_long(int(number)), *[ctypes.c_long(int(each)) for each in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return "allowed"
"""

# socket(AF_INET, SOCK_DGRAM, 0) by the 32-bit system call table, as old exploits go around filters.
OTHER_TABLE = """
def probe():
    import ctypes, mmap, os
    child = os.fork()
    if not child:
        code = bytes.fromhex("53 b867010000 bb02000000 b902000000 ba00000000 cd80 5b c3")
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        os._exit(0 if call() >= 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

WRITE = """
def probe(path):
    with open(path, "w") as file:
        return file.write("x")
"""

RUN_FROM_TMP = """
def probe():
    import os, shutil, subprocess
    shutil.copy("/bin/true", "/tmp/program")
    os.chmod("/tmp/program", 0o755)
    return subprocess.run(["/tmp/program"]).returncode
"""

STATUS = """
def probe():
    with open("/proc/self/status") as file:
        lines = dict(line.rstrip("\\n").split(":", 1) for line in file)
    return {key: lines[key].strip() for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Uid")}
"""

FORK = """
def probe(count):
    import os, signal
    children = []
    try:
        for _ in range(int(count)):
            child = os.fork()
            if not child:
                signal.pause()
            children.append(child)
        return len(children)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
"""

FILL_MEMORY = """
def probe(megabytes):
    import os
    child = os.fork()
    if not child:
        held = [bytearray(os.urandom(1024) * 1024) for _ in range(int(megabytes))]
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.fixture(scope="module")
def anna(pair: Pair) -> Container:
    return pair.bench.container("anna")


@pytest.fixture(scope="module")
def open_house(pair: Pair) -> Iterator[Container]:
    """A container without our walls, on Docker's own network."""
    yield pair.bench.plain()


def address(container: Container) -> str:
    container.reload()
    return str(next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"])


def gateway(container: Container) -> str:
    container.reload()
    return str(next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["Gateway"])


@contextmanager
def host_service() -> Iterator[tuple[int, list[bytes]]]:
    """A service of the host that listens everywhere, TCP and UDP on one port; gives the port and what UDP received."""
    received: list[bytes] = []
    with closing(socket.socket()) as tcp, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        tcp.bind(("0.0.0.0", 0))  # noqa: S104 — that it listens everywhere is the point
        tcp.listen()
        port = int(tcp.getsockname()[1])
        udp.bind(("0.0.0.0", port))  # noqa: S104
        udp.settimeout(0.1)
        done = threading.Event()

        def receive() -> None:
            while not done.is_set():
                try:
                    received.append(udp.recv(100))
                except TimeoutError:
                    continue

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield port, received
        finally:
            done.set()
            thread.join()


# --- the network -----------------------------------------------------------------------------------------------------


def test_another_annotators_container_cannot_be_reached(pair: Pair, anna: Container, open_house: Container) -> None:
    ben = pair.bench.container("ben")
    assert ask(anna, CONNECT, address(ben), 8080) == REFUSED
    server = pair.bench.plain(
        command=[
            "import http.server as s; s.ThreadingHTTPServer(('', 8080), s.SimpleHTTPRequestHandler).serve_forever()"
        ]
    )
    wait_until(
        lambda: True if ask(open_house, CONNECT, address(server), 8080) == "connected" else None,
        what="containers without walls to reach each other",
        deadline=30,
        hint="",
    )


def test_another_annotators_published_port_cannot_be_reached(pair: Pair, anna: Container) -> None:
    for host in (gateway(anna), "127.0.0.1", "172.17.0.1"):
        assert ask(anna, CONNECT, host, pair.ben.port) == REFUSED
    on_the_host = pair.bench.plain(network_mode="host")
    assert ask(on_the_host, CONNECT, "127.0.0.1", pair.ben.port) == "connected"


def test_the_internet_cannot_be_reached(anna: Container, open_house: Container) -> None:
    assert ask(anna, BEGIN_CONNECT, "203.0.113.7", 443) == "EPERM"
    assert ask(open_house, BEGIN_CONNECT, "203.0.113.7", 443) == "EINPROGRESS"


def test_a_service_of_the_host_cannot_be_reached(anna: Container, open_house: Container) -> None:
    with host_service() as (port, _):
        assert ask(anna, CONNECT, gateway(anna), port) == REFUSED
        assert ask(open_house, CONNECT, gateway(open_house), port) == "connected"


def test_udp_is_refused(anna: Container, open_house: Container) -> None:
    with host_service() as (port, received):
        assert ask(anna, SEND_UDP, gateway(anna), port) == REFUSED
        assert ask(open_house, SEND_UDP, gateway(open_house), port) == 5
        wait_until(lambda: received or None, what="the datagram from the container without walls", deadline=10, hint="")
        assert received == [b"hello"]


@pytest.mark.parametrize("how", ["sendto", "sendmsg"])
def test_sending_without_connecting_first_is_refused(anna: Container, open_house: Container, how: str) -> None:
    with host_service() as (port, _):
        assert ask(anna, FAST_OPEN, gateway(anna), port, how) == REFUSED
        assert ask(open_house, FAST_OPEN, gateway(open_house), port, how) == 5


@pytest.mark.parametrize(
    ("family", "kind", "protocol"),
    [
        pytest.param(socket.AF_INET, socket.SOCK_DGRAM, 0, id="udp"),
        pytest.param(socket.AF_INET6, socket.SOCK_DGRAM, 0, id="udp6"),
        pytest.param(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP, id="ping"),
        pytest.param(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP, id="raw"),
        pytest.param(socket.AF_INET, socket.SOCK_STREAM, 262, id="mptcp"),
        pytest.param(socket.AF_PACKET, socket.SOCK_DGRAM, 0, id="packet"),
        pytest.param(socket.AF_NETLINK, socket.SOCK_RAW, 0, id="netlink"),
    ],
)
def test_other_kinds_of_sockets_are_refused(
    anna: Container, open_house: Container, family: int, kind: int, protocol: int
) -> None:
    assert ask(anna, OPEN_SOCKET, family, kind, protocol) == REFUSED
    if protocol not in (262, socket.IPPROTO_ICMP) or kind == socket.SOCK_RAW:  # depend on the kernel's settings
        assert ask(open_house, OPEN_SOCKET, family, kind, protocol) == "opened"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_the_sockets_of_a_server_can_be_opened(anna: Container, family: int) -> None:
    assert ask(anna, OPEN_SOCKET, family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, 0) == "opened"


def test_local_sockets_cannot_connect_either(anna: Container, open_house: Container) -> None:
    assert ask(anna, UNIX_CONNECT) == REFUSED
    assert ask(open_house, UNIX_CONNECT) == "connected"


def test_the_walls_hold_one_without_the_other(pair: Pair, client: docker.DockerClient) -> None:
    """The network alone keeps from other annotators, but not from the host; the system call filter alone from both."""
    ben = pair.bench.container("ben")
    network_only = pair.bench.plain(network=network_name(pair.bench.study))
    assert ask(network_only, CONNECT, address(ben), 8080) in ({"errno": "timed out"}, {"errno": "EHOSTUNREACH"})
    filter_only = pair.bench.plain(security_opt=[f"seccomp={seccomp_profile()}"])
    with host_service() as (port, _):
        assert ask(network_only, CONNECT, gateway(network_only), port) == "connected", "then the filter is not needed"
        assert ask(filter_only, CONNECT, gateway(filter_only), port) == REFUSED


def test_the_study_has_one_network_that_leads_nowhere(pair: Pair, client: docker.DockerClient) -> None:
    networks = client.networks.list(filters={"label": f"annotator-ops.study={pair.bench.study}"})
    assert len(networks) == 1
    options = networks[0].attrs["Options"]
    assert options["com.docker.network.bridge.enable_icc"] == "false"
    assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"


def test_ports_are_published_on_the_loopback_address_only(pair: Pair, anna: Container) -> None:
    bindings = anna.attrs["NetworkSettings"]["Ports"]
    published = [(inner, one["HostIp"], one["HostPort"]) for inner, many in bindings.items() for one in many or ()]
    assert published == [("8080/tcp", "127.0.0.1", str(pair.anna.port))]


# --- system calls ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        pytest.param(425, (8, 0), id="io_uring_setup"),
        pytest.param(101, (0, 0, 0, 0), id="ptrace"),
        pytest.param(272, (0x10000000,), id="unshare-user"),
        pytest.param(56, (0x10000011, 0, 0, 0, 0), id="clone-user"),
        pytest.param(321, (0, 0, 0), id="bpf"),
        pytest.param(165, (0, 0, 0, 0, 0), id="mount"),
        pytest.param(250, (0, 0, 0, 0, 0), id="keyctl"),
        pytest.param(323, (0,), id="userfaultfd"),
        pytest.param(298, (0, 0, -1, -1, 0), id="perf_event_open"),
        pytest.param(310, (1, 0, 0, 0, 0, 0), id="process_vm_readv"),
        pytest.param(161, (0,), id="chroot"),
        pytest.param(304, (0, 0, 0), id="open_by_handle_at"),
        pytest.param(307, (0, 0, 0, 0), id="sendmmsg"),
        pytest.param(42, (0, 0, 0), id="connect"),
    ],
)
def test_dangerous_system_calls_are_refused(
    pair: Pair, anna: Container, number: int, arguments: tuple[int, ...]
) -> None:
    assert ask(anna, SYSTEM_CALL, number, *arguments) == REFUSED


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86-64")
def test_such_calls_reach_the_kernel_without_the_filter(pair: Pair) -> None:
    unfiltered = pair.bench.plain(security_opt=["seccomp=unconfined"], cap_add=["SYS_ADMIN"])
    assert ask(unfiltered, SYSTEM_CALL, 272, 0x10000000) == "allowed"
    assert ask(unfiltered, SYSTEM_CALL, 101, 0, 0, 0, 0) == "allowed"
    assert ask(unfiltered, SYSTEM_CALL, 42, -1, 0, 0) == {"errno": "EBADF"}
    assert ask(unfiltered, SYSTEM_CALL, 165, 0, 0, 0, 0, 0) == {"errno": "EFAULT"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has a second table")
def test_the_filter_cannot_be_passed_by_the_32_bit_table(anna: Container, open_house: Container) -> None:
    assert ask(anna, OTHER_TABLE) == -31, "killed by SIGSYS"
    assert ask(open_house, OTHER_TABLE) in (0, -11), "opened; or the kernel has no 32-bit programs"


def test_privileges_are_gone(anna: Container, open_house: Container) -> None:
    inside = ask(anna, STATUS)
    assert {inside[key] for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0000000000000000"}
    assert (inside["NoNewPrivs"], inside["Seccomp"]) == ("1", "2")
    assert inside["Uid"].split() == ["10001"] * 4
    assert ask(open_house, STATUS)["CapEff"] != "0000000000000000"
    as_root = ask(anna, STATUS, user="0:0")
    assert (as_root["CapEff"], as_root["Seccomp"]) == ("0000000000000000", "2"), "nor does `docker exec` as root help"


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/x", "/etc/x", "/opt/x", "/opt/label-studio/x", "/root/x", "/usr/bin/x", "/run/x"])
def test_nothing_can_be_written_outside_the_data(anna: Container, open_house: Container, path: str) -> None:
    assert ask(anna, WRITE, path) in ({"errno": "EROFS"}, {"errno": "EACCES"})
    assert ask(anna, WRITE, path, user="0:0") in ({"errno": "EROFS"}, {"errno": "EACCES"})
    assert ask(open_house, WRITE, path) == 1


def test_the_settings_cannot_be_changed_and_the_data_can(anna: Container) -> None:
    assert ask(anna, WRITE, "/run/annotator-ops/settings.json") == {"errno": "EROFS"}
    assert ask(anna, WRITE, "/data/x") == 1
    assert ask(anna, WRITE, "/tmp/x") == 1


def test_programs_put_into_tmp_do_not_run(anna: Container, open_house: Container) -> None:
    assert ask(anna, RUN_FROM_TMP) == {"errno": "EACCES"}
    assert ask(open_house, RUN_FROM_TMP) == 0


def test_another_annotators_files_cannot_be_read(pair: Pair, anna: Container) -> None:
    read = "def probe(path):\n    return len(open(path, 'rb').read(16))\n"
    bens = pair.ben.data_dir / "label_studio.sqlite3"
    assert bens.exists()
    assert ask(anna, read, bens) == {"errno": "ENOENT"}
    instances = str(pair.ben.directory.parent)
    mounted = pair.bench.plain(volumes={instances: {"bind": instances, "mode": "ro"}})
    assert ask(mounted, read, bens) == 16
    mounts = [(mount["Destination"], mount["RW"]) for mount in anna.attrs["Mounts"]]
    assert sorted(mounts) == [("/data", True), ("/run/annotator-ops/settings.json", False)]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_processes_and_memory_are_limited(bench: Bench) -> None:
    spec = bench.started("anna", limits=Limits(memory=512 * 1024**2, processes=64, cpus=1.5))
    wait_healthy(spec.port)
    anna, free = bench.container("anna"), bench.plain()
    assert ask(anna, FORK, 200) == {"errno": "EAGAIN"}
    assert ask(free, FORK, 200) == 200
    assert ask(anna, FILL_MEMORY, 600) == -9, "killed by the kernel"
    assert ask(free, FILL_MEMORY, 600) == 0
    limits = anna.attrs["HostConfig"]
    assert (limits["Memory"], limits["MemorySwap"], limits["NanoCpus"]) == (512 * 1024**2, 512 * 1024**2, 1_500_000_000)
    wait_healthy(spec.port)  # Label Studio itself lived through both
