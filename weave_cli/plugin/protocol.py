"""Docker's remote driver protocol as values (specification plugin, sections 3 to 5). Pure: no socket.

A request is a JSON object, already decoded; a reply is a dict ready to be encoded. Docker sends more fields
than we need: those not named here are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from weave_cli.addresses import Cidr, format_address, parse_address, parse_cidr, parse_subnet
from weave_cli.errors import UsageProblem, WeaveError

Body = Mapping[str, Any]
Reply = dict[str, Any]

#: Guest ends are called so in the container, with Docker's number behind: `ethwe0`.
INTERFACE_PREFIX: Final = "ethwe"
MULTICAST_ROUTE: Final = "224.0.0.0/4"

#: Pool of networks that a plugin 1.4 made: always the default subnet.
OLD_POOL_ID: Final = "weavepool"

_GENERIC: Final = "com.docker.network.generic"
_GATEWAY: Final = "com.docker.network.gateway"
_ADDRESS_TYPE: Final = "RequestAddressType"
_CONNECTED_ROUTE: Final = 1

_ENDPOINT_DIGITS: Final = 9
#: Docker's are 64 hex digits. Devices are called after them, and in a name the kernel makes a number of `%d`.
_ID = re.compile(r"[0-9A-Za-z_-]{1,128}", re.ASCII)
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", re.ASCII)
_POOL_ID = re.compile(r"weave-([0-9./]+)-([0-9./]+)", re.ASCII)


class BadRequest(WeaveError):
    """The request is no such thing as Docker sends; answered with status 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A subnet, and the part of it that addresses are taken from. Its id is all that Docker remembers."""

    subnet: Cidr
    part: Cidr

    @property
    def id(self) -> str:
        return f"weave-{self.subnet}-{self.part}"

    @property
    def fake_gateway(self) -> str:
        """The network address: Docker then takes no real one, which would cost an address on each host."""
        return str(self.subnet)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolWish:
    """RequestPool: `{"AddressSpace":..,"Pool":"10.40.0.0/16","SubPool":"","Options":{},"V6":false}`."""

    subnet: Cidr | None
    part: Cidr | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressWish:
    """RequestAddress: `{"PoolID":..,"Address":"","Options":{"RequestAddressType":..}|null}`."""

    pool: Pool | None
    """None: the default subnet, for networks that a plugin 1.4 made."""
    address: int | None
    is_gateway: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWish:
    """CreateNetwork: `{"NetworkID":..,"Options":{..generic..},"IPv4Data":[{"AddressSpace":..}]}`."""

    network_id: str
    options: Mapping[str, object]
    """Those of the operator, see plugin.options; not looked at here."""
    address_spaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWish:
    """CreateEndpoint: `{"NetworkID":..,"EndpointID":..,"Interface":{"Address":"A/P","MacAddress":..}}`."""

    network_id: str
    endpoint_id: str
    address: str
    mac: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """Join: `{"NetworkID":..,"EndpointID":..,"SandboxKey":"/var/run/docker/netns/.."}`."""

    network_id: str
    endpoint_id: str
    sandbox: str


def has_words(method: str) -> bool:
    """Does Docker say anything in a call of that method? `method`: as in `NetworkDriver.Join`."""
    return method.partition(".")[2] not in ("Activate", "GetCapabilities", "GetDefaultAddressSpaces")


def read_pool_wish(body: Body) -> PoolWish:
    """Raises UsageProblem for IPv6, and for a subnet or range that is none."""
    pool, part = _text(body, "Pool"), _text(body, "SubPool")
    if body.get("V6") or ":" in pool:
        raise UsageProblem("the weave address driver has no IPv6 addresses")
    subnet = parse_subnet(pool) if pool else None
    if part and subnet is None:
        raise UsageProblem(f"a range without a subnet: {part}", hint="Give --subnet as well.")
    inner = parse_subnet(part) if part else None
    if inner and subnet and (inner.prefix_len < subnet.prefix_len or inner.address not in subnet.network):
        raise UsageProblem(f"range {inner} is not inside subnet {subnet}")
    return PoolWish(subnet=subnet, part=inner)


def read_address_wish(body: Body) -> AddressWish:
    """Raises UsageProblem for a pool id that is not ours, and for an address that is none."""
    address = _text(body, "Address")
    options = body.get("Options") or {}
    return AddressWish(
        pool=parse_pool_id(_text(body, "PoolID")),
        address=parse_address(address) if address else None,
        is_gateway=isinstance(options, Mapping) and options.get(_ADDRESS_TYPE) == _GATEWAY,
    )


def parse_pool_id(text: str) -> Pool | None:
    """The pool of an id; None for that of plugin 1.4; raises UsageProblem for a foreign one."""
    if text == OLD_POOL_ID:
        return None
    match = _POOL_ID.fullmatch(text)
    if not match:
        raise UsageProblem(f"unknown pool id: {text!r}")
    return Pool(subnet=parse_cidr(match[1]), part=parse_cidr(match[2]))


def read_network_wish(body: Body) -> NetworkWish:
    options = _object(_object(body, "Options"), _GENERIC)
    rows = body.get("IPv4Data")
    data = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return NetworkWish(
        network_id=read_network_id(body),
        options=dict(options),
        address_spaces=tuple(_text(row, "AddressSpace") for row in data),
    )


def read_endpoint_wish(body: Body) -> EndpointWish:
    """Raises UsageProblem when Docker wants us to choose the address ourselves."""
    if not isinstance(body.get("Interface"), Mapping):
        raise UsageProblem("creating an interface without address is not supported")
    interface = _object(body, "Interface")
    return EndpointWish(
        network_id=read_network_id(body) if body.get("NetworkID") else "",
        endpoint_id=read_endpoint_id(body),
        address=_text(interface, "Address"),
        mac=_mac(interface),
    )


def read_joining(body: Body) -> Joining:
    return Joining(
        network_id=read_network_id(body) if body.get("NetworkID") else "",
        endpoint_id=read_endpoint_id(body),
        sandbox=_text(body, "SandboxKey"),
    )


def read_network_id(body: Body) -> str:
    """Raises BadRequest for an id that Docker would not give."""
    return _id(body, "NetworkID")


def read_endpoint_id(body: Body) -> str:
    """Raises BadRequest for an id that no device could be called after."""
    return _id(body, "EndpointID")


def read_release(body: Body) -> tuple[str, str]:
    """Pool id and address of ReleaseAddress, unparsed: a release must not fail on either."""
    return _text(body, "PoolID"), _text(body, "Address")


def host_link(endpoint_id: str) -> str:
    """The end on the bridge."""
    return f"vethwl{endpoint_id[:_ENDPOINT_DIGITS]}"


def guest_link(endpoint_id: str) -> str:
    """The end that Docker moves into the container."""
    return f"vethwg{endpoint_id[:_ENDPOINT_DIGITS]}"


def guest_second_name(endpoint_id: str) -> str:
    """By which Docker is to find that end: see links.BridgeLinks."""
    return f"vethwx{endpoint_id[:_ENDPOINT_DIGITS]}"


def pool_reply(pool: Pool) -> Reply:
    return {"PoolID": pool.id, "Pool": str(pool.subnet), "Data": {_GATEWAY: pool.fake_gateway}}


def address_reply(address: int, prefix_len: int) -> Reply:
    return {"Address": f"{format_address(address)}/{prefix_len}", "Data": None}


def endpoint_reply(wish: EndpointWish, mac: str) -> Reply:
    """Docker fails when it gave a MAC address and is answered with one, even with the same."""
    return {"Interface": {} if wish.mac else {"MacAddress": mac}}


def join_reply(guest_name: str, *, has_multicast_route: bool) -> Reply:
    """guest_name: what Docker finds the guest end by.

    No gateway: Docker gives the container a second interface, on a bridge of its own, for the outside.
    """
    route = {"Destination": MULTICAST_ROUTE, "RouteType": _CONNECTED_ROUTE, "NextHop": ""}
    return {
        "InterfaceName": {"SrcName": guest_name, "DstPrefix": INTERFACE_PREFIX},
        "StaticRoutes": [route] if has_multicast_route else [],
        "Gateway": "",
        "GatewayIPv6": "",
        "DisableGatewayService": False,
    }


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if value is None:
        return ""
    # Half a surrogate pair is no text either: the journal could not store it.
    if not isinstance(value, str) or not value.isprintable():
        raise BadRequest(f"{key} is no text: {value!r:.80}")
    return value


def _mac(interface: Body) -> str | None:
    mac = _text(interface, "MacAddress")
    if mac and not _MAC.fullmatch(mac):
        raise BadRequest(f"MacAddress is none: {mac!r:.80}")
    return mac or None


def _required(body: Body, key: str) -> str:
    value = _text(body, key)
    if not value:
        raise BadRequest(f"{key} is missing")
    return value


def _id(body: Body, key: str) -> str:
    value = _required(body, key)
    if not _ID.fullmatch(value):
        raise BadRequest(f"{key} is no id: {value!r:.80}")
    return value


def _object(body: Body, key: str) -> Body:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequest(f"{key} is no object: {value!r:.80}")
    return value
