"""One HTTP client that does nothing but ask, one request after the other on one connection.

    python -m tests.bench.http_load IP:PORT METHOD PATH COUNT

{} in PATH becomes 0, 1, 2 ... Prints requests per second; ends with an error at the first answer that is no
success. Raw sockets: any HTTP library would measure itself.
"""

from __future__ import annotations

import socket
import sys
import time


def main(address: str, method: str, path: str, count: int) -> float:
    host, _, port = address.rpartition(":")
    requests = [
        f"{method} {path.replace('{}', str(number))} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        for number in range(count)
    ]
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.perf_counter()
        for request in requests:
            connection.sendall(request)
            answer = connection.recv(4096)
            while not _is_complete(answer):
                more = connection.recv(4096)
                if not more:
                    sys.exit(f"the connection ended after {answer!r}")
                answer += more
            if not answer.startswith(b"HTTP/1.1 2"):
                sys.exit(f"{request!r}: {answer!r}")
        return count / (time.perf_counter() - begun)


def _is_complete(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        return False
    _, named, rest = head.partition(b"Content-Length: ")
    return len(body) == int(rest.partition(b"\r\n")[0]) if named else True


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
