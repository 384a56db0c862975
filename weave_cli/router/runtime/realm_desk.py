"""The realms of this host: made when a container of theirs comes, taken away when none was there for long.

Nothing is remembered: after a restart the devices tell which realms there are, and after a reboot there are
none until containers come. Netlink is spoken to in threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.host.realms import PresentRealm, ensure_realm, list_realms, remove_realm
from weave_cli.host.veth import is_link_present
from weave_cli.names import PeerName
from weave_cli.realms import Realm, realm_of
from weave_cli.router.overlay.device_macs import realm_macs

log = logging.getLogger(__name__)

#: Seconds between two looks at the devices.
_INTERVAL_S: Final = 20.0
#: Seconds without container after which a realm's devices go: containers that are made anew find them.
_IDLE_S: Final = 60.0
#: Seconds between `ensure` and the container that it is for.
_JUST_NOW_S: Final = 2.0

#: Brings whoever carries frames to these realms; called again after devices were made anew.
Follow = Callable[[frozenset[Realm]], Awaitable[None]]


class RealmDesk:
    """Plays the API's RealmService."""

    def __init__(
        self, us: PeerName, udp_port: int, mtu: Callable[[], int], follow: Follow, *, idle_s: float = _IDLE_S
    ) -> None:
        """mtu: that of bridges, in octets, once `open` is called."""
        self._us = us
        self._udp_port = udp_port
        self._mtu = mtu
        self._follow = follow
        self._idle_s = idle_s
        self._used_at: dict[Realm, float] = {}
        self._awaited: dict[Realm, float] = {}
        self._changing = asyncio.Lock()
        self._is_open = asyncio.Event()

    @property
    def realms(self) -> frozenset[Realm]:
        """Those that this host has."""
        return frozenset(self._used_at)

    async def open(self) -> None:
        """Take over those that an earlier run left."""
        for present in await asyncio.to_thread(list_realms):
            await self._adopt(present)
        if self._used_at:
            await self._follow(self.realms)
        self._is_open.set()

    async def ensure(self, key: str) -> Realm:
        """The realm of that key, ready for containers; waits until the data path is there.

        Raises UsageProblem for a key that is none, HostProblem when another network has its number.
        """
        realm = realm_of(key)
        await self._is_open.wait()
        async with self._changing:
            if not self._is_ready(realm):
                await asyncio.to_thread(self._make, realm)
                self._used_at[realm] = time.monotonic()
                await self._follow(self.realms)
                log.info("network %s is realm %06x", key, realm.vni)
            self._used_at[realm] = now = time.monotonic()
            self._awaited[realm] = now + _JUST_NOW_S
        return realm

    async def drop(self, key: str) -> bool:
        """Take the realm's devices away; False when there are none, or a container is in there."""
        realm = realm_of(key)
        async with self._changing:
            if time.monotonic() < self._awaited.get(realm, 0.0):
                return False  # somebody is about to put a container there
            return await self._remove(realm)

    async def keep_up(self) -> None:
        """Look after the devices for ever."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self.look_after()
            except (HostProblem, OSError) as problem:
                log.error("%s", problem)

    async def look_after(self) -> None:
        """Make again what somebody removed; take away what nobody has used for long."""
        async with self._changing:
            now = time.monotonic()
            present = {one.realm: one.guests for one in await asyncio.to_thread(list_realms)}
            for realm, used_at in list(self._used_at.items()):
                if present.get(realm):
                    self._used_at[realm] = now
                elif now - used_at > self._idle_s:
                    await self._remove(realm)
            remade = [realm for realm in self._used_at if not self._is_ready(realm)]
            for realm in remade:
                log.warning("devices of realm %06x were gone: made again", realm.vni)
                await asyncio.to_thread(self._make, realm)
            if remade:
                await self._follow(self.realms)

    async def _adopt(self, present: PresentRealm) -> None:
        try:
            await asyncio.to_thread(self._make, present.realm)
        except HostProblem as problem:
            log.error("realm %06x: %s", present.realm.vni, problem)
            return
        self._used_at[present.realm] = time.monotonic()

    async def _remove(self, realm: Realm) -> bool:
        if not await asyncio.to_thread(remove_realm, realm):
            if not is_link_present(realm.bridge):
                self._used_at.pop(realm, None)
            return False
        self._used_at.pop(realm, None)
        self._awaited.pop(realm, None)
        log.info("realm %06x has no containers here any more: removed", realm.vni)
        await self._follow(self.realms)
        return True

    def _is_ready(self, realm: Realm) -> bool:
        return realm in self._used_at and all(
            is_link_present(device) for device in (realm.bridge, realm.vxlan, realm.tap)
        )

    def _make(self, realm: Realm) -> None:
        ensure_realm(realm, realm_macs(self._us, realm.vni), self._mtu(), self._udp_port)
