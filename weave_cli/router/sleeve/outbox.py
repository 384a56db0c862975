"""Messages on their way to the router, which may be busy: what waits is bounded."""

from __future__ import annotations

import socket
from collections import deque
from typing import Final

from weave_cli.router.sleeve.message_codec import encode_message
from weave_cli.router.sleeve.messages import MacForgotten, MacLearned, ToRouter

#: Heartbeats, path MTUs and questions; what they tell is told again later, except to a router that is dead.
_MOST_WAITING: Final = 1000


class Outbox:
    """Sends in order. Of the news about one MAC address only the last is kept, so they are bounded, too.

    One address in two realms is two: each realm has news of its own.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._macs: dict[tuple[int, bytes], bytes] = {}

    def put(self, message: ToRouter) -> None:
        """Send as soon as possible."""
        packet = encode_message(message)
        if isinstance(message, MacLearned | MacForgotten):
            self._macs[message.vni, message.mac] = packet
        else:
            self._waiting.append(packet)

    def flush(self) -> bool:
        """Send what can be sent now; False when the router must read first. OSError when it is gone."""
        try:
            while self._waiting:
                self._control.send(self._waiting[0])
                self._waiting.popleft()
            while self._macs:
                key = next(iter(self._macs))
                self._control.send(self._macs[key])
                del self._macs[key]
        except BlockingIOError:
            return False
        return True
