"""Overlay `sleeve`, sans-I/O: the liveness of a sleeve path and what it carries (specification overlay, 3).

Sources that drive one connection: special frames received from the neighbour, its control messages over TCP
(sub tags 1-3), what the kernel says about the path, and time. Frames of containers do not pass here: the
sleeve process carries them by the SleeveLink that this room decides.

Each direction is proved separately: we are established when OUR heartbeats were acknowledged.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from weave_cli.names import PeerName
from weave_cli.router.overlay.roles import ControlReady, Established, Failed, Neighbour
from weave_cli.router.overlay.sleeve_packets import (
    ETHERNET_HEADER_LEN,
    FRAGMENTATION_TEST_LEN,
    HEARTBEAT_LEN,
    LARGEST_IP_PACKET,
    LARGEST_PAYLOAD,
    PATH_PROBE_LEN,
    UDP_OVERHEAD,
    encode_heartbeat,
    path_overhead,
    zero_frame,
)
from weave_cli.router.overlay.sleeve_path_mtu import PathMtuSearch

log = logging.getLogger(__name__)

SLEEVE: Final = "sleeve"

SUB_TAG_ESTABLISHED: Final = 1
SUB_TAG_FRAGMENTS_PASS: Final = 2
SUB_TAG_MTU_VERIFIED: Final = 3

FAST_INTERVAL_S: Final = 0.5
SLOW_INTERVAL_S: Final = 10.0
SILENCE_TIMEOUT_S: Final = 60.0
FRAGMENTATION_TEST_INTERVAL_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SleeveLink:
    """How frames of containers are to be sent to the neighbour.

    `address`: IPv4 address and UDP port, None while the neighbour has not been heard. `mtu`: the largest IP
    packet that goes unfragmented. `max_payload`: the largest UDP payload in the DF stream. `fragments_pass`:
    whether large datagrams may be left to the kernel to fragment.
    """

    address: tuple[str, int] | None
    mtu: int
    max_payload: int
    fragments_pass: bool


@dataclass(frozen=True, slots=True)
class SpecialReady:
    """A special frame to send to the neighbour now, in the DF stream or in the other one."""

    frame: bytes
    dont_fragment: bool


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """Frames are to be sent in another way from now on; comes before special frames that rely on it."""

    link: SleeveLink


SleeveEvent = Established | Failed | ControlReady | SpecialReady | LinkChanged


class SleeveConnection:
    """One end of a connection's sleeve; the events Established and Failed come at most once.

    `is_initiator`: we dialled the TCP connection, so the neighbour listens at `neighbour.address` and
    `neighbour.udp_port`; else its address is learned from its first heartbeat.
    """

    def __init__(self, neighbour: Neighbour, *, us: PeerName, is_initiator: bool, is_sealed: bool) -> None:
        self.neighbour = neighbour
        self._us = us
        self._overhead = path_overhead(is_sealed)
        self._events: deque[SleeveEvent] = deque()
        self._search = PathMtuSearch(overhead=self._overhead, mtu=LARGEST_IP_PACKET)
        self.link = SleeveLink(
            address=(neighbour.address, neighbour.udp_port) if is_initiator else None,
            mtu=LARGEST_IP_PACKET,
            max_payload=LARGEST_PAYLOAD,
            fragments_pass=False,
        )
        self._interval_s = FAST_INTERVAL_S
        self._has_started = False
        self._next_beat: float | None = None
        self._next_fragmentation_test: float | None = None
        self._deadline = 0.0
        self._has_heard = False
        self._is_established = False
        self._has_failed = False
        self._refusal: str | None = None

    def start(self, now: float) -> None:
        """The neighbour knows of the connection: beat, if we know where to; wait for its beats."""
        self._has_started = True
        self._deadline = now + SILENCE_TIMEOUT_S
        self._events.append(LinkChanged(self.link))
        self._beat(now)

    def receive_special(self, frame: bytes, address: tuple[str, int], now: float) -> None:
        """A special frame whose source is the neighbour and whose destination we are (section 2.4)."""
        if not self._has_started or self._has_failed:
            return
        if len(frame) == HEARTBEAT_LEN:
            self._hear(int.from_bytes(frame[ETHERNET_HEADER_LEN:], "big"), address, now)
        elif len(frame) == FRAGMENTATION_TEST_LEN:
            if not any(frame):
                self._events.append(ControlReady(SUB_TAG_FRAGMENTS_PASS, b""))
        elif len(frame) >= ETHERNET_HEADER_LEN:
            mtu = (len(frame) - ETHERNET_HEADER_LEN) & 0xFFFF
            self._events.append(ControlReady(SUB_TAG_MTU_VERIFIED, mtu.to_bytes(2, "big")))

    def receive_control(self, sub_tag: int, body: bytes, now: float) -> None:
        """What the neighbour says over TCP about frames of ours; the unknown is ignored."""
        if not self._has_started or self._has_failed:
            return
        if sub_tag == SUB_TAG_ESTABLISHED:
            self._settle(now)
        elif sub_tag == SUB_TAG_FRAGMENTS_PASS:
            self._change(replace(self.link, fragments_pass=True))
        elif sub_tag == SUB_TAG_MTU_VERIFIED and len(body) >= 2:
            self._search.on_verified(int.from_bytes(body[:2], "big"), now)
            self._follow_search()
        else:
            log.info("ignored sleeve control %d of %d octets from %s", sub_tag, len(body), self._who)

    def on_path_mtu(self, path_mtu: int, now: float) -> None:
        """The kernel refused a packet in the DF stream: the path carries IP packets of so many octets."""
        if self._has_started and not self._has_failed:
            self._search.on_path_mtu(path_mtu, now)
            self._follow_search()

    def verify(self, now: float) -> None:
        """Large packets to the neighbour seem to get lost: is what we know of the path still true?"""
        if self.is_working:
            self._test_fragmentation(now)
            self._search.verify(now)
            self._follow_search()

    def measure(self, now: float) -> None:
        """The path may carry more than was found: ask the kernel, which knows where a search begins."""
        if self.is_working:
            self._test_fragmentation(now)
            self._events.append(SpecialReady(zero_frame(PATH_PROBE_LEN), True))

    def on_refusal(self, text: str) -> None:
        """The kernel would not send for this reason; told if the path fails."""
        self._refusal = text

    def next_event(self) -> SleeveEvent | None:
        """What is to be done next, or None."""
        return self._events.popleft() if self._events else None

    def next_wake(self) -> float | None:
        """When on_wake wants to be called; None before the start and after a failure."""
        if not self._has_started or self._has_failed:
            return None
        wakes = (self._deadline, self._next_beat, self._next_fragmentation_test, self._search.next_wake)
        return min(wake for wake in wakes if wake is not None)

    def on_wake(self, now: float) -> None:
        """Time passed: give up, or beat, or test."""
        if not self._has_started or self._has_failed:
            return
        if now >= self._deadline:
            self._has_failed = True
            self._events.append(Failed(self._reason()))
            return
        if self._next_beat is not None and now >= self._next_beat:
            self._beat(now)
        if self._next_fragmentation_test is not None and now >= self._next_fragmentation_test:
            self._test_fragmentation(now)
        self._search.on_wake(now)
        self._follow_search()

    def attributes(self) -> dict[str, str | int | bool]:
        """Overlay and MTU in octets, as Go routers report them."""
        return {"name": SLEEVE, "mtu": self.link.mtu}

    @property
    def waits_for(self) -> str:
        """What is missing until it works, for an operator's eyes; empty when nothing is."""
        if self._is_established or self._has_failed:
            return ""
        if self._has_heard:
            return f"{self._who} does not say that it hears our UDP heartbeats"
        return f"waiting for {self._awaited()}"

    @property
    def is_working(self) -> bool:
        """Whether frames get through, as far as heartbeats tell."""
        return self._is_established and not self._has_failed

    @property
    def _who(self) -> str:
        return self.neighbour.nickname or self.neighbour.address

    def _beat(self, now: float) -> None:
        if self.link.address is None:
            return
        self._next_beat = now + self._interval_s
        self._events.append(SpecialReady(encode_heartbeat(self.neighbour.uid), True))

    def _hear(self, uid: int, address: tuple[str, int], now: float) -> None:
        if uid != self.neighbour.uid:
            return
        if self.link.address is None:
            self._change(replace(self.link, address=address))
            self._beat(now)
        elif address != self.link.address:
            # A NAT on the way forgot the old mapping, or the neighbour has another way to us.
            log.info(
                "the UDP address of %s changed from %s:%d to %s:%d", self._who, *self.link.address, *address
            )
            self._change(replace(self.link, address=address))
        if not self._has_heard:
            self._has_heard = True
            self._events.append(ControlReady(SUB_TAG_ESTABLISHED, b""))
        self._deadline = now + SILENCE_TIMEOUT_S

    def _settle(self, now: float) -> None:
        """Our heartbeats arrive. Said twice it means nothing more: the tests are 60 kB each."""
        if self._is_established:
            return
        self._is_established = True
        self._interval_s = SLOW_INTERVAL_S
        self._next_beat = now + SLOW_INTERVAL_S
        self._events.append(Established())
        self.measure(now)

    def _test_fragmentation(self, now: float) -> None:
        self._next_fragmentation_test = now + FRAGMENTATION_TEST_INTERVAL_S
        self._change(replace(self.link, fragments_pass=False))
        self._events.append(SpecialReady(zero_frame(FRAGMENTATION_TEST_LEN), False))

    def _follow_search(self) -> None:
        search = self._search
        if search.mtu != self.link.mtu:
            payload = search.mtu + self._overhead - UDP_OVERHEAD
            self._change(replace(self.link, mtu=search.mtu, max_payload=payload))
        if search.test_mtu is not None:
            test = zero_frame(search.test_mtu + ETHERNET_HEADER_LEN)
            search.test_mtu = None
            self._events.append(SpecialReady(test, True))

    def _change(self, link: SleeveLink) -> None:
        if link != self.link:
            self.link = link
            self._events.append(LinkChanged(link))

    def _reason(self) -> str:
        """Why it is over: Go's words, then what an operator may look at."""
        return f"timed out waiting for {self._awaited()}: is UDP blocked?"

    def _awaited(self) -> str:
        refusal = f" ({self._refusal})" if self._refusal else ""
        if self.link.address is None:
            place = f"{self.neighbour.address}, any port"
        else:
            place = f"{self.link.address[0]}:{self.link.address[1]}"
        return f"UDP heartbeat from {self._who} at {place}{refusal}"
