"""Packets from inside a container's network namespace to another end, with sockets made there. Blocks."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from weave_cli.addresses import format_address
from weave_cli.api.dns_question import BadAnswer, make_question, read_addresses
from weave_cli.connectivity.results import Probe, ProbeResult
from weave_cli.host.netns import call_in_namespace
from weave_cli.names import TEST_GROUP, TEST_PORT

_TRIES: Final = 3
_PATIENCE_S: Final = 0.8
_NAME_PATIENCE_S: Final = 4.0

_IP_MTU_DISCOVER, _PMTUDISC_DO, _IP_MTU = 10, 2, 14
_IP_AND_UDP_HEADERS: Final = 28
_ARP_COMPLETE: Final = 0x02


class Prober:
    """Probes from the container of process `pid`, whose address on the network is `own`."""

    def __init__(self, pid: int, own: str) -> None:
        self._pid = pid
        self._own = own

    def ping(self, address: str) -> ProbeResult:
        """ICMP echo."""
        number = os.getpid() & 0xFFFF
        with self._socket(socket.SOCK_RAW, socket.IPPROTO_ICMP) as opened:

            def once(payload: bytes) -> None:
                body = struct.pack(">HH", number, 1) + payload
                whole = b"\x08\x00" + _checksum(b"\x08\x00\x00\x00" + body) + body
                opened.sendto(whole, (address, 0))

            def fits(received: bytes, sender: str, payload: bytes) -> bool:
                message = received[(received[0] & 15) * 4 :]
                return sender == address and message[:1] == b"\x00" and message[8:] == payload

            return _try("address", opened, once, fits)

    def udp(self, address: str) -> ProbeResult:
        """A small datagram."""
        return self._send_datagrams("udp", address, size=0)

    def full_size(self, address: str, mtu: int) -> ProbeResult:
        """A datagram of that size which nobody may cut into pieces; a smaller one, if we are told to."""
        result = self._send_datagrams("mtu", address, size=mtu)
        told = self._find_path_mtu(address)
        if result.passed or told >= mtu:
            return result
        smaller = self._send_datagrams("mtu", address, size=told)
        if not smaller.passed:
            return result
        return replace(
            smaller, detail=f"{smaller.detail}, {told} octets: senders are told that {mtu} are too many"
        )

    def _send_datagrams(self, probe: Probe, address: str, *, size: int) -> ProbeResult:
        filling = b"x" * (size - _IP_AND_UDP_HEADERS)
        with self._socket(socket.SOCK_DGRAM) as opened:
            opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DO)
            return _try(
                probe,
                opened,
                lambda payload: opened.sendto(payload + filling[len(payload) :], (address, TEST_PORT)),
                lambda received, sender, payload: sender == address and received.startswith(payload),
            )

    def _find_path_mtu(self, address: str) -> int:
        """What the kernel has been told by now of the way there."""
        with self._socket(socket.SOCK_DGRAM) as opened:
            opened.connect((address, TEST_PORT))
            return opened.getsockopt(socket.IPPROTO_IP, _IP_MTU)

    def tcp(self, address: str) -> ProbeResult:
        """A connection, a line and the same line back."""
        started = time.monotonic()
        with self._socket(socket.SOCK_STREAM) as opened:
            opened.settimeout(_TRIES * _PATIENCE_S)
            try:
                opened.connect((address, TEST_PORT))
                line = os.urandom(8).hex().encode()
                opened.sendall(line)
                if opened.recv(100) != line:
                    return ProbeResult(probe="tcp", passed=False, detail="something else came back")
            except OSError as problem:
                return ProbeResult(probe="tcp", passed=False, detail=problem.strerror or str(problem))
        return _passed("tcp", started)

    def multicast(self, expected: Sequence[str]) -> dict[str, ProbeResult]:
        """One datagram to the group: who of those expected answers. Others may answer too, at any time."""
        started, answered = time.monotonic(), dict[str, ProbeResult]()
        with self._socket(socket.SOCK_DGRAM) as opened:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self._own))
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            problem = "no answer"
            for _ in range(_TRIES):
                try:
                    opened.sendto(b"who is there", (format_address(TEST_GROUP), TEST_PORT))
                except OSError as refusal:
                    problem = refusal.strerror or str(refusal)
                deadline = time.monotonic() + _PATIENCE_S
                while not answered.keys() >= set(expected) and _is_readable(opened, deadline):
                    sender = opened.recvfrom(2048)[1][0]
                    answered.setdefault(sender, _passed("multicast", started))
        lost = ProbeResult(probe="multicast", passed=False, detail=problem)
        return {address: answered.get(address, lost) for address in expected}

    def name(self, fqdn: str, address: str, server: str) -> ProbeResult:
        """Ask the server for an address; names of other hosts take a moment to arrive. Raises BadName."""
        started = time.monotonic()
        ident = int.from_bytes(os.urandom(2), "big")
        question = make_question(fqdn, ident)
        detail = f"{server} does not answer"
        with self._socket(socket.SOCK_DGRAM) as opened:
            while time.monotonic() < started + _NAME_PATIENCE_S:
                try:
                    opened.sendto(question, (server, 53))
                    if not _is_readable(opened, time.monotonic() + _PATIENCE_S):
                        continue
                    found = read_addresses(opened.recv(2048), ident)
                except OSError as problem:
                    detail = problem.strerror or str(problem)
                except BadAnswer as problem:
                    detail = f"{server} is not understood: {problem}"
                else:
                    if address in found:
                        return _passed("name", started)
                    detail = f"{server} does not know {fqdn}"
                time.sleep(0.1)
        return ProbeResult(probe="name", passed=False, detail=detail)

    def knows_mac(self, address: str) -> bool:
        """Was an ARP question for the address answered?"""
        lines = call_in_namespace(self._pid, Path("/proc/thread-self/net/arp").read_text).splitlines()[1:]
        return any(
            columns[0] == address and int(columns[2], 16) & _ARP_COMPLETE
            for columns in map(str.split, lines)
            if columns
        )

    def _socket(self, kind: int, protocol: int = 0) -> socket.socket:
        return call_in_namespace(self._pid, lambda: socket.socket(socket.AF_INET, kind, protocol))


def _try(
    probe: Probe,
    opened: socket.socket,
    send: Callable[[bytes], object],
    fits: Callable[[bytes, str, bytes], bool],
) -> ProbeResult:
    detail = "no answer"
    for _ in range(_TRIES):
        started, payload = time.monotonic(), os.urandom(12)
        try:
            send(payload)
            deadline = started + _PATIENCE_S
            while _is_readable(opened, deadline):
                received, (sender, *_) = opened.recvfrom(65_536)
                if fits(received, sender, payload):
                    return _passed(probe, started)
        except OSError as problem:
            detail = problem.strerror or str(problem)
            time.sleep(0.1)
    return ProbeResult(probe=probe, passed=False, detail=detail)


def _passed(probe: Probe, started: float) -> ProbeResult:
    return ProbeResult(probe=probe, passed=True, detail=f"{(time.monotonic() - started) * 1000:.1f} ms")


def _is_readable(opened: socket.socket, deadline: float) -> bool:
    return bool(select.select([opened], [], [], max(0.0, deadline - time.monotonic()))[0])


def _checksum(octets: bytes) -> bytes:
    """RFC 1071, of an even number of octets."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
