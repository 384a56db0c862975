"""The sleeve side of realms: a TAP device for each, and what the sleeve process has to know of them.

Kept as a whole, so that a process which died can be replaced at any moment.
"""

from __future__ import annotations

from collections.abc import Mapping

from weave_cli.errors import HostProblem
from weave_cli.host.veth import is_link_present
from weave_cli.names import PeerName
from weave_cli.realms import Realm
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.runtime.sleeve_process import SleeveProcess
from weave_cli.router.runtime.tap_port import TapPort
from weave_cli.router.sleeve.messages import ForgetRealm, MacForgotten, MacLearned, SetRealm


class SleeveRealms:
    """Realms as the sleeve process carries them."""

    def __init__(self, process: SleeveProcess) -> None:
        self._process = process
        self._ports: dict[int, TapPort] = {}
        self._members: Mapping[int, frozenset[PeerName]] = {}
        self._carried: set[PeerName] = set()

    async def set_realms(self, realms: frozenset[Realm], mtu: int) -> None:
        """This host has these realms, their bridges are there. Raises HostProblem."""
        wanted = {realm.vni: realm for realm in realms}
        for vni in self._ports.keys() - wanted.keys():
            self._ports.pop(vni).close()
            self._process.send(ForgetRealm(vni=vni))
        for vni, realm in wanted.items():
            port = self._ports.get(vni)
            if port is None or not is_link_present(realm.tap):
                await self._open(realm, mtu)
            else:
                await port.attach(mtu)

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
            port.carry(name, is_carried)

    def hear(self, message: MacLearned | MacForgotten) -> None:
        """What the process says of an address in one of the realms."""
        if port := self._ports.get(message.vni):
            port.hear(message)

    def tell_everything(self) -> None:
        """There is a process that knows nothing yet."""
        for vni, port in self._ports.items():
            self._process.send(self._told(vni), port.descriptor)

    def lose_process(self) -> None:
        """What it learned died with it."""
        for port in self._ports.values():
            port.lose_process()

    def close(self) -> None:
        for port in self._ports.values():
            port.close()
        self._ports.clear()

    async def _open(self, realm: Realm, mtu: int) -> None:
        former = self._ports.pop(realm.vni, None)
        if former is not None:
            former.close()
        port = TapPort(MacHomes(), name=realm.tap, bridge=realm.bridge)
        try:
            await port.open()
            await port.attach(mtu)
        except HostProblem:
            port.close()
            raise
        for name in self._carried:  # as of now: `carry` does not reach a port that is being opened
            port.carry(name, True)
        self._ports[realm.vni] = port
        self._process.send(self._told(realm.vni), port.descriptor)

    def _told(self, vni: int) -> SetRealm:
        return SetRealm(vni=vni, members=self._members.get(vni, frozenset()))
