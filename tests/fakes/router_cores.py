"""Whole router cores on the pretended network: mesh node, allocator and names, as `assembly` joins them.

Containers live on hosts and outlive routers. A container knows what it was told: its address, and that its
name is registered. After a restart the host does what the plugin does: it gives up what no container has any
more, claims the rest again, and registers the names again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.go_guard import GoGuard
from tests.fakes.network import End, FakeNetwork, Station, peer_name
from tests.fakes.router_disk import DiskCopy, RouterDisk
from weave_cli.addresses import Cidr, parse_cidr
from weave_cli.names import PeerName
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.ipam.requests import Answered, Cancelled, Refused
from weave_cli.router.ipam.shapes import CHANNEL as ADDRESSES
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.nameserver.registry import CHANNEL as NAMES
from weave_cli.router.nameserver.registry import NameRegistry

#: Why nodes end connections when all is well.
_HARMLESS = ("Multiple connections to", "cannot connect to ourself", "Found unknown remote name")
#: And why this network does.
_OURS = ("cut", "stopped", "read timed out", "closed by the other end")


@dataclass(eq=False)
class Core:
    """The parts of one life of a router."""

    node: MeshNode
    allocator: Allocator
    registry: NameRegistry


@dataclass(eq=False)
class Host:
    """What outlives its router: disk and containers. waiting: requests by number, with their containers."""

    number: int
    disk: RouterDisk
    setup: Setup
    containers: dict[str, Cidr] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    copies: list[DiskCopy] = field(default_factory=list)


class RouterNetwork(FakeNetwork):
    """Hosts with routers. Containers are named `cN` in the whole network, each once."""

    def __init__(
        self, seed: int, *, whole: str, make_setup: Callable[[int], Setup], discovery: bool = True
    ) -> None:
        super().__init__(seed, discovery=discovery)
        self.whole = parse_cidr(whole)
        self.make_setup = make_setup
        self.guard = GoGuard()
        self.hosts: dict[int, Host] = {}
        self.cores: dict[int, Core] = {}
        self.targets: dict[int, tuple[int, ...]] = {}
        self.problems: list[str] = []
        self._numbers = itertools.count(1)

    # What operators and users do

    def connect(self, number: int, *others: int) -> None:
        self.targets[number] = (*self.targets.get(number, ()), *others)
        super().connect(number, *others)

    def run(self, number: int, subnet: Cidr | None = None) -> str:
        """Start a container that wants an address of a subnet."""
        request = next(self._numbers)
        ident = f"c{request}"
        self.hosts[number].waiting[request] = ident
        wanted = subnet or self.whole
        core = self.cores[number]
        core.allocator.allocate(request, ident, wanted, is_container=True, now=self.now)
        self.drain(self.stations[number])
        return ident

    def run_at(self, number: int, cidr: Cidr) -> str:
        """Start a container that wants this very address."""
        request = next(self._numbers)
        ident = f"c{request}"
        self.hosts[number].waiting[request] = ident
        self._claim(number, request, ident, cidr, is_patient=True)
        self.drain(self.stations[number])
        return ident

    def remove(self, number: int, ident: str) -> None:
        """A container ends."""
        cidr = self.hosts[number].containers.pop(ident)
        core = self.cores[number]
        core.registry.remove(container=ident, now=self.now)
        core.allocator.free(ident, cidr.address, self.now)
        self.drain(self.stations[number])

    def give_up_waiting(self, number: int) -> None:
        """All callers that wait at a router go away."""
        for request in self.hosts[number].waiting:
            self.cores[number].allocator.cancel(request, self.now)
        self.hosts[number].waiting.clear()
        self.drain(self.stations[number])

    def restart_with(self, number: int, copy: DiskCopy | None = None) -> None:
        """A router starts again, with what it has written, or with another copy of its disk."""
        host = self.hosts[number]
        host.waiting.clear()
        host.disk.load(host.disk.copy() if copy is None else copy)
        self.restart(number)
        super().connect(number, *self.targets[number])
        station, core = self.stations[number], self.cores[number]
        for ident in core.allocator.owned():
            if ident not in host.containers:
                core.allocator.delete(ident, self.now)
        for ident, cidr in host.containers.items():
            self._claim(number, next(self._numbers), ident, cidr, is_patient=False)
            self._register(number, ident, cidr)
        self.drain(station)

    def take_over(self, number: int, dead: int) -> int:
        """`weave rmpeer` on one host; the number of addresses gained."""
        self.guard.takes_over(peer_name(dead))
        gained = self.cores[number].allocator.take_over(f"host{dead}", self.now)
        self.drain(self.stations[number])
        return gained

    def leave(self, number: int) -> None:
        """`weave reset`: all containers end, the space goes to another peer, the router stops."""
        for ident in list(self.hosts[number].containers):
            self.remove(number, ident)
        self.cores[number].allocator.leave(self.now)
        self.drain(self.stations[number])
        self.run_for(1)
        self.stop(number)
        self.hosts[number].waiting.clear()

    def running(self) -> list[int]:
        return [number for number, station in self.stations.items() if station.is_up]

    # What FakeNetwork asks

    def next_wake(self, station: Station) -> float:
        core = self.cores[station.number]
        wakes = (core.node.next_wake(), core.allocator.next_wake(), core.registry.next_wake())
        return min(wake for wake in wakes if wake is not None)

    def on_wake(self, station: Station) -> None:
        core = self.cores[station.number]
        core.node.on_wake(self.now)
        core.allocator.on_wake(self.now)
        core.registry.on_wake(self.now)

    def on_message(self, station: Station, tag: int, payload: bytes) -> None:
        self.guard.hear(station.name, tag, payload)

    def drain(self, station: Station) -> None:
        number = station.number
        if number not in self.cores or self.cores[number].node is not station.node:
            self._build(station)
        super().drain(station)
        if station.forgotten:
            forgotten, station.forgotten = frozenset(station.forgotten), []
            self.cores[number].allocator.peers_forgotten(forgotten)
            self.cores[number].registry.peers_forgotten(forgotten, self.now)
            super().drain(station)
        # Before any message leaves: those are pulled by an action of their own.
        self.hosts[number].disk.commit()
        self._take_answers(number)

    def _build(self, station: Station) -> None:
        number, node = station.number, station.node
        if number not in self.hosts:
            self.hosts[number] = Host(number, RouterDisk(station.name), self.make_setup(number))
        host = self.hosts[number]
        allocator = Allocator(
            name=station.name,
            uid=station.uid,
            nickname=f"host{number}",
            whole=self.whole.network,
            default_subnet=self.whole,
            setup=host.setup,
            journal=host.disk,
            saved=host.disk.load(host.disk.copy()),
            directory=node,
            rng=random.Random(self.rng.random()),
        )
        allocator.attach(node.open_channel(ADDRESSES, allocator))
        registry = NameRegistry(name=station.name, domain="weave.local.", directory=node)
        registry.attach(node.open_channel(NAMES, registry))
        self.cores[number] = Core(node, allocator, registry)

    def _take_answers(self, number: int) -> None:
        host, core = self.hosts[number], self.cores[number]
        while event := core.allocator.next_event():
            ident = host.waiting.pop(event.request, None)
            match event:
                case Answered(cidr=Cidr() as cidr) if ident is not None:
                    host.containers[ident] = cidr
                    self._register(number, ident, cidr)
                case Refused(reason=reason) if ident is not None:
                    host.refused.append(reason)
                case Refused(reason=reason):
                    raise AssertionError(f"host{number} may not keep an address: {reason}")
                case Answered() | Cancelled():
                    pass

    def _claim(self, number: int, request: int, ident: str, cidr: Cidr, *, is_patient: bool) -> None:
        self.cores[number].allocator.claim(
            request, ident, cidr, no_error_on_unknown=not is_patient, is_container=True, now=self.now
        )

    def _close(self, end: End, reason: str, *, tell_node: bool) -> None:
        if not reason.startswith((*_HARMLESS, *_OURS)):
            self.problems.append(f"host{end.station.number} from host{end.other.station.number}: {reason}")
        super()._close(end, reason, tell_node=tell_node)

    def _register(self, number: int, ident: str, cidr: Cidr) -> None:
        self.cores[number].registry.add(f"{ident}.weave.local.", ident, cidr.address, self.now)
        super().drain(self.stations[number])

    # What must hold

    def check_addresses(self) -> None:
        """No address is at two containers."""
        users: dict[int, str] = {}
        for host in self.hosts.values():
            for ident, cidr in host.containers.items():
                other = users.setdefault(cidr.address, ident)
                assert other == ident, f"{cidr} is given to {other} and {ident}"

    def agrees(self) -> bool:
        """Whether `check_agreement` has nothing to say."""
        try:
            self.check_agreement()
        except AssertionError:
            return False
        return True

    def check_agreement(self) -> None:
        """After a quiet time: one ring without holes, honest counts, every name everywhere, and no more."""
        running = self.running()
        rings = {
            number: [(one.token, one.size, one.peer) for one in self.cores[number].allocator.view().entries]
            for number in running
        }
        first = rings[running[0]]
        assert first, "there is a ring"
        for number, ring in rings.items():
            assert ring == first, f"the rings of host{running[0]} and host{number} differ"
        assert sum(size for _, size, _ in first) == self.whole.network.size
        living = {ident: (number, cidr) for number in running for ident, cidr in self._containers(number)}
        for ident, (number, cidr) in living.items():
            assert self.cores[number].allocator.lookup(ident, cidr) == [cidr], f"{ident} lost {cidr}"
            owner = self._owner(first, cidr.address)
            assert owner in (None, peer_name(number)), f"{cidr} of {ident} is at another peer's"
        self._check_names({ident: cidr.address for ident, (_, cidr) in living.items()})

    def _containers(self, number: int) -> list[tuple[str, Cidr]]:
        return list(self.hosts[number].containers.items())

    def _owner(self, ring: list[tuple[int, int, PeerName]], address: int) -> PeerName | None:
        return next((peer for token, size, peer in ring if token <= address < token + size), None)

    def _check_names(self, living: dict[str, int]) -> None:
        for number in self.running():
            told = {
                entry.container_id: entry.address
                for entry in self.cores[number].registry.entries()
                if entry.is_alive
            }
            lost, stale = living.keys() - told.keys(), told.keys() - living.keys()
            assert not lost, f"host{number} does not know {sorted(lost)}"
            assert not stale, f"host{number} still knows {sorted(stale)}"
            assert told == living
