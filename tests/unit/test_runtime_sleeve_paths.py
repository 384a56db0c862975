"""What the router remembers of overlay sleeve; its process is not there."""

from __future__ import annotations

import asyncio
from typing import Any

from weave_cli.names import PeerName
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.overlay.roles import Carriage, Failed, Neighbour
from weave_cli.router.runtime.sleeve_paths import SleevePaths

US, THEM = PeerName(1), PeerName(2)
MAC = bytes.fromhex("0a0000000001")


class Paths(SleevePaths):
    """With an address of a container that is at the other peer; `asked` is what connections wanted."""

    def __init__(self) -> None:
        self.homes = MacHomes()
        self.asked: list[tuple[int, Any]] = []
        super().__init__(
            US,
            udp_port=6783,
            homes=self.homes,
            act=lambda conn_id, event: self.asked.append((conn_id, event)),
        )
        self.homes.learned(MAC, THEM, 0)

    def meet(self, conn_id: int, session_key: bytes | None = None) -> None:
        neighbour = Neighbour(
            conn_id=conn_id, uid=conn_id, name=THEM, nickname="host2", address="10.0.0.2", udp_port=6783
        )
        self.connect(neighbour, is_initiator=True, session_key=session_key, vxlan_port=6784)

    def puts_behind_tap(self) -> bool:
        return self.homes.wanted() == (MAC,)

    def _note(self, conn_id: int, event: Any) -> None:
        self.asked.append((conn_id, event))


def test_containers_are_behind_the_tap_unless_a_connection_has_vxlan_carry() -> None:
    async def scenario() -> None:
        paths = Paths()
        paths.meet(1)
        paths.meet(2)
        assert paths.puts_behind_tap()
        paths.set_carriage(1, Carriage.UNICAST)
        paths.set_carriage(2, Carriage.EVERYTHING)
        paths.set_carriage(1, Carriage.NOTHING)
        assert not paths.puts_behind_tap()
        paths.release(1)
        assert not paths.puts_behind_tap()
        paths.release(2)
        assert paths.puts_behind_tap(), "a third host may still lead there"
        paths.release(2)
        paths.set_carriage(2, Carriage.EVERYTHING)
        assert paths.puts_behind_tap()

    asyncio.run(scenario())


def test_only_sealed_connections_end_with_the_process() -> None:
    async def scenario() -> None:
        paths = Paths()
        paths.meet(1)
        paths.meet(2, session_key=bytes(32))
        paths._lose_process("it ended")
        ((conn_id, event),) = paths.asked
        assert (conn_id, type(event)) == (2, Failed)
        assert not paths.puts_behind_tap(), "its memory is gone"

    asyncio.run(scenario())
