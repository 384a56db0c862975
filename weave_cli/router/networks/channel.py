"""Channel `networks`: which peers have which realms, and the networks of all hosts. Sans-I/O; a Gossiper.

Only peers that say so get frames of realms by sleeve: a Go router would put them into its one bridge.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.mesh.gossip import Channel, PeerDirectory
from weave_cli.router.networks.definitions import (
    MOST_NETWORKS,
    Definition,
    merge_definitions,
    next_version,
)
from weave_cli.router.networks.news import NetworkNews, Presence, decode_news

log = logging.getLogger(__name__)

CHANNEL: Final = "networks"


class NetworkChannel:
    """What we know of realms everywhere; `on_change` is called when that of others changed, `on_defined` when
    a definition did, ours included."""

    def __init__(
        self,
        us: PeerName,
        directory: PeerDirectory,
        on_change: Callable[[], None] = lambda: None,
        on_defined: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_defined = on_defined
        self._networks: dict[str, Definition] = {}
        self._us = us
        self._directory = directory
        self._on_change = on_change
        self._channel: Channel | None = None
        self._rows: dict[PeerName, Presence] = {}

    def attach(self, channel: Channel) -> None:
        """Where to speak; before anything is said."""
        self._channel = channel

    def set_ours(self, vnis: Iterable[int], now: float) -> None:
        """These are the realms of this host."""
        wanted = frozenset(vnis)
        before = self._rows.get(self._us)
        if before is None and not wanted:
            return
        if before is None or before.vnis != wanted:
            self._say_ours(wanted, now)

    def members(self) -> dict[int, frozenset[PeerName]]:
        """By the number of each realm that others have: which ones."""
        found: dict[int, set[PeerName]] = {}
        for name, row in self._rows.items():
            if name != self._us:
                for vni in row.vnis:
                    found.setdefault(vni, set()).add(name)
        return {vni: frozenset(names) for vni, names in found.items()}

    def holders(self, vni: int) -> frozenset[PeerName]:
        """Who has that realm, we among them."""
        return frozenset(name for name, row in self._rows.items() if vni in row.vnis)

    @property
    def networks(self) -> Mapping[str, Definition]:
        """The definitions by name, tombstones too."""
        return self._networks

    def restore(self, networks: Mapping[str, Definition]) -> None:
        """What an earlier life knew; before anything is said."""
        self._networks = dict(networks)

    def define(self, name: str, definition: Definition, now: float) -> None:
        """From now on this holds, everywhere; its version is chosen here."""
        assert self._channel is not None, "attach comes first"
        before = self._networks.get(name)
        version = next_version(now, -1 if before is None else before.version)
        self._networks[name] = replace(definition, version=version)
        self._on_defined()
        self._channel.broadcast(NetworkNews({}, {name: self._networks[name]}))

    def peers_forgotten(self, names: Iterable[PeerName]) -> None:
        """They left the mesh."""
        gone = [name for name in names if self._rows.pop(name, None) is not None]
        if gone:
            self._on_change()

    # The role Gossiper

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        self._learn(data, now)

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> NetworkNews | None:
        return self._learn(data, now)

    def on_gossip(self, data: bytes, now: float) -> NetworkNews | None:
        return self._learn(data, now)

    def complete_state(self, now: float) -> NetworkNews | None:
        if not self._rows and not self._networks:
            return None
        return NetworkNews(dict(self._rows), dict(self._networks))

    def _learn(self, data: bytes, now: float) -> NetworkNews | None:
        """What was new in it."""
        told = decode_news(data)
        news: dict[PeerName, Presence] = {}
        for name, row in told.peers.items():
            known = self._rows.get(name)
            if known is not None and row.version <= known.version:
                continue
            if name == self._us:
                # From an earlier life of ours, with a clock that was ahead: ours must be the newest.
                self._say_ours(frozenset() if known is None else known.vnis, now, above=row.version)
            elif self._directory.is_known(name):
                news[name] = self._rows[name] = row
        if news:
            self._on_change()
        defined = self._learn_networks(told.networks)
        return NetworkNews(news, defined) if news or defined else None

    def _learn_networks(self, told: Mapping[str, Definition]) -> dict[str, Definition]:
        merged = merge_definitions(self._networks, told)
        if len(merged) > MOST_NETWORKS:
            log.warning("%d networks are known: others are not taken up", len(self._networks))
            return {}
        news = {name: one for name, one in merged.items() if self._networks.get(name) != one}
        if news:
            self._networks = merged
            self._on_defined()
        return news

    def _say_ours(self, vnis: frozenset[int], now: float, *, above: int = 0) -> None:
        assert self._channel is not None, "attach comes first"
        before = self._rows.get(self._us)
        version = next_version(now, above if before is None else max(above, before.version))
        row = self._rows[self._us] = Presence(version, vnis)
        self._channel.broadcast(NetworkNews({self._us: row}))
