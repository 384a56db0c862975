"""What the kernel carries: the plan of forwarding entries, brought to the VXLAN device and told on.

Whoever carries the rest is told by `tell(conn_id, carriage)`. Netlink is spoken to in one thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from weave_cli.errors import HostProblem
from weave_cli.host.fdb import read_fdb, reconcile_fdb
from weave_cli.names import PeerName
from weave_cli.router.overlay.forwarding import Forwarding, ForwardingPlan
from weave_cli.router.overlay.roles import Carriage, Neighbour
from weave_cli.router.runtime.tasks import Tasks

log = logging.getLogger(__name__)

#: Seconds after which what the kernel learned is looked at again: a neighbour switches over a moment later
#: than we do, and what it sends meanwhile teaches our kernel the way that does not work.
_SECOND_LOOKS_S: Final = (1.0, 4.0)
#: The same after a connection's end: its other end, or a new run of it, may go on for a minute longer.
_LAST_LOOKS_S: Final = (*_SECOND_LOOKS_S, 15.0, 75.0)
#: Seconds for which a peer without a connection is not left to others who lead there: it may be coming back.
_RETURN_S: Final = 5.0


class KernelCarriage:
    """The verbs raise HostProblem or OSError when the kernel refuses; what is done later is only logged."""

    def __init__(
        self,
        *,
        linger_s: float,
        may_inherit: Callable[[str], bool],
        tell: Callable[[int, Carriage], None],
    ) -> None:
        """`linger_s`: for how long frames go on to a neighbour whose connection ended.

        `may_inherit`: whether an earlier run's entry for that IPv4 address is still right.
        """
        self._linger_s = linger_s
        self._may_inherit = may_inherit
        self._tell = tell
        self._plan = ForwardingPlan()
        self._neighbours: dict[int, Neighbour] = {}
        self._told: dict[int, Carriage] = {}
        self._realm_devices: frozenset[str] = frozenset()
        self._tasks = Tasks("cannot change what the VXLAN device carries")
        self._delayed: set[asyncio.Task[None]] = set()
        #: Who speaks to the kernel, and the one turn that waits for the end of it.
        self._speaking = asyncio.Lock()
        self._turn: asyncio.Task[None] | None = None
        self._rests_until = 0.0
        self._indirect: frozenset[PeerName] = frozenset()
        self._is_leaving = False
        # One thread: entries are brought to what was wanted last.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="entries")

    async def open(self) -> None:
        """Take over what an earlier run left, for a while."""
        present = await asyncio.get_running_loop().run_in_executor(self._thread, read_fdb)
        ours = (one.entry for one in present if one.is_ours)
        self._plan.inherit(entry for entry in ours if self._may_inherit(entry.address))
        await self.apply()
        self._later(self._linger_s, lambda: self._plan.inherit(()))
        self._look_after(self._linger_s)

    async def close(self) -> None:
        """Entries stay, containers go on talking; what lingers stays, and the next run takes it over."""
        for task in self._delayed:
            task.cancel()
        # The entries of connections that ended a moment ago still go.
        await self._tasks.ended()
        if self._turn is not None:
            await asyncio.gather(self._turn, return_exceptions=True)
        self._thread.shutdown()

    async def begin(self, neighbour: Neighbour) -> None:
        """A connection began: heartbeats find their way when this is done."""
        self._neighbours[neighbour.conn_id] = neighbour
        self._plan.add(neighbour)
        await self.apply()

    async def carry(self, conn_id: int) -> None:
        """Its path proved itself."""
        self._plan.carry(conn_id)
        await self.apply()

    def hold(self, conn_id: int) -> None:
        """Its path is silent."""
        self._plan.hold(conn_id)
        self._soon()
        for delay_s in _SECOND_LOOKS_S:
            self._later(delay_s)

    def end(self, conn_id: int, *, lingers: bool) -> None:
        """The connection ended; with `lingers` frames still get through."""
        self._neighbours.pop(conn_id, None)
        self._told.pop(conn_id, None)
        if lingers:
            self._plan.end(conn_id)
            self._later(self._linger_s, lambda: self._plan.remove(conn_id))
            self._look_after(self._linger_s)
            self.set_indirect(self._indirect)
        else:
            self._plan.remove(conn_id)
            self._soon()
            self._look_after(0)

    def set_indirect(self, names: frozenset[PeerName]) -> None:
        """Frames find these peers through others, so that none need go there without a connection."""
        self._indirect = names
        if not self._is_leaving and self._plan.lingers(names):
            self._is_leaving = True
            self._later(_RETURN_S, self._leave)
            self._look_after(_RETURN_S)

    def set_relays(self, names: frozenset[PeerName]) -> None:
        """These neighbours pass our broadcasts on."""
        if names == self._plan.relays:
            return
        before = self._plan.wanted()
        self._plan.set_relays(names)
        if self._plan.wanted() != before:
            self._soon()

    async def set_realm_devices(self, devices: frozenset[str]) -> None:
        """These VXLAN devices carry, each for its realm, to whomever the shared one carries."""
        self._realm_devices = devices
        await self.apply()

    def at(self, address: str) -> Carriage:
        """What is carried to that address."""
        return self._plan.carriage(address)

    async def apply(self) -> None:
        """Bring the kernel to the plan, and who carries the rest.

        The latter takes over before the kernel lets go, and lets go after the kernel took over: for a moment
        a broadcast may arrive twice, rather than not at all. What is asked for while the kernel is spoken to
        is done in one go, after it: it costs the same for one neighbour as for many.
        """
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(self._take_turn())
        await asyncio.shield(self._turn)

    async def _take_turn(self) -> None:
        clock = asyncio.get_running_loop().time
        async with self._speaking:
            # As long as the last turn took, so that where there is much to do more is done at once.
            await asyncio.sleep(self._rests_until - clock())
            self._turn = None
            began = clock()
            await self._apply_now()
            self._rests_until = 2 * clock() - began

    async def _apply_now(self) -> None:
        aim = self._aim()
        for conn_id, carriage in aim.items():
            self._tell_if_new(conn_id, min(carriage, self._told.get(conn_id, Carriage.NOTHING)))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, reconcile_fdb, self._plan.wanted())
        if self._realm_devices:
            in_realms = self._plan.wanted_in_realms()
            await loop.run_in_executor(self._thread, _reconcile_realms, self._realm_devices, in_realms)
        for conn_id, carriage in self._aim().items():
            # What is wanted by now has an `apply` of its own.
            self._tell_if_new(conn_id, min(carriage, aim.get(conn_id, Carriage.NOTHING)))

    def _aim(self) -> dict[int, Carriage]:
        return {conn_id: self._plan.carriage(one.address) for conn_id, one in self._neighbours.items()}

    def _tell_if_new(self, conn_id: int, carriage: Carriage) -> None:
        if self._told.get(conn_id, Carriage.NOTHING) is not carriage:
            self._told[conn_id] = carriage
            self._tell(conn_id, carriage)

    def _leave(self) -> None:
        self._is_leaving = False
        self._plan.leave(self._indirect)

    def _look_after(self, delay_s: float) -> None:
        for look_s in _LAST_LOOKS_S:
            self._later(delay_s + look_s)

    def _soon(self) -> None:
        self._tasks.begin(self.apply())

    def _later(self, delay_s: float, change: Callable[[], None] = lambda: None) -> None:
        task = self._tasks.begin(self._change_later(delay_s, change))
        self._delayed.add(task)
        task.add_done_callback(self._delayed.discard)

    async def _change_later(self, delay_s: float, change: Callable[[], None]) -> None:
        await asyncio.sleep(delay_s)
        change()
        await self.apply()


def _reconcile_realms(devices: frozenset[str], wanted: Forwarding) -> None:
    """One that somebody removed must not be in the way of the others: who looks after them makes it anew."""
    for device in sorted(devices):
        try:
            reconcile_fdb(wanted, device=device)
        except (HostProblem, OSError) as problem:
            log.warning("%s", problem)
