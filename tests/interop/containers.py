"""Containers of the tests: namespaces on a router's bridge, with an address of its allocator."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Final

from tests.interop.peers import Peer
from tests.kernel.namespaces import call_in
from tests.kernel.programs import eventually
from weave_cli.host.veth import create_endpoint_veth

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_SET_TX_CHECKSUM: Final = 0x17
_IP_MTU_DISCOVER: Final = 10
_NEVER_DF: Final = 0
_ALWAYS_DF: Final = 2
#: Of IPv4 and UDP.
_HEADERS: Final = 28
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

    def device_mtu(self) -> int:
        """Octets of the largest packet that the container's own device takes."""
        return int(self.peer.host.underlay.run_in(self.namespace, "cat /sys/class/net/eth0/mtu"))

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


def send_datagram(sender: Container, receiver: Container, size: int) -> bool:
    """Send so many octets by UDP, in fragments where they must be: did the very octets arrive?"""
    inbox = call_in(receiver.namespace, lambda: _udp_inbox(receiver.address))
    content = os.urandom(size)

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbox:
            outbox.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _NEVER_DF)
            outbox.sendto(content, (receiver.address, inbox.getsockname()[1]))

    with inbox:
        try:
            call_in(sender.namespace, send)
            return inbox.recv(65536) == content
        except OSError:  # unreachable as yet, or silence
            return False


def find_path_mtu(sender: Container, receiver: Container) -> int:
    """Send ever smaller datagrams that must not be fragmented: what the sender's kernel takes for the path.

    The first that arrives is as large as the path MTU; larger ones were answered with ICMP.
    """
    inbox = call_in(receiver.namespace, lambda: _udp_inbox(receiver.address))

    def send() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbox:
            outbox.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _ALWAYS_DF)
            outbox.connect((receiver.address, inbox.getsockname()[1]))
            deadline = time.monotonic() + _WAIT_S
            while True:
                mtu = outbox.getsockopt(socket.IPPROTO_IP, _IP_MTU)
                size = min(mtu - _HEADERS, 65507)
                try:
                    outbox.send(bytes(size))
                    if len(inbox.recv(65536)) == size:
                        return mtu
                except OSError:  # refused with an MTU, or silence; the next round asks the kernel anew
                    assert time.monotonic() < deadline, f"datagrams of {size} octets vanish"

    with inbox:
        return call_in(sender.namespace, send)


def wait_until_reachable(sender: Container, receiver: Container, timeout_s: float = 30) -> None:
    """Wait until small datagrams pass."""
    eventually(
        lambda: send_datagram(sender, receiver, 100),
        lambda: f"{sender.namespace} {sender.address} does not reach {receiver.namespace} {receiver.address}",
        timeout_s,
    )


def _udp_inbox(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(1)
    made.bind((address, 0))
    return made


def exchange_by_tcp(one: Container, other: Container, size: int) -> None:
    """Send so many octets both ways at once over one connection; every octet must arrive unchanged."""
    listener = call_in(other.namespace, lambda: _listener(other.address))
    endpoint = listener.getsockname()

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

            work = [
                threading.Thread(target=ours.sendall, args=(contents[0],)),
                threading.Thread(target=theirs.sendall, args=(contents[1],)),
                threading.Thread(target=read, args=(0, theirs)),
                threading.Thread(target=read, args=(1, ours)),
            ]
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
            assert received == digests, f"{one.address} and {other.address} got other octets than were sent"


def _listener(address: str) -> socket.socket:
    made = socket.socket()
    made.settimeout(_WAIT_S)
    made.bind((address, 0))
    made.listen(8)
    return made
