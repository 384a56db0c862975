"""What a mesh node wants of the program around it, as values. Knows nothing of how it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from weave_cli.names import PeerName


@dataclass(frozen=True, slots=True)
class Dial:
    """Open a TCP connection to `ip:port` and introduce us; the answer is add_connection or dial_failed."""

    address: str


@dataclass(frozen=True, slots=True)
class DataPending:
    """send_pending has something for this connection; said once until it is pulled."""

    conn_id: int


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """End the connection. The node has already forgotten it; a connection_ended that follows is ignored."""

    conn_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class PeersForgotten:
    """These peers have left the mesh; their last nicknames are given, as nobody can ask for them any more."""

    names: frozenset[PeerName]
    nicknames: Mapping[PeerName, str]


@dataclass(frozen=True, slots=True)
class RoutesChanged:
    """Peers, links or routes may have changed; said at most every 100 ms."""


MeshEvent = Dial | DataPending | CloseConnection | PeersForgotten | RoutesChanged
