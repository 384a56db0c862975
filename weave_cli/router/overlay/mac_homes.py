"""Which MAC addresses the bridge shall look for behind its TAP port, pure.

The sleeve process tells at which peer an address is. Those at peers to which the kernel carries by VXLAN are
not behind the TAP; the kernel finds them by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weave_cli.names import PeerName


@dataclass(frozen=True, slots=True)
class MacChange:
    """Entries to make and to remove; addresses are six octets."""

    put: tuple[bytes, ...] = ()
    drop: tuple[bytes, ...] = ()


class MacHomes:
    """What the sleeve process knows, and the entries that follow. Each call answers what has to change."""

    def __init__(self) -> None:
        self._homes: dict[bytes, PeerName] = {}
        self._seen: dict[bytes, float] = {}
        self._carried: set[PeerName] = set()

    def learned(self, mac: bytes, peer: PeerName, now: float) -> MacChange:
        """The address is at that peer; `now` is for reports."""
        before = self._homes.get(mac)
        self._homes[mac] = peer
        self._seen[mac] = now
        if peer not in self._carried:
            # Even if it was there before: another port may have taken the entry over meanwhile.
            return MacChange(put=(mac,))
        was_ours = before is not None and before not in self._carried
        return MacChange(drop=(mac,)) if was_ours else MacChange()

    def forgotten(self, mac: bytes) -> MacChange:
        """The address is at no other peer any more."""
        before = self._homes.pop(mac, None)
        self._seen.pop(mac, None)
        return MacChange() if before is None or before in self._carried else MacChange(drop=(mac,))

    def carry(self, peer: PeerName, is_carried: bool) -> MacChange:
        """The kernel carries to that peer, or does not (any more)."""
        if is_carried == (peer in self._carried):
            return MacChange()
        macs = tuple(mac for mac, home in self._homes.items() if home == peer)
        if is_carried:
            self._carried.add(peer)
            return MacChange(drop=macs)
        self._carried.discard(peer)
        return MacChange(put=macs)

    def clear(self) -> MacChange:
        """The sleeve process has lost its memory."""
        drop = self.wanted()
        self._homes.clear()
        self._seen.clear()
        return MacChange(drop=drop)

    def wanted(self) -> tuple[bytes, ...]:
        """All entries that there shall be."""
        return tuple(mac for mac, home in self._homes.items() if home not in self._carried)

    def seen(self) -> Mapping[bytes, tuple[PeerName, float]]:
        """Each address with its peer and the moment when it was learned."""
        return {mac: (home, self._seen[mac]) for mac, home in self._homes.items()}
