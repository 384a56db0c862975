"""What waits to be sent over one connection. Knows no connection, no route, no time.

Per channel one merged gossip item and one merged broadcast item per source wait; they are encoded when
they are pulled, so several updates may leave as one (specification mesh, section 11.4). Unicasts and
messages of channels that we do not know keep their octets and their order.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.mesh.gossip import GossipData
from weave_cli.router.wire.messages import Gossip, Tag, encode_gossip

_log = logging.getLogger(__name__)


#: Octets of finished messages that wait for one neighbour: some of the largest that there may be.
_RAW_LIMIT: Final = 32 * 1024 * 1024
#: What a message takes in memory beside its payload.
_RAW_OVERHEAD: Final = 200


class _Waiting:
    """The merged items of one channel."""

    def __init__(self) -> None:
        self.gossip: GossipData | None = None
        self.broadcasts: dict[PeerName, GossipData] = {}


class Outbox:
    """The queues of one connection, between us, who put in, and the runtime, which pulls.

    `on_pending` is called once when the empty outbox gets something, and again only after a `take`.
    """

    def __init__(self, us: PeerName, on_pending: Callable[[], None]) -> None:
        self._us = us
        self._on_pending = on_pending
        self._announced = False
        self._raw: deque[tuple[int, bytes]] = deque()
        self._raw_octets = 0
        self.dropped = 0
        self._channels: dict[str, _Waiting] = {}

    def add_raw(self, tag: int, payload: bytes) -> None:
        """Queue a finished message; it is neither merged nor reordered.

        A neighbour that takes nothing for long loses the newest, so that it does not cost us all memory.
        """
        if self._raw_octets + len(payload) > _RAW_LIMIT:
            self.dropped += 1
            if self.dropped == 1:
                _log.warning("A neighbour takes no messages: dropping those of others for it")
            return
        self._raw.append((tag, payload))
        self._raw_octets += len(payload) + _RAW_OVERHEAD
        self._announce()

    def add_gossip(self, channel: str, data: GossipData) -> None:
        """Queue data for the neighbour itself (tag 4)."""
        waiting = self._channels.setdefault(channel, _Waiting())
        waiting.gossip = data if waiting.gossip is None else waiting.gossip.merge(data)
        self._announce()

    def add_broadcast(self, channel: str, source: PeerName, data: GossipData) -> None:
        """Queue data that `source` broadcasts (tag 6)."""
        broadcasts = self._channels.setdefault(channel, _Waiting()).broadcasts
        broadcasts[source] = broadcasts[source].merge(data) if source in broadcasts else data
        self._announce()

    def take(self, now: float) -> list[tuple[int, bytes]]:
        """Everything that waits, as (tag, payload); the outbox is empty afterwards."""
        self._announced = False
        messages = list(self._raw)
        self._raw.clear()
        self._raw_octets = self.dropped = 0
        channels, self._channels = self._channels, {}
        for channel, waiting in channels.items():
            waits = [(Tag.BROADCAST, source, data) for source, data in waiting.broadcasts.items()]
            if waiting.gossip is not None:
                waits.insert(0, (Tag.GOSSIP, self._us, waiting.gossip))
            for tag, source, data in waits:
                for part in data.split():
                    gossip = Gossip(channel=channel, source=source, data=part.encode(now))
                    messages.append((tag, encode_gossip(gossip)))
        return messages

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._on_pending()
