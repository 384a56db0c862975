"""The weave bridge: make it, find it, and recognise what the Go system left in its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weave_cli.error_codes import Code
from weave_cli.errors import HostProblem
from weave_cli.host.netlink import Link, explained, find_link, get_link, list_names, open_netlink
from weave_cli.names import BRIDGE

if TYPE_CHECKING:
    from pyroute2 import IPRoute

#: The Go router's datapath and the veth pairs that tied it to the bridge (specification cli, section 2.3).
_GO_DATAPATH = "datapath"
_GO_PREFIX = "vethwe-"

_RESET_HINT = (
    "Another system's network is in the way: take it down with its own `weave reset`, then launch again."
)


def ensure_bridge(mac: str, mtu: int, *, name: str = BRIDGE) -> Link:
    """The bridge with that MAC address and MTU, up; may be called over an existing one.

    Raises HostProblem when something of that name is no bridge, or the Go router's devices are there.
    """
    with open_netlink() as netlink:
        present = find_link(netlink, name)
        if present is not None and present.kind != "bridge":
            kind = present.kind or "physical"
            raise HostProblem(
                f"network device {name} is there, but it is no bridge ({kind})",
                hint=_RESET_HINT,
                code=Code.BRIDGE_FOREIGN,
            )
        _refuse_foreign(list_names().values())
        with explained(f"create the bridge {name}"):
            if present is None:
                netlink.link("add", ifname=name, kind="bridge")
        bridge = get_link(netlink, name)
        with explained(f"set up the bridge {name}"):
            if bridge.mac != mac:
                netlink.link("set", index=bridge.index, address=mac)
            if bridge.mtu != mtu:
                netlink.link("set", index=bridge.index, mtu=mtu)
            if not bridge.is_up:
                netlink.link("set", index=bridge.index, state="up")
        return get_link(netlink, name)


def get_bridge(netlink: IPRoute, name: str = BRIDGE) -> Link:
    """The bridge as it is; raises BridgeAbsent when it was not made yet."""
    bridge = find_link(netlink, name)
    if bridge is None or bridge.kind != "bridge":
        raise absence(name)
    return bridge


class BridgeAbsent(HostProblem):
    """The bridge was not made yet."""

    code = Code.BRIDGE_MISSING


def absence(name: str) -> BridgeAbsent:
    """What to say when the bridge was not made yet."""
    return BridgeAbsent(
        f"{name} bridge not present. Did you launch weave?", hint="Start it with `weave launch`."
    )


def read_bridge(name: str = BRIDGE) -> Link | None:
    """The bridge as it is, for names and reports; None when there is none."""
    with open_netlink() as netlink:
        bridge = find_link(netlink, name)
        return bridge if bridge is not None and bridge.kind == "bridge" else None


def _refuse_foreign(names: Iterable[str]) -> None:
    for name in names:
        if name == _GO_DATAPATH or name.startswith(_GO_PREFIX):
            raise HostProblem(
                f"network device {name} belongs to another weave router",
                hint=_RESET_HINT,
                code=Code.BRIDGE_FOREIGN,
            )
