"""A DNS server on loopback that answers as the test says, by UDP and TCP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: From a query to the packets sent back; none is silence.
Behaviour = Callable[[bytes], Sequence[bytes]]


def answer_with_refused(query: bytes) -> list[bytes]:
    """The query's own octets as an answer with the rcode REFUSED."""
    return [query[:2] + b"\x81\x05" + query[4:]]


@dataclass
class FakeUpstream:
    """What came in, by transport."""

    address: str
    port: int
    by_udp: list[bytes] = field(default_factory=list)
    by_tcp: list[bytes] = field(default_factory=list)


@contextmanager
def fake_upstream(
    behaviour: Behaviour = answer_with_refused, *, address: str = "127.0.0.1", port: int = 0
) -> Iterator[FakeUpstream]:
    """Serve until the context ends, each TCP connection for one query."""
    tcp = socket.create_server((address, port))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, tcp.getsockname()[1]))
    fake = FakeUpstream(address, udp.getsockname()[1])

    def serve_udp() -> None:
        while True:
            query, client = udp.recvfrom(65535)
            if not client:
                return
            fake.by_udp.append(query)
            for answer in behaviour(query):
                udp.sendto(answer, client)

    def serve_tcp() -> None:
        while True:
            with suppress(ConnectionError):
                connection, _ = tcp.accept()
                with connection:
                    query = connection.recv(65535)[2:]
                    fake.by_tcp.append(query)
                    for answer in behaviour(query):
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)

    threads = [_start(serve_udp), _start(serve_tcp)]
    try:
        yield fake
    finally:
        for opened in (udp, tcp):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        udp.close()
        tcp.close()


def _start(target: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        with suppress(OSError):  # the socket was shut down
            target()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
