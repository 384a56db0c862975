"""The other end in a container of this host: sends back what comes by UDP, TCP and multicast."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from weave_cli.addresses import format_address
from weave_cli.host.netns import call_in_namespace
from weave_cli.names import TEST_GROUP, TEST_PORT


@contextmanager
def echoing(pid: int, address: str) -> Iterator[None]:
    """Serve in the namespace of process `pid` for as long as the context lasts, in a thread of ours."""
    sockets = call_in_namespace(pid, lambda: _open(address))
    waker, woken = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(sockets, woken), name="echo server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        waker.close()
        thread.join()
        woken.close()
        for one in sockets:
            one.close()


def _open(address: str) -> tuple[socket.socket, socket.socket]:
    """A UDP socket that is in the group as well, and a TCP listener."""
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", TEST_PORT))
    membership = socket.inet_aton(format_address(TEST_GROUP)) + socket.inet_aton(address)
    datagrams.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return datagrams, socket.create_server((address, TEST_PORT))


def _serve(sockets: tuple[socket.socket, socket.socket], woken: socket.socket) -> None:
    datagrams, listener = sockets
    with selectors.DefaultSelector() as selector:
        for one in (datagrams, listener, woken):
            selector.register(one, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    return
                with suppress(OSError):
                    if key.fileobj is datagrams:
                        payload, sender = datagrams.recvfrom(65_536)
                        datagrams.sendto(payload, sender)
                    else:
                        _echo(listener.accept()[0])


def _echo(connection: socket.socket) -> None:
    with connection:
        connection.settimeout(1.0)
        connection.sendall(connection.recv(100))
