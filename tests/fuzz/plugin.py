"""Requests of Docker to the plugin: read, or refused with a sentence.

The JSON is made here out of the octets, since a fuzzer cannot see into Python's own reader of JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from weave_cli.errors import WeaveError
from weave_cli.plugin import protocol

_READERS: Final[tuple[Callable[[Mapping[str, Any]], object], ...]] = (
    protocol.read_pool_wish,
    protocol.read_address_wish,
    protocol.read_network_wish,
    protocol.read_endpoint_wish,
    protocol.read_joining,
    protocol.read_network_id,
    protocol.read_endpoint_id,
    protocol.read_release,
)
_KEYS: Final = (
    "Pool",
    "SubPool",
    "V6",
    "PoolID",
    "Address",
    "Options",
    "RequestAddressType",
    "NetworkID",
    "EndpointID",
    "com.docker.network.generic",
    "works.weave.multicast",
    "IPv4Data",
    "AddressSpace",
    "Interface",
    "MacAddress",
    "SandboxKey",
)
_DEEPEST: Final = 4
_TEXT, _OBJECT, _LIST = 3, 4, 5


def seeds() -> list[bytes]:
    def text(key: str, value: str) -> bytes:
        return bytes((_KEYS.index(key), _TEXT, len(value))) + value.encode()

    network, endpoint = text("NetworkID", "n1"), text("EndpointID", "e1")
    pool = text("Pool", "10.40.0.0/16") + text("SubPool", "10.40.1.0/24")
    gateway = bytes((_KEYS.index("Options"), _OBJECT, 1)) + text(
        "RequestAddressType", "com.docker.network.gateway"
    )
    address = text("PoolID", "weave-10.40.0.0/16-10.40.1.0/24") + text("Address", "10.40.1.7") + gateway
    generic = bytes(
        (_KEYS.index("Options"), _OBJECT, 1, _KEYS.index("com.docker.network.generic"), _OBJECT, 1)
    )
    multicast = generic + text("works.weave.multicast", "true")
    data = bytes((_KEYS.index("IPv4Data"), _LIST, 1, _OBJECT, 1)) + text("AddressSpace", "weave")
    interface = bytes((_KEYS.index("Interface"), _OBJECT, 2))
    interface += text("Address", "10.40.1.7/16") + text("MacAddress", "02:00:00:00:00:01")
    return [
        b"\x00" + pool,
        b"\x01" + address,
        b"\x02" + network + multicast + data,
        b"\x03" + network + endpoint + interface,
        b"\x04" + network + endpoint + text("SandboxKey", "/var/run/docker/netns/1"),
        b"\x05" + network,
        b"\x06" + endpoint,
        b"\x07" + address,
    ]


def check(data: bytes) -> None:
    octets = iter(data)
    reader = _READERS[next(octets, 0) % len(_READERS)]
    body: dict[str, Any] = {}
    for key in octets:
        body[_KEYS[key % len(_KEYS)]] = _value(octets, 0)
    try:
        wish = reader(body)
    except WeaveError as problem:
        assert str(problem)
        return
    if isinstance(wish, protocol.AddressWish) and wish.pool is not None:
        assert protocol.parse_pool_id(wish.pool.id) == wish.pool


def _value(octets: Iterator[int], depth: int) -> Any:
    """What JSON may hold: kind, then number or count or length, then content."""
    kind, number = next(octets, 0), next(octets, 0)
    match kind % 6:
        case 0:
            return None
        case 1:
            return bool(number & 1)
        case 2:
            return number if number < 128 else number * 1e300
        case 3:
            # JSON can name half of a surrogate pair, so text need not be text.
            return bytes(islice(octets, number)).decode("utf-8", "surrogateescape")
        case 4 if depth < _DEEPEST:
            return {_KEYS[next(octets, 0) % len(_KEYS)]: _value(octets, depth + 1) for _ in range(number % 8)}
        case 5 if depth < _DEEPEST:
            return [_value(octets, depth + 1) for _ in range(number % 8)]
    return []
