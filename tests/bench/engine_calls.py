"""Microseconds of one call to Docker's API, the median of many; to be run on the host that Docker is on.

python -m tests.bench.engine_calls SOCKET PATH COUNT [keep]
"""

from __future__ import annotations

import http.client
import socket
import statistics
import sys
import time


def main(words: list[str]) -> None:
    """keep: all on one connection."""
    path, target, count, *rest = words
    keeps = bool(rest)
    line = _open(path)
    spent: list[float] = []
    for _ in range(int(count)):
        begun = time.perf_counter()
        if not keeps:
            line.close()
            line = _open(path)
        line.request("GET", target)
        line.getresponse().read()
        spent.append((time.perf_counter() - begun) * 1e6)
    print(f"{statistics.median(spent):.1f}")


def _open(path: str) -> http.client.HTTPConnection:
    line = http.client.HTTPConnection("docker")
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.connect(path)
    return line


if __name__ == "__main__":
    main(sys.argv[1:])
