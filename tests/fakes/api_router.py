"""A router without data path, DNS server and sockets: real mesh node, allocator, registry and desks.

It has met one other peer, as the router had whose API was recorded (tests/vectors/http-samples.json).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
from yarl import URL

from weave_cli.addresses import parse_cidr
from weave_cli.errors import UsageProblem, WeaveError
from weave_cli.host.rules import Exposure
from weave_cli.names import PeerName
from weave_cli.realms import Realm
from weave_cli.reports import Report
from weave_cli.router.http.roles import PeerAnswer
from weave_cli.router.http.server import ApiServer
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.mesh.events import Dial
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.options import parse_options
from weave_cli.router.overlay.mac_homes import MacHomes
from weave_cli.router.runtime.addresses import AddressDesk
from weave_cli.router.runtime.exposures import ExposureDesk
from weave_cli.router.runtime.names import NameDesk
from weave_cli.router.runtime.network_desk import NetworkDesk
from weave_cli.router.runtime.realm_desk import RealmDesk
from weave_cli.router.runtime.reporting import ReportSources, make_report
from weave_cli.router.runtime.resolver import resolve_targets
from weave_cli.router.runtime.store import Store
from weave_cli.router.wire.intro import Features
from weave_cli.router.wire.messages import Gossip, Tag, encode_gossip

US: Final = PeerName(0x7A0000000001)
THEM: Final = PeerName(0x7A0000000002)
_RANGE: Final = parse_cidr("10.32.0.0/12")
_CONNECTION: Final = 1

Ask = Callable[..., Coroutine[Any, Any, aiohttp.ClientResponse]]


async def _nobody_follows(_realms: frozenset[Realm]) -> None:
    """There is no data path."""


class _Plane:
    """What the report asks of the data path."""

    macs = MacHomes()

    def attributes(self, conn_id: int) -> dict[str, Any]:
        return {"name": "vxlan", "mtu": 1450}

    def diagnostics(self) -> dict[str, Any]:
        return {"vxlan": None, "sleeve": None}


class _DnsServer:
    def upstream_servers(self) -> tuple[str, ...]:
        return ()


@dataclass
class Clock:
    """Moves only when told to."""

    now: float = 1_795_479_981.0

    def __call__(self) -> float:
        return self.now


class ApiRouter:
    """Plays the RouterService; `pump` does what the router's does, without messages."""

    instance = "4711"
    is_ready = True

    def __init__(self, path: Path, *, setup: Setup | None = None) -> None:
        self.clock = Clock()
        self.store = Store(path)
        self.store.save_peer_name(US)
        self.dialled: list[str] = []
        self.has_left = False
        self.refusal: WeaveError | None = None
        """What the host says to exposures."""
        self.node = MeshNode(
            name=US,
            nickname="host1",
            uid=14426972436058449871,
            short_id=1731,
            port=6783,
            discovery=True,
            connection_limit=0,
            rng=random.Random(1),
            now=self.clock(),
        )
        self.allocator = Allocator(
            name=US,
            uid=14426972436058449871,
            nickname="host1",
            whole=_RANGE.network,
            default_subnet=_RANGE,
            setup=setup or Setup(),
            journal=self.store,
            saved=self.store.load(),
            directory=self.node,
            rng=random.Random(2),
        )
        self.registry = NameRegistry(name=US, domain="weave.local.", directory=self.node)
        self.addresses = AddressDesk(self.allocator, self.clock, self.pump)
        self.names = NameDesk(self.registry, "0.0.0.0", 53, self.clock, self.pump)
        self.exposed: tuple[Exposure, ...] = ()
        """What the host was asked to have on its bridge."""
        self.exposures = ExposureDesk(self.store, self, self.pump)
        self.realms = RealmDesk(US, 6784, lambda: 1450, _nobody_follows)
        channel = NetworkChannel(US, self.node)
        channel.attach(self.node.open_channel("networks", channel))
        self.networks = NetworkDesk(
            channel,
            self.store,
            whole=_RANGE,
            nickname_of=self.node.nickname_of,
            clock=self.clock,
            pump=self.pump,
        )
        self.server = ApiServer(self, "127.0.0.1:0")

    def meet(self, topology: bytes, *, nickname: str = "host2") -> None:
        """Connect with the other peer, which describes itself so."""
        now = self.clock()
        features = Features(name=THEM, nickname=nickname, uid=17964041198233665175, conn_id=1, short_id=692)
        self.node.add_connection(
            _CONNECTION, features, address="10.198.0.2:47529", outbound=False, connection_uid=1, now=now
        )
        self.node.connection_established(_CONNECTION, now)
        self.node.receive(_CONNECTION, Tag.GOSSIP, encode_gossip(Gossip("topology", THEM, topology)), now)
        self.pump()

    async def start(self) -> str:
        """The URL to ask at."""
        await self.server.start()
        return f"http://127.0.0.1:{self.server.port}"

    async def stop(self) -> None:
        await self.server.stop()
        self.store.close()

    def pump(self) -> None:
        self.store.commit()
        self.addresses.deliver()
        # The node collects what happens for a moment before it acts; here moments are over at once.
        while (wake := self.node.next_wake()) < self.clock() + 1:
            self.node.on_wake(wake)
        while event := self.node.next_event():
            if isinstance(event, Dial):
                self.dialled.append(event.address)

    async def inquire(self, want: str) -> list[PeerAnswer]:
        if want != "facts":
            raise UsageProblem(f"nobody can be asked for {want!r}")
        return [PeerAnswer(name="7a:42:00:00:00:02", nickname="host2", content={"mtu": 1450})]

    async def want_exposures(self, exposures: tuple[Exposure, ...]) -> None:
        if self.refusal:
            raise self.refusal
        self.exposed = exposures

    # RouterService

    def report(self) -> Report:
        return make_report(
            ReportSources(
                options=parse_options(["--nickname=host1"]),
                name=US,
                is_ready=self.is_ready,
                node=self.node,
                targets=self.node.direct_targets(),
                dataplane=cast(Any, _Plane()),
                terminations=0,
                is_encrypted=lambda conn_id: False,
                round_trip_us=lambda conn_id: 310,
                allocator=self.allocator,
                registry=self.registry,
                dns_server=cast(Any, _DnsServer()),
            )
        )

    async def connect(self, peers: Sequence[str], *, replace: bool) -> Sequence[str]:
        found, problems = await resolve_targets(peers)
        self.node.connect(found, replace=replace, now=self.clock())
        self.pump()
        return problems

    def forget(self, peers: Sequence[str]) -> None:
        self.node.forget(peers, self.clock())
        self.pump()

    async def leave(self) -> None:
        self.has_left = True
        self.allocator.leave(self.clock())
        self.pump()


@asynccontextmanager
async def running(router: ApiRouter) -> AsyncIterator[Ask]:
    """A client of a router's API: `await ask(method, path, **kwargs)`; the body of the answer is read."""
    base = await router.start()
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, path: str, **kwargs: Any) -> aiohttp.ClientResponse:
            async with session.request(method, URL(base + path, encoded=True), **kwargs) as answer:
                await answer.read()
            return answer

        try:
            yield ask
        finally:
            await router.stop()
