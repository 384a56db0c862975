"""Containers of the tests: namespaces on a router's bridge, with an address of its allocator."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final

from tests.interop.peers import Peer
from tests.kernel.namespaces import call_in
from tests.kernel.programs import eventually
from weave_cli.host.veth import create_endpoint_veth

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_SET_TX_CHECKSUM: Final = 0x17
_IP_MTU_DISCOVER: Final = 10
_ALWAYS_DF: Final = 2
_IP_MTU: Final = 14
_WAIT_S: Final = 20


class Container:
    """A namespace attached to the bridge of a peer; `ident` is its container id for the API."""

    def __init__(self, peer: Peer, ident: str) -> None:
        self.peer = peer
        self.ident = ident
        self.cidr = peer.allocate(ident)
        self.address = self.cidr.partition("/")[0]
        underlay = peer.host.underlay
        self.namespace = underlay.namespace(f"{peer.nickname}{ident}")
        host_end, guest_end = f"vethwl{ident}", f"vethwg{ident}"
        call_in(peer.host.namespace, lambda: create_endpoint_veth(host_end, guest_end))
        peer.host.run(f"ip link set {guest_end} netns {self.namespace} name eth0")
        self.call(lambda: _compute_checksums("eth0"))
        underlay.run_in(self.namespace, f"ip addr add {self.cidr} dev eth0")
        underlay.run_in(self.namespace, "ip link set eth0 up")

    def call(self, function: Callable[[], object]) -> None:
        """Do it in the container."""
        call_in(self.namespace, function)

    def checksum_errors(self) -> int:
        """Packets that the container's kernel refused for their TCP, UDP or ICMP checksum."""
        table = self.peer.host.underlay.run_in(self.namespace, "cat /proc/net/snmp").splitlines()
        total = 0
        for names, values in zip(table[::2], table[1::2], strict=True):
            counters = dict(zip(names.split()[1:], values.split()[1:], strict=True))
            total += int(counters.get("InCsumErrors", 0))
        return total


def _compute_checksums(device: str) -> None:
    """Let the kernel finish checksums before frames leave the device, as the Go router's attach does."""
    value = ctypes.create_string_buffer(struct.pack("II", _ETHTOOL_SET_TX_CHECKSUM, 0))
    request = struct.pack("16sP", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


def send_datagram(
    sender: Container, receiver: Container, size: int, *, dont_fragment: bool = False
) -> bool | int:
    """Send so many octets by UDP: True if the very octets arrived, False if not within a second.

    A number is the path MTU that the sender's kernel refused the datagram with.
    """
    inbox = call_in(receiver.namespace, lambda: _udp_inbox(receiver.address))
    content = os.urandom(size)

    def send() -> bool | int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbox:
            if dont_fragment:
                outbox.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _ALWAYS_DF)
            outbox.connect((receiver.address, inbox.getsockname()[1]))
            try:
                outbox.send(content)
            except OSError:
                return outbox.getsockopt(socket.IPPROTO_IP, _IP_MTU)
            return True

    with inbox:
        sent = call_in(sender.namespace, send)
        if sent is not True:
            return sent
        try:
            return inbox.recv(65536) == content
        except TimeoutError:
            return False


def wait_until_reachable(sender: Container, receiver: Container, timeout_s: float = 30) -> None:
    """Wait until small datagrams pass."""
    eventually(
        lambda: send_datagram(sender, receiver, 100) is True,
        lambda: f"{sender.namespace} {sender.address} does not reach {receiver.namespace} {receiver.address}",
        timeout_s,
    )


def _udp_inbox(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(1)
    made.bind((address, 0))
    return made


def exchange_by_tcp(one: Container, other: Container, size: int) -> tuple[int, int]:
    """Send so many octets both ways at once over one connection; every octet must arrive unchanged.

    Gives the path MTU that the kernel of each end found in the end.
    """
    listener = call_in(other.namespace, lambda: _listener(other.address))
    endpoint = listener.getsockname()
    found: dict[int, int] = {}

    def dial() -> socket.socket:
        return socket.create_connection(endpoint, _WAIT_S)

    with listener, call_in(one.namespace, dial) as ours:
        theirs, _ = listener.accept()
        theirs.settimeout(_WAIT_S)
        with theirs:
            contents = os.urandom(size), os.urandom(size)
            digests = [hashlib.sha256(content).digest() for content in contents]
            received: list[bytes] = [b"", b""]

            def read(index: int, source: socket.socket) -> None:
                digest, left = hashlib.sha256(), size
                while left and (piece := source.recv(min(left, 65536))):
                    digest.update(piece)
                    left -= len(piece)
                received[index] = digest.digest()

            def write(index: int, sink: socket.socket) -> None:
                sink.sendall(contents[index])
                found[index] = sink.getsockopt(socket.IPPROTO_IP, _IP_MTU)

            work = [
                threading.Thread(target=write, args=(0, ours)),
                threading.Thread(target=write, args=(1, theirs)),
                threading.Thread(target=read, args=(0, theirs)),
                threading.Thread(target=read, args=(1, ours)),
            ]
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
            assert received == digests, f"{one.address} and {other.address} got other octets than were sent"
    return found[0], found[1]


def _listener(address: str) -> socket.socket:
    made = socket.socket()
    made.settimeout(_WAIT_S)
    made.bind((address, 0))
    made.listen(8)
    return made
