"""Forwarding entries of the VXLAN device: read, plan, apply. Knows not why an entry is wanted."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from weave_cli.host.netlink import explained, get_link, open_netlink
from weave_cli.names import VXLAN_DEVICE
from weave_cli.router.overlay.forwarding import FLOOD_MAC, FdbEntry, Forwarding

if TYPE_CHECKING:
    from pyroute2 import IPRoute

# From the kernel's neighbour.h
_AF_BRIDGE = 7
_NUD_NOARP = 0x40
_NUD_PERMANENT = 0x80

_VERBS = {"append": "add", "replace": "add", "del": "remove"}


@dataclass(frozen=True, slots=True)
class PresentEntry:
    """An entry of the kernel's; one that is not ours was learned from a frame's source."""

    entry: FdbEntry
    is_ours: bool


@dataclass(frozen=True, slots=True)
class FdbChange:
    """One request to the kernel."""

    verb: Literal["append", "replace", "del"]
    entry: FdbEntry


def reconcile_fdb(wanted: Forwarding, *, device: str = VXLAN_DEVICE) -> None:
    """Bring the device's entries to the ones wanted.

    Leftovers of an earlier run go, and so does whatever was learned about hosts to which the device does not
    carry (any more); the bridge then forgets what it learned through the device, lest it sends frames there
    that have to go another way now. Raises HostProblem.
    """
    with open_netlink() as netlink:
        link = get_link(netlink, device)
        changes = plan_changes(_read_entries(netlink, link.index), wanted)
        for change in changes:
            _apply(netlink, link.index, change)
        if any(change.verb == "del" for change in changes):
            with explained(f"make the bridge forget what it learned through {device}"):
                netlink.brport("set", index=link.index, flush=True)


def read_fdb(*, device: str = VXLAN_DEVICE) -> list[PresentEntry]:
    """The device's entries as the kernel has them."""
    with open_netlink() as netlink:
        return _read_entries(netlink, get_link(netlink, device).index)


def plan_changes(present: Iterable[PresentEntry], wanted: Forwarding) -> list[FdbChange]:
    """The changes from what is present to what is wanted, removals first; none when all is well."""
    listed = list(present)
    ours = {one.entry for one in listed if one.is_ours}
    learned = {one.entry for one in listed if not one.is_ours and one.entry.mac not in wanted.heard}
    stale = (ours - wanted.entries) | {one for one in learned if one.address not in wanted.carried}
    missing = wanted.entries - ours
    replaced = {entry.mac for entry in missing if not _may_lead_to_many(entry)}
    return [
        *(FdbChange("del", entry) for entry in sorted(stale) if entry.mac not in replaced),
        *(FdbChange("append" if _may_lead_to_many(entry) else "replace", entry) for entry in sorted(missing)),
    ]


def _may_lead_to_many(entry: FdbEntry) -> bool:
    """The all-zeros address and group addresses."""
    return entry.mac == FLOOD_MAC or bool(int(entry.mac[:2], 16) & 1)


def _read_entries(netlink: IPRoute, index: int) -> list[PresentEntry]:
    with explained("read the forwarding entries"):
        messages: list[Any] = list(netlink.fdb("dump", ifindex=index))
    return [
        PresentEntry(
            FdbEntry(message.get_attr("NDA_LLADDR"), message.get_attr("NDA_DST")),
            is_ours=bool(message["state"] & (_NUD_NOARP | _NUD_PERMANENT)),
        )
        for message in messages
        # Entries without a destination are the bridge's own about its port.
        if message["ifindex"] == index and message.get_attr("NDA_DST") is not None
    ]


def _apply(netlink: IPRoute, index: int, change: FdbChange) -> None:
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.rtnl import ndmsg

    state, flags = ndmsg.states["noarp"] | ndmsg.states["permanent"], ndmsg.flags["self"]
    entry = change.entry
    with explained(f"{_VERBS[change.verb]} forwarding entry {entry.mac} at {entry.address}"):
        try:
            netlink.neigh(
                change.verb,
                family=_AF_BRIDGE,
                ifindex=index,
                lladdr=entry.mac,
                dst=entry.address,
                state=state,
                flags=flags,
            )
        except NetlinkError as error:
            # Gone meanwhile: learned entries grow old by themselves.
            if change.verb != "del" or error.code != errno.ENOENT:
                raise
