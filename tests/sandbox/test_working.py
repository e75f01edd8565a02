"""What a web server needs still works inside, and the limits count this instance only."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from launcher import sandbox

from tests.sandbox.playground import MEMORY, ORDINARY, PROCESSES, Playground

WORK = """
import ctypes, json, os, shutil, socket, sqlite3, ssl, subprocess, sys, tempfile, threading, time, zoneinfo
import decimal, email.mime.multipart, xml.dom.minidom, multiprocessing.connection, asyncio, ctypes.util
own = sys.argv[1]
os.environ["TMPDIR"] = own
done = {}

with sqlite3.connect(f"{own}/test.sqlite3") as connection:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("CREATE TABLE IF NOT EXISTS a (b)")
    connection.execute("INSERT INTO a VALUES (1)")
done["sqlite"] = mode

with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
    file.flush()
    done["copy"] = shutil.copy2(file.name, f"{own}/copy") and open(f"{own}/copy").read()
    os.replace(f"{own}/copy", f"{own}/moved")
    os.chmod(f"{own}/moved", 0o600)
    with open(f"{own}/moved") as moved:
        os.utime(moved.fileno(), (5, 5))
        os.fchmod(moved.fileno(), 0o640)
    status = os.stat(f"{own}/moved")
    done["descriptor"] = [status.st_mtime, oct(status.st_mode & 0o777)]

threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(5)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
done["threads"] = len(threads)

one, two = socket.socketpair()
one.sendall(b"pair")
done["pair"] = two.recv(4).decode()

done["true"] = subprocess.run(["/usr/bin/true"]).returncode
done["pipe"] = subprocess.run("echo out | cat", shell=True, capture_output=True, text=True).stdout
done["zone"] = time.strftime("%Z") != "" and os.path.exists("/usr/share/zoneinfo")
done["certificates"] = bool(ssl.create_default_context().get_ca_certs()) or not os.path.exists("/etc/ssl/certs")
done["user"] = [os.geteuid(), os.getegid(), os.getgroups(), os.path.expanduser("~") != ""]
done["proc"] = os.path.exists("/proc/self/status") and "VmRSS" in open("/proc/self/status").read()
done["random"] = len(open("/dev/urandom", "rb").read(4))
open("/dev/null", "w").write("x")
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
done["callback"] = kind(lambda *_: 7)(None, None)

async def later():
    await asyncio.sleep(0)
    return "asyncio"
done["asyncio"] = asyncio.run(later())

try:
    begin = time.monotonic()
    socket.getaddrinfo("example.com", 80)
    done["name"] = "answered"
except socket.gaierror:
    done["name"] = "at once" if time.monotonic() - begin < 2 else "slowly"

listener = socket.socket(fileno=int(os.environ["LISTENER"]))
connection, _ = listener.accept()
asked = connection.recv(100)
connection.sendall(b"answer to " + asked)
connection.close()
print(json.dumps(done))
"""


def test_a_server_works_inside(ground: Playground) -> None:
    answers: list[bytes] = []

    def ask() -> None:
        with socket.create_connection(ground.listener.getsockname(), timeout=60) as client:
            client.sendall(b"question")
            answers.append(client.recv(100))

    (ground.path("code") / "work.py").write_text(WORK)
    asking = threading.Thread(target=ask)
    asking.start()
    result = ground.run([str(ground.path("code", "work.py")), str(ground.path("study", "alice"))])
    asking.join()
    user = ORDINARY if os.geteuid() == 0 else os.geteuid()
    done = json.loads(result.output)
    assert done.pop("user")[:2] == [user, user if os.geteuid() == 0 else os.getegid()]
    assert done == {
        "sqlite": "wal",
        "copy": "x",
        "descriptor": [5, "0o640"],
        "threads": 5,
        "pair": "pair",
        "true": 0,
        "pipe": "out\n",
        "zone": True,
        "certificates": True,
        "proc": True,
        "random": 4,
        "callback": 7,
        "asyncio": "asyncio",
        "name": "at once",
    }
    assert answers == [b"answer to question"]


COUNT = """
import os, sys, threading
reader, writer = os.pipe()
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if child == 0:
            os.close(writer); os.read(reader, 1); os._exit(0)
        children.append(child)
except BlockingIOError:
    pass
os.close(writer)
[os.waitpid(child, 0) for child in children]
print(len(children) + 1)
"""


def test_other_programs_of_the_same_user_do_not_count(ordinary: Playground) -> None:
    as_user: dict[str, Any] = (
        {} if ordinary.user is None else {"user": ordinary.user, "group": ordinary.user, "extra_groups": []}
    )
    others = [subprocess.Popen(["/bin/sleep", "300"], cwd="/", **as_user) for _ in range(2 * PROCESSES)]
    try:
        assert int(ordinary.run(["-c", COUNT]).output) == PROCESSES
    finally:
        for process in others:
            process.kill()
            process.wait()


def test_a_user_of_its_own_is_counted_too(own_user: Playground) -> None:
    assert int(own_user.run(["-c", COUNT]).output) == PROCESSES


def test_memory_up_to_the_limit_can_be_had(ground: Playground) -> None:
    half = f"bytearray({MEMORY // 2}); print('had')"
    assert ground.run(["-c", half]).output == "had\n"


def test_it_takes_milliseconds(ground: Playground) -> None:
    times = [ground.run(["-c", "pass"]).milliseconds for _ in range(5)]
    assert statistics.median(times) < 500, times


def test_nothing_can_be_gained_by_a_set_user_id_program(ordinary: Playground) -> None:
    status = "print([line for line in open('/proc/self/status') if line.startswith(('NoNewPrivs', 'Cap', 'Seccomp:'))])"
    lines = "".join(ordinary.run(["-c", status]).output.split())
    assert "NoNewPrivs:\\t1" in lines
    assert "Seccomp:\\t2" in lines
    assert lines.count("0000000000000000") == 5


VIEW = """
import json, os, sys
base, own = sys.argv[1:]
def tried(call):
    try:
        return call()
    except OSError as error:
        return type(error).__name__
print(json.dumps({
    "home": tried(lambda: os.stat(base + "/home")),
    "own": tried(lambda: open(own + "/file", "w").write("x")),
    "code": tried(lambda: open(base + "/code/new", "w").write("x")),
    "cover": tried(lambda: os.mkdir(base + "/new")),
}))
"""


NESTED = """
import json, os, sys
os.chdir("/")
for path in sys.argv[1:]:
    with open(path + "/file", "w") as file:
        file.write("x")
print("written")
"""


def test_closed_folders_within_each_other_and_links_are_opened_too(own_user: Playground) -> None:
    """A link to a folder below a closed one, itself below a readable one below a closed one."""
    readable = own_user.path("readable")
    closed = readable / "closed"
    for name in ("one", "two"):
        (closed / name).mkdir(parents=True)
        os.chown(closed / name, ORDINARY, ORDINARY)
    closed.chmod(0o700)
    links = own_user.path("links")
    links.mkdir()
    (links / "two").symlink_to("../readable/closed/two")
    paths = [str(closed / "one"), str(links / "two")]
    result = own_user.run(["-c", NESTED, *paths], read=(str(readable),), write=tuple(paths))
    assert (result.missing, result.output) == ([], "written\n")
    assert (closed / "two" / "file").exists()


def test_a_folder_that_is_itself_closed_keeps_root_root(own_user: Playground) -> None:
    secret = own_user.path("closed")
    secret.mkdir(mode=0o700)
    file = own_user.path("study", "alice", "as-root")
    result = own_user.run(["-c", f"open({str(file)!r}, 'w').write('x')"], read=(str(secret),))
    assert result.missing[0] == (
        f"user: stays root, cannot become uid {ORDINARY}: {secret} itself is closed to uid {ORDINARY}"
    )


def test_a_closed_folder_shows_only_what_is_needed(own_user: Playground) -> None:
    arguments = [str(own_user.base), str(own_user.path("study", "alice"))]
    result = own_user.run(["-c", VIEW, *arguments], without=frozenset({"files", "system-calls"}))
    seen = json.loads(result.output)
    assert seen == {"home": "FileNotFoundError", "own": 1, "code": "OSError", "cover": "OSError"}
    assert own_user.path("study", "alice", "file").stat().st_uid == ORDINARY


def test_try_out_reports_every_wall() -> None:
    report = sandbox.try_out()
    assert list(report) == list(sandbox.NAMES)
    assert sandbox.complete(report) == (sandbox.missing(report) == [])
    assert "tcp: left out on request" in "\n".join(sandbox.missing(sandbox.try_out(frozenset({"tcp"}))))


def test_a_child_that_dies_is_a_report_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "enclose", lambda _: os.kill(os.getpid(), 9))
    report = sandbox.try_out()
    assert sandbox.missing(report)[0] == "user: the try-out failed: the child ended by signal 9"


def test_threads_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    walls = sandbox.Walls(read=(), write=(str(tmp_path),), memory=None, processes=None, uid=None)
    ending = threading.Event()
    thread = threading.Thread(target=ending.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="before threads are started"):
            sandbox.enclose(walls)
    finally:
        ending.set()
        thread.join()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read": ("relative",)}, "not an absolute path"),
        ({"write": ("/nowhere/at/all",)}, "there is no folder"),
        ({"without": frozenset({"doors"})}, "there is no wall named doors"),
    ],
)
def test_senseless_walls_are_refused(change: dict[str, Any], message: str) -> None:
    wanted: dict[str, Any] = {"read": (), "write": (), "memory": None, "processes": None, "uid": None}
    with pytest.raises(ValueError, match=message):
        sandbox._check(sandbox.Walls(**wanted | change))
