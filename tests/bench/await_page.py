"""Waits for the router of this host to say something: run inside a lab host, from before the router starts.

    python -m tests.bench.await_page PATH WORD

Prints the Unix time at which an answer, head and body, first had WORD in it. Asks a hundred times a second.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import Final

from weave_cli.names import HTTP_ADDRESS

_PAUSE_S: Final = 0.01
_LONGEST_S: Final = 55.0


def main(path: str, word: str) -> None:
    deadline = time.monotonic() + _LONGEST_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if word in _ask(path):
                print(time.time())
                return
        time.sleep(_PAUSE_S)
    sys.exit(f"{path} did not say {word!r}")


def _ask(path: str) -> str:
    host, _, port = HTTP_ADDRESS.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    return answer.decode()


if __name__ == "__main__":
    main(*sys.argv[1:])
