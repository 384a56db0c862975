"""weaveDNS by UDP: one blocking thread, in which most answers lie ready. Knows no upstream server.

An asyncio protocol reached a quarter of this loop's rate (architecture, section 10). What cannot be answered
from the names is handed over and never waited for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from weave_cli.router.nameserver.answers import Answerer, NameSource, Ready, Unanswered
from weave_cli.router.runtime.dns_sockets import DatagramSocket

log = logging.getLogger(__name__)

#: Octets of a query that are read (specification dns, section 4).
_LONGEST_QUERY: Final = 512

#: Octets of ready answers that are kept; one more and all are made anew. A question costs some even if its
#: answer is short.
CACHE_LIMIT: Final = 16 << 20
_CACHE_COST: Final = 400

#: How long to wait when receiving itself fails, so that a lasting error does not become a busy loop.
_PAUSE_S: Final = 0.2


class ChangingNames(NameSource, Protocol):
    """Names that tell when they change."""

    @property
    def generation(self) -> int:
        """Moves after every change of what `lookup` and `reverse` answer."""
        ...


class DatagramLoop:
    """Receives, answers, and forgets the ready answers when a name changes."""

    def __init__(
        self,
        udp: DatagramSocket,
        names: ChangingNames,
        answerer: Answerer,
        ask_upstream: Callable[[bytes, Any], bytes | None],
    ) -> None:
        """`ask_upstream(query, client)` answers now, or sees to it that the client is answered (None)."""
        self._udp = udp
        self._names = names
        self._answerer = answerer
        self._ask_upstream = ask_upstream
        self._stopping = threading.Event()
        self._ready: dict[bytes, Iterator[bytes]] = {}
        self.held = 0
        """Octets that the ready answers take."""

    def stop(self) -> None:
        """Let `run` return at the next packet or error; the caller then closes the socket."""
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped."""
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as problem:
                if not self._stopping.is_set():
                    log.warning("weaveDNS cannot receive: %s", problem)
                    self._stopping.wait(_PAUSE_S)
            except Exception:
                # A defect of ours; the packet that showed it is gone, and the names must stay served.
                log.exception("weaveDNS failed on a query")

    def _serve(self) -> None:
        receive, send = self._udp.recvfrom, self._udp.sendto
        find, names = self._ready.get, self._names
        generation: int | None = None
        while True:
            packet, client = receive(_LONGEST_QUERY)
            if names.generation != generation:
                # Read before any look-up: what changes after this is noticed with the next packet.
                generation = names.generation
                self._forget()
            bodies = find(packet[2:])
            try:
                if bodies is not None:
                    send(packet[:2] + next(bodies), client)
                elif answer := self._answer(packet, client):
                    send(answer, client)
                elif self._stopping.is_set():
                    return
            except OSError as problem:
                log.debug("cannot answer %s: %s", client, problem)

    def _answer(self, packet: bytes, client: Any) -> bytes | None:
        """Answer a question that is not among the ready ones; None when there is nothing to send now."""
        prepared = self._answerer.prepare(packet, is_limited=True)
        match prepared:
            case Unanswered.IGNORE:
                return None
            case Unanswered.ASK_UPSTREAM:
                return self._ask_upstream(packet, client)
            case Ready():
                self._keep(packet[2:], prepared)
                return packet[:2] + next(prepared.bodies)

    def _keep(self, question: bytes, prepared: Ready) -> None:
        cost = len(question) + prepared.size + _CACHE_COST
        if self.held + cost > CACHE_LIMIT:
            self._forget()
        if cost <= CACHE_LIMIT:
            self._ready[question] = prepared.bodies
            self.held += cost

    def _forget(self) -> None:
        self._ready.clear()
        self.held = 0
