"""A mesh of three and three under unrest: addresses and names come and go, links are cut and healed.

`CHURN_SECONDS` says for how long, `CHURN_SEED` in which way.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from typing import Final

import pytest

from tests.interop.conftest import MakePeer
from tests.interop.containers import Container, exchange_by_tcp, wait_until_reachable
from tests.interop.go_version import go_version
from tests.interop.logs import complaints
from tests.interop.names import resolve
from tests.interop.peers import Peer, logs_of, wait_for_mesh
from tests.kernel.programs import eventually

_SECONDS: Final = float(os.environ.get("CHURN_SECONDS", "60"))
_SEED: Final = int(os.environ.get("CHURN_SEED", "1"))
_MOST_CUTS: Final = 3
_MOST_NAMES: Final = 40
#: Short cuts are survived, long ones end connections: heartbeats are missed after a minute.
_CUT_S: Final = (2, 90)


class Unrest:
    """What was asked of the peers, and so what they should know."""

    def __init__(self, peers: list[Peer], reserved: set[str], rng: random.Random) -> None:
        """reserved: addresses that others hold all the time."""
        self.reserved = reserved
        self.peers = peers
        self.rng = rng
        self.held: dict[str, tuple[Peer, str]] = {}
        self.cuts: dict[tuple[Peer, Peer], float] = {}
        self.refused = 0
        self._numbers = itertools.count(1)

    def step(self, now: float) -> None:
        """One thing happens."""
        for pair in [pair for pair, until in self.cuts.items() if until <= now]:
            self.heal(pair)
        what = self.rng.random()
        if what < 0.05 and len(self.cuts) < _MOST_CUTS:
            self._cut(now)
        elif what < 0.5 and self.held and (what < 0.4 or len(self.held) >= _MOST_NAMES):
            self._let_go()
        elif len(self.held) < _MOST_NAMES:
            self._take()

    def addresses(self) -> set[str]:
        """All that are held."""
        return self.reserved | {address for _, address in self.held.values()}

    def heal(self, pair: tuple[Peer, Peer]) -> None:
        """The two reach each other again."""
        del self.cuts[pair]
        pair[0].host.heal_from(pair[1].host)

    def _cut(self, now: float) -> None:
        pair = tuple(self.rng.sample(self.peers, 2))
        if pair not in self.cuts and pair[::-1] not in self.cuts:
            self.cuts[pair[0], pair[1]] = now + self.rng.uniform(*_CUT_S)
            pair[0].host.cut_from(pair[1].host)

    def _take(self) -> None:
        peer = self.rng.choice(self.peers)
        ident = f"c{next(self._numbers)}"
        status, answer = peer.ask("POST", f"/ip/{ident}", timeout_s=3)
        if status != 200:
            # Whoever has space may be cut off; the question ends with its connection.
            self.refused += 1
            peer.ask("DELETE", f"/ip/{ident}")
            return
        address = answer.partition("/")[0]
        assert address not in self.addresses(), f"{address} twice"
        self.held[ident] = peer, address
        peer.add_name(f"{ident}.weave.local", ident, address)

    def _let_go(self) -> None:
        ident = self.rng.choice(sorted(self.held))
        peer, address = self.held.pop(ident)
        peer.remove_name(f"{ident}.weave.local", ident, address)
        peer.release(ident)


@pytest.mark.timeout(_SECONDS + 400)
@pytest.mark.parametrize("password", ["", "correct horse"], ids=["plain", "password"])
def test_a_mixed_mesh_survives_unrest(make_peer: MakePeer, password: str) -> None:
    peers = [make_peer(kind) for kind in ("go", "our", "go", "our", "go", "our")]
    peers[0].start(password=password)
    for peer in peers[1:]:
        peer.start(peers[0], password=password)
    wait_for_mesh(*peers, timeout_s=90)
    containers = [Container(peer, "ctr") for peer in peers]
    unrest = Unrest(peers, {one.address for one in containers}, random.Random(_SEED))
    end = time.monotonic() + _SECONDS
    while (now := time.monotonic()) < end:
        unrest.step(now)
        assert not [peer.nickname for peer in peers if peer.has_died]
        time.sleep(unrest.rng.uniform(0, 0.4))
    for pair in list(unrest.cuts):
        unrest.heal(pair)
    wait_for_mesh(*peers, timeout_s=200)
    if go_version().lists_addresses:
        given = [address for peer in peers for addresses in peer.owned().values() for address in addresses]
        assert sorted(address.partition("/")[0] for address in given) == sorted(unrest.addresses())
    for peer in peers:
        for ident, (_, address) in unrest.held.items():
            name = f"{ident}.weave.local."
            eventually(
                lambda peer=peer, name=name, address=address: resolve(peer, name) == {address},  # type: ignore[misc]
                lambda: logs_of(*peers),
                60,
            )
    for one, other in itertools.combinations(containers, 2):
        wait_until_reachable(one, other)
    exchange_by_tcp(containers[0], containers[1], 1_000_000)
    assert not complaints(peers)
