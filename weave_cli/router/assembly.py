"""The router put together: mesh, allocator, names, data path and API, and in which order they settle things.

Everything but the DNS loop and netlink runs in the event loop's thread. After each stimulus the journal is
committed, then answers are given and messages sent, so that nobody hears of what a power cut could undo.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from weave_cli.addresses import parse_address
from weave_cli.names import PeerName, format_peer_name
from weave_cli.password_file import read_password_file
from weave_cli.reports import Report
from weave_cli.router.http.roles import PeerAnswer
from weave_cli.router.http.server import ApiServer
from weave_cli.router.inquiry.messages import CHANNEL as INQUIRY_CHANNEL
from weave_cli.router.inquiry.messages import FACTS, RESPONDER, SEEN
from weave_cli.router.ipam.allocator import Allocator, Setup
from weave_cli.router.ipam.shapes import CHANNEL as ADDRESS_CHANNEL
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.nameserver.registry import CHANNEL as NAME_CHANNEL
from weave_cli.router.nameserver.registry import NameRegistry
from weave_cli.router.networks.channel import CHANNEL as NETWORK_CHANNEL
from weave_cli.router.networks.channel import NetworkChannel
from weave_cli.router.options import Options
from weave_cli.router.runtime.addresses import AddressDesk
from weave_cli.router.runtime.dataplane import DataPlane
from weave_cli.router.runtime.dns_server import DnsServer
from weave_cli.router.runtime.exposures import ExposureDesk
from weave_cli.router.runtime.inquiries import InquiryDesk
from weave_cli.router.runtime.mesh_runner import MeshRunner
from weave_cli.router.runtime.names import NameDesk
from weave_cli.router.runtime.network_desk import NetworkDesk
from weave_cli.router.runtime.own_facts import tell_facts
from weave_cli.router.runtime.plane_settings import DataPlaneSettings
from weave_cli.router.runtime.pump import Pump
from weave_cli.router.runtime.reporting import ReportSources, make_report
from weave_cli.router.runtime.responder import Responder
from weave_cli.router.runtime.store import Store
from weave_cli.router.runtime.target_keeper import TargetKeeper
from weave_cli.router.runtime.tasks import unless
from weave_cli.router.runtime.transport import Introduction, Transport
from weave_cli.router.wire.intro import Features

log = logging.getLogger(__name__)

#: The host's own files, as the command line mounts them into the router's container.
_HOST_FILES: Final = Path("/weave/host")
#: Written after a good start into the working directory, so there when this very container starts again
#: (specification cli, section 9.6).
_SENTINEL: Final = Path("restart.sentinel")
#: Seconds that a broadcast takes to leave before whoever asked us to leave the mesh ends us.
_FAREWELL_S: Final = 0.3


class Weaver:
    """The whole router; plays the API's RouterService."""

    def __init__(self, options: Options) -> None:
        self._options = options
        introduction = self._make_introduction()
        self._rng = random.SystemRandom()
        self._uid = self._rng.randrange(1, 1 << 64)
        self.instance = str(self._uid)
        self.is_ready = False
        self._has_data_path = False
        self._store = Store(Path(options.state_directory) / "weave.db")
        self._name = self._choose_name()
        # At once: addresses that were stored under another name are not ours.
        self._store.save_peer_name(self._name)
        self._node = MeshNode(
            name=self._name,
            nickname=options.nickname,
            uid=self._uid,
            short_id=self._rng.randrange(1 << 12),
            port=options.port,
            discovery=options.discovery,
            connection_limit=options.connection_limit,
            rng=random.Random(self._uid),
            now=_clock(),
        )
        self._allocator = self._make_allocator()
        self._registry = self._make_registry()
        parts = (self._node, self._allocator, self._registry)
        self._pump = Pump([part for part in parts if part is not None], _clock, self._settle)
        self._dataplane = DataPlane(
            DataPlaneSettings(
                name=self._name,
                mesh_port=options.port,
                mtu=options.mtu,
                docker_bridge=options.docker_bridge,
                control_address=options.http_address,
                wants_vxlan=options.wants_fastdp,
                clear_sources=None if options.password_file is None else options.trusted_subnets,
            ),
            rng=random.Random(self._uid + 1),
        )
        self._runner = MeshRunner(
            self._node, self._dataplane, _clock, self._pump.run, self._on_forgotten, self._trusts
        )
        self._dataplane.report_to(
            on_established=self._runner.overlay_established,
            on_failed=self._runner.overlay_failed,
            send_control=self._runner.send_control,
        )
        self._targets = TargetKeeper(self._node, self._store, _clock, self._pump.run)
        self._transport = Transport(self._runner, introduction, time.monotonic, options.port)
        self._runner.transport = self._transport
        self._networks, self.networks = self._make_networks()
        self.addresses = (
            AddressDesk(self._allocator, _clock, self._pump.run_for_caller) if self._allocator else None
        )
        self._dns_server, self.names = self._make_dns()
        self.exposures = ExposureDesk(self._store, self._dataplane.upkeep, self._pump.run_for_caller)
        self._responder = self._make_responder()
        self._inquiries = self._make_inquiries()
        self.realms = self._dataplane.realms
        self._api = ApiServer(self, options.http_address)
        self._teller = (
            None
            if options.status_address is None
            else ApiServer(self, options.status_address, is_read_only=True)
        )

    # Life

    async def start(self, stopping: asyncio.Event) -> None:
        """Answer the API at once, then make the host's network, then meet the others.

        Returns early when it is stopping while the resolver, which may take long, is asked for peers.
        """
        resumes = _SENTINEL.exists() or self._options.resumes
        log.info("our name is %s(%s)", format_peer_name(self._name), self._options.nickname)
        log.info(
            "communication between peers %s",
            "is unencrypted"
            if self._options.password_file is None
            else "via untrusted networks is encrypted",
        )
        if resumes:
            self._targets.recall(self._options.peers)
        await self.exposures.recall()
        await self._api.start()
        if self._teller:
            await self._teller.start()
        if not resumes:
            # Before anything is changed on the host: the operator may have mistyped a peer.
            await unless(stopping, self._targets.begin(self._options.peers))
            if stopping.is_set():
                return
        await self._dataplane.prepare()
        await self._dataplane.open()
        if self._dns_server:
            await asyncio.to_thread(self._dns_server.start)
        await self._transport.listen()
        self._has_data_path = True
        if resumes:
            await unless(stopping, self._targets.resume())
        with contextlib.suppress(OSError):
            _SENTINEL.touch()
        self.is_ready = True
        self._pump.run()

    async def stop(self) -> None:
        """Close everything; containers go on talking to each other."""
        self._targets.stop()
        self._responder.close()
        if self.addresses:
            self.addresses.cancel_all()
        await self._api.stop()
        if self._teller:
            await self._teller.stop()
        # Before the connections: their end must not take the entries away that containers go on using.
        await self._dataplane.close()
        await self._transport.stop()
        self._pump.stop()
        if self._dns_server:
            await asyncio.to_thread(self._dns_server.stop)
        self._store.close()

    # What the API asks

    def report(self) -> Report:
        return make_report(
            ReportSources(
                options=self._options,
                name=self._name,
                is_ready=self.is_ready,
                node=self._node,
                targets=self._targets.wanted(),
                dataplane=self._dataplane,
                terminations=self._runner.terminations,
                is_encrypted=self._runner.is_encrypted,
                round_trip_us=self._runner.round_trip_us,
                allocator=self._allocator,
                registry=self._registry,
                dns_server=self._dns_server,
            )
        )

    async def connect(self, peers: Sequence[str], *, replace: bool) -> Sequence[str]:
        return await self._targets.connect(peers, replace=replace)

    def forget(self, peers: Sequence[str]) -> None:
        self._targets.forget(peers)

    async def inquire(self, want: str) -> list[PeerAnswer]:
        answers = await self._inquiries.ask_all(want)
        return [
            PeerAnswer(name=format_peer_name(name), nickname=self._node.nickname_of(name), content=content)
            for name, content in answers.items()
        ]

    async def leave(self) -> None:
        if self._allocator:
            self._allocator.leave(_clock())
            self._pump.run()
            await asyncio.sleep(_FAREWELL_S)

    # What happens by itself

    def _settle(self) -> None:
        """What the node wants, the journal, then answers and messages. Raises StoreProblem."""
        if self._has_data_path:
            self._runner.settle()
        self._store.commit()
        if self.addresses:
            self.addresses.deliver()
        self._runner.send_all()

    def _on_forgotten(self, names: Iterable[PeerName]) -> None:
        forgotten = frozenset(names)
        if self._allocator:
            self._allocator.peers_forgotten(forgotten)
        if self._registry:
            self._registry.peers_forgotten(forgotten, _clock())
        self._networks.peers_forgotten(forgotten)

    # What it is made of

    def _choose_name(self) -> PeerName:
        """The name that was asked for, that of an earlier life, or one made from what this machine is."""
        if self._options.name:
            return self._options.name
        if stored := self._store.peer_name():
            return stored
        from weave_cli.host.identity import choose_peer_name

        root = _HOST_FILES if _HOST_FILES.is_dir() else Path("/")
        return choose_peer_name(random.Random(self._uid), root=root)

    def _make_introduction(self) -> Introduction:
        """How we introduce ourselves; with a password, each time with a key pair of its own."""
        options = self._options
        lowest = options.lowest_protocol_version
        if options.password_file is None:
            return Introduction(features=self._make_features, lowest_version=lowest)
        from weave_cli.router.wire.session_keys import KEY_SIZE, Secret

        password = read_password_file(options.password_file)
        return Introduction(
            features=self._make_features,
            make_secret=lambda: Secret(password, os.urandom(KEY_SIZE)),
            lowest_version=lowest,
        )

    def _trusts(self, remote_ip: str) -> bool:
        """Is that address in one of our trusted subnets?"""
        address = parse_address(remote_ip)
        return any(address in subnet.network for subnet in self._options.trusted_subnets)

    def _make_features(self, remote_ip: str) -> Features:
        return Features(
            name=self._name,
            nickname=self._options.nickname,
            uid=self._uid,
            conn_id=self._rng.randrange(1 << 64),
            short_id=self._node.ourselves.short_id,
            trusted=self._trusts(remote_ip),
            overlays=self._dataplane.overlays,
            extra={**self._dataplane.features(), **self._node.features()},
        )

    def _make_allocator(self) -> Allocator | None:
        if self._options.address_range is None or self._options.default_subnet is None:
            return None
        allocator = Allocator(
            name=self._name,
            uid=self._uid,
            nickname=self._options.nickname,
            whole=self._options.address_range.network,
            default_subnet=self._options.default_subnet,
            setup=Setup(
                peer_count=self._options.first_ring.peer_count,
                seeds=self._options.first_ring.seeds,
                is_observer=self._options.first_ring.is_observer,
                count_targets=lambda: len(self._node.direct_targets()),
            ),
            journal=self._store,
            saved=self._store.load(),
            directory=self._node,
            rng=random.Random(self._uid + 2),
        )
        allocator.attach(self._node.open_channel(ADDRESS_CHANNEL, allocator))
        return allocator

    def _make_networks(self) -> tuple[NetworkChannel, NetworkDesk]:
        plane = self._dataplane
        networks = NetworkChannel(
            self._name,
            self._node,
            on_change=lambda: plane.set_realm_members(networks.members()),
            on_defined=lambda: desk.save(),
        )
        desk = NetworkDesk(
            networks,
            self._store,
            whole=self._options.address_range,
            nickname_of=self._node.nickname_of,
            clock=_clock,
            pump=self._pump.run_for_caller,
        )
        desk.recall()
        networks.attach(self._node.open_channel(NETWORK_CHANNEL, networks))

        def announce(vnis: frozenset[int]) -> None:
            networks.set_ours(vnis, _clock())
            self._pump.run()

        plane.report_realms_to(announce)
        return networks, desk

    def _make_registry(self) -> NameRegistry | None:
        if self._options.dns_listen is None:
            return None
        registry = NameRegistry(name=self._name, domain=self._options.dns_domain, directory=self._node)
        registry.attach(self._node.open_channel(NAME_CHANNEL, registry))
        return registry

    def _make_responder(self) -> Responder:
        label = re.sub(r"[^a-z0-9]+", "-", self._options.nickname.lower()).strip("-")[:40]
        unique = format_peer_name(self._name).replace(":", "")
        return Responder(self.addresses, self.names, f"weave-test-{label or 'host'}-{unique}")

    def _make_inquiries(self) -> InquiryDesk:
        desk = InquiryDesk(
            {
                FACTS: lambda: tell_facts(self._options.address_range),
                RESPONDER: self._responder.offer,
                SEEN: self._responder.seen,
            },
            lambda: [peer.name for peer in self._node.peers() if peer.name != self._name],
            _clock,
            self._pump.run,
        )
        desk.attach(self._node.open_channel(INQUIRY_CHANNEL, desk))
        return desk

    def _make_dns(self) -> tuple[DnsServer | None, NameDesk | None]:
        if self._registry is None or self._options.dns_listen is None:
            return None, None
        address, port = self._options.dns_listen
        server = DnsServer(
            listen_address=address,
            port=port,
            registry=self._registry,
            domain=self._registry.domain,
            resolv_conf=Path(self._options.resolv_conf),
            address_may_come=self._options.dns_address_may_come,
        )
        return server, NameDesk(self._registry, address, port, _clock, self._pump.run)


def _clock() -> float:
    """Unix seconds, as gossip carries them."""
    return time.time()
