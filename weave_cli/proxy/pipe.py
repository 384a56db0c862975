"""Octets from one line to another, as they come, no faster than the other side takes them."""

from __future__ import annotations

import asyncio
from typing import Final

from weave_cli.proxy.http_bodies import Ruler
from weave_cli.proxy.http_heads import Malformed, find_end
from weave_cli.proxy.lines import Line

#: After so many turns without a pause, others get theirs.
_TURNS_IN_A_ROW: Final = 8


class Inlet:
    """The receiving end of a line, with what was received beyond what was asked for."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.held = bytearray()
        self.has_ended = False

    async def fill(self) -> bool:
        """Hold more of what has come; False once the other side has ended."""
        while not self.has_ended:
            received = self.line.receive()
            if received is None:
                await self.line.readable()
            elif received:
                self.held += received
                return True
            else:
                self.has_ended = True
        return False

    async def read_head(self, limit: int) -> bytes | None:
        """Up to the empty line; None when the line ends before anything came. Raises Malformed."""
        start = 0
        while (end := find_end(self.held, start)) is None:
            start = len(self.held)
            if start > limit:
                raise Malformed(f"a head of more than {limit} octets")
            if not await self.fill():
                if not self.held:
                    return None
                raise Malformed("ends in the middle of a head")
        head = bytes(self.held[:end])
        del self.held[:end]
        return head

    async def drain(self, ruler: Ruler) -> bool:
        """Show the ruler the rest of its body, for a ruler that keeps it; False when it is cut off."""
        while not ruler.is_complete:
            if self.held:
                with memoryview(bytes(self.held)) as view:
                    taken = ruler.take(view)
                del self.held[:taken]
            elif not await self.fill():
                return False
        return True


async def carry(inlet: Inlet, outlet: Line, ruler: Ruler | None = None) -> bool:
    """Carry a body, or all until the end; False when the inlet ended before the body was complete.

    Octets behind the body stay in the inlet. Raises Malformed, and OSError when a line breaks.
    """
    turns = 0
    while ruler is None or not ruler.is_complete:
        if inlet.held:
            octets = memoryview(bytes(inlet.held))
            inlet.held.clear()
        elif inlet.has_ended:
            return ruler is None
        else:
            received = inlet.line.receive()
            if received is None:
                await inlet.line.readable()
                turns = 0
                continue
            if not received:
                inlet.has_ended = True
                continue
            octets = received
        taken = len(octets) if ruler is None else ruler.take(octets)
        if taken < len(octets):
            inlet.held[:0] = octets[taken:]
        await _pass(octets[:taken], outlet)
        turns += 1
        if turns % _TURNS_IN_A_ROW == 0:
            await asyncio.sleep(0)
    return True


async def _pass(octets: memoryview, outlet: Line) -> None:
    """Nearly always all goes at once; only what does not is copied."""
    sent = outlet.send_now(octets)
    if sent < len(octets):
        await outlet.send(bytes(octets[sent:]))
