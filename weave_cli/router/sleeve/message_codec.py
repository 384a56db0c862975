"""The messages of messages.py as octets and back. Pure.

A packet is the number of the message's kind and its fields, in the order of their declaration. How a field is
written follows from its name alone, and each says where it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, get_args

from weave_cli.names import pack_peer_name, unpack_peer_name
from weave_cli.router.overlay.roles import Carriage
from weave_cli.router.sleeve.messages import LARGEST_MESSAGE, Message, ToProcess, ToRouter, UdpAddress

_NAME_LEN: Final = 6
_KEY_LEN: Final = 32


@dataclass(frozen=True, slots=True)
class _Form:
    """How a value is written; `take` gives the value at the beginning of octets, and those behind it."""

    pack: Callable[[Any], bytes]
    take: Callable[[bytes], tuple[Any, bytes]]


def encode_message(message: Message) -> bytes:
    """The packet for the socketpair."""
    number = _KINDS.index(type(message))
    values = (_FORMS[name].pack(getattr(message, name)) for name in _NAMES[number])
    return bytes((number,)) + b"".join(values)


def decode_message(packet: bytes) -> Message:
    """The message in a packet of the other end, which is us again: a wrong one raises ValueError."""
    try:
        number, rest = packet[0], packet[1:]
        values = {}
        for name in _NAMES[number]:
            values[name], rest = _FORMS[name].take(rest)
        message: Message = _KINDS[number](**values)
    except (ValueError, IndexError) as problem:
        raise ValueError(f"no message between router and sleeve process: {packet[:32].hex()}") from problem
    if rest:
        raise ValueError(f"no message between router and sleeve process ends with {rest[:32].hex()}")
    return message


def _fixed(length: int, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]) -> _Form:
    return _Form(pack, lambda octets: (unpack(_first(octets, length)), octets[length:]))


def _number(length: int) -> _Form:
    return _fixed(
        length, lambda value: int.to_bytes(value, length, "big"), lambda octets: int.from_bytes(octets, "big")
    )


def _counted(size: int, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]) -> _Form:
    """Any number of parts of that size, with their number before them."""

    def pack_all(value: Any) -> bytes:
        octets = pack(value)
        return _LENGTH.pack(len(octets) // size) + octets

    def take(octets: bytes) -> tuple[Any, bytes]:
        count, octets = _LENGTH.take(octets)
        return unpack(_first(octets, count * size)), octets[count * size :]

    return _Form(pack_all, take)


def _first(octets: bytes, length: int) -> bytes:
    if len(octets) < length:
        raise ValueError(f"{len(octets)} octets instead of {length}")
    return octets[:length]


def _pack_udp_address(address: UdpAddress | None) -> bytes:
    """IPv4 address, port; all zeros for none."""
    if address is None:
        return bytes(6)
    return bytes(map(int, address[0].split("."))) + address[1].to_bytes(2, "big")


def _unpack_udp_address(octets: bytes) -> UdpAddress | None:
    return (".".join(map(str, octets[:4])), int.from_bytes(octets[4:], "big")) if any(octets) else None


def _pack_frame(frame: bytes) -> bytes:
    """Special frames are up to 60,001 octets, and zeros: those at the end are only counted."""
    return _LENGTH.pack(len(frame)) + _OCTETS.pack(frame.rstrip(b"\0"))


def _take_frame(octets: bytes) -> tuple[bytes, bytes]:
    length, octets = _LENGTH.take(octets)
    if length > LARGEST_MESSAGE:
        raise ValueError(f"a frame of {length} octets")
    frame, rest = _OCTETS.take(octets)
    return frame.ljust(length, b"\0"), rest


def _pack_names(names: Iterable[Any]) -> bytes:
    return b"".join(map(pack_peer_name, names))


def _unpack_names(octets: bytes) -> list[Any]:
    return [unpack_peer_name(octets[at : at + _NAME_LEN]) for at in range(0, len(octets), _NAME_LEN)]


def _unpack_routes(octets: bytes) -> dict[Any, Any]:
    names = _unpack_names(octets)
    return dict(zip(names[::2], names[1::2], strict=True))


_LENGTH: Final = _number(4)
_OCTETS: Final = _counted(1, bytes, bytes)
_FLAG: Final = _fixed(1, lambda flag: bytes((flag,)), lambda octet: octet != b"\0")
_PEER: Final = _fixed(_NAME_LEN, pack_peer_name, unpack_peer_name)
_PEERS: Final = _counted(_NAME_LEN, _pack_names, lambda octets: tuple(_unpack_names(octets)))
_ADDRESS: Final = _fixed(6, _pack_udp_address, _unpack_udp_address)

_FORMS: Final[dict[str, _Form]] = {
    "conn_id": _number(8),
    "name": _PEER,
    "source": _PEER,
    "peer": _PEER,
    "mac": _fixed(6, bytes, bytes),
    "address": _ADDRESS,
    "vxlan_address": _ADDRESS,
    "mtu": _number(2),
    "path_mtu": _number(4),
    "max_payload": _number(2),
    "vni": _number(4),
    "is_initiator": _FLAG,
    "fragments_pass": _FLAG,
    "dont_fragment": _FLAG,
    "carriage": _fixed(1, lambda carriage: bytes((carriage,)), lambda octet: Carriage(octet[0])),
    "session_key": _counted(_KEY_LEN, lambda key: key or b"", lambda octets: octets or None),
    "unicast": _counted(
        2 * _NAME_LEN,
        lambda routes: b"".join(pack_peer_name(name) + pack_peer_name(hop) for name, hop in routes.items()),
        _unpack_routes,
    ),
    "broadcast": _PEERS,
    "next_hops": _PEERS,
    "members": _counted(_NAME_LEN, _pack_names, lambda octets: frozenset(_unpack_names(octets))),
    "frame": _Form(_pack_frame, _take_frame),
    "reason": _counted(1, str.encode, bytes.decode),
}

_KINDS: Final[tuple[type[Any], ...]] = (*get_args(ToProcess), *get_args(ToRouter))
_NAMES: Final = tuple(tuple(field.name for field in fields(kind)) for kind in _KINDS)
