"""A container's health check that opens no connection: `python -I -S health.py PORT`. Stand-alone.

Code in the container may not connect, not even to itself, so this reads the kernel's socket table: healthy when the
port listens and fewer than BACKLOG connections wait to be accepted (a server that hangs stops accepting them).
"""

from __future__ import annotations

import sys

LISTEN = "0A"
BACKLOG = 5


def waiting(port: int) -> int | None:
    """How many connections wait to be accepted at `port`; None when nothing listens there."""
    found = None
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as lines:  # noqa: PTH123 - pathlib would double the time of each check
                rows = [line.split() for line in lines][1:]
        except FileNotFoundError:  # a kernel without IPv6
            continue
        for row in rows:
            local, state, queues = row[1], row[3], row[4]
            if state == LISTEN and int(local.rpartition(":")[2], 16) == port:
                # For a listening socket the receive queue counts connections that nobody has accepted yet.
                found = max(found or 0, int(queues.partition(":")[2], 16))
    return found


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0].isdigit():
        print("usage: health.py PORT")
        return 2
    queue = waiting(int(arguments[0]))
    if queue is None:
        print(f"nothing listens on port {arguments[0]} yet")
        return 1
    print(f"listening, {queue} waiting")
    return int(queue >= BACKLOG)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
