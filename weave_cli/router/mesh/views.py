"""What a node shows of itself, as frozen values; the status pages are written from these.

Peers are shown as they stand in the table (Peer and Link); see specification http-api, sections 5.1 to 5.4
and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

from weave_cli.names import PeerName


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    """One of our connections; `state` is `pending` or `established`."""

    conn_id: int
    address: str
    outbound: bool
    remote: PeerName
    nickname: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """An address without a connection.

    `state` is `waiting` (no attempt has failed yet), `failed` (waits after an error), `connecting` or
    `retrying` (an attempt after an error). `next_try` is a Unix time in seconds for the two that wait;
    None then means never.
    """

    address: str
    state: str
    last_error: str | None
    next_try: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnicastRoute:
    """Where frames for a peer go; `via` is UNKNOWN_PEER for ourselves."""

    destination: PeerName
    via: PeerName


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastRoute:
    """The neighbours that get the broadcast frames of `source` from us."""

    source: PeerName
    via: tuple[PeerName, ...]
