"""The filter's table of system calls, against the kernel's own headers, and the program it becomes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from launcher import seccomp, syscalls

from tests.conftest import need

X86 = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC = Path("/usr/include/asm-generic/unistd.h")


def numbers_in(header: Path) -> dict[str, int]:
    need(header.exists(), f"the kernel's header {header}")
    text = header.read_text()
    numbers = {name: int(value) for name, value in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    for name, alias in re.findall(r"#define __NR_(\w+)\s+__NR3264_(\w+)", text):
        numbers.setdefault(name, numbers.get(alias, -1))
    return numbers


@pytest.mark.parametrize(("header", "column"), [(X86, 0), (GENERIC, 1)])
def test_the_numbers_are_the_kernels(header: Path, column: int) -> None:
    known = numbers_in(header)
    table = {name: numbers[column] for name, numbers in syscalls.NUMBERS.items()}
    newest = max(number for name, number in known.items() if name != "syscalls")
    # A header older than a call does not know it.
    expected = {name: known.get(name) for name, number in table.items() if number is None or number <= newest}
    assert {name: number for name, number in table.items() if name in expected} == expected


def test_calls_that_came_later_have_one_number_everywhere() -> None:
    later = [numbers for numbers in syscalls.NUMBERS.values() if numbers[0] >= 424]
    assert all(x86 == arm for x86, arm in later)
    assert max(x86 for x86, _ in later) == syscalls.NEWEST


def test_every_name_in_the_table_is_used_once() -> None:
    used = [name for names in seccomp.REFUSED.values() for name in names] + list(seccomp._checked_calls(1))
    assert sorted(used) == sorted(syscalls.NUMBERS)


def verdict(program: bytes, *, number: int, architecture: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would do: a small interpreter of classic BPF."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *padded)
    at, accumulator = 0, 0
    while True:
        code, jump_true, jump_false, operand = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x05:
            at += operand
        elif code == 0x06:
            return int(operand)
        else:
            holds = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x45: bool(accumulator & operand)}
            at += jump_true if holds[code] else jump_false


ALLOWED = 0x7FFF0000
EPERM, ENOMEM, ENOSYS, ENOTSUP = (0x50000 | number for number in (1, 12, 38, 95))
PRETENDED = 0x50000
HIGH = 1 << 40


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("socket", (1, 1), EPERM),
        ("connect", (3,), EPERM),
        ("socketpair", (1, 1 | 0o2000000), ALLOWED),
        ("socketpair", (1, 5), ALLOWED),
        ("socketpair", (1, 2), EPERM),
        ("socketpair", (1, 3), EPERM),
        ("sendto", (3, 4096, 1, 0x4000, 0, 0), ALLOWED),
        ("sendto", (3, 4096, 1, 0, 4096, 16), EPERM),
        ("sendto", (3, 4096, 1, 0, HIGH, 16), EPERM),
        ("sendto", (3, 4096, 1, 0x20000000, 0, 0), EPERM),
        ("sendmsg", (3, 4096, 0x4000), ALLOWED),
        ("sendmsg", (3, 4096, 0x20000000), EPERM),
        ("sendmmsg", (3, 4096, 1, 0x20000000), EPERM),
        ("kill", (77, 15), ALLOWED),
        ("kill", (0, 15), EPERM),
        ("kill", (0xFFFFFFFF, 15), EPERM),
        ("kill", (78, 15), EPERM),
        ("tgkill", (77, 80, 6), ALLOWED),
        ("tkill", (77, 6), EPERM),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (78, 7), EPERM),
        ("setpriority", (0, 0, 5), ALLOWED),
        ("setpriority", (0, 78, 5), EPERM),
        ("setpriority", (2, 0, 5), EPERM),
        ("ioprio_set", (1, 77, 0), ALLOWED),
        ("ioprio_set", (3, 0, 0), EPERM),
        ("fcntl", (3, 2), ALLOWED),
        ("fcntl", (3, 8), EPERM),
        ("fcntl", (3, 15), EPERM),
        ("ioctl", (3, 0x5401), ALLOWED),
        ("ioctl", (3, 0x5412), EPERM),
        ("mmap", (0, 1, 3, 0x22), ALLOWED),
        ("mmap", (0, 1, 3, 0x01, 3), ALLOWED),
        ("mmap", (0, 1, 3, 0x21), ENOMEM),
        ("clone", (0x3D0F00,), ALLOWED),
        ("clone", (17,), ALLOWED),
        ("clone", (0x10000000 | 17,), EPERM),
        ("clone", (0x8000 | 17,), EPERM),
        ("clone3", (), ENOSYS),
        ("fchmodat", (), PRETENDED),
        ("utimensat", (3, 4096), PRETENDED),
        ("utimensat", (3, HIGH), PRETENDED),
        ("utimensat", (3, 0), ALLOWED),
        ("fchownat", (), EPERM),
        ("setxattr", (), ENOTSUP),
    ],
)
def test_what_the_filter_says(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    architecture, column = syscalls.ARCHITECTURES[machine]
    program = seccomp.program(77, machine)
    number = syscalls.NUMBERS[name][column]
    assert number is not None
    assert verdict(program, number=number, architecture=architecture, arguments=arguments) == expected


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_other_doors_are_closed(machine: str) -> None:
    architecture = syscalls.ARCHITECTURES[machine][0]
    program = seccomp.program(77, machine)
    assert verdict(program, number=0x40000000, architecture=architecture) == ENOSYS
    assert verdict(program, number=syscalls.NEWEST + 1, architecture=architecture) == ENOSYS
    assert verdict(program, number=0, architecture=0x40000003) == EPERM
    assert verdict(program, number=0, architecture=architecture) == ALLOWED


def test_an_unknown_machine_is_said_to_be() -> None:
    with pytest.raises(OSError, match="riscv64 machines are not known"):
        seccomp.program(77, "riscv64")
