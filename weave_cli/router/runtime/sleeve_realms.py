"""The sleeve side of realms: a TAP device for each, and what the sleeve process has to know of them.

Kept as a whole, so that a process which died can be replaced at any moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from weave_cli.errors import HostProblem
from weave_cli.host.veth import is_link_present
from weave_cli.names import PeerName
from weave_cli.realms import Realm
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.runtime.sleeve_process import SleeveProcess
from weave_cli.router.runtime.tap_port import TapPort
from weave_cli.router.sleeve.messages import ForgetRealm, MacForgotten, MacLearned, SetRealm

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Port:
    realm: Realm
    homes: MacHomes
    tap: TapPort


class SleeveRealms:
    """Realms as the sleeve process carries them."""

    def __init__(self, process: SleeveProcess) -> None:
        self._process = process
        self._ports: dict[int, _Port] = {}
        self._members: Mapping[int, frozenset[PeerName]] = {}
        self._carried: set[PeerName] = set()

    async def set_realms(self, realms: frozenset[Realm], mtu: int) -> None:
        """This host has these realms, their bridges are there. Raises HostProblem."""
        wanted = {realm.vni: realm for realm in realms}
        for vni in self._ports.keys() - wanted.keys():
            self._ports.pop(vni).tap.close()
            self._process.send(ForgetRealm(vni=vni))
        for vni, realm in wanted.items():
            port = self._ports.get(vni)
            if port is None or not is_link_present(realm.tap):
                await self._open(realm, mtu)
            else:
                await port.tap.attach(mtu)

    def set_members(self, members: Mapping[int, frozenset[PeerName]]) -> None:
        """Which other peers have which realms."""
        before, self._members = self._members, members
        for vni in self._ports:
            if members.get(vni) != before.get(vni):
                self._process.send(self._told(vni))

    def carry(self, name: PeerName, is_carried: bool) -> None:
        """The kernel carries frames to that neighbour, or does not (any more)."""
        (self._carried.add if is_carried else self._carried.discard)(name)
        for port in self._ports.values():
            port.tap.apply(port.homes.carry(name, is_carried))

    def hear(self, message: MacLearned | MacForgotten) -> None:
        """What the process says of an address in one of the realms."""
        port = self._ports.get(message.vni)
        if port is None:
            return
        if isinstance(message, MacLearned):
            port.tap.apply(port.homes.learned(message.mac, message.peer, time.time()))
        else:
            port.tap.apply(port.homes.forgotten(message.mac))

    def tell_everything(self) -> None:
        """There is a process that knows nothing yet."""
        for vni, port in self._ports.items():
            self._process.send(self._told(vni), port.tap.descriptor)

    def lose_process(self) -> None:
        """What it learned died with it."""
        for port in self._ports.values():
            port.tap.apply(port.homes.clear())

    def close(self) -> None:
        for port in self._ports.values():
            port.tap.close()
        self._ports.clear()

    async def _open(self, realm: Realm, mtu: int) -> None:
        former = self._ports.pop(realm.vni, None)
        if former is not None:
            former.tap.close()
        homes = MacHomes()
        for name in self._carried:
            homes.carry(name, True)
        tap = TapPort(homes, name=realm.tap, bridge=realm.bridge)
        try:
            await tap.open()
            await tap.attach(mtu)
        except HostProblem:
            tap.close()
            raise
        self._ports[realm.vni] = _Port(realm, homes, tap)
        self._process.send(self._told(realm.vni), tap.descriptor)

    def _told(self, vni: int) -> SetRealm:
        return SetRealm(vni=vni, members=self._members.get(vni, frozenset()))
