"""Routers of nothing but mesh, on real sockets of this machine: node, runner and transport.

Their data path establishes every connection at once. Their clock runs faster than that of the machine, so
that nobody waits long for the next try of a dial.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from tests.fakes.gossip import FakeWordChannel, words
from weave_cli.names import PeerName
from weave_cli.router.mesh.news import news_features
from weave_cli.router.mesh.node import MeshNode
from weave_cli.router.mesh.targets import DirectTarget
from weave_cli.router.overlay.controls import ControlCodec
from weave_cli.router.runtime.mesh_runner import MeshRunner
from weave_cli.router.runtime.transport import Introduction, PeerLink, Transport
from weave_cli.router.wire.intro import LOWEST_VERSION, Features
from weave_cli.router.wire.session_keys import KEY_SIZE, Secret

_SPEED: Final = 30.0


def clock() -> float:
    """Seconds of the fast clock."""
    return 1_000_000.0 + time.monotonic() * _SPEED


class _WillingPlane:
    """A data path over which everything works from the start."""

    def __init__(self) -> None:
        self.established: Callable[[int], None] = lambda _: None
        self.controls: list[tuple[int, str, int, bytes]] = []
        self.routes: dict[PeerName, PeerName] = {}
        self._codec = ControlCodec(("vxlan", "sleeve"), is_compatible=False)
        self.ended: list[int] = []
        self.session_keys: list[bytes | None] = []

    def start_connection(
        self, number: int, features: Features, *, session_key: bytes | None, **_: Any
    ) -> None:
        self.session_keys.append(session_key)
        asyncio.get_running_loop().call_soon(self.established, number)

    def receive_control(self, number: int, tag: int, payload: bytes) -> None:
        self.controls.append((number, *self._codec.decode(tag, payload)))

    def set_routes(
        self, unicast: Mapping[PeerName, PeerName], broadcast: Callable[[PeerName], tuple[PeerName, ...]]
    ) -> None:
        self.routes = dict(unicast)

    def attributes(self, number: int) -> dict[str, str]:
        return {"name": "vxlan"}

    def end_connection(self, number: int) -> None:
        self.ended.append(number)


class LoopbackPeer:
    """One router; `pump` does what the real one's does, and sends nothing while `is_disk_full`."""

    def __init__(
        self,
        number: int,
        *,
        discovery: bool = True,
        password: bytes | None = None,
        trusts: bool = False,
        lowest_version: int = LOWEST_VERSION,
    ) -> None:
        self.name = PeerName(0x7A0000000000 + number)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.uid = random.getrandbits(63) + 1
        self.node = MeshNode(
            name=self.name,
            nickname=f"host{number}",
            uid=self.uid,
            short_id=number,
            port=self.port,
            discovery=discovery,
            connection_limit=0,
            rng=random.Random(number),
            now=clock(),
        )
        self.words = FakeWordChannel()
        self.channel = self.node.open_channel("words", self.words)
        self.plane = _WillingPlane()
        self.forgotten: list[PeerName] = []
        self.runner = MeshRunner(
            self.node,
            cast(Any, self.plane),
            clock,
            self.pump,
            lambda names: self.forgotten.extend(names),
            lambda remote_ip: self._trusts,
        )
        self._trusts = trusts
        self.plane.established = self.runner.overlay_established
        introduction = Introduction(
            features=self._features,
            make_secret=None if password is None else lambda: Secret(password, os.urandom(KEY_SIZE)),
            lowest_version=lowest_version,
        )
        self.transport = Transport(self.runner, introduction, clock, self.port)
        self.runner.transport = self.transport
        self.is_disk_full = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_pumping = self._pump_again = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def links(self) -> list[PeerLink]:
        """Introduced ones."""
        return list(self.runner._links.values())

    @property
    def neighbours(self) -> set[PeerName]:
        """Peers with an established connection to this one."""
        return {one.remote for one in self.node.connections() if one.state == "established"}

    def connect(self, *others: LoopbackPeer) -> None:
        self.connect_to(other.address for other in others)

    def connect_to(self, addresses: Iterable[str]) -> None:
        targets = [DirectTarget(text=address, address=address) for address in addresses]
        self.node.connect(targets, replace=False, now=clock())
        self.pump()

    def say(self, *texts: str) -> None:
        self.words.known.update(texts)
        self.channel.broadcast(words(*texts))
        self.pump()

    async def start(self) -> None:
        await self.transport.listen()
        self.pump()

    async def stop(self) -> None:
        await self.transport.stop()
        if self._timer:
            self._timer.cancel()

    def pump(self) -> None:
        self._pump_again = True
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._pump_again:
                self._pump_again = False
                self.runner.settle()
                if not self.is_disk_full:
                    self.runner.send_all()
        finally:
            self._is_pumping = False
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._timer:
            self._timer.cancel()
        delay_s = max(0.0, self.node.next_wake() - clock()) / _SPEED
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_alarm)

    def _on_alarm(self) -> None:
        self.node.on_wake(clock())
        self.pump()

    def _features(self, remote_ip: str) -> Features:
        return Features(
            name=self.name,
            nickname=f"host{self.name & 0xFF}",
            uid=self.uid,
            conn_id=random.getrandbits(64),
            short_id=1,
            trusted=self._trusts,
            overlays=("vxlan",),
            extra=news_features(),
        )


@asynccontextmanager
async def loopback_peers(*peers: LoopbackPeer) -> AsyncIterator[None]:
    """The peers listen inside, and are all gone behind it."""
    for peer in peers:
        await peer.start()
    try:
        yield
    finally:
        for peer in peers:
            await peer.stop()
        # Transports that were aborted tell their protocols so in the loop's next round.
        await asyncio.sleep(0)
