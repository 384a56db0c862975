"""Questions to peers about themselves, and answers to theirs. Knows no HTTP, and nothing of what is asked."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from weave_cli.errors import UsageProblem, WeaveError
from weave_cli.names import PeerName, format_peer_name
from weave_cli.router.inquiry.messages import Answer, Question, decode_message, encode_message
from weave_cli.router.mesh.gossip import Channel, GossipData
from weave_cli.router.runtime.tasks import Tasks

log = logging.getLogger(__name__)

#: Seconds that peers get to answer; Go routers never do.
_PATIENCE_S: Final = 3.0
#: Questions that we work at, at a time; more are not answered.
_MOST_AT_A_TIME: Final = 8

#: Seconds since 1970; no clock is ahead of the year 9999, and no number that is not one passes a comparison.
_END_OF_TIME: Final = 253_402_300_800

Handler = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(slots=True)
class _Inquiry:
    waits_for: set[PeerName]
    asked_at: float
    done: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[PeerName, dict[str, Any]] = field(default_factory=dict)


class InquiryDesk:
    """Fulfils the role Gossiper, with unicasts alone. `handlers`: what is wanted -> who tells it."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        list_peers: Callable[[], Iterable[PeerName]],
        clock: Callable[[], float],
        pump: Callable[[], None],
    ) -> None:
        """list_peers: those who can be asked."""
        self._handlers = handlers
        self._list_peers = list_peers
        self._clock = clock
        self._pump = pump
        self._rng = random.SystemRandom()
        self._channel: Channel | None = None
        self._inquiries: dict[int, _Inquiry] = {}
        self._tasks = Tasks("cannot answer a peer's question")
        self._busy = 0

    def attach(self, channel: Channel) -> None:
        self._channel = channel

    async def ask_all(self, want: str) -> dict[PeerName, dict[str, Any] | None]:
        """What each peer answers, with `skewS`, its clock less ours; None from those that say nothing.

        Raises UsageProblem for something that nobody can be asked.
        """
        if want not in self._handlers:
            raise UsageProblem(f"nobody can be asked for {want!r}")
        assert self._channel is not None
        number = self._rng.randrange(1 << 52)
        octets = encode_message(Question(number=number, want=want))
        peers = list(self._list_peers())
        reached = {peer for peer in peers if self._channel.unicast(peer, octets)}
        inquiry = _Inquiry(reached, self._clock())
        if reached:
            self._inquiries[number] = inquiry
            try:
                self._pump()
                await asyncio.wait_for(inquiry.done.wait(), _PATIENCE_S)
            except TimeoutError:
                pass
            finally:
                del self._inquiries[number]
        return {peer: inquiry.answers.get(peer) for peer in peers}

    async def tell(self, want: str) -> Mapping[str, Any]:
        """What we answer ourselves; `problem` when we cannot."""
        handler = self._handlers.get(want)
        if handler is None:
            return {"problem": f"this router knows nothing of {want!r}"}
        try:
            return await handler()
        except WeaveError as problem:
            return {"problem": problem.message}

    # Role Gossiper

    def on_unicast(self, source: PeerName, data: bytes, now: float) -> None:
        message = decode_message(data)
        if isinstance(message, Answer):
            self._on_answer(source, message, now)
        elif self._busy >= _MOST_AT_A_TIME:
            log.info("too many questions at a time: one of %s is not answered", format_peer_name(source))
        else:
            self._busy += 1
            self._tasks.begin(self._answer(source, message))

    def on_broadcast(self, source: PeerName, data: bytes, now: float) -> GossipData | None:
        """Nobody sends one."""
        return None

    def on_gossip(self, data: bytes, now: float) -> GossipData | None:
        """Nor this."""
        return None

    def complete_state(self, now: float) -> GossipData | None:
        """There is no state."""
        return None

    def _on_answer(self, source: PeerName, answer: Answer, now: float) -> None:
        inquiry = self._inquiries.get(answer.number)
        if inquiry is None or source not in inquiry.waits_for:
            return
        content = dict(answer.content)
        theirs = content.get("time")
        content.pop("skewS", None)
        if isinstance(theirs, int | float) and 0 <= theirs < _END_OF_TIME:
            # It was read half-way between question and answer, as far as anybody knows.
            content["skewS"] = float(theirs) - (inquiry.asked_at + now) / 2
        inquiry.answers[source] = content
        inquiry.waits_for.discard(source)
        if not inquiry.waits_for:
            inquiry.done.set()

    async def _answer(self, source: PeerName, question: Question) -> None:
        try:
            content = {**await self.tell(question.want), "time": self._clock()}
        finally:
            self._busy -= 1
        assert self._channel is not None
        self._channel.unicast(source, encode_message(Answer(number=question.number, content=content)))
        self._pump()
