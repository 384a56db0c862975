"""A TAP device as the router keeps it: open as long as the router runs, its entries as the homes say."""

from __future__ import annotations

import asyncio
import logging
import os
import time

from weave_cli.errors import HostProblem
from weave_cli.host.tap import ensure_tap_port, open_tap
from weave_cli.host.tap_entries import TapEntries
from weave_cli.names import BRIDGE, TAP_DEVICE, PeerName
from weave_cli.router.overlay.mac_homes import MacChange, MacHomes
from weave_cli.router.sleeve.messages import MacForgotten, MacLearned

log = logging.getLogger(__name__)


class TapPort:
    """The device's file descriptor, which the sleeve process inherits, and the bridge's entries of it."""

    def __init__(self, homes: MacHomes, *, name: str = TAP_DEVICE, bridge: str = BRIDGE) -> None:
        self._homes = homes
        self._name = name
        self._bridge = bridge
        self._descriptor: int | None = None
        self._entries: TapEntries | None = None

    @property
    def descriptor(self) -> int:
        """Whoever inherits it gets a copy; `open` must have been."""
        assert self._descriptor is not None, "open comes first"
        return self._descriptor

    async def open(self) -> None:
        """Make the device, anew if somebody removed it. Raises HostProblem."""
        self._let_go()
        self._descriptor = await asyncio.to_thread(open_tap, name=self._name)

    async def attach(self, mtu: int) -> None:
        """Make it a port of the bridge; the entries of an earlier port are gone. Raises HostProblem."""
        port = await asyncio.to_thread(ensure_tap_port, mtu, name=self._name, bridge=self._bridge)
        if port is None:
            raise HostProblem(f"the TAP device {self._name} was removed while it was being set up")
        if self._entries is not None:
            self._entries.close()
        self._entries = TapEntries(port.index)
        self._apply(MacChange(put=self._homes.wanted()))

    def hear(self, message: MacLearned | MacForgotten) -> None:
        """What the sleeve process says of an address in this network."""
        if isinstance(message, MacLearned):
            self._apply(self._homes.learned(message.mac, message.peer, time.time()))
        else:
            self._apply(self._homes.forgotten(message.mac))

    def carry(self, name: PeerName, is_carried: bool) -> None:
        """The kernel carries frames to that peer, or does not (any more)."""
        self._apply(self._homes.carry(name, is_carried))

    def lose_process(self) -> None:
        """What the sleeve process learned died with it."""
        self._apply(self._homes.clear())

    def close(self) -> None:
        """Let go of it; when the sleeve process has done so too, the device is gone."""
        self._let_go()
        if self._entries is not None:
            self._entries.close()
            self._entries = None

    def _apply(self, change: MacChange) -> None:
        """Before `attach` there are no entries to change."""
        if self._entries is None:
            return
        try:
            self._entries.drop(change.drop)
            self._entries.put(change.put)
        except (HostProblem, OSError) as problem:
            # The bridge or the device is gone: when it is made again, all entries are.
            log.warning("%s", problem)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
