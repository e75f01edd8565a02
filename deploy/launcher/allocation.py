"""How the C library hands out memory: as little as one process of many on a machine can do with."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_BYTES = 128 * 1024


def be_thrifty() -> None:
    """One pool of memory for all threads, and large pieces given back as soon as they are free.

    By itself the C library keeps a pool for each thread (so that they need not wait for each other, which threads of
    Python do anyway), and keeps large pieces after the first one was freed. After thirty annotations that is 77 MB an
    instance instead of 89. Another C library than glibc has no such settings, and needs none.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _BYTES)
        mallopt(_TRIM_THRESHOLD, _BYTES)
