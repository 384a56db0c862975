"""Fixtures of the interop tier: an underlay, peers of both kinds, and the end of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.peers import KINDS, Peer
from tests.kernel.namespaces import Underlay

MakePeer = Callable[[str], Peer]


@pytest.fixture
def underlay() -> Iterator[Underlay]:
    made = Underlay()
    yield made
    made.close()


@pytest.fixture
def make_peer(underlay: Underlay, tmp_path: Path) -> Iterator[MakePeer]:
    """Makes peers, `go` or `our`, each on a host of its own; no Go process may have ended by itself."""
    made: list[Peer] = []

    def make(kind: str) -> Peer:
        made.append(KINDS[kind](underlay.host(), tmp_path))
        return made[-1]

    yield make
    died = [peer.log() for peer in made if peer.has_died]
    for peer in made:
        if peer.is_running:
            peer.kill()
    assert not died, died
