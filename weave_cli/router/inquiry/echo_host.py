"""A host of a few packets, which answers trials from behind a port of the bridge. Pure.

It has a MAC and an IPv4 address, answers ARP and pings, sends UDP and TCP data back that come to its one
port, and answers datagrams to a multicast group. It keeps no state of a connection: what is sent back has the
place in its stream that the sender expects next, as long as it waits for each answer before it goes on.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import Final

from weave_cli.addresses import format_address
from weave_cli.names import TEST_GROUP, TEST_PORT
from weave_cli.router.overlay.checksums import internet_checksum

_ETHERNET: Final = struct.Struct(">6s6sH")
_ARP: Final = struct.Struct(">HHBBH6sI6sI")
_IP: Final = struct.Struct(">BBHHHBBHII")
_UDP: Final = struct.Struct(">HHHH")
_TCP: Final = struct.Struct(">HHIIBBHHH")

_ETHERTYPE_IP: Final = 0x0800
_ETHERTYPE_ARP: Final = 0x0806
_ICMP, _TCP_PROTOCOL, _UDP_PROTOCOL = 1, 6, 17
_TTL: Final = 64

_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_FIRST_NUMBER: Final = 0x57656176
_WINDOW: Final = 8192

#: Senders of whom we keep in mind what came; more of them are not counted.
_MOST_SENDERS: Final = 64


class EchoHost:
    """`receive` takes frames from the bridge and gives the answer, if any."""

    def __init__(self, mac: bytes, address: int, mtu: int) -> None:
        self.mac = mac
        self.address = address
        self._mtu = mtu
        self._seen: dict[int, Counter[str]] = {}

    def seen(self) -> dict[str, dict[str, int]]:
        """Sender's address -> kind of packet (arp, icmp, udp, tcp, multicast, fragment) -> how many came."""
        return {format_address(sender): dict(counts) for sender, counts in self._seen.items()}

    def receive(self, frame: bytes) -> bytes | None:
        """The frame to send back. Whatever does not parse is not answered."""
        try:
            return self._receive(frame)
        except struct.error:
            return None

    def _receive(self, frame: bytes) -> bytes | None:
        target, sender, ethertype = _ETHERNET.unpack_from(frame)
        if sender[0] & 1 or (not target[0] & 1 and target != self.mac):
            return None
        body = frame[_ETHERNET.size :]
        if ethertype == _ETHERTYPE_ARP:
            answer = self._answer_arp(body)
        elif ethertype == _ETHERTYPE_IP:
            answer = self._answer_ip(body)
        else:
            return None
        return None if answer is None else _ETHERNET.pack(sender, self.mac, ethertype) + answer

    def _count(self, sender: int, kind: str) -> None:
        if sender in self._seen or len(self._seen) < _MOST_SENDERS:
            self._seen.setdefault(sender, Counter())[kind] += 1

    def _answer_arp(self, body: bytes) -> bytes | None:
        hardware, protocol, *sizes, operation, mac, sender, _, wanted = _ARP.unpack_from(body)
        if (hardware, protocol, *sizes, operation) != (1, _ETHERTYPE_IP, 6, 4, 1) or wanted != self.address:
            return None
        self._count(sender, "arp")
        return _ARP.pack(1, _ETHERTYPE_IP, 6, 4, 2, self.mac, self.address, mac, sender)

    def _answer_ip(self, body: bytes) -> bytes | None:
        first, _, length, _, fragment, _, protocol, _, sender, target = _IP.unpack_from(body)
        header = (first & 15) * 4
        if first >> 4 != 4 or header < _IP.size or not header <= length <= len(body):
            return None
        if target not in (self.address, TEST_GROUP):
            return None
        if fragment & 0x3FFF:
            self._count(sender, "fragment")
            return None
        payload = body[header:length]
        if target == TEST_GROUP:
            answer = self._answer_udp(payload, sender, "multicast") if protocol == _UDP_PROTOCOL else None
        elif protocol == _ICMP:
            answer = self._answer_ping(payload, sender)
        elif protocol == _UDP_PROTOCOL:
            answer = self._answer_udp(payload, sender, "udp")
        elif protocol == _TCP_PROTOCOL:
            answer = self._answer_tcp(payload, sender)
        else:
            return None
        return None if answer is None else self._wrap(answer, protocol, sender)

    def _answer_ping(self, payload: bytes, sender: int) -> bytes | None:
        if len(payload) < 8 or payload[:2] != b"\x08\x00":
            return None
        self._count(sender, "icmp")
        answer = bytes(4) + payload[4:]
        return answer[:2] + internet_checksum(answer).to_bytes(2, "big") + answer[4:]

    def _answer_udp(self, payload: bytes, sender: int, kind: str) -> bytes | None:
        source, target, length, _ = _UDP.unpack_from(payload)
        # Two of us would go on for ever: nobody gets an answer who asks from that port.
        if target != TEST_PORT or source == TEST_PORT or not _UDP.size <= length <= len(payload):
            return None
        self._count(sender, kind)
        answer = _UDP.pack(target, source, length, 0) + payload[_UDP.size : length]
        checksum = self._checksum(answer, _UDP_PROTOCOL, sender) or 0xFFFF
        return answer[:6] + checksum.to_bytes(2, "big") + answer[8:]

    def _answer_tcp(self, segment: bytes, sender: int) -> bytes | None:
        source, target, number, expected, offset, flags, *_ = _TCP.unpack_from(segment)
        data = segment[(offset >> 4) * 4 :]
        if target != TEST_PORT or source == TEST_PORT or flags & _RST:
            return None
        self._count(sender, "tcp")
        options = b""
        if flags & _SYN:
            own, answered, reply = _FIRST_NUMBER, number + 1, _SYN | _ACK
            options, data = struct.pack(">BBH", 2, 4, self._mtu - 40), b""
        elif data or flags & _FIN:
            own, answered = expected, number + len(data) + bool(flags & _FIN)
            reply = _ACK | (_PSH if data else 0) | (flags & _FIN)
        else:
            return None
        size = (_TCP.size + len(options)) // 4 << 4
        fields = (TEST_PORT, source, own, answered & 0xFFFFFFFF, size, reply, _WINDOW, 0, 0)
        answer = _TCP.pack(*fields) + options + data
        checksum = self._checksum(answer, _TCP_PROTOCOL, sender)
        return answer[:16] + checksum.to_bytes(2, "big") + answer[18:]

    def _checksum(self, packet: bytes, protocol: int, receiver: int) -> int:
        pseudo = struct.pack(">IIHH", self.address, receiver, protocol, len(packet))
        return internet_checksum(pseudo + packet)

    def _wrap(self, payload: bytes, protocol: int, receiver: int) -> bytes:
        length = _IP.size + len(payload)
        fields = (0x45, 0, length, 0, 0x4000, _TTL, protocol)
        header = _IP.pack(*fields, 0, self.address, receiver)
        return _IP.pack(*fields, internet_checksum(header), self.address, receiver) + payload
